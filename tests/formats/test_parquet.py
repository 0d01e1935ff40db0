from __future__ import annotations

import datetime
from decimal import Decimal

import duckdb
import pyarrow.parquet as pq
import pytest

import recipec.engines.order as order
from recipec.api import Column, DataError, ExportPart, Schema

EVERY = """
    SELECT * FROM (VALUES
      (1::TINYINT, 2::BIGINT, 3::HUGEINT, 4::UBIGINT, 0.5::FLOAT, 0.1::DOUBLE, 12.50::DECIMAL(10, 2), true, '文本 "x"' || chr(10) || chr(0),
       DATE '2024-05-01', TIME '12:00:00', TIMESTAMP '2024-05-01 01:02:03.456789', TIMESTAMPTZ '2024-05-01 02:00:00+02',
       TIMESTAMP_S '2024-05-01 01:02:03', '\\xAA\\x00'::BLOB, UUID '00000000-0000-0000-0000-000000000001', 'b'::ENUM ('a', 'b'),
       '{"a": 1}'::JSON, [1, NULL], [1.0, 2.0]::FLOAT[2], {'role': 'user', 'n': 5::HUGEINT}, MAP {'x': 'y'}, '101'::BIT),
      (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL))
    t(tiny, big, huge, ubig, f, d, dec, b, s, dt, tm, ts, tz, tss, blob, u, e, j, l, arr, st, m, bits)
"""


def test_every_type_comes_back(export):
    table = pq.read_table(export.make("parquet", EVERY) / "train.parquet")
    row = table.to_pylist()[0]
    assert row == {
        "tiny": 1, "big": 2, "huge": 3, "ubig": 4, "f": 0.5, "d": 0.1, "dec": Decimal("12.50"), "b": True, "s": '文本 "x"\n\0',
        "dt": datetime.date(2024, 5, 1), "tm": datetime.time(12), "ts": datetime.datetime(2024, 5, 1, 1, 2, 3, 456789),
        "tz": datetime.datetime(2024, 5, 1, 0, 0, tzinfo=datetime.UTC), "tss": datetime.datetime(2024, 5, 1, 1, 2, 3),
        "blob": b"\xaa\x00", "u": "00000000-0000-0000-0000-000000000001", "e": "b", "j": '{"a": 1}', "l": [1, None],
        "arr": [1.0, 2.0], "st": {"role": "user", "n": 5}, "m": [{"key": "x", "value": "y"}], "bits": "101",
    }  # fmt: skip
    assert set(table.to_pylist()[1].values()) == {None}
    assert all(field.nullable for field in table.schema)
    assert str(table.schema.field("huge").type) == "int64"


def test_instants_are_in_utc_whatever_the_zone_of_the_machine(export, digest):
    one = export.make("parquet", "SELECT TIMESTAMPTZ '2024-05-01 02:00:00+02' AS at", folder="one")
    export.con.execute("SET TimeZone = 'Asia/Shanghai'")
    two = export.make("parquet", "SELECT TIMESTAMPTZ '2024-05-01 02:00:00+02' AS at", folder="two")
    assert digest(one) == digest(two)
    assert export.con.execute("SELECT current_setting('TimeZone')").fetchall() == [("Asia/Shanghai",)]


ROWS = "SELECT i, repeat('文 text ', (i % 20)::INT) AS t, CASE WHEN i % 7 > 0 THEN [i, NULL] END AS l FROM range(25_000) r(i)"


def test_the_same_bytes_with_any_number_of_threads(export, digest):
    part = export.part("train", ROWS)
    seen = []
    for threads in (1, 4):
        export.con.execute(f"SET threads = {threads}")
        seen.append(digest(export.make("parquet", [part], folder=str(threads), row_group=9_500)))
    assert seen[0] == seen[1]


def test_incoming_batches_leave_no_trace(export, digest, monkeypatch):
    part = export.part("train", ROWS)
    one = digest(export.make("parquet", [part], folder="one", row_group=9_500))
    # DuckDB's batches of 700 rows are cut anew into the writer's pieces of 1000.
    import recipec.formats._stream as stream

    monkeypatch.setattr(stream, "BATCH", 700)
    assert digest(export.make("parquet", [part], folder="two", row_group=9_500)) == one


def test_row_groups_have_the_size_asked_for(export):
    file = pq.ParquetFile(export.make("parquet", ROWS, row_group=9_500) / "train.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [9_500, 9_500, 6_000]
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_row_group_of_long_documents_ends_early(export, monkeypatch):
    import recipec.formats._table as table

    monkeypatch.setattr(table, "GROUP_BYTES", 1 << 20)
    file = pq.ParquetFile(export.make("parquet", "SELECT repeat('x', 500) AS t FROM range(5_000)") / "train.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [3_000, 2_000]


def test_shards_are_contiguous_and_differ_by_one_row_at_most(export):
    out = export.make("parquet", "SELECT i FROM range(10) r(i)", shards=4)
    names = sorted(p.name for p in out.iterdir())
    assert names == [f"train-{i:05d}-of-00004.parquet" for i in range(4)]
    rows = [pq.read_table(out / n)["i"].to_pylist() for n in names]
    assert [len(r) for r in rows] == [3, 3, 2, 2]
    assert [i for r in rows for i in r] == list(range(10))


def test_more_shards_than_rows_gives_empty_files_that_can_be_read(export):
    out = export.make("parquet", "SELECT i FROM range(1) r(i)", shards=2)
    assert pq.read_table(out / "train-00001-of-00002.parquet").num_rows == 0


def test_an_empty_table_keeps_its_schema(export):
    table = pq.read_table(export.make("parquet", "SELECT 1 AS i, 'a' AS t LIMIT 0") / "train.parquet")
    assert table.num_rows == 0
    assert table.column_names == ["i", "t"]


def test_parts_and_a_single_file(export):
    out = export.make("parquet", {"train": "SELECT 1 AS i", "test": "SELECT 2 AS i"})
    assert sorted(p.name for p in out.iterdir()) == ["test.parquet", "train.parquet"]
    out = export.make("parquet", "SELECT 1 AS i", single="all.pq", folder="one")
    assert [p.name for p in out.iterdir()] == ["all.pq"]
    with pytest.raises(DataError, match="one file, and there are 2 parts"):
        export.make("parquet", {"a": "SELECT 1 AS i", "b": "SELECT 2 AS i"}, single="all.parquet", folder="two")
    with pytest.raises(DataError, match="two parts are called `Train`"):
        export.make("parquet", {"Train": "SELECT 1 AS i", "train": "SELECT 2 AS i"}, folder="three")
    with pytest.raises(DataError, match="cannot be the name of a file"):
        export.make("parquet", {"a/b": "SELECT 1 AS i"}, folder="four")


def test_progress_reaches_all_rows_of_all_parts(export):
    export.make("parquet", {"train": "SELECT i FROM range(15_000) r(i)", "test": "SELECT 1::BIGINT AS i"})
    assert export.seen[-1] == (15_001, 15_001)
    assert len(export.seen) == 2


def test_what_arrow_would_change_is_refused_with_the_row(export):
    with pytest.raises(DataError, match=r"1 row with an infinite date in `d` \(first: row 2, key k2: `infinity`\)") as caught:
        export.make("parquet", "SELECT unnest([DATE '2024-01-01', DATE 'infinity']) AS d")
    assert "isfinite" in caught.value.help
    with pytest.raises(DataError, match="1 row with a number over 64 bits in `h`"):
        export.make("parquet", "SELECT unnest([1, 170141183460469231731687303715884105727::HUGEINT]) AS h", folder="two")


def test_a_part_that_changed_under_the_export(export):
    from dataclasses import replace

    part = export.part("train", "SELECT i FROM range(10) r(i)")
    for rows, now in ((9, 10), (11, 10)):
        with pytest.raises(DataError, match=f"`train` has {now} rows now and had {rows}"):
            export.make("parquet", [replace(part, rows=rows)], folder=str(rows))
    assert export.con.execute("SELECT 1").fetchall() == [(1,)]


@pytest.mark.parametrize("key", ["md5(i::VARCHAR)::UUID", "md5(i::VARCHAR)", "i"])
def test_ranges_of_keys_give_the_same_bytes_as_one_sort(export, digest, monkeypatch, key):
    text = "repeat('文 text ', (i % 20)::INT)"
    export.con.execute(f"CREATE OR REPLACE TABLE wide AS SELECT i, {text} AS t, {key} AS _key FROM range(9_000) r(i)")
    schema = Schema((Column("i", "BIGINT"), Column("t", "VARCHAR")))
    part = ExportPart("train", "SELECT i, t, _key FROM wide ORDER BY _key", schema, 9_000)
    seen = [digest(export.make(f, [part], folder=f"{f}1")) for f in ("parquet", "jsonl")]
    monkeypatch.setattr(order, "_number", lambda _: 500_000)
    assert 5 < len(order.ordered(export.con, part, "*")) < 50
    assert [digest(export.make(f, [part], folder=f"{f}2")) for f in ("parquet", "jsonl")] == seen


def test_ranges_of_an_order_with_ties_and_nulls(export, monkeypatch):
    rows = "SELECT i, md5(i::VARCHAR) AS _key, nullif(i % 7, 3) AS _order FROM range(3_000) r(i)"
    export.con.execute(f"CREATE OR REPLACE TABLE wide AS {rows}")
    sql = "SELECT i, _key, _order FROM wide ORDER BY _order, _key"
    monkeypatch.setattr(order, "_number", lambda _: 20_000)
    part = ExportPart("train", sql, Schema((Column("i", "BIGINT"),)), 3_000)
    assert len(order.ordered(export.con, part, "*")) > 3
    rows = pq.read_table(export.make("parquet", [part]) / "train.parquet")["i"].to_pylist()
    assert rows == [r[0] for r in export.con.execute(sql).fetchall()]


def test_a_table_that_fits_is_sorted_at_once(export):
    part = export.part("train", "SELECT i FROM range(10) r(i)")
    assert order.ordered(export.con, part, "i") == [f"SELECT i FROM ({part.query}) AS __rows"]
    assert [order._number(s) for s in ("286.1 MiB", "12.8 GiB", "512 bytes")] == [299_997_593, 13_743_895_347, 512]


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_an_error_of_duckdb_in_mid_stream_stays_one_and_leaves_the_connection_usable(export, format):
    from dataclasses import replace

    part = export.part("train", "SELECT i FROM range(200_000) r(i)")
    fails = "SELECT CASE WHEN i = 150_000 THEN error('boom') ELSE i END AS i FROM t1"
    with pytest.raises(duckdb.Error, match="boom"):
        export.make(format, [replace(part, query=fails)])
    assert export.con.execute("SELECT 1").fetchall() == [(1,)]


def test_a_result_that_somebody_left_half_read_is_no_hindrance(export):
    part = export.part("train", "SELECT i FROM range(3) r(i)")
    export.con.execute("SELECT * FROM range(10)").fetchone()
    assert export.make("parquet", [part])


@pytest.mark.parametrize("type", ["INTERVAL", "UNION(a INTEGER)", "TUPLE(INTEGER, VARCHAR)", "VARIANT", "TIME WITH TIME ZONE[]"])
def test_types_without_a_place_are_refused_before_anything_runs(export, type):
    ((message, help),) = export.check("parquet", {"id": "BIGINT", "x": type})
    assert "`x`" in message
    assert help


def test_check_of_nothing_and_of_the_unknown(export):
    from recipec.api import Schema
    from recipec.registry import find

    assert export.check("parquet", {}) != []
    parquet = find("format", "parquet")
    assert parquet(parquet.Params()).check(Schema(unknown=True)) == []
