"""The terminal: colours, encodings, widths, and readers that go away."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import Any

import pytest

from recipec.report.terminal import PLAIN, Terminal


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError


@pytest.mark.parametrize(
    ("environment", "option", "tty", "colors"),
    [
        ({}, "auto", True, True),
        ({}, "auto", False, False),
        ({"NO_COLOR": "1"}, "auto", True, False),
        ({"NO_COLOR": ""}, "auto", True, True),
        ({"FORCE_COLOR": "1"}, "auto", False, True),
        ({"FORCE_COLOR": "0"}, "auto", True, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, "auto", True, False),
        ({"NO_COLOR": "1"}, "always", False, True),
        ({"FORCE_COLOR": "1"}, "never", True, False),
        ({"TERM": "dumb"}, "auto", True, False),
    ],
)
def test_colours(environment: dict[str, str], option: str, tty: bool, colors: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Terminal.of(Screen() if tty else io.StringIO(), option).color is colors


def test_width_of_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    assert Terminal.of(io.StringIO()).width == 72
    monkeypatch.setenv("COLUMNS", "3")
    assert Terminal.of(io.StringIO()).width == 40
    monkeypatch.setenv("COLUMNS", "many")
    assert Terminal.of(io.StringIO()).width == 100


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gbk"])
def test_what_cannot_be_encoded_is_escaped_and_drawn_plainly(encoding: str) -> None:
    data = io.BytesIO()
    out = Terminal.of(io.TextIOWrapper(data, encoding=encoding))
    out.write(out.draw("│ ✓ ") + "文本 ok\n")
    out.finish()
    assert b"ok\n" in data.getvalue()
    assert out.unicode is False


def test_every_drawing_character_has_a_plain_stand_in() -> None:
    assert all(v.isascii() for v in PLAIN.values())


def run_python(code: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, **options)


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = (
        "import os, sys; from recipec.report.terminal import stdout; r, w = os.pipe(); os.dup2(w, 1); os.close(r); os.close(w)\n"
        "out = stdout()\nok = [out.write('x' * 100000) for _ in range(3)]; out.finish()\n"
        "print(ok[0], out.closed, file=sys.stderr)"
    )
    done = run_python(code, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.stderr.split() == [b"False", b"True"]
    assert done.returncode == 0
