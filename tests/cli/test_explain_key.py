"""A row is named by its source's key before its place in a file, and by that before the start of its _key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_harness import Run

RECIPE = """
source rows = csv("rows.csv") { key: id  columns: { id: text, text: text } }
source said = csv("said.csv") { columns: { item: text, answer: text } }
sql both from rows, said \"\"\"select r.id, r.text, s.answer from rows r join said s on s.item = r.id\"\"\" { key: id }
"""


@pytest.fixture
def built(tmp_path: Path, recipec: Run) -> Path:
    (tmp_path / "rows.csv").write_text("id,text\n1,one\n2,two\nabcdef01,word\n")
    (tmp_path / "said.csv").write_text("item,answer\n2,a\n1,b\nabcdef01,c\n")
    (tmp_path / "r.recipe").write_text(RECIPE)
    assert recipec("run", "r.recipe").status == 0
    return tmp_path


def labels(recipec: Run, *argv: str) -> tuple[list[str], list[str]]:
    lives = json.loads(recipec("explain", "r.recipe", *argv, "--format", "json").out)
    return [life["label"] for life in lives], lives[0]["also"]


def test_a_key_comes_before_a_place(built: Path, recipec: Run) -> None:
    assert labels(recipec, "both", "2") == (["2"], ["said.csv:2"])
    assert recipec("explain", "r.recipe", "both", "2").out.splitlines()[-1] == "`2` could also be said.csv:2: name it so"
    assert labels(recipec, "both", "said.csv:2") == (["said.csv:2"], [])
    # No row has this key: a number is a place then.
    assert labels(recipec, "both", "3") == (["said.csv:3"], [])
    assert labels(recipec, "said", "2") == (["said.csv:2"], [])


def test_a_key_comes_before_the_start_of_a_hidden_one(built: Path, recipec: Run) -> None:
    assert labels(recipec, "both", "abcdef01") == (["abcdef01"], [])
    (life,) = json.loads(recipec("explain", "r.recipe", "both", "1", "--format", "json").out)
    assert labels(recipec, "both", life["key"]) == labels(recipec, "both", life["key"][:13].upper()) == (["1"], [])


@pytest.mark.parametrize("key", ["99", "9" * 13, "9" * 40, "said.csv:0", "other.csv:1", "1,2", ""])
def test_what_no_row_answers_to(built: Path, recipec: Run, key: str) -> None:
    done = recipec("explain", "r.recipe", "both", key)
    assert (done.status, f"no row `{key}`" in done.err) == (2, True)
