"""Files of tables in an object store, where the machines of a cluster share no disk; see :mod:`recipec.workspace.rows`.

A file keeps the name that it has in the workspace. Who writes one puts it into the store, from where whoever reads it takes a copy to its own
disk, for as long as the run lasts. Without a store the names are the files, and all of this does nothing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from glob import glob
from pathlib import Path
from typing import Any
from uuid import uuid4

from recipec.api import DataError


@dataclass
class Store:
    """The store of a workspace, in the process that was started or in a task. ``session`` names the copies of a run."""

    place: str
    workspace: str
    session: str = field(default_factory=lambda: uuid4().hex[:12])
    first: bool = False
    """Whether this is the process that was started: what it has written itself is there."""
    there: set[str] = field(default_factory=set)
    """Of that process: files that are in the store."""

    def __getstate__(self) -> dict[str, Any]:
        return {"place": self.place, "workspace": self.workspace, "session": self.session, "first": False, "there": set()}

    @property
    def copies(self) -> Path:
        return Path(self.workspace) / "tmp" / f"copies-{self.session}"

    @property
    def files(self) -> Any:
        from recipec.mirror._stores import opened

        return opened(self.place)

    def url(self, file: str) -> str:
        return f"{self.place}/{self.inside(file)}"

    def object(self, file: str) -> str:
        from recipec.mirror._stores import place_of

        return f"{place_of(self.place)}/{self.inside(file)}"

    def inside(self, file: str) -> str:
        return str(Path(file).relative_to(self.workspace))

    def ours(self, file: str) -> bool:
        """Whether a file is of a table: one of a run's own, or of a result."""
        return file.startswith((f"{self.workspace}/tmp/", f"{self.workspace}/artifacts/"))

    @contextmanager
    def doing(self, what: str) -> Iterator[Any]:
        from recipec.mirror._stores import scheme_of, translated

        with translated(scheme_of(self.place), self.place, what):
            yield self.files

    # Writing

    def put(self, files: Iterable[str]) -> None:
        with self.doing("write") as store:
            for file in files:
                store.put_file(file, self.object(file))

    def offer(self, files: Iterable[str]) -> None:
        """Have in the store what the process that was started wrote."""
        new = [f for f in dict.fromkeys(files) if self.ours(f) and f not in self.there]
        for file in new:
            found = glob(file) if "*" in file else [file]
            self.put(f for f in found if os.path.isfile(f))
        self.there.update(new)

    # Reading

    def every(self, file: str) -> list[str]:
        """The files that a name with a star means."""
        if "*" not in file or not self.ours(file):
            return [file]
        return sorted(f for f in self.sizes(Path(file).parent) if fnmatch(f, file))

    def here(self, file: str) -> str:
        """The file's copy on this machine."""
        if not self.ours(file) or (self.first and os.path.exists(file)):
            return file
        copy = self.copies / self.inside(file)
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            making = copy.with_name(f".{copy.name}-{uuid4().hex}")
            with self.doing("read") as store:
                store.get_file(self.object(file), str(making))
            os.replace(making, copy)
        return str(copy)

    def sizes(self, folder: Path) -> dict[str, int]:
        """The files in a folder, with the bytes that each has."""
        from recipec.mirror._stores import place_of

        begin = f"{place_of(self.place)}/"
        with self.doing("read") as store:
            found: Mapping[str, Any] = store.find(self.object(str(folder)), detail=True)
        return {f"{self.workspace}/{name.removeprefix(begin)}": int(facts["size"]) for name, facts in found.items()}

    def settle(self, folder: Path, files: Sequence[str]) -> dict[str, int]:
        """Remove from a folder what is none of these files: what tasks left that were begun twice. The bytes of each that stays."""
        found = self.sizes(folder)
        gone = [self.object(f) for f in found if f not in set(files)]
        missing = [f for f in files if f not in found]
        if missing:
            raise DataError(f"{self.url(missing[0])} was written, and is not there")
        with self.doing("write") as store:
            for name in gone:
                store.rm_file(name)
        return {f: found[f] for f in files}

    def close(self) -> None:
        """Remove what was of the run alone: from the store, and the copies of this machine."""
        from recipec.workspace.rows import forget

        forget(self.place, "tmp")
        shutil.rmtree(self.copies, ignore_errors=True)


_ACTIVE: list[Store] = []
"""The store of this process, where there is one."""


def active() -> Store | None:
    return _ACTIVE[-1] if _ACTIVE else None


@contextmanager
def using(store: Store) -> Iterator[None]:
    _ACTIVE.append(store)
    try:
        yield
    finally:
        _ACTIVE.remove(store)


def told(store: Store, task: Callable[..., Any], *args: Any) -> Any:
    """:func:`recipec.engines.ray.tasks.told` with a store."""
    from recipec.engines.ray.tasks import told as plain

    def stored(*given: Any) -> Any:
        with using(store):
            return task(*given)

    return plain(stored, *args)


def here(files: Iterable[str]) -> list[str]:
    """Where these files can be read."""
    store = active()
    return list(files) if store is None else [store.here(f) for name in files for f in store.every(name)]


def remote(files: Iterable[str]) -> list[str]:
    """What these files are called for good."""
    store = active()
    return [store.url(f) if store is not None and store.ours(f) else f for f in files]


def published(folder: Path) -> None:
    """A task's folder is whole: with a store it lies there from now on."""
    store = active()
    if store is not None:
        store.put(str(f) for f in sorted(folder.rglob("*")) if f.is_file())
        shutil.rmtree(folder, ignore_errors=True)


def every_text(value: Any) -> Iterator[str]:
    """All texts in a task's arguments: names of files are among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from every_text(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from every_text(one)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from every_text(getattr(value, name))


@contextmanager
def of_run(cluster: Any, workspace: Any) -> Iterator[None]:
    """The store of a workspace for as long as a run on a cluster lasts; nothing where it has none."""
    if workspace.rows_at is None:
        yield
        return
    store = cluster.store = Store(workspace.rows_at, str(workspace.folder.resolve()), first=True)
    try:
        with using(store):
            yield
    finally:
        cluster.store = None
        close(store, cluster.ray)


def clean(store: Store) -> None:
    """What a task of another machine does at the end of a run."""
    shutil.rmtree(store.copies, ignore_errors=True)


def close(store: Store, ray: Any) -> None:
    """The end of a run: nothing of it stays but the results."""
    affinity = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    own = ray.get_runtime_context().get_node_id()
    task = ray.remote(clean)
    asked = [
        task.options(num_cpus=0, max_retries=0, scheduling_strategy=affinity(n["NodeID"], soft=False)).remote(store)
        for n in ray.nodes()
        if n["Alive"] and n["NodeID"] != own
    ]
    if asked:
        ray.wait(asked, num_returns=len(asked), timeout=10)
    store.close()


__all__ = ["Store", "active", "every_text", "here", "of_run", "published", "remote", "told", "using"]
