"""Values of every type of the database come back from files as they were."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from recipec.api import literal, quote
from recipec.engines.ray.held import portable
from recipec.engines.ray.shards import cast, described, scan, write

MORE = {
    "hugeints": "[1::HUGEINT, NULL, -170141183460469231731687303715884105728]",
    "field": "{'a b': 7::HUGEINT, 'c': {'d': INTERVAL '1 year -3 days 0.000001 seconds'}}",
    "by_interval": "map {INTERVAL '1 month': 'x', INTERVAL '31 days': 'y'}",
    "to_huge": "map {'a': [1::UHUGEINT], 'b': NULL}",
    "chosen": 'union_value(b := 2::HUGEINT)::UNION(a INTEGER, b HUGEINT, "c d" VARCHAR[])',
    "chosen_null": "union_value(b := NULL)::UNION(a INTEGER, b HUGEINT)",
    "unions": "[union_value(a := 1)::UNION(a INTEGER, b INTERVAL), union_value(b := INTERVAL '1 day')::UNION(a INTEGER, b INTERVAL), NULL]",
    "twice": "union_value(a := 1)::UNION(b INTEGER, a INTEGER)",
    "bits": "['101'::BIT, NULL, '0'::BIT]",
    "moods": "['sad']::ENUM('sad', 'it''s')[]",
    "fixed": "[1, NULL, 3]::HUGEINT[3]",
    "zones": "['24:00:00+15:59:59'::TIMETZ, '00:00:00-15:59:59'::TIMETZ]",
    "pairs": "[(1, 'x')]::TUPLE(INTEGER, VARCHAR)[]",
    "numbers": "['nan'::DOUBLE, 'inf', '-inf', -0.0, NULL]",
    "singles": "{'x': 'nan'::FLOAT, 'y': '-inf'::FLOAT}",
    "days": "['infinity'::DATE, '-infinity', '5877642-06-25 (BC)', NULL]",
    "moments": "['infinity'::TIMESTAMP, '-infinity', NULL]",
    "instants": "['infinity'::TIMESTAMPTZ, '1969-12-31 23:59:59.999999+00', NULL]",
    "seconds": "'294247-01-10 04:00:54'::TIMESTAMP_S",
    "nothing": "NULL::STRUCT(a HUGEINT, b INTERVAL[])",
    "empty": "[]::INTERVAL[]",
    "no_pairs": "MAP {}::MAP(HUGEINT, INTERVAL)",
    "deep": "[{'m': map {1::HUGEINT: [[INTERVAL '1 day']]}}]",
    "text": "'a' || chr(0) || '中文' || chr(10)",
    "json": "'{\"a\": 1.0}'::JSON",
    "decimal": "-12345678901234567890123456789.012345678::DECIMAL(38, 9)",
}


def round_trip(con: duckdb.DuckDBPyConnection, columns: list[str], folder: Path) -> None:
    """Write a table and read it: types are equal, and every value's bytes, as the database sorts and prints them."""
    types = {n: t for n, t in described(con, "given").items() if n in columns}
    listed = ", ".join(map(quote, ["_key", *columns]))
    files = write(con, f"SELECT {listed} FROM given", folder, None, 1, 1, False)
    con.execute(f"CREATE OR REPLACE TABLE back AS SELECT {cast({'_key': 'INTEGER', **types})} FROM {scan(files[0])}")
    assert {n: t for n, t in described(con, "back").items() if n != "_key"} == types
    for name in columns:
        for sql in (f"{quote(name)}::VARCHAR", f"hash({quote(name)})", f"{quote(name)} IS NULL", f"typeof({quote(name)})"):
            found = [con.execute(f"SELECT {sql} FROM {t} ORDER BY _key").fetchall() for t in ("given", "back")]
            assert found[0] == found[1], (name, sql)
        if types[name].startswith("UNION") and not types[name].endswith("]"):
            found = [con.execute(f"SELECT union_tag({quote(name)}) FROM {t} ORDER BY _key").fetchall() for t in ("given", "back")]
            assert found[0] == found[1], name


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    made = duckdb.connect()
    made.execute("SET TimeZone = 'UTC'")
    return made


def test_every_type_of_the_database(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    con.execute("CREATE TABLE given AS SELECT row_number() OVER ()::INTEGER AS _key, * FROM test_all_types()")
    types = described(con, "given")
    away = {n for n, t in types.items() if not portable(t)}
    assert away == {"empty_struct", "geometry"}
    round_trip(con, [n for n in types if n not in away and n != "_key"], tmp_path)


def test_nested_and_strange_values(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    made = ", ".join(f"{sql} AS {quote(n)}" for n, sql in MORE.items())
    nulls = ", ".join(f"NULL AS {quote(n)}" for n in MORE)
    con.execute(f"CREATE TABLE given AS SELECT 1::INTEGER AS _key, {made} UNION ALL SELECT 2, {nulls}")
    round_trip(con, list(MORE), tmp_path)


def test_buckets_hold_the_same(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    con.execute("CREATE TABLE given AS SELECT md5(i::VARCHAR)::UUID AS _key, i::HUGEINT << 70 AS n FROM range(50) r(i)")
    found = write(con, "SELECT * FROM given", tmp_path, "n", 4, 4, True)
    files = [f for n, listed in found.items() if n >= 0 for f in listed]
    both = con.execute(
        f"SELECT count(*), count(g._key) FROM (SELECT {cast({'_key': 'UUID', 'n': 'HUGEINT'})} FROM {scan(files)}) b LEFT JOIN given g USING (_key, n)"
    ).fetchall()
    assert both == [(50, 50)]
    assert described(con, f"(SELECT * FROM {literal(found[-1][0])})")["n"] == "VARCHAR", "the file without rows has the same columns"
