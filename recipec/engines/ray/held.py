"""What files hold of a value whose type Parquet would change, and the value made of it again.

Parquet as DuckDB writes it makes a DOUBLE of a HUGEINT, cuts an INTERVAL to milliseconds, loses the zone of a TIME WITH TIME ZONE, and takes
a UNION apart. Such values are written as texts that cast back to what they were, or as structs; lists, maps and structs of them as lists,
maps and structs of these. Types that only come back under another name (ENUM, BIT, an array of fixed size) are cast back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from recipec.api import literal, quote

if TYPE_CHECKING:
    from recipec.formats._types import Type

_TEXTS = frozenset({"HUGEINT", "UHUGEINT", "BIGNUM", "INTERVAL", "TIME WITH TIME ZONE", "BIT", "ENUM"})
"""Written as text."""
_AS_THEY_ARE = frozenset(
    {
        "VARCHAR", "JSON", "BLOB", "BOOLEAN", "UUID", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER",
        "UBIGINT", "FLOAT", "DOUBLE", "DECIMAL", "DATE", "TIME", "TIME_NS", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS",
        "TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS",
    }
)  # fmt: skip
_NESTED = frozenset({"LIST", "ARRAY", "STRUCT", "MAP", "UNION"})


def parse(type: str) -> Type:
    from recipec.formats._types import parse

    return parse(type)


@cache
def portable(type: str) -> bool:
    """Whether values of this type come back from files as they were. Those of VARIANT and GEOMETRY, and structs without fields, need
    not."""
    return all(
        t.name in _TEXTS | _AS_THEY_ARE or (t.name in _NESTED and bool(t.inside)) or (t.name == "TUPLE" and not _changed(t))
        for t in parse(type).all()
    )


def listed(types: Mapping[str, str]) -> str:
    """A select list of what files hold of these columns."""
    return ", ".join(f"{_held(parse(t), quote(n), 0)} AS {quote(n)}" for n, t in types.items())


def given_back(types: Mapping[str, str]) -> str:
    """A select list over what files hold that gives the columns as they were."""
    return ", ".join(f"{_given_back(parse(t), quote(n), 0)}::{t} AS {quote(n)}" for n, t in types.items())


def _changed(t: Type) -> bool:
    """Whether files hold anything other than the value itself."""
    return any(i.name in _TEXTS or i.name == "UNION" for i in t.all())


def _held(t: Type, x: str, depth: int) -> str:
    if not _changed(t):
        return x
    if t.name in _TEXTS:
        return f"{x}::VARCHAR"
    if t.name == "UNION":
        members = ", ".join(f"m{n}: {_held(m, f'{x}.{quote(name)}', depth)}" for n, (name, m) in enumerate(t.inside))
        return f"CASE WHEN {x} IS NULL THEN NULL ELSE {{tag: union_tag({x})::VARCHAR, {members}}} END"
    return _rebuilt(t, x, depth, _held)


def _given_back(t: Type, x: str, depth: int) -> str:
    if not _changed(t):
        return x
    if t.name in _TEXTS:
        return f"{x}::{t.text}"
    if t.name == "UNION":
        made = " ".join(
            f"WHEN {literal(name)} THEN union_value({quote(name)} := {_given_back(m, f'{x}.m{n}', depth)}::{m.text})::{t.text}"
            for n, (name, m) in enumerate(t.inside)
        )
        return f"CASE {x}.tag {made} END"
    return _rebuilt(t, x, depth, _given_back)


def _rebuilt(t: Type, x: str, depth: int, each: Callable[[Type, str, int], str]) -> str:
    """A list, map or struct with ``each`` done to what it holds."""
    v = f"__v{depth}"
    match t.name:
        case "STRUCT":
            fields = ", ".join(f"{quote(name)}: {each(f, f'{x}.{quote(name)}', depth)}" for name, f in t.inside)
            return f"CASE WHEN {x} IS NULL THEN NULL ELSE {{{fields}}} END"
        case "MAP":
            (_, key), (_, value) = t.inside
            entry = f"{{k: {each(key, f'{v}.key', depth + 1)}, v: {each(value, f'{v}.value', depth + 1)}}}"
            return f"map_from_entries(list_transform(map_entries({x}), lambda {v}: {entry}))"
        case _:
            return f"list_transform({x}, lambda {v}: {each(t.item, v, depth + 1)})"


__all__ = ["given_back", "listed", "portable"]
