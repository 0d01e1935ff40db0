"""Files on web servers: ``https://...`` where a reader takes a path."""

from __future__ import annotations

import http.client
import json
import re
import time
import zlib
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from recipec.api import DataError, SourceFile
from recipec.mirror._address import amount, base_name, shown
from recipec.mirror._answer import Answer, Passing, ask, unreachable
from recipec.mirror._base import Fetching, Mirror, NoEntry, Snapshot

BLOCK = 1 << 18
ATTEMPTS = 6
"""Times that a file is asked for before it is given up, counted anew whenever something came."""
FIRST_WAIT = 0.5
"""Seconds before the second time; each later wait is twice as long."""
LONGEST_WAIT = 60.0
CLOSED_ATTEMPTS = 3
"""Times that a server is asked which is not there, or whose name nobody knows: that is an address that is wrong more often than not."""
CLOSED_WAIT = 0.3
PACKED = (".gz", ".tgz", ".taz")
PAGES = frozenset({"html", "files", "lines", "markdown", "web"})
"""Readers that a web page is fit for."""
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class HttpMirror(Mirror):
    """One file. Its mark is what the server says of it (``ETag``, ``Last-Modified``, length); the copy is named after its contents, so that a
    file which only got another ETag has not changed."""

    parallel = True

    def __init__(self, address: str) -> None:
        self.url = address
        self.address = shown(address)
        self.server = self.address.partition("//")[2].partition("/")[0]

    def identity(self) -> Any:
        return self.address

    def mark(self, before: Snapshot) -> Any:
        old = before.mark
        asked: dict[str, str] = {}
        if old.get("etag"):
            asked["If-None-Match"] = old["etag"]
        elif old.get("modified"):
            asked["If-Modified-Since"] = old["modified"]
        else:
            return None
        answer = self.asked(asked, lambda: None)
        with answer.body:
            if answer.status == 304:
                return old
            now = marked(answer)
            same = (now["etag"] == old["etag"]) if now["etag"] and old.get("etag") else now == old
            return old if same else now

    def fetch(self, ctx: Fetching) -> Snapshot:
        download = Download(self, ctx)
        path, mark = download.whole()
        return Snapshot(mark, (SourceFile(path, self.address),))

    def ask(self, headers: Mapping[str, str]) -> Answer:
        return ask(self.url, headers)

    def asked(self, headers: Mapping[str, str], tick: Any) -> Answer:
        """An answer, asked for again while failures may pass. Raises DataError."""
        for attempt in range(ATTEMPTS):
            try:
                return self.ask(headers)
            except Passing as problem:
                pause(problem, attempt, tick)
        raise AssertionError("the last attempt raises")


def marked(answer: Answer) -> dict[str, Any]:
    """What the server says of the file's contents."""
    length = answer.header("Content-Length")
    return {"etag": answer.header("ETag"), "modified": answer.header("Last-Modified"), "length": int(length) if length.isdigit() else None}


def pause(problem: Passing, attempt: int, tick: Any, known: bool = False) -> None:
    """Wait before the next attempt; raises the problem's error after the last, or where the server asks for too long a wait. ``known``: the server
    has answered before, and may only be down for a moment."""
    closed = isinstance(problem.error, NoEntry) and not known
    wait = problem.wait if problem.wait is not None else (CLOSED_WAIT if closed else FIRST_WAIT) * 2**attempt
    attempts = CLOSED_ATTEMPTS if closed else ATTEMPTS
    if attempt + 1 >= attempts:
        raise type(problem.error)(f"{problem.error.message} ({attempts} times)", problem.error.help) from None
    if wait > LONGEST_WAIT:
        raise DataError(f"{problem.error.message}; it asks to wait {wait:,.0f} s", "run again later: what has been copied stays") from None
    until = time.monotonic() + wait
    while (left := until - time.monotonic()) > 0:
        tick()
        time.sleep(min(0.2, left))


class Download:
    """A file on its way: ``download.part``, with what the server said of it beside, so that a later run goes on where this one stopped."""

    def __init__(self, mirror: HttpMirror, ctx: Fetching) -> None:
        self.mirror, self.ctx = mirror, ctx
        self.part = ctx.folder / "download.part"
        self.said = ctx.folder / "said.part"
        self.mark: dict[str, Any] = {}
        self.total: int | None = None
        self.packed = False

    def whole(self) -> tuple[Path, dict[str, Any]]:
        """The copied file and its mark."""
        attempt, before = 0, self.size()
        while True:
            had = self.size()
            try:
                if self.once():
                    return self.settled(), self.mark
            except Passing as problem:
                attempt = 0 if self.size() > had else attempt
                pause(problem, attempt, self.tick, known=self.size() != before)
                attempt += 1

    def size(self) -> int:
        try:
            return self.part.stat().st_size
        except OSError:
            return 0

    def tick(self) -> None:
        done = self.size()
        self.ctx.progress(done, self.total, amount(done) + (f" of {amount(self.total)}" if self.total else ""))

    def once(self) -> bool:
        """One request; True when the file is whole. Raises Passing where the connection broke."""
        headers, at = self.resumed()
        answer = self.mirror.ask(headers)
        with answer.body:
            if answer.status == 416 and at == self.total and answer.header("Content-Range") == f"bytes */{at}":
                return True
            if answer.status == 416:
                # What is there is longer than what the server has now.
                self.part.unlink(missing_ok=True)
                return False
            if answer.status == 206 and not self.fits(answer, at):
                self.part.unlink(missing_ok=True)
                raise Passing(DataError(f"{self.mirror.address} sent another piece than was asked for", "run again"), 0.0)
            if answer.status == 200:
                at = 0
                self.begin(answer)
            try:
                with self.part.open("r+b" if at else "wb") as out:
                    out.seek(at)
                    out.truncate()
                    self.pour(answer, out)
            except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
                raise self.cut(error) from None
        if self.total is not None and self.size() != self.total:
            raise self.cut(None)
        return True

    def cut(self, error: Exception | None) -> Exception:
        of = f" of {amount(self.total)}" if self.total is not None else ""
        if isinstance(error, TimeoutError):
            return unreachable(error, self.mirror.url)
        words = f"{self.mirror.address}: the connection ended after {amount(self.size())}{of}"
        return Passing(DataError(words, "run again: it goes on where it stopped"))

    def resumed(self) -> tuple[dict[str, str], int]:
        """The headers that ask for what is still missing, and where that begins."""
        try:
            self.mark = json.loads(self.said.read_text("utf-8"))
            strong = self.mark["etag"] if self.mark["etag"] and not self.mark["etag"].startswith("W/") else self.mark["modified"]
            at = self.size()
            self.total, self.packed = self.mark["length"], self.mark["packed"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}, 0
        if not at or not strong or self.packed or (self.total is not None and at > self.total):
            return {}, 0
        return {"Range": f"bytes={at}-", "If-Range": strong}, at

    def fits(self, answer: Answer, at: int) -> bool:
        """Whether a piece is the one that was asked for, of the file that was begun."""
        found = _RANGE.fullmatch(answer.header("Content-Range"))
        if found is None or int(found[1]) != at:
            return False
        if found[3] != "*":
            self.total = self.total if self.total is not None else int(found[3])
        etag = answer.header("ETag")
        return (found[3] == "*" or int(found[3]) == self.total) and (not etag or not self.mark["etag"] or etag == self.mark["etag"])

    def begin(self, answer: Answer) -> None:
        """A whole file comes: note what the server says of it."""
        self.look(answer)
        coding = answer.header("Content-Encoding").lower()
        if coding not in ("", "identity", "gzip", "x-gzip"):
            raise DataError(
                f"{self.mirror.address} comes packed as `{coding}`, which was not asked for", "download it with another program"
            )
        # A file.csv.gz that is said to be packed is that very file.
        self.packed = coding in ("gzip", "x-gzip") and not urlsplit(self.mirror.url).path.lower().endswith(PACKED)
        self.mark = marked(answer)
        self.total = self.mark["length"]
        self.said.write_text(json.dumps(self.mark | {"packed": self.packed}), encoding="utf-8")

    def look(self, answer: Answer) -> None:
        """Refuse a web page where a file of data was asked for."""
        mirror = self.mirror
        if answer.header("Content-Type").partition(";")[0].strip().lower() not in ("text/html", "application/xhtml+xml"):
            return
        if mirror.reader in PAGES or urlsplit(mirror.url).path.lower().endswith((".html", ".htm", ".xhtml")):
            return
        at = f" (at {shown(answer.address)})" if shown(answer.address) != mirror.address else ""
        raise DataError(
            f"{mirror.address} answers with a web page{at}, not with a file for {mirror.reader or 'this reader'}()",
            "is a login needed, or is this the page about the file? Name the address of the file itself",
        )

    def pour(self, answer: Answer, out: Any) -> None:
        said = time.monotonic()
        self.tick()
        while block := answer.body.read1(BLOCK):  # type: ignore[attr-defined]
            out.write(block)
            if time.monotonic() - said > 0.2:
                said = time.monotonic()
                out.flush()
                self.tick()

    def settled(self) -> Path:
        """Give the whole file its name, which says what is in it."""
        if self.packed:
            self.unpack()
        digest = blake2b(digest_size=12)
        with self.part.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        self.tick()
        path = self.ctx.folder / f"{digest.hexdigest()}-{base_name(urlsplit(self.mirror.url).path)}"
        self.part.replace(path)
        self.said.unlink(missing_ok=True)
        return path

    def unpack(self) -> None:
        """Undo a packing for the way."""
        fresh = self.part.with_name("unpacked.part")
        unpacker = zlib.decompressobj(wbits=31)
        try:
            with self.part.open("rb") as stream, fresh.open("wb") as out:
                while block := stream.read(BLOCK):
                    out.write(unpacker.decompress(block))
                out.write(unpacker.flush())
        except zlib.error:
            self.part.unlink()
            raise DataError(
                f"{self.mirror.address} is said to come packed by gzip, and does not", "run again, or download it with another program"
            ) from None
        if not unpacker.eof:
            self.part.unlink()
            raise DataError(f"{self.mirror.address} came packed by gzip and cut off", "run again")
        fresh.replace(self.part)
