"""Cells: widths, clipping, wrapping, and texts that are safe to print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipec.report.cells import cells, clean, clip, pad, width, wrap


@pytest.mark.parametrize(
    ("text", "size"),
    [("abc", 3), ("文本", 4), ("é", 1), ("e\u0301", 1), ("ＡＢ", 4), ("\u200b", 0), ("한", 2), ("ﾊﾝ", 2), ("🙂", 2), ("…│", 2), ("", 0)],
)
def test_width(text: str, size: int) -> None:
    assert width(text) == size


def test_tabs_go_to_multiples_of_four() -> None:
    assert "".join(shown for shown, _ in cells("\ta\tbcd\t文\t")) == "    a   bcd 文  "


def test_clip_and_pad_count_cells() -> None:
    assert clip("文本内容", 5) == "文本…"
    assert clip("文本", 4) == "文本"
    assert pad("文", 4) == "文  "
    assert pad("7", 3, right=True) == "  7"


def test_wrap_breaks_at_blanks_and_between_wide_letters() -> None:
    assert wrap("one two three", 8) == ["one two", "three"]
    assert wrap("train: 80%  test: 20%", 40) == ["train: 80%  test: 20%"]
    assert wrap("没有这样的列", 6) == ["没有这", "样的列"]
    assert wrap("abcdefghij", 4) == ["abcd", "efgh", "ij"]
    assert wrap("a\n\nb", 10) == ["a", "", "b"]


@given(st.text(max_size=80), st.integers(8, 40))
def test_wrapped_lines_fit_and_lose_nothing(text: str, room: int) -> None:
    safe = clean(text)
    lines = wrap(safe, room)
    assert all(width(line) <= room for line in lines)
    assert "".join("".join(lines).split()) == "".join(safe.split())


@given(st.text(max_size=60))
def test_clean_text_moves_no_cursor(text: str) -> None:
    assert all(c.isprintable() or ord(c) > 0x9F for c in clean(text))
    assert "\n" not in clean(text)
    assert "\x1b" not in clean(text)
