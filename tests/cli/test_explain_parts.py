"""``explain`` says what took a part of a text: dedupe(unit:) and lines, and only where they did."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_harness import Run

RECIPE = """
source rows = jsonl("rows.jsonl") { key: id  columns: { id: text, text: text } }
clean lines from rows { sort(id)  dedupe(text, unit: line) }
clean paragraphs from rows { sort(id)  dedupe(text, unit: paragraph) }
clean short from rows { lines(text) { drop where length(line) > 5 } }
"""
ROWS = {"a": "one\nshared", "b": "two\nshared", "c": "three\n\nlonger line", "d": "three"}


@pytest.fixture
def life(tmp_path: Path, recipec: Run) -> Callable[[str, str], str]:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"id": k, "text": v}) + "\n" for k, v in ROWS.items()), encoding="utf-8")
    (tmp_path / "r.recipe").write_text(RECIPE, encoding="utf-8")
    assert recipec("run", "r.recipe").status == 0
    return lambda step, key: recipec("explain", "r.recipe", step, key).out


def test_a_repeated_line_is_credited_to_dedupe(life: Callable[[str, str], str]) -> None:
    told = life("lines", "b")
    assert "text changed by dedupe" in told
    assert "dedupe" not in life("lines", "a")
    assert "changed" not in life("lines", "a")


def test_a_text_of_which_no_paragraph_is_left(life: Callable[[str, str], str]) -> None:
    assert "dropped: duplicate paragraphs (its one paragraph was seen before)" in life("paragraphs", "d")
    assert "changed" not in life("paragraphs", "b")


def test_lines_taken_out_are_credited_to_lines(life: Callable[[str, str], str]) -> None:
    assert "text changed by lines" in life("short", "c")
    assert "changed" not in life("short", "d")
