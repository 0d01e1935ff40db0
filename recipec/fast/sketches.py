"""One pass over the texts: what every row is compared by, on disk where it grows with the text."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recipec.fast.bands import Bands, band_hashes
from recipec.fast.scratch import Scratch
from recipec.fast.shingles import ranges, shingle_sets
from recipec.fast.tokens import By, Hashes, Positions, tokenise

_BLOCK: Final = 1 << 20
"""Shingles compared at a time."""
_PAIRS: Final = 1 << 16
"""Pairs compared at a time: their number must fit above the bits of a shingle."""


T = TypeVar("T")


@dataclass(frozen=True)
class _Batch:
    """The sketches of one batch of rows; ``starts`` count from the batch's first shingle."""

    whole: Hashes
    sizes: Positions
    starts: Positions
    shingles: list[Hashes]
    banded: list[tuple[Positions, npt.NDArray[np.uint64]]]


class Sketches:
    """The sketches of all rows, numbered from 0 in the order they came. A context manager: its files end with it."""

    def __init__(self, cut: Bands, *, by: By, ngram: int, folder: Path | None) -> None:
        self.cut = cut
        self._by: By = by
        self._ngram = ngram
        self._shingles = Scratch(folder)
        self._bands = Scratch(folder)
        self._blocks: list[tuple[int, int]] = []
        self.whole: Hashes = np.zeros(0, np.uint64)
        """Hash of each row's normalised text; 0 for a blank row."""
        self.sizes: npt.NDArray[np.int32] = np.zeros(0, np.int32)
        """How many shingles each row has; 0: too short, blank, or a copy of an earlier row."""
        self._starts: Positions = np.zeros(0, np.int64)
        self.banded: npt.NDArray[np.int32] = np.zeros(0, np.int32)
        """The rows that have shingles, in the order of :meth:`band`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._shingles.close()
        self._bands.close()

    def read(self, texts: Iterable[pa.Array], threads: int, done: Callable[[int], None]) -> None:
        """Sketch every text, on ``threads`` threads; ``done`` hears how many rows are finished."""
        whole, sizes, starts, banded = [], [], [], []
        rows = 0
        for batch in in_order(self._sketch, texts, threads):
            first = 0
            for number, part in enumerate(batch.shingles):
                place = self._shingles.append(part)
                first = first if number else place
            for owners, hashes in batch.banded:
                self._blocks.append((self._bands.append(hashes), len(owners)))
                banded.append((owners + rows).astype(np.int32))
            whole.append(batch.whole)
            sizes.append(batch.sizes.astype(np.int32))
            starts.append(batch.starts + first)
            rows += len(batch.whole)
            done(rows)
        if rows:
            self.whole, self.sizes, self._starts = np.concatenate(whole), np.concatenate(sizes), np.concatenate(starts)
        if banded:
            self.banded = np.concatenate(banded)

    def _sketch(self, texts: pa.Array) -> _Batch:
        rows = len(texts)
        batch = _Batch(np.zeros(rows, np.uint64), np.zeros(rows, np.int64), np.zeros(rows, np.int64), [], [])
        written = 0
        for tokens in tokenise(texts, self._by):
            sets = shingle_sets(tokens, self._ngram)
            batch.whole[sets.rows] = sets.whole
            batch.sizes[sets.rows] = sets.sizes
            batch.starts[sets.rows] = np.cumsum(sets.sizes) - sets.sizes + written
            written += len(sets.shingles)
            if len(sets.shingles):
                batch.shingles.append(sets.shingles)
                batch.banded.append((sets.rows[sets.sizes > 0], band_hashes(sets, self.cut)))
        return batch

    def band(self, number: int) -> Hashes:
        """The hashes of one band, one for each row of :attr:`banded`."""
        places = np.array([place + number * count for place, count in self._blocks], np.int64)
        return self._bands.read(places, np.array([count for _, count in self._blocks], np.int64))

    def similarity(self, left: npt.NDArray[np.integer], right: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """The Jaccard similarity of the shingle sets of row ``left[i]`` and row ``right[i]``, for each ``i``."""
        result = np.empty(len(left), np.float64)
        ends = np.cumsum(self.sizes[left].astype(np.int64) + self.sizes[right])
        first = 0
        while first < len(left):
            begin = int(ends[first - 1]) if first else 0
            last = max(int(np.searchsorted(ends, begin + _BLOCK, side="right")), first + 1)
            last = min(last, first + _PAIRS)
            result[first:last] = self._similarity(left[first:last], right[first:last])
            first = last
        return result

    def _similarity(self, left: npt.NDArray[np.integer], right: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """The pairs of one block, few enough for their numbers to fit above the bits of a shingle."""
        rows, which = np.unique(np.stack([left, right], axis=1).ravel(), return_inverse=True)
        lengths = self.sizes[rows].astype(np.int64)
        return jaccard(self._shingles.read(self._starts[rows], lengths), lengths, which)


def jaccard(stored: Hashes, lengths: Positions, which: Positions) -> npt.NDArray[np.float64]:
    """The similarity of the sets ``which[2 * i]`` and ``which[2 * i + 1]``, for each ``i``; ``stored`` is the sets one after another,
    each of as many shingles as ``lengths`` says.

    Every pair's two sets are sorted together, all pairs in one sort: a shingle of both stands beside itself.
    """
    pairs = len(which) // 2
    sizes = lengths[which]
    values = stored[ranges((np.cumsum(lengths) - lengths)[which], sizes)]
    values |= np.repeat(np.arange(pairs, dtype=np.uint64).repeat(2) << np.uint64(48), sizes)
    values.sort()
    shared = np.bincount((values[1:][values[1:] == values[:-1]] >> np.uint64(48)).astype(np.int64), minlength=pairs)
    both = sizes[0::2] + sizes[1::2]
    similar: npt.NDArray[np.float64] = shared / np.maximum(both - shared, 1)
    return similar


def in_order(work: Callable[[pa.Array], T], items: Iterable[pa.Array], threads: int) -> Iterator[T]:
    """``work`` over ``items`` on several threads, results in order, few of them waiting."""
    if threads == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(threads, "near-duplicates") as pool:
        waiting: deque[Future[T]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
