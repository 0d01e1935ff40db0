"""MinHash signatures cut in bands: which texts are worth comparing (Broder 1997; Indyk & Motwani 1998).

A signature holds, for each of ``bands * rows`` hash functions, the least hash of a text's shingles; two texts of Jaccard similarity ``s``
agree on one with probability ``s``. They are compared when all ``rows`` values of any band agree, hence with probability
``1 - (1 - s**rows) ** bands``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from recipec.fast.shingles import ShingleSets
from recipec.fast.tokens import Hashes, mix

RECALL: Final = 0.985
"""Probability that a pair of exactly the threshold's similarity is compared. More alike pairs are likelier still."""
FUNCTIONS: Final = 192
"""The most hash functions to use."""

_SLICE: Final = 1 << 17


@dataclass(frozen=True)
class Bands:
    """How signatures are cut."""

    bands: int
    rows: int

    def chance(self, similarity: float) -> float:
        """Probability that two texts of this similarity are compared."""
        return 1.0 - (1.0 - similarity**self.rows) ** self.bands

    @classmethod
    def for_threshold(cls, threshold: float) -> Bands:
        """The cut for a threshold in (0, 1].

        For ``r`` rows, ``b(r) = ceil(log(1 - RECALL) / log(1 - threshold**r))`` bands reach :data:`RECALL` at the threshold. More rows mean
        fewer vain comparisons and more functions, so: the most rows with ``r * b(r) <= FUNCTIONS``, and no more than 16.
        """
        best = cls(1, 1)
        for rows in range(1, 17):
            agree = threshold**rows
            bands = 1 if agree >= RECALL else math.ceil(math.log1p(-RECALL) / math.log1p(-agree))
            if rows > 1 and rows * bands > FUNCTIONS:
                break
            best = cls(bands, rows)
        return best


def _multipliers(count: int) -> npt.NDArray[np.uint32]:
    """One odd multiplier a hash function, the same for ever."""
    seeds = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return (mix(seeds) >> np.uint64(32)).astype(np.uint32) | np.uint32(1)


def band_hashes(sets: ShingleSets, cut: Bands) -> npt.NDArray[np.uint64]:
    """The hash of each band (first axis) for each row that has shingles (second axis).

    The hash functions multiply the shingles' low 32 bits by an odd number modulo 2**32: shingles are random already.
    """
    sizes = sets.sizes[sets.sizes > 0]
    ends = np.cumsum(sizes)
    minima = np.empty((cut.bands * cut.rows, len(sizes)), np.uint32)
    multipliers = _multipliers(len(minima))
    low_bits = sets.shingles.astype(np.uint32)
    first = 0
    while first < len(sizes):
        begin = int(ends[first] - sizes[first])
        last = max(int(np.searchsorted(ends, begin + _SLICE, side="right")), first + 1)
        end = int(ends[last - 1])
        if last == first + 1:
            minima[:, first] = _least(low_bits[begin:end], multipliers)
        else:
            part = low_bits[begin:end]
            starts = ends[first:last] - sizes[first:last] - begin
            product = np.empty_like(part)
            for number, factor in enumerate(multipliers):
                np.multiply(part, factor, out=product)
                minima[number, first:last] = np.minimum.reduceat(product, starts)
        first = last
    result: Hashes = np.empty((cut.bands, len(sizes)), np.uint64)
    for band in range(cut.bands):
        state: Hashes = np.full(len(sizes), band + 1, np.uint64)
        for values in minima[band * cut.rows : (band + 1) * cut.rows]:
            state = mix(state * np.uint64(0xFF51AFD7ED558CCD) + values)
        result[band] = state
    return result


def _least(values: npt.NDArray[np.uint32], multipliers: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """The least product for each multiplier, over one long row."""
    least = np.full(len(multipliers), 0xFFFFFFFF, np.uint32)
    for low in range(0, len(values), _SLICE):
        part = values[low : low + _SLICE]
        for number, factor in enumerate(multipliers):
            least[number] = min(least[number], (part * factor).min())
    return least
