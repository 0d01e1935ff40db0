"""Places of a source drawn with marks under them.

One file's labels become rows: the lines that they touch, with ``^`` under the main place and ``-`` under the others,
the labels' words behind or below the marks, and ``·`` where lines are left out. A span over several lines gets a bracket
at the left. Lines too long for the terminal are shown as windows around the marks.
"""

from __future__ import annotations

from collections.abc import Iterator

from recipec.diagnostics import Label
from recipec.record import record
from recipec.report.cells import cells, clean, width, wrap
from recipec.report.terminal import Terminal
from recipec.source import Source, Span

NARROW = 24
"""Least cells for words beside a mark; with less room they go below."""


@record(frozen=True)
class Mark:
    """A label as lines and columns: one-based lines, zero-based columns in code points, ``b`` exclusive and past ``a``."""

    first: int
    a: int
    last: int
    b: int
    text: str
    main: bool

    @property
    def long(self) -> bool:
        return self.first != self.last


def mark(label: Label, main: bool, unicode: bool = True) -> Mark:
    """Where a label stands, without the blanks and line ends at its end; an empty span is one column wide."""
    source, span = label.span.source, label.span
    start = max(0, min(span.start, len(source.text)))
    end = max(start, min(span.end, len(source.text)))
    end = start + len(source.text[start:end].rstrip())
    first, a = source.place(start)
    last, b = source.place(end)
    if first == last:
        b = max(b, a + 1)
    return Mark(first, a - 1, last, b - 1, clean(label.text, unicode), main)


class Canvas:
    """A row of cells with a style each; wide letters take two."""

    def __init__(self, size: int = 0) -> None:
        self.cells: list[tuple[str, str]] = [(" ", "")] * size

    def put(self, at: int, text: str, style: str = "", *, over: bool = True) -> None:
        for shown, size in cells(text):
            if size == 0:
                if 0 < at <= len(self.cells):
                    char, old = self.cells[at - 1]
                    self.cells[at - 1] = (char + shown, old)
                continue
            while len(self.cells) < at + size:
                self.cells.append((" ", ""))
            if over or self.cells[at][0] == " ":
                self.cells[at] = (shown, style)
                for further in range(at + 1, at + size):
                    self.cells[further] = ("", style)
            at += size

    def text(self, terminal: Terminal) -> str:
        """The row with its styles, without blanks at its end."""
        row = list(self.cells)
        while row and row[-1][0] == " ":
            row.pop()
        out, at = "", 0
        while at < len(row):
            style, end = row[at][1], at
            while end < len(row) and row[end][1] == style:
                end += 1
            out += terminal.paint(style, terminal.draw("".join(c for c, _ in row[at:end])))
            at = end
        return out


class Drawing:
    """Draws the labels of one finding; ``style`` is that of its severity."""

    def __init__(self, terminal: Terminal, style: str, gutter: int) -> None:
        self.terminal, self.style, self.gutter = terminal, style, gutter

    def head(self, span: Span) -> str:
        line, column = span.place
        place = f"{clean(span.source.path, self.terminal.unicode)}:{line}:{column}"
        return " " * self.gutter + self.terminal.paint("gutter", self.terminal.draw("┌─")) + f" {place}"

    def edge(self, number: int | None = None, text: str = "") -> str:
        left = ("" if number is None else str(number)).rjust(self.gutter)
        shown = self.terminal.paint("gutter", left + self.terminal.draw("│"))
        return f"{shown} {text}" if text else shown

    def file(self, source: Source, labels: list[tuple[Label, bool]]) -> Iterator[str]:
        """The rows of one file, from its name to the last mark."""
        marks = [mark(label, main, self.terminal.unicode) for label, main in labels]
        yield self.head(next((label.span for label, main in labels if main), labels[0][0].span))
        yield self.edge()
        brackets = self.depths([m for m in marks if m.long])
        margin = 2 * (max(brackets.values(), default=-1) + 1)
        wanted = {n for m in marks for n in (m.first, m.last)}
        numbers = sorted(wanted | {n + 1 for n in wanted if n + 2 in wanted})
        before = 0
        for number in numbers:
            if before and number > before + 1:
                yield " " * self.gutter + self.terminal.paint("gutter", self.terminal.draw("·"))
            before = number
            yield from self.line(source, number, marks, brackets, margin)

    @staticmethod
    def depths(long: list[Mark]) -> dict[Mark, int]:
        """A column for each bracket, so that those which overlap stand side by side: the widest outermost."""
        placed: dict[Mark, int] = {}
        for item in sorted(dict.fromkeys(long), key=lambda m: (m.first - m.last, m.first)):
            taken = {d for other, d in placed.items() if other.first <= item.last and item.first <= other.last}
            placed[item] = next(d for d in range(len(placed) + 1) if d not in taken)
        return placed

    def line(self, source: Source, number: int, marks: list[Mark], brackets: dict[Mark, int], margin: int) -> Iterator[str]:
        text = source.line(number)
        shown = cells(text, self.terminal.unicode)
        starts = [0]
        for _, size in shown:
            starts.append(starts[-1] + size)

        def cell(column: int) -> int:
            return starts[column] if column < len(starts) else starts[-1] + column - len(shown)

        short = [m for m in marks if not m.long and m.first == number]
        opens = [m for m in marks if m.long and m.first == number]
        closes = [m for m in marks if m.long and m.last == number]
        room = self.terminal.width - self.gutter - 2 - margin
        points = [(cell(m.a), max(cell(m.b), cell(m.a) + 1), m) for m in short]
        points += [(cell(m.a), cell(m.a) + 1, m) for m in opens] + [(max(cell(m.b) - 1, 0), max(cell(m.b), 1), m) for m in closes]
        for window, chosen in self.windows(points, starts[-1], room):
            row = Canvas(margin)
            for m, depth in brackets.items():
                if m.first < number <= m.last:
                    row.put(2 * depth, "│", self.mark_style(m))
                elif m.first == number and not text[: m.a].strip():
                    row.put(2 * depth, "╭", self.mark_style(m))
            self.paste(row, margin, shown, starts, window)
            yield self.edge(number, row.text(self.terminal))
            inside = [m for m in chosen if m in short]
            at = {m: (max(a, window[0]) - window[0] + margin, min(b, window[1]) - window[0] + margin) for a, b, m in points if m in chosen}
            active = {m: d for m, d in brackets.items() if m.first < number < m.last or (m.last == number and m.first < number)}
            opened = {m: d for m, d in brackets.items() if m.first == number and not text[: m.a].strip()}
            if inside:
                yield from self.under(inside, at, {**active, **opened}, margin)
            for m in opens:
                if m in opened or m not in chosen:
                    continue
                row = self.bars({**active, **opened}, margin)
                row.put(2 * brackets[m] + 1, "─" * (at[m][0] - 2 * brackets[m] - 1), self.mark_style(m))
                row.put(2 * brackets[m], "╭", self.mark_style(m))
                row.put(at[m][0], self.sign(m), self.mark_style(m))
                opened[m] = brackets[m]
                yield self.edge(None, row.text(self.terminal))
            for m in closes:
                if m not in chosen:
                    continue
                del active[m]
                row = self.bars({**active, **opened}, margin)
                depth, end = 2 * brackets[m], at[m][1] - 1
                row.put(depth + 1, "─" * (end - depth - 1), self.mark_style(m))
                row.put(depth, "╰", self.mark_style(m))
                row.put(end, self.sign(m), self.mark_style(m))
                yield from self.words(row, {**active, **opened}, margin, end + 1, m)

    @staticmethod
    def windows(points: list[tuple[int, int, Mark]], size: int, room: int) -> Iterator[tuple[tuple[int, int], list[Mark]]]:
        """The parts of a line to show, each with the marks that it holds: all of it where it fits."""
        if size <= room:
            yield (0, max([size, *(b for _, b, _ in points)])), [m for _, _, m in points]
            return
        if not points:
            yield (0, room), []
            return
        left = sorted(points, key=lambda p: (not p[2].main, p[0]))
        while left:
            a, b, first = left[0]
            lead = max(4, (room - (b - a) - min(width(first.text), room // 3)) // 2)
            low = max(0, min(a - lead, size + 1 - room))
            if b <= room - 4:
                low = 0
            held = [p for p in left if p is left[0] or (p[0] >= low + 4 * (low > 0) and p[1] <= low + room - 4)]
            yield (low, low + room), [p[2] for p in held]
            left = [p for p in left if p not in held]

    def paste(self, row: Canvas, margin: int, shown: list[tuple[str, int]], starts: list[int], window: tuple[int, int]) -> None:
        """The part of the line inside the window, with ``…`` at a side where it is cut."""
        low, high = window
        more = self.terminal.draw("…")
        first = low + (width(more) if low else 0)
        last = high if starts[-1] <= high else high - width(more)
        for (char, size), start in zip(shown, starts, strict=False):
            if first <= start and start + size <= last:
                row.put(margin + start - low, char)
        if low:
            row.put(margin, more, "dim")
        if starts[-1] > high:
            row.put(margin + last - low, more, "dim")

    # Marks and words

    def mark_style(self, m: Mark) -> str:
        return self.style if m.main else "other"

    @staticmethod
    def sign(m: Mark) -> str:
        return "^" if m.main else "-"

    def bars(self, brackets: dict[Mark, int], margin: int) -> Canvas:
        row = Canvas(margin)
        for m, depth in brackets.items():
            row.put(2 * depth, "│", self.mark_style(m))
        return row

    def under(self, marks: list[Mark], at: dict[Mark, tuple[int, int]], brackets: dict[Mark, int], margin: int) -> Iterator[str]:
        """The row of marks, and below it the words that do not fit behind the last one."""
        row = self.bars(brackets, margin)
        for m in sorted(marks, key=lambda m: (m.main, at[m][0] - at[m][1])):
            a, b = at[m]
            row.put(a, self.sign(m) * (b - a), self.mark_style(m))
        order = sorted(marks, key=lambda m: at[m])
        last = order[-1]
        beside = last.text and all(at[m][1] <= at[last][0] for m in order[:-1])
        room = self.terminal.width - self.gutter - 2 - at[last][1] - 1
        hanging = [m for m in order if m.text and not (m is last and beside and (room >= NARROW or width(last.text) <= room))]
        if last.text and last not in hanging:
            lines = wrap(last.text, room)
            row.put(at[last][1] + 1, lines[0], self.mark_style(last))
            yield self.edge(None, row.text(self.terminal))
            for text in lines[1:]:
                row = self.hung(hanging, at, brackets, margin)
                row.put(at[last][1] + 1, text, self.mark_style(last))
                yield self.edge(None, row.text(self.terminal))
        else:
            yield self.edge(None, row.text(self.terminal))
        if hanging and len(order) > 1:
            yield self.edge(None, self.hung(hanging, at, brackets, margin).text(self.terminal))
        while hanging:
            m = hanging.pop()
            start = at[m][0]
            full = self.terminal.width - self.gutter - 2
            if full - start < NARROW:
                start = max([margin, *(at[h][0] + 2 for h in hanging), full - max(NARROW, min(width(m.text), full - margin))])
            for text in wrap(m.text, max(8, full - start)):
                row = self.hung(hanging, at, brackets, margin)
                row.put(start, text, self.mark_style(m))
                yield self.edge(None, row.text(self.terminal))

    def hung(self, hanging: list[Mark], at: dict[Mark, tuple[int, int]], brackets: dict[Mark, int], margin: int) -> Canvas:
        row = self.bars(brackets, margin)
        for m in hanging:
            row.put(at[m][0], "│", self.mark_style(m))
        return row

    def words(self, row: Canvas, brackets: dict[Mark, int], margin: int, end: int, m: Mark) -> Iterator[str]:
        """A row that ends in a mark, with the mark's words behind it or, where there is little room, below."""
        full = self.terminal.width - self.gutter - 2
        start = end + 1
        if not m.text:
            yield self.edge(None, row.text(self.terminal))
            return
        if full - start < min(NARROW, width(m.text)):
            yield self.edge(None, row.text(self.terminal))
            row, start = self.bars(brackets, margin), margin
        for text in wrap(m.text, full - start):
            row.put(start, text, self.mark_style(m))
            yield self.edge(None, row.text(self.terminal))
            row = self.bars(brackets, margin)
