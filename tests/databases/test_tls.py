"""Connections to database servers over TLS, with certificates made for the test."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from recipec.api import DataError
from recipec.mirror import _my, _pg
from recipec.mirror._base import NoEntry

for _package in ("adbc_driver_postgresql", "pymysql"):
    pytest.importorskip(_package, reason="needs the extra `sql`")
pytestmark = pytest.mark.usefixtures("password")


@pytest.fixture
def pg(postgres: Any, certificates: Path) -> Any:
    """The server with TLS from now on."""
    data = postgres.folder / "data"
    owner = data.stat()
    for name in ("server.pem", "server.key"):
        shutil.copy(certificates / name, data / name)
        os.chown(data / name, owner.st_uid, owner.st_gid)
        (data / name).chmod(0o600)
    postgres.sql(
        "ALTER SYSTEM SET ssl_cert_file = 'server.pem'",
        "ALTER SYSTEM SET ssl_key_file = 'server.key'",
        "ALTER SYSTEM SET ssl = on",
        "SELECT pg_reload_conf()",
    )
    yield postgres
    postgres.sql("ALTER SYSTEM SET ssl = off", "SELECT pg_reload_conf()")


def settled(url: str) -> list[tuple[Any, ...]]:
    """What a connection says of itself; the server takes a moment to read its settings again."""
    for attempt in range(50):
        try:
            session = _pg.Session(url)
        except DataError as error:
            if attempt == 49 or "does not support SSL" not in error.message:
                raise
            continue
        try:
            return session.rows("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        finally:
            session.close()
    raise AssertionError


def test_postgresql_whose_certificate_is_signed_by_whom_is_trusted(pg: Any, certificates: Path) -> None:
    ((encrypted, version),) = settled(f"postgresql://boss@localhost:{pg.port}/lab?sslmode=verify-full&sslrootcert={certificates}/ca.pem")
    assert (encrypted, version) == (True, "TLSv1.3")


@pytest.mark.parametrize(
    ("host", "query", "message"),
    [
        ("localhost", "sslmode=verify-full&sslrootcert={folder}/other.pem", "certificate verify failed"),
        ("127.0.0.1", "sslmode=verify-full&sslrootcert={folder}/ca.pem", "does not match host name"),
        ("localhost", "sslmode=verify-full&sslrootcert={folder}/none.pem", "does not exist"),
        ("localhost", "sslmode=verify-all", "invalid sslmode"),
    ],
)
def test_postgresql_that_is_not_to_be_trusted_is_not_read(pg: Any, certificates: Path, host: str, query: str, message: str) -> None:
    settled(f"postgresql://boss@localhost:{pg.port}/lab?sslmode=require")
    with pytest.raises(DataError, match=message) as error:
        _pg.Session(f"postgresql://boss@{host}:{pg.port}/lab?{query.format(folder=certificates)}")
    assert "geheim" not in error.value.message
    assert "sslrootcert=FILE" in error.value.help


def test_postgresql_without_tls_where_it_is_asked_for(postgres: Any) -> None:
    with pytest.raises(DataError, match="does not support SSL") as error:
        _pg.Session(f"{postgres.url}?sslmode=require")
    assert "sslmode=..." in error.value.help


def test_mysql_whose_certificate_is_signed_by_whom_is_trusted(mariadb: Any, certificates: Path) -> None:
    url = mariadb.url.replace("127.0.0.1", "localhost")
    mariadb.sql("CREATE USER IF NOT EXISTS boss@localhost IDENTIFIED BY 'geheim'")
    session = _my.Session(f"{url}?ssl_ca={certificates}/ca.pem")
    try:
        assert session.rows("SHOW SESSION STATUS LIKE 'Ssl_version'")[0][1].startswith("TLSv1")
    finally:
        session.close()


@pytest.mark.parametrize(("host", "ca"), [("localhost", "other.pem"), ("127.0.0.1", "ca.pem"), ("localhost", "none.pem")])
def test_mysql_that_is_not_to_be_trusted_is_not_read(mariadb: Any, certificates: Path, host: str, ca: str) -> None:
    with pytest.raises(NoEntry) as error:
        _my.Session(f"{mariadb.url.replace('127.0.0.1', host)}?ssl_ca={certificates}/{ca}")
    assert "MySQL: " in error.value.message
    assert "ssl_ca" in error.value.help


@pytest.mark.parametrize(("mode", "encrypted"), [("required", True), ("disabled", False)])
def test_mysql_encrypted_or_not_as_asked_for(mariadb: Any, mode: str, encrypted: bool) -> None:
    session = _my.Session(f"{mariadb.url}?ssl={mode}")
    try:
        assert bool(session.rows("SHOW SESSION STATUS LIKE 'Ssl_version'")[0][1]) is encrypted
    finally:
        session.close()


def test_mysql_by_a_certificate_that_nobody_signed(mariadb: Any) -> None:
    with pytest.raises(NoEntry, match="CERTIFICATE_VERIFY_FAILED"):
        _my.Session(f"{mariadb.url.replace('127.0.0.1', 'localhost')}?ssl=verify")


def test_a_mode_of_mysql_that_is_none() -> None:
    with pytest.raises(DataError, match="no `ssl=yes`"):
        _my.settings_of("mysql://h/d?ssl=yes")
