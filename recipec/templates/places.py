"""Places inside a template: from an offset of its text to the words of the recipe.

A block's text is what stands between its quotes without its indentation, so a line of the text is a line of the recipe
with something cut off in front.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from recipec.source import Span
from recipec.syntax import tree

_ENDS = re.compile(r"\r\n|\r|\n")


class Places:
    def __init__(self, string: tree.String) -> None:
        self.string = string
        self.value = string.value
        self.starts = [0, *(m.end() for m in re.finditer("\n", self.value))]
        """Where each line of the value begins."""
        written = string.span.text
        quotes = 3 if string.block else 1
        lines: list[tuple[int, str]] = []
        begin = quotes
        inner_end = len(written) - quotes
        for m in _ENDS.finditer(written, quotes, inner_end):
            lines.append((begin, written[begin : m.start()]))
            begin = m.end()
        lines.append((begin, written[begin:inner_end]))
        if not string.block:
            lines = [(quotes, written[quotes:inner_end])]
        self.lines = lines[len(lines) - len(self.starts) :]
        """(place in the written text, its text) for each line of the value: a blank first one is not among them."""
        # An ordinary string with escapes: its letters are not where they are written.
        self.exact = string.block or "\\" not in written

    def line_of(self, offset: int) -> int:
        return bisect_right(self.starts, offset)

    def offset(self, offset: int) -> int:
        """The recipe's offset of the value's."""
        number = self.line_of(offset) - 1
        at, written = self.lines[min(number, len(self.lines) - 1)]
        start = self.starts[number]
        end = self.starts[number + 1] - 1 if number + 1 < len(self.starts) else len(self.value)
        line = self.value[start:end]
        column = min(offset, end) - start
        if not self.string.block:
            return self.string.span.start + at + column
        # Three quotes inside a block are written with a backslash before them.
        cut = len(written.replace('\\"""', '"""')) - len(line) if line else 0
        column += cut
        seen = 0
        for found in re.finditer(r'\\"""', written):
            if found.start() - seen < column:
                seen += 1
        return self.string.span.start + at + column + seen

    def span(self, start: int, end: int) -> Span:
        if not self.exact:
            return self.string.span
        first = self.offset(start)
        return Span(self.string.span.source, first, max(self.offset(max(end - 1, start)) + 1, first + 1))

    def line(self, number: int) -> Span:
        """A line of the value, without the blanks around it."""
        number = min(max(number, 1), len(self.starts))
        start = self.starts[number - 1]
        end = self.starts[number] - 1 if number < len(self.starts) else len(self.value)
        text = self.value[start:end]
        left, right = len(text) - len(text.lstrip()), len(text) - len(text.rstrip())
        return self.span(start + left, max(end - right, start + left + 1)) if text.strip() else self.span(start, start + 1)
