"""``parquet``: columnar files, read in place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.api import DataError, ReadContext, Settings, SourceFile, literal, reader
from recipec.readers._columns import view_of
from recipec.readers._files import FileReader, execute, unreadable
from recipec.readers._stream import ColumnsDiffer, file_names, no_column, sizes

if TYPE_CHECKING:
    import duckdb


class ParquetParams(Settings):
    path: str | list[str]


@reader("parquet")
class Parquet(FileReader):
    """Parquet files. Nothing is copied: only the columns that the recipe uses are read, when they are used.

    ```recipe
    source packages = parquet("data/part-*.parquet") { key: package }
    ```

    ``path`` is a file, a glob or a list of them. Names and types are the files' own. The files of one source must have
    the same columns, in any order, or with declared ``columns`` at least those; where a column's type differs between
    files, its type is one that holds both. A row's place is its number in the file, from 1.

    Bad rows: a value that does not convert to its declared type. A damaged file stops the run.

    Source of the format: Apache Parquet.
    """

    Params = ParquetParams
    lasting = True
    archives = "copied"
    extensions = (".parquet",)
    columns_from = "sample"
    params: ParquetParams

    def header(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> dict[str, str]:
        return parquet_types(con, files) if files else {}

    def load(self, ctx: ReadContext) -> None:
        load_parquet(ctx)

    def explain(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], error: duckdb.Error) -> DataError:
        return damaged(con, files, error)


def load_parquet(ctx: ReadContext) -> None:
    """A view over the context's files, which are Parquet."""
    types = parquet_types(ctx.con, ctx.files, ctx.columns)
    own = next((n for n in types if n.lower() in ("_file", "_row", "file_row_number", "file_index")), None)
    if own is not None:  # it would stand before DuckDB's column of that name, which says where a row is
        raise DataError(f"{_what(ctx.files)} has a column `{own}`, which is needed to say where a row comes from", "rename it in the file")
    total = sum(sizes(ctx.files))
    place = f"{file_names(ctx.files, 'file_index::BIGINT')} AS _file, (file_row_number + 1)::BIGINT AS _row"
    view_of(ctx, f"SELECT {place}, * FROM {_scan(ctx.files)}", types, _what(ctx.files))
    ctx.progress(total, total)


def parquet_types(con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], declared: Iterable[str] | None = None) -> dict[str, str]:
    """Names and types, from the files' footers. Raises DataError for a file that is no Parquet."""
    import duckdb

    for file in files:
        _check(file)
    try:
        found = _described(con, files)
        if len(files) > 1:
            _same(con, files, declared)
    except duckdb.Error as error:
        raise damaged(con, files, error) from None
    return found


def _described(con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile]) -> dict[str, str]:
    return {str(r[0]): str(r[1]) for r in execute(con, f"DESCRIBE SELECT * FROM {_scan(files)}")}


def _same(con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], declared: Iterable[str] | None) -> None:
    """All files must have the same columns, or at least those declared."""
    names = execute(con, f"SELECT file_name, list(DISTINCT name ORDER BY name) FROM parquet_schema({_paths(files)}) GROUP BY file_name")
    by_path = {Path(str(path)): tuple(n) for path, n in names}  # with those of nested fields: alike means the same columns
    kinds: dict[object, Sequence[str]] = {}
    columns: dict[SourceFile, Sequence[str]] = {}
    for file in files:
        kind = by_path.get(file.path, file)
        if kind not in kinds:
            kinds[kind] = list(_described(con, [file]))
        columns[file] = kinds[kind]
    if declared is not None:
        for file in files:
            missing = next((n for n in declared if n not in columns[file]), None)
            if missing is not None:
                raise no_column(missing, columns[file], f"`{file.name}`")
        return
    other = next((f for f in files if set(columns[f]) != set(columns[files[0]])), None)
    if other is not None:
        raise ColumnsDiffer(files[0], other, columns)


def _check(file: SourceFile) -> None:
    """The first and last bytes; DuckDB's own messages do not say which file it was."""
    try:
        with open(file.path, "rb") as raw:
            start = raw.read(4)
            raw.seek(0, 2)
            size = raw.tell()
            raw.seek(max(size - 4, 0))
            end = raw.read(4)
    except OSError as error:
        raise unreadable(file, error) from None
    if size == 0:
        raise DataError(f"`{file.name}` is empty: a Parquet file without rows still has a footer", "write or fetch the file again")
    if start != b"PAR1":
        begins = f"it begins with {start.hex(' ')}, not PAR1"
        raise DataError(f"`{file.name}` is not a Parquet file: {begins}", "is it CSV or JSON? Use csv(...) or jsonl(...)")
    if end != b"PAR1":
        raise DataError(f"`{file.name}` ends in the middle: its footer is missing", "fetch or copy the file again")


def damaged(con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], error: duckdb.Error) -> DataError:
    """Which of the files DuckDB cannot read, and what it says. Reads them through, one by one, up to the damaged one."""
    import duckdb

    culprit = files[0]
    for file in files:
        try:
            execute(con, f"SELECT max(hash(COLUMNS(*))) FROM {_scan([file])}")
        except duckdb.Error as own:
            culprit, error = file, own
            break
    said = str(error).split("\n")[0].removeprefix("Invalid Input Error: ").removeprefix("IO Error: ").strip()
    return DataError(f"`{culprit.name}` is a damaged Parquet file: {said}", "write or fetch the file again")


def _scan(files: Sequence[SourceFile]) -> str:
    union = ", union_by_name=true" if len(files) > 1 else ""
    return f"read_parquet({_paths(files)}, hive_partitioning=false{union})"


def _paths(files: Sequence[SourceFile]) -> str:
    """Paths as globs that match themselves only."""
    import re

    return literal([re.sub(r"([*?\[])", r"[\1]", str(f.path)) for f in files])


def _what(files: Sequence[SourceFile]) -> str:
    return f"`{files[0].name}`" if len(files) == 1 else "the Parquet files"
