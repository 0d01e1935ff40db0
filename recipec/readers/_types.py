"""Which type a column of texts has, when nothing is declared.

A type is inferred only where writing the values back would give the same texts, up to how a number is spelled: ``007``,
``+49`` and ``1e5`` stay text, as do numbers of more digits than a DOUBLE holds and dates in any form but ISO 8601, whose
day and month could be taken for each other. Blanks around a number do not matter; ``true`` and ``false`` may be in any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.readers._files import execute

if TYPE_CHECKING:
    import duckdb

INFERRED = ("BIGINT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP")
"""In the order in which they are tried; VARCHAR holds everything else."""

_NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-][0-9]+)?"
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"


def fits(value: str, type: str) -> str:
    """SQL condition: the text ``value`` (not null) is a value of ``type`` without loss."""
    match type:
        case "BIGINT":
            return f"coalesce(TRY_CAST({value} AS BIGINT)::VARCHAR = trim({value}), false)"
        case "DOUBLE":
            # 17 digits write any double; a whole number beyond 2**53 would lose its last ones
            t = f"trim({value})"
            digits = f"(length({t}) <= 16 OR (length({t}) <= 24 AND contains({t}, '.')))"
            number = f"TRY_CAST({value} AS DOUBLE)"
            spelled = f"{digits} AND regexp_full_match({t}, '{_NUMBER}')"  # costs more than comparing the shortest spelling
            return f"coalesce(isfinite({number}) AND CASE WHEN {number}::VARCHAR = {value} THEN true ELSE {spelled} END, false)"
        case "BOOLEAN":
            return f"lower({value}) IN ('true', 'false')"
        case "DATE":
            return f"coalesce(TRY_CAST({value} AS DATE)::VARCHAR = {value} AND length({value}) = 10, false)"
        case "TIMESTAMP":
            return (
                f"(length({value}) BETWEEN 19 AND 26 AND regexp_full_match({value}, '{_DAY}[ T]{_TIME}') "
                f"AND TRY_CAST({value} AS TIMESTAMP) IS NOT NULL)"
            )
        case _:
            return "true"


def infer(con: duckdb.DuckDBPyConnection, relation: str, values: Sequence[str], parameters: list[object]) -> list[str]:
    """The type of each of ``values`` (SQL of texts over ``relation``); an empty name for one that is always null."""
    names = [f"v{i}" for i in range(len(values))]
    table = f"(SELECT {', '.join(f'{v} AS {n}' for v, n in zip(values, names, strict=True))} FROM {relation})"
    # most types are ruled out by few rows, and asking costs more than reading
    first = f"(SELECT * FROM {table} LIMIT {FIRST_LOOK})"
    candidates = _hold(con, first, {n: INFERRED for n in names}, parameters)
    if any(candidates.values()):
        candidates = _hold(con, table, candidates, parameters)
    known = execute(con, f"SELECT {', '.join(f'count({n}) > 0' for n in names)} FROM {table}", parameters)[0] if names else ()
    return [(candidates[n] or ("VARCHAR",))[0] if there else "" for n, there in zip(names, known, strict=True)]


FIRST_LOOK = 512
"""Rows of the first look."""


def _hold(
    con: duckdb.DuckDBPyConnection, table: str, candidates: dict[str, tuple[str, ...]], parameters: list[object]
) -> dict[str, tuple[str, ...]]:
    """Those of each column's candidate types that hold all its values."""
    asked = [(name, type) for name, types in candidates.items() for type in types]
    if not asked:
        return candidates
    questions = ", ".join(f"bool_and(CASE WHEN {n} IS NOT NULL THEN {fits(n, t)} END)" for n, t in asked)
    answers = execute(con, f"SELECT {questions} FROM {table}", parameters)[0]
    held: dict[str, tuple[str, ...]] = {name: () for name in candidates}
    for (name, type), answer in zip(asked, answers, strict=True):
        if answer is not False:
            held[name] += (type,)
    return held


def joint(types: Sequence[str]) -> str:
    """One type for values that were inferred apart (``""``: there were none)."""
    kinds = {t for t in types if t}
    if kinds == {"BIGINT", "DOUBLE"}:
        return "DOUBLE"
    return kinds.pop() if len(kinds) == 1 else "VARCHAR"
