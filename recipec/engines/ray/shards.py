"""A step's rows as Parquet files, so that many machines can read and write them.

A step that Ray built has its rows in ``artifacts/<run key>/rows/`` of the workspace, and the workspace's table of that step is a view over
these files: whatever reads the one reads the other, and they go together. A step that DuckDB built is written out as such files for the
run that needs it. All machines of the cluster must see the workspace under one path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.api import literal
from recipec.engines.ray.held import given_back, listed
from recipec.engines.ray.stores import here, remote

if TYPE_CHECKING:
    import duckdb

COMPRESSION = "zstd"
EMPTY = "empty.parquet"
"""Beside the files of buckets: one without rows, for who finds none."""
BUCKET = "__bucket"


@dataclass(frozen=True)
class Rows:
    """A relation over files. ``select`` is SQL over ``{files}``."""

    files: tuple[str, ...]
    select: str = "SELECT * FROM {files}"
    bytes: int = 0

    def sql(self) -> str:
        return "(" + self.select.replace("{files}", scan(self.files)) + ")"


def scan(files: Iterable[str]) -> str:
    """SQL that reads files; with a store, their copies here."""
    return listed_files(here(files))


def listed_files(files: Iterable[str]) -> str:
    return f"read_parquet([{', '.join(map(literal, files))}], hive_partitioning = false)"


def whole(parts: Sequence[Rows]) -> Rows:
    """A table of its parts."""
    return Rows(tuple(f for p in parts for f in p.files), parts[0].select, sum(p.bytes for p in parts))


def described(con: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    return {str(r[0]): str(r[1]) for r in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}


def cast(types: Mapping[str, str]) -> str:
    """A select list that gives every column the value and the type that it had, whatever Parquet made of it."""
    return given_back(types)


def view(con: duckdb.DuckDBPyConnection, name: str, files: Sequence[str], types: Mapping[str, str]) -> None:
    """Make the workspace's table a view over files."""
    con.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT {cast(types)} FROM {listed_files(remote(files))}")


def bucket_of(buckets: int, coarse: int) -> str:
    """SQL for the bucket of a row: rows with one ``__by`` have one, rows without any are spread by their keys. ``coarse`` is how many
    buckets there are to be, where those of ``buckets`` that follow each other lie together."""
    fine = f"((CASE WHEN __by IS NULL THEN hash(_key) ELSE hash(__by) END) % {buckets})"
    return f"{fine}::INTEGER" if coarse == buckets else f"(({fine} * {coarse}) // {buckets})::INTEGER"


def write(
    con: duckdb.DuckDBPyConnection, query: str, folder: Path, by: str | None, buckets: int, coarse: int, empty: bool
) -> dict[int, tuple[str, ...]]:
    """Write a query's rows into the new ``folder``: one file, or files by bucket of ``by``. Which files a bucket has; -1: all buckets."""
    columns = listed(described(con, f"({query})"))
    if by is None:
        con.execute(
            f"COPY (SELECT {columns} FROM ({query})) TO {literal(str(folder / 'rows.parquet'))} (FORMAT parquet, COMPRESSION {COMPRESSION})"
        )
        return {0: (str(folder / "rows.parquet"),)}
    if empty:
        con.execute(f"COPY (SELECT {columns} FROM ({query}) LIMIT 0) TO {literal(str(folder / EMPTY))} (FORMAT parquet)")
    bucketed = f"SELECT {columns}, {bucket_of(buckets, coarse)} AS {BUCKET} FROM (SELECT *, ({by}) AS __by FROM ({query}))"
    found = partitioned(con, bucketed, folder)
    if empty:
        found[-1] = (str(folder / EMPTY),)
    return found


def partitioned(con: duckdb.DuckDBPyConnection, query: str, folder: Path) -> dict[int, tuple[str, ...]]:
    """Write a query's rows, as files hold them, by its column ``__bucket``: which files each has."""
    con.execute(
        f"COPY ({query}) TO {literal(str(folder / 'b'))} (FORMAT parquet, COMPRESSION {COMPRESSION}, PARTITION_BY ({BUCKET}), OVERWRITE_OR_IGNORE)"
    )
    found: dict[int, tuple[str, ...]] = {}
    if (folder / "b").is_dir():
        for part in sorted((folder / "b").iterdir()):
            number = int(part.name.partition("=")[2])
            found[number] = tuple(sorted(str(f) for f in part.iterdir()))
    return found


def size(files: Iterable[str]) -> int:
    return sum(Path(f).stat().st_size for f in files)
