"""The lists of DuckDB's functions, against DuckDB's own catalogue."""

from __future__ import annotations

import duckdb
import pytest

from recipec.resolve.aggregates import AGGREGATES
from recipec.resolve.query import ORDERED_AGGREGATES
from recipec.resolve.volatile import MULTIPLYING, REASONS

HARMLESS = {
    "error": "it stops the run, and gives nothing",
    "random": "it is a function of the seed and the row's key here",
}
PRIVILEGES = (
    "has_",
    "pg_has_",
    "pg_is_",
    "pg_my_",
    "inet_",
    "obj_description",
    "col_description",
    "shobj_description",
    "pg_get_",
    "pg_size_",
)


@pytest.fixture(scope="module")
def functions() -> dict[str, set[tuple[str, str | None, str | None]]]:
    with duckdb.connect() as con:
        rows = con.execute("SELECT function_name, function_type, stability, macro_definition FROM duckdb_functions()").fetchall()
    found: dict[str, set[tuple[str, str | None, str | None]]] = {}
    for name, kind, stability, definition in rows:
        found.setdefault(name, set()).add((kind, stability, definition))
    return found


def test_every_function_that_is_none_of_the_row_is_refused(functions: dict[str, set[tuple[str, str | None, str | None]]]) -> None:
    shaky = {
        n for n, facts in functions.items() if any(k == "scalar" and s in ("VOLATILE", "CONSISTENT_WITHIN_QUERY") for k, s, _ in facts)
    }
    assert shaky - REASONS.keys() - HARMLESS.keys() == set()


def test_macros_over_such_functions_are_refused_too(functions: dict[str, set[tuple[str, str | None, str | None]]]) -> None:
    words = [f"{n}(" for n in REASONS] + ["current_date", "current_timestamp", "CURRENT_TIMESTAMP", "duckdb_"]
    over = {
        n for n, facts in functions.items()
        if any(k == "macro" and d and any(w in d.replace('"', "") for w in words) for k, _, d in facts)
    }  # fmt: skip
    left = {n for n in over - REASONS.keys() if not n.startswith(PRIVILEGES)}
    assert left == set()


def test_aggregates_are_all_known(functions: dict[str, set[tuple[str, str | None, str | None]]]) -> None:
    real = {n for n, facts in functions.items() if any(k == "aggregate" for k, _, _ in facts)}
    assert real - AGGREGATES == set()
    scalar = {n for n, facts in functions.items() if any(k == "scalar" for k, _, _ in facts)}
    assert AGGREGATES & scalar == set()


def test_what_is_listed_exists(functions: dict[str, set[tuple[str, str | None, str | None]]]) -> None:
    # Words of SQL that the parser turns into functions, and functions of DuckDB's shell or of older versions.
    elsewhere = {"current_time", "current_timestamp", "localtime", "localtimestamp", "getenv", "pg_backend_pid", "unpack"}
    assert {n for n in (*REASONS, *MULTIPLYING, *ORDERED_AGGREGATES, *AGGREGATES) if n not in functions} == elsewhere
