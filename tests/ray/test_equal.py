"""The cluster's rows are DuckDB's: every operator, and every kind that a cluster does in a way of its own."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from recipec.registry import names

ROWS = 260
OPERATORS = """recipe "every" { seed: 3 }
source rows = jsonl("rows-*.jsonl") {
  key: id
  columns: { id: text, text: text, section: text, n: int, day: date, customer: text }
  max_bad: 5%
}
source sections = csv("sections.csv") { key: section  columns: { section: text, title: text } }
source bench = jsonl("bench.jsonl") { columns: { text: text } }

clean columns from rows {
  text = text |> squeeze_space |> strip_html
  length = length(text)
  lang = language(text)
  drop where text is null as "no text"
  drop where length < 30 as "too short"
  keep where n < 45
}
clean joined from columns { join(sections, on: section) }
clean matched from columns { join(sections, on: section, rows: matched)  keep where title != "Games" }
clean once from rows { dedupe(text) }
clean each from columns { dedupe(section, lang, keep: best(n))  title = upper(section) }
clean across from rows { dedupe(text, across: [bench]) }
clean near from columns { dedupe(text)  dedupe(text, near: 80%)  said = lower(text) }
clean longest from rows { dedupe(text, near: 70%, keep: longest, across: [bench]) }
clean twice from rows { dedupe(text, near: 90%)  x = length(text)  dedupe(x, keep: best(n))  dedupe(text, near: 60%, by: characters) }
clean simhash from rows { dedupe(text, near: 95%, by: simhash)  x = 1 }
clean lined from rows { dedupe(text, unit: line)  y = words(text) }
clean fresh from rows { novel(text, rouge_l: 60%)  z = words(text) }
clean safe from rows { decontaminate(text, against: bench.text, ngram: 4) }
clean pieces from rows { chunk(text, words: 8, overlap: 2)  sample(50%)  part = text }
clean listed from rows { words = split_words(text)  explode(words)  keep where length(words) > 3  dedupe(words) }
clean by_line from rows { lines(text) { line = trim(line)  drop where line == "." } }
clean sorted from rows { sort(n, descending: true)  limit(100)  place = n + 1  dedupe(customer) }
clean some from rows { sample(90)  w = n * 2 }
clean share from rows { sample(30%) }
clean named from rows { rename(text => body, n => number)  select(id, body, number) }
clean measured from rows { measure(text, of: [gopher_quality]) }
clean quality from columns {
  gopher_repetition(text)
  gopher_quality(text, min_words: 5)
  c4(text, terminal_punctuation: false, min_sentences: 1)
  fineweb(text)
  data_juicer(text, max_special_ratio: 60%)
}
mix both from once, across { origin: "from" }
mix some_of_each from once, near { weights: { once: 2  near: 1 }  take: 50  missing: null }
split exact from columns { train: 70%  test: 20%  dev: 5%  stratify: [section, lang] }
split grouped from joined { train: 80%  test: rest  stratify: section  group: customer }
split alike from columns { train: 60%  test: 40%  group: near_duplicates(text, near: 70%) }
split timed from rows { train: 70%  test: 30%  time: day  group: customer }
split hashed from rows { train: 50%  test: rest  assign: hash  group: customer }
sql counted from columns, sections \"\"\"
  select s.title, count(*) as n, max(c.length) as longest from columns c join sections s using (section) group by all
\"\"\" { key: title }
expect sane from exact.train, exact.test { expect overlap(exact.train.id, exact.test.id) == 0 }
export out from exact { to: "build/out"  format: jsonl() }
"""
"""Every operator and kind that a cluster does in a way of its own. Those that ask models run as without one."""


def write_rows(folder: Path) -> None:
    words = ["red", "green", "deep", "kind", "package", "library", "sound", "editor", "games", "network", "server", "with", "from", "tool"]
    chance = random.Random(5)
    texts: list[str] = ["A line.\nAnother line.\n.\nA line."]
    rows = []
    for i in range(ROWS):
        kind = chance.random()
        if kind < 0.1:
            text: str | None = chance.choice(texts)
        elif kind < 0.3:
            text = chance.choice(texts) + " " + chance.choice(words)
        elif kind < 0.4:
            text = "".join(chance.choice("红绿蓝深宽高软件包声音网络编辑器的了在") for _ in range(30))
        elif kind < 0.43:
            text = None
        else:
            text = "The " + " ".join(chance.choice(words) for _ in range(chance.randint(3, 40))) + ".\n"
        texts += [text] if text else []
        section = chance.choice(["web", "games", "sound", "网络", None])
        day = f"2024-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
        rows.append({"id": f"r{i:05}", "text": text, "section": section, "n": i * 7919 % 50, "day": day, "customer": f"c{i * 31 % 40}"})
    for file in range(3):
        lines = [json.dumps(r, ensure_ascii=False) for r in rows[file::3]]
        if file == 1:
            # Rows that cannot be read: one that is no JSON, and one of which a value is not of its type.
            lines[7:7] = ['{"id": "broken', json.dumps({**rows[0], "id": "poison", "n": "many"})]
        (folder / f"rows-{file}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "sections.csv").write_text("section,title\nweb,Web\ngames,Games\n网络,网络\n", encoding="utf-8")
    bench = [json.dumps({"text": t}) for t in (rows[3]["text"], rows[9]["text"], "nothing like it", None)]
    (folder / "bench.jsonl").write_text("\n".join(bench) + "\n", encoding="utf-8")


def test_every_operator(both: Any, tmp_path: Path) -> None:
    write_rows(tmp_path)
    ways = both(tmp_path / "every.recipe", OPERATORS, tmp_path)
    gone = [n for n in names("operator") if f"{n}(" not in OPERATORS]
    assert not gone, "operators that no step of this test calls"
    taken = {name: facts["way"] for name, facts in ways.items() if facts}
    assert {taken[n] for n in ("columns", "safe", "quality", "pieces", "share", "both")} == {"rows"}
    assert {taken[n] for n in ("joined", "once", "each", "across")} == {"keys"}
    assert {taken[n] for n in ("near", "longest")} == {"bands"}
    assert {taken[n] for n in ("sorted", "some", "fresh")} == {"one"}
    assert {taken[n] for n in ("exact", "grouped", "alike", "timed")} == {"narrow"}
    assert taken["counted"] == "one"
    assert ways["once"]["tasks"] > 3, "rows were cut"
