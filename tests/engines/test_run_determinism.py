"""The same recipe on the same data gives the same rows and bytes: whatever the threads, whatever the order of the rows."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

SCORES = """
import pyarrow as pa
import pyarrow.compute as pc

def score(batch):
    return batch.append_column("score", pc.utf8_length(batch["text"]))
"""
EVERYTHING = '''
recipe "all" { version: "1.0.0"  seed: 11  license: "MIT" }
source a = csv("a.csv") { key: id  columns: { id: int, kind: text, customer: int, text: text, at: timestamp, price: float } }
source b = jsonl("b.jsonl") { key: id  columns: { id: int, kind: text, customer: int, text: text, at: timestamp, price: float } }
sql pool from a, b """
  select 'a' || id as key, * exclude (_key, _parent, id) from a union all select 'b' || id, * exclude (_key, _parent, id) from b
""" { key: key }
sql totals from pool """select kind, count(*) as n, max(price) as top, string_agg(key, ',' order by key) as keys from pool group by kind""" { key: kind }
clean tidy from pool {
  text = text |> fix_unicode |> squeeze_space
  drop where text is null or length(text) < 4 as "short"
  chance = random()
  dedupe(text)
  dedupe(text, near: 80%)
  parts = string_split(text, " ")
}
clean words_of from tidy { explode(parts)  drop where parts == "" }
clean pieces from tidy { chunk(text, words: 3, overlap: 1) }
clean some from tidy { sample(40%)  sort(price, text, descending: true)  limit(200) }
clean exact from tidy { sample(100) }
python scored from tidy { call: "scores:score"  columns: { key: text, kind: text, text: text, score: int }  batch: 57 }
mix plain from exact, some
mix blend from exact, some { weights: { exact: 60%  some: 40% }  take: 300  epochs: 4  origin: "from_" }
split cut from tidy { train: 70%  validation: 10%  test: 20%  stratify: kind }
split grouped from tidy { train: 70%  test: rest  group: customer }
split alike from tidy { train: 70%  test: rest  group: near_duplicates(text, near: 60%) }
split hashed from tidy { train: 70%  test: rest  assign: hash }
split timely from tidy { train: 70%  test: rest  time: at }
split folded from tidy { folds: 3 }
expect sound from cut { expect overlap(cut.train.key, cut.test.key) == 0 }
export hub from cut { to: "out/hub"  format: huggingface()  columns: [text, kind] }
export table from blend { to: "out/blend.parquet"  format: parquet() }
export lines from some { to: "out/some"  format: jsonl()  shards: 3  keys: true }
export sheet from scored { to: "out/scored.csv"  format: csv() }
'''


def make(folder: Path, seed: int) -> None:
    """The data, its rows shuffled by ``seed``."""
    rng = random.Random(1)
    words = ["alpha", "beta", "gamma", "delta", "中文", "字", "épée", "😀", "omega", "sigma", "tau", "rho"]
    rows = []
    for i in range(900):
        text = " ".join(rng.choice(words) for _ in range(rng.randint(1, 9)))
        if rows and i % 6 == 0:
            text = rows[-1][3] + (" x" if i % 12 == 0 else "")
        rows.append((i, rng.choice("pqr"), rng.randint(0, 80), text, f"2026-01-{rng.randint(1, 28):02} 10:00:00", rng.random() * 100))
    order = random.Random(seed)
    a, b = rows[:600], rows[300:]
    order.shuffle(a)
    order.shuffle(b)
    lines = [",".join([str(i), k, str(c), f'"{t}"', at, repr(p)]) for i, k, c, t, at, p in a]
    (folder / "a.csv").write_text("\n".join(["id,kind,customer,text,at,price", *lines]) + "\n", encoding="utf-8")
    import json

    names = ("id", "kind", "customer", "text", "at", "price")
    (folder / "b.jsonl").write_text(
        "".join(json.dumps(dict(zip(names, r, strict=True)), ensure_ascii=False) + "\n" for r in b), encoding="utf-8"
    )
    (folder / "scores.py").write_text(SCORES, encoding="utf-8")


def everything(ran: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Every table built, and the books of dropped rows and parents, in the order of keys."""
    names = ran.rows("select schema_name, view_name from recipec.names where view_name not in ('dropped', 'lineage') order by all")
    tables = {f"{s}.{n}": ran.rows(f'select * from "{s}"."{n}" order by all') for s, n in names}
    tables["dropped"] = ran.rows("select * from recipec.dropped order by all")
    tables["lineage"] = ran.rows("select * from recipec.lineage order by all")
    return tables


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted((folder / "out").rglob("*")) if p.is_file()}


def test_every_kind_of_step_with_one_thread_and_two_and_shuffled_rows(tmp_path: Path, lab: Any) -> None:
    outcomes = []
    for number, (threads, seed) in enumerate(((2, 1), (1, 2))):
        here = type(lab)(tmp_path / str(number))
        here.folder.mkdir()
        make(here.folder, seed)
        ran = here.run(EVERYTHING, threads=threads)
        outcomes.append((everything(ran), files(here.folder), {s.name: s.built.dropped for s in ran.result.steps if s.built}))
    (tables, written, dropped), (tables2, written2, dropped2) = outcomes
    assert tables.keys() == tables2.keys()
    for name, rows in tables.items():
        assert rows == tables2[name], name
    assert dropped == dropped2
    # The card says which files were read, by their contents.
    card, card2 = written.pop("out/hub/README.md"), written2.pop("out/hub/README.md")
    assert card.count(b"\n") == card2.count(b"\n")
    assert written == written2
    assert len(tables["main.tidy"]) > 200
    assert all(v > 0 for v in dropped["tidy"].values()), dropped["tidy"]


BIG = '''
recipe "big" { seed: 4 }
sql t """select i as id, 'v' || (i * 7919 % 100003) as s, i % 10 as c, (i * 31 % 1000) / 7 as x from range(250000) r(i)""" { key: id }
clean k from t { y = random()  drop where c == 3 as "three"  dedupe(s)  z = x * 2 }
clean n from k { sample(20000)  sort(x)  limit(15000) }
sql g from n """select c, count(*) as n, min(s) as first_s, sum(id) as total from n group by c""" { key: c }
split parts from k { train: 80%  test: rest  stratify: c }
export out from parts { to: "out/parts"  format: jsonl()  columns: [id, s, y] }
export p from n { to: "out/n.parquet"  format: parquet() }
'''


def test_tables_large_enough_for_threads_to_share(tmp_path: Path, lab: Any) -> None:
    outcomes = []
    for threads in (1, 3):
        here = type(lab)(tmp_path / str(threads))
        here.folder.mkdir()
        ran = here.run(BIG, threads=threads)
        sums = ran.rows(
            "select count(*), sum(hash(k)::hugeint) from k union all select count(*), sum(hash(n)::hugeint) from n union all select count(*), sum(hash(g)::hugeint) from g"
        )
        outcomes.append((sums, files(here.folder)))
    assert outcomes[0] == outcomes[1]


@pytest.mark.slow
def test_many_shuffles(tmp_path: Path, lab: Any) -> None:
    seen = set()
    for seed in range(6):
        here = type(lab)(tmp_path / str(seed))
        here.folder.mkdir()
        make(here.folder, seed)
        here.run(EVERYTHING, threads=1 + seed % 3)
        seen.add(tuple((n, b) for n, b in files(here.folder).items() if not n.endswith(".md")))
    assert len(seen) == 1
