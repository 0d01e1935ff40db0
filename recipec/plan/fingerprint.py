"""Fingerprints of meaning.

A step's run key stands for everything that decides its result: its kind and the kind's version, its canonical meaning,
the contents of the files it reads, and the *outputs* of the steps it reads. Comments, layout, descriptions and the names
of steps are not in it. When a step run anew gives the rows it gave before, its output keeps its identity, and what is
below is reused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

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

    File names take part only where the step's meaning holds them (row keys made from a file's name): else the contents.
    """
    return digest(
        {
            "kind": f"{step.kind.name}@{step.kind.version}",
            "meaning": step.bound.meaning,
            "inputs": [list(i) for i in inputs],
            "files": sorted(files.values()),
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
    """Name to digest of contents. A file whose size, time and inode are those of the last look is not read again."""
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
        # A file written within the clock's grain of this look may change again under the same time: look again next time.
        if clock_ns() - stat.st_mtime_ns > 2_000_000_000:
            fresh.append([path, *facts, out[file.name]])
    if fresh and not workspace.read_only:
        workspace.con.executemany("INSERT OR REPLACE INTO recipec.files VALUES (?, ?, ?, ?, ?)", fresh)
    return out


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
