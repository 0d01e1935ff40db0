"""Which names columns may have, and tables with parts."""

from __future__ import annotations

import re
from collections.abc import Iterable

from recipec.diagnostics import Diagnostic
from recipec.resolve.problems import BadValue, DuplicateName, ReservedColumn
from recipec.source import Span
from recipec.syntax import tree

_HOLE = re.compile(r"\{(?:(?:input|scratch)\}|why\[|table[ }])")
"""What stands for something in the SQL of an operator."""

KEPT = frozenset({"_key", "_parent", "_order", "_why", "_because", "_file", "_row", "_part"})


SCHEMAS = frozenset({"information_schema", "main", "pg_catalog", "recipec", "store", "system", "temp", "work"})
"""Schemas of the workspace's database, and the database itself: no split and no import may be called so, for its tables
stand in a schema of its name."""


def schema_problem(name: tree.Name) -> Diagnostic | None:
    """What is wrong with a split or an import of this name; None when nothing is."""
    if name.id.lower() not in SCHEMAS:
        return None
    message = f"`{name.id}` is a part of the workspace's database, and so cannot hold tables of this recipe"
    return BadValue(span=name.span, message=message, help=("choose another name",))


def reserved(name: str) -> bool:
    """Whether a name belongs to recipec: its own columns, and what begins, but does not end, with two underscores
    (``__index_level_0__`` is what pandas calls a column)."""
    inner = name.startswith("__") and not (name.endswith("__") and len(name) > 4)
    return name.lower() in KEPT or inner or _HOLE.search(name) is not None


def twin(name: str, others: Iterable[str]) -> str | None:
    """Another name that DuckDB takes for the same: it does not tell ``Text`` from ``text``."""
    low = ascii_lower(name)
    return next((o for o in others if o != name and ascii_lower(o) == low), None)


def ascii_lower(name: str) -> str:
    return name.lower() if name.isascii() else "".join(c.lower() if c.isascii() else c for c in name)


def name_problem(name: tree.Name, others: Iterable[str], span: Span | None = None) -> Diagnostic | None:
    """What is wrong with giving a column this name beside ``others``; None when nothing is."""
    where = span or name.span
    if reserved(name.id):
        return ReservedColumn(span=where, message=f"`{name.id}` is a name that recipec keeps for itself", help=("choose another name",))
    if (other := twin(name.id, others)) is not None:
        return DuplicateName(
            span=where,
            message=f"`{name.id}` and the column `{other}` differ by upper and lower case alone",
            help=("a table cannot hold both: write it as the other, or choose another name",),
        )
    return None
