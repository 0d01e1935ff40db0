"""Tables and queries of DuckDB's own files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

HUGE = 170141183460469231731687303715884105700


@pytest.fixture
def database(lab: Any) -> Path:
    path: Path = lab.folder / "a.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TYPE mood AS ENUM ('x', '悲')")
        con.execute(
            "CREATE TABLE films AS SELECT i AS id, CASE WHEN i = 1 THEN '悲' ELSE 'x' END::mood AS m, [i] AS l, {'a': i} AS s, (170141183460469231731687303715884105700 + i)::HUGEINT AS h, INTERVAL '1 month 1 microsecond' AS iv, "
            "TIMESTAMPTZ '2026-01-01 00:00:00+00' AS t, uuid() AS u, '{}'::JSON AS j, 'a' || i AS n FROM range(3) AS r(i)"
        )
        con.execute("CREATE SCHEMA other")
        con.execute("CREATE VIEW other.seen AS FROM films WHERE id > 0")
    return path


def test_tables_views_and_queries(lab: Any, database: Path) -> None:
    before = database.read_bytes()
    text = """
    source films = duckdb("a.duckdb", table: "films") { key: id }
    source seen = duckdb("a.duckdb", table: "other.seen")
    source asked = duckdb("a.duckdb", query: "select id, m from films order by id desc -- so") { columns: { id: text, m: text } }
    """
    assert list(lab.schema(text, "films").values()) == [
        "BIGINT",
        "VARCHAR",
        "BIGINT[]",
        "STRUCT(a BIGINT)",
        "HUGEINT",
        "INTERVAL",
        "TIMESTAMP WITH TIME ZONE",
        "UUID",
        "JSON",
        "VARCHAR",
    ]
    ran = lab.run(text)
    assert ran.rows("SELECT id, m, l, s, h, iv::VARCHAR FROM films ORDER BY id LIMIT 2") == [
        (0, "x", [0], {"a": 0}, HUGE, "1 month 00:00:00.000001"),
        (1, "悲", [1], {"a": 1}, HUGE + 1, "1 month 00:00:00.000001"),
    ]
    assert ran.rows("SELECT count(*) FROM seen") == [(2,)]
    assert ran.rows("SELECT list(id ORDER BY m, id) FROM asked") == [(["0", "2", "1"],)]
    assert database.read_bytes() == before
    assert set(lab.run(text).statuses.values()) == {"reused"}


def test_what_is_wrong_is_told_in_words(lab: Any, database: Path) -> None:
    lab.write("not.duckdb", "a,b\n1,2\n" * 10)
    for call, message, help in (
        ('duckdb("a.duckdb", table: "flims")', "no table `flims` in `a.duckdb`", "did you mean `films`?"),
        ('duckdb("a.duckdb", query: "select * from read_csv(\'/etc/passwd\')")', "may only read from this database", "over its own tables"),
        ('duckdb("a.duckdb", query: "drop table films")', "cannot be read", ""),
        ('duckdb("a.duckdb", query: "selct 1")', "cannot be read", "write one SELECT"),
        ('duckdb("a.duckdb")', "give one of `table` and `query`", ""),
        ('duckdb("not.duckdb", table: "a")', "`not.duckdb` is not a DuckDB database", ""),
        ('duckdb("a.duckdb", table: "films") { columns: { titel: text } }', "no column `titel`", ""),
    ):
        problems = lab.check(f"source s = {call}")
        assert message in problems[0].message, call
        assert help in " ".join(problems[0].help), call


def test_a_database_that_is_open_elsewhere(lab: Any, database: Path) -> None:
    code = f"import duckdb, sys; con = duckdb.connect({str(database)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        (problem,) = lab.check('source s = duckdb("a.duckdb", table: "films")')
        assert other.stdin is not None
        other.stdin.close()
        other.wait()
    assert problem.message == "`a.duckdb` is open for writing elsewhere"


def test_one_written_by_a_version_to_come(lab: Any, database: Path) -> None:
    raw = bytearray(database.read_bytes())
    raw[12] = 200  # the version of the storage
    database.write_bytes(bytes(raw))
    (problem,) = lab.check('source s = duckdb("a.duckdb", table: "films")')
    assert "`a.duckdb`" in problem.message
