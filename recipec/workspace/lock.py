"""One run at a time on a workspace."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recipec.api import DataError


class WorkspaceBusy(DataError):
    """Another recipec process holds the workspace."""


@contextmanager
def locked(folder: Path, doing: str) -> Iterator[None]:
    """Hold the workspace's lock; raise WorkspaceBusy when another process does, and DataError where no folder can be.

    The lock is the operating system's (``flock``), so that a killed process leaves none behind; the file's text only
    says who holds it.
    """
    import fcntl

    try:
        own(folder)
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise DataError(f"cannot keep results in {folder}: {error.strerror}", "name another folder: --workspace DIR") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = f"the workspace {folder} is in use{holder(descriptor)}"
            raise WorkspaceBusy(message, "wait for it to end, or stop it; nothing is lost") from None
        with suppress(OSError):  # Who holds it is only told to others: a full disk does not matter here.
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "doing": doing}).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def holder(descriptor: int) -> str:
    try:
        facts = json.loads(os.pread(descriptor, 500, 0))
        return f" by process {int(facts['pid'])} ({facts['doing']})"
    except (ValueError, KeyError, TypeError):
        return ""


def own(folder: Path) -> None:
    """Raises DataError for a workspace in which something is a link: it came with a recipe from elsewhere, and writing or clearing it would
    write or clear what the link leads to."""
    beside = folder.is_symlink() and folder.name == ".recipec"
    found: str | None = str(folder) if beside else None
    for place, below in ((folder, False), *((p, p.name not in SHALLOW) for p in folder.glob("*") if p.name != "tmp")):
        if found is None and place.is_dir():
            found = link_in(place, below)
    if found is not None:
        help = "remove the link; a workspace elsewhere is named: --workspace DIR, and room for large work: --spill DIR"
        raise DataError(f"{found} is a link: results are kept in folders of their own", help)


SHALLOW = ("mirror", "ledger", "logs")
"""Folders of the workspace of which only the entries are looked at: copies may be a million files, and are looked at where they are read; what
trackers of trainings write may have links of their own."""


def link_in(folder: Path, below: bool) -> str | None:
    """A link among the entries of a folder, or in the folders below it."""
    with os.scandir(folder) as entries:
        folders: list[Path] = []
        for entry in entries:
            if entry.is_symlink():
                return entry.path
            if below and entry.is_dir():
                folders.append(Path(entry.path))
    return next((found for inner in folders if (found := link_in(inner, below)) is not None), None)
