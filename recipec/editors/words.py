"""The words of the language, from the grammar itself, and the step kinds, from the registry."""

from __future__ import annotations

from recipec.registry import names
from recipec.syntax.tables import tables

OPERATORS = ("and", "or", "not", "in", "is", "like", "ilike", "matches", "between")
"""Words that stand between expressions; the test of the generated files says when the grammar has one that is nowhere here."""
ITEMS = ("recipe", "import", "param", "def", "template", "repeat", "until", "from", "as")
STATEMENTS = ("keep", "drop", "where", "when", "expect", "warn", "vote")
FLOW = ("case", "then", "else", "end", "lambda", "cast", "try_cast")
CONSTANTS = ("true", "false", "null")


def keywords() -> list[str]:
    """Every word that the grammar knows, sorted."""
    return sorted(tables().keywords)


def kinds() -> list[str]:
    return names("step")


def name_pattern() -> str:
    """A name, as the grammar's own terminal has it."""
    return next(pattern for name, pattern in tables().terminals if name == "NAME")
