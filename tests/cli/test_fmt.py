"""``fmt``: files laid out, shown or only named."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from cli_harness import GOOD, Run

UGLY = GOOD.replace("{ key: id }", "{key:id}").replace("length = length", "length=length")


def test_files_are_laid_out(recipec: Run, good: Path) -> None:
    good.write_text(UGLY, encoding="utf-8")
    done = recipec("fmt")
    assert (done.status, done.out) == (0, "laid out good.recipe\n")
    assert good.read_text(encoding="utf-8") == GOOD
    done = recipec("fmt", "good.recipe")
    assert (done.status, done.out, done.err) == (0, "", "1 file: 1 as it was\n")


def test_check_and_diff_change_nothing(recipec: Run, good: Path) -> None:
    good.write_text(UGLY, encoding="utf-8")
    done = recipec("fmt", "--check", ".")
    assert (done.status, done.out) == (1, "would change good.recipe\n")
    done = recipec("fmt", "--diff", ".")
    assert done.status == 1
    assert "-  length=length(text)\n+  length = length(text)\n" in done.out
    assert good.read_text(encoding="utf-8") == UGLY
    good.write_text(GOOD, encoding="utf-8")
    assert recipec("fmt", "--check").status == recipec("fmt", "--diff").status == 0


def test_standard_input_to_standard_output(recipec: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(UGLY.encode())))
    done = recipec("fmt", "-")
    assert (done.status, done.out, done.err) == (0, GOOD, "")


def test_syntax_errors_are_shown_and_the_file_left_alone(recipec: Run, good: Path) -> None:
    broken = UGLY.replace("keep where", "keep wher")
    good.write_text(broken, encoding="utf-8")
    done = recipec("fmt")
    assert done.status == 1
    assert "good.recipe:5:" in done.err
    assert "1 with syntax errors, left alone" in done.err
    assert good.read_text(encoding="utf-8") == broken


def test_standard_input_with_syntax_errors_comes_back_as_it_was(recipec: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"clean {")))
    done = recipec("fmt", "-", "--stdin-name", "a.recipe")
    assert (done.status, done.out) == (1, "clean {")
    assert "a.recipe:1:" in done.err


def test_files_that_cannot_be_read_do_not_stop_the_others(recipec: Run, good: Path) -> None:
    good.write_text(UGLY, encoding="utf-8")
    good.with_name("a.recipe").write_bytes(b"\xff")
    done = recipec("fmt")
    assert done.status == 2
    assert "a.recipe:1:1: not UTF-8 text" in done.err
    assert good.read_text(encoding="utf-8") == GOOD
