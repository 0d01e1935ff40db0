"""``sqlite``: a table or a query of an SQLite database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as url_quote

from recipec.api import DataError, ReadContext, Settings, SourceFile, quote, reader
from recipec.diagnostics import nearest
from recipec.readers._files import FileReader, unreadable
from recipec.readers._files import shown as as_text
from recipec.readers._stream import TypeConflict, load_batches, no_column, set_aside, sizes, typed, unique_names

if TYPE_CHECKING:
    import sqlite3

    import duckdb
    import pyarrow as pa

SAMPLE_ROWS = 20_480
SAMPLE_STEPS = 5_000_000
"""Steps of SQLite's machine that a look at the first rows may take, about a tenth of a second."""
BATCH = 20_000
BATCH_BYTES = 16 << 20
EXACT = 1 << 53
"""Whole numbers beyond this are not all doubles."""


class Interrupted(DataError):
    """The look at the first rows has taken long enough."""


class SqliteParams(Settings):
    path: str | list[str]
    table: str = ""
    query: str = ""


@reader("sqlite")
class Sqlite(FileReader):
    """A table, a view or the result of a query of an SQLite database.

    ```recipe
    source returned = sqlite("data/shop.db", query: "select id, reason from returns where reason <> ''") { key: id }
    ```

    ``path`` is the database (or a list of databases with the same table). Either ``table`` names a table or view, or
    ``query`` is one SELECT. The database is opened read-only; a query can change nothing, attach no other database and
    load no extension.

    SQLite's columns hold values of any type, so types are inferred from the first 20,480 rows: whole numbers are
    ``BIGINT``, with fractions among them ``DOUBLE``, texts ``VARCHAR``, blobs ``BLOB``, several kinds ``VARCHAR``; a
    column without values goes by its declaration. A query that gives no row within a tenth of a second of work is not
    waited for: its columns then go by their declarations, and are text where they have none. Dates and times are what
    SQLite stores, texts or numbers: declare ``columns`` to have them as such. The whole is checked while it is loaded:
    should a later value not fit, the run stops and names it.

    A row's place is its number in a table's order (that of its rowid) or a query's (give it an ``order by``).

    Bad rows: a text that is not UTF-8, a blob where text is expected that is no text, a value that does not convert to
    its declared type.

    Source of the format: sqlite.org/datatype3.html.
    """

    Params = SqliteParams
    archives = "copied"
    extensions = (".db", ".sqlite", ".sqlite3")
    params: SqliteParams

    def header(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for file in files[:1]:
            with closing(connect(file)) as database:
                found = self._types(database, file)
        return found

    def load(self, ctx: ReadContext) -> None:
        import pyarrow as pa

        found = self.header(ctx.con, ctx.files, ctx.encoding)
        types = found
        if ctx.columns is not None:  # what is declared decides, so values come as texts, which hold them all
            missing = next((n for n in ctx.columns if n not in found), None)
            if missing is not None:
                raise no_column(missing, list(found), self._what(ctx.files[0]))
            types = {n: "BLOB" if t.upper() in ("BLOB", "BYTEA") else "VARCHAR" for n, t in ctx.columns.items()}
        made = typed({n: (f"c{i}", t) for i, (n, t) in enumerate(types.items())}, ctx.columns, "")
        arrow = {"BIGINT": pa.int64(), "DOUBLE": pa.float64(), "VARCHAR": pa.string(), "BLOB": pa.binary()}
        columns = [(f"c{i}", arrow[t]) for i, t in enumerate(types.values())]
        schema = pa.schema([("file", pa.string()), ("row", pa.int64()), *columns, ("why", pa.string())])
        why = f"CASE WHEN why IS NOT NULL THEN why ELSE {made.why} END"
        row = f"to_json({{{', '.join(f'{_key(n)}: c{i}' for i, n in enumerate(types))}}})" if types else "NULL"
        listed = f", {made.columns}" if made.columns else ""
        select = f"SELECT file AS _file, row AS _row{listed}, {why} AS _why, CASE WHEN {why} IS NOT NULL THEN {row} END AS _text FROM "
        load_batches(ctx, schema, self._batches(ctx, schema, list(found), types), lambda source: select + source)
        set_aside(ctx)

    # The database

    def _what(self, file: SourceFile) -> str:
        return f"table `{self.params.table}` of `{file.name}`" if self.params.table else f"the query of `{file.name}`"

    def _select(self, database: sqlite3.Connection, file: SourceFile) -> str:
        """The SELECT to run. Raises DataError when it is not clear which."""
        table, query = self.params.table, self.params.query.strip()
        names = _tables(database)
        listing = f"its tables: {', '.join(names[:8])}{f' (+{len(names) - 8})' if len(names) > 8 else ''}" if names else "it has no tables"
        if bool(table) == bool(query):
            raise DataError(
                f"what is wanted of `{file.name}`: a table or a query?", f'name one of them, table: "..." or query: "..."; {listing}'
            )
        if query:
            return query
        own = next((n for n in names if n.lower() == table.lower()), None)
        if own is None:
            guess = nearest(table, names)
            raise DataError(f"no table `{table}` in `{file.name}`", f"did you mean `{guess}`? {listing}" if guess else listing)
        return f"SELECT * FROM {quote(own)}"

    def _rows(self, database: sqlite3.Connection, file: SourceFile) -> sqlite3.Cursor:
        """The result, its first row found, in an order of its own. Raises Interrupted where a progress handler says so."""
        import sqlite3

        select = self._select(database, file)
        database.set_authorizer(_authorize)
        try:
            if not self.params.query:
                try:
                    return database.execute(f"{select} ORDER BY rowid")
                except sqlite3.OperationalError as error:
                    if "rowid" not in str(error):
                        raise
            cursor = database.execute(select)
        except (sqlite3.Error, sqlite3.Warning) as error:
            database.set_authorizer(None)
            raise self._refused(file, error, _tables(database)) from None
        if cursor.description is None:
            raise DataError(f"the query of `{file.name}` gives no rows", "write one SELECT")
        return cursor

    def _refused(self, file: SourceFile, error: Exception, tables: Sequence[str] = ()) -> DataError:
        text = str(error)
        if text == "interrupted":
            return Interrupted(text)
        if "one statement" in text:
            return DataError(f"the query of `{file.name}` is more than one statement", "write one SELECT")
        if "not authorized" in text or "prohibited" in text:
            return DataError(f"the query of `{file.name}` may only read from this database: {text}", "write one SELECT over its own tables")
        if "malformed" in text or "not a database" in text or "encrypted" in text:
            return DataError(f"`{file.name}` is damaged: {text}", "restore it from a copy; `sqlite3 FILE .recover` saves what can be saved")
        guess = nearest(text.partition("no such table: ")[2], tables)
        return DataError(f"{self._what(file)} cannot be read: {text}", f"did you mean `{guess}`?" if guess else "")

    def _types(self, database: sqlite3.Connection, file: SourceFile) -> dict[str, str]:
        import sqlite3

        left = SAMPLE_STEPS // 10_000

        def enough() -> bool:
            nonlocal left
            left -= 1
            return left < 0

        rows: list[tuple[Any, ...]] = []
        names: list[str] = []
        database.set_progress_handler(enough, 10_000)
        try:
            with closing(self._rows(database, file)) as cursor:
                names = [str(d[0]) for d in cursor.description]
                while len(rows) < SAMPLE_ROWS and (some := cursor.fetchmany(512)):
                    rows.extend(some)
        except Interrupted:
            pass
        except sqlite3.Error as error:
            if str(error) != "interrupted":
                raise self._refused(file, error) from None
        finally:
            database.set_progress_handler(None, 0)
        declared = self._declared(database, file)
        names = names or [n for n, _ in declared]
        types = [t for _, t in declared] if len(declared) == len(names) else [""] * len(names)
        kinds = [{type(v) for v in column} - {type(None)} for column in zip(*rows, strict=True)] if rows else [set()] * len(names)
        wide = [k == {int, float} and any(isinstance(r[i], int) and abs(r[i]) > EXACT for r in rows) for i, k in enumerate(kinds)]
        made = ["VARCHAR" if w else _type(k, t) for k, t, w in zip(kinds, types, wide, strict=True)]
        return dict(zip(unique_names(names), made, strict=True))

    def _declared(self, database: sqlite3.Connection, file: SourceFile) -> list[tuple[str, str]]:
        """Names and types of the columns as the database declares them; the type is empty where it does not."""
        import sqlite3

        select = self._select(database, file)
        database.set_authorizer(None)  # a view is only parsed here, and it lives in the temporary database
        try:
            database.execute(f"CREATE TEMP VIEW __recipec AS {select.rstrip().rstrip(';')}")
            return [(str(n), str(t or "")) for n, t in database.execute("SELECT name, type FROM pragma_table_xinfo('__recipec')")]
        except (sqlite3.Error, sqlite3.Warning):  # a query that can be run but not be a view
            return []

    def _batches(self, ctx: ReadContext, schema: pa.Schema, names: list[str], types: dict[str, str]) -> Iterator[pa.RecordBatch]:
        import sqlite3

        import pyarrow as pa

        each = sizes(ctx.files)
        for index, file in enumerate(ctx.files):
            with closing(connect(file)) as database:
                cursor = self._rows(database, file)
                if unique_names(d[0] for d in cursor.description) != names:
                    raise DataError(f"{self._what(file)} has other columns than in `{ctx.files[0].name}`", "read them as two sources")
                row = 0
                try:
                    while rows := _some(cursor):
                        why: list[str | None] = [None] * len(rows)
                        columns = []
                        for place, (name, type) in enumerate(types.items()):
                            at = names.index(name)
                            values = [r[at] for r in rows]
                            inferred = None if ctx.columns is not None else (file.name, row, name)
                            columns.append(pa.array(_column(values, type, name, why, inferred), schema.types[2 + place]))
                        numbers = pa.array(range(row + 1, row + len(rows) + 1), pa.int64())
                        files = pa.array([file.name] * len(rows), pa.string())
                        yield pa.record_batch([files, numbers, *columns, pa.array(why, pa.string())], schema=schema)
                        row += len(rows)
                except sqlite3.Error as error:
                    raise self._refused(file, error) from None
            ctx.progress(sum(each[: index + 1]), sum(each))


def _tables(database: sqlite3.Connection) -> list[str]:
    """Tables and views, without SQLite's own."""
    select = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite@_%' ESCAPE '@'"
    return [str(r[0]) for r in database.execute(select)]


def _key(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def connect(file: SourceFile) -> sqlite3.Connection:
    """Open a database for reading. Raises DataError for anything that is none."""
    import sqlite3

    try:
        with open(file.path, "rb") as raw:
            start = raw.read(100)
    except OSError as error:
        raise unreadable(file, error) from None
    if start and not start.startswith(b"SQLite format 3\0"):
        raise DataError(
            f"`{file.name}` is not an SQLite database: it begins with {start[:8].hex(' ')}", "an encrypted database must be decrypted first"
        )
    # A database in WAL mode that nobody has open is read as it is: SQLite would put files beside it otherwise.
    alone = len(start) > 19 and start[18] == 2 and not file.path.with_name(file.path.name + "-wal").exists()
    address = f"file:{url_quote(str(file.path.absolute()))}?mode=ro{'&immutable=1' if alone else ''}"
    try:
        database = sqlite3.connect(address, uri=True, check_same_thread=False)  # DuckDB's threads ask for batches in turn
    except sqlite3.Error as error:
        raise DataError(f"cannot open `{file.name}`: {error}") from None
    database.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    try:
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        database.close()
        raise DataError(f"`{file.name}` cannot be read as an SQLite database: {error}", "is another program writing to it?") from None
    return database


_REFUSED_FUNCTIONS = frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"})


def _authorize(action: int, first: str | None, second: str | None, database: str | None, source: str | None) -> int:
    """Reading and computing, nothing else: no ATTACH, no PRAGMA, no writing, not even to the temporary database."""
    import sqlite3

    if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE):
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in _REFUSED_FUNCTIONS:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _type(kinds: set[type], declared: str) -> str:
    """A DuckDB type for values of those kinds, or by the affinity of the declaration (section 3.1) where there are none."""
    if not kinds:
        upper = declared.upper()
        if "INT" in upper:
            return "BIGINT"
        if "BLOB" in upper:
            return "BLOB"
        return "DOUBLE" if any(word in upper for word in ("REAL", "FLOA", "DOUB")) else "VARCHAR"
    if kinds == {int}:
        return "BIGINT"
    if kinds <= {int, float}:
        return "DOUBLE"
    return "BLOB" if kinds == {bytes} else "VARCHAR"


_KINDS: dict[str, frozenset[Any]] = {
    "BIGINT": frozenset({int}),
    "DOUBLE": frozenset({float}),
    "BLOB": frozenset({bytes}),
    "VARCHAR": frozenset({str}),
}


def _column(values: list[Any], type: str, name: str, why: list[str | None], inferred: tuple[str, int, str] | None) -> list[Any]:
    """Values as the type has them; ``why`` is filled for rows that cannot be. With inferred types most such values are a
    conflict instead (``inferred``: file, rows before these, column)."""
    kinds = {v.__class__ for v in values} - {None.__class__}
    fine = _KINDS[type]
    if kinds <= fine and (type != "VARCHAR" or not any(map(_broken, values))):
        return values
    made: list[Any] = []
    for place, value in enumerate(values):
        new, wrong = _as(value, type)
        if wrong is not None:
            if inferred is not None and type != "VARCHAR":
                file, before, column = inferred
                where = f"in `{file}`, row {before + place + 1:,}: {wrong}"
                raise TypeConflict(
                    f"a value of `{column}` does not fit the type inferred from the first rows, {where}", {column: "VARCHAR"}
                )
            why[place] = why[place] or f"{name}: {wrong}"
        made.append(new)
    return made


def _some(cursor: sqlite3.Cursor) -> list[tuple[Any, ...]]:
    """The next rows: no more than go well together in memory."""
    rows: list[tuple[Any, ...]] = []
    size = 0
    while len(rows) < BATCH and size < BATCH_BYTES and (some := cursor.fetchmany(256)):
        rows.extend(some)
        size += sum(len(v) for r in some for v in r if isinstance(v, (str, bytes)))
    return rows


def _broken(value: str | None) -> bool:
    """Whether a text was not UTF-8."""
    if value is None or value.isascii():
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False


def _as(value: Any, type: str) -> tuple[Any, str | None]:
    """The value as the type has it, or null and what is wrong with it."""
    if value is None:
        return None, None
    shown = f"0x{value.hex()}"[:80] if isinstance(value, bytes) else str(value)[:80]
    match type:
        case "VARCHAR":
            if isinstance(value, bytes):
                try:
                    return value.decode(), None
                except UnicodeDecodeError:
                    return None, f"{shown} is no text"
            text = repr(value) if isinstance(value, float) else str(value)
            if _broken(text):
                return None, f'"{as_text(value.encode("utf-8", "surrogateescape")[:80])}" is not valid utf-8'
            return text, None
        case "BLOB":
            if isinstance(value, bytes):
                return value, None
            if isinstance(value, str):
                return value.encode("utf-8", "surrogateescape"), None
        case "BIGINT":
            if isinstance(value, int):
                return value, None
        case "DOUBLE":
            if isinstance(value, float) or (isinstance(value, int) and abs(value) <= EXACT):
                return float(value), None
    return None, f'"{shown}" is not {type}'
