"""Words exchanged, left out, replaced and put in, after EDA (Wei and Zou, EMNLP 2019): what is between the words stays as it is."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from recipec.fast.augment import Seeds, Words, at_least_one, below, choose, draw, find_words, joined, rewrite, splice, unit
from recipec.fast.augment_lexicon import Lexicon, form_of, matches, same_words, stored, units
from recipec.fast.text_arrow import Column, Flags, Places, Rows, constant_of, row_sums
from recipec.fast.text_classes import ALONE, SPACE, flags

_TRIES = 4
"""How often a second word is drawn before two equal ones are exchanged."""
_ONE_BY_ONE = 32
"""Exchanges that are made one after another; more are made at once."""


def swap_words(text: Column, seeds: Column, rate: Column, folder: Column, name: Column) -> pa.Array:
    share, together = constant_of(rate, 0.1), dictionary(folder, name)
    return rewrite(text, seeds, lambda rows, own: _swap(rows, own, share, together))


def dictionary(folder: Column, name: Column) -> Lexicon | None:
    """The terms that stay together, where a file is named."""
    label = constant_of(name, "")
    return stored(constant_of(folder, ""), label) if label else None


def _swap(rows: Rows, seeds: Seeds, rate: float, together: Lexicon | None) -> Rows:
    words = units(rows, find_words(rows), together)
    counts = words.counts
    wanted = np.where(counts >= 2, at_least_one(rate, counts), 0)
    if not wanted.any():
        return rows
    order = np.arange(len(words))
    exchange_pairs(order, words, np.where(wanted > _ONE_BY_ONE, wanted, 0), seeds)
    busy = np.flatnonzero((wanted > 0) & (wanted <= _ONE_BY_ONE))
    nth = 0
    while busy.size:
        # The nth exchange of every row that has one; rows end at different times.
        many, base, own = counts[busy], words.first[busy], seeds[busy]
        one = below(draw(own, 0, nth), many)
        two = (one + 1 + below(draw(own, 1, nth), many - 1)) % many
        for attempt in range(1, _TRIES):
            same = np.flatnonzero(same_words(rows.values, words, order[base + one], order[base + two]))
            if not same.size:
                break
            two[same] = (one[same] + 1 + below(draw(own[same], 1 + attempt, nth), many[same] - 1)) % many[same]
        a, b = base + one, base + two
        order[a], order[b] = order[b], order[a]
        nth += 1
        busy = busy[wanted[busy] > nth]
    return in_order(rows, words, order)


def exchange_pairs(order: Places, words: Words, wanted: Places, seeds: Seeds) -> None:
    """Exchange ``wanted`` pairs of words in each row, none twice, all at once: for long texts."""
    counts = words.counts
    pairs = np.minimum(wanted, counts // 2)
    if not pairs.any():
        return
    taken = choose(counts, 2 * pairs, seeds, 200)
    # Shuffled within the row: the first with the second, the third with the fourth.
    shuffled = np.lexsort((draw(seeds[taken.row], 201, taken.nth), taken.row))
    place = words.first[:-1][taken.row] + taken.place[shuffled]
    one, two = place[0::2], place[1::2]
    order[one], order[two] = order[two], order[one]


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


def delete_words(text: Column, seeds: Column, rate: Column, folder: Column, name: Column) -> pa.Array:
    share, together = constant_of(rate, 0.1), dictionary(folder, name)
    return rewrite(text, seeds, lambda rows, own: _delete(rows, own, share, together))


def _delete(rows: Rows, seeds: Seeds, rate: float, together: Lexicon | None) -> Rows:
    words = units(rows, find_words(rows), together)
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
    left = before_spaces(space, words.begin)
    left = np.maximum(left, rows.starts[:-1][words.row])
    # Words that go from the very start of a text take the white space behind them along, all others that before them.
    stays = ~gone
    stays[1:] |= (words.row[1:] == words.row[:-1]) & (left[1:] > words.end[:-1])
    heads = words.first[:-1][words.counts > 0]
    stays[heads] |= left[heads] > rows.starts[:-1][words.counts > 0]
    sums = np.cumsum(stays)
    leading: Flags = sums - np.repeat(sums[heads] - stays[heads], words.counts[words.counts > 0]) == 0
    change = np.zeros(len(values) + 1, np.int64)
    first = at[leading[at]]
    right = words.end.copy()
    right[first] = np.minimum(behind_spaces(space, words.end[first]), rows.starts[1:][words.row[first]])
    change[np.where(leading, words.begin, left)[at]] += 1
    change[right[at]] -= 1
    keep = np.cumsum(change[:-1]) == 0
    return Rows(values[keep], np.concatenate([[0], np.cumsum(keep)])[rows.starts], None)


def before_spaces(space: Flags, places: Places) -> Places:
    """Where the white space before each place begins; the place itself where there is none."""
    left = places - ((places > 0) & space[np.maximum(places - 1, 0)])
    more = np.flatnonzero((left < places) & (left > 0) & space[np.maximum(left - 1, 0)])
    if more.size:
        solid = np.flatnonzero(~space)
        left[more] = np.concatenate([[-1], solid])[np.searchsorted(solid, places[more])] + 1
    return left


def behind_spaces(space: Flags, places: Places) -> Places:
    """Where the white space behind each place ends."""
    solid = np.flatnonzero(~space)
    out: Places = np.append(solid, len(space))[np.searchsorted(solid, places)]
    return out


def synonyms(text: Column, seeds: Column, rate: Column, folder: Column, name: Column) -> pa.Array:
    share = constant_of(rate, 0.1)
    known = stored(constant_of(folder, ""), constant_of(name, "")) if len(text) else None
    return rewrite(text, seeds, lambda rows, own: _replace(rows, own, share, known))


def _replace(rows: Rows, seeds: Seeds, rate: float, known: Lexicon | None) -> Rows:
    words = find_words(rows)
    if known is None or not len(words):
        return rows
    found = matches(rows, words, known)
    wanted = np.minimum(at_least_one(rate, words.counts), found.counts)
    chosen = choose(found.counts, wanted, seeds, 0)
    at = found.first[:-1][chosen.row] + chosen.place
    begin, end = found.begin[at], found.end[at]
    start, length = known.pick(found.term[at], draw(seeds[chosen.row], 1, chosen.nth), form_of(rows.values, begin, end))
    return splice(rows, begin, end, chosen.row, known.pool, start, length)


def insert_words(text: Column, seeds: Column, rate: Column, folder: Column, name: Column) -> pa.Array:
    share = constant_of(rate, 0.1)
    known = stored(constant_of(folder, ""), constant_of(name, "")) if len(text) else None
    return rewrite(text, seeds, lambda rows, own: _insert(rows, own, share, known))


def _insert(rows: Rows, seeds: Seeds, rate: float, known: Lexicon | None) -> Rows:
    words = find_words(rows)
    if known is None or not len(words):
        return rows
    found = matches(rows, words, known)
    # Nothing is put into the middle of a term.
    words = units(rows, words, known)
    counts = words.counts
    wanted = np.where(found.counts > 0, at_least_one(rate, counts), 0)
    row = np.repeat(np.arange(len(rows)), wanted)
    if not row.size:
        return rows
    nth = np.arange(len(row)) - np.repeat(np.cumsum(wanted) - wanted, wanted)
    own = seeds[row]
    of = found.first[:-1][row] + below(draw(own, 0, nth), found.counts[row])
    start, length = known.pick(found.term[of], draw(own, 1, nth), np.zeros(len(row), np.int64))
    # Before one of the words, or behind the last.
    place = words.first[:-1][row] + below(draw(own, 2, nth), counts[row] + 1)
    order = np.lexsort((nth, place, row))
    row, place, start, length = row[order], place[order], start[order], length[order]
    behind = place == words.first[1:][row]
    word = place - behind
    at = np.where(behind, words.end[word], words.begin[word])
    # A space parts it from its neighbour, where the script puts spaces between words.
    spaced = flags(rows.values[words.begin[word]]) & ALONE == 0
    pool = np.append(known.pool, np.uint32(32))
    blank = len(pool) - 1
    begin = np.repeat(at, 2)
    starts, lengths = np.empty(2 * len(at), np.int64), np.empty(2 * len(at), np.int64)
    starts[0::2], starts[1::2] = np.where(behind, blank, start), np.where(behind, start, blank)
    lengths[0::2], lengths[1::2] = np.where(behind, spaced, length), np.where(behind, length, spaced)
    return splice(rows, begin, begin, np.repeat(row, 2), pool, starts, lengths)


def eda(text: Column, seeds: Column, rate: Column, copy: Column, folder: Column, name: Column) -> pa.Array:
    """One of EDA's four for each copy, in turn: synonyms, insertion, exchange, deletion (without a lexicon, the last two)."""
    share, label = constant_of(rate, 0.1), constant_of(name, "")
    known = stored(constant_of(folder, ""), label) if len(text) and label else None
    number = copy.to_numpy(zero_copy_only=False) if len(text) else np.zeros(0, np.int64)
    kinds = (number - 1) % 4 if known is not None else 2 + (number - 1) % 2
    out: list[pa.Array] = []
    edits = (
        lambda rows, own: _replace(rows, own, share, known),
        lambda rows, own: _insert(rows, own, share, known),
        lambda rows, own: _swap(rows, own, share, known),
        lambda rows, own: _delete(rows, own, share, known),
    )
    order = np.argsort(kinds, kind="stable")
    for kind, edit in enumerate(edits):
        which = pa.array(order[kinds[order] == kind])
        out.append(rewrite(text.take(which), seeds.take(which), edit).cast(pa.large_string()))
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_arrays(out).take(pa.array(back)).cast(text.type)
