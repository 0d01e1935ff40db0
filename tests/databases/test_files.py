"""Exports into databases that are one file."""

from __future__ import annotations

import shutil
import sqlite3
from typing import Any

import duckdb
import pytest

ROWS = """source rows = csv("rows.csv") { key: id }
split parts from rows { train: 80%  test: 20% }
"""


@pytest.fixture(autouse=True)
def _rows(lab: Any) -> None:
    lab.write("rows.csv", "id,text\n" + "".join(f"{i},港口 {i}\n" for i in range(20)))


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_a_split_as_tables_and_back(lab: Any, kind: str) -> None:
    text = ROWS + f'export sent from parts {{ to: "build/out.{kind}"  format: {kind}() }}'
    lab.run(text)
    path = lab.folder / f"build/out.{kind}"
    first = path.read_bytes()
    assert lab.run(text).statuses["sent"] == "reused"
    con: Any = duckdb.connect(str(path), read_only=True) if kind == "duckdb" else sqlite3.connect(path)
    with con:
        assert [con.execute(f"SELECT count(*), min(text) FROM {t}").fetchone()[0] for t in ("train", "test")] == [16, 4]
    con.close()
    again = lab.run(f'source back = {kind}("build/out.{kind}", table: "train") {{ key: id }}')
    assert again.rows("SELECT count(*), any_value(text)[1:2] FROM back") == [(16, "港口")]
    lab.write("rows.csv", "id,text\n1,a\n2,b\n")
    shutil.rmtree(lab.workspace)
    lab.run(text)
    assert path.read_bytes() != first
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_types(lab: Any, kind: str) -> None:
    lab.write("one.csv", "id\n1\n")
    text = f"""source one = csv("one.csv") {{ key: id }}
    sql kinds from one \"\"\"SELECT id, true AS ok, 1.5::DECIMAL(10,2) AS num, 0.5::FLOAT AS half, DATE '2026-01-02' AS day,
      TIMESTAMPTZ '2026-01-02 03:04:05+01' AS instant, [1, NULL] AS list, {{'a': '中'}} AS struct, 'x'::BLOB AS raw, 170141183460469231731687303715884105727 AS huge FROM one\"\"\"
    export sent from kinds {{ to: "build"  format: {kind}(table: "facts") }}"""
    lab.run(text)
    path = lab.folder / f"build/data.{kind}"
    if kind == "duckdb":
        with duckdb.connect(str(path), read_only=True) as con:
            con.execute("SET TimeZone = 'UTC'")
            assert [r[1] for r in con.execute("DESCRIBE facts").fetchall()][:3] == ["BIGINT", "BOOLEAN", "DECIMAL(10,2)"]
            assert con.execute("SELECT struct, instant::VARCHAR FROM facts").fetchall() == [({"a": "中"}, "2026-01-02 02:04:05+00")]
        return
    with sqlite3.connect(path) as con:
        assert con.execute("SELECT * FROM facts").fetchall() == [
            (
                1,
                1,
                "1.50",
                0.5,
                "2026-01-02",
                "2026-01-02 02:04:05+00",
                "[1,null]",
                '{"a":"中"}',
                b"x",
                "170141183460469231731687303715884105727",
            )
        ]


def test_what_cannot_be_written(lab: Any) -> None:
    text = (
        ROWS
        + """
    clean odd from rows { half = cast("nan" as double) }
    export sent from odd { to: "build/out.sqlite"  format: sqlite() }"""
    )
    ran = lab.run(text, good=False)
    assert "20 rows with NaN in `half`" in ran.error("sent")
    assert not (lab.folder / "build/out.sqlite").exists()
    ran = lab.run(ROWS + 'export sent from parts { to: "build"  format: duckdb()  shards: 3 }', good=False)
    assert "writes one file" in ran.error("sent")
