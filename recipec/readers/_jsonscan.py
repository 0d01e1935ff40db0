"""Finding the records of a JSON document without holding it in memory.

The scanner counts brackets and skips over texts; it looks into a value only as far as the path to the records asks. So
an element that is no JSON inside is still told from its neighbours by its brackets, and only it is bad.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from recipec.api import DataError, SourceFile
from recipec.diagnostics import nearest
from recipec.readers._files import BLOCK, MAX_RECORD, MAX_SHOWN
from recipec.readers._framing import TOO_LONG
from recipec.readers._stream import Frame, absent

# Possessive throughout: the states of a long text's backtracking would take gigabytes.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{}]', re.S)
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.S)
_IN_TEXT = re.compile(rb'(?:[^"\\]++|\\.)*+', re.S)
_PLAIN_END = re.compile(rb'[\s,\]}:\[{"]')
_BLANK = re.compile(rb"[ \t\r\n]*")


def _nested(depth: int) -> bytes:
    """A bracketed value of at most so many levels below it. Possessive, so that a failure costs one pass."""
    inside = rb'[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+"'
    pattern = rb"[\[{](?:" + inside + rb")*+[\]}]"
    for _ in range(depth):
        pattern = rb"[\[{](?:" + inside + rb"|" + pattern + rb")*+[\]}]"
    return pattern


_ELEMENT = re.compile(rb"(" + _nested(5) + rb")[ \t\r\n]*+,[ \t\r\n]*+", re.S)
"""A list's element and the comma after it, for those that are not nested very deeply: five times faster than by tokens."""
_DOCUMENT = re.compile(rb"(?=\{)(" + _nested(5) + rb")[ \t\r\n]++(?=\{)", re.S)
"""An object and the beginning of the next."""


class _Cut(Exception):
    """The document ends inside a value."""


@dataclass
class Scanner:
    """``path`` are the keys that lead from the top to the records; a list on the way is gone through.

    What the path leads to is one record, or a list of records. Without a path that goes for the whole document, and
    several documents may follow each other in a file. ``complete`` is false for the start of a file: what is cut off is
    then no fault.
    """

    file: SourceFile
    index: int
    blocks: Iterator[bytes]
    path: Sequence[str] = ()
    complete: bool = True

    buffer: bytes = b""
    at: int = 0
    row: int = 0
    ready: list[bytes] = field(default_factory=list)
    size: int = 0
    keys: set[str] = field(default_factory=set)
    """Other keys seen on the way."""
    begun: bool = False
    reached: bool = False
    """Something stands at the path."""

    def frames(self) -> Iterator[Frame]:
        """All records. Raises DataError for a document without the path, or one that is no JSON at all."""
        try:
            while self._blank():
                if not self.path and self.complete and (found := _DOCUMENT.match(self.buffer, self.at)) is not None:
                    self.ready.append(found[1])
                    self.at, self.size, self.begun = found.end(), self.size + found.end() - self.at, True
                    if self.size >= BLOCK:
                        yield from self._flush()
                elif self.buffer[self.at : self.at + 1] in b'{["-0123456789tfnNI':
                    yield from self._value(0)
                    self.begun = True
                else:
                    yield from self._no_json()
        except _Cut:
            if self.complete:
                begins = self.buffer[self.at : self.at + 40].decode("utf-8", "backslashreplace")
                where = f"record {self.row + len(self.ready) + 1:,} is never closed" if begins else "its brackets are never closed"
                raise DataError(
                    f"`{self.file.name}` ends in the middle: {where}",
                    f"it begins with: {begins}" if begins else "fetch or copy the file again",
                ) from None
        yield from self._flush()
        if self.complete and self.begun and not self.reached:
            guess = nearest(self.path[-1], self.keys)
            listing = ", ".join(sorted(self.keys)[:8])
            raise DataError(
                f"`{self.file.name}` has nothing at `{'.'.join(self.path)}`",
                f"did you mean `{guess}`?" if guess else f"the keys on the way are: {listing}",
            )

    # Values

    def _value(self, depth: int) -> Iterator[Frame]:
        """The value at the present place, ``depth`` keys down the path."""
        start = self._peek()
        if depth < len(self.path):
            if start == b"{":
                yield from self._members(depth)
            elif start == b"[":
                yield from self._elements(depth, records=False)
            else:
                self._skip()
            return
        self.reached = True
        if start == b"[":
            yield from self._elements(depth, records=True)
        elif start == b"n" and self.path:
            self._skip()
        else:
            yield from self._record()

    def _members(self, depth: int) -> Iterator[Frame]:
        """Through an object, into the member that the path names."""
        self.at += 1
        while (c := self._peek()) != b"}":
            if c == b",":
                self.at += 1
                continue
            if c != b'"':
                raise self._wrong("a key in quotes")
            end = self._text_end()
            key = self._key(self.buffer[self.at : end])
            self.at = end
            if self._peek() != b":":
                raise self._wrong("a colon")
            self.at += 1
            self._peek()
            if key == self.path[depth]:
                yield from self._value(depth + 1)
            else:
                if len(self.keys) < 100:
                    self.keys.add(key)
                self._skip()
        self.at += 1

    def _elements(self, depth: int, *, records: bool) -> Iterator[Frame]:
        self.at += 1
        comma = True
        while (c := self._peek()) != b"]":
            if comma and records and c in b"{[":
                at = self.at
                for element in iter(lambda: _ELEMENT.match(self.buffer, self.at), None):
                    self.ready.append(element[1])
                    self.at = element.end()
                self.size += self.at - at
                if self.size >= BLOCK:
                    yield from self._flush()
                if self.at > at:
                    continue
            if c == b",":
                if comma and records:  # [1,,2]
                    yield from self._flush()
                    yield self._bad(b"", "nothing between two commas")
                self.at, comma = self.at + 1, True
                continue
            if c in b"}:":
                yield from self._flush()
                yield self._bad(c, f"{c.decode()} belongs to nothing")
                self.at += 1
                continue
            if not comma:
                if not records:
                    raise self._wrong("a comma or a closing bracket")
                yield from self._unparted()
                continue
            comma = False
            if records:
                yield from self._record()
            else:
                yield from self._value(depth)
        self.at += 1

    def _unparted(self) -> Iterator[Frame]:
        """What follows a record without a comma between them: what was meant is not known."""
        yield from self._flush()
        end = self._end(bounded=True)
        if end < 0:
            yield self._bad(self.buffer[self.at : self.at + MAX_SHOWN], TOO_LONG)
            self._skip()
            return
        yield self._bad(self.buffer[self.at : end], "no comma stands before it")
        self.at = end

    def _record(self) -> Iterator[Frame]:
        end = self._end(bounded=True)
        if end < 0:
            yield from self._flush()
            yield self._bad(self.buffer[self.at : self.at + MAX_SHOWN], TOO_LONG)
            self._skip()
            return
        self.ready.append(self.buffer[self.at : end])
        self.size += end - self.at
        self.at = end
        if self.size >= BLOCK:
            yield from self._flush()

    def _flush(self) -> Iterator[Frame]:
        if self.ready:
            start, texts = self.row, self.ready
            self.row += len(texts)
            self.ready, self.size = [], 0
            together = b"".join(texts)
            rs = absent(together, 1)[0]
            yield Frame(self.index, start, rs.join(texts), rs)

    def _bad(self, text: bytes, why: str) -> Frame:
        self.row += 1
        return Frame(self.index, self.row - 1, text, why=why)

    def _no_json(self) -> Iterator[Frame]:
        """A line of something else: between documents a bad record, at the start of a file a wrong file."""
        place = self.at
        if not self.begun:
            start = self.buffer[place : place + 20].decode("utf-8", "backslashreplace")
            raise DataError(f"`{self.file.name}` is not JSON: it begins with `{start}`")
        text = b""
        while (end := self.buffer.find(b"\n", self.at)) < 0:
            text += self.buffer[self.at :][: MAX_SHOWN - len(text)]
            self.at = end = len(self.buffer)
            if not self._more():
                break
        yield from self._flush()
        yield self._bad(text + self.buffer[self.at : end][: MAX_SHOWN - len(text)], "not JSON")
        self.at = end

    def _wrong(self, expected: str) -> DataError:
        what = self.buffer[self.at : self.at + 20].decode("utf-8", "backslashreplace")
        place = f"the fault is after record {self.row + len(self.ready):,}"
        return DataError(f"`{self.file.name}` is not JSON: {expected} should stand before `{what}`", place)

    # Places

    def _more(self) -> bool:
        """Read on, forgetting what lies behind. Places count from ``at``, which becomes 0."""
        wanted = max(BLOCK, len(self.buffer) - self.at)  # doubling: a long value is not scanned over and over
        parts = [self.buffer[self.at :]]
        self.at = 0
        got = 0
        for block in self.blocks:
            parts.append(block)
            got += len(block)
            if got >= wanted:
                break
        self.buffer = b"".join(parts)
        return got > 0

    def _blank(self) -> bool:
        """Skip blanks; false at the end of the file."""
        while True:
            found = _BLANK.match(self.buffer, self.at)
            assert found is not None
            self.at = found.end()
            if self.at < len(self.buffer):
                return True
            if not self._more():
                return False

    def _peek(self) -> bytes:
        if not self._blank():
            raise _Cut
        return self.buffer[self.at : self.at + 1]

    def _key(self, raw: bytes) -> str:
        import json

        try:
            return str(json.loads(raw, strict=False))
        except ValueError:
            return raw[1:-1].decode("utf-8", "backslashreplace")

    def _text_end(self) -> int:
        while (found := _TEXT.match(self.buffer, self.at)) is None:
            if len(self.buffer) - self.at > MAX_RECORD or not self._more():
                raise _Cut
        return found.end()

    def _end(self, *, bounded: bool) -> int:
        """The end of the value at ``at``, which stays in the buffer; -1 when it is over-long."""
        if self.buffer[self.at : self.at + 1] not in (b"{", b"[", b'"'):
            while (found := _PLAIN_END.search(self.buffer, self.at + 1)) is None:
                if bounded and len(self.buffer) - self.at > MAX_RECORD:
                    return -1
                if not self._more():
                    return len(self.buffer)
            return found.start()
        depth, place = 0, self.at
        while True:
            for token in _TOKEN.finditer(self.buffer, place):
                c = token[0]
                if c == b'"':  # a text that goes on beyond the buffer
                    place = token.start()
                    break
                if c in b"[{":
                    depth += 1
                elif c in b"]}":
                    depth -= 1
                if depth <= 0:
                    return token.end()
            else:
                place = len(self.buffer)
            if bounded and len(self.buffer) - self.at > MAX_RECORD:
                return -1
            place -= self.at
            if not self._more():
                raise _Cut

    def _skip(self) -> None:
        """Pass over the value at ``at``, however long it is."""
        if self.buffer[self.at : self.at + 1] not in (b"{", b"[", b'"'):
            while (found := _PLAIN_END.search(self.buffer, self.at + 1)) is None:
                self.at = len(self.buffer) - 1
                if not self._more():
                    self.at = len(self.buffer)
                    return
            self.at = found.start()
            return
        depth = 0
        while True:
            for token in _TOKEN.finditer(self.buffer, self.at):
                c = token[0]
                if c == b'"':
                    self.at = token.start()
                    break
                if c in b"[{":
                    depth += 1
                elif c in b"]}":
                    depth -= 1
                if depth <= 0:
                    self.at = token.end()
                    return
            else:
                self.at = len(self.buffer)
            if len(self.buffer) - self.at > MAX_RECORD:
                self._skip_text()
                if depth == 0:
                    return
            elif not self._more():
                raise _Cut

    def _skip_text(self) -> None:
        """Out of a text that is longer than any record may be."""
        self.at += 1
        while True:
            inside = _IN_TEXT.match(self.buffer, self.at)
            assert inside is not None
            self.at = inside.end()
            if self.buffer.startswith(b'"', self.at):
                self.at += 1
                return
            if not self._more():  # at the end of what is there, but for a backslash whose character is still to come
                raise _Cut
