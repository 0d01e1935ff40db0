"""What the tests of mirrors share."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from recipec.api import DataError, SourceFile
from recipec.mirror._base import Fetching, Mirror, Snapshot


class Done(NamedTuple):
    status: int
    out: str
    err: str


@dataclass
class Elsewhere:
    """A folder that plays a server; ``asked`` and ``copied`` say what was asked of it."""

    folder: Path
    up: bool = True
    asked: int = 0
    copied: list[str] = field(default_factory=list)
    stop: Any = None

    def put(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


class FakeMirror(Mirror):
    place: ClassVar[Elsewhere]

    def __init__(self, address: str) -> None:
        self.address = address

    def identity(self) -> Any:
        return self.address

    def listing(self) -> list[tuple[str, str]]:
        if not self.place.up:
            raise DataError(f"{self.address} cannot be reached: connection refused", "is the server up?")
        name = self.address.removeprefix("fake://")
        files = sorted(p for p in self.place.folder.glob(name) if p.is_file())
        return [(p.name, hashlib.md5(p.read_bytes()).hexdigest()) for p in files]

    def mark(self, before: Snapshot) -> Any:
        self.place.asked += 1
        return self.listing()

    def fetch(self, ctx: Fetching) -> Snapshot:
        files = []
        for name, mark in (listed := self.listing()):
            path = ctx.folder / f"{mark}-{name}"
            if not path.exists():
                ctx.progress(len(files), len(listed), f"{name}")
                if self.place.stop is not None:
                    self.place.stop(name)
                shutil.copy(self.place.folder / name, path)
                self.place.copied.append(name)
            files.append(SourceFile(path, f"fake://{name}"))
        return Snapshot(listed, tuple(files), {"files": len(files)})
