"""SQL laid out: the same statement, in lines."""

from __future__ import annotations

import pytest

from recipec.report.sql_text import pretty, tokens_of

SAMPLES = [
    "SELECT a, b FROM t WHERE x = 1",
    'CREATE TABLE "t" AS SELECT * EXCLUDE ("_why") FROM '
    + """(SELECT *, CASE WHEN a IS NULL THEN 'it''s, "ok"' ELSE b END AS c FROM (SELECT a, b FROM u))""",
    "SELECT f(a, [1, 2], {'k': x.y::VARCHAR})[1:2], a <> b, a >= 1, a || 'x' FROM t GROUP BY ALL HAVING count(*) > 1 ORDER BY 1",
    "WITH s AS MATERIALIZED (SELECT 1) SELECT * FROM s LEFT JOIN (SELECT * FROM t) AS d ON s.a = d.a -- end",
]


@pytest.mark.parametrize("sql", SAMPLES)
def test_only_the_layout_changes(sql: str) -> None:
    assert list(tokens_of(pretty(sql))) == list(tokens_of(sql))


def test_layout() -> None:
    wide = "SELECT " + ", ".join(f"column_{i}" for i in range(9)) + " FROM t"
    assert pretty(f"CREATE TABLE x AS SELECT a, b FROM ({wide}) WHERE a >= 1").splitlines()[:6] == [
        "CREATE TABLE x AS",
        "SELECT a,",
        "  b",
        "FROM (",
        "  SELECT column_0,",
        "    column_1,",
    ]


def test_duckdb_reads_it_as_before() -> None:
    import duckdb

    con = duckdb.connect()
    con.execute("CREATE TABLE t AS SELECT 1 AS a, 2 AS b; CREATE TABLE u AS FROM t")
    for sql in SAMPLES[:2]:
        query = sql.partition(" AS ")[2] if sql.startswith("CREATE") else sql.replace("x = 1", "a = 1")
        if "_why" in query:
            query = query.replace('EXCLUDE ("_why")', "EXCLUDE (c)")
        assert con.execute(pretty(query)).fetchall() == con.execute(query).fetchall()
