"""What repeats inside a text, for whole blocks of texts: lines, paragraphs and n-grams of words, by their hashes.

Every span's hash comes from one array of prefix sums. Equal hashes of one row are found by sorting them with their places packed into the
same 64 bits; those that look alike are then compared by the whole hash. Only words whose n-gram repeats can begin a longer one that
does, so that each length looks at fewer places than the one before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from recipec.fast.quality_letters import Block, scatter
from recipec.fast.quality_words import Words
from recipec.fast.text_arrow import Places

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[Any]
_ROW: Final = np.uint64(0x9FB21C651E98DF25)
_NEXT: Final = np.uint64(0xFF51AFD7ED558CCD)


def repeated(keys: Hashes) -> tuple[Places, Places]:
    """The places of keys that occur more than once, each with the number of its group; a group's places rise, one group after another."""
    count = len(keys)
    if count < 2:
        nothing = np.zeros(0, np.int64)
        return nothing, nothing
    bits = np.uint64((count - 1).bit_length())
    packed = (keys >> bits << bits) | np.arange(count, dtype=np.uint64)
    packed.sort()
    high = packed >> bits
    alike = np.flatnonzero(high[1:] == high[:-1])
    if not alike.size:
        return alike, alike
    marked = np.zeros(count, np.bool_)
    marked[alike] = marked[alike + 1] = True
    places = (packed[marked] & np.uint64((1 << int(bits)) - 1)).astype(np.int64)
    del packed, high, alike, marked
    found = keys[places]
    fresh = np.ones(len(found), np.bool_)
    np.not_equal(found[1:], found[:-1], out=fresh[1:])
    if (found[1:] >> bits == found[:-1] >> bits)[fresh[1:]].any():
        # Keys that differ in their last bits alone lie mixed: they have to be told apart.
        order = np.lexsort((places, found))
        places, found = places[order], found[order]
    np.not_equal(found[1:], found[:-1], out=fresh[1:])
    groups = np.cumsum(fresh) - 1
    several = (np.bincount(groups) > 1)[groups]
    places, fresh = places[several], fresh[several]
    return places, np.cumsum(fresh) - 1


def row_sum(values: Numbers, offsets: Places) -> Numbers:
    """Sums of the values of each row, which lie between offsets."""
    sums = np.zeros(len(values) + 1, np.result_type(values.dtype, np.int64))
    np.cumsum(values, out=sums[1:])
    made: Numbers = sums[offsets[1:]] - sums[offsets[:-1]]
    return made


def over(part: Numbers, whole: Numbers) -> npt.NDArray[np.float64]:
    """Part over whole; null (NaN) where there is nothing to measure."""
    made: npt.NDArray[np.float64] = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return made


# Lines and paragraphs -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spans:
    """Parts of a block's rows, in order: row ``i`` has those between ``offsets[i]`` and ``offsets[i + 1]``."""

    starts: Places
    ends: Places
    offsets: Places

    @property
    def rows(self) -> Places:
        counts = np.diff(self.offsets)
        return np.repeat(np.arange(len(counts)), counts)


def split_at(block: Block, least: int, *, runs: bool, strip: bool = False) -> Spans:
    """Rows split at line feeds: at each, or (``runs``) at every run of at least ``least``; ``strip`` leaves off white space at the ends."""
    first, last = block.starts[:-1], block.starts[1:]
    if strip:
        heads, tails = block.pieces
        low, high = np.searchsorted(heads, first), np.searchsorted(heads, last)
        filled = high > low
        begin, end = first.copy(), first.copy()
        begin[filled], end[filled] = heads[low[filled]], tails[high[filled] - 1]
        first, last = begin, end
    feeds = np.flatnonzero(block.values == 10)
    run_starts, run_ends = feeds, feeds + 1
    if runs and feeds.size:
        fresh = np.ones(len(feeds), np.bool_)
        fresh[1:] = feeds[1:] != feeds[:-1] + 1
        fresh |= block.begins[feeds]
        at = np.flatnonzero(fresh)
        run_starts, run_ends = feeds[at], feeds[np.append(at[1:], len(feeds)) - 1] + 1
        long = run_ends - run_starts >= least
        run_starts, run_ends = run_starts[long], run_ends[long]
    rows = block.row_of(run_starts)
    if strip:
        inside = (run_starts >= first[rows]) & (run_ends <= last[rows])
        run_starts, run_ends, rows = run_starts[inside], run_ends[inside], rows[inside]
    offsets = np.zeros(block.rows + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=block.rows) + 1, out=offsets[1:])
    starts, ends = np.empty(offsets[-1], np.int64), np.empty(offsets[-1], np.int64)
    starts[offsets[:-1]] = first
    ends[offsets[1:] - 1] = last
    # The n-th run of the block ends the (n + row)-th span.
    number = np.arange(len(rows)) + rows
    ends[number] = run_starts
    starts[number + 1] = run_ends
    return Spans(starts, ends, offsets)


def again(block: Block, spans: Spans) -> tuple[Numbers, Numbers]:
    """How many of each row's spans came before in it, and how many characters these have."""
    counts, chars = np.zeros(block.rows, np.int64), np.zeros(block.rows, np.int64)
    several = np.flatnonzero((np.diff(spans.offsets) > 1)[spans.rows])
    if not several.size:
        return counts, chars
    starts, ends, rows = spans.starts[several], spans.ends[several], spans.rows[several]
    keys = scatter(block.hashes(starts, ends) + rows.astype(np.uint64) * _ROW)
    places, groups = repeated(keys)
    later = places[1:][groups[1:] == groups[:-1]]
    counts += np.bincount(rows[later], minlength=block.rows)
    chars += np.bincount(rows[later], ends[later] - starts[later], minlength=block.rows).astype(np.int64)
    return counts, chars


# N-grams of words -----------------------------------------------------------------------------------------------------


def ngrams(words: Words, top: range, duplicate: range) -> dict[int, Numbers]:
    """Characters by n, for each row: of the most frequent n-gram, times its count, for the lengths in ``top`` (words joined by blanks; of
    equally frequent ones the first); of n-grams that came before, found from left to right without overlap, for those in ``duplicate``."""
    rows_count = words.block.rows
    made: dict[int, Numbers] = {}
    counts = words.counts
    row = np.repeat(np.arange(rows_count), counts)
    last = words.offsets[1:][row]
    length = np.zeros(len(row) + 1, np.int64)
    np.cumsum(words.ends - words.starts, out=length[1:])
    hashes = scatter(words.block.hashes(words.starts, words.ends))
    rolled = hashes
    places = np.arange(len(row))
    for n in range(2, max([*top, *duplicate]) + 1):
        fits = places + n <= last[places]
        places = places[fits]
        rolled = rolled[fits] * _NEXT + hashes[places + (n - 1)]
        at, groups = repeated(scatter(rolled + row[places].astype(np.uint64) * _ROW))
        found = places[at]
        if n in top:
            made[n] = _top(n, words.offsets, length, row, found, groups)
        if n in duplicate:
            made[n] = _duplicate(n, rows_count, length, row, found, groups)
        begins = np.zeros(len(row) + 1, np.bool_)
        begins[found] = True
        # A longer one repeats only where this one does, here and a word further.
        going = np.zeros(len(places), np.bool_)
        going[at] = True
        going &= begins[places + 1]
        places, rolled = places[going], rolled[going]
    return made


def _top(n: int, offsets: Places, length: Places, row: Places, found: Places, groups: Places) -> Numbers:
    made = np.zeros(len(offsets) - 1, np.int64)
    enough = np.flatnonzero(np.diff(offsets) >= n)
    begin = offsets[:-1][enough]
    made[enough] = length[begin + n] - length[begin] + (n - 1)
    if found.size:
        counts = np.bincount(groups)
        first = found[np.cumsum(counts) - counts]
        order = np.lexsort((first, -counts, row[first]))
        rows = row[first[order]]
        fresh = np.ones(len(rows), np.bool_)
        np.not_equal(rows[1:], rows[:-1], out=fresh[1:])
        best = order[fresh]
        made[rows[fresh]] = (length[first[best] + n] - length[first[best]] + (n - 1)) * counts[best]
    return made


def _duplicate(n: int, rows: int, length: Places, row: Places, found: Places, groups: Places) -> Numbers:
    if not found.size:
        return np.zeros(rows, np.int64)
    order = np.argsort(found)
    seen = bytearray(int(groups[-1]) + 1)
    taken: list[int] = []
    free = 0
    # Which n-gram counts depends on those before it, so this goes one after another, but only through n-grams that occur twice.
    for place, group in zip(found[order].tolist(), groups[order].tolist(), strict=True):
        if place < free:
            continue
        if seen[group]:
            taken.append(place)
            free = place + n
        else:
            seen[group] = 1
    places = np.array(taken, np.int64)
    return np.bincount(row[places], length[places + n] - length[places], minlength=rows).astype(np.int64)
