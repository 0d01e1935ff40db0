"""Rows as tables that fit, whatever is in them."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipec.report.cells import width
from recipec.report.rows import fit, plain, record, shown, table
from recipec.report.terminal import Terminal

Make = Callable[..., Terminal]
NAMES = ("id", "n", "text", "when", "tags")
TYPES = ("VARCHAR", "BIGINT", "VARCHAR", "TIMESTAMP", "VARCHAR[]")
ROWS = [
    ("m1", 12, "Where is my parcel? It was due on Monday,\nand nobody has called.", datetime.datetime(2025, 2, 6, 16, 55), ["a", "b"]),
    ("m2", 1_234_567, "包裹什么时候到？已经等了一个星期，没有任何消息，请尽快回复。", None, []),
    ("m3", None, None, datetime.datetime(2024, 12, 31), ["只有一个"]),
]


def test_golden(terminal: Make, golden: Callable[[str, str], None]) -> None:
    wide, hidden = table(NAMES, TYPES, ROWS, terminal(80))
    assert hidden == []
    narrow, hidden = table(NAMES, TYPES, ROWS, terminal(50))
    assert hidden
    golden("rows.txt", wide + "\n" + narrow + "\n" + record(NAMES, ROWS[1], terminal(40)))


@pytest.mark.parametrize("columns", [40, 55, 80, 120])
def test_lines_fit(columns: int, terminal: Make) -> None:
    text, _ = table(NAMES, TYPES, ROWS, terminal(columns))
    assert all(width(line) <= columns for line in text.splitlines())


def test_columns_stand_below_each_other(terminal: Make) -> None:
    text, _ = table(("a", "b"), ("VARCHAR", "VARCHAR"), [("文本", "x"), ("ab", "y")], terminal())
    assert text.splitlines() == ["a     b", "文本  x", "ab    y"]


@given(st.lists(st.integers(0, 300), min_size=1, max_size=8), st.integers(40, 200))
def test_widths_never_exceed_the_room(wanted: list[int], room: int) -> None:
    least = [min(w, 5) for w in wanted]
    sizes = fit(wanted, least, room)
    assert sum(sizes) <= max(room, sum(least))
    assert all(size <= max(want, 1) for size, want in zip(sizes, wanted, strict=True))


def test_values_as_json() -> None:
    assert plain({"a": [Decimal("1.5"), float("nan"), b"\x01"], "d": datetime.date(2025, 1, 2)}) == {
        "a": [1.5, None, "01"],
        "d": "2025-01-02",
    }


def test_values_as_text() -> None:
    assert shown(None) == "null"
    assert shown(True) == "true"
    assert shown("a\nb\x1b") == "a⏎b␛"
    assert shown({"k": "值"}) == '{"k": "值"}'
    assert shown(0.1 + 0.2) == "0.3"
