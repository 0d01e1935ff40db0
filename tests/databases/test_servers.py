"""Tables and queries of PostgreSQL and MariaDB, of servers that run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from recipec.api import DataError, ReadContext, Reader, Secret
from recipec.mirror import _tables
from recipec.mirror._base import Snapshot
from recipec.mirror._tables import Lost, TableParams
from recipec.mirror.catalog import Arrival, Catalog
from recipec.mirror.postgres import PostgresMirror
from recipec.mirror.refresh import refresh
from recipec.readers.mysql import Mysql
from recipec.readers.postgres import Postgres

for _package in ("adbc_driver_postgresql", "pymysql"):
    pytest.importorskip(_package, reason="needs the extra `sql`")
pytestmark = pytest.mark.usefixtures("password")


class Copy:
    """A source and its copy in a folder."""

    def __init__(self, folder: Path, reader: type[Reader], url: str, **settings: Any) -> None:
        self.reader = reader(TableParams(url=Secret(None, url), **settings))
        (place,) = self.reader.places()
        assert not isinstance(place, str)
        self.mirror, self.catalog = place, Catalog(folder)
        self.said: list[str] = []

    def refresh(self, progress: Callable[[int, int | None, str], None] = lambda *_: None) -> Arrival:
        return self.catalog.refresh(self.mirror, progress, self.said.append)

    @property
    def snapshot(self) -> Snapshot:
        found = self.catalog.snapshot(self.mirror)
        assert found is not None
        return found

    def rows(
        self, query: str = "SELECT * EXCLUDE (_file, _row) FROM t ORDER BY _row", columns: dict[str, str] | None = None
    ) -> list[tuple[Any, ...]]:
        with duckdb.connect() as con:
            con.execute("SET TimeZone = 'UTC'")
            con.execute("CREATE TEMP TABLE bad (file VARCHAR, row BIGINT, reason VARCHAR, text VARCHAR)")
            self.reader.load(ReadContext(con, self.snapshot.files, columns, "utf-8", "raw", "bad", lambda *_: None, Path()))
            con.execute("CREATE TABLE t AS FROM raw")
            return con.execute(query).fetchall()

    def types(self) -> dict[str, str]:
        with duckdb.connect() as con:
            return self.reader.header(con, self.snapshot.files, "utf-8")


@pytest.fixture
def pg(postgres: Any, tmp_path: Path) -> Callable[..., Copy]:
    return lambda **settings: Copy(tmp_path / "mirror", Postgres, postgres.url, **settings)


@pytest.fixture
def my(mariadb: Any, tmp_path: Path) -> Callable[..., Copy]:
    return lambda **settings: Copy(tmp_path / "mirror", Mysql, mariadb.url, **settings)


@pytest.fixture(params=["postgres", "mariadb"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, Callable[..., Copy]]:
    server = request.getfixturevalue(request.param)
    reader = Postgres if request.param == "postgres" else Mysql
    return server, lambda **settings: Copy(tmp_path / "mirror", reader, server.url, **settings)


SERIES = {
    "postgresql": "INSERT INTO {t} SELECT g, '包 ' || g FROM generate_series({a}, {b}) AS g",
    "mysql": "INSERT INTO {t} SELECT seq, concat('包 ', seq) FROM seq_{a}_to_{b}",
}


def table(server: Any, name: str, rows: int = 10) -> None:
    server.sql(f"DROP TABLE IF EXISTS {name}", f"CREATE TABLE {name} (id BIGINT PRIMARY KEY, name VARCHAR(200))")
    server.sql(SERIES[server.scheme].format(t=name, a=1, b=rows))


# Both


def test_a_table_is_copied_once_and_again_only_when_it_changed(both: Any) -> None:
    server, made = both
    table(server, "things", 5)
    copy = made(table="things")
    assert copy.refresh()
    assert copy.rows() == [(i, f"包 {i}") for i in range(1, 6)]
    assert not copy.refresh()
    server.sql("UPDATE things SET name = name WHERE id = 3")
    before = copy.snapshot.files
    assert not copy.refresh()  # something was written, and the rows are the same
    assert copy.snapshot.files == before
    server.sql("UPDATE things SET name = 'andere' WHERE id = 3")
    assert copy.refresh()
    assert copy.rows()[2] == (3, "andere")
    server.sql("DELETE FROM things WHERE id = 1")
    assert copy.refresh()
    assert copy.rows("SELECT min(id), max(_row), any_value(_file) FROM t") == [(2, 4, "things")]


def test_ranges_give_every_row_once_in_the_order_of_the_key(both: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("postgres", "mysql"):
        monkeypatch.setattr(f"recipec.mirror.{module}.ROWS", 100)
    server, made = both
    table(server, "wide", 1000)
    copy = made(table="wide")
    copy.refresh()
    assert len(copy.snapshot.files) == 10
    assert copy.rows("SELECT count(*), count(DISTINCT id), bool_and(id = _row) FROM t") == [(1000, 1000, True)]
    # A key that repeats, and is null at times.
    key = "nullif(id % 7, 3)"
    again = made(query=f"select id, {key} as k from wide", by=["k"])
    again.refresh()
    assert 1 < len(again.snapshot.files) < 10
    assert again.rows("SELECT count(*), count(DISTINCT id), count(k) FROM t") == [(1000, 1000, 857)]


def test_a_text_key_and_one_of_two_columns(both: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("postgres", "mysql"):
        monkeypatch.setattr(f"recipec.mirror.{module}.ROWS", 3)
    server, made = both
    server.sql("DROP TABLE IF EXISTS named", "CREATE TABLE named (a VARCHAR(20), b CHAR(3), n INT, PRIMARY KEY (a, b))")
    names = ["it''s", "ä", "中", "100%", 'q"', "z", "B", "a b", "éé"]
    for i, name in enumerate(names):
        server.sql(f"INSERT INTO named VALUES ('{name}', 'x', {i}), ('{name}', 'y', {i})")
    copy = made(table="named")
    copy.refresh()
    assert len(copy.snapshot.files) > 2
    assert copy.rows("SELECT count(*), count(DISTINCT (a, b)) FROM t") == [(18, 18)]


def test_a_copy_that_is_killed_goes_on(both: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("postgres", "mysql"):
        monkeypatch.setattr(f"recipec.mirror.{module}.ROWS", 1000)
    server, made = both
    table(server, "parted", 5000)
    whole = made(table="parted")
    kept: set[Path] = set()

    def stop(done: int, total: int | None, what: str) -> None:
        kept.update(p for p in whole.catalog.folder.rglob("*.parquet"))
        if kept:
            raise KeyboardInterrupt

    try:  # where it is quicker than that it is whole, which is well too
        whole.refresh(stop)
    except KeyboardInterrupt:
        assert whole.catalog.snapshot(whole.mirror) is None
    times = {p: p.stat().st_mtime_ns for p in kept if p.exists()}
    whole.refresh()
    assert {p: p.stat().st_mtime_ns for p in times} == times
    assert whole.rows("SELECT count(*), count(DISTINCT id), bool_and(id = _row) FROM t") == [(5000, 5000, True)]
    assert not list(whole.catalog.folder.rglob("*.part"))


def test_rows_that_are_written_meanwhile_are_not_half_there(both: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("postgres", "mysql"):
        monkeypatch.setattr(f"recipec.mirror.{module}.ROWS", 500)
    server, made = both
    table(server, "busy", 2000)
    copy = made(table="busy")
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():  # both ends of the table in one transaction each
            server.sql("UPDATE busy SET name = concat(name, '!') WHERE id IN (1, 2000)")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            copy.refresh()
            first, last = copy.rows("SELECT length(name) - length(replace(name, '!', '')) FROM t WHERE id IN (1, 2000) ORDER BY id")
            assert first == last
    finally:
        stop.set()
        writer.join()


def test_a_query_reads_and_does_nothing_else(both: Any) -> None:
    server, made = both
    table(server, "kept", 3)
    made(query="select id from kept where id > 1;").refresh()
    for query in (
        "delete from kept",
        "select 1; delete from kept",
        "update kept set name = ''",
        "select id from kept) q; delete from kept; --",
        "",
    ):
        with pytest.raises((DataError, ValueError)):
            made(query=query).refresh()
    assert server.sql("SELECT count(*) FROM kept") == [(3,)]


def test_what_is_wrong_is_told_in_words(both: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server, made = both
    table(server, "things")
    with pytest.raises(DataError) as error:
        made(table="thinks").refresh()
    assert "did you mean `things`?" in error.value.help
    with pytest.raises(DataError, match="nope"):
        made(query="select * from nope").refresh()
    with pytest.raises(DataError) as error:
        made(table="things", by=["ids"]).refresh()
    assert "did you mean `id`" in error.value.help
    monkeypatch.setattr("recipec.mirror._tables.CLOSED_WAIT", 0)
    reader = Postgres if server.scheme == "postgresql" else Mysql
    monkeypatch.setenv("WHERE", server.secret_url.replace("geheim", "falsch-42"))
    there = reader(TableParams(url=Secret("WHERE"), table="things"))
    (place,) = there.places()
    with pytest.raises(DataError) as error:
        Catalog(tmp_path / "m").refresh(place, lambda *_: None, print)  # type: ignore[arg-type]
    assert "falsch-42" not in error.value.message + error.value.help
    assert "password comes from" in error.value.help
    monkeypatch.setenv("WHERE", server.secret_url.replace("/lab", "/labs"))
    with pytest.raises(DataError, match="labs"):
        Catalog(tmp_path / "m").refresh(place, lambda *_: None, print)  # type: ignore[arg-type]
    monkeypatch.setenv("WHERE", f"{server.scheme}://boss@127.0.0.1:1/lab")
    with pytest.raises(DataError) as error:
        Catalog(tmp_path / "m").refresh(place, lambda *_: None, print)  # type: ignore[arg-type]
    assert "is the server running" in error.value.help
    monkeypatch.delenv("WHERE")
    with pytest.raises(DataError, match=r'env\("WHERE"\) is not set'):
        Catalog(tmp_path / "m").refresh(place, lambda *_: None, print)  # type: ignore[arg-type]


def test_a_password_is_kept_nowhere(both: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server, _ = both
    table(server, "things")
    monkeypatch.setenv("WHERE", server.secret_url)
    copy = Copy(tmp_path / "m", Postgres if server.scheme == "postgresql" else Mysql, "", table="things")
    copy.reader = type(copy.reader)(TableParams(url=Secret("WHERE"), table="things"))
    (place,) = copy.reader.places()
    copy.mirror = place  # type: ignore[assignment]
    copy.refresh()
    assert "geheim" not in copy.mirror.address + repr(copy.mirror.identity())
    for path in (tmp_path / "m").rglob("*"):
        assert not path.is_file() or b"geheim" not in path.read_bytes()
    with pytest.raises(ValueError, match="a password in a recipe"):
        TableParams(url=Secret(None, server.secret_url), table="things")


def test_a_cheap_question_stands_for_the_rows(both: Any) -> None:
    server, made = both
    table(server, "dated", 4)
    copy = made(table="dated", changed="select max(id) from dated")
    assert copy.refresh()
    server.sql("UPDATE dated SET name = 'unseen' WHERE id = 1")
    assert not copy.refresh()
    server.sql("INSERT INTO dated VALUES (9, 'seen')")
    assert copy.refresh()
    assert copy.rows()[0] == (1, "unseen")


def test_a_broken_connection_is_made_again(both: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("postgres", "mysql"):
        monkeypatch.setattr(f"recipec.mirror.{module}.ROWS", 500)
    server, made = both
    table(server, "torn", 3000)
    copy = made(table="torn")
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'boss' AND pid <> pg_backend_pid() AND state IS NOT NULL"
    done = False

    def cut(rows: int, total: int | None, what: str) -> None:
        nonlocal done
        if not done and total is not None:
            done = True
            if server.scheme == "postgresql":
                server.sql(kill)
            else:
                for (found,) in server.sql("SELECT id FROM information_schema.processlist WHERE user = 'boss' AND id <> connection_id()"):
                    server.sql(f"KILL {found}")

    copy.refresh(cut)
    assert done
    assert copy.rows("SELECT count(*), count(DISTINCT id), bool_and(id = _row) FROM t") == [(3000, 3000, True)]


def test_a_snapshot_whose_connection_broke_is_a_broken_connection(pg: Any, postgres: Any) -> None:
    table(postgres, "torn", 3)
    session = pg(table="torn").mirror.open()
    try:
        with pytest.raises(Lost):
            PostgresMirror.begin(session, "00000003-00000B87-1")
    finally:
        session.close()


def test_postgres_contents_are_hashed_once_after_something_else_was_written(
    pg: Any, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(postgres, "things", 5)
    table(postgres, "others", 5)
    copy = pg(table="things")
    hashed = 0
    content = PostgresMirror.content

    def counted(*given: Any) -> Any:
        nonlocal hashed
        hashed += 1
        return content(*given)

    monkeypatch.setattr(PostgresMirror, "content", counted)
    looks = []
    for sql in ("", "DELETE FROM others WHERE id = 1", "", ""):
        postgres.sql(*[sql] if sql else [])
        hashed = 0
        looks.append((bool(copy.refresh()), hashed))
    assert looks == [(True, 1), (False, 1), (False, 0), (False, 0)]


# Types


def test_postgres_types(pg: Any, postgres: Any) -> None:
    postgres.sql(
        "DROP TABLE IF EXISTS kinds",
        "DROP TYPE IF EXISTS mood CASCADE",
        "DROP DOMAIN IF EXISTS short CASCADE",
        "CREATE TYPE mood AS ENUM ('froh', '悲')",
        "CREATE DOMAIN short AS numeric(5,2)",
        'CREATE TABLE kinds (id int, ok bool, big int8, real4 float4, num numeric(10,2), any_num numeric, day date, at timestamp, "Zeit" timestamptz, '
        "clock time, span interval, u uuid, doc jsonb, raw bytea, list int[], words text[], m mood, dom short, ip inet, pad char(5), o oid, r int4range)",
        "INSERT INTO kinds VALUES (1, true, 9007199254740993, 'NaN', 1.10, 1e-30, 'infinity', '-infinity', '2026-01-01 12:00+02', '23:59:59.5', '1 mon 2 days', "
        "'c4ca4238-a0b9-2382-0dcc-509a6f75849b', '{\"k\": [1, \"中\"]}', '\\x00ff', '{1,NULL,3}', '{\"a,b\",NULL}', '悲', 1.25, '10.0.0.1', 'ab', 7, '[1,5)')",
        "INSERT INTO kinds (id, num) VALUES (2, 'NaN')",
        "INSERT INTO kinds (id, list) VALUES (3, '{{1,2},{3,4}}')",
        "INSERT INTO kinds (id) VALUES (4)",
    )
    copy = pg(table="kinds")
    copy.refresh()
    assert copy.types() == {
        "id": "INTEGER", "ok": "BOOLEAN", "big": "BIGINT", "real4": "FLOAT", "num": "DECIMAL(10,2)", "any_num": "DOUBLE", "day": "DATE", "at": "TIMESTAMP",
        "Zeit": "TIMESTAMP WITH TIME ZONE", "clock": "TIME", "span": "INTERVAL", "u": "UUID", "doc": "JSON", "raw": "BLOB", "list": "INTEGER[]",
        "words": "VARCHAR[]", "m": "VARCHAR", "dom": "DECIMAL(5,2)", "ip": "VARCHAR", "pad": "VARCHAR", "o": "BIGINT", "r": "VARCHAR",
    }  # fmt: skip
    texts = copy.rows("SELECT columns(*)::VARCHAR FROM (SELECT * EXCLUDE (_file, _row) FROM t WHERE id = 1)")[0]
    assert texts == (
        "1", "true", "9007199254740993", "nan", "1.10", "1e-30", "infinity", "-infinity", "2026-01-01 10:00:00+00", "23:59:59.5", "1 month 2 days",
        "c4ca4238-a0b9-2382-0dcc-509a6f75849b", '{"k": [1, "中"]}', "\\x00\\xFF", "[1, NULL, 3]", "['a,b', NULL]", "悲", "1.25", "10.0.0.1/32", "ab", "7", "[1,5)",
    )  # fmt: skip
    assert copy.rows("SELECT row, reason FROM bad ORDER BY row") == [
        (2, 'num: "NaN" is not DECIMAL(10,2)'),
        (3, 'list: "[[1,2],[3,4]]" is not INTEGER[]'),
    ]
    # What is declared decides: the text has all digits.
    assert copy.rows("SELECT any_num FROM t WHERE id = 1", {"id": "INTEGER", "any_num": "VARCHAR"}) == [
        ("0.000000000000000000000000000001",)
    ]


def test_mysql_types(my: Any, mariadb: Any) -> None:
    mariadb.sql(
        "DROP TABLE IF EXISTS kinds",
        "CREATE TABLE kinds (id INT PRIMARY KEY, ok TINYINT(1), big BIGINT UNSIGNED, f FLOAT, d DOUBLE, num DECIMAL(10,2), long_num DECIMAL(65,30), day DATE, "
        "at DATETIME(6), moment TIMESTAMP NULL, span TIME, y YEAR, bits BIT(5), raw BLOB, few VARBINARY(4), mood ENUM('froh','悲'), s SET('a','b'), "
        "old VARCHAR(9) CHARACTER SET gbk, emoji TEXT)",
        "SET sql_mode = ''",
        "INSERT INTO kinds VALUES (1, 2, 18446744073709551615, 0.1, 1e300, 1.10, 1.5, '2026-01-01', '2026-01-01 00:00:00.123456', '2026-01-01 12:00:00', '-838:59:59', "
        "2020, b'10101', x'00ff', x'00', '悲', 'a,b', '中文', '😀\\0x')",
        "INSERT INTO kinds (id, day) VALUES (2, '0000-00-00')",
        "INSERT INTO kinds (id) VALUES (3)",
    )
    copy = my(table="kinds")
    copy.refresh()
    assert copy.types() == {
        "id": "INTEGER", "ok": "TINYINT", "big": "UBIGINT", "f": "FLOAT", "d": "DOUBLE", "num": "DECIMAL(10,2)", "long_num": "VARCHAR", "day": "DATE",
        "at": "TIMESTAMP", "moment": "TIMESTAMP WITH TIME ZONE", "span": "VARCHAR", "y": "SMALLINT", "bits": "UBIGINT", "raw": "BLOB", "few": "BLOB",
        "mood": "VARCHAR", "s": "VARCHAR", "old": "VARCHAR", "emoji": "VARCHAR",
    }  # fmt: skip
    row = copy.rows('SELECT * EXCLUDE (_file, _row, "at", moment, day) FROM t WHERE id = 1')[0]
    assert row[1:3] == (2, 18446744073709551615)
    assert row[5:] == (
        __import__("decimal").Decimal("1.10"), "1.500000000000000000000000000000", "-838:59:59", 2020, 21, b"\x00\xff", b"\x00", "悲", "a,b", "中文", "😀\0x",
    )  # fmt: skip
    assert copy.rows('SELECT f = 0.1::FLOAT, "at"::VARCHAR FROM t WHERE id = 1') == [(True, "2026-01-01 00:00:00.123456")]
    assert copy.rows("SELECT row, reason FROM bad") == [(2, 'day: "0000-00-00" is not DATE')]


def test_an_encoding_that_the_server_does_not_know(postgres: Any, tmp_path: Path) -> None:
    postgres.sql("DROP DATABASE IF EXISTS bytes", "CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0")
    url = postgres.url.replace("/lab", "/bytes")
    import adbc_driver_postgresql.dbapi as adbc

    with adbc.connect(postgres.secret_url.replace("/lab", "/bytes"), autocommit=True) as con, con.cursor() as cursor:
        cursor.execute("CREATE TABLE old (id int PRIMARY KEY, name text)")
        cursor.execute("INSERT INTO old VALUES (1, convert_from('\\xd6d0'::bytea, 'SQL_ASCII'))")
    with pytest.raises(DataError) as error:
        Copy(tmp_path, Postgres, url, table="old").refresh()
    assert "`name` holds bytes that are no UTF-8" in error.value.message


# As a recipe


def test_a_recipe_reads_both(postgres: Any, mariadb: Any, lab: Any) -> None:
    table(postgres, "things", 3)
    table(mariadb, "things", 4)
    text = f"""
    source one = postgres("{postgres.url}", table: "things") {{ key: id }}
    source two = mysql("{mariadb.url}", table: "things") {{ key: id }}
    """
    program = lab.sound(text)
    for step in program.steps:
        assert not step.bound.fetched
        for place in step.bound.mirrors:
            program.catalog.refresh(place, lambda *_: None, print)
    ran = lab.run(text)
    assert ran.rows("SELECT (SELECT count(*) FROM one), (SELECT list(name ORDER BY id) FROM two)") == [
        (3, [f"包 {i}" for i in range(1, 5)])
    ]
    assert lab.run(text).statuses == {"one": "reused", "two": "reused"}


def test_what_is_wrong_in_the_call_is_found_by_check(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for call, message in {
        'postgres("postgresql://h/d")': "give one of `table` and `query`",
        'postgres("postgresql://h/d", table: "a", query: "select 1")': "give one of `table` and `query`",
        'postgres("postgresql://u:geheim@h/d", table: "a")': "a password in a recipe",
        'postgres("host=h password=geheim", table: "a")': "a password in a recipe",
        'mysql("mysql://u:geheim@h/d", table: "a")': "a password in a recipe",
    }.items():
        (problem,) = lab.check(f"source s = {call}")
        assert message in problem.message
    monkeypatch.setattr("recipec.steps.source.find_spec", lambda name: None)
    (problem,) = lab.check('source s = postgres(env("DATABASE_URL"), "select 1")')
    assert problem.message == "`postgres` needs the package adbc_driver_postgresql, which is not installed"
    assert "pip install 'recipec[sql]'" in problem.help[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('postgres("not a url", table: "a")', "this is no address of PostgreSQL: postgresql://user@host/database"),
        ('postgres("postgers://h/d", table: "a")', "did you mean `postgres://`?"),
        ('postgres("postgresql+psycopg2://h/d", table: "a")', "names a library too: leave that out: postgresql://"),
        ('postgres("mysql://h/d", table: "a")', "`mysql://` is no address of PostgreSQL: read it with mysql(...)"),
        ('mysql("postgres://h/d", table: "a")', "`postgres://` is no address of MySQL: read it with postgres(...)"),
        ('mysql("localhost", table: "a")', "this is no address of MySQL"),
        ('mysql("mysql://h:x/d", table: "a")', "MySQL cannot read the address"),
        ('mysql("mysql://h/d?foo=1", table: "a")', "an address of MySQL has no `foo`: it may have: unix_socket"),
    ],
)
def test_an_address_of_something_else_is_found_by_check(lab: Any, call: str, message: str) -> None:
    (problem,) = lab.check(f"source s = {call}")
    assert message in problem.message


@pytest.mark.parametrize(
    "call",
    ['postgres("host=h dbname=\'a b\'", table: "a")', 'postgres("service=lab", table: "a")', 'postgres(table: "a")', 'mysql("mysql+pymysql://h/d", table: "a")',
     'mysql(table: "a")', 'postgres("postgresql://a:1,b:2/d", table: "x")'],
)  # fmt: skip
def test_every_way_to_say_where_a_server_is_passes(lab: Any, call: str) -> None:
    assert lab.check(f"source s = {call}") == []


def test_a_variable_that_holds_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "mysql://u:geheim@h/d")
    with pytest.raises(DataError) as error:
        PostgresMirror(TableParams(url=Secret("WHERE"), table="a")).open()
    assert (error.value.message, error.value.help) == ('env("WHERE"): `mysql://` is no address of PostgreSQL', "read it with mysql(...)")


def test_a_wrong_password_is_tried_and_told_once(lab: Any, both: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server, _ = both
    table(server, "things")
    monkeypatch.setenv("WHERE", server.secret_url.replace("geheim", "falsch-42"))
    name = "postgres" if server.scheme == "postgresql" else "mysql"
    program = lab.sound(
        "\n".join(
            f'source s{i} = {name}(env("WHERE"), query: "select id, {i} as n from things") {{ columns: {{ id: int }} }}' for i in range(2)
        )
    )
    tried: list[Any] = []
    kind = type(program.steps[0].bound.mirrors[0])
    real = kind.open
    monkeypatch.setattr(kind, "open", lambda self: (tried.append(self), real(self))[1])
    one, two = refresh(program, None)
    assert len(tried) == 1
    assert "assword" in one.error.message or "denied" in one.error.message
    assert two.error.message.endswith("was not tried: its server, which `s0` reads from too, could not be had")


@pytest.mark.slow
def test_a_million_rows_killed_in_the_middle(both: Any, tmp_path: Path) -> None:
    """The process itself is killed, twice, and run again."""
    server, made = both
    table(server, "million", 1_000_000)
    copy = made(table="million")
    code = (
        "import sys; from pathlib import Path; from recipec.api import Secret; from recipec.mirror._tables import TableParams; from recipec.mirror.catalog import Catalog\n"
        f"from recipec.mirror.{'postgres' if server.scheme == 'postgresql' else 'mysql'} import {type(copy.mirror).__name__} as M\n"
        f"Catalog(Path({str(copy.catalog.folder)!r})).refresh(M(TableParams(url=Secret(None, {server.url!r}), table='million')), lambda *_: None, print)"
    )
    for wanted in (1, 2):
        process = subprocess.Popen([sys.executable, "-c", code], env=os.environ)
        while process.poll() is None and len(list(copy.catalog.folder.rglob("*.parquet"))) < wanted:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = {p: p.stat().st_mtime_ns for p in copy.catalog.folder.rglob("*.parquet")}
    assert kept
    copy.refresh()
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    assert copy.rows("SELECT count(*), count(DISTINCT id), bool_and(id = _row) FROM t") == [(1_000_000, 1_000_000, True)]
    assert _tables.ROWS < 1_000_000


@pytest.mark.slow
def test_how_long_a_million_rows_take(both: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Measured, not judged: a copy against the server's own client writing the same rows to nowhere, and a second look at unchanged rows."""
    server, made = both
    table(server, "million", 1_000_000)
    if server.scheme == "postgresql":
        floor = ["psql", server.secret_url, "-qc", "COPY million TO STDOUT"]
    else:
        floor = [
            "mariadb",
            "--no-defaults",
            "-h127.0.0.1",
            f"-P{server.port}",
            "-uboss",
            "-pgeheim",
            "--quick",
            "lab",
            "-e",
            "SELECT * FROM million",
        ]
    if shutil.which(floor[0]) is None:
        pytest.skip(f"needs {floor[0]}")
    took: dict[str, list[float]] = {"client": [], "copy": [], "again": []}

    def clock(what: str, do: Callable[[], object]) -> None:
        began = time.perf_counter()
        do()
        took[what].append(time.perf_counter() - began)

    for _ in range(3):
        clock("client", lambda: subprocess.run(floor, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True))
        copy = made(table="million")
        shutil.rmtree(copy.catalog.folder, ignore_errors=True)
        clock("copy", copy.refresh)
        server.sql("CREATE TABLE other (a int)", "DROP TABLE other")  # so that the rows are looked at
        clock("again", copy.refresh)
    best = {k: min(v) for k, v in took.items()}
    with capsys.disabled():
        print(
            f"\n{server.scheme}: copy {best['copy'] / best['client']:.1f} x the client, unchanged {best['again'] / best['client']:.2f} x ({best})"
        )
