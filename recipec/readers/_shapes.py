"""The columns that JSON records have, when nothing is declared: names and types from a sample of records."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from recipec.api import quote
from recipec.readers._files import execute
from recipec.readers._stream import folded, type_name, unique_names

if TYPE_CHECKING:
    import duckdb
    from duckdb.sqltypes import DuckDBPyType

DEEPEST = 100
"""Levels of nesting that typed values may have; DuckDB's functions end at 128."""
MANY_KEYS = 200
"""An object of more keys than this is a map from text, not a struct."""
VALUE = "value"
"""The column of records that are not objects."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column: the record's key, the column's name and DuckDB type.

    ``apart`` says that the key cannot stand beside the others in a struct (it is empty, or differs from another by case
    only), so that the value is taken out on its own, as JSON.
    """

    key: str
    name: str
    type: str
    apart: bool = False


@dataclass(frozen=True)
class Shape:
    """``whole``: the records are no objects, and the one column holds each as it is."""

    fields: tuple[Field, ...]
    whole: bool = False

    @property
    def types(self) -> dict[str, str]:
        return {f.name: f.type for f in self.fields}


def infer_shape(con: duckdb.DuckDBPyConnection, texts: Sequence[str]) -> Shape:
    """The shape of sampled records. Texts that are no JSON, and in a sample with objects all other records, do not count."""
    shallow = [t for t in texts if not deeper_than(t, DEEPEST)]  # DuckDB's own limit ends in an internal error
    select = (
        "SELECT json_group_structure(CASE WHEN json_type(j) = 'OBJECT' THEN j END), "
        "json_group_structure(CASE WHEN json_type(j) <> 'OBJECT' THEN j END), count(CASE WHEN json_type(j) = 'OBJECT' THEN 1 END) "
        "FROM (SELECT CASE WHEN json_valid(x) THEN x::JSON END AS j FROM (SELECT unnest($1::VARCHAR[]) AS x))"
    )
    objects, others, number = execute(con, select, [shallow])[0]
    wide = any(re.search(r"(?<![0-9.])[0-9]{19}", t) for t in texts)
    if number:
        structure = _parsed(objects)  # "JSON" when all objects are empty
        shape = Shape(_fields(structure if isinstance(structure, dict) else {}, wide))
    elif others is not None and _parsed(others) != "NULL":
        shape = Shape((Field(VALUE, VALUE, _type(_parsed(others), wide)),), whole=True)
    else:
        return Shape(())
    return replace(shape, fields=tuple(replace(f, type=type_name(con, f.type)) for f in shape.fields))


def children(type: DuckDBPyType) -> dict[str, DuckDBPyType]:
    """The types inside a nested type: a struct's by their names, ``child`` of a list or array, ``key`` and ``value`` of a map."""
    return {name: inner for name, inner in type.children if not isinstance(inner, (int, list))}


def deeper_than(text: str, levels: int) -> bool:
    """Whether brackets are nested deeper than that."""
    if text.count("[") + text.count("{") <= levels:
        return False
    depth = 0
    for token in _BRACKETS.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > levels:
                return True
        elif token[0] in "]}":
            depth -= 1
    return False


_BRACKETS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]')


def _parsed(structure: str) -> Any:
    found: Any = json.loads(structure)
    return found


def _fields(structure: Mapping[str, Any], wide: bool) -> tuple[Field, ...]:
    names = unique_names(structure)
    seen: set[bytes] = set()
    fields = []
    for (key, inner), name in zip(structure.items(), names, strict=True):
        apart = key == "" or "\0" in key or folded(key) in seen
        seen.add(folded(key))
        fields.append(Field(key, name, "JSON" if apart else _type(inner, wide), apart))
    return tuple(fields)


def _type(structure: Any, wide: bool) -> str:
    """A DuckDB type from what ``json_group_structure`` says.

    What is null or empty everywhere is text, which holds anything to come; what has values of several kinds is JSON.
    Whole numbers are BIGINT, or HUGEINT where the sample has any of 19 digits.
    """
    if isinstance(structure, str):
        whole = "HUGEINT" if wide else "BIGINT"
        return {"NULL": "VARCHAR", "UBIGINT": whole, "BIGINT": whole, "HUGEINT": whole}.get(structure, structure)
    if isinstance(structure, list):
        return f"{_type(structure[0], wide)}[]"
    types = {key: _type(inner, wide) for key, inner in structure.items()}
    if len(types) > MANY_KEYS:
        kinds = set(types.values())
        return f"MAP(VARCHAR, {kinds.pop()})" if len(kinds) == 1 else "JSON"
    # DuckDB's structs know no empty name and no two names alike but for case; its JSON paths no quotes inside a name
    if not types or len({folded(k) for k in types}) < len(types) or any(k == "" or re.search(r'["\\\0]', k) for k in types):
        return "JSON"
    return f"STRUCT({', '.join(f'{quote(k)} {t}' for k, t in types.items())})"
