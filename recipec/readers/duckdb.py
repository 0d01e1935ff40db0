"""``duckdb``: a table or a query of a DuckDB database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.api import DataError, ReadContext, Settings, SourceFile, literal, model_validator, quote, reader
from recipec.diagnostics import nearest
from recipec.fast.carry import carried, restored
from recipec.readers._columns import view_of
from recipec.readers._files import FileReader, execute, unreadable
from recipec.readers._stream import no_column, sizes, unique_names

if TYPE_CHECKING:
    import duckdb


class DuckdbParams(Settings):
    path: str | list[str]
    table: str = ""
    query: str = ""

    @model_validator(mode="after")
    def one_of(self) -> DuckdbParams:
        if bool(self.table.strip()) == bool(self.query.strip()):
            raise ValueError('give one of `table` and `query`: table: "films", or query: "select id, title from films"')
        return self


@reader("duckdb")
class Duckdb(FileReader):
    """A table, a view or the result of a query of a DuckDB database.

    ```recipe
    source films = duckdb("data/films.duckdb", table: "films") { key: id }
    source recent = duckdb("data/films.duckdb", query: "select id, title from films where year > 2000 order by id")
    ```

    ``path`` is the database (or a list of databases with the same table). ``table`` may name its schema (``main.films``); ``query`` is one
    SELECT. The database is opened read-only and apart from the workspace's own; a query reads no files and loads no extension.
    Types are the database's own. An enum is read as text.

    A row's place is its number in the table's order, or a query's (give it an ``order by``).

    Bad rows: a value that does not convert to its declared type. A database written by a newer DuckDB, or open for writing
    elsewhere, is told.
    """

    Params = DuckdbParams
    archives = "copied"
    extensions = (".duckdb", ".ddb")
    params: DuckdbParams

    def header(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> dict[str, str]:
        if not files:
            return {}
        with opened(files[0]) as database:
            return self._types(database, files[0])

    def load(self, ctx: ReadContext) -> None:
        """The rows go through Parquet files, for a database that is attached to the workspace's connection could be changed by it."""
        import duckdb

        types: dict[str, str] = {}
        made: list[Path] = []
        total, done = sum(sizes(ctx.files)), 0
        for index, file in enumerate(ctx.files):
            with opened(file, ctx.scratch) as database:
                own = self._types(database, file)
                if types and own != types:
                    raise DataError(f"{self._what(file)} has other columns than in `{ctx.files[0].name}`", "read them as two sources")
                types = own
                missing = next((n for n in ctx.columns or () if n not in own), None)
                if missing is not None:
                    raise no_column(missing, list(own), self._what(file))
                path = ctx.scratch / f"duckdb-{index}.parquet"
                listed = ", ".join(carried(n, declared) for n, declared in zip(own, self._declared(database, file), strict=True))
                select = self._select(database, file)
                try:
                    database.execute("SET preserve_insertion_order = true")
                    names = ", ".join(quote(n) for n in own)
                    database.execute(
                        f"COPY (SELECT {listed} FROM ({select}) AS q({names})) TO {literal(str(path))} (FORMAT parquet, COMPRESSION lz4)"
                    )
                except duckdb.Error as error:
                    raise self._refused(file, error, database) from None
                made.append(path)
            done += file.path.stat().st_size
            ctx.progress(done, total)
        place = f"({literal([f.name for f in ctx.files])})[(file_index + 1)::BIGINT] AS _file, file_row_number::BIGINT + 1 AS _row"
        listed = ", ".join(restored(n, t) for n, t in types.items())
        paths = literal([str(p) for p in made])
        view_of(ctx, f"SELECT {place}, {listed} FROM read_parquet({paths}, hive_partitioning=false)", types, self._what(ctx.files[0]))

    def _what(self, file: SourceFile) -> str:
        return f"table `{self.params.table}` of `{file.name}`" if self.params.table else f"the query of `{file.name}`"

    def _select(self, database: duckdb.DuckDBPyConnection, file: SourceFile) -> str:
        query = self.params.query.strip().rstrip(";")
        if query:
            return f"{query}\n"
        known = tables(database)
        wanted = self.params.table
        found = next((t for t in known if wanted.lower() in (t[1].lower(), f"{t[0]}.{t[1]}".lower())), None)
        if found is None:
            names = [n if s == "main" else f"{s}.{n}" for s, n in known]
            listing = (
                f"its tables: {', '.join(names[:8])}{f' (+{len(names) - 8})' if len(names) > 8 else ''}" if names else "it has no tables"
            )
            guess = nearest(wanted, names)
            raise DataError(f"no table `{wanted}` in `{file.name}`", f"did you mean `{guess}`? {listing}" if guess else listing)
        return f"SELECT * FROM {quote(found[0])}.{quote(found[1])}"

    def _described(self, database: duckdb.DuckDBPyConnection, file: SourceFile) -> list[tuple[str, str]]:
        import duckdb

        try:
            return [(str(r[0]), str(r[1])) for r in execute(database, f"DESCRIBE SELECT * FROM ({self._select(database, file)}) AS q")]
        except duckdb.Error as error:
            raise self._refused(file, error, database) from None

    def _declared(self, database: duckdb.DuckDBPyConnection, file: SourceFile) -> list[str]:
        return [t for _, t in self._described(database, file)]

    def _types(self, database: duckdb.DuckDBPyConnection, file: SourceFile) -> dict[str, str]:
        found = self._described(database, file)
        names = unique_names(n for n, _ in found)
        return {n: "VARCHAR" if t.startswith("ENUM") else t for n, (_, t) in zip(names, found, strict=True)}

    def _refused(self, file: SourceFile, error: duckdb.Error, database: duckdb.DuckDBPyConnection) -> DataError:
        said = str(error).split("\n")[0]
        if "disabled" in said and ("file system" in said or "Permission Error" in said):
            return DataError(f"{self._what(file)} may only read from this database: {said}", "write one SELECT over its own tables")
        return DataError(f"{self._what(file)} cannot be read: {said}", "write one SELECT" if "Parser Error" in said else "")


class opened:
    """A database of its own connection, read-only, that can reach nothing else but where the rows are put."""

    def __init__(self, file: SourceFile, scratch: Path | None = None) -> None:
        self.file, self.scratch = file, scratch

    def __enter__(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        try:
            with open(self.file.path, "rb") as raw:
                start = raw.read(20)
        except OSError as error:
            raise unreadable(self.file, error) from None
        name = self.file.name
        if start[8:12] != b"DUCK":
            raise DataError(f"`{name}` is not a DuckDB database", "for SQLite use sqlite(...)" if start.startswith(b"SQLite") else "")
        try:
            self.con = duckdb.connect(str(self.file.path), read_only=True)
            if self.scratch is not None:
                self.con.execute(f"SET allowed_directories = {literal([f'{self.scratch}/'])}")
            self.con.execute("SET enable_external_access = false")
        except duckdb.Error as error:
            said = str(error).split("\n")[0]
            if "Could not set lock" in said or "onflicting lock" in said:
                raise DataError(f"`{name}` is open for writing elsewhere", "close the program that writes to it, or read a copy") from None
            if "version number" in said or "storage version" in said or "newer" in said.lower():
                raise DataError(
                    f"`{name}` was written by another version of DuckDB than {duckdb.__version__}: {said}",
                    "pip install --upgrade duckdb; or write it anew there: EXPORT DATABASE, or ATTACH ... (STORAGE_VERSION 'v1.2.0')",
                ) from None
            raise DataError(f"`{name}` cannot be opened: {said}", "is it whole? Copy it again") from None
        return self.con

    def __exit__(self, *_: object) -> None:
        self.con.close()


def tables(database: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Tables and views with their schemas; those of ``main`` first."""
    select = (
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = current_database() "
        "AND table_schema NOT IN ('information_schema', 'pg_catalog') ORDER BY table_schema <> 'main', 1, 2"
    )
    return [(str(s), str(n)) for s, n in execute(database, select)]
