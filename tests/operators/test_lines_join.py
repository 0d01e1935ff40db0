"""lines(...) { ... } and join(...)."""

from __future__ import annotations

import json
from typing import Any

import pytest

HEAD = 'recipe "r" { seed: 1 }\nsource s = jsonl("rows.jsonl") { key: id  columns: { id: int, t: text, k: text } }\n'
OTHER = 'source o = jsonl("o.jsonl") { columns: { k: text, title: text, size: int } }\n'


def write(lab: Any, name: str, rows: list[dict[str, Any]]) -> None:
    lab.write(name, "\n".join(json.dumps(row) for row in rows) + "\n")


def test_lines(lab: Any) -> None:
    texts = ["one\n.\ntwo words here\r\n three ", None, ".\n.", "", "keep\rthis line here"]
    write(lab, "rows.jsonl", [{"id": n, "t": t, "k": "a"} for n, t in enumerate(texts)])
    body = 'lines(t) { line = trim(line)  drop where line == "."  keep where n == 1 or words(line) > 1 }'
    ran = lab.run(HEAD + f"clean out from s {{ {body} }}")
    assert lab.rows("SELECT id, t FROM out ORDER BY id") == [(0, "one\ntwo words here"), (1, None), (3, ""), (4, "keep\nthis line here")]
    assert ran.dropped("out") == {"no line left": 1}
    again = lab.plan(HEAD + f"clean out from s {{ {body.replace('> 1', '> 2')} }}")
    assert [p.step.name for p in again.steps if p.status == "run"] == ["out"]


def test_lines_mistakes(lab: Any) -> None:
    write(lab, "rows.jsonl", [{"id": 1, "t": "a", "k": "a"}])
    for body, said in (("lines(t)", "needs a block"), ("lines(t) { drop where lin == 1 }", "lin"), ("lines(t) { x = 1 }", "takes filters")):
        found = lab.check(HEAD + f"clean out from s {{ {body} }}")
        assert any(said in d.message for d in found), [d.message for d in found]


def test_join(lab: Any) -> None:
    write(lab, "rows.jsonl", [{"id": 1, "t": "a", "k": "x"}, {"id": 2, "t": "b", "k": "y"}, {"id": 3, "t": "c", "k": None}])
    write(lab, "o.jsonl", [{"k": "x", "title": "X", "size": 1}, {"k": "z", "title": "Z", "size": 2}, {"k": None, "title": "N", "size": 3}])
    lab.run(HEAD + OTHER + "clean out from s { join(o, on: k) }")
    expected = [(1, "a", "x", "X", 1), (2, "b", "y", None, None), (3, "c", None, None, None)]
    assert lab.rows("SELECT id, t, k, title, size FROM out ORDER BY id") == expected
    ran = lab.run(HEAD + OTHER + 'clean out from s { join(o, on: k, columns: ["title"], rows: matched) }')
    assert lab.rows("SELECT * EXCLUDE (_key, _parent) FROM out") == [(1, "a", "x", "X")]
    assert ran.dropped("out") == {"no match in o": 2}


def test_join_that_would_make_two_rows_of_one(lab: Any) -> None:
    write(lab, "rows.jsonl", [{"id": 1, "t": "a", "k": "x"}])
    write(lab, "o.jsonl", [{"k": "x", "title": "X", "size": 1}, {"k": "x", "title": "Y", "size": 2}])
    ran = lab.run(HEAD + OTHER + "clean out from s { join(o, on: k) }", good=False)
    assert ran.error("out") == "`o` has 2 rows with k = x: a join would make 2 of one"


@pytest.mark.parametrize(
    ("call", "said"),
    [("join(o, on: t)", "no column `t`"), ('join(o, on: k, columns: ["a"])', "no column `a`"), ("join(s2, on: k)", "already")],
)
def test_join_mistakes(lab: Any, call: str, said: str) -> None:
    write(lab, "rows.jsonl", [{"id": 1, "t": "a", "k": "x"}])
    write(lab, "o.jsonl", [{"k": "x", "title": "X", "size": 1}])
    found = lab.check(HEAD + OTHER + f"clean s2 from s {{ t = upper(t) }}\nclean out from s {{ {call} }}")
    assert any(said in d.message for d in found), [d.message for d in found]
