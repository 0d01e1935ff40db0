"""Words and phrases looked up in texts, and what may stand in their place.

A stretch of characters is known by a 64-bit number: the sum of its characters' random numbers times the powers of an odd
constant, so that the number of every stretch of a text comes out of one running sum (Rabin and Karp 1987). Two different
terms share a number with a chance of about 2**-60.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from recipec.fast.augment import Seeds, Words, below, draw, find_words, joined
from recipec.fast.text_arrow import Flags, Places, Rows, bytes_of, code_points
from recipec.fast.text_classes import UPPER, flags

_BASE: Final = 0x9E3779B97F4A7C55
_CASED: Final = 0x20000
"""Beyond it no letter has an upper and a lower case."""
LONGEST: Final = 8
"""Words of the longest phrase that is looked up."""
_FILTER: Final = 1 << 20
_BITS: Final = 16


@cache
def _lower() -> npt.NDArray[np.uint64]:
    """The random number of each code point's lower case."""
    codes = np.arange(_CASED, dtype=np.uint32)
    for code in range(_CASED):
        if not 0xD800 <= code <= 0xDFFF:
            small = chr(code).lower()
            if len(small) == 1:
                codes[code] = ord(small)
    return draw(codes.astype(np.uint64), 11)


_powers: list[Seeds] = []


def powers(size: int) -> tuple[Seeds, Seeds]:
    """The powers of the base from 0 to ``size``, and their inverses, modulo 2**64."""
    if not _powers or len(_powers[0]) <= size:
        count = max(1 << 17, 2 * size)
        made = []
        for base in (_BASE, pow(_BASE, -1, 1 << 64)):
            steps = np.full(count, base, np.uint64)
            steps[0] = 1
            made.append(np.multiply.accumulate(steps))
        _powers[:] = made
    up, down = _powers
    return up, down


class Sums:
    """The running sum over some rows, from which the number of every stretch comes."""

    def __init__(self, rows: Rows) -> None:
        values = rows.values
        with np.errstate(over="ignore"):
            weights = lowered(values)
            self.sums = np.zeros(len(values) + 1, np.uint64)
            up, self.down = powers(len(values))
            np.cumsum(weights * up[: len(values)], out=self.sums[1:])

    def numbers(self, begin: Places, end: Places) -> Seeds:
        """The numbers of stretches, equal for texts that differ in case alone."""
        with np.errstate(over="ignore"):
            return draw((self.sums[end] - self.sums[begin]) * self.down[begin], 13)


def same_words(values: npt.NDArray[Any], words: Words, one: Places, two: Places) -> Flags:
    """Whether words, by their numbers, are equal but for case."""
    size = words.end[one] - words.begin[one]
    out: Flags = size == words.end[two] - words.begin[two]
    first, second = values[words.begin[one]], values[words.begin[two]]
    out &= lowered(first) == lowered(second)
    doubtful = np.flatnonzero(out)
    if doubtful.size:
        size = size[doubtful]
        left = joined(values, words.begin[one[doubtful]], size)
        right = joined(values, words.begin[two[doubtful]], size)
        out[doubtful] = np.logical_and.reduceat(lowered(left) == lowered(right), np.cumsum(size) - size)
    return out


def lowered(values: npt.NDArray[Any]) -> Seeds:
    """A number for each character that it shares with its lower case alone."""
    table = _lower()
    if values.dtype == np.uint8:
        plain: Seeds = table[values]
        return plain
    return np.where(values < _CASED, table[np.minimum(values, np.uint32(_CASED - 1))], draw(values.astype(np.uint64), 12))


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Terms, sorted by number: ``count[i]`` others of term ``i`` from ``first[i]`` on; an other has three forms in ``pool``: as
    given, with a capital, all capitals; form ``f`` of other ``j`` is ``length[3 * j + f]`` characters from ``start[3 * j + f]`` on."""

    keys: Seeds
    count: Places
    first: Places
    start: Places
    length: Places
    pool: npt.NDArray[np.uint32]
    longest: int
    seen: Flags
    begin: Places
    """For each first bits of a number, the first term that has them or more."""

    def find(self, numbers: Seeds) -> Places:
        """The term of each number, or -1. Terms are sorted, so those of the same first bits stand together, and are few."""
        out = np.full(len(numbers), -1, np.int64)
        left = np.flatnonzero(self.seen[(numbers & np.uint64(_FILTER - 1)).astype(np.int64)])
        wanted = numbers[left]
        first_bits = (wanted >> np.uint64(64 - _BITS)).astype(np.int64)
        place, end = self.begin[first_bits], self.begin[first_bits + 1]
        while left.size:
            open_ = place < end
            left, wanted, place, end = left[open_], wanted[open_], place[open_], end[open_]
            hit = self.keys[place] == wanted
            out[left[hit]] = place[hit]
            miss = ~hit
            left, wanted, place, end = left[miss], wanted[miss], place[miss] + 1, end[miss]
        return out

    def pick(self, term: Places, bits: Seeds, form: Places) -> tuple[Places, Places]:
        """(start, length) in the pool of one of each term's others, by chance, in a form."""
        other = self.first[term] + below(bits, self.count[term])
        return self.start[3 * other + form], self.length[3 * other + form]


def lexicon(terms: list[str], others: list[str]) -> Lexicon:
    """A lexicon of pairs, which need not be sorted; those equal but for case, or empty, are left out."""
    import pyarrow as pa

    pairs = sorted({(t.strip(), o.strip()) for t, o in zip(terms, others, strict=True)})
    pairs = [(t, o) for t, o in pairs if t and o and t.lower() != o.lower()]
    heads = pa.array([t for t, _ in pairs], pa.string())
    rows = code_points(bytes_of(heads))
    words = find_words(rows)
    counts = words.counts
    use = np.flatnonzero((counts > 0) & (counts <= LONGEST))
    numbers = Sums(rows).numbers(words.begin[words.first[use]], words.end[words.first[use + 1] - 1])
    order = np.argsort(numbers, kind="stable")
    keys, first, count = np.unique(numbers[order], return_index=True, return_counts=True)
    forms: list[str] = []
    for i in use[order].tolist():
        other = pairs[i][1]
        forms += [other, other[:1].upper() + other[1:], other.upper()]
    points = code_points(bytes_of(pa.array(forms, pa.string())))
    seen = np.zeros(_FILTER, np.bool_)
    seen[(keys & np.uint64(_FILTER - 1)).astype(np.int64)] = True
    longest = int(counts[use].max()) if use.size else 0
    pool = points.values.astype(np.uint32)
    tops = (keys >> np.uint64(64 - _BITS)).astype(np.int64)
    begin = np.searchsorted(tops, np.arange((1 << _BITS) + 1))
    return Lexicon(keys, count.astype(np.int64), first.astype(np.int64), points.starts[:-1], points.lengths, pool, longest, seen, begin)


def stored(folder: str, name: str) -> Lexicon:
    """The lexicon of the pairs that a step has written: columns ``term`` and ``other`` of a Parquet file."""
    path = Path(folder) / name
    return _stored(str(path), path.stat().st_mtime_ns)


@lru_cache(4)
def _stored(path: str, changed: int) -> Lexicon:
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["term", "other"])
    return lexicon(table.column(0).to_pylist(), table.column(1).to_pylist())


@dataclass(frozen=True, slots=True)
class Matches:
    """Stretches of texts that are terms, in order, none overlapping: from ``begin`` to ``end`` in ``row``."""

    begin: Places
    end: Places
    row: Places
    term: Places
    first: Places

    @property
    def counts(self) -> Places:
        return np.diff(self.first)


def matches(rows: Rows, words: Words, known: Lexicon) -> Matches:
    """Every term in the rows; of terms that overlap the longest that begins first."""
    count = len(words)
    term, many = np.full(count, -1, np.int64), np.ones(count, np.int64)
    if count and len(known.keys):
        sums = Sums(rows)
        for length in range(1, known.longest + 1):
            i = np.arange(max(0, count - length + 1))
            i = i[words.row[i] == words.row[i + length - 1]]
            found = known.find(sums.numbers(words.begin[i], words.end[i + length - 1]))
            hit = found >= 0
            term[i[hit]], many[i[hit]] = found[hit], length
    at = np.flatnonzero(term >= 0)
    if at.size and int(many[at].max()) > 1:
        kept: list[int] = []
        free = 0
        for place, length in zip(at.tolist(), many[at].tolist(), strict=True):
            if place >= free:
                kept.append(place)
                free = place + length
        at = np.array(kept, np.int64)
    last = at + many[at] - 1
    row = words.row[at]
    return Matches(words.begin[at], words.end[last], row, term[at], np.searchsorted(row, np.arange(len(rows) + 1)))


def units(rows: Rows, words: Words, known: Lexicon | None) -> Words:
    """The words, those of each term in the lexicon taken together as one."""
    if known is None or known.longest <= 1 or not len(words):
        return words
    found = matches(rows, words, known)
    if not len(found.begin):
        return words
    # The term that begins at or before a word, and reaches beyond its begin, holds it.
    place = np.searchsorted(found.begin, words.begin, "right") - 1
    held = (place >= 0) & (found.end[place] > words.begin)
    keep = ~held | (found.begin[place] == words.begin)
    end = np.where(held, found.end[place], words.end)[keep]
    row = words.row[keep]
    return Words(words.begin[keep], end, row, np.searchsorted(row, np.arange(len(rows) + 1)))


def form_of(values: npt.NDArray[Any], begin: Places, end: Places) -> Places:
    """How stretches are written: 0 small, 1 with a capital, 2 in capitals."""
    upper = flags(values) & UPPER > 0
    one = upper[begin]
    two = upper[np.minimum(begin + 1, len(values) - 1)] & (end - begin > 1)
    return np.where(one & two, 2, np.where(one, 1, 0))
