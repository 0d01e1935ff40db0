"""Words exchanged and left out, after EDA (Wei and Zou, EMNLP 2019): what is between the words stays as it is."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from recipec.fast.augment import Seeds, Words, at_least_one, below, draw, find_words, joined, rewrite, unit
from recipec.fast.text_arrow import Column, Flags, Places, Rows, constant_of, row_sums
from recipec.fast.text_classes import SPACE, flags

_TRIES = 4
"""How often a second word is drawn before two equal ones are exchanged."""


def swap_words(text: Column, seeds: Column, rate: Column) -> pa.Array:
    share = constant_of(rate, 0.1)
    return rewrite(text, seeds, lambda rows, own: _swap(rows, own, share))


def _swap(rows: Rows, seeds: Seeds, rate: float) -> Rows:
    words = find_words(rows)
    counts = words.counts
    wanted = np.where(counts >= 2, at_least_one(rate, counts), 0)
    if not wanted.any():
        return rows
    order = np.arange(len(words))
    alike = word_marks(rows, words)
    busy = np.flatnonzero(wanted)
    nth = 0
    while busy.size:
        # The nth exchange of every row that has one; rows end at different times.
        many, base, own = counts[busy], words.first[busy], seeds[busy]
        one = below(draw(own, 0, nth), many)
        two = one
        for attempt in range(_TRIES):
            other = (one + 1 + below(draw(own, 1 + attempt, nth), many - 1)) % many
            same = alike[order[base + two]] == alike[order[base + one]]
            two = np.where(same, other, two)
        a, b = base + one, base + two
        order[a], order[b] = order[b], order[a]
        nth += 1
        busy = busy[wanted[busy] > nth]
    return in_order(rows, words, order)


def word_marks(rows: Rows, words: Words) -> Places:
    """A number for each word, equal for equal words (and, with a chance of 2**-40 or so, for others)."""
    with np.errstate(over="ignore"):
        sums = np.zeros(len(rows.values) + 1, np.uint64)
        weights = draw(rows.values.astype(np.uint64), 7)
        np.cumsum(weights, out=sums[1:])
        marks = sums[words.end] - sums[words.begin]
        # A sum forgets the order of letters; the first and last say some of it.
        if len(words):
            marks = marks * np.uint64(3) + weights[words.begin] + (words.end - words.begin).astype(np.uint64)
    return marks.view(np.int64)


def in_order(rows: Rows, words: Words, order: Places) -> Rows:
    """The rows with word ``order[i]`` in the place of word ``i``."""
    count = len(words)
    begin = np.empty(2 * count + len(rows), np.int64)
    length = np.empty_like(begin)
    # A row is: gap, word, gap, word, ..., last gap.
    slot = 2 * np.arange(count) + words.row
    before = np.empty(count, np.int64)
    before[1:] = words.end[:-1]
    heads = words.first[:-1][words.counts > 0]
    before[heads] = rows.starts[:-1][words.counts > 0]
    begin[slot], length[slot] = before, words.begin - before
    begin[slot + 1], length[slot + 1] = words.begin[order], words.end[order] - words.begin[order]
    last = 2 * words.first[1:] + np.arange(len(rows))
    filled = words.counts > 0
    tail = rows.starts[:-1].copy()
    tail[filled] = words.end[words.first[1:][filled] - 1]
    begin[last], length[last] = tail, rows.starts[1:] - tail
    sums = np.zeros(len(begin) + 1, np.int64)
    np.cumsum(length, out=sums[1:])
    starts = np.append(sums[2 * words.first[:-1] + np.arange(len(rows))], sums[-1])
    return Rows(joined(rows.values, begin, length), starts, None)


def delete_words(text: Column, seeds: Column, rate: Column) -> pa.Array:
    share = constant_of(rate, 0.1)
    return rewrite(text, seeds, lambda rows, own: _delete(rows, own, share))


def _delete(rows: Rows, seeds: Seeds, rate: float) -> Rows:
    words = find_words(rows)
    counts = words.counts
    if not (counts >= 2).any():
        return rows
    nth = np.arange(len(words)) - np.repeat(words.first[:-1], counts)
    gone = unit(draw(seeds[words.row], 0, nth)) < rate
    gone &= counts[words.row] >= 2
    lost = row_sums(gone, words.first)
    forced = np.flatnonzero((counts >= 2) & ((lost == 0) | (lost == counts)))
    if forced.size:
        # At least one goes, and at least one stays.
        which = words.first[forced] + below(draw(seeds[forced], 1), counts[forced])
        gone[which] = lost[forced] == 0
    return without(rows, words, gone)


def without(rows: Rows, words: Words, gone: Flags) -> Rows:
    """The rows without some of their words, and without the white space before each of these (behind it, for the first)."""
    at = np.flatnonzero(gone)
    if not at.size:
        return rows
    values = rows.values
    space = flags(values) & SPACE > 0
    solid = np.flatnonzero(~space)
    # The first character of the white space before each word, and the first behind the white space after it.
    left = np.concatenate([[-1], solid])[np.searchsorted(solid, words.begin)] + 1
    left = np.maximum(left, rows.starts[:-1][words.row])
    right = np.append(solid, len(values))[np.searchsorted(solid, words.end)]
    right = np.minimum(right, rows.starts[1:][words.row])
    # Words that go from the very start of a text take the white space behind them along, all others that before them.
    stays = ~gone
    stays[1:] |= (words.row[1:] == words.row[:-1]) & (left[1:] > words.end[:-1])
    heads = words.first[:-1][words.counts > 0]
    stays[heads] |= left[heads] > rows.starts[:-1][words.counts > 0]
    sums = np.cumsum(stays)
    leading: Flags = sums - np.repeat(sums[heads] - stays[heads], words.counts[words.counts > 0]) == 0
    change = np.zeros(len(values) + 1, np.int64)
    change[np.where(leading, words.begin, left)[at]] += 1
    change[np.where(leading, right, words.end)[at]] -= 1
    keep = np.cumsum(change[:-1]) == 0
    return Rows(values[keep], np.concatenate([[0], np.cumsum(keep)])[rows.starts], None)
