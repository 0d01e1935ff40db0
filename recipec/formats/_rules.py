"""What must not be written: columns of the wrong type, found by ``check``, and rows, found before the first byte."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recipec.api import KEY, DataError, ExportContext, ExportPart, Schema, quote
from recipec.engines.order import source, yields_key
from recipec.formats._types import Type, parse
from recipec.resolve.types import shown

if TYPE_CHECKING:
    import duckdb

Problems = list[tuple[str, str]]
"""Messages with their help, as ``Format.check`` returns them."""


def one_character(value: str, name: str) -> Problems:
    """The problem of a delimiter that is not one plain character."""
    if len(value) == 1 and value not in "\r\n\0":
        return []
    return [(f"`{name}` must be one character, not {value!r}", f'write {name}: ","')]


def unfit(schema: Schema, holder: str, fits: Callable[[Type], bool], help: Callable[[str, Type], str]) -> Problems:
    """The columns that ``holder`` ("CSV") cannot hold because of some type in them; ``help`` gets the column and that type."""
    if not schema.columns and not schema.unknown:
        return [("there are no columns to write", "name some: `columns: [text, label]`")]
    out = []
    for column in schema.columns:
        wrong = next((t for t in parse(column.type).all() if not fits(t)), None)
        if wrong is not None:
            out.append((f"{holder} cannot hold column `{column.name}` of type {shown(column.type)}", help(column.name, wrong)))
    return out


@dataclass(frozen=True, slots=True)
class Rule:
    """``broken``: SQL over the part's columns, true for a row that must not be written. ``what`` completes "3 rows ...".

    ``show`` is SQL for the text that is wrong; ``help`` says what would be right.
    """

    broken: str
    what: str
    help: str
    show: str | None = None


def require(ctx: ExportContext, format: str, rules_of: Callable[[Schema], Sequence[Rule]]) -> None:
    """Raise DataError when rows break a rule, with the count and the first row of each, before anything is written."""
    for part in ctx.parts:
        rules = rules_of(part.schema)
        if not rules:
            continue
        counts = ", ".join(f"count(*) FILTER (WHERE coalesce({r.broken}, false))" for r in rules)
        (found,) = ctx.con.execute(f"SELECT {counts} FROM ({source(ctx.con, part).table}) AS __rows").fetchall()
        broken = [(rule, n) for rule, n in zip(rules, found, strict=True) if n]
        if broken:
            said = "; ".join(f"{n:,} row{'s' * (n != 1)} {rule.what} ({_first(ctx.con, part, rule)})" for rule, n in broken)
            helps = dict.fromkeys(rule.help for rule, _ in broken)
            raise DataError(f"`{part.name}` cannot be written as {format}: {said}", "; ".join(helps))


def _first(con: duckdb.DuckDBPyConnection, part: ExportPart, rule: Rule) -> str:
    """Where the first row that breaks a rule is, and what is wrong there."""
    rows = source(con, part)
    key = f"CAST({quote(KEY)} AS VARCHAR)" if yields_key(con, part) else "NULL"
    wrong = f"left(CAST({rule.show or 'NULL'} AS VARCHAR), 80)"
    if rows.by:
        by = ", ".join(rows.by)
        bad = f"SELECT {by}, {key} AS k, {wrong} AS w FROM ({rows.table}) AS __rows WHERE {rule.broken} ORDER BY {by} LIMIT 1"
        earlier = " OR ".join(
            "(" + " AND ".join([*(f"r.{same} = b.{same}" for same in rows.by[:i]), f"r.{column} < b.{column}"]) + ")"
            for i, column in enumerate(rows.by)
        )
        query = f"SELECT (SELECT count(*) + 1 FROM ({rows.table}) AS r WHERE {earlier}), k, w FROM ({bad}) AS b"
    else:
        every = (
            f"SELECT row_number() OVER () AS n, {key} AS k, coalesce({rule.broken}, false) AS b, {wrong} AS w FROM ({rows.table}) AS __rows"
        )
        query = f"SELECT n, k, w FROM ({every}) WHERE b ORDER BY n LIMIT 1"
    ((place, name, shown),) = con.execute(query).fetchall()
    named = "" if name is None else f", key {name}"
    return f"first: row {place:,}{named}" + ("" if shown is None else f": `{shown}`")
