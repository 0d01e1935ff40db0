"""Findings as text: marks under their places, whatever the letters, the width and the terminal."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from samples import OTHER, SOURCE, NoColumn, at, findings

from recipec.diagnostics import Diagnostic, Label
from recipec.report.cells import cells, width
from recipec.report.snippet import mark
from recipec.report.terminal import Terminal
from recipec.report.text import finding, summary
from recipec.source import Source

CASES = findings()
Make = Callable[..., Terminal]


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str, terminal: Make, golden: Callable[[str, str], None]) -> None:
    golden(f"{name}.txt", finding(CASES[name], terminal()))


def test_golden_in_ascii(terminal: Make, golden: Callable[[str, str], None]) -> None:
    shown = "\n".join(finding(CASES[n], terminal(unicode=False)) for n in ("gap", "several-lines", "long-line", "tricks"))
    golden("ascii.txt", shown)
    assert shown.isascii()


def test_golden_in_colour(terminal: Make, golden: Callable[[str, str], None]) -> None:
    golden("colour.txt", finding(CASES["gap"], terminal(color=True)))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(name: str, columns: int, terminal: Make) -> None:
    for line in finding(CASES[name], terminal(columns)).splitlines():
        assert width(line) <= columns or "──" in line, line


@pytest.mark.parametrize("name", CASES)
def test_the_main_place_is_marked_in_its_column(name: str, terminal: Make) -> None:
    """Under the first cell of the span stands a caret, wide letters and tabs counted."""
    d = CASES[name]
    line, column = d.span.place
    if mark(Label(d.span), True).long or len(d.span.source.line(line)) > 200:
        return
    lines = finding(d, terminal(120)).splitlines()
    gutter = next(i for i, text in enumerate(lines) if text.split("│")[0].strip() == str(line))
    before = sum(size for _, size in cells(d.span.source.line(line)[: column - 1]))
    marks = lines[gutter + 1].split("│", 1)[1]
    cell = 0
    for char, size in cells(marks):
        if cell == before + 1:
            assert char == "^"
            return
        cell += size
    pytest.fail("no mark")


def test_colours_only_add_colours(terminal: Make) -> None:
    import re

    for d in CASES.values():
        assert re.sub(r"\033\[[\d;]*m", "", finding(d, terminal(color=True))) == finding(d, terminal())


def test_control_characters_do_not_reach_the_terminal(terminal: Make) -> None:
    shown = finding(CASES["tricks"], terminal())
    assert not any((ord(c) < 32 and c != "\n") or c == "\u202e" for c in shown)


def test_a_place_past_the_end_is_the_end(terminal: Make) -> None:
    source = Source("a.recipe", "x")
    assert "a.recipe:1:2" in finding(NoColumn(span=source.span(1, 1), message="m"), terminal())
    empty = Source("b.recipe", "")
    assert "b.recipe:1:1" in finding(NoColumn(span=empty.span(0, 0), message="m"), terminal())


def test_labels_of_two_files_stand_under_their_files(terminal: Make) -> None:
    shown = finding(CASES["other-file"], terminal())
    assert shown.index(SOURCE.path) < shown.index(OTHER.path)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["simple"], "1 finding (1 error, 1 fixable)"),
        (["simple", "gap", "same-place"], "3 findings (1 error, 1 warning, 1 note, 1 fixable)"),
    ],
)
def test_summary(names: list[str], words: str) -> None:
    assert summary([CASES[n] for n in names]) == words


def test_many_labels_on_a_line(terminal: Make) -> None:
    """However many, each label's words are shown once."""
    text = "alpha beta gamma delta epsilon"
    source = Source("m.recipe", text)
    words = text.split()
    also = tuple(Label(at(w, source), f"label {w}") for w in words[1:])
    shown = finding(Diagnostic(span=at("alpha", source), message="m", label="label alpha", also=also), terminal())
    for w in words:
        assert shown.count(f"label {w}") == 1
