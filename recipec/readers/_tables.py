"""Reading the copies of a database's tables: Parquet files that say what types their texts stand for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from recipec.api import DataError, ReadContext, Reader, SourceFile, literal, quote
from recipec.readers._columns import view_of
from recipec.readers._files import execute
from recipec.readers._stream import sizes

if TYPE_CHECKING:
    import duckdb

META = "recipec.columns"


class CopiedTable(Reader):
    """Base of the readers of tables that a mirror has copied (:mod:`recipec.mirror._tables`)."""

    def paths(self) -> Sequence[str]:
        return []

    def header(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> dict[str, str]:
        return columns_of(con, files[0]) if files else {}

    def load(self, ctx: ReadContext) -> None:
        meant = columns_of(ctx.con, ctx.files[0])
        paths = paths_of(ctx.files)
        stored = {str(r[0]): str(r[1]) for r in execute(ctx.con, f"DESCRIBE SELECT * FROM read_parquet({paths})")}
        counts = dict(execute(ctx.con, f"SELECT file_name, num_rows FROM parquet_file_metadata({paths})"))
        before, starts = 0, []
        for file in ctx.files:
            starts.append(before)
            before += int(counts[str(file.path)])
        # An array comes as JSON, whose text is no list of DuckDB's.
        nested = {n for n, t in meant.items() if t.endswith("[]") and stored[n] == "VARCHAR"}
        listed = ", ".join(f"{quote(n)}::JSON AS {quote(n)}" if n in nested else quote(n) for n in meant)
        name = literal(ctx.files[0].name.rpartition("/")[0])
        place = f"{name} AS _file, ({literal(starts)}::BIGINT[])[(file_index + 1)::BIGINT] + file_row_number::BIGINT + 1 AS _row"
        types = {n: "JSON" if n in nested else stored[n] for n in meant}
        view_of(
            replace(ctx, columns=ctx.columns if ctx.columns is not None else meant),
            f"SELECT {place}, {listed} FROM read_parquet({paths}, hive_partitioning=false)",
            types,
            name.strip("'"),
        )
        total = sum(sizes(ctx.files))
        ctx.progress(total, total)

    def explain(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], error: duckdb.Error) -> DataError:
        """DuckDB's error while it read the table that :meth:`load` made, in words."""
        return DataError(f"the copy of {files[0].name.rpartition('/')[0]} is damaged: {str(error).splitlines()[0]}", "recipec fetch")


def columns_of(con: duckdb.DuckDBPyConnection, file: SourceFile) -> dict[str, str]:
    found: list[tuple[Any, ...]] = execute(
        con, f"SELECT value FROM parquet_kv_metadata({paths_of([file])}) WHERE key = {literal(META)}::BLOB"
    )
    if not found:
        raise DataError(f"the copy of {file.name} does not say what its columns are", "recipec fetch")
    return {str(n): str(t) for n, t in json.loads(bytes(found[0][0]))}


def paths_of(files: Sequence[SourceFile]) -> str:
    return literal([str(f.path) for f in files])
