"""The same rows, keys and bytes whatever the threads and the order of a keyed source's lines.

Every step kind, operator, reader and format of the registry has a case; a new one without a case fails the last test.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from test_malformed import READERS as GOOD

from recipec.registry import names

if TYPE_CHECKING:
    from tests.conftest import Lab

ROWS = 'recipe "test" { seed: 7 }\nsource rows = csv("rows.csv") { key: id }\n'

KEYED = {
    "columns and filters": """
      clean a from rows {
        text = text |> fix_unicode |> strip_html |> squeeze_space
        size = length(text)
        drop where text is null as "no text"
        drop where words(text) < 5 as "short"
        keep where section in ["web", "sound", "网络"]
        lang = language(text)
      }
      expect sound from a { expect rows(a) > 10  expect distinct(a.section) == 3 }
    """,
    "dedupe": """
      clean exact from rows { dedupe(text) }
      clean near from exact { dedupe(text, near: 80%) }
      clean longest from rows { dedupe(text, near: 70%, keep: longest()) }
      clean best from rows { dedupe(section, customer, keep: best(n)) }
      clean new from rows { keep where n > 25  dedupe(text, across: [old]) }
      clean old from rows { keep where n <= 25 }
    """,
    "choosing": """
      clean share from rows { sample(30%) }
      clean number from rows { sample(77) }
      clean sorted from rows { sort(section, n, descending: true)  limit(50) }
      clean head from rows { limit(20) }
      clean named from rows { select(id, text, n)  rename(text => 文本) }
      export out from sorted { to: "build/sorted"  format: jsonl() }
    """,
    "multiplying": """
      clean words from rows { w = split_words(text)  explode(w)  keep where length(w) > 3  dedupe(w) }
      clean pieces from rows { chunk(text, words: 6, overlap: 2)  sample(50%) }
      clean again from pieces { chunk(text, characters: 11) }
      clean cut from rows { lines(text) { keep where length(line) > 10  line = upper(line) } }
      export out from again { to: "build/pieces"  format: jsonl()  keys: true  shards: 3 }
    """,
    "quality": """
      clean measured from rows { drop where text is null  measure(text, of: [gopher_quality, c4]) }
      clean g from rows { gopher_quality(text, min_words: 5) }
      clean r from rows { gopher_repetition(text) }
      clean c from rows { c4(text, min_sentences: 1) }
      clean f from rows { fineweb(text) }
      clean j from rows { data_juicer(text, min_stopword_ratio: null) }
      clean d from rows { keep where n > 10  decontaminate(text, against: bench.text, ngram: 5) }
      clean bench from rows { keep where n <= 10 }
    """,
    "joined": '''
      sql sections """select section, count(*) as rows, max(n) as top from rows group by section""" { key: section }
      clean described from rows { join(sections, on: section) }
      sql lone from rows, sections """select r.*, s.top from rows r join sections s using (section) where s.top > 3"""
    '''.replace("sql sections ", "sql sections from rows "),
    "python": """
      python scored from rows { call: "functions:score"  columns: { id: text, size: int }  batch: 50 }
      python many from rows { call: "functions:twice"  columns: { id: text, n: int }  batch: 70 }
      export out from many { to: "build/many.csv"  format: csv()  keys: true }
    """,
    "mix": """
      clean small from rows { keep where n < 10 }
      clean large from rows { keep where n >= 10 }
      clean half from rows { keep where n < 25 }
      mix all_rows from small, large { origin: "from" }
      mix shared from rows, half { origin: "from" }
      mix weighted from small, large { weights: { small: 50%  large: 50% }  epochs: 3 }
      mix total from small, large, half { weights: { small: 1, large: 2, half: 2 }  take: 100 }
      mix units from small, large { weights: { small: 1, large: 1 }  count: n }
      export out from weighted { to: "build/mix.jsonl"  format: jsonl()  keys: true }
    """,
    "split": """
      split plain from rows { train: 70%  test: 20% }
      split counted from rows { test: 33  train: rest }
      split strata from rows { train: 80%  validation: 10%  test: 10%  stratify: section }
      split grouped from rows { train: 80%  test: 20%  group: customer  stratify: section }
      split near from rows { train: 80%  test: 20%  group: near_duplicates(text) }
      split timed from rows { train: 80%  test: 20%  time: day }
      split folded from rows { folds: 4  stratify: section }
      split hashed from rows { train: 80%  test: 20%  assign: hash }
      split hashed_groups from rows { train: 80%  test: 20%  assign: hash  group: customer }
      expect apart from near.train, near.test { expect overlap(near.train.text, near.test.text) == 0 }
      export out from strata { to: "build/strata"  format: csv() }
    """,
    "exports": """
      clean kept from rows {
        keep where text is not null
        tokens = split_words(text)
        keep where len(tokens) > 0
        tags = list_transform(tokens, lambda t: case when length(t) > 5 then "B-LONG" else "O" end)
        answer = "about " || section
        worse = "not " || answer
        instruction = text
        output = answer
        messages = [{role: "user", content: text}, {role: "assistant", content: answer}]
        score = n / 50.0
      }
      split parts from kept { train: 80%  test: 20% }
      export a from parts { to: "build/parquet"  format: parquet()  shards: 2 }
      export b from parts { to: "build/jsonl"  format: jsonl() }
      export c from parts { to: "build/csv"  format: csv()  columns: [id, text, n] }
      export d from parts { to: "build/conll"  format: conll() }
      export e from parts { to: "build/hub"  format: huggingface(labels: [section, tags]) }
      export f from parts { to: "build/messages"  format: messages() }
      export g from parts { to: "build/alpaca"  format: alpaca() }
      export h from parts { to: "build/sharegpt"  format: sharegpt() }
      export i from parts { to: "build/openai"  format: openai() }
      export j from parts { to: "build/llama"  format: llama_factory() }
      export k from parts { to: "build/preference"  format: preference(prompt: text, chosen: answer, rejected: worse) }
      export l from parts { to: "build/studio"  format: label_studio(label: section, confidence: score) }
      export m from parts { to: "build/argilla"  format: argilla(label: section, confidence: score) }
      export n from parts { to: "build/rows.sqlite"  format: sqlite() }
      export o from parts { to: "build/web"  format: webdataset() }
      export p from parts { to: "build/masked"  format: segments() }
    """,
    "labels and choice": """
      label topic from rows {
        classes: ["web", "sound", "网络"]
        when section is not null     => section as by_section
        when length(text) % 2 == 0   => "web"   as by_length
        when text matches r/e/       => "sound" as by_letter
        vote keywords({web: ["the"], sound: ["of"]}, text: text) as by_words
        combine: majority(ties: random)
        accept: confidence >= 30%
      }
      label learned from rows {
        classes: ["web", "sound", "网络"]
        when section is not null     => section as by_section
        when length(text) % 2 == 0   => "web"   as by_length
        when text matches r/e/       => "sound" as by_letter
        combine: dawid_skene()
        into: guess
        unsure: keep
      }
      augment more from topic { copies: 2  swap_words(text, rate: 20%)  typos(text, rate: 5%) }
      select best from more { take: 40  by: top(length(text))  per: topic }
      select any from rows { take: 20%  by: random() }
      clean fresh from rows { novel(text, rouge_l: 60%) }
    """,
    "training": """
      template ask(text) \"\"\"{{ text }} is about\"\"\"
      clean told from rows { text = left(text, 40)  answer = section  keep where text is not null and section is not null as "nothing to learn" }
      split parts from told { train: 70%  test: 30% }
      train clf from parts.train { task: classify(text => section)  base: scratch(layers: 1, width: 16, heads: 2, vocab: 300)  epochs: 1 }
      predict guess from parts.test { model: clf }
      evaluate scores from parts.test { model: clf  metrics: [accuracy]  bootstrap: 50 }
      export released from clf, scores { to: "build/model"  format: transformers() }
      train lm from parts.train { task: generate(text => answer)  base: scratch(layers: 1, width: 16, heads: 2, vocab: 300)  steps: 2 }
      clean few from parts.test { limit(8) }
      predict said from few { model: lm  prompt: ask(text) }
      generate again from few { with: lm  prompt: ask(text)  cut_off: keep }
    """,
}
"""Recipes over one keyed source: threads and the order of its lines change nothing."""

ELSEWHERE = {
    "step": {"model"},
    "reader": {"annotations", "argilla", "label_studio", "web", "postgres", "mysql"},
    "format": {"duckdb"},
}
"""What has no case here: a model makes no rows, answers of people are read whole, in the order of their keys (tests/annotate), and what needs a
server is in tests/web and tests/databases. The bytes of a DuckDB file are DuckDB's: they are read back in tests/databases/test_files.py."""

READERS = {
    "csv": 'source s = csv("rows.csv") { key: id }',
    "tsv": 'source s = tsv("rows.tsv") { key: id }',
    "jsonl": 'source s = jsonl("rows.jsonl") { key: id }',
    "json": 'source s = json("rows.json", at: "data.rows") { key: id }',
    "parquet": 'source s = parquet("rows.parquet") { key: id }',
    "sqlite": 'source s = sqlite("rows.db", table: "rows") { key: id }',
    "hf": 'source s = hf("folder", split: "train") { key: id }',
    "lines": 'source s = lines("rows.txt") { key: line }',
    "conll": 'source s = conll("rows.conll", columns: [tokens, tags])',
    "files": 'source s = files("texts/*.txt")',
    "markdown": 'source s = markdown("texts/*.md")',
    "html": 'source s = html("texts/*.html")',
    # The good files of tests/readers/test_malformed.py.
    **{
        kind: f'source s = {kind}("given/{kind}/*"{more})'
        for kind, more in {
            "chat": "",
            "code": ', by: "function"',
            "docx": "",
            "epub": "",
            "mbox": "",
            "notebook": "",
            "pdf": "",
            "subtitles": "",
            "warc": "",
        }.items()
    },
    "duckdb": 'source s = duckdb("given/duckdb/0-x.duckdb", table: "t")',
}
"""Readers; where a source has no key, the order of the lines is part of what it says."""
UNKEYED = {
    "conll", "files", "markdown", "html", "chat", "code", "docx", "epub", "mbox", "notebook", "pdf", "subtitles", "warc", "duckdb",
}  # fmt: skip
NEEDS = {"pdf": "pypdfium2", "warc": "trafilatura"}

FUNCTIONS = """
import pyarrow as pa
import pyarrow.compute as pc


def score(batch):
    return pa.record_batch([batch.column("id"), pc.utf8_length(batch.column("section"))], names=["id", "size"])


def twice(batch):
    kept = batch.filter(pc.greater(batch.column("n"), 20))
    table = pa.concat_tables([pa.Table.from_batches([kept]), pa.Table.from_batches([kept])])
    return table.select(["_key", "id", "n"])
"""


def write(folder: Path, rows: list[dict[str, Any]], as_csv: Callable[..., str], as_jsonl: Callable[..., str]) -> None:
    """The rows in the forms that the readers read, in the order given."""
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)

    def put(name: str, text: str) -> None:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    put("functions.py", FUNCTIONS)
    put("rows.csv", as_csv(rows))
    put("rows.jsonl", as_jsonl(rows))
    put("rows.json", '{"data": {"rows": [' + ",".join(as_jsonl(rows).splitlines()) + "]}}")
    put("rows.tsv", as_csv(rows).replace(",", "\t"))
    put("rows.txt", "".join(f"{r['id']} {r['text']}\n" for r in rows))
    put("rows.conll", "".join("".join(f"{t}\tO\n" for t in (r["text"] or "x").split()) + "\n" for r in rows))
    for number, row in enumerate(sorted(rows, key=lambda r: str(r["id"]))[:30]):
        put(f"texts/{number}.txt", str(row["text"]))
        put(f"texts/{number}.md", f"---\ntitle: {row['id']}\n---\n# {row['id']}\n\n{row['text']}\n")
        put(f"texts/{number}.html", f"<html><title>{row['id']}</title><p>{row['text']}</p></html>")
    put("folder/train.jsonl", as_jsonl(rows))
    for kind in sorted(UNKEYED - {"conll", "files", "markdown", "html"}):
        if find_spec(NEEDS.get(kind, "recipec")) is not None:
            given = folder / "given" / kind
            given.mkdir(parents=True)
            for number in range(3):
                (given / f"{number}-{GOOD[kind].name}").write_bytes(GOOD[kind].good())
    with duckdb.connect() as con:
        con.execute(
            f"COPY (SELECT * FROM read_json('{folder / 'rows.jsonl'}')) TO '{folder / 'rows.parquet'}' (FORMAT parquet, ROW_GROUP_SIZE 2048)"
        )
    (folder / "rows.db").unlink(missing_ok=True)
    database = sqlite3.connect(folder / "rows.db")
    database.execute("CREATE TABLE rows (id TEXT, text TEXT, section TEXT, n INTEGER, day TEXT, customer TEXT)")
    database.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?)", [tuple(r.values()) for r in rows])
    database.commit()
    database.close()


@pytest.fixture(scope="module")
def tidy(tmp_path_factory: pytest.TempPathFactory, rows: Any, as_csv: Any, as_jsonl: Any) -> Path:
    folder = tmp_path_factory.mktemp("tidy")
    write(folder, rows(300), as_csv, as_jsonl)
    return folder


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory: pytest.TempPathFactory, rows: Any, as_csv: Any, as_jsonl: Any) -> Path:
    folder = tmp_path_factory.mktemp("shuffled")
    mixed = rows(300)
    random.Random(5).shuffle(mixed)
    write(folder, mixed, as_csv, as_jsonl)
    return folder


@pytest.fixture
def compare(lab: Lab, tidy: Path, shuffled: Path, everything: Any) -> Callable[..., None]:
    """Runs a recipe with one thread, then with two and its lines shuffled, in workspaces of their own: the same must come out."""
    import shutil

    def run(text: str, folder: Path, threads: int) -> Any:
        place = type(lab)(folder)
        for made in (".recipec", "build"):
            shutil.rmtree(folder / made, ignore_errors=True)
        ran = place.run(text, threads=threads)
        return everything(place, ran)

    def check(text: str, *, order_matters: bool = False) -> None:
        one = run(text, tidy, 1)
        other = run(text, tidy if order_matters else shuffled, 2)
        if other != one:
            # Which of the two it was is looked into only now.
            threads = run(text, tidy, 2)
            for name, found in one.items():
                assert threads.get(name) == found, f"{name} is another with two threads"
                assert other.get(name) == found, f"{name} is another with its lines shuffled"
        assert other == one

    return check


@pytest.mark.parametrize("name", KEYED)
def test_threads_and_order_change_nothing(name: str, compare: Any) -> None:
    compare(ROWS + KEYED[name])


@pytest.mark.parametrize("name", READERS)
def test_readers(name: str, compare: Any) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    text = READERS[name] + '\nexport out from s { to: "build/out.jsonl"  format: jsonl()  keys: true }\n'
    compare(text, order_matters=name in UNKEYED)


LARGE = '''
recipe "large" { seed: 3 }
sql t """select i as id, i % 7 as stratum, (i * 7919) % 1000 as n, md5((i % 100000)::varchar) as text from range(130000) r(i)""" { key: id }
clean a from t { drop where n < 100 as "small"  dedupe(text)  sample(50%) }
clean b from t { sort(n, text)  limit(5000) }
clean c from t { sample(1000) }
split s from a { train: 80%  test: 10%  stratify: stratum }
mix m from a, c { weights: { a: 9, c: 1 } }
export parts from s { to: "build/s"  format: parquet() }
export mixed from m { to: "build/m"  format: jsonl()  shards: 2 }
'''


def test_tables_of_several_row_groups(lab: Lab, everything: Any) -> None:
    """DuckDB gives a row group of 122,880 rows to one thread: only larger tables are worked on by two."""
    seen = []
    for threads in (1, 2):
        place = type(lab)(lab.folder / str(threads))
        place.folder.mkdir()
        seen.append(everything(place, place.run(LARGE, threads=threads)))
    assert seen[0] == seen[1]


def test_everything_registered_has_a_case(lab: Lab, tidy: Path) -> None:
    place = type(lab)(tidy)
    programs = [place.sound(ROWS + text) for text in KEYED.values()]
    steps = [s for p in programs for s in p.steps]
    own = {"step": {s.kind.name for s in steps}, "operator": {name for s in steps for name, *_ in s.ops}, "reader": set(READERS)}
    own["format"] = {s.bound.plan.format.name for s in steps if s.kind.name == "export"}
    for group, covered in own.items():
        assert set(names(group)) - covered - ELSEWHERE.get(group, set()) == set(), f"{group}s without a case here"  # type: ignore[arg-type]
