"""Where text goes: its width, its colours, and the characters that it can show.

Nothing here imports more than ``os`` and ``sys``: a check must start fast, so colours are plain ANSI sequences.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

COLORS = ("auto", "always", "never")

STYLES = {
    "error": "1;31",
    "warning": "1;33",
    "note": "1;36",
    "gutter": "34",
    "other": "36",
    "bold": "1",
    "dim": "2",
    "good": "32",
    "bad": "31",
    "changed": "33",
}
"""Style names and their ANSI codes. ``other`` is for secondary labels."""

PLAIN = {
    "│": "|", "┌": "-", "─": "-", "·": ".", "╭": "/", "╰": "\\", "╮": "\\", "╯": "/", "├": "|", "┤": "|", "┼": "+", "┬": "+",
    "┴": "+", "└": "`", "…": "...", "→": "->", "←": "<-", "✓": "ok", "✗": "x", "━": "=", "╺": "-", "●": "*", "×": "x",
}  # fmt: skip
"""What stands for each drawing character where the output cannot encode it."""

OFF_TERMINAL = 100
"""Columns to assume for a file or a pipe."""


class Terminal:
    """An output stream and what it can do.

    ``color`` and ``unicode`` say whether ANSI colours and drawing characters may be used; ``live`` whether lines can be
    redrawn in place; ``width`` is in cells. Once the reader has gone away (``head`` has seen enough), ``closed`` is true
    and further text is dropped, so that a run is not stopped by it.
    """

    def __init__(self, stream: TextIO, *, color: bool = False, unicode: bool = True, width: int = OFF_TERMINAL, live: bool = False) -> None:
        self.stream, self.color, self.unicode, self.width, self.live = stream, color, unicode, width, live
        self.closed = False

    @classmethod
    def of(cls, stream: TextIO, color: str = "auto") -> Terminal:
        """What ``stream`` can do, by ``--color``, NO_COLOR, FORCE_COLOR, TERM and COLUMNS."""
        tty = stream.isatty()
        dumb = os.environ.get("TERM", "") == "dumb"
        return cls(
            stream, color=wants_color(color, tty and not dumb), unicode=encodes(stream), width=columns(stream, tty), live=tty and not dumb
        )

    def write(self, text: str) -> bool:
        """Write ``text``; False when nobody reads any more."""
        if self.closed:
            return False
        try:
            try:
                self.stream.write(text)
            except UnicodeEncodeError:
                encoding = self.stream.encoding or "ascii"
                self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            if self.live:
                self.stream.flush()
        except BrokenPipeError:
            self.hang_up()
        return not self.closed

    def line(self, text: str = "") -> bool:
        return self.write(text + "\n")

    def finish(self) -> None:
        """Flush; a reader that has gone away is no error."""
        try:
            if not self.closed and not self.stream.closed:
                self.stream.flush()
        except BrokenPipeError:
            self.hang_up()

    def hang_up(self) -> None:
        """The reader is gone: send what Python still holds to nowhere, so that the interpreter's last flush is silent."""
        self.closed = True
        try:
            descriptor = self.stream.fileno()
        except (OSError, ValueError):
            return
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, descriptor)
        os.close(null)

    def paint(self, style: str, text: str) -> str:
        """``text`` in a style of :data:`STYLES`, or as it is where there are no colours."""
        return f"\033[{STYLES[style]}m{text}\033[0m" if self.color and style and text else text

    def draw(self, text: str) -> str:
        """Drawing characters as they are, or their plain stand-ins."""
        return text if self.unicode else "".join(PLAIN.get(c, c) for c in text)


def wants_color(color: str, able: bool) -> bool:
    """The option decides, then NO_COLOR, then FORCE_COLOR, then the terminal."""
    if color != "auto":
        return color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    forced = os.environ.get("FORCE_COLOR")
    if forced is not None:
        return forced != "0"
    return able


def encodes(stream: TextIO) -> bool:
    try:
        "".join(PLAIN).encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def columns(stream: TextIO, tty: bool) -> int:
    """The width: COLUMNS, else the terminal's, else 100; at least 40."""
    given = os.environ.get("COLUMNS", "")
    if given.isdigit() and int(given) > 0:
        return max(40, int(given))
    if tty:
        try:
            return max(40, os.get_terminal_size(stream.fileno()).columns or OFF_TERMINAL)
        except (OSError, ValueError):
            pass
    return OFF_TERMINAL


def stdout(color: str = "auto") -> Terminal:
    return Terminal.of(sys.stdout, color)


def stderr(color: str = "auto") -> Terminal:
    return Terminal.of(sys.stderr, color)
