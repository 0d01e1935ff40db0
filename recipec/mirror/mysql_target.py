"""Exports into MySQL and MariaDB.

Their CREATE and RENAME end a transaction, so a table that is new or replaced is filled under another name and then takes its place in one
RENAME; what is appended goes in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from recipec.mirror._table_target import LEDGER, Rows, TableTarget, as_sent, is_nested, not_ours, other_columns
from recipec.mirror.mysql import quoted
from recipec.mirror.target import Delivery

if TYPE_CHECKING:
    import duckdb

    from recipec.mirror._my import Session

BATCH = 2000
_TYPES = {
    "BOOLEAN": "tinyint(1)",
    "TINYINT": "tinyint",
    "SMALLINT": "smallint",
    "INTEGER": "int",
    "BIGINT": "bigint",
    "UTINYINT": "tinyint unsigned",
    "USMALLINT": "smallint unsigned",
    "UINTEGER": "int unsigned",
    "UBIGINT": "bigint unsigned",
    "HUGEINT": "decimal(39,0)",
    "UHUGEINT": "decimal(39,0)",
    "FLOAT": "float",
    "DOUBLE": "double",
    "BLOB": "longblob",
    "DATE": "date",
    "TIME": "time(6)",
    "TIMESTAMP": "datetime(6)",
    "TIMESTAMP WITH TIME ZONE": "datetime(6)",
    "UUID": "char(36)",
    "JSON": "json",
}


class MysqlTarget(TableTarget):
    extra: ClassVar[tuple[str, tuple[str, ...]]] = ("sql", ("pymysql",))
    scheme = "mysql"
    product = "MySQL"
    secrets = "MYSQL_PWD or ~/.my.cnf"

    def refused(self, value: str, name: str, type: str) -> list[tuple[str, str, str]]:
        if type in ("FLOAT", "DOUBLE"):
            return [(f"NOT isfinite({value})", "NaN or infinity", f"make it null: {name} = case when isfinite({name}) then {name} end")]
        if type == "DATE" or type.startswith("TIMESTAMP"):
            wrong = f"NOT isfinite({value}) OR year({value}) NOT BETWEEN 1 AND 9999"
            return [
                (wrong, "a day that is not of the years 1 to 9999", f"make it null: {name} = case when isfinite({name}) then {name} end")
            ]
        return []

    def write(self, con: duckdb.DuckDBPyConnection, parts: Sequence[Rows], delivery: Delivery, digest: str) -> list[str]:
        from recipec.mirror._my import Session

        session = Session(self.url)
        try:
            session.run("SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'")
            session.run(
                f"CREATE TABLE IF NOT EXISTS {LEDGER} (place varchar(190), digest char(24), `rows` bigint, at timestamp DEFAULT CURRENT_TIMESTAMP, "
                "PRIMARY KEY (place, digest)) ENGINE=InnoDB CHARACTER SET utf8mb4"
            )
            known = {
                str(r[0]): r
                for r in session.rows("SELECT table_name, engine FROM information_schema.tables WHERE table_schema = database()")
            }
            fresh: list[Rows] = []
            had: list[str] = []
            session.run("START TRANSACTION")
            for rows in parts:
                ours = [
                    str(r[0])
                    for r in session.rows(f"SELECT digest FROM {LEDGER} WHERE place = {session.raw.escape(rows.table)} FOR UPDATE")
                ]
                there = rows.table in known
                if there and digest in ours and (delivery.mode == "append" or len(ours) == 1):
                    had.append(rows.table)
                elif there and delivery.mode == "append":
                    own = [str(r[0]) for r in session.rows(f"SHOW COLUMNS FROM {quoted(rows.table)}")]
                    if missing := [n for n in rows.columns if n not in own]:
                        raise other_columns("MySQL", rows.table, missing)
                    self.fill(session, con, rows, rows.table, delivery)
                    self.note(session, rows, digest)
                elif there and not ours:
                    raise not_ours("MySQL", rows.table)
                else:
                    fresh.append(rows)
            session.run("COMMIT")
            if fresh:
                self.replace(session, con, fresh, delivery, digest, known)
            return had
        finally:
            session.close()

    def replace(
        self,
        session: Session,
        con: duckdb.DuckDBPyConnection,
        parts: Sequence[Rows],
        delivery: Delivery,
        digest: str,
        known: Mapping[str, Any],
    ) -> None:
        """New tables for these parts, all of which appear in one step."""
        for rows in parts:
            new = f"{rows.table}__recipec_new"
            listed = ", ".join(f"{quoted(n)} {type_of(t)}" for n, t in rows.columns.items())
            session.run(f"DROP TABLE IF EXISTS {quoted(new)}, {quoted(f'{rows.table}__recipec_old')}")
            session.run(f"CREATE TABLE {quoted(new)} ({listed}) ENGINE=InnoDB CHARACTER SET utf8mb4")
            session.run("START TRANSACTION")
            self.fill(session, con, rows, new, delivery)
            session.run("COMMIT")
        moves = []
        for rows in parts:
            if rows.table in known:
                moves.append(f"{quoted(rows.table)} TO {quoted(f'{rows.table}__recipec_old')}")
            moves.append(f"{quoted(f'{rows.table}__recipec_new')} TO {quoted(rows.table)}")
        session.run("RENAME TABLE " + ", ".join(moves))
        session.run("START TRANSACTION")
        for rows in parts:
            session.run(f"DELETE FROM {LEDGER} WHERE place = {session.raw.escape(rows.table)}")
            self.note(session, rows, digest)
        session.run("COMMIT")
        for rows in parts:
            session.run(f"DROP TABLE IF EXISTS {quoted(f'{rows.table}__recipec_old')}")

    @staticmethod
    def note(session: Session, rows: Rows, digest: str) -> None:
        values = f"{session.raw.escape(rows.table)}, {session.raw.escape(digest)}, {rows.count}"
        session.run(f"INSERT INTO {LEDGER} (place, digest, `rows`) VALUES ({values})")

    @staticmethod
    def fill(session: Session, con: duckdb.DuckDBPyConnection, rows: Rows, table: str, delivery: Delivery) -> None:
        from recipec.mirror._my import words

        sent = ", ".join(f"{text_of(n, t)} AS c{k}" for k, (n, t) in enumerate(rows.columns.items()))
        con.execute(f"SELECT {sent} FROM {rows.source}")
        names = ", ".join(quoted(n).replace("%", "%%") for n in rows.columns)
        insert = f"INSERT INTO {quoted(table).replace('%', '%%')} ({names}) VALUES ({', '.join(['%s'] * len(rows.columns))})"
        done = 0
        with session.raw.cursor() as cursor:
            while some := con.fetchmany(BATCH):
                with words():
                    cursor.executemany(insert, some)
                done += len(some)
                delivery.progress(done, rows.count, f"{done:,} of {rows.count:,} rows")

    def gone(self, facts: Mapping[str, Any]) -> str | None:
        from recipec.mirror._my import Session

        session = Session(self.url)
        try:
            known = {str(r[0]) for r in session.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = database()")}
            for table in (LEDGER, *facts["tables"]):
                if table not in known:
                    return f"table `{table}` is gone"
            for table in facts["tables"]:
                where = f"place = {session.raw.escape(table)} AND digest = {session.raw.escape(facts['digest'])}"
                if not session.rows(f"SELECT 1 FROM {LEDGER} WHERE {where}"):
                    return f"table `{table}` has other rows"
            return None
        finally:
            session.close()


def text_of(name: str, type: str) -> str:
    """SQL of DuckDB for a column as it is sent; an instant in UTC, for these servers have no zones."""
    if type == "TIMESTAMP WITH TIME ZONE":
        from recipec.api import quote

        return f"({quote(name)} AT TIME ZONE 'UTC')::VARCHAR"
    return as_sent(name, type)


def type_of(type: str) -> str:
    """MySQL's type for one of DuckDB's."""
    if type.startswith("DECIMAL"):
        return type.lower()
    if is_nested(type):
        return "json"
    return "datetime(6)" if type.startswith("TIMESTAMP_") else _TYPES.get(type, "longtext")
