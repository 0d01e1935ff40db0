"""JSON records into columns.

DuckDB's ``from_json`` turns a record into a struct quickly, but leniently: what does not fit becomes null, keys that are
not asked for are passed over, and 1.5 becomes 2 as a whole number. So every record is also asked for the types and keys
it really has (``json_type``, ``json_keys``: one more parse for all plain values, one for each list); the few that do not
fit exactly are then examined in Python, which knows the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from recipec.api import ReadContext, literal, quote
from recipec.readers._files import execute
from recipec.readers._jsonfaults import Fault, examine, parse
from recipec.readers._shapes import VALUE, Field, Shape, children
from recipec.readers._stream import (
    WHOLE_NUMBERS,
    Frame,
    TypeConflict,
    load_frames,
    planned_quickly,
    records,
    set_aside,
    type_name,
    unconvertible,
)

if TYPE_CHECKING:
    import duckdb
    from duckdb.sqltypes import DuckDBPyType

_NUMBERS = ("UBIGINT", "BIGINT", "DOUBLE")
_EXACT = {"boolean": ("BOOLEAN",), "float": _NUMBERS, "double": _NUMBERS, "decimal": (*_NUMBERS, "VARCHAR")}
"""The JSON types whose values are values of a type as they are. All others (dates, ...) are written as texts."""
_SCALARS = ("UBIGINT", "BIGINT", "DOUBLE", "BOOLEAN", "VARCHAR")
EXAMINED_AT_ONCE = 10_000


def load_records(ctx: ReadContext, frames: Iterable[Frame], shape: Shape) -> None:
    """Make the context's table from frames whose records are JSON texts."""
    with planned_quickly(ctx.con, len(shape.fields)):
        load_frames(ctx, frames, lambda source: _query(records(source, ctx.files), shape, inferred=ctx.columns is None))
    _settle(ctx, shape)
    set_aside(ctx)


def declared_shape(con: duckdb.DuckDBPyConnection, columns: Mapping[str, str] | None, inferred: Callable[[], Shape]) -> Shape:
    """The declared columns, by key. ``value`` alone may mean records that are no objects, so the sample is asked."""
    if columns is None:
        return inferred()
    fields = tuple(Field(name, name, type_name(con, type)) for name, type in columns.items())
    return Shape(fields, whole=list(columns) == [VALUE] and inferred().whole)


def _query(relation: str, shape: Shape, *, inferred: bool) -> str:
    checks = _Checks(inferred)
    together = [f for f in shape.fields if not f.apart]
    if shape.whole:
        structure = json.dumps(shape.fields[0].type)
        checks.whole(shape.fields[0])
        columns = [f"s AS {quote(shape.fields[0].name)}"]
    else:
        structure = json.dumps({f.key: f.type for f in together}, ensure_ascii=False)
        checks.record(shape.fields)
        columns = [
            f"{f'json_extract(j, {literal(pointer(f.key))})' if f.apart else f's.{quote(f.key)}'} AS {quote(f.name)}" for f in shape.fields
        ]
    made = [f"TRY(from_json(j, {literal(structure)})) AS s" if together else "json_type(j) AS s", *checks.parsed()]
    ok = " AND ".join(f"coalesce({c}, false)" for c in ("j IS NOT NULL", "s IS NOT NULL", *checks.conditions))
    if shape.whole:
        ok = ok.replace("coalesce(s IS NOT NULL, false)", "true")
    valid = f"SELECT *, CASE WHEN why IS NULL AND json_valid(r) THEN r END AS j FROM ({relation})"
    parsed = f"SELECT *, {', '.join(made)} FROM ({valid})"
    judged = f"SELECT *, {ok} AS ok FROM ({parsed})"
    return (
        f"SELECT _file, _row{''.join(f', {c}' for c in columns)}, CASE WHEN why IS NOT NULL THEN why WHEN NOT ok THEN '' END AS _why, "
        f"CASE WHEN NOT ok THEN r END AS _text FROM ({judged})"
    )


def pointer(*keys: str) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + k.replace("~", "~0").replace("/", "~1") for k in keys)


@dataclass
class _Checks:
    """Collects the conditions under which a record's values are exactly what its columns say."""

    inferred: bool
    pointers: list[str] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)

    def parsed(self) -> list[str]:
        """What the conditions need of a record, as SELECT items."""
        items = [f"json_type(j, {literal(self.pointers)}) AS t"] if self.pointers else []
        items += [f"json_keys(j, {literal(self.objects)}) AS k"] if self.objects else []
        return items + [f"{call} AS l{i}" for i, call in enumerate(self.lists)]

    # Plain values and objects, by JSON pointer

    def type_at(self, path: tuple[str, ...]) -> str:
        p = pointer(*path) or "$"
        if p not in self.pointers:
            self.pointers.append(p)
        return f"t[{self.pointers.index(p) + 1}]"

    def keys_at(self, path: tuple[str, ...]) -> str:
        p = pointer(*path) or "$"
        if p not in self.objects:
            self.objects.append(p)
        return f"k[{self.objects.index(p) + 1}]"

    def record(self, fields: Sequence[Field]) -> None:
        import duckdb

        self.conditions.append(f"{self.type_at(())} = 'OBJECT'")
        if self.inferred:
            # as many keys as columns that are there: none is unknown, none comes twice
            there = ", ".join(self.type_at((f.key,)) for f in fields)
            self.conditions.append(f"len({self.keys_at(())}) = list_count([{there}])")
        for f in fields:
            if not f.apart:
                self.value(duckdb.sqltype(f.type), (f.key,), f"s.{quote(f.key)}")

    def whole(self, only: Field) -> None:
        import duckdb

        self.value(duckdb.sqltype(only.type), (), "s")

    def value(self, type: DuckDBPyType, path: tuple[str, ...], sql: str) -> None:
        """``sql`` is the value made, ``path`` where it stands in the record."""
        kind = str(type.id)
        if kind == "varchar":  # holds anything, JSON's own type too
            return
        t = self.type_at(path)
        fine = f"{t} IS NULL OR {t} = 'NULL' OR ({sql} IS NOT NULL AND "
        if kind in ("list", "array", "map"):
            self.conditions.append(f"({fine}{t} = '{'OBJECT' if kind == 'map' else 'ARRAY'}'))")
            inner = children(type)["value" if kind == "map" else "child"]
            self.values(inner, json_path(path) + (".*" if kind == "map" else "[*]"), f"map_values({sql})" if kind == "map" else sql)
        elif kind == "struct":
            self.conditions.append(f"({fine}{t} = 'OBJECT'))")
            parts = children(type)
            if self.inferred:
                there = ", ".join(self.type_at((*path, name)) for name in parts)
                self.conditions.append(f"({t} IS NULL OR {t} = 'NULL' OR len({self.keys_at(path)}) = list_count([{there}]))")
            for name, child in parts.items():
                self.value(child, (*path, name), f"{sql}.{quote(name)}")
        else:
            self.conditions.append(f"({fine}{self.scalar(type, t, path)}))")

    def scalar(self, type: DuckDBPyType, t: str, path: tuple[str, ...]) -> str:
        """Condition on the JSON type ``t`` of a value that could be converted."""
        name, kind = str(type), str(type.id)
        whole = name.upper() in WHOLE_NUMBERS
        exact = ("UBIGINT", "BIGINT") if whole else _EXACT.get(kind, ("VARCHAR",))
        same = f"{t} IN ({', '.join(map(literal, exact))})"
        if self.inferred:
            return same
        if whole:
            converts = f"NOT {unconvertible(f'json_extract_string(j, {literal(pointer(*path))})', 'VARCHAR', name)}"
            return f"CASE WHEN {same} THEN true WHEN {t} IN ('DOUBLE', 'VARCHAR') THEN {converts} ELSE false END"
        return f"{t} IN ({', '.join(map(literal, _SCALARS))})"

    # What stands in lists and maps, by JSON path with wildcards

    def values(self, type: DuckDBPyType, path: str, sql: str) -> None:
        """``sql`` is the list of all values made at ``path``."""
        kind = str(type.id)
        if kind == "varchar":
            return
        self.lists.append(f"json_type(j, {literal(path)})")
        types = f"l{len(self.lists) - 1}"
        if kind in ("list", "array", "map"):
            self.conditions.append(f"list_has_all(['{'OBJECT' if kind == 'map' else 'ARRAY'}', 'NULL'], {types})")
            inner = children(type)["value" if kind == "map" else "child"]
            below = f"list_transform({sql}, lambda x: map_values(x))" if kind == "map" else sql
            self.values(inner, path + (".*" if kind == "map" else "[*]"), f"flatten({below})")
        elif kind == "struct":
            self.conditions.append(f"list_has_all(['OBJECT', 'NULL'], {types})")
            parts = children(type)
            if self.inferred:
                self.lists.append(f"flatten(json_keys(j, {literal(path)}))")
                self.conditions.append(f"list_has_all({literal(list(parts))}, l{len(self.lists) - 1})")
            for name, child in parts.items():
                if not set('"\\\0').intersection(name):
                    self.values(child, f'{path}."{name}"', f"list_transform({sql}, lambda x: x.{quote(name)})")
        else:
            exact = ("UBIGINT", "BIGINT") if str(type).upper() in WHOLE_NUMBERS else _EXACT.get(kind, ("VARCHAR",))
            self.conditions.append(f"list_has_all({literal([*exact, 'NULL'])}, {types})")
            self.conditions.append(f"coalesce(list_count({sql}), 0) = len(list_filter({types}, lambda x: x <> 'NULL'))")


def json_path(path: tuple[str, ...]) -> str:
    return "$" + "".join(f'."{key}"' for key in path)


def _settle(ctx: ReadContext, shape: Shape) -> None:
    """Examine the records that did not fit exactly: fine after all, bad, or at odds with the types inferred."""
    table = quote(ctx.table)
    last = -1
    conflicts: dict[str, list[tuple[str, int, Fault]]] = {}
    while True:
        rows = execute(
            ctx.con,
            f"SELECT rowid, _file, _row, _text FROM {table} WHERE _why = '' AND rowid > {last} ORDER BY rowid LIMIT {EXAMINED_AT_ONCE}",
        )
        if not rows:
            break
        last = rows[-1][0]
        faults = examine(ctx.con, [r[3] for r in rows], shape, inferred=ctx.columns is None)
        fine = [r[0] for r, fault in zip(rows, faults, strict=True) if fault is None]
        bad = [(r[0], f.reason) for r, f in zip(rows, faults, strict=True) if f is not None and f.column is None]
        for r, fault in zip(rows, faults, strict=True):
            if fault is not None and fault.column is not None:
                conflicts.setdefault(fault.column, []).append((r[1], r[2], fault))
        if fine:
            execute(ctx.con, f"UPDATE {table} SET _why = NULL, _text = NULL WHERE rowid IN (SELECT unnest($1::BIGINT[]))", [fine])
        if bad:
            reasons = "(SELECT unnest($1::BIGINT[]) AS id, unnest($2::VARCHAR[]) AS why) b"
            update = f"UPDATE {table} SET _why = b.why FROM {reasons} WHERE {table}.rowid = b.id"
            execute(ctx.con, update, [[b[0] for b in bad], [b[1] for b in bad]])
    if conflicts:
        number = sum(map(len, conflicts.values()))
        file, row, fault = min((c for found in conflicts.values() for c in found), key=lambda c: (c[0], c[1]))
        raise TypeConflict(
            f"{number:,} record{'s do' if number != 1 else ' does'} not fit the columns inferred from a sample of the files, "
            f"first in `{file}`, record {row:,}: {fault.reason}",
            dict.fromkeys(conflicts, "JSON"),
        )


_LAST_COMMA = re.compile(rb",[ \t\r\n]*[\]}]")


def strict(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The frames, with records that have a comma before a closing bracket taken out: DuckDB would accept them."""
    for frame in frames:
        if frame.why is not None or not _LAST_COMMA.search(frame.text):
            yield frame
            continue
        good: list[bytes] = []
        start = frame.start
        for number, record in enumerate(frame.text.split(frame.rs), frame.start):
            wrong = None
            if _LAST_COMMA.search(record):
                try:
                    wrong = parse(record.decode())[1]
                except UnicodeDecodeError:
                    wrong = None  # said elsewhere
            if wrong is None:
                good.append(record)
                continue
            if good:
                yield replace(frame, start=start, text=frame.rs.join(good))
            good, start = [], number + 1
            yield Frame(frame.file, number, record, why=wrong)
        if good:
            yield replace(frame, start=start, text=frame.rs.join(good))
