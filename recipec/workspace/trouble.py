"""What the database and the system say when something fails, as sentences for people."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from recipec.api import DataError

STAYS = "what is finished stays; run again"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DISK = (*FULL, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM)
"""Refusals of the disk, wherever they come up: never a mistake of recipec's."""
_SAYS = (
    "No space left",
    "Input/output error",
    "Could not write",
    "Could not read",
    "Could not truncate",
    "fsync",
    "Permission denied",
    "Disk quota",
)
_DAMAGED = ("Failed to read file", "decompression failure", "No magic bytes", "too small to be a Parquet", "Variable-length int", "don't know what type",
            "invalid TType", "Out of buffer", "Decode bit width")  # fmt: skip
"""What is said of a Parquet file whose bytes are not those that were written."""


class Invalidated(DataError):
    """DuckDB takes no statement any more: it must be opened again."""


def words(error: Exception) -> str:
    """The first line, without the name of the class."""
    text = str(error).strip()
    head = text.splitlines()[0] if text else type(error).__name__
    return head.partition("Error: ")[2] or head


def of_database(error: Exception) -> DataError | None:
    """A failure of the database that is not the mistake of whoever wrote the statement; None for all others."""
    import duckdb

    text = words(error)
    if isinstance(error, duckdb.OutOfMemoryException):
        return DataError(f"out of memory: {text}", "give more with --memory, use fewer --threads, or put the workspace on a larger disk")
    if isinstance(error, duckdb.FatalException) or "has been invalidated" in text:
        return Invalidated(f"the database gave up: {text}", f"is the disk full, or broken? {STAYS[0].upper()}{STAYS[1:]}")
    if isinstance(error, duckdb.IOException) or any(says in text for says in _SAYS):
        return DataError(text, "is the disk full, or a file gone? What is finished stays; run again")
    if isinstance(error, duckdb.PermissionException):
        help = "a query reads its inputs alone; a database that came from elsewhere is not used: remove .recipec/work.duckdb* and run again"
        return DataError(f"the database wants what it may not: {text}", help)
    if any(says in text for says in _DAMAGED):
        return DataError(f"a file is damaged: {text}", "is the source whole? Copy it again, or write it anew; what is finished stays")
    return None


def of_system(error: OSError) -> DataError:
    help = f"make room: {STAYS}" if error.errno in FULL else STAYS
    return DataError(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), help)


@contextmanager
def told() -> Iterator[None]:
    """Failures of the disk and the database inside become DataErrors; mistakes stay what they are."""
    import duckdb

    try:
        yield
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        known = of_database(error)
        if known is None:
            raise
        raise known from None
    except OSError as error:
        if error.errno not in DISK:
            raise
        raise of_system(error) from None
