"""The ledger: every answer that was paid for, written and synced before anything uses it.

A ledger is a folder. Answers are lines of JSON in segments, ``answers-0001.jsonl`` and so on, that are only ever appended to:

* **One writer a segment.** A process that has something to write takes the first segment whose lock file it can lock,
  or starts a new one. Two processes therefore never write to one file, and no lock is held while a process waits for
  another. Each sees what the other has synced at its next :meth:`Ledger.refresh`.
* **A line is there whole or not at all.** It begins with its own checksum. Who takes a segment cuts off
  what stands behind its last line end (an answer that was being written when its process died, which nothing had used
  yet), so that what is appended next begins a line. A line whose checksum fails is a missing answer.
* **Group commit.** :meth:`Ledger.append` takes many answers for one write and one sync, and only answers that are synced can be read.
* **A disk that fills up costs nothing.** The lock file of a segment in use takes a quarter of a megabyte: where an answer finds no room, that
  is given back, and what was under way can still be written. Nothing is sent before there is such a reserve (:meth:`Ledger.ready`).
* **Nor does one that fails for good.** What it does not take is written elsewhere (:mod:`recipec.models.rescue`), read from there by the next
  run, and moved back as soon as the disk takes it.
* **Keys are found in memory**, 24 bytes an answer in sorted arrays (:mod:`recipec.models.index`); texts stay on disk.

The first line of a segment names its format. Failures are kept apart, in ``failures-0001.jsonl`` under the same locks; they
cost nothing to lose and are not synced. No secret is ever part of a record: neither is a key made from one.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, cast

from recipec.models import rescue
from recipec.models.index import KeyIndex
from recipec.models.requests import Answer, Failure, FailureKind, Token

VERSION = 1
HEADER = b'{"format":"recipec answers","version":%d}\n' % VERSION
_START = b'{"sum":"'
_SUM = slice(len(_START), len(_START) + 8)
_SUMMED = _SUM.stop
_KEY = slice(_SUMMED + len(b'","key":"'), _SUMMED + len(b'","key":"') + 32)
_SHORTEST = _KEY.stop + len(b'"}\n')
CHUNK = 8 << 20
RESERVE = 256 << 10
"""Bytes kept for answers that are under way when the disk becomes full."""
TRIES = 3
"""How often a write is tried that the disk refuses: an error may be of the moment."""
FULL = (errno.ENOSPC, errno.EDQUOT)


class LedgerError(Exception):
    """The ledger cannot be read or written; the message says which file and why."""

    lost = 0
    """Answers that came and are kept nowhere."""


class Ledger:
    """Answers by key, in ``folder`` (made where missing, at the first answer).

    Safe for one writing and several reading threads. Use as a context manager, or :meth:`close` it: that frees its segment
    for others (the end of the process does so too).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._index = KeyIndex()
        self._read: dict[int, _Reader] = {}
        self._writer: _Writer | None = None
        self._failures: dict[bytes, Failure] | None = None
        self._lock = Lock()
        self.damaged = 0
        """Lines whose checksum failed, seen so far: each is a missing answer."""
        self.refresh()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._index)

    def close(self) -> None:
        with self._lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            for reader in self._read.values():
                reader.close()
            self._read = {}

    def ready(self) -> None:
        """Have a place where answers can be kept; raises :class:`LedgerError` where there is none. To be called before anything is paid for."""
        with self._lock:
            self._take()

    def refresh(self) -> None:
        """See what other processes have added since."""
        with self._lock:
            for path in sorted(self.folder.glob("answers-[0-9][0-9][0-9][0-9].jsonl")):
                number = int(path.stem[-4:])
                reader = self._read.get(number)
                if reader is None:
                    reader = self._read[number] = _Reader(path)
                if self._writer is None or self._writer.number != number:
                    self.damaged += reader.scan(self._index, number)
            self._see_rescued()

    def _see_rescued(self) -> None:
        path = rescue.place(self.folder)
        if path is None or not path.exists():
            return
        if rescue.SEGMENT not in self._read:
            try:
                self._read[rescue.SEGMENT] = _Reader(path)
            except OSError as error:
                raise LedgerError(f"cannot read {path}, where answers were kept that a disk refused: {error.strerror}") from error
        self.damaged += self._read[rescue.SEGMENT].scan(self._index, rescue.SEGMENT)

    def has(self, key: bytes) -> bool:
        """Whether the answer is there. (One torn in the middle by a power cut counts as missing.)"""
        return self._index.find(key) is not None

    def get(self, key: bytes) -> Answer | None:
        """The answer of ``key``, marked as cached, or None."""
        record = self._record(key)
        return None if record is None else _answer(record)

    def fact(self, key: bytes) -> Mapping[str, Any] | None:
        """Something learnt about a server that was kept with :meth:`keep_fact`."""
        record = self._record(key)
        return None if record is None else cast("Mapping[str, Any]", record.get("fact"))

    def keep_fact(self, key: bytes, fact: Mapping[str, Any]) -> None:
        # Where it cannot be kept it is learnt again: the answer that it came with must not be lost over it.
        with suppress(LedgerError):
            self._append([(key, {"fact": dict(fact)})])

    def append(self, answers: Sequence[tuple[bytes, Answer]]) -> None:
        """Write answers and sync them: when this returns they outlive a crash of the machine.

        Raises :class:`LedgerError` where the disk refuses; then none of them is kept. Where it became full and they found room
        in the reserve they are kept, and it is raised all the same: nothing more may be asked.
        """
        self._append([(key, _plain(answer)) for key, answer in answers])

    def _append(self, records: Sequence[tuple[bytes, Mapping[str, Any]]]) -> None:
        lines = [_line(key, record) for key, record in records]
        with self._lock:
            writer = self._take()
            try:
                at = writer.append(lines)
            except LedgerError as error:
                raise self._elsewhere(error, lines) from error
            self._index.add([key for key, _ in records], writer.number, at)
            if writer.full:
                raise LedgerError(f"the disk is full, where the ledger {self.folder} lies; every answer that came is kept")

    def _elsewhere(self, error: LedgerError, lines: Sequence[bytes]) -> LedgerError:
        """Keep what the disk refused where that can be done; the error to raise."""
        path = rescue.rescue(self.folder, HEADER, lines)
        if path is not None:
            return LedgerError(f"{error}. What came is kept in {path}, and the next run takes it from there")
        made = LedgerError(str(error))
        made.lost = len(lines)
        return made

    def append_failure(self, key: bytes, failure: Failure) -> None:
        """Keep a failure, apart from the answers."""
        line = json.dumps(
            {"key": key.hex(), "kind": failure.kind, "attempts": failure.attempts, "message": failure.message}, ensure_ascii=False
        )
        with self._lock:
            self._take().append_failure(line.encode("utf-8", "replace") + b"\n")
            if self._failures is not None:
                self._failures[key] = failure

    def failures(self) -> Mapping[bytes, Failure]:
        """The last failure of every key that has one and no answer since. Held in memory from the first call on."""
        if self._failures is None:
            self._failures = dict(_read_failures(self.folder))
        return {key: failure for key, failure in self._failures.items() if not self.has(key)}

    def failure(self, key: bytes) -> Failure | None:
        """The last failure kept under ``key``."""
        if self._failures is None:
            self._failures = dict(_read_failures(self.folder))
        return self._failures.get(key)

    def _record(self, key: bytes) -> dict[str, Any] | None:
        place = self._index.find(key)
        if place is None:
            return None
        segment, offset = place
        reader = self._read.get(segment)
        if reader is None:
            with self._lock:
                reader = self._read.setdefault(segment, _Reader(_segment(self.folder, segment)))
        line = reader.line(offset)
        if not _sound(line) or line[_KEY] != key.hex().encode():
            return None
        return cast("dict[str, Any]", json.loads(line))

    def _take(self) -> _Writer:
        """This process's own segment."""
        if self._writer is None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._writer = _Writer.take(self.folder)
            except OSError as error:
                raise LedgerError(f"cannot write to the ledger {self.folder}: {error.strerror or error}") from error
            reader = self._read.get(self._writer.number)
            if reader is not None:
                # What its last owner wrote since we looked.
                self.damaged += reader.scan(self._index, self._writer.number)
            else:
                reader = self._read[self._writer.number] = _Reader(_segment(self.folder, self._writer.number))
                self.damaged += reader.scan(self._index, self._writer.number)
            with rescue.rescued(self.folder) as data:
                # Whole and sound lines: the first names the format, or is none.
                if lines := [line for line in data.splitlines(keepends=True) if _sound(line)]:
                    self._index.add([bytes.fromhex(line[_KEY].decode()) for line in lines], self._writer.number, self._writer.append(lines))
        return self._writer


def _segment(folder: Path, number: int) -> Path:
    return folder / f"answers-{number:04}.jsonl"


class _Writer:
    """The segment that this process owns."""

    def __init__(self, number: int, lock: int, answers: int, failures: int, path: Path) -> None:
        self.number = number
        self._lock = lock
        self._answers = answers
        self._failures = failures
        self._path = path
        self._size = os.fstat(answers).st_size
        self._torn = False
        """Whether part of a batch stands at the end and could not be cut off."""
        self.full = False
        """Whether the disk had no room, and the reserve was given back."""

    @classmethod
    def take(cls, folder: Path) -> _Writer:
        for number in range(1, 10_000):
            opened: list[int] = []

            def file(name: str, flags: int, opened: list[int] = opened) -> int:
                opened.append(os.open(folder / name, flags | os.O_RDWR | os.O_CREAT, 0o600))
                return opened[-1]

            try:
                lock = file(f"segment-{number:04}.lock", 0)
                if _try_lock(lock):
                    _reserve(lock)
                    path = _segment(folder, number)
                    answers = file(path.name, os.O_APPEND)
                    failures = file(f"failures-{number:04}.jsonl", os.O_APPEND)
                    _mend(answers)
                    _mend(failures)
                    if os.fstat(answers).st_size == 0:
                        _write(answers, HEADER)
                        _sync(answers)
                        _sync_folder(folder)
                    opened.clear()
                    return cls(number, lock, answers, failures, path)
            finally:
                for descriptor in opened:
                    os.close(descriptor)
        raise LedgerError(f"{folder}: ten thousand processes write to this ledger")

    def append(self, lines: Sequence[bytes]) -> list[int]:
        """Write and sync whole lines; where each begins."""
        problem: OSError | None = None
        for number in range(TRIES):
            written = False
            try:
                if self._torn:
                    # What stands there becomes a line of its own, which its checksum does not fit.
                    self._size = os.fstat(self._answers).st_size + 1
                _write(self._answers, b"\n" * self._torn + b"".join(lines))
                written = True
                _sync(self._answers)
                break
            except OSError as error:
                problem = error
                if written and number == TRIES - 1:
                    # All of it stands there, and may yet come to the disk: whole lines are not cut off, but nothing uses them now.
                    self._size = os.fstat(self._answers).st_size
                    self._torn = False
                    continue
                # Half a batch must not stand before the next one.
                try:
                    os.ftruncate(self._answers, self._size - self._torn)
                except OSError:
                    self._torn = True
                if error.errno in FULL and not self.full:
                    self.full = True
                    os.ftruncate(self._lock, 0)
        else:
            assert problem is not None
            raise LedgerError(f"cannot write to the ledger {self._path}: {problem.strerror or problem}") from problem
        self._torn = False
        if self.full:
            self._reserve_again()
        places = []
        for line in lines:
            places.append(self._size)
            self._size += len(line)
        return places

    def _reserve_again(self) -> None:
        try:
            _reserve(self._lock)
            self.full = False
        except OSError:
            os.ftruncate(self._lock, 0)

    def append_failure(self, line: bytes) -> None:
        try:
            _write(self._failures, line)
        except OSError as error:
            raise LedgerError(f"cannot write failures beside {self._path}: {error.strerror or error}") from error

    def close(self) -> None:
        for descriptor in (self._answers, self._failures, self._lock):
            os.close(descriptor)


class _Reader:
    """A segment as far as it is known: complete lines only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY)
        self._known = 0

    def close(self) -> None:
        os.close(self._descriptor)

    def scan(self, index: KeyIndex, number: int) -> int:
        """Index the lines after what is known; how many were damaged."""
        damaged = 0
        found: list[tuple[Any, Any]] = []
        while chunk := os.pread(self._descriptor, CHUNK, self._known):
            end = chunk.rfind(b"\n") + 1
            if end == 0:
                if len(chunk) < CHUNK:
                    break  # A line still being written.
                chunk, end = self._long_line()
                if end == 0:
                    break
            keys, places, bad = self._read_lines(chunk, end)
            found.append((keys, places))
            damaged += bad
            self._known += end
        if found:
            import numpy as np

            index.add_many(np.concatenate([k for k, _ in found]), number, np.concatenate([p for _, p in found]))
        return damaged

    def _long_line(self) -> tuple[bytes, int]:
        """A line longer than a chunk."""
        size = CHUNK
        while True:
            size *= 2
            chunk = os.pread(self._descriptor, size, self._known)
            end = chunk.rfind(b"\n") + 1
            if end or len(chunk) < size:
                return chunk, end

    def _read_lines(self, chunk: bytes, end: int) -> tuple[Any, Any, int]:
        """The keys (rows of 16 bytes) of the sound lines in a chunk, where they begin in the file, and how many are damaged."""
        import numpy as np

        first = 0
        if self._known == 0:
            first = chunk.index(b"\n") + 1
            self._check(chunk[:first])
        data = np.frombuffer(chunk, np.uint8, end - first, first)
        ends: Any = np.flatnonzero(data == ord("\n"))
        starts: Any = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])[: len(ends)]
        whole = ends - starts >= _SHORTEST
        starts, ends, count = starts[whole], ends[whole], len(ends)
        view = memoryview(chunk)[first:end]
        summed = np.fromiter(
            (zlib.crc32(view[a:b]) for a, b in zip((starts + _SUMMED).tolist(), ends.tolist(), strict=True)), np.uint32, len(ends)
        )
        expected = _unhex(data, starts, _SUM)
        keys = _unhex(data, starts, _KEY)
        sound = (expected.view(">u4").ravel() == summed) & (
            data[starts[:, None] + np.arange(len(_START))] == np.frombuffer(_START, np.uint8)
        ).all(axis=1)
        return keys[sound], starts[sound] + (self._known + first), count - int(sound.sum())

    def _check(self, header: bytes) -> None:
        try:
            about = json.loads(header)
        except (ValueError, RecursionError):
            about = None
        if not isinstance(about, dict) or about.get("format") != "recipec answers":
            raise LedgerError(f"{self.path} is no ledger: its first line does not name the format")
        if about.get("version") != VERSION:
            raise LedgerError(
                f"{self.path} has version {about.get('version')}; this recipec writes and reads version {VERSION}: run the recipec that wrote it, "
                "or move the folder away (its answers are then paid for again)"
            )

    def line(self, offset: int) -> bytes:
        size = 2048
        while True:
            data = os.pread(self._descriptor, size, offset)
            end = data.find(b"\n")
            if end >= 0:
                return data[: end + 1]
            if len(data) < size:
                return b""
            size *= 8


def _line(key: bytes, record: Mapping[str, Any]) -> bytes:
    """A record as a line: its checksum (CRC-32 of all that follows the sum's digits), its key, the rest."""
    rest = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")[1:]
    summed = b'","key":"%s",%s' % (key.hex().encode(), rest)
    return b"%s%08x%s\n" % (_START, zlib.crc32(summed), summed)


def _sound(line: bytes) -> bool:
    """Whether a line is as it was written."""
    return line.startswith(_START) and line[_SUM] == b"%08x" % zlib.crc32(line[_SUMMED:-1])


def _unhex(data: Any, starts: Any, part: slice) -> Any:
    """The bytes that a part of each line spells in lower-case hexadecimal (other characters give wrong bytes)."""
    import numpy as np

    digits = data[starts[:, None] + np.arange(part.start, part.stop)]
    values = np.where(digits >= ord("a"), digits - (ord("a") - 10), digits - ord("0"))
    return np.ascontiguousarray(values[:, 0::2] << 4 | values[:, 1::2])


def _plain(answer: Answer) -> dict[str, Any]:
    record: dict[str, Any] = {
        "text": answer.text,
        "finish": answer.finish,
        "in": answer.tokens_in,
        "out": answer.tokens_out,
        "model": answer.model,
    }
    if answer.logprobs is not None:
        record["logprobs"] = [[t.text, t.logprob, [list(pair) for pair in t.top]] for t in answer.logprobs]
    if answer.scores is not None:
        record["scores"] = list(answer.scores)
        record["way"] = answer.way
    return record


def _answer(record: Mapping[str, Any]) -> Answer:
    tokens = record.get("logprobs")
    scores = record.get("scores")
    return Answer(
        text=record["text"],
        finish=record["finish"],
        tokens_in=record["in"],
        tokens_out=record["out"],
        logprobs=None if tokens is None else tuple(Token(t, p, tuple((a, b) for a, b in top)) for t, p, top in tokens),
        model=record["model"],
        key=record["key"],
        cached=True,
        scores=None if scores is None else tuple(scores),
        way=record.get("way"),
    )


def _read_failures(folder: Path) -> Iterator[tuple[bytes, Failure]]:
    for path in sorted(folder.glob("failures-[0-9][0-9][0-9][0-9].jsonl")):
        with path.open("rb") as file:
            for line in file:
                try:
                    record = json.loads(line)
                    key = bytes.fromhex(record["key"])
                    failure = Failure(cast("FailureKind", record["kind"]), record["message"], record["attempts"])
                except (ValueError, KeyError, TypeError, RecursionError):
                    continue  # Torn or foreign: it is only a failure less.
                yield key, failure


def _reserve(descriptor: int) -> None:
    """Let a file take as much of the disk as answers under way may want."""
    missing = RESERVE - os.fstat(descriptor).st_size
    if missing > 0:
        # Bytes that no file system makes smaller.
        os.lseek(descriptor, 0, os.SEEK_END)
        _write(descriptor, os.urandom(missing))


def _mend(descriptor: int) -> None:
    """Cut off what stands behind the last line end: a line that was being written when its process died."""
    size = end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - CHUNK)
        at = os.pread(descriptor, end - start, start).rfind(b"\n")
        if at >= 0:
            end = start + at + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync(descriptor: int) -> None:
    import fcntl

    if sys.platform == "darwin":
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # There, fsync leaves data in the drive's cache.
    else:
        os.fdatasync(descriptor)  # Only the data and the size matter, not the times.


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    """Lock a file until it is closed or its process ends; False where another holds it."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


__all__ = ["Ledger", "LedgerError"]
