"""A folder in the place of another, in one step where the system can: who looks sees the old one or the new one."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from pathlib import Path

EXCHANGE = 2
"""``RENAME_EXCHANGE`` of Linux, and ``RENAME_SWAP`` of macOS."""


def replace_folder(target: Path, fresh: Path) -> None:
    """Put the folder ``fresh`` in the place of ``target``, which may not be there. Raises OSError; then the old one stands where it stood."""
    old = target.parent / f".{target.name}.recipec-old"
    shutil.rmtree(old, ignore_errors=True)
    if not target.exists():
        os.rename(fresh, target)
        return
    # After an exchange the old one has the new one's name.
    if exchange(fresh, target):
        old = fresh
    else:
        os.rename(target, old)
        try:
            os.rename(fresh, target)
        except OSError:
            os.rename(old, target)
            raise
    shutil.rmtree(old, ignore_errors=True)


def exchange(a: Path, b: Path) -> bool:
    """Let two paths change places at one moment; False where this system, or this file system, cannot."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    here = -2 if sys.platform == "darwin" else -100  # AT_FDCWD
    call = getattr(libc, "renameatx_np" if sys.platform == "darwin" else "renameat2", None)
    if call is None:
        return False
    done: int = call(here, os.fsencode(a), here, os.fsencode(b), EXCHANGE)
    if done == 0:
        return True
    error = ctypes.get_errno()
    if error in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP):
        return False
    raise OSError(error, os.strerror(error), str(b))


__all__ = ["exchange", "replace_folder"]
