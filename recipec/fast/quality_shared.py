"""Runs of words by their hashes, in whole blocks and in one very long text: what texts share with a reference.

A word is a run of letters and digits; in scripts without spaces each letter is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from recipec.fast.quality_letters import ALONE_LETTER, ALPHA, DIGIT, ICON, MONEY, PUNCT, SOLID, Block, scatter
from recipec.fast.quality_parts import parts, together
from recipec.fast.text_arrow import Bytes, Places

Hashes = npt.NDArray[np.uint64]
NEXT: Final = np.uint64(0xFF51AFD7ED558CCD)
STEP: Final = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Runs:
    """The n-grams of a block's rows, and for rows of fewer words the hash of all their words."""

    block: Block
    starts: Places
    ends: Places
    """Of every word."""
    first: Places
    """The word that each n-gram begins with."""
    rows: Places
    """Its row in the block."""
    hashes: Hashes
    short: Places
    """Rows of fewer words than n, but of some."""
    whole: Hashes


def spans_of(block: Block) -> tuple[Places, Places]:
    """Where the words of a block begin and end."""
    classes = block.classes
    # Letters, digits and the marks that belong to letters; emoji and signs are no words.
    mask = (classes & (ALPHA | DIGIT)).astype(np.bool_)
    mask |= (classes & (SOLID | PUNCT | ICON | MONEY)) == SOLID
    opens, closes = mask.copy(), mask.copy()
    if mask.size:
        opens[1:] &= ~mask[:-1]
        closes[:-1] &= ~mask[1:]
        bounds = block.starts[(block.starts > 0) & (block.starts < mask.size)]
        opens[bounds] = mask[bounds]
        closes[bounds - 1] = mask[bounds - 1]
        if block.values.dtype != np.uint8:
            alone = (classes & ALONE_LETTER).astype(np.bool_)
            opens |= alone
            closes |= alone
            opens[1:] |= mask[1:] & alone[:-1]
            closes[:-1] |= mask[:-1] & alone[1:]
    return np.flatnonzero(opens), np.flatnonzero(closes) + 1


def rolled_over(words: Hashes, n: int) -> Hashes:
    """The hashes of all n words in a row."""
    rolled = np.zeros(max(len(words) - n + 1, 0), np.uint64)
    for step in range(n):
        rolled *= NEXT
        rolled += words[step : step + len(rolled)]
    return scatter(rolled)


def runs_of(block: Block, n: int) -> Runs:
    starts, ends = spans_of(block)
    offsets = np.searchsorted(starts, block.starts)
    counts = np.diff(offsets)
    words = scatter(block.hashes(starts, ends))
    number = np.arange(len(words))
    row = np.repeat(np.arange(block.rows), counts)
    first = number[number + n <= np.repeat(offsets[1:], counts)]
    short = np.flatnonzero((counts > 0) & (counts < n))
    place = (number - np.repeat(offsets[:-1], counts)).astype(np.uint64)
    sums = np.zeros(len(words) + 1, np.uint64)
    np.cumsum(scatter(words + place * STEP), out=sums[1:])
    whole = scatter(sums[offsets[1:][short]] - sums[offsets[:-1][short]] + counts[short].astype(np.uint64))
    return Runs(block, starts, ends, first, row[first], rolled_over(words, n)[first], short, whole)


class LongWords:
    """The words of one very long text, part by part (:mod:`.quality_parts`)."""

    def __init__(self, values: Bytes) -> None:
        self.values = values

    def __iter__(self) -> Iterator[Hashes]:
        """Hashes of the words, those of a part at a time."""
        before, length = 0, 0
        for part in parts(self.values):
            block = part.block
            starts, ends = spans_of(block)
            hashes = block.hashes(starts, ends)
            goes_on = length and len(starts) and int(starts[0]) == 0 and not block.classes[0] & ALONE_LETTER
            if goes_on:
                hashes[0] = together(before, length, int(hashes[0]))
            elif length:
                hashes = np.concatenate([np.array([before], np.uint64), hashes])
            before, size = 0, length if goes_on else 0
            length = 0
            if len(starts) and int(ends[-1]) == len(block.values) and not block.classes[-1] & ALONE_LETTER:
                before, length = int(hashes[-1]), int(ends[-1] - starts[-1]) + (size if len(starts) == 1 else 0)
                hashes = hashes[:-1]
            yield scatter(hashes)
        if length:
            yield scatter(np.array([before], np.uint64))

    def grams(self, n: int) -> Iterator[tuple[int, Hashes]]:
        """Runs of n words: the number of the first word, and hashes."""
        ahead, base = np.zeros(0, np.uint64), 0
        for hashes in self:
            whole = np.concatenate([ahead, hashes])
            yield base, rolled_over(whole, n)
            keep = max(len(whole) - (n - 1), 0)
            base, ahead = base + keep, whole[keep:]

    def all(self, n: int) -> Hashes:
        """The hash of all words, where they are fewer than n, but some."""
        words = np.zeros(0, np.uint64)
        for hashes in self:
            words = np.concatenate([words, hashes])
            if len(words) >= n:
                return words[:0]
        if not len(words):
            return words
        places = np.arange(len(words), dtype=np.uint64)
        return scatter(scatter(words + places * STEP).sum(dtype=np.uint64, keepdims=True) + np.uint64(len(words)))

    def reads(self, number: int, gram: int, n: int) -> str:
        """How a run of n words reads that ends in the part ``number``; nothing where it is longer than a part."""
        before = np.zeros(0, np.uint32)
        for at, part in enumerate(parts(self.values)):
            if at >= number - 1:
                points = np.concatenate([before, part.block.values.astype(np.uint32)])
                block = Block(points, np.array([0, len(points)]))
                runs = runs_of(block, n)
                found = np.flatnonzero(runs.hashes == np.uint64(gram))
                if len(found):
                    word = int(runs.first[found[0]])
                    return block.text(int(runs.starts[word]), int(runs.ends[word + n - 1]))
            before = part.block.values.astype(np.uint32)
        return "…"


__all__ = ["Hashes", "LongWords", "Runs", "runs_of"]
