"""``parquet``, ``sqlite`` and ``hf``."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from readers_harness import files_of, make, read

from recipec.api import DataError, ReadContext, SourceFile
from recipec.readers import sqlite as sqlite_reader
from recipec.readers._card import BadCard, front_matter
from recipec.readers._hf import by_names, feature_type
from recipec.readers._stream import ColumnsDiffer, TypeConflict

# parquet --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def parquet(tmp_path: Path) -> Callable[[str, str], None]:
    def write(name: str, query: str) -> None:
        duckdb.connect().execute(f"COPY ({query}) TO '{tmp_path / name}' (FORMAT parquet)").fetchall()

    return write


def test_parquet_is_read_in_place(tmp_path: Path, parquet: Any) -> None:
    parquet("a.parquet", "SELECT range AS n, 'x' || range AS t, [range] AS l FROM range(3)")
    parquet("b.parquet", "SELECT 'y' AS t, 9 AS n, [1.5] AS l")
    r = read(tmp_path, "parquet", "*.parquet")
    assert r.types == {"n": "BIGINT", "t": "VARCHAR", "l": "DECIMAL(20,1)[]"}
    assert r.rows[-1] == (9, "y", [decimal.Decimal("1.5")])
    assert r.places == [("a.parquet", 1), ("a.parquet", 2), ("a.parquet", 3), ("b.parquet", 1)]
    reader = make("parquet", "a.parquet")
    con = duckdb.connect()
    con.execute("CREATE TEMP TABLE bad (file VARCHAR, row BIGINT, reason VARCHAR, text VARCHAR)").fetchall()
    reader.load(ReadContext(con, files_of(reader, tmp_path), {"n": "BIGINT"}, "utf-8", "t", "bad", lambda *_: None, tmp_path))
    assert con.execute("SELECT table_type FROM information_schema.tables WHERE table_name = 't'").fetchall() == [("VIEW",)]


def test_parquet_with_declared_types(tmp_path: Path, parquet: Any) -> None:
    parquet("a.parquet", "SELECT * FROM (VALUES (1.0, '2024-01-01'), (1.5, 'x'), (3.0, NULL)) t(n, d)")
    r = read(tmp_path, "parquet", "a.parquet", declared={"d": "DATE", "n": "BIGINT"})
    assert r.rows == [(dt.date(2024, 1, 1), 1), (None, 3)]
    assert r.bad == [("a.parquet", 2, 'd: "x" is not DATE', '{"n":1.5,"d":"x"}')]
    with pytest.raises(DataError, match=r"no column `m` in `a.parquet`"):
        read(tmp_path, "parquet", "a.parquet", declared={"m": "DATE"})


def test_parquet_files_with_different_columns(tmp_path: Path, parquet: Any) -> None:
    parquet("a.parquet", "SELECT 1 AS n, 2 AS x")
    parquet("b.parquet", "SELECT 3 AS n, 4 AS y")
    with pytest.raises(ColumnsDiffer, match="only one has `x`, `y`") as caught:
        read(tmp_path, "parquet", "*.parquet")
    assert caught.value.common == ("n",)


def test_parquet_without_rows(tmp_path: Path, parquet: Any) -> None:
    parquet("a.parquet", "SELECT 1 AS n WHERE false")
    assert read(tmp_path, "parquet", "a.parquet").rows == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"a,b\n1,2\n", "is not a Parquet file: it begins with 61 2c 62 0a"),
        (b"PAR1" + b"x" * 100, "its footer is missing"),
        (b"PAR1" + b"x" * 100 + b"\xff\xff\xff\x7fPAR1", "is a damaged Parquet file"),
    ],
)
def test_files_that_are_no_parquet(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path, "parquet", "x.parquet")


def test_damage_that_shows_late_is_explained(tmp_path: Path, parquet: Any) -> None:
    for name in ("a", "b"):
        parquet(f"{name}.parquet", "SELECT range AS n FROM range(10000)")
    broken = bytearray((tmp_path / "b.parquet").read_bytes())
    broken[10:400] = b"\xff" * 390
    (tmp_path / "b.parquet").write_bytes(broken)
    reader = make("parquet", "*.parquet")
    con = duckdb.connect()
    files = files_of(reader, tmp_path)
    reader.load(ReadContext(con, files, None, "utf-8", "t", "bad", lambda *_: None, tmp_path))
    with pytest.raises(duckdb.Error) as caught:
        con.execute("SELECT sum(n) FROM t").fetchall()
    assert reader.explain(con, files, caught.value).message.startswith("`b.parquet` is a damaged Parquet file")


def test_packages(data: Path) -> None:
    r = read(data, "parquet", "packages/packages.parquet", declared={"package": "VARCHAR", "section": "VARCHAR"})
    assert len(r.rows) == 63_440
    assert len(set(r.column("package"))) == 63_436


# sqlite ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Callable[[str], Path]:
    def make_one(script: str, name: str = "x.db") -> Path:
        con = sqlite3.connect(tmp_path / name)
        con.executescript(script)
        con.commit()
        con.close()
        return tmp_path

    return make_one


SHOP = """
CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, price REAL, picture BLOB, mixed, none INT);
INSERT INTO items VALUES (3, '伞', 2, x'00ff', 1, NULL), (1, 'hat', 1.5, NULL, 'x', NULL), (7, NULL, NULL, x'', 2.5, NULL);
CREATE VIEW cheap AS SELECT name FROM items WHERE price < 2;
CREATE TABLE pairs (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
INSERT INTO pairs VALUES ('b', 1), ('a', 2);
CREATE TABLE "odd ""name" (a);
"""


def test_sqlite_tables(database: Any) -> None:
    folder = database(SHOP)
    r = read(folder, "sqlite", "x.db", table="Items")
    assert r.types == {"id": "BIGINT", "name": "VARCHAR", "price": "DOUBLE", "picture": "BLOB", "mixed": "VARCHAR", "none": "BIGINT"}
    assert r.rows == [(1, "hat", 1.5, None, "x", None), (3, "伞", 2.0, b"\x00\xff", "1", None), (7, None, None, b"", "2.5", None)]
    assert r.places == [("x.db", 1), ("x.db", 2), ("x.db", 3)]
    assert read(folder, "sqlite", "x.db", table="cheap").rows == [("hat",)]
    assert read(folder, "sqlite", "x.db", table="pairs").rows == [("a", 2), ("b", 1)]
    assert read(folder, "sqlite", "x.db", table='odd "name').rows == []


def test_sqlite_queries(database: Any) -> None:
    folder = database(SHOP)
    r = read(folder, "sqlite", "x.db", query="WITH t AS (SELECT id FROM items) SELECT count(*) AS n, 'x' AS n FROM t -- end")
    assert (r.types, r.rows) == ({"n": "BIGINT", "n_1": "VARCHAR"}, [(3, "x")])


@pytest.mark.parametrize(
    ("arguments", "message", "help"),
    [
        ({"table": "itmes"}, "no table `itmes` in `x.db`", "did you mean `items`? its tables: "),
        ({}, "what is wanted of `x.db`: a table or a query?", "name one of them"),
        ({"table": "items", "query": "SELECT 1"}, "what is wanted of `x.db`", "name one of them"),
        ({"query": "SELECT 1; DROP TABLE items"}, "the query of `x.db` is more than one statement", "write one SELECT"),
        ({"query": "ATTACH '/etc/passwd' AS p"}, "the query of `x.db` may only read from this database", "write one SELECT"),
        ({"query": "DELETE FROM items"}, "the query of `x.db` may only read", ""),
        ({"query": "INSERT INTO items(id) VALUES (9) RETURNING id"}, "the query of `x.db` may only read", ""),
        ({"query": "PRAGMA user_version"}, "the query of `x.db` may only read", ""),
        ({"query": "SELECT * FROM pragma_database_list"}, "the query of `x.db` may only read", ""),
        ({"query": "SELECT load_extension('evil')"}, "the query of `x.db` may only read", ""),
        ({"query": "SELEC 1"}, 'the query of `x.db` cannot be read: near "SELEC"', ""),
        ({"query": "SELECT * FROM itmes"}, "the query of `x.db` cannot be read: no such table: itmes", "did you mean `items`?"),
        ({"query": "-- nothing"}, "the query of `x.db` gives no rows", "write one SELECT"),
    ],
)
def test_sqlite_refusals(database: Any, arguments: dict[str, str], message: str, help: str) -> None:
    folder = database(SHOP)
    before = (folder / "x.db").read_bytes()
    with pytest.raises(DataError) as caught:
        read(folder, "sqlite", "x.db", **arguments)
    assert caught.value.message.startswith(message)
    assert caught.value.help.startswith(help)
    assert (folder / "x.db").read_bytes() == before


def test_sqlite_declared_types_and_bad_rows(database: Any) -> None:
    folder = database(
        "CREATE TABLE t (day, n, b);"
        "INSERT INTO t VALUES ('2024-01-01', 1, x'ff'), ('soon', 2, 'x'), ('2024-01-03', 2.5, 0), (NULL, '4', 0);"
        "CREATE TABLE u (s); INSERT INTO u VALUES ('fine'), (CAST(x'ff41' AS TEXT)), ('文')"
    )
    r = read(folder, "sqlite", "x.db", table="t", declared={"n": "INTEGER", "day": "DATE"})
    assert r.rows == [(1, dt.date(2024, 1, 1)), (4, None)]
    assert [(b[1], b[2]) for b in r.bad] == [(2, 'day: "soon" is not DATE'), (3, 'n: "2.5" is not INTEGER')]
    r = read(folder, "sqlite", "x.db", table="u")
    assert (r.rows, [(b[1], b[2]) for b in r.bad]) == ([("fine",), ("文",)], [(2, 's: "\\xffA" is not valid utf-8')])


def test_sqlite_values_beyond_the_sample(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_reader, "SAMPLE_ROWS", 100)
    folder = database(
        "CREATE TABLE t (n); WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 2000) INSERT INTO t SELECT i FROM r;"
        "INSERT INTO t VALUES ('many')"
    )
    with pytest.raises(TypeConflict, match=r'in `x.db`, row 2,001: "many" is not BIGINT'):
        read(folder, "sqlite", "x.db", table="t")
    assert read(folder, "sqlite", "x.db", table="t", declared={"n": "VARCHAR"}).rows[-1] == ("many",)


def test_sqlite_queries_that_take_long_are_not_waited_for(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_reader, "SAMPLE_STEPS", 20_000)
    folder = database("CREATE TABLE t (n INTEGER, s); INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    slow = "(WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 5000) SELECT max(i) FROM r)"
    query = f"SELECT a.n, a.s, a.n + 1 AS m FROM t a, {slow} ORDER BY 1"
    r = read(folder, "sqlite", "x.db", query=query)
    assert (r.types, r.rows) == ({"n": "BIGINT", "s": "VARCHAR", "m": "VARCHAR"}, [(1, "a", "2"), (2, "b", "3")])


def test_a_database_in_wal_mode_gets_no_files_beside_it(database: Any) -> None:
    folder = database("PRAGMA journal_mode = wal; CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    assert read(folder, "sqlite", "x.db", table="t").rows == [(1,)]
    assert [p.name for p in folder.iterdir()] == ["x.db"]


@pytest.mark.parametrize(("content", "message"), [(b"no database at all", "is not an SQLite database"), (b"", "no table `t` in `x.db`")])
def test_files_that_are_no_database(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.db").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path, "sqlite", "x.db", table="t")


# hf -------------------------------------------------------------------------------------------------------------------


def test_a_saved_dataset(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["no", "yes"]),
            "nest": {"x": datasets.Value("int32"), "y": datasets.List(datasets.Value("float16"))},
            "day": datasets.Value("date32"),
            "raw": datasets.Value("binary"),
        }
    )
    row = {"text": "文", "label": 1, "nest": {"x": 1, "y": [0.5]}, "day": dt.date(2024, 1, 1), "raw": b"\xff"}
    saved = datasets.Dataset.from_list([row, row, row], features=features)
    saved.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": saved, "test": saved.select([0])}).save_to_disk(tmp_path / "two")
    r = read(tmp_path, "hf", "one")
    assert r.types == {"text": "VARCHAR", "label": "BIGINT", "nest": "STRUCT(x INTEGER, y FLOAT[])", "day": "DATE", "raw": "BLOB"}
    assert r.rows == [tuple(row.values())] * 3
    assert r.places[0] == ("one/data-00000-of-00001.arrow", 1)
    assert len(read(tmp_path, "hf", "two", split="train+test").rows) == 4
    assert read(tmp_path, "hf", "two", split="test", declared={"label": "VARCHAR"}).rows == [("1",)]
    with pytest.raises(DataError, match="which split of `two`") as caught:
        read(tmp_path, "hf", "two")
    assert caught.value.help == 'it has train, test: split: "train"'
    with pytest.raises(DataError, match="has no split `tran`") as caught:
        read(tmp_path, "hf", "two", split="tran")
    assert caught.value.help == "did you mean `train`?"
    arrow = tmp_path / "one/data-00000-of-00001.arrow"
    arrow.write_bytes(arrow.read_bytes()[:-300])
    with pytest.raises(DataError, match="Arrow"):
        read(tmp_path, "hf", "one")


def test_a_downloaded_dataset(tmp_path: Path, parquet: Any) -> None:
    (tmp_path / "d/data").mkdir(parents=True)
    for i in range(2):
        parquet(f"d/data/train-0000{i}-of-00002.parquet", f"SELECT {i} AS n")
    parquet("d/data/test-00000-of-00001.parquet", "SELECT 9 AS n")
    (tmp_path / "d/README.md").write_text("---\nlicense: mit\n---\n# Card\n")
    assert read(tmp_path, "hf", "d", split="train").rows == [(0,), (1,)]
    # the step hands over the folder itself where it does not ask the reader for files
    reader = make("hf", "d", split="test")
    assert reader.header(duckdb.connect(), [SourceFile(tmp_path / "d", "d")], "utf-8") == {"n": "INTEGER"}


def test_a_card_says_which_files_are_which(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name, n in (("x", 1), ("y", 2), ("z", 3)):
        (tmp_path / f"d/{name}.jsonl").write_text(json.dumps({"n": n}) + "\n")
    card = tmp_path / "d/README.md"
    one = "- config_name: one\n  data_files:\n  - split: train\n    path: x.jsonl\n  - split: test\n    path:\n    - 'y.*'\n    - z.jsonl\n"
    card.write_text(f'---\nconfigs:\n{one}- config_name: two\n  data_files: "*.jsonl"\n---\n')
    assert read(tmp_path, "hf", "d", config="one", split="test").rows == [(2,), (3,)]
    assert read(tmp_path, "hf", "d", config="two").rows == [(1,), (2,), (3,)]
    with pytest.raises(DataError, match="which configuration of `d`"):
        read(tmp_path, "hf", "d")
    with pytest.raises(DataError, match="no configuration `tow`"):
        read(tmp_path, "hf", "d", config="tow")
    (tmp_path / "secret.jsonl").write_text("{}")
    for outside in ("../secret.jsonl", "/etc/passwd", "../*.jsonl"):
        card.write_text(f"---\nconfigs:\n- config_name: default\n  data_files: {outside}\n---\n")
        with pytest.raises(DataError):
            read(tmp_path, "hf", "d")


def test_hub_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder `dair-ai/emotion` on this machine") as caught:
        read(tmp_path, "hf", "dair-ai/emotion")
    assert caught.value.help == "download it first: hf download dair-ai/emotion --repo-type dataset --local-dir data/emotion"


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["a.csv", "b.csv"], {"train": ["a.csv", "b.csv"]}),
        (["test.csv", "training_set.csv"], {"train": ["training_set.csv"], "test": ["test.csv"]}),
        (["dev/1.jsonl", "train/1.jsonl", "contest.jsonl"], {"train": ["train/1.jsonl"], "validation": ["dev/1.jsonl"]}),
        (["data/part-00000-of-00001.parquet", "train.csv"], {"part": ["data/part-00000-of-00001.parquet"]}),
        (["train.json.gz", "val.json.gz", "notes.csv"], {"train": ["train.json.gz"], "validation": ["val.json.gz"]}),
    ],
)
def test_splits_by_name(names: list[str], splits: dict[str, list[str]]) -> None:
    folder = Path("/d")
    found = by_names(folder, [folder / n for n in names])
    assert {s: [p.relative_to(folder).as_posix() for p in files] for s, files in found.items()} == splits


@pytest.mark.parametrize(
    ("feature", "type"),
    [
        ({"dtype": "timestamp[ns]", "_type": "Value"}, "TIMESTAMP_NS"),
        ({"dtype": "timestamp[us, tz=UTC]", "_type": "Value"}, "TIMESTAMP WITH TIME ZONE"),
        ({"dtype": "decimal128(10, 2)", "_type": "Value"}, "DECIMAL(10,2)"),
        ({"feature": {"a": {"dtype": "int64", "_type": "Value"}}, "_type": "Sequence"}, 'STRUCT("a" BIGINT[])'),
        ([{"dtype": "uint8", "_type": "Value"}], "UTINYINT[]"),
        ({"languages": ["en", "zh"], "_type": "Translation"}, 'STRUCT("en" VARCHAR, "zh" VARCHAR)'),
        ({"_type": "Image"}, "STRUCT(bytes BLOB, path VARCHAR)"),
    ],
)
def test_types_of_features(feature: Any, type: str) -> None:
    assert feature_type(feature, "d") == type


def test_features_that_are_not_read() -> None:
    with pytest.raises(DataError, match="Array2D"):
        feature_type({"_type": "Array2D", "shape": [2, 2]}, "d")


def test_front_matter() -> None:
    card = """---
# a comment
language: [en, "zh"]   # two
pretty_name: 'It''s: a name'
empty:
tags:
- a
- b: 1
  c: {d: [x, y], e: "q\\"z"}
text: |
  one
  two
nested:
  deeper:
    - - p
      - q
---
body
"""
    assert front_matter(card) == {
        "language": ["en", "zh"],
        "pretty_name": "It's: a name",
        "empty": None,
        "tags": ["a", {"b": "1", "c": {"d": ["x", "y"], "e": 'q"z'}}],
        "text": "one\ntwo",
        "nested": {"deeper": [["p", "q"]]},
    }
    assert front_matter("no card") == {}
    for odd in ("a: &x 1", "just words", "a: [1", "a: {b 1}", "a: 1\n    b: 2"):
        with pytest.raises(BadCard):
            front_matter(f"---\n{odd}\n---\n")
