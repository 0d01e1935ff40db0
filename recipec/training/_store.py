"""Encoded rows on disk: written as they stream by, read through memory maps, so that memory does not grow with the rows.

A store is a folder: for each ragged column the numbers of all rows end to end (``.bin``, int32) and where each row begins
(``.off``, int64), for each fixed column one float32 array, and ``meta.json``, written last. It is found again by the key
that all decides it: change a learning rate, and nothing is tokenised again.
"""

from __future__ import annotations

import json
import shutil
from array import array
from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import Json
from recipec.training._base import Dropped, Encoded, Ledger, Rows, Task

if TYPE_CHECKING:
    import numpy as np

    from recipec.training._env import Env

VERSION = 1


class Store:
    """Rows that were kept, by place from 0."""

    def __init__(self, folder: Path, main: str) -> None:
        import numpy as np

        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        self.folder = folder
        self.count: int = meta["ledger"]["kept"]
        self.digest: str = meta["digest"]
        self.ledger = Ledger(
            kept=meta["ledger"]["kept"], truncated=meta["ledger"]["truncated"], dropped=meta["ledger"]["dropped"], reasons=meta["reasons"]
        )
        marks = np.fromfile(folder / "marks", dtype=np.int64).reshape(-1, 2)
        self.ledger.marks = [(int(a), int(b)) for a, b in marks]
        self.ragged: dict[str, tuple[Any, Any]] = {}
        for name in meta["ragged"]:
            off = np.fromfile(folder / f"{name}.off", dtype=np.int64)
            size = int(off[-1])
            flat = np.memmap(folder / f"{name}.bin", dtype=np.int32, mode="r", shape=(size,)) if size else np.zeros(0, np.int32)
            self.ragged[name] = (flat, off)
        self.fixed: dict[str, Any] = {}
        for name, width in meta["fixed"].items():
            values = np.fromfile(folder / f"{name}.f32", dtype=np.float32)
            self.fixed[name] = values.reshape(self.count, width) if width else values
        # The main column comes first; what it is called is the task's.
        self.main = main

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: int) -> dict[str, Any]:
        row = {name: flat[off[place] : off[place + 1]] for name, (flat, off) in self.ragged.items()}
        row.update({name: values[place] for name, values in self.fixed.items()})
        return row

    @property
    def lengths(self) -> np.ndarray[Any, Any]:
        """Tokens of each row: of all its texts together."""
        import numpy as np

        names = [self.main] if self.main in self.ragged else list(self.ragged)
        total: np.ndarray[Any, Any] = np.sum([np.diff(self.ragged[n][1]) for n in names], axis=0)
        return total


def encode(env: Env, rows: Rows, folder: Path, key: str, progress: Callable[[int, int], None]) -> Store:
    """The store of these rows: the one that is there under this key, or a new one."""
    place = folder / key
    if not (place / "meta.json").exists():
        shutil.rmtree(place, ignore_errors=True)
        making = folder / f"{key}.making"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        _write(env.task, env, rows, making, progress)
        making.rename(place)
    return Store(place, env.task.main)


def _write(task: Task, env: Env, rows: Rows, folder: Path, progress: Callable[[int, int], None]) -> None:
    import numpy as np

    ledger = Ledger()
    files: dict[str, Any] = {}
    offsets: dict[str, array[int]] = {}
    widths: dict[str, int] = {}
    digests: dict[str, Any] = {}
    """One a file, so that how the rows are cut into batches does not count."""
    place = 0
    task.start(env)
    try:
        for batch in rows.read():
            made: dict[str, list[Any]] = {}
            fixed: dict[str, list[Any]] = {}
            for result in task.encode(env, batch):
                if isinstance(result, Dropped):
                    ledger.drop(place, result.reason)
                else:
                    ledger.kept += 1
                    if result.truncated:
                        ledger.truncated += 1
                        ledger.mark(place, result.truncated)
                    for name, numbers in result.ragged.items():
                        made.setdefault(name, []).append(numbers)
                    for name, value in result.fixed.items():
                        fixed.setdefault(name, []).append(value)
                place += 1
            for name, lists in made.items():
                file = files.get(name)
                if file is None:
                    file = files[name] = (folder / f"{name}.bin").open("wb")
                    offsets[name] = array("q", [0])
                flat = np.concatenate([np.asarray(x, dtype=np.int32) for x in lists])
                ends = np.cumsum([len(x) for x in lists]) + offsets[name][-1]
                offsets[name].extend(ends.tolist())
                file.write(flat.tobytes())
                digests.setdefault(name, blake2b(digest_size=16)).update(flat.tobytes())
            for name, values in fixed.items():
                table: np.ndarray[Any, Any] = np.asarray(values, dtype=np.float32)
                if name not in files:
                    files[name] = (folder / f"{name}.f32").open("wb")
                    widths[name] = table.shape[1] if table.ndim == 2 else 0
                files[name].write(table.tobytes())
                digests.setdefault(name, blake2b(digest_size=16)).update(table.tobytes())
            progress(place, rows.count)
    finally:
        for file in files.values():
            file.close()
    for name, off in offsets.items():
        with (folder / f"{name}.off").open("wb") as out:
            off.tofile(out)
        digests[f"{name} ends"] = blake2b(off.tobytes(), digest_size=16)
    np.asarray(ledger.marks, dtype=np.int64).tofile(folder / "marks")
    meta = {
        "digest": key_of({name: d.hexdigest() for name, d in digests.items()}),
        "ledger": {"kept": ledger.kept, "truncated": ledger.truncated, "dropped": ledger.dropped},
        "reasons": ledger.reasons,
        "ragged": sorted(offsets),
        "fixed": widths,
    }
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def key_of(parts: Json) -> str:
    """A short name that stands for JSON-able facts."""
    return blake2b(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode(), digest_size=12).hexdigest()


def chunks(values: Iterable[Any], size: int) -> Iterable[list[Any]]:
    """Lists of at most ``size``."""
    part: list[Any] = []
    for value in values:
        part.append(value)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


__all__ = ["Encoded", "Store", "chunks", "encode", "key_of"]
