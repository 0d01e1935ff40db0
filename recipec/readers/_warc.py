"""WARC files, read as a stream and written record by record.

Records are read by the lengths that they give; a file's damage costs the records that it touches and no other: after it, reading goes on at
the next place where a record begins. Nothing of the file is held but one record. Peers either stop at the first damage or pass over a
file's torn end without a word.

Source of the format: ISO 28500 (WARC 1.0 and 1.1); RFC 1952 for members of gzip; RFC 9112 for messages of HTTP.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

BLOCK = 1 << 20
LONGEST = 64 << 20
"""Bytes of a page beyond which it is not read: no text is so long."""
MAGIC = b"\x1f\x8b\x08"
HEAD = 1 << 16
"""Bytes that a record's header may have."""


@dataclass(frozen=True)
class Record:
    """A record: its type, its header (names in lower case) and its block. ``at`` is its number in the file, from 1; ``start`` and ``end`` the
    bytes of the file that it takes, where it is a gzip member of its own."""

    kind: str
    header: dict[str, str]
    block: bytes
    at: int
    start: int
    end: int
    whole: bool = True
    """Whether the block is all there: one that is too long is cut."""


@dataclass(frozen=True)
class Broken:
    """A place where no record could be read."""

    reason: str
    at: int
    address: str = ""
    start: int = 0


class Damage(Exception):
    """What stands here cannot be read."""


class Plain:
    """The bytes of a file that is not compressed."""

    def __init__(self, raw: IO[bytes], told: Callable[[int], None]) -> None:
        self.raw, self.told, self.held, self.place = raw, told, b"", 0
        self.start = 0

    def more(self) -> bool:
        piece = self.raw.read(BLOCK)
        self.told(len(piece))
        self.held += piece
        return bool(piece)

    def take(self, n: int) -> bytes:
        out, self.held = self.held[:n], self.held[n:]
        self.place += len(out)
        return out

    def mark(self) -> None:
        """A record begins here."""
        self.start = self.place

    def finish(self) -> None:
        """Go to the end of what the record stands in."""

    @property
    def end(self) -> int:
        return self.place

    def search(self) -> bool:
        """Go on to the next place where a record may begin; false at the end."""
        self.take(1)
        while True:
            found = self.held.find(b"\nWARC/1.")
            if found >= 0:
                self.take(found + 1)
                return True
            self.take(max(len(self.held) - 7, 0))
            if not self.more():
                self.held = b""
                return False


class Zipped(Plain):
    """The bytes of a file of gzip members, usually one a record."""

    def __init__(self, raw: IO[bytes], told: Callable[[int], None]) -> None:
        super().__init__(raw, told)
        self.coded = b""
        self.at = 0
        """Where ``coded`` begins in the file."""
        self.member = zlib.decompressobj(31)
        self.member_at = 0
        self.fresh = True
        self.ended = False

    def fill(self) -> bool:
        piece = self.raw.read(BLOCK)
        self.told(len(piece))
        self.coded += piece
        return bool(piece)

    def more(self) -> bool:
        while not self.coded:
            if not self.fill():
                if not self.fresh:
                    self.fresh = True
                    raise Damage("the file ends in the middle of it")
                return False
        if self.fresh:
            stripped = self.coded.lstrip(b"\0")  # some writers pad
            self.at += len(self.coded) - len(stripped)
            self.coded = stripped
            if not self.coded:
                return self.more()
            self.member, self.member_at, self.fresh = zlib.decompressobj(31), self.at, False
        before = len(self.coded)
        try:
            self.held += self.member.decompress(self.coded, BLOCK)
        except zlib.error as error:
            raise Damage(f"it cannot be unpacked ({str(error).partition(': ')[2] or error})") from None
        left = self.member.unconsumed_tail or self.member.unused_data
        self.at += before - len(left)
        self.coded = left
        if self.member.eof:
            self.fresh = True
        return True

    def mark(self) -> None:
        self.start = self.member_at if self.held or not self.fresh else self.at

    def finish(self) -> None:
        # The end of a member is where its sum is checked.
        while not self.fresh:
            self.held = self.held.lstrip(b"\r\n")
            if self.held:
                return
            self.more()

    @property
    def end(self) -> int:
        return self.at

    def search(self) -> bool:
        self.held = b""
        self.fresh = True
        if self.at <= self.member_at:  # the damaged member begins here, and would be found again
            self.coded, self.at = self.coded[1:], self.at + 1
        while True:
            found = self.coded.find(MAGIC)
            if found < 0:
                keep = self.coded[-2:]
                self.at += len(self.coded) - len(keep)
                self.coded = keep
                if not self.fill():
                    self.coded = b""
                    return False
                continue
            if len(self.coded) - found < 512:
                self.fill()
            try:
                begins = zlib.decompressobj(31).decompress(self.coded[found : found + 4096], 5) == b"WARC/"
            except zlib.error:
                begins = False
            self.at += found
            self.coded = self.coded[found:]
            if begins:
                return True
            self.at += 1
            self.coded = self.coded[1:]


def records(
    path: Path, told: Callable[[int], None] = lambda n: None, wanted: Callable[[str, dict[str, str]], bool] | None = None
) -> Iterator[Record | Broken]:
    """The records of a file in their order; those that ``wanted(type, header)`` refuses are passed over unread. ``told`` gets the bytes of
    the file as they are read. Raises OSError."""
    with path.open("rb") as raw:
        begins = raw.read(3)
        raw.seek(0)
        source = Zipped(raw, told) if begins == MAGIC else Plain(raw, told)
        at = 0
        going = True
        while going:
            address, at = "", at + 1
            try:
                if not skip_blank(source):
                    return
                source.mark()
                start = source.start
                header = head(source)
                kind, address = header.get("warc-type", ""), header.get("warc-target-uri", "").strip("<>")
                size = header.get("content-length", "")
                if not size.isdigit():
                    raise Damage("it does not say how long it is")
                keep = wanted is None or wanted(kind, header)
                block = body(source, int(size), keep)
                source.finish()
                if keep:
                    end = source.end
                    yield Record(kind, header, block, at, start, end, int(size) <= LONGEST)
            except Damage as error:
                yield Broken(str(error), at, address, source.start)
                going = source.search()


def skip_blank(source: Plain) -> bool:
    """Pass over the line ends between records; false at the end of the file."""
    while True:
        source.held, before = source.held.lstrip(b"\r\n"), len(source.held)
        source.place += before - len(source.held)
        if source.held:
            return True
        if not source.more():
            return False


def head(source: Plain) -> dict[str, str]:
    while (end := source.held.find(b"\r\n\r\n")) < 0 and (bare := source.held.find(b"\n\n")) < 0:
        if len(source.held) > HEAD or not source.more():
            raise Damage("its header has no end" if source.held.startswith(b"WARC/") else "no record begins here")
    lines = source.take(end + 4) if end >= 0 else source.take(bare + 2)
    if not lines.startswith(b"WARC/"):
        raise Damage("no record begins here")
    return fields(lines.decode("utf-8", "replace").splitlines()[1:])


def fields(lines: list[str]) -> dict[str, str]:
    """Header lines as names in lower case and values; a name that repeats has its first value, a folded line goes on the one before."""
    made: dict[str, str] = {}
    last = ""
    for line in lines:
        if line[:1] in (" ", "\t") and last:
            made[last] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        if colon:
            last = name.strip().lower()
            made.setdefault(last, value.strip())
    return made


def body(source: Plain, size: int, keep: bool) -> bytes:
    pieces: list[bytes] = []
    left = size
    while left:
        if not source.held and not source.more():
            raise Damage("the file ends in the middle of it")
        piece = source.take(left)
        left -= len(piece)
        if keep and size - left - len(piece) < LONGEST:
            pieces.append(piece)
    return b"".join(pieces)[:LONGEST]


# Pages in records -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What a server answered. ``body`` is unpacked; ``problem`` says why it could not be."""

    status: int
    header: dict[str, str]
    body: bytes
    problem: str = ""


def answer_of(block: bytes) -> Answer:
    """The HTTP message of a response's block."""
    end, gap = block.find(b"\r\n\r\n"), 4
    if end < 0:
        end, gap = block.find(b"\n\n"), 2
    if not block.startswith(b"HTTP/") or end < 0:
        return Answer(0, {}, b"", "it is no answer of a web server")
    lines = block[:end].decode("latin-1").splitlines()
    words = lines[0].split(None, 2)
    header = fields(lines[1:])
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    raw = block[end + gap :]
    if "chunked" in header.get("transfer-encoding", "").lower():
        raw = unchunked(raw)
    problem = ""
    for coding in reversed([c.strip().lower() for c in header.get("content-encoding", "").split(",") if c.strip()]):
        raw, problem = unpacked(raw, coding)
        if problem:
            break
    return Answer(status, header, raw, problem)


def unchunked(raw: bytes) -> bytes:
    """A chunked body put together; as it is where it is none, for many archives have put it together and left the header."""
    out: list[bytes] = []
    at = 0
    while at < len(raw):
        end = raw.find(b"\r\n", at, at + 1024)
        try:
            size = int(raw[at:end].partition(b";")[0], 16) if end > at else -1
        except ValueError:
            size = -1
        if size < 0:
            return raw if not out else b"".join(out)
        if size == 0:
            break
        out.append(raw[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(out)


def unpacked(raw: bytes, coding: str) -> tuple[bytes, str]:
    """A body without its content coding, and what is wrong with it."""
    if coding in ("identity", ""):
        return raw, ""
    if coding not in ("gzip", "x-gzip", "deflate"):
        return b"", f"it is packed in a way that is not known ({coding})"
    if coding != "deflate" and not raw.startswith(MAGIC[:2]):
        return raw, ""  # unpacked by whoever wrote the archive
    for window in (47, -15):
        unzip = zlib.decompressobj(window)
        try:
            out = unzip.decompress(raw, LONGEST + 1)
        except zlib.error:
            continue
        if len(out) > LONGEST:
            return b"", f"it is longer than {LONGEST >> 20} MiB"
        return out, ""
    return b"", "it cannot be unpacked"


# Writing --------------------------------------------------------------------------------------------------------------


def packed(kind: str, address: str, date: str, block: bytes, type: str, **more: str) -> bytes:
    """A record as a gzip member. Its identifier is made of its contents, so that the same page makes the same bytes."""
    import gzip
    from hashlib import blake2b
    from uuid import UUID

    own = blake2b(b"\0".join((kind.encode(), address.encode(), date.encode(), block)), digest_size=16).digest()
    header = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:uuid:{UUID(bytes=own, version=4)}>",
        "WARC-Target-URI": address,
        "WARC-Date": date,
        **{n.replace("_", "-"): v for n, v in more.items()},
        "Content-Type": type,
        "Content-Length": str(len(block)),
    }
    text = "WARC/1.1\r\n" + "".join(f"{n}: {one_line(v)}\r\n" for n, v in header.items()) + "\r\n"
    return gzip.compress(text.encode() + block + b"\r\n\r\n", 6, mtime=0)


def one_line(text: str) -> str:
    return " ".join(text.split())
