"""DuckDB's share of the memory of a run, lessened or raised for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import duckdb

_UNITS: Final = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
LEAST_MEMORY: Final = 320 << 20
"""Bytes that DuckDB keeps of its limit, however much is lent."""


def limit_of(con: duckdb.DuckDBPyConnection) -> int:
    """DuckDB's limit in bytes; 0 where it has none. It tells it cut to a tenth of the unit."""
    shown = str(con.execute("select current_setting('memory_limit')").fetchall()[0][0])
    number, _, unit = shown.partition(" ")
    return int(float(number) * _UNITS[unit]) if unit in _UNITS else 0


@contextmanager
def limited(con: duckdb.DuckDBPyConnection, limit: int, usual: int) -> Iterator[None]:
    """Another ``limit`` for a while, then the ``usual`` one again, in bytes; after an error too, and without hiding it."""
    import duckdb

    con.execute(f"set memory_limit = '{limit // 1024}KiB'")
    try:
        yield
    finally:
        # By another connection: in a transaction that failed nothing more can be said. A KiB more than was told, because what is set
        # should not be below it: it would shrink each time.
        with suppress(duckdb.Error), con.cursor() as other:
            other.execute(f"set memory_limit = '{usual // 1024 + 1}KiB'")


@contextmanager
def lent(con: duckdb.DuckDBPyConnection, amount: int) -> Iterator[None]:
    """Let DuckDB do with so many bytes less, because the arrays beside it need them: a limit is meant for the whole process."""
    limit = limit_of(con)
    less = max(limit - amount, min(limit, LEAST_MEMORY))
    if amount <= 0 or less >= limit:
        yield
        return
    with limited(con, less, limit):
        yield


__all__ = ["LEAST_MEMORY", "lent", "limit_of", "limited"]
