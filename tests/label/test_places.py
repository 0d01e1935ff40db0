"""What is underlined where a vote's argument is wrong, and what --fix would write."""

from __future__ import annotations

from typing import Any

import pytest

SOURCES = '''
source rows = csv("rows.csv") { key: id  columns: { id: int, a: text } }
source said = csv("said.csv") { columns: { wrkr: text, item: int, answer: text, tags: [text] } }
model lm = openai("m", base_url: "http://127.0.0.1:1/v1")
model emb = embedding("m", base_url: "http://127.0.0.1:1/v1")
template ask(text) """{{ text }}"""
template shots(text, examples) """{{ text }} {{ examples }}"""
'''


@pytest.mark.parametrize(
    ("vote", "underlined", "fix"),
    [
        ("crowd(said, worker: nobody)", "nobody", None),
        ("crowd(said, worker: wrkrs)", "wrkrs", "wrkr"),
        ("crowd(said, worker: wrkr, item: [item, itm])", "itm", "item"),
        # Nothing is written that could be replaced.
        ("crowd(said)", "said", None),
        ('plugin("voters:by_lenght")', '"voters:by_lenght"', '"voters:by_length"'),
        ('plugin("voters:unlike")', '"voters:unlike"', None),
        ('keywords({x: ["free"], why: ["z"]}, text: a)', "why", None),
        ('keywords({x: [" "]}, text: a)', "x", None),
        ("knn(said, text: a, like: answr, label: wrkr)", "answr", "answer"),
        ("knn(said, text: a, like: answer, label: wrkr, with: lm)", "lm", None),
        ('zero_shot(emb, text: a, describe: {x: "one", z: "two"})', "z", None),
        ('llm(lm, ask(a), words: {x: "z", z: "x"})', "z", None),
        ("llm(lm, ask(a), samples: 3, score: true)", "3", None),
        ("llm(lm, shots(a), examples: nearest(said, text: answr, label: wrkr))", "answr", "answer"),
        ("llm(lm, shots(a), examples: fixed(said, k: 1, text: answer))", "said", None),
        ("llm(lm, shots(a), examples: nearest(said, text: answer, label: wrkr, with: lm))", "lm", None),
    ],
)
def test_the_argument_is_underlined(lab: Any, vote: str, underlined: str, fix: str | None) -> None:
    lab.write("rows.csv", "id,a\n1,x\n")
    lab.write("said.csv", "wrkr,item,answer,tags\nw,1,x,[x]\n")
    lab.write("voters.py", "def by_length(batch):\n    return []\n")
    (found,) = lab.check(f'{SOURCES}label t from rows {{ classes: ["x", "y"]  vote {vote} }}')
    assert found.span.text == underlined
    assert [e.text for f in found.fixes for e in f.edits] == ([fix] if fix else [])


def test_a_crowd_without_the_usual_columns_is_told_which_argument_to_give(lab: Any) -> None:
    lab.write("rows.csv", "id,a\n1,x\n")
    lab.write("said.csv", "wrkr,item,answer,tags\nw,1,x,[x]\n")
    (found,) = lab.check(f'{SOURCES}label t from rows {{ classes: ["x", "y"]  vote crowd(said) }}')
    assert found.help == ("say which it is: worker: wrkr", "it has: wrkr, item, answer, tags")


def test_a_class_that_is_none_is_guessed(lab: Any) -> None:
    lab.write("rows.csv", "id,a\n1,x\n")
    lab.write("said.csv", "wrkr,item,answer,tags\nw,1,x,[x]\n")
    (found,) = lab.check(f'{SOURCES}label t from rows {{ classes: ["spam", "ham"]  vote llm(lm, ask(a), words: {{spma: "x"}}) }}')
    assert (found.message, found.label, found.help) == (
        '`words` names "spma", which is no class',
        'did you mean "spam"?',
        ("classes: spam, ham",),
    )


@pytest.mark.parametrize(
    "module",
    [
        "from somewhere import *\n",
        "globals().update(by_length=len)\n",
        "from other import by_length\n",
        "by_length = lambda batch: []\n",
        "try:\n    import fast\nexcept ImportError:\n    def by_length(batch): return []\n",
        "if (by_length := len):\n    pass\n",
    ],
)
def test_a_function_that_may_be_there_is_no_error(lab: Any, module: str) -> None:
    lab.write("rows.csv", "id,a\n1,x\n")
    lab.write("said.csv", "wrkr,item,answer,tags\nw,1,x,[x]\n")
    lab.write("voters.py", module)
    assert lab.check(f'{SOURCES}label t from rows {{ classes: ["x", "y"]  vote plugin("voters:by_length") }}') == []


def test_a_finding_is_gone_once_the_file_is_mended(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from recipec.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("id,a\n1,x\n")
    (tmp_path / "voters.py").write_text("def one(batch): return []\n")
    (tmp_path / "r.recipe").write_text(SOURCES.split("\n")[1] + '\nlabel t from rows { classes: ["x", "y"]  vote plugin("voters:two") }\n')
    assert main(["check", "r.recipe"]) == 1
    (tmp_path / "voters.py").write_text("def two(batch): return []\n")
    assert main(["check", "r.recipe"]) == 0
