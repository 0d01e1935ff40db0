"""A trained model as a folder: what transformers (or PEFT) writes, the tokenizer, and ``recipec.json``."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

from recipec.api import DataError, Json
from recipec.training._bases import FACTS


def write(folder: Path, model: Any, tokenizer: Any, facts: Mapping[str, Json], *, base: Path | None = None) -> None:
    """The folder appears whole or not at all. ``base`` is the folder of a model made from scratch that goes along in ``base/``."""
    making = folder.with_name(f"{folder.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    with disk(making):
        model.save_pretrained(making)
        tokenizer.save_pretrained(making)
        if base is not None:
            shutil.copytree(base, making / "base")
        (making / "README.md").unlink(missing_ok=True)
        text = json.dumps(facts, ensure_ascii=False, indent=1, sort_keys=True)
        (making / FACTS).write_text(text + "\n", encoding="utf-8")
        for path in making.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
    old = folder.with_name(f"{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    making.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def hash_of(folder: Path | str) -> str:
    """A digest of the weights in a folder: names, types, shapes and values, in order of the names. What the files say beside
    the weights does not count."""
    import struct

    state = blake2b(digest_size=16)
    for path in sorted(Path(folder).rglob("*.safetensors")):
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(size))
            header.pop("__metadata__", None)
            for name in sorted(header):
                entry = header[name]
                begin, end = entry["data_offsets"]
                state.update(json.dumps([name, entry["dtype"], entry["shape"]]).encode())
                file.seek(8 + size + begin)
                left = end - begin
                while left > 0:
                    part = file.read(min(left, 1 << 22))
                    state.update(part)
                    left -= len(part)
    return state.hexdigest()


ROOM = 50_000_000
"""Bytes below which a disk counts as full."""
REFUSED = ("file write", "iostream error", "pytorchstreamwriter", "unexpected pos", "i/o error", "os error", "no space left")
"""What torch and safetensors say when a file cannot be written, in part only."""


@contextmanager
def disk(folder: Path) -> Iterator[None]:
    """Whatever way a library has to say that the disk is full, or refuses for another reason, as one error."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        number, text = getattr(error, "errno", None), str(error)
        full = number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "No space left" in text
        if not full and (isinstance(error, OSError) or not any(said in text.lower() for said in REFUSED)):
            raise
        free = shutil.disk_usage(next(p for p in (folder, *folder.parents) if p.exists())).free
        left = f"{free / 1e6:,.0f} MB are left where `{folder.name}` is written"
        # Some say only that they could not write.
        message = (
            f"the disk is full: {left}" if full or free < ROOM else f"`{folder.name}` cannot be written: {text.splitlines()[0]} ({left})"
        )
        raise DataError(message, "make room and run again: the training goes on from its last checkpoint") from None
