"""A table or query of a PostgreSQL database, copied in one snapshot through Arrow (ADBC, whose streams are binary COPY).

The driver's own readings are used where they hold every value of the type. Tried with driver 1.13: infinite dates and timestamps wrap
around, arrays of arrays are flattened, a composite stops the stream; these are transferred as the server's text.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import pairwise
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, ClassVar

from recipec.api import DataError, quote
from recipec.mirror._base import Fetching, Snapshot
from recipec.mirror._servers import POSTGRES
from recipec.mirror._tables import (
    ROWS,
    TRIES,
    Field,
    Lost,
    Part,
    TableMirror,
    Told,
    one_select,
    parts_of,
    revealed,
    rows_of,
    snapshot_of,
    unique,
    write_part,
)

if TYPE_CHECKING:
    from recipec.mirror._pg import Session

STREAMS = 2
"""Ranges read at once: one server process rarely fills a line, and more would crowd the server's other clients."""

_NATIVE = {
    "bool": "BOOLEAN",
    "int2": "SMALLINT",
    "int4": "INTEGER",
    "int8": "BIGINT",
    "float4": "FLOAT",
    "float8": "DOUBLE",
    "text": "VARCHAR",
    "varchar": "VARCHAR",
    "name": "VARCHAR",
    "bytea": "BLOB",
}
_AS_TEXT = {
    "numeric": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "time": "TIME",
    "timetz": "TIME WITH TIME ZONE",
    "interval": "INTERVAL",
    "uuid": "UUID",
    "json": "JSON",
    "jsonb": "JSON",
}


@dataclass(frozen=True)
class Relation:
    """What is read: SQL to select from, and of a table its oid and key."""

    sql: str
    fields: tuple[Field, ...]
    places: tuple[str, ...]
    """The names by which ``sql`` is asked for the fields."""
    key: tuple[tuple[str, str], ...]
    """Columns (as ``sql`` calls them) and their types, whose ranges can be read one by one."""
    logged: bool
    """Whether every change of its contents is in the write-ahead log."""

    @property
    def columns(self) -> str:
        return ", ".join(f.sql for f in self.fields)

    @property
    def row(self) -> str:
        return f"ROW({', '.join(self.places)})::text" if self.places else "''"


class PostgresMirror(TableMirror):
    scheme = "postgresql"
    addresses = POSTGRES
    extra: ClassVar[tuple[str, tuple[str, ...]]] = ("sql", ("adbc_driver_postgresql",))

    # What the server holds

    def mark(self, before: Snapshot) -> Any:
        session = self.open()
        try:
            log = self.log(session)
            if self.params.changed:
                self.begin(session)
                return self.changed(session)
            if log is not None and before.mark.get("log") == log:
                return before.mark
            self.begin(session)
            relation = self.relation(session)
            return {"content": self.content(session, relation), "log": log if relation.logged else None}
        finally:
            session.close()

    def unchanged(self, before: Snapshot, mark: Any) -> bool:
        """The log also moves by what others write: what counts is the contents, where they were asked for."""
        return super().unchanged(before, mark) or ("content" in mark and mark["content"] == before.mark.get("content"))

    def open(self) -> Session:
        from recipec.mirror._pg import Session

        made = Session(revealed(self.params.url, self.addresses), self.known)
        self.known = True
        return made

    @staticmethod
    def begin(session: Session, snapshot: str = "") -> None:
        session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if snapshot:
            try:
                session.run(f"SET TRANSACTION SNAPSHOT {literal(snapshot)}")
            except DataError as error:  # the connection that exported it is gone, and with it the snapshot
                raise Lost(error.message, error.help) from None

    @staticmethod
    def log(session: Session) -> str | None:
        """How far the write-ahead log is written: while that is the same, no transaction has been committed. It is asked before the
        snapshot is taken, so that what comes in between counts as changed."""
        try:
            return str(
                session.one(
                    "SELECT (SELECT system_identifier FROM pg_control_system())::text || '/' || (SELECT timeline_id FROM "
                    "pg_control_checkpoint()) || '/' || CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE "
                    "pg_current_wal_insert_lsn() END || '/' || current_database()"
                )[0]
            )
        except DataError:  # a service that is not quite PostgreSQL, or hides these
            return None

    def changed(self, session: Session) -> Any:
        query = one_select(self.params.changed)
        found = session.rows(f"SELECT q::text FROM ({query}) AS q LIMIT 1000")
        return {"changed": [str(r[0]) for r in found]}

    def content(self, session: Session, relation: Relation) -> Any:
        """What the rows are, whatever their order: their number and the sum of their hashes, computed by the server."""
        hashed = f"SELECT count(*), sum(hashtextextended({relation.row}, 0))::text FROM {relation.sql}"
        rows, total = session.one(hashed)
        return {"columns": [[f.name, f.own] for f in relation.fields], "hash": total or "0", "rows": rows}

    # Tables, queries and their types

    def relation(self, session: Session) -> Relation:
        if self.params.table:
            return self.table(session)
        query = one_select(self.params.query)
        names = session.names(query)
        places = tuple(f"c{i}" for i in range(len(names)))
        if not names:
            raise DataError("the query gives no columns", "write one SELECT")
        # A comment at the query's end would hide the parenthesis.
        sql = f"({query}\n) AS q({', '.join(places)})"
        kinds = ", ".join(f"pg_typeof({p})::oid::int8" for p in places)
        oids = session.one(f"SELECT {kinds} FROM (SELECT 1) AS one LEFT JOIN (SELECT * FROM {sql} LIMIT 0) AS q ON true")
        fields = self.fields(session, [(n, p, oid, -1) for n, p, oid in zip(names, places, oids, strict=True)])
        return Relation(sql, fields, places, self.key_of(fields, names, places, self.params.by), False)

    def table(self, session: Session) -> Relation:
        from recipec.mirror._pg import unknown_table

        schema, _, name = self.params.table.rpartition(".")
        exact = f"c.relname = {literal(name)} AND n.nspname = {literal(schema)}"
        visible = f"c.relname = {literal(self.params.table)} AND pg_table_is_visible(c.oid)"
        found = session.rows(
            "SELECT c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text, c.relrowsecurity, "
            "c.relhassubclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            f"WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND (({exact}) OR ({visible})) ORDER BY ({visible}) DESC LIMIT 1"
        )
        if not found:
            raise unknown_table(session, self.params.table)
        oid, space, own, kind, lasting, secured, parent = found[0]
        columns = session.rows(
            f"SELECT attname::text, atttypid::int8, atttypmod FROM pg_attribute WHERE attrelid = {oid} AND attnum > 0 AND NOT attisdropped "
            "ORDER BY attnum"
        )
        if not columns:
            raise DataError(f"table `{self.params.table}` has no columns")
        fields = self.fields(session, [(n, quote(n), t, mod) for n, t, mod in columns])
        names = [str(c[0]) for c in columns]
        places = tuple(quote(n) for n in names)
        by = self.params.by or [
            str(r[0])
            for r in session.rows(
                "SELECT a.attname::text FROM pg_index i JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, n) ON true JOIN "
                f"pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE i.indrelid = {oid} AND i.indisprimary ORDER BY k.n"
            )
        ]
        logged = lasting == "p" and kind in ("r", "m") and not secured and not parent
        sql = f"{quote(space)}.{quote(own)} AS q"
        return Relation(sql, fields, places, self.key_of(fields, names, places, by), logged)

    @staticmethod
    def key_of(fields: Sequence[Field], names: Sequence[str], places: Sequence[str], by: Sequence[str]) -> tuple[tuple[str, str], ...]:
        """The columns ``by`` as SQL, with their types."""
        from recipec.readers._stream import no_column

        unbound = {"character": "bpchar", "bit": "varbit"}  # without a length these have one of 1
        made = []
        for name in by:
            if name not in names:
                raise no_column(name, names, "what is read, by whose ranges it is to be")
            at = names.index(name)
            made.append((places[at], unbound.get(fields[at].own, fields[at].own)))
        return tuple(made)

    @staticmethod
    def fields(session: Session, columns: Sequence[tuple[str, str, int, int]]) -> tuple[Field, ...]:
        """Columns as (name, SQL, oid of type, its modifier): how each is transferred, and as what it is read."""
        wanted = ", ".join(str(int(c[2])) for c in columns)
        found = session.rows(
            "WITH RECURSIVE t AS (SELECT oid AS asked, oid, typname, typtype, typbasetype, typcategory, typelem, typtypmod FROM pg_type "
            f"WHERE oid IN ({wanted}) UNION ALL SELECT t.asked, b.oid, b.typname, b.typtype, b.typbasetype, b.typcategory, b.typelem, "
            "CASE WHEN t.typtypmod >= 0 THEN t.typtypmod ELSE b.typtypmod END FROM t JOIN pg_type b ON t.typtype = 'd' AND "
            "b.oid = t.typbasetype) SELECT t.asked::int8, t.typname::text, t.typcategory::text, coalesce(e.typname::text, ''), t.typtypmod "
            "FROM t LEFT JOIN pg_type e ON e.oid = t.typelem WHERE t.typtype <> 'd'"
        )
        kinds = {r[0]: r[1:] for r in found}
        spelled = dict(session.rows(f"SELECT oid::int8, format_type(oid, NULL) FROM pg_type WHERE oid IN ({wanted})"))
        made = []
        for name, sql, oid, modifier in columns:
            kind, category, item, inner = kinds.get(oid, ("text", "S", "", -1))
            type, read = type_of(kind, category, item, modifier if modifier >= 0 else inner, sql)
            made.append(Field(name, type, read, str(spelled.get(oid, "text"))))
        return tuple(unique(made))

    # The copy

    def copy(self, ctx: Fetching) -> Snapshot:
        ctx.progress(0, None, "asking what has changed")
        session = self.open()
        try:
            log = self.log(session)
            self.begin(session)
            relation = self.relation(session)
            if self.params.changed:
                mark: Any = self.changed(session)
                same = ctx.before is not None and ctx.before.mark == mark
            else:
                content = self.content(session, relation)
                mark = {"content": content, "log": log if relation.logged else None}
                same = ctx.before is not None and ctx.before.mark.get("content") == content
            if same and ctx.before is not None:
                return Snapshot(mark, ctx.before.files, ctx.before.facts)
            rows = None if self.params.changed else int(mark["content"]["rows"])
            known = mark if self.params.changed else mark["content"]
            parts = parts_of(ctx.folder, [known, [[f.name, f.type] for f in relation.fields]], self.ranges(session, relation))
            missing = [p for p in parts if not p.path.exists()]
            told = Told(ctx, rows)
            for part in parts:
                if part not in missing:
                    told.add(rows_of(part.path))
            snapshot = str(session.one("SELECT pg_export_snapshot()")[0]) if len(missing) > 1 else ""
            self.read(session, snapshot, relation, missing, told)
            return snapshot_of(self.rows_name, mark, parts)
        finally:
            session.close()

    @staticmethod
    def ranges(session: Session, relation: Relation) -> list[str]:
        """The queries that together give every row once: of its key's ranges in their order, or one."""
        select = f"SELECT {relation.columns} FROM {relation.sql}"
        if not relation.key:
            return [select]
        listed = ", ".join(c for c, _ in relation.key)
        # Rows whose key is null come last, as in the order.
        whole = " AND ".join(f"{c} IS NOT NULL" for c, _ in relation.key)
        found = session.rows(
            f"SELECT {', '.join(f't{i}' for i in range(len(relation.key)))} FROM (SELECT "
            f"{', '.join(f'{c}::text AS t{i}' for i, (c, _) in enumerate(relation.key))}, row_number() OVER (ORDER BY {listed}) AS n "
            f"FROM {relation.sql} WHERE {whole}) AS k WHERE n % {ROWS} = 1 AND n > 1 ORDER BY n"
        )
        bounds = [
            f"({', '.join(f'{literal(v)}::{t}' for v, (_, t) in zip(row, relation.key, strict=True))})" for row in dict.fromkeys(found)
        ]
        order = f" ORDER BY {listed}"
        if not bounds:
            return [select + order]
        own = f"({listed})"
        last = f" OR NOT ({whole})"
        made = [f"{select} WHERE {whole} AND {own} < {bounds[0]}{order}"]
        made += [f"{select} WHERE {whole} AND {own} >= {a} AND {own} < {b}{order}" for a, b in pairwise(bounds)]
        return [*made, f"{select} WHERE ({whole} AND {own} >= {bounds[-1]}){last}{order}"]

    def read(self, session: Session, snapshot: str, relation: Relation, parts: Sequence[Part], told: Told) -> None:
        """Read the parts, several at once where there are several, all of them in the same snapshot."""
        waiting: SimpleQueue[Part] = SimpleQueue()
        for part in parts:
            waiting.put(part)
        sessions: list[Session] = []
        stopped = False

        def work(own: Session) -> None:
            from queue import Empty

            while not stopped:
                try:
                    part = waiting.get_nowait()
                except Empty:
                    return
                try:
                    self.one(own, relation, part, told)
                except BaseException:
                    waiting.put(part)
                    raise

        def other() -> None:
            for attempt in range(TRIES):
                own = self.open()
                sessions.append(own)
                try:
                    self.begin(own, snapshot)
                    return work(own)
                except Lost:
                    if attempt == TRIES - 1 or stopped:
                        return  # the first connection reads what is left; should that be broken too, it says so
                finally:
                    own.close()

        with ThreadPoolExecutor(STREAMS, "postgres") as pool:
            running: set[Future[None]] = {pool.submit(work, session)}
            running |= {pool.submit(other) for _ in range(min(STREAMS, len(parts)) - 1)}
            try:
                while running:
                    told.say()
                    done, running = wait(running, timeout=0.25, return_when=FIRST_COMPLETED)
                    for future in done:
                        future.result()
            except BaseException:
                stopped = True
                for one in (session, *sessions):
                    one.cancel()
                raise
        # A part that a broken connection left is read by the one that lives.
        work(session)
        told.say()

    @staticmethod
    def one(session: Session, relation: Relation, part: Part, told: Told) -> None:
        came = 0

        def heard(rows: int) -> None:
            nonlocal came
            came += rows
            told.add(rows)

        try:
            with session.stream(part.query) as (schema, batches):
                plain = storage(schema)
                write_part(part.path, relation.fields, (plain_batch(b, plain, relation.fields) for b in batches), plain, heard)
        except BaseException:
            told.take_back(came)
            raise


def storage(schema: Any) -> Any:
    """The schema without the driver's extension types: they say what a text or integer stands for, and that is known."""
    import pyarrow as pa

    return pa.schema([pa.field(f"c{i}", t.storage_type if isinstance(t, pa.BaseExtensionType) else t) for i, t in enumerate(schema.types)])


def plain_batch(batch: Any, schema: Any, fields: Sequence[Field]) -> Any:
    """The batch without extension types. Raises DataError for a text that is none: a database of the encoding SQL_ASCII holds any bytes."""
    import pyarrow as pa

    made = []
    for column, field in zip(batch.columns, fields, strict=True):
        plain = column.storage if isinstance(column, pa.ExtensionArray) else column
        try:
            plain.validate(full=True)
        except pa.ArrowInvalid:
            raise DataError(
                f"PostgreSQL: `{field.name}` holds bytes that are no UTF-8: the database does not say what its texts are encoded in",
                f"read them as such: query: \"select convert_from({field.name}::bytea, 'GB18030') as {field.name}, ... from ...\"",
            ) from None
        made.append(plain)
    return pa.RecordBatch.from_arrays(made, schema=schema)


def type_of(kind: str, category: str, item: str, modifier: int, sql: str) -> tuple[str, str]:
    """DuckDB's type for a type of PostgreSQL, and the SQL that transfers it."""
    if kind in _NATIVE:
        return _NATIVE[kind], sql
    if kind == "numeric" and modifier >= 4:
        precision, scale = (modifier - 4) >> 16 & 0xFFFF, (modifier - 4) & 0x7FF
        scale -= 2048 if scale >= 1024 else 0
        if precision <= 38 and 0 <= scale <= precision:
            return f"DECIMAL({precision},{scale})", f"{sql}::text"
        return "VARCHAR" if scale >= 0 else "DOUBLE", f"{sql}::text"
    if kind in _AS_TEXT:
        return _AS_TEXT[kind], f"{sql}::text"
    if kind in ("oid", "xid", "cid"):
        return "BIGINT", f"{sql}::text::int8"
    if category == "A" and item and kind.startswith("_"):
        inner, _ = type_of(item, "", "", -1, "")
        return f"{'VARCHAR' if inner == 'BLOB' else inner}[]", f"to_json({sql})::text"
    return "VARCHAR", f"{sql}::text"


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
