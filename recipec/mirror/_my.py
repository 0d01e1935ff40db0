"""A connection to MySQL or MariaDB through PyMySQL, and its errors in words.

No Arrow-native driver for MySQL is on PyPI (ADBC's is not; ConnectorX cannot read several ranges in one snapshot and stops at zero
dates), so rows come over the text protocol, and are put into Arrow here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from recipec.api import DataError
from recipec.mirror._base import NoEntry
from recipec.mirror._tables import Lost, Refused, connected

BATCH = 16_384
"""Rows taken at a time."""


class Session:
    """A connection in UTC, whose transactions cannot write."""

    def __init__(self, url: str, known: bool = False) -> None:
        self.url = url
        self.raw = connect(url, known)

    def run(self, sql: str) -> None:
        self.rows(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with words(self.raw_database):
            cursor = self.raw.cursor()
            cursor.execute(sql)
            return [tuple(r) for r in cursor.fetchall()]

    def one(self, sql: str) -> tuple[Any, ...]:
        return self.rows(sql)[0]

    @property
    def raw_database(self) -> str:
        return str(settings_of(self.url).get("database", ""))

    @contextmanager
    def stream(self, sql: str) -> Iterator[Iterator[tuple[tuple[Any, ...], ...]]]:
        """The rows some at a time, as the server sends them."""
        from pymysql.cursors import SSCursor  # type: ignore[import-untyped,import-not-found,unused-ignore]

        cursor = self.raw.cursor(SSCursor)
        done = False

        def some() -> Iterator[tuple[tuple[Any, ...], ...]]:
            nonlocal done
            while True:
                with words():
                    rows = cursor.fetchmany(BATCH)
                if not rows:
                    done = True
                    return
                yield tuple(rows)

        try:
            with words():
                cursor.execute(sql)
            yield some()
        finally:
            if done:
                cursor.close()
            else:  # the rest of the rows would be waited for
                with suppress(Exception):
                    cursor._result.unbuffered_active = False
                    self.raw._force_close()

    def describe(self, sql: str) -> Sequence[Any]:
        """Names and types of a query's columns, of which no row is asked."""
        with words():
            cursor = self.raw.cursor()
            cursor.execute(sql)
            fields: Sequence[Any] = cursor._result.fields
            return fields

    def close(self) -> None:
        import pymysql  # type: ignore[import-untyped,import-not-found,unused-ignore]

        with suppress(pymysql.Error, OSError):
            self.raw.close()


def settings_of(url: str) -> dict[str, Any]:
    """What an address says, as PyMySQL's arguments; the rest comes from ``~/.my.cnf`` and the environment."""
    made: dict[str, Any] = {}
    if url:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise DataError("MySQL cannot read the address", "mysql://user@host:3306/database") from None
        if parts.scheme.split("+")[0] not in ("mysql", "mariadb"):
            raise DataError("a MySQL address begins with mysql:// or mariadb://", "mysql://user@host:3306/database")
        if parts.hostname:
            made["host"] = parts.hostname
        if port:
            made["port"] = port
        if parts.username:
            made["user"] = unquote(parts.username)
        if parts.password:
            made["password"] = unquote(parts.password)
        if parts.path.strip("/"):
            made["database"] = unquote(parts.path.strip("/"))
        asked = {k: v[-1] for k, v in parse_qs(parts.query).items()}
        for name, value in asked.items():
            if name == "user" and "user" not in made:
                made["user"] = value
            elif name in ("unix_socket", "socket"):
                made["unix_socket"] = value
            elif name in ("ssl_ca", "ssl_cert", "ssl_key"):
                made[name] = value
            elif name == "ssl":
                if (mode := _MODES.get(value.lower())) is None:
                    raise DataError(f"an address of MySQL has no `ssl={value}`", "ssl=required, ssl=verify or ssl=disabled")
                made["ssl"] = mode
            else:
                raise DataError(f"an address of MySQL has no `{name}`", "it may have: unix_socket, ssl, ssl_ca, ssl_cert, ssl_key")
    return made


_MODES = {
    **dict.fromkeys(("1", "true", "required"), "required"),
    **dict.fromkeys(("verify", "verify_identity"), "verify"),
    **dict.fromkeys(("0", "false", "disabled"), "disabled"),
}


def with_tls(made: dict[str, Any]) -> dict[str, Any]:
    """PyMySQL's settings with those of TLS as they are meant: its own take ``ssl_ca`` without looking at the certificate, and ``ssl={}`` for a wish.
    Raises NoEntry for a file that cannot be read."""
    import ssl

    mode, files = made.get("ssl"), {n: made[n] for n in ("ssl_ca", "ssl_cert", "ssl_key") if n in made}
    rest = {n: v for n, v in made.items() if n not in ("ssl", *files)}
    if mode == "disabled":
        return rest | {"ssl_disabled": True}
    if mode is None and not files:
        return rest  # encrypted where the server can, as the clients of both do
    try:
        context = ssl.create_default_context(cafile=files.get("ssl_ca"))
        if "ssl_cert" in files:
            context.load_cert_chain(files["ssl_cert"], files.get("ssl_key"))
    except OSError as error:
        named = ", ".join(f"{n}={v}" for n, v in files.items())
        raise NoEntry(
            f"MySQL: {error.strerror or error} ({named})", "?ssl_ca=FILE in the address names whom to trust, a file in PEM"
        ) from None
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # what people sign themselves lacks what it asks for
    if mode != "verify" and "ssl_ca" not in files:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return rest | {"ssl": context}


def connect(url: str, known: bool = False) -> Any:
    """``known``: see :func:`recipec.mirror._tables.connected`."""
    import pymysql  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from pymysql.converters import encoders  # type: ignore[import-untyped,import-not-found,unused-ignore]

    made = with_tls(settings_of(url))
    options = Path("~/.my.cnf").expanduser()
    if options.is_file():
        made["read_default_file"] = str(options)
        # What the address says comes before the file; PyMySQL takes its own defaults for said.
    made.setdefault("password", os.environ.get("MYSQL_PWD", ""))
    if "host" not in made and "MYSQL_HOST" in os.environ:
        made["host"] = os.environ["MYSQL_HOST"]
    conversions = {**encoders}  # and no decoders: values stay the texts that the server sent

    def attempt() -> Any:
        with words(str(made.get("database", ""))):
            return pymysql.connect(
                **made,
                charset="utf8mb4",
                conv=conversions,
                connect_timeout=10,
                read_timeout=3600,
                program_name="recipec",
                autocommit=True,
                init_command="SET time_zone = '+00:00', sql_mode = '', net_write_timeout = 3600, wait_timeout = 28800",
            )

    return connected(attempt, known)


_HELP = {
    1045: "the password comes from MYSQL_PWD, ~/.my.cnf ([client]) or an address in the environment",
    1044: "ask its owner: GRANT SELECT ON ... TO ...",
    1142: "ask its owner: GRANT SELECT ON ... TO ...",
    1143: "ask its owner: GRANT SELECT ON ... TO ...",
    1049: "list them: SHOW DATABASES",
    1046: "name one in the address: mysql://host/database",
    1792: "a source only reads: write one SELECT that changes nothing",
    1290: "a source only reads: write one SELECT that changes nothing",
    1969: "the server's max_statement_time ended it: SET GLOBAL max_statement_time, or read less at a time",
    3024: "the server's max_execution_time ended it: raise it there, or read less at a time",
    1205: "another transaction holds what is needed: run again",
    1412: "the table was altered while it was read: run again",
    1064: "write one SELECT",
}
_LOST = {2006, 2013, 2055, 1053, 1077, 1152, 1158, 1159, 1160, 1161, 1927, 4031}


@contextmanager
def words(database: str = "") -> Iterator[None]:
    """PyMySQL's errors as DataErrors."""
    import pymysql  # type: ignore[import-untyped,import-not-found,unused-ignore]

    try:
        yield
    except pymysql.Error as error:
        raise explained(error, database) from None
    except OSError as error:
        raise Lost(f"MySQL: the connection broke: {error}", "run again") from None


def explained(error: Any, database: str) -> DataError:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    said = str(error.args[1]) if len(error.args) > 1 else str(error)
    if code in (2002, 2003, 2005):
        if "Name or service" in said or "getaddrinfo" in said or "nodename" in said:
            return NoEntry(f"MySQL: {said}", "is the host's name right?")
        if "CERTIFICATE" in said or "SSL" in said:
            return NoEntry(f"MySQL: {said}", "?ssl_ca=FILE in the address names whom to trust")
        refused = "refused" in said.lower() or "No such file" in said
        return (Refused if refused else Lost)(f"MySQL: {said}", "is the server running, and does it listen there?")
    if code in (1040, 1203, 1226):
        return Lost(f"MySQL: {said}", "run again in a while")
    if code == 2026 or "SSL" in said:
        return DataError(f"MySQL: {said}", "?ssl=required in the address asks for TLS, ?ssl=disabled for none")
    if code in _LOST:
        return Lost(f"MySQL: the connection broke: {said}", "run again")
    return (NoEntry if code in (1045, 1698) else DataError)(f"MySQL: {said}", _HELP.get(code, ""))


def unknown_table(session: Session, table: str, names: Sequence[str]) -> DataError:
    """No such table: which one may be meant."""
    from recipec.diagnostics import nearest

    listing = f"tables: {', '.join(names[:8])}{f' (+{len(names) - 8})' if len(names) > 8 else ''}" if names else "there are no tables"
    guess = nearest(table, names)
    return DataError(f"MySQL has no table `{table}`", f"did you mean `{guess}`? {listing}" if guess else listing)
