"""Pages on disk, in WARC: one record a page, each a gzip member, so that records can be put in another order as the bytes they are."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from recipec.mirror.web_client import Reply

ASKED = "Recipec-Asked"
"""The field of a record that says which address was asked for, where redirects led to another."""
FAILURE = "application/json"
DROPPED = frozenset({"transfer-encoding", "connection", "keep-alive", "set-cookie", "set-cookie2"})
"""Header fields of an answer that are not kept: what was of the transfer alone, and what lets somebody in."""


@dataclass(frozen=True)
class Kept:
    """A page that is on disk, or why it is not there. ``again``: it may be there another time."""

    path: Path
    start: int
    end: int
    date: str
    why: str = ""
    again: bool = False
    tag: str = ""
    modified: str = ""
    digest: str = ""
    """Of the answer's body."""

    def raw(self) -> bytes:
        with self.path.open("rb") as stream:
            stream.seek(self.start)
            return stream.read(self.end - self.start)


class Store:
    """A file that pages are added to, by several threads. What a killed process wrote is found again; a record it wrote in part is not."""

    def __init__(self, path: Path) -> None:
        self.path, self.lock = path, threading.Lock()
        self.pages: dict[str, Kept] = read(path)
        end = max((k.end for k in self.pages.values()), default=0)
        self.stream: IO[bytes] = path.open("r+b" if path.exists() else "w+b")
        self.stream.truncate(end)
        self.stream.seek(end)

    def page(self, asked: str, final: str, reply: Reply, date: str) -> None:
        from recipec.readers._warc import one_line, packed

        lines = [f"HTTP/1.1 {reply.status} {one_line(reply.reason)}"]
        lines += [f"{n}: {one_line(v)}" for n, v in reply.head if n.lower() not in DROPPED]
        block = "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + reply.body
        more = {ASKED: asked} if asked != final else {}
        record = packed("response", final, date, block, "application/http; msgtype=response", **more)
        self.add(asked, record, date, tag=reply.header("etag"), modified=reply.header("last-modified"), digest=digest(reply.body))

    def failure(self, asked: str, why: str, again: bool, date: str) -> None:
        from recipec.readers._warc import packed

        block = json.dumps({"why": why, "again": again}, ensure_ascii=False, sort_keys=True).encode()
        self.add(asked, packed("metadata", asked, date, block, FAILURE), date, why=why, again=again)

    def add(
        self, asked: str, record: bytes, date: str, why: str = "", again: bool = False, tag: str = "", modified: str = "", digest: str = ""
    ) -> None:
        with self.lock:
            start = self.stream.tell()
            self.stream.write(record)
            self.stream.flush()
            self.pages[asked] = Kept(self.path, start, start + len(record), date, why, again, tag, modified, digest)

    def close(self) -> None:
        self.stream.close()


def read(path: Path) -> dict[str, Kept]:
    """The pages of a file by the address that was asked for, the last of each, up to the first damage."""
    from recipec.readers._warc import Broken, answer_of, records

    made: dict[str, Kept] = {}
    if not path.exists():
        return made
    for record in records(path):
        if isinstance(record, Broken):
            break
        target = record.header.get("warc-target-uri", "")
        asked = record.header.get(ASKED.lower(), target)
        date = record.header.get("warc-date", "")
        if record.kind == "metadata":
            said = json.loads(record.block)
            made[asked] = Kept(path, record.start, record.end, date, said["why"], said["again"])
        elif record.kind == "response":
            answer = answer_of(record.block)
            raw = record.block[record.block.find(b"\r\n\r\n") + 4 :]
            made[asked] = Kept(
                path,
                record.start,
                record.end,
                date,
                "",
                False,
                answer.header.get("etag", ""),
                answer.header.get("last-modified", ""),
                digest(raw),
            )
    return made


def digest(body: bytes) -> str:
    from hashlib import blake2b

    return blake2b(body, digest_size=16).hexdigest()


def assemble(folder: Path, pages: Iterable[Kept]) -> Path:
    """One file of these pages in this order, named after its bytes."""
    from hashlib import blake2b

    fresh = folder / "pages.warc.gz.part"
    summed = blake2b(digest_size=12)
    with fresh.open("wb") as out:
        for page in pages:
            raw = page.raw()
            summed.update(raw)
            out.write(raw)
        out.flush()
        os.fsync(out.fileno())
    path = folder / f"pages-{summed.hexdigest()}.warc.gz"
    fresh.replace(path)
    return path
