"""Why a JSON record does not fit its columns, found by reading it as Python does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recipec.readers._files import execute
from recipec.readers._shapes import DEEPEST, Shape, children, deeper_than
from recipec.readers._stream import unconvertible

if TYPE_CHECKING:
    import duckdb
    from duckdb.sqltypes import DuckDBPyType


@dataclass(frozen=True, slots=True)
class Fault:
    """``column`` is set when the record is sound and only an inferred type or name stands against it."""

    reason: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """A value of which only DuckDB can say whether it converts."""

    record: int
    place: str
    type: str
    text: str


def _whole(text: str) -> int | float:
    return int(text) if len(text) < 1000 else float(text)


class Duplicate(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        raise Duplicate(next(k for k, _ in pairs if k in seen or seen.add(k)))  # type: ignore[func-returns-value]
    return made


def parse(text: str) -> tuple[Any, str | None]:
    """The value, or why it is no JSON. Stricter than DuckDB: no comma before a closing bracket."""
    try:
        return json.loads(text, parse_int=_whole, object_pairs_hook=_object), None
    except Duplicate as error:
        return None, f"the key {_short(str(error))} comes twice"
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        return None, f"not JSON: {error.msg[:1].lower()}{error.msg[1:]} at {where}"
    except RecursionError:
        return None, f"nested more than {DEEPEST} levels deep"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a truth value"
        case float() | int():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"


def examine(con: duckdb.DuckDBPyConnection, texts: Sequence[str], shape: Shape, *, inferred: bool) -> list[Fault | None]:
    """For each record the first thing wrong with it, or None."""
    import duckdb

    types = {f.key: (f.name, duckdb.sqltype(f.type)) for f in shape.fields if not f.apart}
    known = {f.key for f in shape.fields}
    found: list[Fault | None] = []
    doubts: list[Doubt] = []
    for number, text in enumerate(texts):
        value, wrong = parse(text)
        if wrong is None:
            wrong = _unreadable(text, value)
        if wrong is not None:
            found.append(Fault(wrong))
            continue
        looked = _Look(inferred, number, doubts)
        if shape.whole:
            found.append(next(looked.at(value, next(iter(types.values()))[1], shape.fields[0].name, shape.fields[0].name), None))
            continue
        if not isinstance(value, dict):
            found.append(Fault(f"{_kind(value)}, not an object"))
            continue
        fault = next((f for key, (name, type) in types.items() for f in looked.at(value.get(key), type, name, name)), None)
        if fault is None and inferred:
            strange = next((k for k in value if k not in known), None)
            fault = Fault(f"the key {_short(strange)} is new", strange) if strange is not None else None
        found.append(fault)
    for doubt, refused in _verdicts(con, doubts):
        if refused and found[doubt.record] is None:
            found[doubt.record] = Fault(f"{doubt.place}: {_short(doubt.text)} is not {doubt.type}")
    return found


def _unreadable(text: str, value: Any) -> str | None:
    """What Python reads and DuckDB does not."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "half of a surrogate pair stands alone"
    return f"nested more than {DEEPEST} levels deep" if deeper_than(text, DEEPEST) else None


class _Look:
    """Compares values with types. With inferred types a value of another kind is a conflict; with declared ones it is in
    doubt, and DuckDB decides."""

    def __init__(self, inferred: bool, record: int, doubts: list[Doubt]) -> None:
        self.inferred, self.record, self.doubts = inferred, record, doubts

    def at(self, value: Any, type: DuckDBPyType, place: str, column: str) -> Iterator[Fault]:
        kind = str(type.id)
        if value is None or kind == "varchar":
            return
        if kind in ("list", "array"):
            if not isinstance(value, list):
                yield self.fault(value, type, place, column)
                return
            inner = children(type)["child"]
            if kind == "array" and len(value) != (size := dict(type.children)["size"]):
                yield Fault(f"{place}: {len(value)} values where {size} are declared")
            for i, each in enumerate(value, 1):
                yield from self.at(each, inner, f"{place}[{i}]", column)
        elif kind in ("struct", "map"):
            if not isinstance(value, dict):
                yield self.fault(value, type, place, column)
                return
            parts = children(type)
            for key, each in value.items():
                found = parts["value"] if kind == "map" else parts.get(key)
                if found is not None:
                    yield from self.at(each, found, f"{place}.{key}", column)
                elif self.inferred:
                    yield Fault(f"the key {_short(key)} of {place} is new", column)
        elif isinstance(value, (list, dict)):
            yield self.fault(value, type, place, column)
        elif not self.inferred:
            self.doubts.append(Doubt(self.record, place, str(type), str(value).lower() if isinstance(value, bool) else str(value)))
        elif not _is_a(value, str(type)):
            yield self.fault(value, type, place, column)

    def fault(self, value: Any, type: DuckDBPyType, place: str, column: str) -> Fault:
        return Fault(f"{place}: {_short(value)} is not {type}", column if self.inferred else None)


def _is_a(value: Any, type: str) -> bool:
    """Whether a JSON scalar is a value of an inferred type."""
    match type:
        case "BIGINT" | "HUGEINT":
            bits = 63 if type == "BIGINT" else 127
            return isinstance(value, int) and not isinstance(value, bool) and -(1 << bits) <= value < 1 << bits
        case "DOUBLE":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "BOOLEAN":
            return isinstance(value, bool)
        case _:
            return False


def _verdicts(con: duckdb.DuckDBPyConnection, doubts: Sequence[Doubt]) -> Iterator[tuple[Doubt, bool]]:
    """For each doubt whether the value does not convert."""
    by_type: dict[str, list[Doubt]] = {}
    for doubt in doubts:
        by_type.setdefault(doubt.type, []).append(doubt)
    for type, some in by_type.items():
        select = f"SELECT {unconvertible('x', 'VARCHAR', type)} FROM (SELECT unnest($1::VARCHAR[]) AS x)"
        asked = execute(con, select, [[d.text for d in some]])
        for doubt, (wrong,) in zip(some, asked, strict=True):
            yield doubt, bool(wrong)
