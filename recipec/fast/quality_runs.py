"""N-grams of one very long text: the same numbers as :func:`recipec.fast.quality_repeat.ngrams`, in 10 to 30 bytes a word.

A word, or an n-gram, is known by the place where it first stands. Of n-grams that repeat this is a 32-bit number a place; an (n + 1)-gram is
a pair of them, so that no hash of a longer one is ever made. Keys are made different a chunk at a time, then over all chunks, a share
of them at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recipec.fast.quality_letters import scatter

_HELD: Final = 1 << 20
"""Keys sorted together."""
_HALF: Final = np.uint64(32)

Places = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint64]


class _Linker:
    """Makes of keys the place where each first stands, in ``first``: chunk by chunk, -1 for a key that stands once."""

    def __init__(self) -> None:
        self.first: list[Places] = []
        self._count, self._different = 0, 0
        self._keys: list[Keys] = []
        self._places: list[Places] = []
        self._counts: list[Places] = []

    def add(self, size: int, at: npt.NDArray[Any], keys: Keys) -> None:
        """A chunk of ``size`` places, of which those ``at`` have ``keys``."""
        chunk = np.full(size, -1, np.int32)
        if len(at):
            coded = pa.array(keys).dictionary_encode()
            different, numbers = coded.dictionary.to_numpy(), coded.indices.to_numpy()
            first = np.empty(len(different), np.int32)
            # Of several assignments to one element the last stays, here the least place.
            first[numbers[::-1]] = at[::-1] + self._count
            self._keys.append(scatter(different))
            self._places.append(first)
            self._counts.append(np.bincount(numbers).astype(np.int32))
            chunk[at] = numbers + self._different
            self._different += len(different)
        self.first.append(chunk)
        self._count += size

    def link(self) -> tuple[int, int]:
        """Finish ``first``. Returns the first place of the key that stands most often (of several the first), and how often it does."""
        if not self._different:
            return 0, 0
        told = np.full(self._different, -1, np.int32)
        begins_at = np.cumsum([0, *map(len, self._keys)])
        shares = np.uint64(self._different // _HELD + 1)
        best = (0, 0)
        for share in range(int(shares)):
            mine = [np.flatnonzero((keys >> _HALF) * shares >> _HALF == share) for keys in self._keys]
            keys = np.concatenate([k[at] for k, at in zip(self._keys, mine, strict=True)])
            order = np.argsort(keys, kind="stable")
            if not len(order):
                continue
            keys = keys[order]
            fresh = np.ones(len(keys), np.bool_)
            np.not_equal(keys[1:], keys[:-1], out=fresh[1:])
            begins = np.flatnonzero(fresh)
            counts = np.concatenate([c[at] for c, at in zip(self._counts, mine, strict=True)])
            often = np.add.reduceat(counts[order].astype(np.int64), begins)
            places = np.concatenate([p[at] for p, at in zip(self._places, mine, strict=True)])
            firsts = places[order[begins]]
            number = np.concatenate([at + begin for at, begin in zip(mine, begins_at, strict=False)])
            told[number[order]] = np.repeat(np.where(often > 1, firsts, -1), np.diff(begins, append=len(order)))
            most = int(often.max())
            best = max(best, (most, -int(firsts[often == most].min())))
        self._keys, self._places, self._counts = [], [], []
        for chunk in self.first:
            known = chunk >= 0
            chunk[known] = told[chunk[known]]
        return -best[1], best[0]


def _longer(first: list[Places]) -> _Linker:
    """The n-grams one word longer than those that ``first`` tells of, which are given up chunk by chunk."""
    linker = _Linker()
    first.reverse()
    while first:
        chunk = first.pop()
        follow = np.append(chunk[1:], first[-1][0] if first else np.int32(-1))
        at = np.flatnonzero((chunk >= 0) & (follow >= 0))
        linker.add(len(chunk), at, chunk[at].astype(np.uint64) << np.uint64(32) | follow[at].astype(np.uint64))
    return linker


def long_ngrams(chunks: Iterable[tuple[Keys, Places]], top: range, duplicate: range) -> dict[int, int]:
    """Characters by n, as for one row of :func:`recipec.fast.quality_repeat.ngrams`. ``chunks`` gives hashes and lengths of words."""
    linker = _Linker()
    held: list[Places] = [np.zeros(0, np.int32)]
    for keys, lengths in chunks:
        if len(keys):
            linker.add(len(keys), np.arange(len(keys)), keys)
            held.append(lengths)
    length = np.concatenate(held)
    del held
    linker.link()
    made: dict[int, int] = {}
    for n in range(2, max([*top, *duplicate]) + 1):
        linker = _longer(linker.first)
        place, often = linker.link()
        if n in top:
            made[n] = (int(length[place : place + n].sum()) + n - 1) * max(often, 1) if len(length) >= n else 0
        if n in duplicate:
            made[n] = _again(linker.first, length, n)
    return made


def _again(first: list[Places], length: Places, n: int) -> int:
    """Characters of n-grams that came before, found from left to right without overlap."""
    seen = bytearray(len(length))
    chars, free, begin = 0, 0, 0
    for chunk in first:
        at = np.flatnonzero(chunk >= 0)
        places, groups = (at + begin).tolist(), chunk[at].tolist()
        begin += len(chunk)
        taken: list[int] = []
        i, count = 0, len(places)
        while i < count:
            place = places[i]
            if place < free:
                i += 1
                continue
            if not seen[groups[i]]:
                seen[groups[i]] = 1
                i += 1
                continue
            taken.append(place)
            free = place + n
            # Where all repeats, the next place that is free is n further on.
            i += n if i + n < count and places[i + n] == free else 1
        if taken:
            spans = np.array(taken)[:, None] + np.arange(n)
            chars += int(length[spans].sum(dtype=np.int64))
    return chars


__all__ = ["long_ngrams"]
