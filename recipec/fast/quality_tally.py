"""How often each of many keys occurs, in a file: for the n-grams of a text that is too long to hold them in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from recipec.fast.quality_letters import scatter
from recipec.fast.scratch import Scratch

_SHARES: Final = 64


class Tally:
    """Keys go in some at a time; the numbers of times that different ones came are had a share at a time."""

    def __init__(self) -> None:
        self._file = Scratch(None)
        self._runs: list[tuple[int, int, npt.NDArray[Any]]] = []
        self.total = 0

    def add(self, keys: npt.NDArray[np.uint64]) -> None:
        if not len(keys):
            return
        self.total += len(keys)
        different, counts = np.unique(scatter(keys), return_counts=True)
        edges = np.arange(1, _SHARES, dtype=np.uint64) << np.uint64(64 - (_SHARES - 1).bit_length())
        bounds = np.concatenate([[0], np.searchsorted(different, edges), [len(different)]])
        self._runs.append((self._file.append(different), self._file.append(counts.astype(np.uint64)), bounds))

    def counts(self) -> Iterator[npt.NDArray[np.int64]]:
        """Of different keys, how often each came."""
        for share in range(_SHARES if self._runs else 0):
            lows = np.array([bounds[share] for _, _, bounds in self._runs])
            sizes = np.array([bounds[share + 1] for _, _, bounds in self._runs]) - lows
            keys = self._file.read(np.array([at for at, _, _ in self._runs]) + lows, sizes)
            counts = self._file.read(np.array([at for _, at, _ in self._runs]) + lows, sizes)
            if not len(keys):
                continue
            order = np.argsort(keys)
            keys = keys[order]
            fresh = np.ones(len(keys), np.bool_)
            np.not_equal(keys[1:], keys[:-1], out=fresh[1:])
            yield np.add.reduceat(counts[order], np.flatnonzero(fresh)).astype(np.int64)

    def close(self) -> None:
        self._file.close()


__all__ = ["Tally"]
