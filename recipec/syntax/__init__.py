"""The first stage: text to lossless tokens, a syntax tree, and back to text in one layout.

- :func:`recipec.syntax.parse.parse` gives the tree of a file and all its syntax errors; ``tokens`` and ``accepts`` are
  beside it.
- :func:`recipec.syntax.format.format_source` gives the canonical layout; the rules are told at the top of its file.
- ``tree`` holds the nodes; ``errors`` and ``token_errors`` the findings, whose docstrings are their pages of ``explain``.

How text is read, where SQL and Python differ or leave a choice:

- Operators, loosest first: ``or``; ``and``; ``not``; comparisons (``== != < <= > >= in like ilike matches between is null``),
  which do not chain; ``|>``; ``||``; ``+ -``; ``* / // %``; signs; ``**``, to the right; calls, fields and indices. So
  ``a + b |> f`` is ``f(a + b)``, ``a |> f == b |> g`` compares two pipes, and arithmetic on a pipe's result needs parentheses.
- ``80%`` is a number where nothing sticks to the sign; ``10 % 3`` and ``10%3`` are remainders. ``5 tokens`` and ``5 rows`` are
  numbers with a unit, where the word begins no statement of its own.
- ``r/`` begins a regular expression wherever it stands; a column named ``r`` is divided with blanks: ``r / 2``. Inside ``[...]``
  a slash needs no backslash.
- ``"..."`` ends on its line. ``\"""...\"""`` has no escapes but ``\\\"""``; its first line is dropped if it is blank, and the
  indentation that all lines share is removed (text beside the opening quotes counts as a line that is not indented).
- A word before a colon is a name, whatever it is; so is one behind a point. Elsewhere the words of expressions are reserved
  (``and or not in is like ilike matches between as case true false null lambda``), and no others.
"""
