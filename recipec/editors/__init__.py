"""What editors and web pages use to show recipes, made from the grammar and the registry.

``textmate``  the grammar that VS Code, GitHub and others colour by: ``python -m recipec.editors.textmate`` writes it anew
``pygments``  the same for Pygments (Sphinx, MkDocs, terminals), found by it through an entry point
``schema``    a resolved recipe as JSON, and its JSON Schema: ``python -m recipec.editors.schema [FILE.recipe]``
"""
