"""Terminals to render for, and golden files to compare with (``RECIPEC_UPDATE_GOLDEN=1 pytest tests/report`` writes them)."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from recipec.report.terminal import Terminal

GOLDEN = Path(__file__).parent / "golden"


def terminal(width: int = 80, *, color: bool = False, unicode: bool = True) -> Terminal:
    return Terminal(io.StringIO(), color=color, unicode=unicode, width=width)


@pytest.fixture(name="terminal")
def make_terminal() -> Callable[..., Terminal]:
    return terminal


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare a text with the golden file of that name."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("RECIPEC_UPDATE_GOLDEN"):
            path.write_text(text, encoding="utf-8", newline="\n")
        assert text == path.read_text(encoding="utf-8")

    return compare
