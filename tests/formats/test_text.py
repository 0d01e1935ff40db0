"""jsonl, csv and conll: read back by Python's own readers."""

from __future__ import annotations

import csv
import gzip
import io
import json

import pyarrow as pa
import pytest

from recipec.api import DataError

AWKWARD = 'a "quoted", 文本\r\nline\ttab\x00nul \u2028 \\ é😀'


def text(value: str) -> str:
    from recipec.api import literal

    return literal(value)


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


# jsonl


def test_jsonl_writes_every_type_as_json(export):
    out = export.make(
        "jsonl",
        f"""SELECT {text(AWKWARD)} AS t, 170141183460469231731687303715884105727::HUGEINT AS h,
            12345678901234567890.12::DECIMAL(30, 2) AS d, 0.1::DOUBLE AS f, DATE '2024-05-01' AS day,
            TIMESTAMPTZ '2024-05-01 02:00:00+02' AS at, UUID '00000000-0000-0000-0000-000000000001' AS u,
            [{{'a': 1, 'b': NULL}}] AS l, MAP {{'k': [1]}} AS m, '{{"z": [1, null]}}'::JSON AS j, 'b'::ENUM ('a', 'b') AS e,
            NULL::INT AS n, true AS b, INTERVAL 1 DAY AS i""",
    )
    raw = (out / "train.jsonl").read_text(encoding="utf-8")
    assert "文本" in raw
    assert "😀" in raw
    assert '"d":12345678901234567890.12,' in raw
    assert raw.count("\n") == 1
    assert json.loads(raw) == {
        "t": AWKWARD, "h": 2**127 - 1, "d": 12345678901234567890.12, "f": 0.1, "day": "2024-05-01", "at": "2024-05-01 00:00:00+00",
        "u": "00000000-0000-0000-0000-000000000001", "l": [{"a": 1, "b": None}], "m": {"k": [1]}, "j": {"z": [1, None]}, "e": "b",
        "n": None, "b": True, "i": "1 day",
    }  # fmt: skip


def test_every_character_comes_back(export):
    codes = [*range(0x0300), *range(0x2000, 0x2070), *range(0x3000, 0x3100), 0xFEFF, 0xFFFD, 0xFFFE, 0x1F600, 0x10FFFF]
    texts = [f"{chr(c)}a{chr(c)}" for c in codes]
    export.con.execute("CREATE OR REPLACE TABLE chars AS SELECT unnest(?) AS t, unnest(?) AS n", [texts, codes])
    out = export.make("jsonl", "FROM chars", folder="jsonl")
    assert [r["t"] for r in lines(out / "train.jsonl")] == texts
    out = export.make("csv", "FROM chars", folder="csv")
    assert [r[0] for r in read_csv(out / "train.csv")[1:]] == texts
    out = export.make("conll", "SELECT [t] AS tokens, [n::VARCHAR] AS tags FROM chars WHERE n NOT IN (9, 10, 13)", folder="conll")
    blocks = (out / "train.conll").read_bytes().decode().split("\n\n")[:-1]
    assert [b.split("\t")[0] for b in blocks] == [t for t in texts if t[0] not in "\t\n\r"]


def test_jsonl_is_what_duckdb_itself_would_write(export):
    part = export.part("train", "SELECT i, repeat('文', i::INT % 9) AS t, [i, NULL] AS l, {'a': i / 7} AS s FROM range(6_000) r(i)")
    out = export.make("jsonl", [part])
    export.con.execute(f"COPY (SELECT * EXCLUDE (_key, _order) FROM ({part.query})) TO '{out / 'copy.json'}' (FORMAT json)")
    assert (out / "train.jsonl").read_bytes() == (out / "copy.json").read_bytes()


def test_jsonl_has_the_same_bytes_with_any_number_of_threads(export, digest):
    part = export.part("train", "SELECT i, repeat('文 text ', (i % 20)::INT) AS t FROM range(60_000) r(i)")
    seen = []
    for threads in (1, 4):
        export.con.execute(f"SET threads = {threads}")
        seen.append(digest(export.make("jsonl", [part], folder=str(threads))))
    assert seen[0] == seen[1]
    assert [r["i"] for r in lines(export.folder / "1" / "train.jsonl")] == list(range(60_000))


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_jsonl_compressed(export, digest, compression):
    part = export.part("train", "SELECT i FROM range(3_000) r(i)")
    out = export.make("jsonl", [part], compression=compression)
    again = export.make("jsonl", [part], compression=compression, folder="again")
    (path,) = out.iterdir()
    assert path.name == {"gzip": "train.jsonl.gz", "zstd": "train.jsonl.zst"}[compression]
    with pa.input_stream(str(path), compression=compression) as stream:
        assert stream.read().count(b"\n") == 3_000
    assert digest(out) == digest(again)


def test_the_name_of_the_file_says_how_to_compress(export):
    out = export.make("jsonl", "SELECT 1 AS i", single="all.jsonl.gz")
    assert gzip.decompress((out / "all.jsonl.gz").read_bytes()) == b'{"i":1}\n'
    with pytest.raises(DataError, match="disagree"):
        export.make("jsonl", "SELECT 1 AS i", single="all.jsonl.gz", compression="zstd", folder="two")


def test_jsonl_shards(export):
    out = export.make("jsonl", "SELECT i FROM range(2_501) r(i)", shards=3, single="all.jsonl")
    names = sorted(p.name for p in out.iterdir())
    assert names == [f"all-0000{i}-of-00003.jsonl" for i in range(3)]
    rows = [[r["i"] for r in lines(out / n)] for n in names]
    assert [len(r) for r in rows] == [834, 834, 833]
    assert [i for r in rows for i in r] == list(range(2_501))


def test_nan_is_an_error_that_names_the_row(export):
    with pytest.raises(DataError, match=r"2 rows with NaN or infinity in `x` \(first: row 2, key k2: `nan`\)") as caught:
        export.make("jsonl", "SELECT unnest([1.5, 'nan'::DOUBLE, 'inf'::DOUBLE, NULL]) AS x")
    assert "isfinite(x)" in caught.value.help
    with pytest.raises(DataError, match="1 row with NaN or infinity in `s`"):
        export.make("jsonl", "SELECT {'deep': [MAP {'a': 'inf'::FLOAT}]} AS s", folder="two")


def test_without_a_key_the_row_is_named_by_its_place(export):
    with pytest.raises(DataError, match=r"\(first: row 1: `nan`\)"):
        export.make("jsonl", [export.part("train", "SELECT 'nan'::DOUBLE AS x", key=False)])


def test_jsonl_refuses_bytes(export):
    assert export.check("jsonl", {"raw": "BLOB"}) == [
        ("JSON cannot hold column `raw` of type blob", "make text of it: `raw = base64(raw)`"),
    ]


# csv


def read_csv(path, **how):
    return list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8"), newline=""), **how))


def test_csv_comes_back_from_pythons_reader_and_from_duckdb(export):
    sql = f"""SELECT * FROM (VALUES
        (1, {text(AWKWARD.replace(chr(0), ""))}, 1.5::DOUBLE, DATE '2024-05-01', true), (2, '', NULL, NULL, false),
        (3, NULL, 'nan', NULL, NULL), (4, 'x,y', -1, NULL, NULL), (5, '"', 0, NULL, NULL), (6, ' edge ', 0, NULL, NULL)
        ) t("the, id", t, f, d, b)"""
    path = export.make("csv", sql) / "train.csv"
    rows = read_csv(path)
    assert rows[0] == ["the, id", "t", "f", "d", "b"]
    assert rows[1] == ["1", AWKWARD.replace("\0", ""), "1.5", "2024-05-01", "true"]
    assert rows[2:] == [["2", "", "", "", "false"], ["3", "", "nan", "", ""], ["4", "x,y", "-1.0", "", ""], ["5", '"', "0.0", "", ""],
                        ["6", " edge ", "0.0", "", ""]]  # fmt: skip
    back = export.con.execute(f"SELECT t FROM read_csv('{path}', header = true, allow_quoted_nulls = false, new_line = '\\n')")
    assert [r[0] for r in back.fetchall()][1:3] == ["", None]


def test_csv_with_other_marks(export):
    out = export.make("csv", "SELECT 'it''s; so' AS a, 'x,y' AS b", delimiter=";", quote="'", header=False)
    assert (out / "train.csv").read_text() == "'it''s; so';x,y\n"
    assert read_csv(out / "train.csv", delimiter=";", quotechar="'") == [["it's; so", "x,y"]]


def test_csv_marks_of_regular_expressions_are_plain_marks(export):
    for n, mark in enumerate("|^]-\\."):
        out = export.make("csv", f"SELECT 'a{mark}b' AS x, 'plain' AS y", delimiter=mark, header=False, folder=f"out{n}")
        assert (out / "train.csv").read_text() == f'"a{mark}b"{mark}plain\n'


def test_csv_of_one_column_loses_no_row(export):
    out = export.make("csv", "SELECT unnest(['a', NULL, '', 'b']) AS t", header=False)
    assert (out / "train.csv").read_text() == 'a\n""\n""\nb\n'
    assert len(read_csv(out / "train.csv")) == 4


def test_csv_header_in_every_shard(export):
    out = export.make("csv", "SELECT i, i AS j FROM range(3) r(i)", shards=2)
    assert [p.read_text() for p in sorted(out.iterdir())] == ["i,j\n0,0\n1,1\n", "i,j\n2,2\n"]


def test_csv_for_spreadsheets(export):
    sql = "SELECT * FROM (VALUES ('=1+1', -5), ('\uff1d1', 6), ('safe', 7), ('@cmd, x', 8)) t(a, n)"
    out = export.make("csv", sql, spreadsheet_safe=True, bom=True)
    raw = (out / "train.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbfa,n\n")
    assert raw.decode("utf-8-sig").split("\n")[1:-1] == ["'=1+1,-5", "'\uff1d1,6", "safe,7", '"\'@cmd, x",8']


def test_csv_has_the_same_bytes_with_any_number_of_threads(export, digest):
    part = export.part("train", "SELECT i, repeat('文, text ', (i % 5)::INT) AS t FROM range(20_000) r(i)")
    seen = []
    for threads in (1, 4):
        export.con.execute(f"SET threads = {threads}")
        seen.append(digest(export.make("csv", [part], folder=str(threads))))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("type", ["VARCHAR[]", "STRUCT(a INTEGER)", "MAP(VARCHAR, VARCHAR)", "FLOAT[3]", "BLOB"])
def test_csv_refuses_what_has_no_one_text(export, type):
    ((message, help),) = export.check("csv", {"id": "BIGINT", "x": type})
    assert message.startswith("CSV cannot hold column `x` of type ")
    assert "use jsonl() or parquet(), or make text of it" in help


def test_csv_refuses_impossible_marks(export):
    assert export.check("csv", {"a": "VARCHAR"}, delimiter="||")[0][0] == "`delimiter` must be one character, not '||'"
    assert export.check("csv", {"a": "VARCHAR"}, delimiter="\n") != []
    assert export.check("csv", {"a": "VARCHAR"}, delimiter='"') != []


# conll

SENTENCES = "SELECT * FROM (VALUES (['EU', '拒绝', '#', ','], ['B-ORG', 'O', 'O', 'O']), (['.'], ['O'])) t(tokens, tags)"


def test_conll(export):
    out = export.make("conll", SENTENCES)
    assert (out / "train.conll").read_text(encoding="utf-8") == "EU\tB-ORG\n拒绝\tO\n#\tO\n,\tO\n\n.\tO\n\n"


def test_conll_with_other_columns(export):
    sql = "SELECT ['a', 'b'] AS w, ['N', 'V']::ENUM('N', 'V')[] AS pos, ['O', 'O'] AS ner"
    out = export.make("conll", sql, columns=["w", "pos", "ner"], separator=" ")
    assert (out / "train.conll").read_text() == "a N O\nb V O\n\n"


def test_conll_comes_back(export):
    path = export.make("conll", SENTENCES) / "train.conll"
    sentences = [[tuple(line.split("\t")) for line in block.split("\n")] for block in path.read_text(encoding="utf-8").split("\n\n")[:-1]]
    assert [[list(column) for column in zip(*s, strict=True)] for s in sentences] == [
        [["EU", "拒绝", "#", ","], ["B-ORG", "O", "O", "O"]],
        [["."], ["O"]],
    ]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "SELECT ['a', 'b'] AS tokens, ['O'] AS tags",
            r"1 row with lists of different lengths in `tokens` and `tags` \(first: row 1, key k1: `2 and 1`\)",
        ),
        ("SELECT ['a'] AS tokens, NULL::VARCHAR[] AS tags", "different lengths"),
        ("SELECT []::VARCHAR[] AS tokens, []::VARCHAR[] AS tags", "1 row without `tokens`"),
        ("SELECT NULL::VARCHAR[] AS tokens, []::VARCHAR[] AS tags", "1 row without `tokens`"),
        ("SELECT ['a', NULL] AS tokens, ['O', 'O'] AS tags", "a null, an empty text, a separator or a line break in `tokens`"),
        ("SELECT ['a', ''] AS tokens, ['O', 'O'] AS tags", "in `tokens`"),
        ("SELECT ['a\tb'] AS tokens, ['O'] AS tags", "in `tokens`"),
        ("SELECT ['a'] AS tokens, ['O' || chr(10)] AS tags", "in `tags`"),
    ],
)
def test_conll_refuses_sentences_that_would_be_read_otherwise(export, sql, said):
    with pytest.raises(DataError, match=said):
        export.make("conll", sql)


def test_conll_with_spaces_refuses_every_kind_of_space(export):
    with pytest.raises(DataError, match="in `tokens`"):
        export.make("conll", "SELECT ['a' || chr(160) || 'b'] AS tokens, ['O'] AS tags", separator=" ")
    assert export.make("conll", "SELECT ['a' || chr(160) || 'b'] AS tokens, ['O'] AS tags", folder="tab")


def test_conll_needs_lists_of_text(export):
    assert export.check("conll", {"text": "VARCHAR"})[0][0] == "there is no column `tokens`"
    assert export.check("conll", {"tokens": "VARCHAR", "tags": "VARCHAR[]"})[0][0] == "conll() needs lists of text, and `tokens` is text"
    assert export.check("conll", {"tokens": "VARCHAR[]", "tags": "BIGINT[]"})[0][0] == "conll() needs lists of text, and `tags` is [int]"
    assert export.check("conll", {"tokens": "VARCHAR[]", "tags": "VARCHAR[]"}) == []
