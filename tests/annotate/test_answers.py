"""The file of answers: what a line may be, that a change touches one line, and that git merges."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipec.annotate.answers import Answers, prepare
from recipec.api import DataError
from recipec.readers._answers import Answer, order, read_line


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1]", "not an object"),
        ("{", "not JSON"),
        ("[" * 100_000, "nested too deep"),
        ("<<<<<<< HEAD", "git left a conflict"),
        ('{"worker": "a", "answer": "x"}', "`item`"),
        ('{"item": [], "worker": "a", "answer": "x"}', "`item`"),
        ('{"item": true, "worker": "a", "answer": "x"}', "`item`"),
        ('{"item": "1", "answer": "x"}', "`worker`"),
        ('{"item": "1", "worker": "a"}', "`answer`"),
        ('{"item": "1", "worker": "a", "answer": 3}', "`answer`"),
        ('{"item": "1", "worker": "a", "spans": [[0, 2, "P"]], "tokens": 1}', "no stretch"),
        ('{"item": "1", "worker": "a", "spans": [[0, 2, "P"], [1, 3, "P"]], "tokens": 3}', "overlap"),
        ('{"item": "1", "worker": "a", "spans": [], "tokens": 1000000000000}', "`tokens`"),
    ],
)
def test_what_is_no_answer(line: str, said: str) -> None:
    found = read_line(line)
    assert isinstance(found, str)
    assert said in found


names = st.text(min_size=1, max_size=8)


@given(
    st.builds(
        Answer,
        st.lists(names, min_size=1, max_size=3).map(tuple),
        names,
        st.one_of(st.none(), names.map(lambda n: (n,))),
    )
)
def test_a_line_reads_as_it_was_written(answer: Answer) -> None:
    line = answer.line()
    assert read_line(line) == answer
    assert "\n" not in line
    assert "\r" not in line


def test_several_classes_and_marks_read_as_written() -> None:
    for answer in (
        Answer(("x",), "王", ("a", "b"), many=True),
        Answer(("x",), "王", (), many=True),
        Answer(("x", "y"), "w", None, ((0, 2, "PER"), (2, 3, "LOC")), 4),
        Answer(("x",), "w", None, (), 0),
    ):
        assert read_line(answer.line()) == answer
    assert Answer(("x",), "w", None, ((0, 2, "PER"), (2, 3, "PER")), 4).tags() == ["B-PER", "I-PER", "B-PER", "O"]


def test_whole_numbers_are_sorted_by_value() -> None:
    items = [("10",), ("9",), ("a",), ("١",), ("b", "2"), ("b", "10")]
    assert sorted(items, key=lambda i: order(i, "")) == [("9",), ("10",), ("a",), ("b", "2"), ("b", "10"), ("١",)]


def test_an_answer_touches_one_line(tmp_path: Path) -> None:
    path = tmp_path / "labels" / "t.jsonl"
    prepare(path)
    assert "merge=union" in (path.parent / ".gitattributes").read_text()
    # A line of somebody else's hand, in another order and with more in it, stays as it is.
    odd = '{"worker":"bob",  "item":"5", "answer":"ham", "note":"sure"}'
    path.write_text(odd + "\r\n\n", encoding="utf-8")
    answers = Answers(path)
    answers.put(Answer(("10",), "ann", ("spam",)))
    answers.put(Answer(("5",), "ann", ("spam",)))
    assert path.read_text() == (
        '{"item": "5", "worker": "ann", "answer": "spam"}\n' + odd + "\n" + '{"item": "10", "worker": "ann", "answer": "spam"}\n'
    )
    old = answers.put(Answer(("5",), "ann", ("ham",)))
    assert old == ['{"item": "5", "worker": "ann", "answer": "spam"}']
    answers.replace((("5",), "ann"), [])
    assert len(path.read_text().splitlines()) == 2
    assert [p.name for p in path.parent.iterdir() if p.name != ".gitattributes"] == ["t.jsonl"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["1", "2", "10", "a", "文"]), st.sampled_from(["ann", "bob"]), st.sampled_from(["x", "y", None])),
        max_size=30,
    )
)
def test_any_order_of_answers_gives_the_same_file(steps: list[tuple[str, str, str | None]]) -> None:
    """What the file holds is the last that was said, in the order of keys: None takes an answer back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.jsonl"
        answers = Answers(path)
        last: dict[tuple[str, str], str | None] = {}
        for item, worker, said in steps:
            answers.replace(((item,), worker), [Answer((item,), worker, (said,)).line()] if said else [])
            last[item, worker] = said
        wanted = [Answer((i,), w, (a,)).line() for (i, w), a in sorted(last.items(), key=lambda e: order((e[0][0],), e[0][1])) if a]
        assert (path.read_text(encoding="utf-8") if path.exists() else "").splitlines() == wanted
        assert Answers(path).lines == answers.lines


def test_two_processes_lose_nothing(tmp_path: Path) -> None:
    one, two = Answers(tmp_path / "t.jsonl"), Answers(tmp_path / "t.jsonl")
    one.put(Answer(("1",), "ann", ("a",)))
    two.put(Answer(("2",), "bob", ("a",)))
    one.put(Answer(("3",), "ann", ("b",)))
    assert len((tmp_path / "t.jsonl").read_text().splitlines()) == 3
    two.refresh()
    assert two.of(("3",), "ann") == Answer(("3",), "ann", ("b",))


def test_a_file_that_is_not_understood_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"item": "1", "worker": "a", "answer": "x"}\n=======\n')
    with pytest.raises(DataError, match=r"t\.jsonl:2: git left a conflict"):
        Answers(path)
    path.write_bytes(b"\xff\n")
    with pytest.raises(DataError, match="not UTF-8"):
        Answers(path)


def test_a_crash_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(tmp_path / "t.jsonl")
    answers.put(Answer(("1",), "ann", ("a",)))
    before = (tmp_path / "t.jsonl").read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left"):
        answers.put(Answer(("2",), "ann", ("a",)))
    assert (tmp_path / "t.jsonl").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["t.jsonl"]
    assert answers.of(("2",), "ann") is None


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("git") is None, reason="no git here")
def test_branches_of_two_people_merge(tmp_path: Path) -> None:
    """Both answer the same rows, neighbours and all, and one changes an answer of before: git merges without a word."""
    path = tmp_path / "labels" / "t.jsonl"
    prepare(path)
    Answers(path).put(Answer(("3",), "cleo", ("a",)))
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "start")
    for who, rows in (("ann", range(6)), ("bob", range(2, 9))):
        git(tmp_path, "checkout", "-b", who, "main")
        answers = Answers(path)
        for n in rows:
            answers.put(Answer((str(n),), who, ("a" if n % 2 else "b",)))
        if who == "ann":
            answers.put(Answer(("7",), "cleo", ("b",)))
        git(tmp_path, "commit", "-am", who)
    git(tmp_path, "merge", "ann")
    merged = Answers(path)
    assert {(i, w) for i, who in merged.said.items() for w in who} == {
        *(((str(n),), "ann") for n in range(6)), *(((str(n),), "bob") for n in range(2, 9)), (("3",), "cleo"), (("7",), "cleo"),
    }  # fmt: skip
    # The next answer puts the lines in order again, and loses none.
    merged.put(Answer(("9",), "ann", ("a",)))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == sorted(lines, key=lambda found: (int(found["item"]), found["worker"]))
    assert len(lines) == 16
