"""Answers as votes: whatever the source's key is, the rows that were answered are the rows that get the vote."""

from __future__ import annotations

from typing import Any

import pytest

from recipec.annotate.session import Session

SOURCES = {
    "text": ("id,text\nx,one\ny,two\nz,three\n", "key: id"),
    "whole numbers": ("id,text\n7,one\n8,two\n10,three\n", "key: id"),
    "several columns": ("id,part,text\n7,a,one\n7,b,two\n8,a,three\n", "key: [id, part]"),
    "fractions": ("id,text\n1.50,one\n2,two\n3,three\n", "key: id"),
    "dates": ("id,text\n2024-01-01,one\n2024-01-02,two\n2024-01-03,three\n", "key: id"),
    "none": ("id,text\n7,one\n8,two\n10,three\n", ""),
    "that looks like a row's own": (
        "id,text\n00000000-0000-0000-0000-000000000001,one\n00000000-0000-0000-0000-000000000002,two\n3,three\n",
        "key: id",
    ),
}
RECIPE = """
recipe "r" {{ version: "1.0.0" }}
source pool = csv("pool.csv") {{ {key} }}
source said = annotations("labels/topic.jsonl")
label topic from pool {{
  classes: ["a", "b"]
  vote crowd(said, worker: worker, item: item, answer: answer)
}}
"""


@pytest.mark.parametrize("name", SOURCES)
def test_answers_find_their_rows(lab: Any, begin: Any, name: str) -> None:
    rows, key = SOURCES[name]
    recipe = RECIPE.format(key=key)
    lab.write("labels/topic.jsonl", "")
    session: Session = begin(recipe, "topic", rows=rows)
    assert len(session.queue) == 3
    wanted = {"one": "a", "two": "b"}
    for n in range(3):
        text = next(f["value"] for f in session.queue.row(n).fields if f["name"] == "text")
        session.answer(n, {"answers": [wanted[text]]} if text in wanted else {"skip": True})
    lab.run(recipe)
    assert dict(lab.rows("SELECT text, topic FROM topic")) == wanted


def test_rows_made_from_others_are_answered_by_their_own_key(lab: Any, begin: Any) -> None:
    recipe = (
        RECIPE.replace("from pool", "from parts")
        .replace("label topic", "clean parts from pool {{ explode(text) }}\nlabel topic")
        .format(key="key: id")
    )
    recipe = recipe.replace('csv("pool.csv") { key: id }', 'jsonl("pool.jsonl") { key: id }')
    lab.write("pool.jsonl", '{"id": 1, "text": ["one", "two"]}\n{"id": 2, "text": ["three"]}\n')
    lab.write("labels/topic.jsonl", "")
    session = begin(recipe, "topic")
    for n in range(3):
        session.answer(n, {"answers": ["a" if session.queue.row(n).fields[-1]["value"] == "two" else "b"]})
    lab.run(recipe)
    assert lab.rows("SELECT text FROM topic WHERE topic = 'a'") == [("two",)]


def test_what_could_not_be_said_is_no_for_no_class(lab: Any, begin: Any) -> None:
    recipe = (
        RECIPE.format(key="key: id")
        .replace('classes: ["a", "b"]', 'classes: ["a", "b"]  many: true')
        .replace("answer: answer", "answer: answers")
    )
    lab.write("labels/topic.jsonl", "")
    session = begin(recipe, "topic", rows=SOURCES["text"][0])
    assert session.mode == "many"
    session.answer(0, {"answers": ["b", "a"]})
    session.answer(1, {"answers": []})
    session.answer(2, {"skip": True})
    lab.run(recipe)
    rows = dict(lab.rows("SELECT id, topic FROM topic"))
    items = [i[0] for i in session.queue.items]
    assert rows == {items[0]: ["a", "b"], items[1]: []}


TAGS = """
recipe "r" { version: "1.0.0" }
source news = jsonl("news.jsonl") { key: id }
source said = annotations("labels/entities.jsonl")
label entities from news {
  tags: ["PER", "LOC"]
  vote human(said)
  vote pattern(r/\\bLi\\b/, tag: "PER")
}
"""
NEWS = '{"id": 1, "tokens": ["Li", "Na", "in", "北", "京"]}\n{"id": 2, "tokens": ["no", "one"]}\n'


def test_marked_tokens_vote(lab: Any, begin: Any) -> None:
    lab.write("news.jsonl", NEWS)
    lab.write("labels/entities.jsonl", "")
    session = begin(TAGS, "entities", "--all")
    assert (session.mode, session.classes) == ("tags", ("PER", "LOC"))
    first = session.place["1",]
    session.answer(first, {"spans": [[0, 2, "PER"], [3, 5, "LOC"]]})
    other = begin(TAGS, "entities", "--all", worker="bob")
    other.answer(first, {"spans": [[0, 1, "PER"], [3, 5, "LOC"]]})
    ran = lab.run(TAGS)
    ((tags, votes),) = lab.rows("SELECT entities, entities_votes FROM entities WHERE id = 1")
    # Where people are even they abstain, and what nobody says is outside.
    assert votes["human"] == ["B-PER", None, "O", "B-LOC", "I-LOC"]
    assert tags == ["B-PER", "O", "O", "B-LOC", "I-LOC"]
    facts = session.agreement()
    assert facts["measure"] == "F1 of spans"
    assert facts["pairs"][0]["value"] == 0.5
    assert facts["differ"][0]["n"] == first
    assert not [n for n in ran["entities"].built.notes if "not used" in n]


def test_marks_of_other_tokens_are_not_used(lab: Any) -> None:
    lab.write("news.jsonl", NEWS)
    lab.write(
        "labels/entities.jsonl",
        '{"item": 1, "worker": "a", "spans": [[0, 2, "PER"]], "tokens": 3}\n{"item": 9, "worker": "a", "spans": [], "tokens": 3}\n',
    )
    notes = " ".join(lab.run(TAGS)["entities"].built.notes)
    assert "1 answers have another number of tags" in notes
    assert "1 of 2 answers are for items that are not among the rows" in notes


def told(lab: Any, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    from recipec.cli import main

    assert main(["labels", str(lab.folder / "test.recipe"), *words]) == 0
    return capsys.readouterr().out


def test_how_far_people_agree_is_told(lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lab.write("test.recipe", TAGS)
    lab.write("news.jsonl", NEWS)
    line = '{{"item": {}, "worker": "{}", "spans": {}, "tokens": {}}}\n'
    lab.write(
        "labels/entities.jsonl",
        line.format(1, "ann", '[[0, 2, "PER"], [3, 5, "LOC"]]', 5) + line.format(1, "王", '[[0, 2, "PER"], [3, 4, "LOC"]]', 5),
    )
    lab.run(TAGS)
    out = told(lab, capsys, "entities")
    assert "F1 of spans" in out
    assert "ann, 王" in out
    assert "0.50" in out
    recipe = RECIPE.format(key="key: id")
    lab.write("test.recipe", recipe)
    lab.write("pool.csv", SOURCES["text"][0])
    line = '{{"item": "{}", "worker": "{}", "answer": "{}"}}\n'
    lab.write(
        "labels/topic.jsonl",
        "".join(line.format(i, w, a) for i, w, a in [("x", "ann", "a"), ("x", "bob", "a"), ("y", "ann", "b"), ("y", "bob", "b")]),
    )
    lab.run(recipe)
    out = told(lab, capsys, "topic")
    assert "people of crowd agree: Fleiss' kappa 1.00, Krippendorff's alpha 1.00" in out
