"""Characters taken for others, changed, left out and put in. A letter with marks of its own, and whatever joins into one
emoji, is never taken apart."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recipec.fast.augment import Seeds, about, at_least_one, below, bound, choose, draw, find_words, joined, put, rewrite, splice
from recipec.fast.augment_keys import Confusions, keyboard
from recipec.fast.augment_signs import OCR, homoglyph_table, shape_table, sound_table
from recipec.fast.text_arrow import Column, Flags, Places, Rows, constant_of
from recipec.fast.text_classes import ALNUM, ALONE, DIGIT, LOWER, SPACE, UPPER, flags


def typos(text: Column, seeds: Column, rate: Column, layout: Column) -> pa.Array:
    """Keys hit beside the one that was meant."""
    return confuse(text, seeds, constant_of(rate, 0.02), keyboard(constant_of(layout, "en")))


def homoglyphs(text: Column, seeds: Column, rate: Column) -> pa.Array:
    """Letters of another script that look the same."""
    return confuse(text, seeds, constant_of(rate, 0.02), homoglyph_table())


def shape_errors(text: Column, seeds: Column, rate: Column) -> pa.Array:
    """Chinese characters that look alike."""
    return confuse(text, seeds, constant_of(rate, 0.05), shape_table())


def pinyin_errors(text: Column, seeds: Column, rate: Column, fuzzy: Column) -> pa.Array:
    """Chinese characters that sound alike."""
    return confuse(text, seeds, constant_of(rate, 0.05), sound_table(bool(constant_of(fuzzy, False))))


def confuse(text: Column, seeds: Column, rate: float, table: Confusions) -> pa.Array:
    """``rate`` of the characters that the table knows, at least one of them, taken for another."""
    mask = table.mask()

    def edit(rows: Rows, own: Seeds) -> Rows:
        values = rows.values
        # The mask has an entry for every byte; beyond its end nothing is known.
        fit = mask[values if values.dtype == np.uint8 else np.minimum(values, np.uint32(len(mask) - 1))]
        fit &= whole(rows)
        at, own_row, nth = some(rows, fit, rate, own, 0)
        if not at.size:
            return rows
        bits = draw(own[own_row], 1, nth)
        return Rows(put(rows.values, at, table.pick(rows.values[at].astype(np.uint32), bits)), rows.starts, None)

    return rewrite(text, seeds, edit)


def whole(rows: Rows) -> Flags:
    """Characters that stand by themselves: nothing joins them to what is before or behind."""
    if rows.values.dtype == np.uint8:
        return np.ones(len(rows.values), np.bool_)
    joins = bound(rows)
    out = ~joins
    out[:-1] &= ~joins[1:]
    return out


def some(rows: Rows, fit: Flags, rate: float, seeds: Seeds, lane: int) -> tuple[Places, Places, Places]:
    """Places of some of the characters that fit, their rows, and numbers that tell a row's draws apart."""
    places = np.flatnonzero(fit)
    first = np.searchsorted(places, rows.starts)
    counts = np.diff(first)
    chosen = choose(counts, about(rate, counts, seeds, lane + 100), seeds, lane)
    return places[first[:-1][chosen.row] + chosen.place], chosen.row, chosen.nth


# Random noise ---------------------------------------------------------------------------------------------------------

KINDS: Final = ("insert", "swap", "delete", "substitute")


def noise(text: Column, seeds: Column, characters: Column, words: Column, kinds: Column) -> pa.Array:
    """In some words some characters doubled up by others, exchanged with the next, left out or replaced."""
    share, most = constant_of(characters, 0.3), constant_of(words, 0.3)
    chosen = np.array([KINDS.index(k) for k in str(constant_of(kinds, "insert")).split(",")], np.int64)
    return rewrite(text, seeds, lambda rows, own: _noise(rows, own, share, most, chosen))


def _noise(rows: Rows, seeds: Seeds, share: float, most: float, kinds: Places) -> Rows:
    words = find_words(rows)
    counts = words.counts
    if not len(words):
        return rows
    picked = choose(counts, at_least_one(most, counts), seeds, 0)
    word = words.first[:-1][picked.row] + picked.place
    begin, size = words.begin[word], words.end[word] - words.begin[word]
    own = draw(seeds[picked.row], 1, picked.place)
    inside = choose(size, at_least_one(share, size), own, 2)
    at = begin[inside.row] + inside.place
    bits = draw(own[inside.row], 3, inside.nth)
    values = rows.values
    kind = kinds[below(bits, len(kinds))]
    single = whole(rows)
    last = words.end[word][inside.row] - 1
    kinds_of = flags(values)
    fine = single[at] & (kinds_of[at] & ALNUM > 0)
    # What does not fit is left out: nothing to exchange with, or the only character of its word.
    fine &= ~((kind == 1) & ((at >= last) | ~single[np.minimum(at + 1, len(values) - 1)]))
    fine &= ~((kind == 2) & (size[inside.row] < 2))
    at, kind, row, bits = at[fine], kind[fine], picked.row[inside.row][fine], bits[fine]
    fresh = another(values, at, begin[inside.row][fine], size[inside.row][fine], draw(bits, 4))
    return edited(rows, row, at, kind, fresh)


def another(values: npt.NDArray[np.uint32], at: Places, begin: Places, size: Places, bits: Seeds) -> npt.NDArray[np.uint32]:
    """For characters, one of their own sort: a small or large Latin letter, a digit, else another character of the word."""
    here = values[at].astype(np.uint32)
    kinds = flags(values)[at]
    own = values[begin + below(bits, size)].astype(np.uint32)
    plain = here < 0x80
    letter = below(bits, 25).astype(np.uint32)
    small, large = plain & (kinds & LOWER > 0), plain & (kinds & UPPER > 0)
    digit = plain & (kinds & DIGIT > 0)
    out = own
    for mask, base in ((small, 97), (large, 65)):
        # One of the 25 others.
        out = np.where(mask, base + (here - base + 1 + letter) % 26, out)
    return np.where(digit, 48 + (here - 48 + 1 + below(bits, 9).astype(np.uint32)) % 10, out).astype(np.uint32)


def edited(rows: Rows, row: Places, at: Places, kind: Places, fresh: npt.NDArray[np.uint32]) -> Rows:
    """The rows after insertions (0), exchanges (1), deletions (2) and substitutions (3) at ascending places."""
    if not at.size:
        return rows
    kept = kind == 1
    # Two exchanges must not share a character.
    kept[1:] &= ~((kind[:-1] == 1) & (at[1:] - at[:-1] == 1) & (row[1:] == row[:-1]))
    values = put(rows.values, at[kind == 3], fresh[kind == 3])
    order = np.arange(len(values))
    swap = at[kept]
    order[swap], order[swap + 1] = swap + 1, swap
    gone = at[kind == 2]
    count = np.ones(len(values), np.int64)
    count[gone] = 0
    more = at[kind == 0]
    count[more] = 2
    ends = np.cumsum(count)
    out = values[np.repeat(order, count)]
    new = fresh[kind == 0]
    out = put(out, ends[more] - 1, new)
    return Rows(out, np.concatenate([[0], ends])[rows.starts], None)


# Case -----------------------------------------------------------------------------------------------------------------

_CASED: Final = 0x20000


@cache
def _cases() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """The small and the large form of each code point that has just one of each."""
    small, large = np.arange(_CASED, dtype=np.uint32), np.arange(_CASED, dtype=np.uint32)
    for code in range(_CASED):
        if not 0xD800 <= code <= 0xDFFF:
            character = chr(code)
            low, high = character.lower(), character.upper()
            if len(low) == 1:
                small[code] = ord(low)
            if len(high) == 1:
                large[code] = ord(high)
    return small, large


WAYS: Final = ("lower", "upper", "title", "swap")


def change_case(text: Column, seeds: Column, rate: Column, way: Column) -> pa.Array:
    """Some words in small letters, in capitals, with a capital, or with their cases exchanged."""
    share, to = constant_of(rate, 0.1), constant_of(way, "random")
    return rewrite(text, seeds, lambda rows, own: _case(rows, own, share, to))


def _case(rows: Rows, seeds: Seeds, rate: float, to: str) -> Rows:
    words = find_words(rows)
    if not len(words):
        return rows
    # Only words with a letter that has cases can change.
    cased = flags(rows.values) & (UPPER | LOWER) > 0
    sums = np.concatenate([[0], np.cumsum(cased)])
    able = np.flatnonzero(sums[words.end] > sums[words.begin])
    first = np.searchsorted(able, words.first)
    counts = np.diff(first)
    chosen = choose(counts, np.minimum(at_least_one(rate, words.counts), counts), seeds, 0)
    word = able[first[:-1][chosen.row] + chosen.place]
    if not word.size:
        return rows
    small, large = _cases()
    begin, size = words.begin[word], words.end[word] - words.begin[word]
    at = joined(np.arange(len(rows.values)), begin, size)
    here = np.minimum(rows.values[at].astype(np.int64), _CASED - 1)
    upper = flags(rows.values[at]) & UPPER > 0
    head = np.zeros(len(at), np.bool_)
    head[np.cumsum(size) - size] = True
    titled = np.where(head, large[here], small[here])
    forms = [small[here], large[here], titled, np.where(upper, small[here], large[here])]
    if to == "random":
        # One of the forms that differ from what is there, where any does.
        way = below(draw(seeds[chosen.row], 1, chosen.nth), 4)
        groups = np.repeat(np.arange(len(word)), size)
        differs = np.stack([np.bincount(groups, f != here, len(word)) > 0 for f in forms])
        for _ in range(3):
            way = np.where(differs[way, np.arange(len(word))], way, (way + 1) % 4)
        new = np.choose(np.repeat(way, size), forms)
    else:
        new = forms[WAYS.index(to)]
    beyond = rows.values[at] >= _CASED
    new = np.where(beyond, rows.values[at], new).astype(np.uint32)
    return Rows(put(rows.values, at, new), rows.starts, None)


# Misread print --------------------------------------------------------------------------------------------------------


@cache
def _misread() -> tuple[Places, Places, Places, npt.NDArray[np.uint32]]:
    """(count, first, starts, pool): others ``first[i]`` to ``first[i] + count[i]`` of entry ``i`` of the table lie in the pool."""
    count = np.array([len(o) for o in OCR.values()], np.int64)
    flat = [o for others in OCR.values() for o in others]
    starts = np.concatenate([[0], np.cumsum([len(o) for o in flat])])
    pool = np.array([ord(c) for o in flat for c in o], np.uint32)
    return count, np.cumsum(count) - count, starts, pool


@cache
def _entries() -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """The entry of each character, and that of each pair of a first and a second one by their numbers below 128; -1 where there is none."""
    one, two = np.full(_BEYOND + 1, -1, np.int16), np.full((128, 128), -1, np.int16)
    for entry, key in enumerate(OCR):
        if len(key) == 1:
            one[ord(key)] = entry
        else:
            two[ord(key[0]), ord(key[1])] = entry
    return one, two


_BEYOND: Final = 0x500
"""No character of the table lies beyond."""


@cache
def _beginning() -> npt.NDArray[np.uint8]:
    """1 for characters that can be misread, 2 for those that a pair begins with."""
    out = np.zeros(_BEYOND + 1, np.uint8)
    for key in OCR:
        out[ord(key[0])] |= len(key)
    return out


def ocr_errors(text: Column, seeds: Column, rate: Column) -> pa.Array:
    """Characters and pairs of characters that recognition of print takes for others."""
    share = constant_of(rate, 0.02)
    return rewrite(text, seeds, lambda rows, own: _ocr(rows, own, share))


def _ocr(rows: Rows, seeds: Seeds, rate: float) -> Rows:
    (count, first, starts, pool), (singles, pairs) = _misread(), _entries()
    values = rows.values
    if not len(values):
        return rows
    single = whole(rows)
    one, two = np.full(len(values), -1, np.int64), np.full(len(values), -1, np.int64)
    beginning = _beginning()[values if values.dtype == np.uint8 else np.minimum(values, np.uint32(_BEYOND))]
    at = np.flatnonzero((beginning & 1 > 0) & single)
    one[at] = singles[values[at]]
    heads = beginning & 2 > 0
    heads[rows.starts[1:][rows.lengths > 0] - 1] = False
    at = np.flatnonzero(heads)
    at = at[single[at] & single[at + 1] & (values[at + 1] < 0x80)]
    two[at] = pairs[values[at], values[at + 1]]
    at, row, nth = some(rows, (one >= 0) | (two >= 0), rate, seeds, 0)
    # Where a pair can be misread, it is half of the time.
    bits = draw(seeds[row], 1, nth)
    paired = (two[at] >= 0) & ((one[at] < 0) | (bits & np.uint64(1) > 0))
    keep = np.ones(len(at), np.bool_)
    keep[1:] = ~(paired[:-1] & (at[1:] - at[:-1] == 1))
    at, row, bits, paired = at[keep], row[keep], bits[keep], paired[keep]
    entry = np.where(paired, two[at], one[at])
    other = first[entry] + below(bits, count[entry])
    return splice(rows, at, at + 1 + paired, row, pool, starts[other], starts[other + 1] - starts[other])


# Punctuation ----------------------------------------------------------------------------------------------------------

_WESTERN: Final = np.array([ord(c) for c in ".;?:!,"], np.uint32)
_CHINESE: Final = np.array([ord(c) for c in "。；？：！，"], np.uint32)


def change_punctuation(text: Column, seeds: Column, rate: Column, kinds: Column) -> pa.Array:
    """Marks put behind words (AEDA's six), left out, or taken for others."""
    share = constant_of(rate, 0.1)
    ways = np.array([("insert", "delete", "substitute").index(k) for k in str(constant_of(kinds, "insert")).split(",")], np.int64)
    return rewrite(text, seeds, lambda rows, own: _punctuation(rows, own, share, ways))


def _punctuation(rows: Rows, seeds: Seeds, rate: float, ways: Places) -> Rows:
    words = find_words(rows)
    if not len(words):
        return rows
    values = rows.values
    # Places where something can be done: behind each word, and each mark that is one of the twelve.
    marked = np.isin(values, np.concatenate([_WESTERN, _CHINESE]))
    marks = np.flatnonzero(marked)
    # A mark inside a number, a time or an address belongs to it: letters or digits stand on both sides, in one row.
    starting, ending = np.zeros(len(values) + 1, np.bool_), np.zeros(len(values) + 1, np.bool_)
    starting[rows.starts[:-1]], ending[rows.starts[1:]] = True, True
    solid = (flags(values) & ALNUM > 0) & (values < 0x2E80)
    before = solid[np.maximum(marks - 1, 0)] & ~starting[marks]
    after = solid[np.minimum(marks + 1, len(values) - 1)] & ~ending[marks + 1]
    marks = marks[~(before & after)]
    gaps = words.end if 0 in ways else words.end[:0]
    inner = np.zeros(len(values) + 1, np.bool_)
    inner[marks] = True
    # Scripts without spaces are parted by letters; in those other than Chinese and Japanese a mark may stand at a space alone.
    letter = values[words.begin[: len(gaps)]]
    unspaced = (flags(letter) & ALONE > 0) & (letter < 0x2E80)
    behind = np.append(flags(values), SPACE)[gaps]
    gaps = gaps[ending[gaps] | (~inner[gaps] & ~(unspaced & (behind & SPACE == 0)))]
    marks = marks if (1 in ways or 2 in ways) else marks[:0]
    at = np.concatenate([gaps, marks])
    order = np.argsort(at, kind="stable")
    at, change = at[order], (order >= len(gaps))
    # A gap at the end of a row is the row's own, not the next one's.
    row = np.searchsorted(rows.starts, np.where(change, at, at - 1), "right") - 1
    first = np.searchsorted(row, np.arange(len(rows) + 1))
    counts = np.diff(first)
    chosen = choose(counts, np.minimum(at_least_one(rate, words.counts), counts), seeds, 0)
    place = first[:-1][chosen.row] + chosen.place
    at, change = at[place], change[place]
    bits = draw(seeds[chosen.row], 1, chosen.nth)
    last = values[np.maximum(at - 1, 0)].astype(np.uint32)
    wide = (last >= 0x2E80) & (last < 0xA000)
    here = values[np.minimum(at, len(values) - 1)].astype(np.uint32)
    mark = np.where(wide, _CHINESE[below(bits, 6)], _WESTERN[below(bits, 6)])
    # Taken for another means for one of the five others.
    mark = np.where(change & (mark == here), np.where(wide, _CHINESE[(below(bits, 6) + 1) % 6], _WESTERN[(below(bits, 6) + 1) % 6]), mark)
    able = ways[ways > 0]
    gone = change & (able[below(draw(bits, 2), len(able))] == 1) if able.size else np.zeros(len(at), np.bool_)
    return splice(rows, at, at + change, chosen.row, mark, np.arange(len(at)), np.where(gone, 0, 1))
