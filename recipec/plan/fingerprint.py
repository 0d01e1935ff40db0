"""Fingerprints of meaning.

A step's run key stands for everything that decides its result: its kind and the kind's version, its canonical meaning,
the contents of the files it reads, and the *outputs* of the steps it reads. Comments, layout, descriptions and the names
of steps are not in it. When a step run anew gives the rows it gave before, its output keeps its identity, and what is
below is reused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from recipec.api import DataError, SourceFile

if TYPE_CHECKING:
    from recipec.resolve.program import ResolvedStep
    from recipec.workspace.database import Workspace


def digest(value: Any) -> str:
    """96 bits of BLAKE2b over canonical JSON, in hexadecimal."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return blake2b(text.encode("ascii"), digest_size=12).hexdigest()


def run_key(step: ResolvedStep, inputs: Iterable[tuple[str, str | None]], files: Mapping[str, str]) -> str:
    """``inputs`` are (output id, part) of the tables read, in order; ``files`` maps names to digests of contents.

    File names take part only where the step's meaning holds them (row keys made from a file's name): else the contents. There it
    matters which file holds which, so that two files that change places are a change.
    """
    contents = [files[n] for n in sorted(files)] if "files" in step.bound.meaning else sorted(files.values())
    return digest(
        {
            "kind": f"{step.kind.name}@{step.kind.version}",
            "meaning": step.bound.meaning,
            "inputs": [list(i) for i in inputs],
            "files": contents,
        }
    )


def guards_key(step: ResolvedStep) -> str:
    """What decides whether the step's result is accepted, but not what it is: tests and limits."""
    tests = [[t.name, t.offending, t.scalar, t.warn] for t in step.bound.tests]
    return digest([tests, dict(step.bound.guards)])


def static_key(step: ResolvedStep, parents: Iterable[tuple[str, str | None]]) -> str:
    """The fingerprint of a step's meaning alone, with its parents' static keys in place of outputs: for lock and diff."""
    return digest({"kind": f"{step.kind.name}@{step.kind.version}", "meaning": step.bound.meaning, "inputs": [list(p) for p in parents]})


def file_digests(workspace: Workspace, files: Iterable[SourceFile]) -> dict[str, str]:
    """Name to digest of contents. A file whose size, time and inode are those of the last look is not read again.

    More than :data:`MANY` files are told together, in :data:`GROUPS` groups by their names: a row for each would make every look at the
    workspace as slow as they are many.
    """
    files = tuple(files)
    if len(files) > MANY:
        return grouped_digests(workspace, files)
    known = {r[0]: r[1:] for r in workspace.con.execute("SELECT path, size, mtime_ns, inode, digest FROM recipec.files").fetchall()}
    out: dict[str, str] = {}
    fresh: list[list[Any]] = []
    for file in files:
        path = str(file.path)
        try:
            stat = file.path.stat()
            facts = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
            row = known.get(path)
            if row is not None and tuple(row[:3]) == facts:
                out[file.name] = row[3]
                continue
            out[file.name] = file_digest(file)
        except OSError as error:
            raise DataError(f"cannot read `{file.name}`: {error.strerror}") from None
        if clock_ns() - stat.st_mtime_ns > _GRAIN:
            fresh.append([path, *facts, out[file.name]])
    if fresh and not workspace.read_only:
        workspace.con.executemany("INSERT OR REPLACE INTO recipec.files VALUES (?, ?, ?, ?, ?)", fresh)
    return out


MANY = 1_000
GROUPS = 256
_GRAIN = 2_000_000_000
"""A file written within the clock's grain of a look may change again under the same time, in nanoseconds."""


def grouped_digests(workspace: Workspace, files: Sequence[SourceFile]) -> dict[str, str]:
    """Digests of many files by groups. A group all of whose files have the names, sizes, times and inodes of the last look is not read again."""
    first, last = min(f.name for f in files), max(f.name for f in files)
    root = next((first[:i] for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), first).rpartition("/")[0]
    label = f"{root or '.'}/**{os.path.splitext(first)[1]}"
    groups: list[list[SourceFile]] = [[] for _ in range(GROUPS)]
    for file in files:
        groups[crc32(file.name.encode("utf-8", "surrogatepass")) % GROUPS].append(file)
    labels = [f"{label} (part {i + 1} of {GROUPS})" for i in range(GROUPS)]
    folder = str(files[0].path)[: -len(files[0].name)]
    rows = workspace.con.execute(
        "SELECT path, size, mtime_ns, inode, digest FROM recipec.files WHERE list_contains(?, path)", [[folder + t for t in labels]]
    ).fetchall()
    known = {r[0]: r[1:] for r in rows}
    out: dict[str, str] = {}
    fresh: list[list[Any]] = []
    for name, group in zip(labels, groups, strict=True):
        if not group:
            continue
        group.sort(key=lambda f: f.name)
        facts, newest = looked_at(group)
        row = known.get(folder + name)
        if row is not None and tuple(row[:3]) == facts:
            out[name] = row[3]
            continue
        out[name] = contents_digest(group)
        if clock_ns() - newest > _GRAIN:
            fresh.append([folder + name, *facts, out[name]])
    if fresh and not workspace.read_only:
        workspace.con.executemany("INSERT OR REPLACE INTO recipec.files VALUES (?, ?, ?, ?, ?)", fresh)
    return out


def looked_at(group: Sequence[SourceFile]) -> tuple[tuple[int, int, int], int]:
    """The sizes of files together, how many they are and a number for what a look at them sees; and the newest time."""
    size = newest = 0
    seen = blake2b(digest_size=8)
    for file in group:
        try:
            stat = os.stat(file.path)
        except OSError as error:
            raise DataError(f"cannot read `{file.name}`: {error.strerror}") from None
        size += stat.st_size
        newest = max(newest, stat.st_mtime_ns)
        seen.update(f"{file.name}\0{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_ino}\n".encode("utf-8", "surrogatepass"))
    return (size, len(group), int.from_bytes(seen.digest(), "little") >> 1), newest


def contents_digest(group: Sequence[SourceFile]) -> str:
    """BLAKE2b of the files' bytes, each behind its length, in the order of their names."""
    total = blake2b(digest_size=16)
    for file in group:
        try:
            whole = small(file.path)
        except IsADirectoryError:
            whole = None
        except OSError as error:
            raise DataError(f"cannot read `{file.name}`: {error.strerror}") from None
        total.update(b"%d\0" % len(whole) if whole is not None else b"\0")
        total.update(whole if whole is not None else file_digest(file).encode())
    return total.hexdigest()


def small(path: Path) -> bytes | None:
    """A file's bytes with as few calls as can be; None for one of more than a MiB."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        data = os.read(handle, 1 << 20)
        return data if len(data) < 1 << 20 and not os.read(handle, 1) else None
    finally:
        os.close(handle)


def file_digest(file: SourceFile) -> str:
    """BLAKE2b of a file's bytes; of a folder's files with their names."""
    total = blake2b(digest_size=16)
    paths = sorted(p for p in file.path.rglob("*") if p.is_file()) if file.path.is_dir() else [file.path]
    for path in paths:
        if path != file.path:
            total.update(path.relative_to(file.path).as_posix().encode() + b"\0")
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    return total.hexdigest()


def clock_ns() -> int:
    import time

    return time.time_ns()
