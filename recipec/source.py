"""Source files and spans.

A :class:`Source` is one recipe file held in memory; a :class:`Span` is a half-open range of it.
Offsets count code points, as Python strings do. Lines and columns shown to people are one-based;
columns for editors (LSP) count UTF-16 units from zero, see :meth:`Source.utf16`.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import field
from functools import cached_property
from pathlib import Path

from recipec.record import record


@record(frozen=True, eq=False)
class Source:
    """The text of one file.

    ``path`` is the name shown to people: as the user gave it, or as an import found it. ``"-"`` is standard input.
    """

    path: str
    text: str

    @cached_property
    def starts(self) -> list[int]:
        """Offset at which each line begins."""
        starts = [0]
        position = self.text.find("\n")
        while position != -1:
            starts.append(position + 1)
            position = self.text.find("\n", position + 1)
        return starts

    @property
    def folder(self) -> Path:
        """The folder that paths inside the recipe are relative to."""
        return Path.cwd() if self.path == "-" else Path(self.path).parent

    def place(self, offset: int) -> tuple[int, int]:
        """One-based (line, column) of an offset."""
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of the one-based line ``number``, without its line end."""
        start = self.starts[number - 1]
        end = self.starts[number] if number < len(self.starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def utf16(self, offset: int) -> tuple[int, int]:
        """Zero-based (line, UTF-16 column) of an offset, as editors count."""
        line, _ = self.place(offset)
        prefix = self.text[self.starts[line - 1] : offset]
        return line - 1, len(prefix.encode("utf-16-le", "surrogatepass")) // 2

    def offset16(self, line: int, column: int) -> int:
        """The offset of a zero-based (line, UTF-16 column); past the end of a line counts as its end."""
        if line >= len(self.starts):
            return len(self.text)
        start, units = self.starts[line], 0
        end = self.starts[line + 1] - 1 if line + 1 < len(self.starts) else len(self.text)
        for offset in range(start, end):
            if units >= column:
                return offset
            units += 2 if ord(self.text[offset]) > 0xFFFF else 1
        return end

    def span(self, start: int, end: int) -> Span:
        return Span(self, start, end)


@record(frozen=True)
class Span:
    """Half-open range ``[start, end)`` of a source."""

    source: Source = field(repr=False)
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def place(self) -> tuple[int, int]:
        """One-based (line, column) of the start."""
        return self.source.place(self.start)

    @property
    def end_place(self) -> tuple[int, int]:
        """One-based (line, column) of the end."""
        return self.source.place(self.end)

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of ``other``."""
        return Span(self.source, self.start, max(self.end, other.end))

    @property
    def order(self) -> tuple[str, int, int]:
        """Sort key: by file, then place."""
        return self.source.path, self.start, self.end
