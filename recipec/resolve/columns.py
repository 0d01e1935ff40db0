"""Which names a column may have."""

from __future__ import annotations

from collections.abc import Iterable

from recipec.diagnostics import Diagnostic
from recipec.resolve.problems import DuplicateName, ReservedColumn
from recipec.source import Span
from recipec.syntax import tree

KEPT = frozenset({"_key", "_parent", "_order", "_why", "_because", "_file", "_row", "_part"})


def reserved(name: str) -> bool:
    """Whether a name belongs to recipec: its own columns, and everything that begins with two underscores."""
    return name.lower() in KEPT or name.startswith("__")


def twin(name: str, others: Iterable[str]) -> str | None:
    """Another name that DuckDB takes for the same: it does not tell ``Text`` from ``text``."""
    low = ascii_lower(name)
    return next((o for o in others if o != name and ascii_lower(o) == low), None)


def ascii_lower(name: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in name)


def name_problem(name: tree.Name, others: Iterable[str], span: Span | None = None) -> Diagnostic | None:
    """What is wrong with giving a column this name beside ``others``; None when nothing is."""
    where = span or name.span
    if reserved(name.id):
        return ReservedColumn(
            span=where, message=f"`{name.id}` is a name that recipec keeps for itself", help=("choose another name",)
        )
    if (other := twin(name.id, others)) is not None:
        return DuplicateName(
            span=where,
            message=f"`{name.id}` and the column `{other}` differ by upper and lower case alone",
            help=("a table cannot hold both: write it as the other, or choose another name",),
        )
    return None
