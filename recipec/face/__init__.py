"""recipec from Python and notebooks: ``recipec.load("packages.recipe").run()["tidy"].df()``.

The names for people are those of ``recipec`` itself: ``load``, ``loads``, ``Recipe``, ``Checked``, ``Planning``, ``Run``,
``Table``, ``Rows``, and the exceptions ``RecipecError`` (of everything), ``RecipeInvalid``, ``RunFailed``. They call what the
command line calls; nothing here decides anything.
"""
