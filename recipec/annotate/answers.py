"""The file of answers: read, changed a line at a time, on disk before anything goes on.

Lines of others stay as they are, byte for byte; a new answer is a line in its place by key. A change is written to a file beside
it that takes its place (``rename``), so that a crash leaves the old file or the new one. Two processes may write: each takes a
lock on the folder and reads the file again where it is not the one it knew.
"""

from __future__ import annotations

import fcntl
import os
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from recipec.api import DataError
from recipec.readers._answers import Answer, order, read_line

Place: TypeAlias = tuple[tuple[str, ...], str]
"""Of a line in the file: the item and who answered."""
ATTRIBUTES = "# Every line stands for itself: git keeps those of both sides.\n*.jsonl merge=union\n"


class Answers:
    """The answers in ``path``; a file that is not there yet has none, and is made with the first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: tuple[int, int, int] | None = None
        self.lines: dict[Place, list[str]] = {}
        """The lines of an item and worker: one, or several where git merged two."""
        self.said: dict[tuple[str, ...], dict[str, Answer | None]] = {}
        """By item and worker; None where a worker gave several different answers."""
        self.places: list[tuple[Any, Place]] = []
        """The keys of ``lines`` in the order of the file, with what sorts them: an answer is put in its place without sorting all."""
        self.refresh()

    def refresh(self) -> None:
        """Read the file where it is not as it was."""
        now = signature(self.path)
        if now == self.known and now is not None:
            return
        self.lines, self.said = {}, {}
        for line, answer in parsed(self.path):
            place = (answer.item, answer.worker)
            old = self.lines.setdefault(place, [])
            if line not in old:
                old.append(line)
            who = self.said.setdefault(answer.item, {})
            who[answer.worker] = answer if who.get(answer.worker, answer) == answer else None
        self.places = sorted((order(*p), p) for p in self.lines)
        self.known = now

    def of(self, item: tuple[str, ...], worker: str) -> Answer | None:
        return self.said.get(item, {}).get(worker)

    def others(self, item: tuple[str, ...], worker: str) -> Mapping[str, Answer]:
        return {w: a for w, a in sorted(self.said.get(item, {}).items()) if w != worker and a is not None}

    def put(self, answer: Answer) -> list[str]:
        """Write an answer; returns the lines whose place it took."""
        return self.replace((answer.item, answer.worker), [answer.line()])

    def replace(self, place: Place, lines: Sequence[str]) -> list[str]:
        """Let these be the lines of an item and worker; returns those before. The file is on disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.path.parent):
            self.refresh()
            old = self.lines.get(place, [])
            if old == list(lines):
                return old
            entry = (order(*place), place)
            at = bisect_left(self.places, entry)
            behind = at + (place in self.lines)
            parts = [self.lines[p] for _, p in self.places[:at]], [list(lines)], [self.lines[p] for _, p in self.places[behind:]]
            replace_file(self.path, "".join(f"{line}\n" for line in chain.from_iterable(chain.from_iterable(parts))))
            self.places[at:behind] = [entry] if lines else []
            self.lines.pop(place, None)
            if lines:
                self.lines[place] = list(lines)
            who = self.said.setdefault(place[0], {})
            who.pop(place[1], None)
            found = {a for a in map(read_line, lines) if isinstance(a, Answer)}
            if found:
                who[place[1]] = found.pop() if len(found) == 1 else None
            self.known = signature(self.path)
        return old


def parsed(path: Path) -> Iterator[tuple[str, Answer]]:
    """(line, answer); raises DataError for a line that is no answer, for a file is never written that is not understood."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start})", "save it as UTF-8") from None
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip("\r\t ")
        if not line:
            continue
        found = read_line(line)
        if isinstance(found, str):
            raise DataError(f"{path}:{number}: {found}", "mend the line, or take it out; nothing was changed")
        yield line, found


def signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, the operating system's own: it leaves no file behind."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def replace_file(path: Path, text: str) -> None:
    """Write a file whole: in place only when all of it is on disk. A link stays a link, to the file with the new text."""
    path = Path(os.path.realpath(path))
    # Under the folder's lock nobody else writes one: what lies there is of a process that was killed, or was put there by somebody else.
    temporary = path.with_name(f".{path.name}.recipec-new")
    try:
        temporary.unlink(missing_ok=True)
        made = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        with open(made, "w", encoding="utf-8", newline="\n") as out:
            if path.exists():
                os.fchmod(out.fileno(), path.stat().st_mode & 0o777)
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise DataError(f"cannot write {path}: {error.strerror}", "the answers before this one are on disk") from None


def prepare(path: Path) -> None:
    """Make an empty file of answers where there is none, and beside it what tells git how to merge such files."""
    if path.exists():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        attributes = path.parent / ".gitattributes"
        if path.suffix == ".jsonl" and not attributes.exists():
            attributes.write_text(ATTRIBUTES, encoding="utf-8")
        path.touch()
    except OSError as error:
        raise DataError(f"cannot make {path}: {error.strerror}", "name another file: --to FILE") from None


def shown(answer: Answer) -> dict[str, Any]:
    """An answer for the page."""
    if answer.spans is not None:
        return {"spans": [list(s) for s in answer.spans], "tokens": answer.tokens}
    return {"answers": None if answer.answers is None else list(answer.answers)}
