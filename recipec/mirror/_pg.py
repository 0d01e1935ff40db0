"""A connection to PostgreSQL through ADBC, and its errors in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from recipec.api import DataError
from recipec.mirror._base import NoEntry
from recipec.mirror._tables import Lost, Refused, connected

if TYPE_CHECKING:
    import pyarrow as pa

SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET DateStyle = 'ISO, YMD'",
    "SET IntervalStyle = 'postgres'",
    "SET extra_float_digits = 1",
    "SET bytea_output = 'hex'",
    "SET standard_conforming_strings = on",
    "SET idle_in_transaction_session_timeout = 0",
)
"""What decides how the server writes values as text; and a snapshot must live while others read from it."""


class Session:
    """A connection. Statements run as written: transactions are begun by them alone."""

    def __init__(self, url: str, known: bool = False) -> None:
        self.url = url
        self.raw = connect(url, known)
        self.closed = False

    def run(self, sql: str) -> None:
        with self.cursor(sql):
            pass

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.cursor(sql) as cursor, words(self.url):
            return [tuple(r) for r in cursor.fetchall()]

    def one(self, sql: str) -> tuple[Any, ...]:
        return self.rows(sql)[0]

    @contextmanager
    def cursor(self, sql: str) -> Iterator[Any]:
        cursor = self.raw.cursor()
        try:
            with words(self.url):
                cursor.execute(sql)
            yield cursor
        finally:
            cursor.close()

    @contextmanager
    def stream(self, sql: str) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
        """The result's schema, and its batches as they come."""
        with self.cursor(sql) as cursor:
            with words(self.url):
                reader = cursor.fetch_record_batch()

            def batches() -> Iterator[pa.RecordBatch]:
                while True:
                    try:
                        with words(self.url):
                            batch = reader.read_next_batch()
                    except StopIteration:
                        return
                    yield batch

            yield reader.schema, batches()

    def names(self, sql: str) -> list[str]:
        """The columns of a query, which is not run."""
        cursor = self.raw.cursor()
        try:
            with words(self.url):
                return list(cursor.adbc_execute_schema(sql).names)
        finally:
            cursor.close()

    def cancel(self) -> None:
        """Stop what another thread runs on this connection."""
        with suppress(Exception):  # what the driver raises depends on how far the other is
            self.raw.adbc_cancel()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            with suppress(Exception):  # a broken connection refuses to be closed, and is gone either way
                self.raw.close()


def connect(url: str, known: bool = False) -> Any:
    """``known``: see :func:`recipec.mirror._tables.connected`."""
    import os

    import adbc_driver_postgresql.dbapi as adbc  # type: ignore[import-untyped,import-not-found,unused-ignore]

    if "connect_timeout" not in url and "PGCONNECT_TIMEOUT" not in os.environ:
        glue = ("&" if "?" in url else "?") if "://" in url else " "
        url = f"{url}{glue}connect_timeout=10".strip()

    def attempt() -> Any:
        with words(url):
            return adbc.connect(url, autocommit=True)

    raw = connected(attempt, known)
    try:
        with words(url), raw.cursor() as cursor:
            for setting in SETTINGS:
                cursor.execute(setting)
    except DataError:
        raw.close()
        raise
    return raw


@contextmanager
def words(url: str) -> Iterator[None]:
    """The driver's errors as DataErrors."""
    import adbc_driver_manager  # type: ignore[import-untyped,import-not-found,unused-ignore]

    try:
        yield
    except adbc_driver_manager.Error as error:
        raise explained(str(error), getattr(error, "sqlstate", None), url) from None
    except OSError as error:  # what a stream of Arrow says in its middle
        raise explained(str(error), None, url) from None


_HELP: dict[str, str] = {
    "28P01": "the password comes from the address, PGPASSWORD or ~/.pgpass (which nobody else may read: chmod 600)",
    "28000": "the server's pg_hba.conf decides who may connect from where, and whether with TLS: sslmode=require",
    "3D000": "list them: psql -l",
    "42501": "ask its owner: GRANT SELECT ON ... TO ...",
    "25006": "a source only reads: write one SELECT that changes nothing",
    "57014": "the server's statement_timeout ended it; ask for more in the address: ?options=-c%20statement_timeout%3D0",
    "22021": "the database holds bytes that are no text of its encoding; read the column as bytes: convert_to(column, 'SQL_ASCII')",
    "22P05": "the database holds bytes that are no text of its encoding; read the column as bytes: convert_to(column, 'SQL_ASCII')",
    "40001": "the standby had to remove rows that were being read: run again, or raise max_standby_streaming_delay there",
}
_BROKEN = ("08", "57P")
"""Classes of SQLSTATE in which the connection is gone: connection exception, operator intervention."""
_BREAKS = (
    "server closed the connection",
    "could not receive data",
    "could not send data",
    "no connection to the server",
    "connection reset",
    "connection not open",
    "ssl connection has been closed",
    "terminating connection",
    "broken pipe",
)
_LATER = ("starting up", "shutting down", "too many clients", "remaining connection slots", "timeout expired", "in recovery mode")


def explained(said: str, state: str | None, url: str = "") -> DataError:
    """An error of the driver in words: the server's own first line, and what to do."""
    import re

    text = said.replace(url, "***") if url else said
    state = state or next(iter(re.findall(r"SQLSTATE: (\w{5})", text)), None)
    found = re.search(r"(?:ERROR|FATAL|PANIC):\s+(.*)", text)
    line = (found[1] if found else re.sub(r"^.*?\[libpq\] ?", "", text.split("\n")[0])).strip()
    line = line.removeprefix("Failed to connect: ")
    lower = text.lower()
    if "could not translate host name" in lower:
        return NoEntry(f"PostgreSQL: {line}", "is the host's name right? It comes from the address, or PGHOST")
    if "password authentication failed" in lower or "no password supplied" in lower:
        return NoEntry(f"PostgreSQL: {line}", _HELP["28P01"])
    if "no pg_hba.conf entry" in lower:
        return NoEntry(f"PostgreSQL: {line}", _HELP["28000"])
    if "does not support ssl" in lower or "certificate" in lower or "ssl error" in lower or "invalid sslmode" in lower:
        return NoEntry(f"PostgreSQL: {line}", "sslmode=... in the address says what TLS is asked for; sslrootcert=FILE whom it trusts")
    if 'database "' in lower and "does not exist" in lower:
        return DataError(f"PostgreSQL: {line}", _HELP["3D000"])
    if "definition of service" in lower:
        return DataError(f"PostgreSQL: {line}", "services stand in ~/.pg_service.conf, or the file that PGSERVICEFILE names")
    if "connection refused" in lower or "no such file or directory" in lower:
        return Refused(f"PostgreSQL: {line}", "is the server running, and does it listen there?")
    if any(word in lower for word in _LATER):
        return Lost(f"PostgreSQL: {line}", "run again in a while")
    if (state or "").startswith(_BROKEN) or any(word in lower for word in _BREAKS):
        return Lost(f"PostgreSQL: the connection broke: {line}", "what has been copied of unchanged rows stays; run again")
    if "must be a positive" in lower or "invalid connection option" in lower or 'missing "="' in lower or "invalid uri" in lower:
        return DataError("PostgreSQL cannot read the address", "postgresql://user@host:5432/database, without spaces")
    return DataError(f"PostgreSQL: {line}", _HELP.get(state or "", ""))


def unknown_table(session: Session, table: str) -> DataError:
    """No such table: which one may be meant."""
    from recipec.diagnostics import nearest

    found = session.rows(
        "SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname::text ELSE n.nspname || '.' || c.relname END FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') "
        "AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1"
    )
    names: Sequence[str] = [str(r[0]) for r in found]
    listing = f"tables: {', '.join(names[:8])}{f' (+{len(names) - 8})' if len(names) > 8 else ''}" if names else "there are no tables"
    guess = nearest(table, names)
    return DataError(f"PostgreSQL has no table `{table}`", f"did you mean `{guess}`? {listing}" if guess else listing)
