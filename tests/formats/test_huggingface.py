"""The folder that huggingface() writes, read by ``datasets`` itself; parquet() and jsonl() too."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from recipec.api import DataError

CARD = {
    "recipe": "packages", "file": "packages.recipe", "version": "1.0.0", "description": "What | is what", "license": "CC-BY-4.0",
    "language": ["en", "zh"],
    "authors": ["A. Writer"], "tags": ["debian"], "fingerprint": "f00d",
    "sources": [{"name": "packages", "files": ["data/packages.parquet"], "rows": 63440, "digest": "abc123"}],
    "steps": [{"name": "tidy", "kind": "clean", "rows_in": 63440, "rows_out": 51873, "dropped": {"too short": 4102, "not English": 0}}],
    "parts": [],
}  # fmt: skip

ROWS = """SELECT * FROM (VALUES
    ('一', 'web', ['O', 'B-PER', 'I-PER'], 0, MAP {'rule': 'web'}, [{'role': 'user', 'content': 'x'}], 'b'::ENUM ('b', 'a', 'unused')),
    ('b', 'games', ['B-LOC', NULL], 1, MAP {}, [], NULL),
    ('c', NULL, NULL, NULL, NULL, NULL, 'a'::ENUM ('b', 'a', 'unused'))) t(text, topic, tags, spam, votes, messages, kind)"""


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """The reader itself, offline and with a cache of its own: importing it takes seconds, so few tests ask for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_DATASETS_OFFLINE", "1")
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
        module = pytest.importorskip("datasets", reason="the package datasets is not installed")
        module.disable_progress_bars()
        yield module


def test_load_dataset_reads_the_folder_with_its_class_names(export, datasets, tmp_path):
    parts = {"train": ROWS, "test": f"SELECT * FROM ({ROWS}) LIMIT 1"}
    out = export.make("huggingface", parts, labels=["topic", "tags"], names={"spam": ["ham", "spam"]}, card=CARD)
    assert sorted(p.name for p in out.iterdir()) == ["README.md", "test.parquet", "train.parquet"]
    data = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert {k: len(v) for k, v in data.items()} == {"train": 3, "test": 1}
    features = data["train"].features
    assert features["topic"].names == ["games", "web"]
    assert features["tags"].feature.names == ["O", "B-LOC", "B-PER", "I-PER"]
    assert features["spam"].names == ["ham", "spam"]
    assert features["kind"].names == ["b", "a", "unused"]
    assert features["text"].dtype == "string"
    assert data["train"][:] == {
        "text": ["一", "b", "c"], "topic": [1, 0, None], "tags": [[0, 2, 3], [1, None], None], "spam": [0, 1, None],
        "votes": [[{"key": "rule", "value": "web"}], [], None],
        "messages": [[{"role": "user", "content": "x"}], [], None], "kind": [0, None, 1],
    }  # fmt: skip
    assert data["test"].features == features
    assert data["test"].info.dataset_name


def test_load_dataset_reads_shards_and_parquet_and_jsonl_alike(export, datasets, tmp_path):
    part = export.part("tidy", "SELECT i, '文 ' || i AS t, [i, i] AS l, {'a': i} AS s FROM range(5) r(i)")
    hub = export.make("huggingface", [part], shards=2, folder="hub")
    assert sorted(p.name for p in hub.iterdir()) == ["README.md", "train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    parquet, jsonl = export.make("parquet", [part], folder="parquet"), export.make("jsonl", [part], folder="jsonl")
    cache = str(tmp_path / "cache")
    rows = [
        datasets.load_dataset(str(hub), split="train", cache_dir=cache)[:],
        datasets.load_dataset("parquet", data_files=str(parquet / "tidy.parquet"), split="train", cache_dir=cache)[:],
        datasets.load_dataset("json", data_files=str(jsonl / "tidy.jsonl"), split="train", cache_dir=cache)[:],
    ]
    assert rows[0] == rows[1] == rows[2]
    assert rows[0]["t"][4] == "文 4"


def test_the_card(export):
    out = export.make("huggingface", {"train": ROWS, "test": ROWS}, labels=["topic"], card=CARD, tasks=["text-classification"], shards=2)
    card = (out / "README.md").read_text(encoding="utf-8")
    import yaml  # of datasets

    head = yaml.safe_load(card.split("---\n")[1])
    assert head == {
        "pretty_name": "packages", "license": "cc-by-4.0", "language": ["en", "zh"], "tags": ["debian"],
        "task_categories": ["text-classification"], "size_categories": ["n<1K"],
        "configs": [{"config_name": "default", "data_files": [
            {"split": "train", "path": "train-*-of-00002.parquet"}, {"split": "test", "path": "test-*-of-00002.parquet"}]}],
    }  # fmt: skip
    for line in (
        "# packages 1.0.0",
        "By A. Writer.",
        "| topic | class: `games`, `web` |",
        "| train | 3 | `train-00000-of-00002.parquet` to `train-00001-of-00002.parquet` |",
        "| packages | `data/packages.parquet` | 63,440 | not given | `abc123` |",
        "| tidy | clean | 63,440 | 51,873 | too short 4,102 |",
        "CC-BY-4.0. The terms of the sources apply to what comes from them.",
    ):
        assert line in card.split("\n"), line
    assert "`recipec run packages.recipe`" in card
    assert "f00d" in card


def test_a_card_without_facts_leaves_their_lines_out(export):
    out = export.make("huggingface", "SELECT 1 AS i", card={"recipe": "r"}, folder="named")
    assert "to make it again, run it with `recipec run`." in (out / "README.md").read_text(encoding="utf-8")
    out = export.make("huggingface", "SELECT 1 AS i", card={"license": "my own terms"})
    card = (out / "README.md").read_text(encoding="utf-8")
    assert 'license: other\nlicense_name: "my own terms"\n' in card
    assert "None" not in card
    assert "run it with" not in card
    assert "## Sources" not in card


def test_a_source_of_many_files_and_a_column_of_many_classes_stay_short(export):
    sources = [{"name": "faq", "files": [f"faq/{i}.md" for i in range(1_205)], "rows": 1}]
    out = export.make("huggingface", "SELECT i FROM range(40) r(i)", labels=["i"], card={"sources": sources})
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "`faq/4.md` and 1,200 more | 1 |" in card
    assert "`29`, ... (40 in all) |" in card


def test_sizes():
    from recipec.formats._card import size_category

    assert [size_category(n) for n in (0, 999, 1_000, 63_440, 10**6, 10**12, 10**13)] == [
        "n<1K", "n<1K", "1K<n<10K", "10K<n<100K", "1M<n<10M", "n>1T", "n>1T",
    ]  # fmt: skip


def test_the_same_bytes_with_any_number_of_threads(export, digest):
    part = export.part("train", "SELECT i, ['web', 'games', 'sound'][1 + i % 3] AS topic FROM range(20_000) r(i)")
    seen = []
    for threads in (1, 4):
        export.con.execute(f"SET threads = {threads}")
        seen.append(digest(export.make("huggingface", [part], labels=["topic"], card=CARD, folder=str(threads))))
    assert seen[0] == seen[1]


def names_of(path, column):
    feature = json.loads(pq.read_schema(path).metadata[b"huggingface"])["info"]["features"][column]
    return feature.get("names") or feature["feature"]["names"]


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT unnest([10, 9, 2]) AS y", ["2", "9", "10"]),
        ("SELECT unnest([true, false]) AS y", ["false", "true"]),
        ("SELECT unnest(['b', 'a', NULL, '中', 'it''s']) AS y", ["a", "b", "it's", "中"]),
        ("SELECT ['S-X', 'I-PER', 'O', 'B-PER', 'B-LOC'] AS y", ["O", "B-LOC", "B-PER", "I-PER", "S-X"]),
        ("SELECT unnest(['a' || chr(0), 'b']) AS y", ["a\0", "b"]),
    ],
)
def test_classes_are_found_in_the_rows(export, sql, names):
    path = export.make("huggingface", sql, labels=["y"]) / "train.parquet"
    assert names_of(path, "y") == names
    codes = pq.read_table(path)["y"].to_pylist()
    assert {c for row in codes for c in (row if isinstance(row, list) else [row]) if c is not None} == set(range(len(names)))


def test_values_outside_the_given_classes_are_an_error(export):
    parts = {"train": "SELECT 'a' AS y", "test": "SELECT unnest(['a', 'c']) AS y"}
    with pytest.raises(DataError, match=r"`test` .*: 1 row with a value in `y` that is none of its classes \(first: row 2, key k2: `c`\)"):
        export.make("huggingface", parts, names={"y": ["a", "b"]})
    with pytest.raises(DataError, match="first: row 1, key k1: `2`"):
        export.make("huggingface", "SELECT 2 AS y", names={"y": ["a", "b"]}, folder="two")
    with pytest.raises(DataError, match="first: row 1, key k1: `z`"):
        export.make("huggingface", "SELECT ['a', 'z'] AS y", names={"y": ["a", "b"]}, folder="three")


def test_columns_that_are_no_classes(export, monkeypatch):
    ((message, _),) = export.check("huggingface", {"y": "DOUBLE"}, labels=["y"])
    assert message == "`y` cannot be a class: it is float"
    assert export.check("huggingface", {"x": "DOUBLE"}, names={"y": ["a"]})[0][0] == "`y` is to be a class, and is not exported"
    assert export.check("huggingface", {"y": "VARCHAR"}, names={"y": ["a", "a"]})[0][0] == "the names of `y` have `a` twice"
    assert export.check("huggingface", {"y": "VARCHAR"}, tasks=["Text Classification"]) != []
    assert export.check("huggingface", {"y": "INTERVAL"}) != []
    with pytest.raises(DataError, match="no value in any row"):
        export.make("huggingface", "SELECT NULL::VARCHAR AS y", labels=["y"])
    monkeypatch.setattr("recipec.formats._labels.MOST_CLASSES", 5)
    with pytest.raises(DataError, match="over 5 different values"):
        export.make("huggingface", "SELECT i FROM range(6) r(i)", labels=["i"], folder="two")


def test_names_of_splits(export):
    out = export.make("huggingface", {"validation": "SELECT 1 AS i"})
    assert (out / "validation.parquet").exists()
    with pytest.raises(DataError, match="cannot be the name of a split"):
        export.make("huggingface", {"a-b": "SELECT 1 AS i", "c": "SELECT 1 AS i"}, folder="two")
    with pytest.raises(DataError, match="writes a folder"):
        export.make("huggingface", "SELECT 1 AS i", single="x.parquet", folder="three")
