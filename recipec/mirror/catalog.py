"""The copies that a workspace holds: ``mirror/<key>/`` with the files of a mirror and ``current.json``, the manifest of its last whole copy.

The manifest is replaced in one step after all its files are there, so a copy is whole or is not the current one. The workspace's lock
must be held to change anything.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from recipec.api import DataError, SourceFile
from recipec.mirror._base import Fetching, Mirror, Snapshot

MANIFEST = "current.json"


class Catalog:
    """``folder`` is ``<workspace>/mirror``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def manifest(self, mirror: Mirror) -> Path:
        """Where the manifest lies, or would: what a cached check depends on."""
        return self.folder / mirror.key / MANIFEST

    def snapshot(self, mirror: Mirror) -> Snapshot | None:
        """The last whole copy; None where there is none, or where one of its files is gone."""
        path = self.manifest(mirror)
        try:
            made = json.loads(path.read_text("utf-8"))
            files = tuple(SourceFile(path.parent / f["path"], f["name"]) for f in made["files"])
            sizes = [f["size"] for f in made["files"]]
            if [f.path.stat().st_size for f in files] != sizes:
                return None
            return Snapshot(made["mark"], files, made["facts"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def refresh(self, mirror: Mirror, progress: Callable[[int, int | None, str], None], note: Callable[[str], None]) -> bool:
        """Bring a copy up to date; returns whether anything changed. Raises DataError where the place cannot be reached or read."""
        before = self.snapshot(mirror)
        if before is not None and (mark := mirror.mark(before)) is not None and mark == before.mark:
            return False
        folder = self.folder / mirror.key
        try:
            folder.mkdir(parents=True, exist_ok=True)
            made = mirror.fetch(Fetching(folder, before, progress, note))
            self.write(mirror, made)
        except OSError as error:
            raise DataError(
                f"cannot keep a copy of {mirror.address}: {error.strerror or error}", "what has been copied stays; run again"
            ) from None
        return before is None or [(f.name, f.path) for f in before.files] != [(f.name, f.path) for f in made.files]

    def write(self, mirror: Mirror, made: Snapshot) -> None:
        folder = self.folder / mirror.key
        facts = {
            "address": mirror.address,
            "mark": made.mark,
            "files": [{"name": f.name, "path": f.path.relative_to(folder).as_posix(), "size": f.path.stat().st_size} for f in made.files],
            "facts": dict(made.facts),
        }
        fresh = folder / f"{MANIFEST}.part"
        with fresh.open("w", encoding="utf-8") as stream:
            json.dump(facts, stream, ensure_ascii=False, sort_keys=True)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(folder / MANIFEST)
        sweep(folder, {f["path"] for f in facts["files"]} | {MANIFEST})

    def keep(self, mirrors: Iterable[Mirror]) -> int:
        """Remove the copies of all other mirrors; returns how many bytes that freed."""
        wanted = {m.key for m in mirrors}
        freed = 0
        for folder in sorted(self.folder.iterdir()) if self.folder.is_dir() else ():
            if folder.name not in wanted:
                freed += sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
                shutil.rmtree(folder)
        return freed


def sweep(folder: Path, wanted: set[str]) -> None:
    """Remove the files below a folder that are not wanted."""
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in wanted:
            path.unlink()
