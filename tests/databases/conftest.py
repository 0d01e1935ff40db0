"""Real servers for the tests, in a temporary folder and on loopback: PostgreSQL and MariaDB as Debian packs them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

import pytest

HOME = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def program(name: str, *folders: str) -> str | None:
    """Where a program lies, in the folders first: globs, the newest version first."""
    for pattern in folders:
        for path in sorted(glob(f"{pattern}/{name}"), reverse=True):
            return path
    return shutil.which(name)


@dataclass
class As:
    """Servers refuse to run as root: then they run as nobody, in a folder of nobody's."""

    folder: Path

    def __post_init__(self) -> None:
        if os.geteuid() == 0:
            os.chown(self.folder, 65534, 65534)

    @property
    def who(self) -> dict[str, Any]:
        return {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}

    def run(self, *command: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | {"LC_ALL": "C.UTF-8", "HOME": str(self.folder)},
            check=True,
            text=True,
            capture_output=True,
            **self.who,
            **more,
        )

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        log = (self.folder / "log").open("wb")
        return subprocess.Popen(
            command, cwd=self.folder, env=os.environ | {"LC_ALL": "C.UTF-8", "HOME": str(self.folder)}, stdout=log, stderr=log, **self.who
        )


@dataclass
class Server:
    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    scheme: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://boss@127.0.0.1:{self.port}/lab"

    @property
    def secret_url(self) -> str:
        return f"{self.scheme}://boss:geheim@127.0.0.1:{self.port}/lab"

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements, each committed by itself; the rows of the last."""
        rows: list[tuple[Any, ...]] = []
        if self.scheme == "postgresql":
            import adbc_driver_postgresql.dbapi as adbc

            with adbc.connect(self.secret_url, autocommit=True) as con:
                for statement in statements:
                    with con.cursor() as cursor:
                        cursor.execute(statement)
                        if cursor.description:
                            rows = [tuple(r) for r in cursor.fetchall()]
            return rows
        import pymysql

        with pymysql.connect(
            host="127.0.0.1", port=self.port, user="boss", password="geheim", database="lab", charset="utf8mb4", autocommit=True
        ) as con:
            cursor = con.cursor()
            for statement in statements:
                cursor.execute(statement)
            return [tuple(r) for r in cursor.fetchall()]


def until(ready: Any, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            pytest.skip(f"the server did not start: {log.read_text(errors='replace')[-300:]}")
        time.sleep(0.05)


@pytest.fixture(scope="session")
def shelf() -> Iterator[Path]:
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="recipec-", dir=HOME))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def certificates(shelf: Path) -> Path:
    """``ca.pem`` and, signed by it for localhost, ``server.pem``; ``other.pem`` of somebody else."""
    openssl = program("openssl")
    if openssl is None:
        pytest.skip("needs openssl")
    folder = shelf / "tls"
    folder.mkdir()
    own = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    for name in ("ca", "other"):
        made = [openssl, "req", "-x509", *own, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN=recipec tests {name}"]
        subprocess.run(made, cwd=folder, check=True, capture_output=True)
    (folder / "ext").write_text("subjectAltName=DNS:localhost\n")
    subprocess.run(
        [openssl, "req", *own, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    signed = [
        "-in",
        "server.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "ext",
        "-out",
        "server.pem",
    ]
    subprocess.run([openssl, "x509", "-req", *signed], cwd=folder, check=True, capture_output=True)
    (folder / "server.key").chmod(0o644)
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def postgres(shelf: Path) -> Iterator[Server]:
    pytest.importorskip("adbc_driver_postgresql", reason="needs the extra `sql`")
    initdb, server = (program(n, "/usr/lib/postgresql/*/bin") for n in ("initdb", "postgres"))
    if initdb is None or server is None:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    folder = shelf / "pg"
    folder.mkdir()
    own = As(folder)
    (folder / "pw").write_text("geheim\n")
    (folder / "pw").chmod(0o644)
    own.run(
        initdb,
        "-D",
        str(folder / "data"),
        "-A",
        "scram-sha-256",
        "--pwfile",
        str(folder / "pw"),
        "-U",
        "boss",
        "-E",
        "UTF8",
        "--no-locale",
        "-N",
    )
    port = free_port()
    process = own.start(
        server,
        "-D",
        str(folder / "data"),
        "-p",
        str(port),
        "-k",
        str(folder),
        "-h",
        "127.0.0.1",
        "-F",
        "-c",
        "max_connections=20",
        "-c",
        "wal_level=minimal",
        "-c",
        "max_wal_senders=0",
        "-c",
        "autovacuum=off",  # nothing of its own in the log
    )
    made = Server(port, folder, process, "postgresql")
    import adbc_driver_postgresql.dbapi as adbc

    def ready() -> bool:
        try:
            with adbc.connect(made.secret_url.replace("/lab", "/postgres"), autocommit=True) as con, con.cursor() as cursor:
                cursor.execute("CREATE DATABASE lab")
            return True
        except adbc.Error:
            return False

    until(ready, process, folder / "log")
    yield made
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="session")
def mariadb(shelf: Path, certificates: Path) -> Iterator[Server]:
    pymysql = pytest.importorskip("pymysql", reason="needs the extra `sql`")
    install, server = program("mariadb-install-db"), program("mariadbd", "/usr/sbin")
    if install is None or server is None:
        pytest.skip("needs MariaDB: apt-get install mariadb-server")
    folder = shelf / "my"
    folder.mkdir()
    own = As(folder)
    own.run(install, "--no-defaults", f"--datadir={folder}/data", "--auth-root-authentication-method=normal", "--skip-test-db")
    port = free_port()
    process = own.start(
        server, "--no-defaults", f"--datadir={folder}/data", f"--socket={folder}/s", f"--port={port}", "--bind-address=127.0.0.1",
        f"--pid-file={folder}/pid", "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve", f"--ssl-cert={certificates}/server.pem", f"--ssl-key={certificates}/server.key", f"--ssl-ca={certificates}/ca.pem",
    )  # fmt: skip

    def ready() -> bool:
        try:
            with pymysql.connect(unix_socket=f"{folder}/s", user="root", autocommit=True) as con:
                cursor = con.cursor()
                cursor.execute("CREATE DATABASE lab CHARACTER SET utf8mb4")
                cursor.execute("CREATE USER boss@'127.0.0.1' IDENTIFIED BY 'geheim'")
                cursor.execute("GRANT ALL ON *.* TO boss@'127.0.0.1' WITH GRANT OPTION")
            return True
        except pymysql.Error:
            return False

    until(ready, process, folder / "log")
    yield Server(port, folder, process, "mysql")
    process.terminate()
    process.wait(30)


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The password where both clients look for it, and no other of the user's own settings."""
    for name in [n for n in os.environ if n.startswith(("PG", "MYSQL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PGPASSWORD", "geheim")
    monkeypatch.setenv("MYSQL_PWD", "geheim")
