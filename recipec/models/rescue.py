"""Where answers go when the disk under their ledger fails for good: into a file of the user's own, elsewhere.

Requests are on their way when a disk breaks, and their answers are paid for. What the ledger's folder does not take is written to
``$XDG_STATE_HOME/recipec/rescued`` (``~/.local/state/recipec/rescued``), in the ledger's own form, under a name made from the folder's real path.
The ledger of that folder reads it beside its segments, and moves it into a segment as soon as it writes again. No folder that came from somewhere
can name such a file: it lies where the user's own programs keep theirs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

SEGMENT = 0
"""The number under which a ledger reads such a file; segments of its own begin at 1."""


def place(folder: Path) -> Path | None:
    """The file for the ledger ``folder``, which need not be there; None where the user has no home."""
    base = os.environ.get("XDG_STATE_HOME", "")
    try:
        home = Path(base) if os.path.isabs(base) else Path.home() / ".local" / "state"
    except RuntimeError:
        return None
    name = blake2b(os.path.realpath(folder).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return home / "recipec" / "rescued" / f"answers-{name}.jsonl"


def rescue(folder: Path, header: bytes, lines: Sequence[bytes]) -> Path | None:
    """Write and sync whole lines; None where this place refuses them too."""
    path = place(folder)
    if path is None:
        return None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _held(path, os.O_APPEND) as file:
            if os.pread(file, len(header), 0) != header:
                os.ftruncate(file, 0)
            size = os.fstat(file).st_size
            # What was torn becomes a line of its own, which its checksum does not fit.
            torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
            data = memoryview((b"" if size else header) + b"\n" * torn + b"".join(lines))
            while data:
                data = data[os.write(file, data) :]
            os.fsync(file)
    except OSError:
        return None
    return path


@contextmanager
def rescued(folder: Path) -> Iterator[bytes]:
    """What lies there for a ledger; it is removed when the caller has it safe, that is unless this is left by an exception."""
    path = place(folder)
    if path is None or not path.exists() or not os.access(path, os.R_OK | os.W_OK):
        yield b""
        return
    with _held(path) as file:
        data = b""
        while part := os.pread(file, 8 << 20, len(data)):
            data += part
        yield data
        with suppress(OSError):  # Answers that stand twice are one answer.
            os.unlink(path)


@contextmanager
def _held(path: Path, flags: int = 0) -> Iterator[int]:
    """The file, open and locked against others, and still under its name."""
    import fcntl

    while True:
        # Another process may have moved what was there, and removed the file, in the meantime.
        file = os.open(path, flags | os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file).st_nlink:
                yield file
                return
        finally:
            os.close(file)


__all__ = ["SEGMENT", "place", "rescue", "rescued"]
