"""Texts that break others, through every operator that reads text: nothing crashes, no row is lost, nothing takes quadratic time."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

TEXTS: list[str | None] = [
    None,
    "",
    " ",
    "\n\n\n",
    "a",
    "...",
    "#" * 50,
    "😀",
    "👩‍👩‍👧‍👦🏳️‍🌈 👍🏽" * 5,
    "مرحبا بالعالم هذا نص عربي قصير للاختبار فقط",
    "שלום עולם \u202eabc\u202c \u200f",
    "e\u0301" * 40,
    "\u200b\u200d\ufeff",
    "今天天气很好。我们去公园散步。",
    "ภาษาไทยไม่มีช่องว่าง",
    "x" * 20_000,
    "word " * 4_000,
    "one line\n" * 2_000,
    "\r\n\r\u2028\u2029\x85\x0b\x0c",
    "\x00\x01\x7f",
    "{" * 100 + "[edit]",
    "\U0010ffff\ufffe",
    "ＦＵＬＬ　ｗｉｄｔｈ　１２３",
    "ﬁ ﬂ ǆ ẞ ıİ K",
]
OPERATORS = {
    "gopher_quality": "gopher_quality(t)",
    "gopher_repetition": "gopher_repetition(t)",
    "c4": "c4(t)",
    "fineweb": "fineweb(t)",
    "data_juicer": "data_juicer(t)",
    "data_juicer_zh": 'data_juicer(t, lang: "zh")',
    "measure": "measure(t)",
    "chunk": "chunk(t, words: 3)",
    "lines": 'lines(t) { drop where line == "" }',
    "exact": "dedupe(t)",
    "near": "dedupe(t, near: 85%)",
    "characters": "dedupe(t, near: 50%, by: characters)",
    "simhash": "dedupe(t, near: 90%, by: simhash)",
    "line": "dedupe(t, unit: line)",
    "paragraph": "dedupe(t, unit: paragraph, loose: true)",
    "decontaminate": "decontaminate(t, against: bench.q, ngram: 2)",
    "novel": "novel(t, rouge_l: 70%)",
    "joined": "join(bench, on: id)",
    "exploded": "parts = split_words(t)  explode(parts)",
    "columns": "rename(t => u)  sort(u)  select(id, u)",
    "sampled": "sort(t)  limit(1000)  sample(1000)",
}


def test_every_operator_is_tried() -> None:
    from recipec.registry import names

    tried = " ".join(OPERATORS.values())
    assert [name for name in names("operator") if f"{name}(" not in tried] == []


def write(lab: Any, texts: list[str | None]) -> None:
    lab.write("rows.jsonl", "".join(json.dumps({"id": n, "t": text}) + "\n" for n, text in enumerate(texts)))


def recipe(body: str) -> str:
    return f'''recipe "r" {{ seed: 1 }}
      source s = jsonl("rows.jsonl") {{ key: id  columns: {{ id: int, t: text }}  max_bad: 50% }}
      sql bench """select 1 as id, 'one line' as q""" {{ key: id }}
      {body}'''


def test_every_operator_takes_every_text(lab: Any) -> None:
    write(lab, TEXTS)
    steps = "\n".join(f"clean {name} from s {{ {body} }}" for name, body in OPERATORS.items())
    ran = lab.run(recipe(steps))
    for name in OPERATORS:
        kept = ran.rows(f"select count(distinct id) from {name}")[0][0]
        assert kept + sum(ran.dropped(name).values()) == len(TEXTS), name
    # What is alike in words or marks alone is no duplicate.
    for name in ("near", "characters", "simhash"):
        assert [r[0] for r in ran.rows(f"select id from s where id not in (select id from {name}) order by id")] in ([], [17], [16]), name
    assert ran.dropped("exact") == {}
    assert ran.rows(f"select t from line where id = {TEXTS.index('x' * 20_000)}") == [("x" * 20_000,)]
    assert ran.rows("select t from line where id = 17") == [("one line\n",)]


def test_half_a_surrogate_pair_is_a_bad_row(lab: Any) -> None:
    lab.write("rows.jsonl", '{"id": 1, "t": "good"}\n{"id": 2, "t": "bad \\ud800 half"}\n{"id": 3, "t": "\\ud83d\\ude00 whole"}\n')
    ran = lab.run(recipe("clean k from s { dedupe(t, unit: line)  dedupe(t, near: 90%, by: simhash) }"))
    assert ran.rows("select id, t from k order by id") == [(1, "good"), (3, "😀 whole")]
    assert ran.rows("select count(*) from recipec.bad") == [(1,)]


@pytest.mark.parametrize("name", [n for n in OPERATORS if n not in ("measure", "chunk", "exploded")])
def test_one_value_in_all_rows(lab: Any, name: str) -> None:
    """Thirty thousand rows take no more than a few times what a thousand take, start and all."""
    rows = 'sql s """select i as id, \'the very same text in every row of it, again and again\' as t from range({}) r(i)""" {{ key: id }}'
    bench = 'sql bench """select 1 as id, \'one line\' as q""" { key: id }'
    started = time.process_time()
    ran = lab.run(f'recipe "r" {{ seed: 1 }}\n{rows.format(30_000)}\n{bench}\nclean k from s {{ {OPERATORS[name]} }}')
    assert time.process_time() - started < 15
    kept = ran.rows("select count(*) from k")[0][0]
    assert kept + sum(ran.dropped("k").values()) == 30_000
    if name in ("exact", "near", "characters", "simhash", "line", "paragraph", "novel"):
        assert kept == 1
