"""The copies that a workspace holds: ``mirror/<key>/`` with the files of a mirror and ``current.json``, the manifest of its last whole copy.

The manifest is replaced in one step after all its files are there, so a copy is whole or is not the current one. The workspace's lock
must be held to change anything.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from recipec.api import DataError, SourceFile
from recipec.mirror._base import Fetching, Mirror, Snapshot

MANIFEST = "current.json"
CLAIMS = "claims.json"
"""Beside the copies: which recipe's step reads which of them."""


@dataclass(frozen=True)
class Arrival:
    """What bringing a copy up to date brought. True where anything changed. ``came`` files of ``came_bytes`` were copied, ``same`` were
    there already, ``gone`` are no longer part of it."""

    snapshot: Snapshot
    changed: bool
    came: int = 0
    came_bytes: int = 0
    same: int = 0
    gone: int = 0

    def __bool__(self) -> bool:
        return self.changed

    @classmethod
    def of(cls, before: Snapshot | None, made: Snapshot) -> Arrival:
        old = {f.name: f.path for f in before.files} if before is not None else {}
        came = [f.path for f in made.files if old.get(f.name) != f.path]
        gone = len(old.keys() - {f.name for f in made.files})
        changed = before is None or bool(came) or gone > 0
        return cls(made, changed, len(came), sum(p.stat().st_size for p in came), len(made.files) - len(came), gone)


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
            # A workspace may have come with somebody's recipe: what it says lies in it lies in it.
            top = os.path.join(os.path.realpath(path.parent), "")
            if not all(os.path.realpath(f.path).startswith(top) for f in files):
                return None
            sizes = [f["size"] for f in made["files"]]
            if [f.path.stat().st_size for f in files] != sizes:
                return None
            return Snapshot(made["mark"], files, made["facts"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def refresh(self, mirror: Mirror, progress: Callable[[int, int | None, str], None], note: Callable[[str], None]) -> Arrival:
        """Bring a copy up to date. Raises DataError where the place cannot be reached or read."""
        before = self.snapshot(mirror)
        mark = None if before is None else as_json(mirror.mark(before))
        folder = self.folder / mirror.key
        try:
            if before is not None and mirror.unchanged(before, mark):
                if mark != before.mark:  # the same contents, known by another mark: the next look asks for that one
                    self.write(mirror, Snapshot(mark, before.files, before.facts))
                return Arrival(before, False, same=len(before.files))
            folder.mkdir(parents=True, exist_ok=True)
            made = mirror.fetch(Fetching(folder, before, progress, note))
            self.write(mirror, made)
            return Arrival.of(before, made)
        except OSError as error:
            raise DataError(
                f"cannot keep a copy of {mirror.address}: {error.strerror or error}", "what has been copied stays; run again"
            ) from None

    def news(self, mirror: Mirror) -> str | None:
        """What the place says has changed since the last copy, in a few words; None where nothing has, or nothing is copied yet."""
        before = self.snapshot(mirror)
        if before is None:
            return None
        mark = as_json(mirror.mark(before))
        return None if mirror.unchanged(before, mark) else mirror.news(before, mark)

    def write(self, mirror: Mirror, made: Snapshot) -> None:
        folder = self.folder / mirror.key
        facts = {
            "address": mirror.address,
            "mark": made.mark,
            "files": [{"name": f.name, "path": f.path.relative_to(folder).as_posix(), "size": f.path.stat().st_size} for f in made.files],
            "facts": dict(made.facts),
        }
        replace(folder / MANIFEST, facts)
        sweep(folder, {f["path"] for f in facts["files"]} | {MANIFEST})

    def claim(self, recipe: str, reads: Mapping[str, Iterable[str]], steps: Iterable[str]) -> None:
        """Note which copies (by key) the steps of a recipe read: those stay when others are removed. ``steps`` are all that it has."""
        claims = self.claims()
        known = set(steps)
        mine = {s: keys for s, keys in claims.get(recipe, {}).items() if s in known} | {s: sorted(keys) for s, keys in reads.items()}
        if mine != claims.get(recipe, {}):
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / ".gitignore").write_text("*\n", encoding="utf-8")
            replace(self.folder / CLAIMS, claims | {recipe: mine})

    def claims(self) -> dict[str, dict[str, list[str]]]:
        """Recipe to step to the keys of the copies that it reads."""
        try:
            made = json.loads((self.folder / CLAIMS).read_text("utf-8"))
            return {r: {s: [str(k) for k in keys] for s, keys in steps.items()} for r, steps in made.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def keep(self, current: Mapping[str, Iterable[str]]) -> int:
        """Remove the copies that no current result is made of; returns how many went. ``current`` has the steps that have a result, by
        recipe; what was copied for a recipe that has not been run yet stays."""
        kept = {
            recipe: {s: keys for s, keys in steps.items() if not current.get(recipe) or s in current[recipe]}
            for recipe, steps in self.claims().items()
        }
        wanted = {key for steps in kept.values() for keys in steps.values() for key in keys}
        gone = [p for p in sorted(self.folder.iterdir()) if p.is_dir() and p.name not in wanted] if self.folder.is_dir() else []
        for folder in gone:
            shutil.rmtree(folder)
        if kept != self.claims():
            replace(self.folder / CLAIMS, kept)
        return len(gone)


def as_json(value: object) -> object:
    """A value as it comes back from JSON: tuples are lists."""
    return json.loads(json.dumps(value))


def replace(path: Path, facts: object) -> None:
    """Write JSON in one step, so that no reader finds half of it."""
    fresh = path.with_name(f"{path.name}.part")
    with fresh.open("w", encoding="utf-8") as stream:
        json.dump(facts, stream, ensure_ascii=False, sort_keys=True)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)


def sweep(folder: Path, wanted: set[str]) -> None:
    """Remove the files below a folder that are not wanted, and folders that are empty then."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in wanted:
            path.unlink()
