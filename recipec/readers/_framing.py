"""Cutting bytes into frames of whole records: by lines, or by lines except inside quotes.

What counts as a record of a delimited file follows RFC 4180: fields between delimiters, records between line ends (LF or
CRLF; a file without any LF may use CR), a field that begins with the quote character runs to the quote that closes it, a
doubled quote inside stands for one. A quote character elsewhere is an ordinary character. Where that cannot be, because a
quoted field never closes or goes on after its closing quote, the line on which the record begins is bad and reading goes
on with the next line, so that a stray quote costs one line and not the rest of the file.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple, TypeAlias

from recipec.readers._files import MAX_RECORD, MAX_SHOWN
from recipec.readers._stream import NOT_TEXT, Frame, absent, is_utf8

WORTH_A_FRAME = 1 << 12
"""Bytes of plain lines that are faster as a frame of their own than record by record."""
WINDOW = 1 << 14
"""Bytes that are tried at once where the whole of a text could not be."""
MOST_AT_ONCE = 10_000
"""Records of one frame that are found one by one."""
TOO_LONG = f"longer than {MAX_RECORD >> 20} MiB"
_BLANK = re.compile(rb"\n\n+")
_BLANK_TEXT = re.compile(rb"\n(?:[ \t\r]*\n)+")


Frames: TypeAlias = Generator[Frame, None, int]
"""Yields frames, returns how many bytes of the text they used."""


class Record(NamedTuple):
    """A record found by :func:`scan`: where it ends, its fields (None for an empty quoted one), or what is wrong."""

    end: int
    fields: list[bytes | None]
    wrong: str | None = None
    open: bool = False
    """The text ends inside a quoted field."""


@cache
def _ends(delimiter: bytes) -> re.Pattern[bytes]:
    return re.compile(b"%b|\n" % re.escape(delimiter))


def scan(text: bytes, start: int, delimiter: bytes, quote: bytes) -> Record:
    """The record that begins at ``start``; the end of ``text`` ends it too."""
    fields: list[bytes | None] = []
    size, at = len(text), start
    ends = _ends(delimiter)
    while True:
        if quote and text.startswith(quote, at):
            close = at + 1
            while (close := text.find(quote, close)) >= 0 and text.startswith(quote, close + 1):
                close += 2
            if close < 0:
                return Record(_line_end(text, start), [], "a quoted field is never closed", open=True)
            fields.append(text[at + 1 : close].replace(quote + quote, quote) or None)
            after = close + 1
            if text.startswith(delimiter, after):
                at = after + len(delimiter)
                continue
            after += text.startswith(b"\r", after) and text[after + 1 : after + 2] in (b"\n", b"")
            if after == size or text.startswith(b"\n", after):
                return Record(min(after + 1, size), fields)
            return Record(_line_end(text, start), [], "text after a closing quote")
        found = ends.search(text, at)
        if found is None:
            fields.append(text[at:].removesuffix(b"\r"))
            return Record(size, fields)
        value = text[at : found.start()]
        if found[0] == b"\n":
            fields.append(value.removesuffix(b"\r"))
            return Record(found.end(), fields)
        fields.append(value)
        at = found.end()


def _line_end(text: bytes, start: int) -> int:
    return text.find(b"\n", start) + 1 or len(text)


@cache
def _quoted(quote: bytes) -> re.Pattern[bytes]:
    """What is quoted, the last perhaps without its end."""
    return re.compile(rb"(Q[^Q]*+(?:QQ[^Q]*+)*+(?:Q|\Z))".replace(b"Q", re.escape(quote)))


@dataclass
class Framer:
    """Takes a file's blocks, gives frames. ``width`` is the number of fields, for quoted records only (0: not checked).

    ``quote`` is empty for formats without quoting. ``header`` says that the first record is not one of the rows.
    ``blank`` says what an empty line is: a ``record``, or nothing (``skip``, and ``skip blanks`` where a line of mere
    blanks is nothing too).
    """

    file: int
    delimiter: bytes = b""
    quote: bytes = b""
    width: int = 0
    header: bool = False
    blank: Literal["record", "skip", "skip blanks"] = "skip"

    row: int = 0
    """Records so far."""

    def __post_init__(self) -> None:
        self.pending: list[bytes] = []
        self.size = 0
        self.wanted = 0
        """Not worth trying before so many bytes are there; grows with the record, so that it is not scanned again and again."""
        self.skipping = False
        """Inside an over-long line that has been reported."""
        self.carriage: bool | None = None
        """Lines end in CR alone."""

    # Blocks

    def feed(self, block: bytes) -> Iterator[Frame]:
        if self.carriage is None and block:
            self.carriage = b"\n" not in block and b"\r" in block[:-1]
        if self.carriage:
            block = block.replace(b"\r", b"\n")
        if self.skipping:
            at = block.find(b"\n")
            if at < 0:
                return
            block, self.skipping = block[at + 1 :], False
        self.pending.append(block)
        self.size += len(block)
        if self.size < self.wanted or (b"\n" not in block and self.size <= MAX_RECORD):
            return
        text = self._joined()
        cut = text.rfind(b"\n") + 1
        used = 0
        if cut:
            used = yield from self.frame(text[:cut], final=False)
            text = text[used:]
        elif self.size > MAX_RECORD:
            used = self.size
            yield self._bad(text[:MAX_SHOWN], TOO_LONG)
            text, self.skipping = b"", True
        self.wanted = 0 if used else 2 * self.size
        self.pending, self.size = [text], len(text)

    def finish(self) -> Iterator[Frame]:
        """What is left when the file ends."""
        text = self._joined()
        self.pending, self.size = [], 0
        if text:
            yield from self.frame(text, final=True)

    def _joined(self) -> bytes:
        return self.pending[0] if len(self.pending) == 1 else b"".join(self.pending)

    def _bad(self, text: bytes, why: str) -> Frame:
        self.row += 1
        return Frame(self.file, self.row - 1, text.removesuffix(b"\n").removesuffix(b"\r"), why=why)

    # Texts

    def frame(self, text: bytes, *, final: bool) -> Frames:
        """Frames of ``text``, which ends with a line end or, when ``final``, with the file.

        Not all of it is used when the last record is still open, unless that is over-long.
        """
        skipped = 0
        if self.header:
            while text.startswith((b"\n", b"\r\n"), skipped):
                skipped = _line_end(text, skipped)
            record = scan(text, skipped, self.delimiter, self.quote)
            if skipped == len(text) or (record.open and not final and len(text) <= MAX_RECORD):
                return 0
            skipped, self.header = record.end, False
            text = text[skipped:]
        if not self.quote or self.quote not in text:
            yield from self._plain(text)
            return skipped + len(text)
        quick = self._quick(text) if is_utf8(text) else None
        if quick is not None:
            frame, used = quick
            if frame is not None:
                yield frame
            if used == len(text) or (not final and (used or len(text) <= MAX_RECORD)):
                return skipped + used
            skipped, text = skipped + used, text[used:]
        return skipped + (yield from self._exact(text, final))

    def _plain(self, text: bytes) -> Iterator[Frame]:
        """Records are lines."""
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").removesuffix(b"\r")
        if self.blank != "record":
            text = (_BLANK if self.blank == "skip" else _BLANK_TEXT).sub(b"\n", b"\n" + text)[1:]
            if self.blank == "skip blanks":
                text = text.rstrip(b" \t\r\n")
            if not text or text == b"\n":
                return
        text = text.removesuffix(b"\n")
        start = self.row
        self.row += text.count(b"\n") + 1
        yield Frame(self.file, start, text, fs=self.delimiter)

    def _quick(self, text: bytes) -> tuple[Frame | None, int] | None:
        """The records of a text in which every quote is where it should be; None for any other text.

        The regular expression takes out what is quoted; what stands between must begin and end at a delimiter or line end.
        """
        q, d = self.quote, self.delimiter
        gap, rs, fs, mark = absent(text, 4, (d,))
        parts = _quoted(q).split(text)
        inside, outside = parts[1::2], gap.join(parts[0::2])
        used = len(text)
        if inside[-1].count(q) % 2:  # goes on in the next block: its record is left for then
            outside = outside[: outside.rfind(b"\n", 0, outside.rfind(gap)) + 1]
            inside = inside[: outside.count(gap)]
            used = len(outside) - len(gap) * len(inside) + sum(map(len, inside))
            if not used:
                return None, 0
        before = outside.count(d + gap) + outside.count(b"\n" + gap) + outside.startswith(gap)
        after = sum(outside.count(gap + end) for end in (d, b"\n", b"\r\n")) + outside.endswith((gap, gap + b"\r"))
        if q in outside or before != len(inside) or after != len(inside):
            return None
        outside = _BLANK.sub(b"\n", b"\n" + outside.replace(b"\r\n", b"\n").removesuffix(b"\r"))[1:].removesuffix(b"\n")
        if not outside:
            return None, used
        outside = (
            outside.translate(bytes.maketrans(d + b"\n", fs + rs)) if len(d + fs + rs) == 3 else outside.replace(d, fs).replace(b"\n", rs)
        )
        rows = outside.count(rs) + 1
        if self.width and outside.count(fs) != rows * (self.width - 1):
            return None  # DuckDB would see it as well, but could not say how the row was written
        start = self.row
        self.row += rows
        values = inside
        if inside:  # all at once: the quotes around, then the doubled ones
            values = gap.join(inside)[1:-1].replace(q + gap + q, gap).replace(q + q, q).split(gap)
            values = [v or mark for v in values] if b"" in values else values
        pieces = outside.split(gap)
        woven = [b""] * (2 * len(pieces) - 1)
        woven[0::2], woven[1::2] = pieces, values
        return Frame(self.file, start, b"".join(woven), rs, fs, mark), used

    def _exact(self, text: bytes, final: bool) -> Frames:
        """Record by record, saying of each what is wrong with it."""
        rs, fs, mark = absent(text, 3, (self.delimiter,))
        good: list[bytes] = []
        at, start = 0, self.row
        is_text = is_utf8(text)

        def flush() -> Iterator[Frame]:
            nonlocal good
            if good:
                yield Frame(self.file, start, rs.join(good), rs, fs, mark)
            good = []

        next_quote = next_try = 0
        while at < len(text):
            if at >= next_try:  # most windows of a text with a few faults have none
                next_try = text.find(b"\n", at + WINDOW) + 1 or len(text)
                window = text[at:next_try]
                quick = self._quick(window) if self.quote in window and (is_text or is_utf8(window)) else None
                if quick is not None and quick[1]:
                    yield from flush()
                    if quick[0] is not None:
                        yield quick[0]
                    at, start = at + quick[1], self.row
                    next_try = at
                    continue
            if at >= next_quote >= 0:
                next_quote = text.find(self.quote, at)
            plain = len(text) if next_quote < 0 else text.rfind(b"\n", at, next_quote) + 1
            if plain - at > WORTH_A_FRAME:  # lines without a quote
                yield from flush()
                yield from self._plain(text[at:plain])
                at, start = plain, self.row
                continue
            if text.startswith((b"\n", b"\r\n"), at) or (text.startswith(b"\r", at) and at + 1 == len(text)):
                at = _line_end(text, at)
                continue
            record = scan(text, at, self.delimiter, self.quote)
            if record.open and not final and len(text) - at <= MAX_RECORD:
                break
            wrong = record.wrong
            if wrong is None and self.width and len(record.fields) != self.width:
                wrong = fields_message(len(record.fields), self.width)
            if not is_text and not is_utf8(text[at : record.end]):
                wrong = NOT_TEXT
            if wrong is None:
                good.append(fs.join(mark if f is None else f for f in record.fields))
                self.row += 1
                if len(good) == MOST_AT_ONCE:
                    yield from flush()
                    start = self.row
            else:
                yield from flush()
                yield self._bad(text[at : record.end], wrong)
                start = self.row
            at = record.end
        yield from flush()
        return at


def first_record(blocks: Iterator[bytes], delimiter: bytes, quote: bytes) -> tuple[bytes, Record] | None:
    """The text that begins with the first record, and that record; None when there is none."""
    text = b""
    record = Record(0, [])
    for block in blocks:
        text += block
        if b"\n" not in text and b"\r" in text[:-1]:
            text = text.replace(b"\r", b"\n")
        text = text.lstrip(b"\r\n")
        record = scan(text, 0, delimiter, quote)
        if len(text) > MAX_RECORD or (record.end < len(text) and not record.open):
            break
    return (text, record) if text else None


def fields_message(number: int, expected: int) -> str:
    return f"{number} field{'s' * (number != 1)} where {expected} {'are' if expected != 1 else 'is'} expected"
