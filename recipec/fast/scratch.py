"""Arrays of 64-bit values that live in a file, because they may be larger than memory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from recipec.fast.tokens import Hashes, Positions

_BYTES: Final = 8


class Scratch:
    """An anonymous file of 64-bit values: written from front to end, then read at any place.

    The file has no name where the system allows it, so that nothing is left behind however the process ends. It is read by calls, not
    mapped: a mapping charges the process with sixteen pages for every one touched, which for rows at random is the whole file.
    """

    def __init__(self, folder: Path | None) -> None:
        """``folder`` None: the system's folder for temporary files."""
        # Closed by close(), which the owner calls however the work ends.
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._length = 0

    def append(self, values: Hashes) -> int:
        """Write ``values`` in C order; the place of the first."""
        place = self._length
        self._file.write(np.ascontiguousarray(values).data)
        self._length += values.size
        return place

    def read(self, places: Positions, sizes: Positions) -> Hashes:
        """The ``sizes[i]`` values from ``places[i]`` on, for each ``i``, one run after another."""
        self._file.flush()
        offsets, lengths = (places * _BYTES).tolist(), (sizes * _BYTES).tolist()
        if hasattr(os, "pread"):
            descriptor, pread = self._file.fileno(), os.pread
            parts = [pread(descriptor, length, offset) for offset, length in zip(offsets, lengths, strict=True)]
        else:
            parts = []
            for offset, length in zip(offsets, lengths, strict=True):
                self._file.seek(offset)
                parts.append(self._file.read(length))
        return np.frombuffer(b"".join(parts), np.uint64)

    def close(self) -> None:
        """Free the file."""
        self._file.close()
