"""Rows in an object store: ``RECIPEC_ROWS=s3://bucket/folder`` keeps what a cluster makes of tables there, and not on a disk that all machines share.

A workspace has a folder of its own below that address, named by the text in its file ``rows-id``. What would be the file ``FILE`` of the
workspace is the object ``ADDRESS/ID/FILE`` there. The database opens that folder, and no other, beside the workspace; it is asked through
Python, since DuckDB's own extension for stores is not part of it. Who may read the store is said where its packages look for it, never here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from recipec.api import DataError

if TYPE_CHECKING:
    import duckdb

VARIABLE = "RECIPEC_ROWS"
ID = "rows-id"
_ID = re.compile(r"[0-9a-f]{16}")


def address() -> str | None:
    """What the environment says, without a slash at its end; None where it says nothing. Raises DataError for what is no address."""
    said = os.environ.get(VARIABLE, "").strip().rstrip("/")
    if not said:
        return None
    scheme, _, place = said.partition("://")
    bucket, _, inside = place.partition("/")
    from recipec.mirror._stores import PACKAGES, missing_package

    if scheme not in PACKAGES or not bucket or not inside or any(c in place for c in "*?[@'\"") or ".." in place.split("/"):
        raise DataError(f"{VARIABLE} is `{said}`, which names no folder of a bucket", f"{VARIABLE}=s3://BUCKET/folder (or gs://, az://)")
    if (lacking := missing_package(scheme)) is not None:
        raise DataError(f"{VARIABLE} needs `{lacking}`, which is not installed", "pip install 'recipec[cloud]'")
    return said


def place(folder: Path) -> str | None:
    """Where the rows of the workspace in ``folder`` lie, or None."""
    said = address()
    if said is None:
        return None
    file = folder / ID
    try:
        found = file.read_text(encoding="utf-8").strip()
    except OSError:
        found = uuid4().hex[:16]
        file.write_text(found + "\n", encoding="utf-8")
    if not _ID.fullmatch(found):
        raise DataError(f"{file} holds no name of a folder", "remove it: the rows are made again")
    return f"{said}/{found}"


def admit(con: duckdb.DuckDBPyConnection, place: str) -> None:
    """Let the database read a store. Nothing is opened before it is asked."""
    con.register_filesystem(late(place))


def late(place: str) -> Any:
    """A file system of fsspec's that is made when it is first asked: its packages take half a second to load."""
    from importlib import import_module

    fsspec = import_module("fsspec")

    class Late(fsspec.AbstractFileSystem):  # type: ignore[misc, name-defined]
        protocol = place.partition("://")[0]
        cachable = False

        @cached_property
        def real(self) -> Any:
            from recipec.mirror._stores import opened

            return opened(place)

    def passing(name: str) -> Callable[..., Any]:
        def call(self: Any, *args: Any, **options: Any) -> Any:
            return getattr(self.real, name)(*args, **options)

        return call

    for name in ("open", "glob", "exists", "info", "isfile", "isdir", "ls", "find", "size", "modified", "created", "unstrip_protocol"):
        setattr(Late, name, passing(name))
    return Late()


def forget(place: str, inside: str) -> None:
    """Remove what lies in a folder of the store."""
    from recipec.mirror._stores import opened, place_of, scheme_of, translated

    store = opened(place)
    with translated(scheme_of(place), place, "write"):
        folder = f"{place_of(place)}/{inside}"
        if store.exists(folder):
            store.rm(folder, recursive=True)


def sweep(place: str, kept: Collection[str]) -> None:
    """Remove the results of all runs but these."""
    from recipec.mirror._stores import opened, place_of, scheme_of, translated

    store = opened(place)
    with translated(scheme_of(place), place, "write"):
        folder = f"{place_of(place)}/artifacts"
        found = store.ls(folder, detail=False) if store.exists(folder) else []
        for name in found:
            if str(name).rstrip("/").rpartition("/")[2] not in kept:
                store.rm(name, recursive=True)


__all__ = ["VARIABLE", "address", "admit", "forget", "late", "place", "sweep"]
