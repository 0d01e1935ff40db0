"""Token hashes to shingle sets: the sets whose Jaccard similarity says how alike two texts are.

A shingle is a run of ``ngram`` tokens, kept as a 48-bit hash. A text of fewer tokens has no shingles and is compared whole, by the hash
of all its tokens: it can equal another text, never resemble one. Among a million different shingles one pair in about 560 such sets
shares a hash by chance, which moves a similarity by a millionth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from recipec.fast.tokens import Hashes, Positions, Tokens, mix

BITS: Final = 48
"""Bits of a shingle's hash. The other 16 of a word hold a row number while sets are sorted, which makes one sort serve many rows."""

_SLICE: Final = 1 << 18
"""Values worked on at a time."""
_FACTOR: Final = np.uint64(0x9FB21C651E98DF25)
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class ShingleSets:
    """What is compared of some rows."""

    rows: Positions
    """The rows' numbers, increasing."""
    whole: Hashes
    """Hash of all of a row's tokens in their order: equal when the normalised texts are equal. 0 for a row without tokens."""
    sizes: Positions
    """How many shingles a row has: 0 when too short, blank, or equal to an earlier row of the group."""
    shingles: Hashes
    """Each row's shingles, increasing and without repetition, one row's after another's."""


def shingle_sets(tokens: Tokens, ngram: int) -> ShingleSets:
    """The shingle sets of a group of fewer than 65,536 rows."""
    rows = len(tokens.rows)
    starts = np.cumsum(tokens.counts) - tokens.counts
    whole = _whole(tokens.hashes, starts, tokens.counts)
    # A value repeated through a column costs one set per group, not one a row.
    first = np.zeros(rows, np.bool_)
    first[np.unique(whole, return_index=True)[1]] = True
    sizes = np.where(first, np.maximum(tokens.counts - (ngram - 1), 0), 0)
    total = int(sizes.sum())
    if not total:
        return ShingleSets(tokens.rows, whole, sizes, np.zeros(0, np.uint64))
    rolled = _rolled(tokens.hashes, ngram)
    used = np.flatnonzero(sizes)
    if total < len(rolled):
        rolled = rolled[ranges(starts[used], sizes[used])]
    rolled >>= np.uint64(64 - BITS)
    rolled |= np.repeat(used.astype(np.uint64) << np.uint64(BITS), sizes[used])
    rolled.sort()
    fresh = np.ones(total, np.bool_)
    np.not_equal(rolled[1:], rolled[:-1], out=fresh[1:])
    if not fresh.all():
        rolled = rolled[fresh]
        sizes = np.bincount((rolled >> np.uint64(BITS)).astype(np.int64), minlength=rows)
    rolled &= np.uint64((1 << BITS) - 1)
    return ShingleSets(tokens.rows, whole, sizes, rolled)


def ranges(starts: Positions, sizes: Positions) -> Positions:
    """The numbers from each start on, as many as its size, one range after another."""
    ends = np.cumsum(sizes)
    numbers: Positions = np.repeat(starts - (ends - sizes), sizes)
    numbers += np.arange(len(numbers))
    return numbers


def _rolled(hashes: Hashes, ngram: int) -> Hashes:
    """Hash of every run of ``ngram`` tokens, also of those that cross from row to row."""
    result: Hashes = np.empty(len(hashes) - ngram + 1, np.uint64)
    for low in range(0, len(result), _SLICE):
        high = min(low + _SLICE, len(result))
        state = hashes[low:high].copy()
        for step in range(1, ngram):
            state *= _FACTOR
            state += hashes[low + step : high + step]
        result[low:high] = mix(state)
    return result


def _whole(hashes: Hashes, starts: Positions, counts: Positions) -> Hashes:
    """Hash of each row's tokens in their order: the sum of a mix of every token with its place."""
    result: Hashes = np.zeros(len(counts), np.uint64)
    if len(counts) == 1:
        for low in range(0, len(hashes), _SLICE):
            part = hashes[low : low + _SLICE]
            # As arrays, which wrap without a warning where numpy's scalars give one.
            result += mix(part + np.arange(low, low + len(part), dtype=np.uint64) * _STEP).sum(keepdims=True)
        return result
    filled = np.flatnonzero(counts)
    if filled.size:
        places = (np.arange(len(hashes)) - np.repeat(starts, counts)).astype(np.uint64)
        result[filled] = np.add.reduceat(mix(hashes + places * _STEP), starts[filled])
    return result
