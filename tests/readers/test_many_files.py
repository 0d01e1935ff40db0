"""Sources of very many files, with a few that stand for them: what is told of each by itself where they are few is told of groups."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from recipec.plan import fingerprint
from recipec.readers import _stream, _whole
from recipec.steps import source

RECIPE = 'source docs = files("d/**/*.txt")\nclean c from docs { n = length(text) }'


@pytest.fixture
def many(lab: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for module in (fingerprint, source, _stream):
        monkeypatch.setattr(module, "MANY", 20)
    for i in range(100):
        path = lab.write(f"d/{i % 7}/文{i}.txt", f"text {i}")
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return lab


def test_many_files_are_read_once_and_then_looked_at(many: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert many.run(RECIPE).rows("select count(*), sum(n) from c") == [(100, 690)]
    opened: list[Any] = []
    digest = fingerprint.contents_digest
    monkeypatch.setattr(fingerprint, "contents_digest", lambda group: opened.append(group) or digest(group))
    assert [p.status for p in many.plan(RECIPE).steps] == ["reuse", "reuse"]
    assert opened == []
    # One that changes is found among its group; one more, one less and one renamed are changes too.
    (many.folder / "d/3/文3.txt").write_text("other")
    plan = many.plan(RECIPE).steps
    assert [len(g) < 20 for g in opened] == [True]
    assert plan[0].why.startswith("file d/**.txt (part ")
    assert many.run(RECIPE).rows("select count(*), sum(n) from c") == [(100, 689)]
    (many.folder / "d/3/文3.txt").rename(many.folder / "d/3/x.txt")
    assert many.plan(RECIPE).steps[0].status == "run"
    assert many.run(RECIPE).rows("select count(*) from docs where path = 'd/3/x.txt'") == [(1,)]
    (many.folder / "d/3/x.txt").unlink()
    assert many.run(RECIPE).rows("select count(*) from docs") == [(99,)]
    (bookkept,) = many.rows("select max(length(meaning::text)) + max(length(files::text)) from recipec.steps")
    assert bookkept[0] < 20_000


def test_many_files_of_lines_and_records(many: Any) -> None:
    for i in range(60):
        many.write(f"j/{i}.jsonl", json.dumps({"n": i}) + "\n" + ("bad\n" if i == 7 else ""))
        many.write(f"c/{i}.csv", f'n,t\n{i},"文,{i}"\n')
    text = """
      source j = jsonl("j/*.jsonl") { max_bad: 50% }
      source c = csv("c/*.csv")
      source l = lines("c/*.csv")
    """
    ran = many.run(text)
    assert ran.rows("select count(*), sum(n), (select sum(n) from c), (select count(*) from l) from j") == [(60, 1770, 1770, 120)]
    assert many.rows('select file, "row" from recipec.bad') == [("j/7.jsonl", 2)]


def test_two_files_that_change_places_are_a_change(lab: Any) -> None:
    """Row keys come from the files' names, so it matters which file holds what."""
    for name, text in (("a", "n\n1\n"), ("b", "n\n2\n")):
        lab.write(f"{name}.csv", text)
    text = 'source s = csv(["a.csv", "b.csv"])'
    before = lab.run(text).rows("select _key, n from s order by n")
    lab.write("a.csv", "n\n2\n")
    lab.write("b.csv", "n\n1\n")
    assert lab.plan(text).steps[0].status == "run"
    after = lab.run(text).rows("select _key, n from s order by n")
    assert [k for k, _ in before] == [k for k, _ in reversed(after)]


def test_short_files_are_read_with_few_calls_and_others_as_ever(tmp_path: Path) -> None:
    from recipec.api import SourceFile

    (tmp_path / "a.txt").write_bytes(b"x" * 100)
    (tmp_path / "b.txt").write_bytes(b"x" * _whole.PLAIN)
    (tmp_path / "c.txt").write_bytes(b"PK\x03\x04")
    found = [_whole.small(SourceFile(tmp_path / n, n)) for n in ("a.txt", "b.txt", "c.txt", "none.txt")]
    assert found == [b"x" * 100, None, None, None]
