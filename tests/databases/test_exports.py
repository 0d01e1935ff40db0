"""Exports into tables of servers that run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

for _package in ("adbc_driver_postgresql", "pymysql"):
    pytest.importorskip(_package, reason="needs the extra `sql`")
pytestmark = pytest.mark.usefixtures("password")


@pytest.fixture(params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> Any:
    made = request.getfixturevalue(request.param)
    for name in ("shelf", "kinds_out", "made_train", "made_test", "foreign_", "recipec_deliveries"):
        made.sql(f"DROP TABLE IF EXISTS {name} CASCADE")
    return made


def recipe(server: Any, to: str = "/shelf", more: str = "") -> str:
    return f"""source rows = csv("rows.csv") {{ key: id }}\nexport sent from rows {{ to: "{server.url}{to}"  format: parquet()  {more} }}"""


def rows(lab: Any, *texts: str, start: int = 0) -> None:
    lab.write("rows.csv", "id,text\n" + "".join(f"{start + i},{t}\n" for i, t in enumerate(texts)))


def test_created_replaced_and_appended(server: Any, lab: Any) -> None:
    rows(lab, "港口", "'quote' \\ %s", "x")
    lab.run(recipe(server))
    assert server.sql("SELECT id, text FROM shelf ORDER BY id") == [(0, "港口"), (1, "'quote' \\ %s"), (2, "x")]
    assert lab.run(recipe(server)).statuses["sent"] == "reused"
    rows(lab, "neu")
    lab.run(recipe(server))
    assert server.sql("SELECT text FROM shelf") == [("neu",)]
    rows(lab, "mehr", start=7)
    lab.run(recipe(server, more="mode: append"))
    assert server.sql("SELECT id FROM shelf ORDER BY id") == [(0,), (7,)]
    # A workspace that is lost, or a run that died before it noted what it did: the table knows.
    import shutil

    shutil.rmtree(lab.workspace)
    lab.run(recipe(server, more="mode: append"))
    assert server.sql("SELECT id FROM shelf ORDER BY id") == [(0,), (7,)]
    # Other columns than before.
    rows(lab, "a")
    lab.run(recipe(server, more="columns: [text]"))
    assert server.sql("SELECT * FROM shelf") == [("a",)]


def test_a_table_of_others_is_not_replaced(server: Any, lab: Any) -> None:
    server.sql("CREATE TABLE foreign_ (id int, text varchar(20), own int)", "INSERT INTO foreign_ VALUES (1, 'x', 2)")
    rows(lab, "neu", start=5)
    ran = lab.run(recipe(server, "/foreign_"), good=False)
    assert "was not written by recipec" in ran.error("sent")
    lab.run(recipe(server, "/foreign_", "mode: append"))
    assert server.sql("SELECT id, text, own FROM foreign_ ORDER BY id") == [(1, "x", 2), (5, "neu", None)]
    lab.write("rows.csv", "id,other\n1,2\n")
    ran = lab.run(recipe(server, "/foreign_", "mode: append"), good=False)
    assert "has no column `other`" in ran.error("sent")


@pytest.mark.filterwarnings("error::UserWarning")
def test_the_parts_of_a_split(server: Any, lab: Any) -> None:
    rows(lab, *map(str, range(20)))
    text = f"""source rows = csv("rows.csv") {{ key: id }}
    split parts from rows {{ train: 80%  test: 20% }}
    export sent from parts {{ to: "{server.url}/made"  format: parquet()  shards: 2  keys: true }}"""
    lab.run(text)
    assert server.sql("SELECT count(*) FROM made_train") == [(16,)]
    assert server.sql("SELECT count(*), count(DISTINCT _key) FROM made_test") == [(4, 4)]


def test_types(server: Any, lab: Any) -> None:
    lab.write("rows.csv", "id\n1\n2\n")
    text = f"""source rows = csv("rows.csv") {{ key: id }}
    sql kinds from rows \"\"\"SELECT id, id = 1 AS ok, id::UTINYINT AS small, 18446744073709551615::UBIGINT AS big, 1.5::DECIMAL(10,2) AS num, 0.5 AS half,
      DATE '2026-01-02' AS day, TIMESTAMP '2026-01-02 03:04:05.678901' AS moment, TIMESTAMPTZ '2026-01-02 03:04:05+01' AS instant, TIME '10:00:00' AS clock,
      [1, NULL] AS list, {{'a': '中'}} AS struct, CASE WHEN id = 2 THEN NULL ELSE 'x' END AS maybe, 'bytes'::BLOB AS raw, uuid '00000000-0000-0000-0000-000000000001' AS u FROM rows\"\"\"
    export sent from kinds {{ to: "{server.url}/kinds_out"  format: parquet() }}"""
    lab.run(text)
    found = server.sql("SELECT id, ok, small, big, num, half, day, moment, clock, list, struct, maybe, raw, u FROM kinds_out ORDER BY id")
    shown = [str(v) for v in found[0]]
    assert shown[0] == "1"
    assert shown[1] in ("True", "1")
    assert shown[2:6] == ["1", "18446744073709551615", "1.50", "0.5"]
    assert shown[6:8] == ["2026-01-02", "2026-01-02 03:04:05.678901"]
    assert shown[8] in ("10:00:00", "10:00:00.000000")
    assert shown[9].replace(" ", "") == "[1,null]"
    assert "中" in shown[10]
    assert shown[12:] == ["b'bytes'", "00000000-0000-0000-0000-000000000001"]
    assert found[1][11] is None
    assert str(server.sql("SELECT instant FROM kinds_out")[0][0])[:19] == "2026-01-02 02:04:05"


def test_what_the_server_refuses_is_told_before_anything_is_written(server: Any, lab: Any) -> None:
    rows(lab, "a", "b", "c")
    value = "text = concat(text, chr(0))" if server.scheme == "postgresql" else 'num = cast("nan" as double)'
    text = f"""source rows = csv("rows.csv") {{ key: id }}
    clean odd from rows {{ {value} }}
    export sent from odd {{ to: "{server.url}/shelf"  format: parquet()  keys: true }}"""
    ran = lab.run(text, good=False)
    assert "refuses 3 rows with" in ran.error("sent")
    assert "first: row 1, key " in ran.error("sent")
    with pytest.raises(Exception, match="shelf"):
        server.sql("SELECT * FROM shelf")


def test_a_reader_never_sees_half(server: Any, lab: Any) -> None:
    rows(lab, *["x"] * 3000)
    lab.run(recipe(server))
    seen: set[int] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.add(server.sql("SELECT count(*) FROM shelf")[0][0])

    reader = threading.Thread(target=look)
    reader.start()
    try:
        rows(lab, *["y"] * 5000)
        lab.run(recipe(server))
        rows(lab, *["z"] * 1000, start=9000)
        lab.run(recipe(server, more="mode: append"))
    finally:
        stop.set()
        reader.join()
    assert seen <= {3000, 5000, 6000}
    assert server.sql("SELECT count(*), count(DISTINCT id) FROM shelf") == [(6000, 6000)]


def test_killed_in_the_middle_and_run_again(server: Any, lab: Any) -> None:
    rows(lab, *["x"] * 20_000)
    path = lab.write("a.recipe", 'recipe "a" { version: "1.0.0" }\n' + recipe(server, more="mode: append"))
    command = [sys.executable, "-m", "recipec", "run", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ)
    ledger = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'recipec_deliveries'"
    while process.poll() is None and server.sql(ledger) == [(0,)]:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert server.sql("SELECT count(*), count(DISTINCT id) FROM shelf") == [(20_000, 20_000)]


def test_what_is_wrong_in_the_call_is_found_by_check(lab: Any) -> None:
    lab.write("rows.csv", "id,text\n1,a\n")
    for to, form, message in (
        ("postgresql://u:geheim@h/d/t", "parquet()", "a password in `to`"),
        ("postgresql://h", "parquet()", "must name a database"),
        ("mysql://h/d/t/x", "parquet()", "must name a database"),
        ("mysql://h/d", "jsonl()", "`jsonl` writes files, and `to` is a database"),
        ("oracle://h/d", "parquet()", "no way to write to `oracle://`"),
    ):
        found = lab.check(f'source rows = csv("rows.csv") {{ key: id }}\nexport sent from rows {{ to: "{to}"  format: {form} }}')
        assert message in found[0].message, to
