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
            digits = f"(length({t}) <= 15 OR (length({t}) <= 24 AND contains({t}, '.')))"
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


def infer(con: duckdb.DuckDBPyConnection, relation: str, width: int, parameters: list[object]) -> list[str]:
    """The type of each field of a relation ``(f VARCHAR[])``; an empty name for one that is always null.

    Field and value are rows, so that the query is no longer for a hundred columns than for one.
    """
    # most types are ruled out by few rows, and asking costs more than reading
    candidates = _hold(con, f"(SELECT f FROM {relation} LIMIT {FIRST_LOOK})", {c: INFERRED for c in range(1, width + 1)}, parameters)
    candidates = _hold(con, relation, {c: types for c, types in candidates.items() if types}, parameters, candidates)
    seen = execute(
        con,
        f"SELECT DISTINCT c FROM (SELECT unnest(f) AS v, generate_subscripts(f, 1) AS c FROM {relation}) WHERE v IS NOT NULL",
        parameters,
    )
    known = {c for (c,) in seen}
    return [(candidates[c] or ("VARCHAR",))[0] if c in known else "" for c in range(1, width + 1)]


FIRST_LOOK = 512
"""Rows of the first look."""

Candidates = dict[int, tuple[str, ...]]


def _hold(
    con: duckdb.DuckDBPyConnection, relation: str, asked: Candidates, parameters: list[object], others: Candidates | None = None
) -> Candidates:
    """Of the columns ``asked`` about the types that hold all values, beside ``others``, which are settled."""
    held = dict(others or {})
    types = [t for t in INFERRED if any(t in a for a in asked.values())]
    if not types:
        return held
    questions = ", ".join(f"bool_and({fits('v', t)})" for t in types)
    values = f"SELECT unnest(f) AS v, generate_subscripts(f, 1) AS c FROM {relation}"
    select = f"SELECT c, {questions} FROM ({values}) WHERE v IS NOT NULL AND list_contains({list(asked)}, c) GROUP BY c"
    held.update(asked)
    for c, *answers in execute(con, select, parameters):
        fit = dict(zip(types, answers, strict=True))
        held[c] = tuple(t for t in asked[c] if fit[t])
    return held


def joint(types: Sequence[str]) -> str:
    """One type for values that were inferred apart (``""``: there were none)."""
    kinds = {t for t in types if t}
    if kinds == {"BIGINT", "DOUBLE"}:
        return "DOUBLE"
    return kinds.pop() if len(kinds) == 1 else "VARCHAR"
