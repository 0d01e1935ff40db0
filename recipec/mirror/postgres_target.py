"""Exports into PostgreSQL: rows are copied (ADBC, binary COPY) into a temporary table, and from there in one transaction to where they belong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from recipec.api import quote
from recipec.mirror._table_target import LEDGER, Rows, TableTarget, as_sent, is_nested, not_ours, other_columns
from recipec.mirror.postgres import literal
from recipec.mirror.target import Delivery

if TYPE_CHECKING:
    import duckdb

    from recipec.mirror._pg import Session

_TYPES = {
    "BOOLEAN": "boolean",
    "TINYINT": "smallint",
    "SMALLINT": "smallint",
    "UTINYINT": "smallint",
    "INTEGER": "integer",
    "USMALLINT": "integer",
    "BIGINT": "bigint",
    "UINTEGER": "bigint",
    "UBIGINT": "numeric(20)",
    "HUGEINT": "numeric(39)",
    "UHUGEINT": "numeric(39)",
    "FLOAT": "real",
    "DOUBLE": "double precision",
    "BLOB": "bytea",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "INTERVAL": "interval",
    "UUID": "uuid",
    "JSON": "jsonb",
}


class PostgresTarget(TableTarget):
    extra: ClassVar[tuple[str, tuple[str, ...]]] = ("sql", ("adbc_driver_postgresql",))
    scheme = "postgresql"
    product = "PostgreSQL"
    secrets = "PGPASSWORD or ~/.pgpass"

    def refused(self, value: str, name: str, type: str) -> list[tuple[str, str, str]]:
        help = f"take it out: {name} = replace({name}, chr(0), '')"
        if type == "VARCHAR":
            return [(f"contains({value}, chr(0))", "the character NUL", help)]
        if type == "JSON" or is_nested(type):
            return [(f"contains(to_json({value})::VARCHAR, '\\u0000')", "the character NUL", help)]
        return []

    def write(self, con: duckdb.DuckDBPyConnection, parts: Sequence[Rows], delivery: Delivery, digest: str) -> list[str]:
        from recipec.mirror._pg import Session

        session = Session(self.url)
        try:
            for i, rows in enumerate(parts):
                self.stage(session, con, rows, i, delivery)
            session.run("BEGIN")
            session.run(f"SELECT pg_advisory_xact_lock({int(digest[:15], 16)})")
            session.run(
                f"CREATE TABLE IF NOT EXISTS {LEDGER} (place text, digest text, rows bigint, at timestamptz DEFAULT now(), PRIMARY KEY (place, digest))"
            )
            had = [rows.table for i, rows in enumerate(parts) if not self.place(session, rows, i, delivery, digest)]
            session.run("COMMIT")
            return had
        finally:
            session.close()

    @staticmethod
    def stage(session: Session, con: duckdb.DuckDBPyConnection, rows: Rows, i: int, delivery: Delivery) -> None:
        """The rows in a temporary table, as they are sent."""
        from recipec.mirror._pg import words

        sent = ", ".join(f"{as_sent(n, t)} AS c{k}" for k, (n, t) in enumerate(rows.columns.items()))
        reading = con.cursor()
        reader: Any = reading.sql(f"SELECT {sent} FROM {rows.source}").to_arrow_reader(50_000)
        cursor = session.raw.cursor()
        try:
            mode, done = "create", 0
            while True:
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    break
                with words(session.url):
                    cursor.adbc_ingest(f"recipec_rows_{i}", batch, mode=mode, temporary=True)
                mode, done = "append", done + len(batch)
                delivery.progress(done, rows.count, f"{done:,} of {rows.count:,} rows")
            if mode == "create":
                columns = ", ".join(f"c{k} text" for k in range(len(rows.columns)))
                session.run(f"CREATE TEMP TABLE recipec_rows_{i} ({columns})")
        finally:
            cursor.close()
            reading.close()

    @staticmethod
    def place(session: Session, rows: Rows, i: int, delivery: Delivery, digest: str) -> bool:
        """Put staged rows where they belong; false where this delivery is there already."""
        schema, _, name = rows.table.rpartition(".")
        table = f"{quote(schema)}.{quote(name)}" if schema else quote(name)
        place = literal(rows.table)
        found = session.one(f"SELECT to_regclass({literal(table)})::oid::int8")[0]
        ours = session.rows(f"SELECT digest FROM {LEDGER} WHERE place = {place}")
        types = {n: type_of(t) for n, t in rows.columns.items()}
        own: dict[str, str] = {}
        if found is not None:
            if (digest,) in ours and (delivery.mode == "append" or len(ours) == 1):
                return False
            if delivery.mode == "replace" and not ours:
                raise not_ours("PostgreSQL", rows.table)
            own = dict(
                session.rows(
                    f"SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = {found} AND attnum > 0 AND NOT attisdropped"
                )
            )
            if delivery.mode == "append" and (missing := [n for n in types if n not in own]):
                raise other_columns("PostgreSQL", rows.table, missing)
        listed = ", ".join(f"{quote(n)} {t}" for n, t in types.items())
        if delivery.mode == "replace":
            session.run(f"DELETE FROM {LEDGER} WHERE place = {place}")
            if found is not None:
                session.run(f"CREATE TEMP TABLE recipec_like ({listed}) ON COMMIT DROP")
                new = session.rows(
                    "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'pg_temp.recipec_like'::regclass AND attnum > 0"
                )
                session.run("DROP TABLE pg_temp.recipec_like")
                # Deleted rows are seen by others until the end, and what hangs on the table (rights, indexes, views) stays.
                if dict(new) == own:
                    session.run(f"DELETE FROM {table}")
                else:
                    session.run(f"DROP TABLE {table}")
                    found = None
        if found is None:
            session.run(f"CREATE TABLE {table} ({listed})")
        names = ", ".join(quote(n) for n in types)
        wanted = own if delivery.mode == "append" and own else types
        values = ", ".join(f"c{k}::{wanted[n]}" for k, n in enumerate(types))
        session.run(f"INSERT INTO {table} ({names}) SELECT {values} FROM pg_temp.recipec_rows_{i}")
        session.run(f"INSERT INTO {LEDGER} (place, digest, rows) VALUES ({place}, {literal(digest)}, {rows.count})")
        return True

    def gone(self, facts: Mapping[str, Any]) -> str | None:
        from recipec.mirror._pg import Session

        session = Session(self.url)
        try:
            if session.one(f"SELECT to_regclass({literal(LEDGER)})::oid::int8")[0] is None:
                return f"`{self.address}` has no table `{LEDGER}`"
            for table in facts["tables"]:
                schema, _, name = table.rpartition(".")
                shown = f"{quote(schema)}.{quote(name)}" if schema else quote(name)
                if session.one(f"SELECT to_regclass({literal(shown)})::oid::int8")[0] is None:
                    return f"table `{table}` is gone"
                if not session.rows(f"SELECT 1 FROM {LEDGER} WHERE place = {literal(table)} AND digest = {literal(facts['digest'])}"):
                    return f"table `{table}` has other rows"
            return None
        finally:
            session.close()


def type_of(type: str) -> str:
    """PostgreSQL's type for one of DuckDB's."""
    if type.startswith("DECIMAL"):
        return type.replace("DECIMAL", "numeric")
    if is_nested(type):
        return "jsonb"
    return "timestamp" if type.startswith("TIMESTAMP_") else _TYPES.get(type, "text")
