"""What the text augmenters stand on: texts end to end as numbers, chance by counter, words, and texts put together anew.

Chance is a function of a row's 64-bit seed, a lane (what the number is for) and a counter, through the finaliser of
SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), so that no number depends on the other rows of a batch or on its cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recipec.fast.text_arrow import Column, Flags, Places, Rows, blocks, bytes_of, code_points, is_ascii, row_sums
from recipec.fast.text_classes import ALNUM, ALONE, BREAK, SPACE, flags, marks
from recipec.fast.text_words import ascii_letters, ascii_parting

Seeds = npt.NDArray[np.uint64]
Edit = Callable[[Rows, Seeds], Rows]

# Chance ---------------------------------------------------------------------------------------------------------------

_GOLDEN: Final = 0x9E3779B97F4A7C15
_LANE: Final = 0xD1B54A32D192ED03
_ALL: Final = 2**64 - 1


def draw(seeds: Seeds, lane: int, counter: Places | int = 0) -> Seeds:
    """64 random bits for each seed, for a use (``lane``) and a number within it."""
    start = (lane + 1) * _LANE
    if isinstance(counter, int):
        x: Seeds = seeds + np.uint64((start + counter * _GOLDEN) & _ALL)
    else:
        x = counter.astype(np.uint64)
        x *= np.uint64(_GOLDEN)
        x += np.uint64(start & _ALL)
        x = x + seeds
    y = x >> np.uint64(30)
    x ^= y
    x *= np.uint64(0xBF58476D1CE4E5B9)
    np.right_shift(x, np.uint64(27), out=y)
    x ^= y
    x *= np.uint64(0x94D049BB133111EB)
    np.right_shift(x, np.uint64(31), out=y)
    x ^= y
    return x


def below(bits: Seeds, bound: Places | int) -> Places:
    """A whole number in [0, bound) from random bits (0 where the bound is 0); the bias is below 2**-32 times the bound."""
    return ((bits >> np.uint64(32)) * np.asarray(bound).astype(np.uint64) >> np.uint64(32)).astype(np.int64)


def unit(bits: Seeds) -> npt.NDArray[np.float64]:
    """A number in [0, 1) from random bits."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def at_least_one(rate: float, counts: Places) -> Places:
    """EDA's number of changes: ``max(1, int(rate * count))``, never more than there are."""
    return np.minimum(np.maximum(1, (rate * counts).astype(np.int64)), counts)


def about(rate: float, counts: Places, seeds: Seeds, lane: int) -> Places:
    """As many of ``counts`` as ``rate`` says on average, the fraction left to chance, but at least one where there is any."""
    wanted = np.floor(rate * counts + unit(draw(seeds, lane))).astype(np.int64)
    return np.minimum(np.maximum(1, wanted), counts)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Things drawn from each row: ``row``, the ``place`` among the row's things (ascending), and the how-manieth draw it is."""

    row: Places
    place: Places
    nth: Places


def choose(counts: Places, wanted: Places, seeds: Seeds, lane: int) -> Chosen:
    """``wanted`` different things among each row's ``counts``, each as likely as any other, in one pass and without retries: one in
    each of as many stretches of (nearly) equal length, all moved on around by one chance of the row's."""
    row = np.repeat(np.arange(len(counts)), wanted)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(wanted) - wanted, wanted)
    many, total, own = wanted[row], counts[row], seeds[row]
    low = nth * total // np.maximum(many, 1)
    high = (nth + 1) * total // np.maximum(many, 1)
    place = low + below(draw(own, lane, nth), high - low)
    if many.size and int(wanted.max()) > 1:
        # What is moved beyond the end begins anew, and so stands before the others, each in its old order.
        turn = below(draw(seeds, lane, -1), counts) * (wanted > 1)
        place += turn[row]
        beyond = place >= total
        place -= np.where(beyond, total, 0)
        wrapped = np.bincount(row[beyond], minlength=len(counts))
        begin = np.cumsum(wanted) - wanted
        there = begin[row] + nth + np.where(beyond, wrapped[row] - many, wrapped[row])
        ordered = np.empty_like(place)
        ordered[there] = place
        place = ordered
    return Chosen(row, place, nth)


# Texts ----------------------------------------------------------------------------------------------------------------


def rewrite(text: Column, seeds: Column, edit: Edit) -> pa.Array:
    """``edit`` on all rows, in runs that fit the processor's cache. ASCII rows come as bytes, others, apart, as code points."""
    rows, numbers = bytes_of(text), seeds_of(seeds)
    high = np.zeros(0, np.int64) if is_ascii(rows.values) else row_sums(rows.values >= 0x80, rows.starts)
    wide = np.flatnonzero(high)
    if not wide.size or wide.size == len(rows):
        return texts(runs(rows, numbers, edit), rows.null, len(rows))
    narrow = np.flatnonzero(high == 0)
    done = [texts(runs(only(rows, which), numbers[which], edit), None, len(which)) for which in (narrow, wide)]
    if done[0].type != done[1].type:
        done = [d.cast(pa.large_string()) for d in done]
    back = np.empty(len(rows), np.int64)
    back[np.concatenate([narrow, wide])] = np.arange(len(rows))
    return pa.concat_arrays(done).take(pa.array(back, mask=rows.null))


def runs(rows: Rows, seeds: Seeds, edit: Edit) -> list[Rows]:
    """``edit`` on runs of rows, all of them ASCII or not one known to be."""
    plain = is_ascii(rows.values)
    out: list[Rows] = []
    begin = 0
    for block in blocks(rows):
        own = seeds[begin : begin + len(block)]
        begin += len(block)
        out.append(edit(block if plain else code_points(block), own))
    return out


def only(rows: Rows, which: Places) -> Rows:
    """Some of the rows."""
    lengths = rows.lengths[which]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return Rows(joined(rows.values, rows.starts[which], lengths), starts, None)


def seeds_of(column: Column) -> Seeds:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    out: Seeds = array.to_numpy(zero_copy_only=False).astype(np.uint64, copy=False)
    return out


def encoded(rows: Rows) -> tuple[bytes, Places]:
    """The rows as UTF-8, and the length of each in bytes."""
    if rows.values.dtype == np.uint8:
        return rows.values.tobytes(), rows.lengths
    data = rows.values.astype("<u4", copy=False).tobytes().decode("utf-32-le").encode()
    v = rows.values
    ends = np.zeros(len(v) + 1, np.int64)
    np.cumsum(1 + (v >= 0x80).view(np.uint8) + (v >= 0x800) + (v >= 0x10000), out=ends[1:])
    return data, np.diff(ends[rows.starts])


def texts(parts: list[Rows], null: Flags | None, count: int) -> pa.Array:
    """Rows in runs as one Arrow array of texts."""
    done = [encoded(p) for p in parts]
    lengths = np.concatenate([n for _, n in done]) if done else np.zeros(0, np.int64)
    if len(lengths) < count:
        lengths = np.concatenate([lengths, np.zeros(count - len(lengths), np.int64)])
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    large = int(offsets[-1]) >= 2**31 - 1
    data = b"".join(d for d, _ in done)
    validity = None if null is None else pa.py_buffer(np.packbits(~null, bitorder="little").tobytes())
    raw = offsets if large else offsets.astype(np.int32)
    kind = pa.large_string() if large else pa.string()
    return pa.Array.from_buffers(kind, count, [validity, pa.py_buffer(raw.tobytes()), pa.py_buffer(data)])


def joined(values: npt.NDArray[Any], begin: Places, length: Places) -> npt.NDArray[Any]:
    """Stretches of ``values``, one after another."""
    some = length > 0
    begin, length = begin[some], length[some]
    ends = np.cumsum(length)
    if not len(ends):
        return values[:0]
    # Places go up by one, but for the jump to where the next stretch begins.
    steps = np.ones(int(ends[-1]), np.int64)
    steps[0] = begin[0]
    steps[ends[:-1]] = begin[1:] - (begin[:-1] + length[:-1] - 1)
    out: npt.NDArray[Any] = values[np.cumsum(steps)]
    return out


def splice(rows: Rows, begin: Places, end: Places, row: Places, pool: npt.NDArray[Any], start: Places, length: Places) -> Rows:
    """The rows with stretches of ``pool`` in the place of what lies between ``begin`` and ``end``, which is nothing for an
    insertion. The places must not overlap, and must be in order."""
    if not len(begin):
        return rows
    values, size = rows.values, len(rows.values)
    fresh = joined(pool, start, length)
    if values.dtype == np.uint8 and (not fresh.size or int(fresh.max()) < 0x80):
        both: npt.NDArray[Any] = np.concatenate([values, fresh.astype(np.uint8)])
    else:
        both = np.concatenate([values.astype(np.uint32, copy=False), fresh.astype(np.uint32, copy=False)])
    first = np.empty(2 * len(begin) + 1, np.int64)
    many = np.empty_like(first)
    first[0], first[2::2] = 0, end
    many[:-1:2] = begin - first[:-1:2]
    many[-1] = size - first[-1]
    sums = np.cumsum(length)
    first[1::2], many[1::2] = size + sums - length, length
    shift = np.concatenate([[0], np.cumsum(length - (end - begin))])
    starts = rows.starts + shift[np.searchsorted(row, np.arange(len(rows) + 1))]
    return Rows(joined(both, first, many), starts, None)


def put(values: npt.NDArray[Any], places: Places, characters: npt.NDArray[np.uint32]) -> npt.NDArray[Any]:
    """A copy of ``values`` with other characters at some places."""
    wide = values.dtype == np.uint8 and characters.size and int(characters.max()) >= 0x80
    out = values.astype(np.uint32) if wide else values.copy()
    out[places] = characters
    return out


# Characters that belong together --------------------------------------------------------------------------------------

_ZWJ, _MODIFIERS, _REGIONAL = 0x200D, (0x1F3FB, 0x1F3FF), (0x1F1E6, 0x1F1FF)
_LAST: Final = 0x34000


@cache
def _marks() -> npt.NDArray[np.bool_]:
    """Combining marks; the last entry, false, stands for all beyond."""
    table = np.zeros(_LAST + 1, np.bool_)
    text = "".join(map(chr, range(0xD800))) + "\0" * 0x800 + "".join(map(chr, range(0xE000, _LAST)))
    for found in re.finditer(f"[{marks()}]+", text):
        table[found.start() : found.end()] = True
    table.flags.writeable = False
    return table


def marked(values: npt.NDArray[Any]) -> Flags:
    """Where combining marks are."""
    out: Flags = _marks()[np.minimum(values, np.uint32(_LAST))]
    out |= (values >= 0xE0100) & (values <= 0xE01EF)
    return out


def bound(rows: Rows) -> Flags:
    """Where a character belongs to the one before it: marks, joined emoji, tags, the second letter of a flag."""
    values = rows.values
    out = np.zeros(len(values), np.bool_)
    if values.dtype == np.uint8 or not len(values):
        return out
    out |= marked(values)
    joiner = values == _ZWJ
    out |= joiner | ((values >= _MODIFIERS[0]) & (values <= _MODIFIERS[1])) | ((values >= 0xE0020) & (values <= 0xE007F))
    out[1:] |= joiner[:-1]
    flag = (values >= _REGIONAL[0]) & (values <= _REGIONAL[1])
    if flag.any():
        first = flag.copy()
        first[1:] &= ~flag[:-1]
        run = np.flatnonzero(first)[np.maximum(np.cumsum(first) - 1, 0)]
        out |= flag & ((np.arange(len(values)) - run) % 2 == 1)
    starts = rows.starts[:-1]
    out[starts[starts < len(values)]] = False
    return out


# Words ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Words:
    """Every word of every row, in order: from ``begin`` to ``end``, in ``row``; ``first[i]`` is the first word of row ``i``
    (one entry more than rows)."""

    begin: Places
    end: Places
    row: Places
    first: Places

    @property
    def counts(self) -> Places:
        return np.diff(self.first)

    def __len__(self) -> int:
        return len(self.begin)


def row_of(rows: Rows) -> Places:
    """The row of each character."""
    return np.repeat(np.arange(len(rows)), rows.lengths)


def find_words(rows: Rows) -> Words:
    """The words that the function ``split_words`` gives, as places: from the first to the last letter or digit (with its
    marks) of what stands between spaces; a letter of a script without spaces is a word of its own."""
    values = rows.values
    if not len(values):
        nothing = np.zeros(0, np.int64)
        return Words(nothing, nothing, nothing, np.zeros(len(rows) + 1, np.int64))
    if values.dtype == np.uint8:
        return _plain_words(rows)
    kinds = flags(values)
    alone = kinds & ALONE > 0
    letters = (kinds & ALNUM > 0) & ~alone
    parting = (kinds & (SPACE | BREAK) > 0) | alone
    starts = rows.starts[:-1]
    parting_or_start = parting.copy()
    parting_or_start[starts[starts < len(values)]] = True
    piece = np.cumsum(parting_or_start, dtype=np.int32)
    # Marks end a word as letters do.
    final = letters | (marked(values) & ~alone & ~parting)
    at = np.flatnonzero(letters)
    # A start of a row is counted as parting even where it is a letter; the piece then begins with that letter.
    own = piece[at]
    head = np.ones(len(at), np.bool_)
    head[1:] = own[1:] != own[:-1]
    begin = at[head]
    last = np.flatnonzero(final)
    mine = piece[last]
    tail = np.ones(len(last), np.bool_)
    tail[:-1] = mine[1:] != mine[:-1]
    ends, of = last[tail], mine[tail]
    # A piece that holds marks alone has an end but no begin.
    end = ends[np.searchsorted(of, own[head])] + 1
    single = np.flatnonzero(alone & (kinds & ALNUM > 0))
    if single.size:
        belongs = marked(values)
        belongs[starts[starts < len(values)]] = False
        after = np.append(np.flatnonzero(~belongs), len(values))
        stop = after[np.searchsorted(after, single, "right")]
        order = np.argsort(np.concatenate([begin, single]), kind="stable")
        begin, end = np.concatenate([begin, single])[order], np.concatenate([end, stop])[order]
    first = np.searchsorted(begin, rows.starts)
    return Words(begin, end, np.repeat(np.arange(len(rows)), np.diff(first)), first)


def _plain_words(rows: Rows) -> Words:
    """The words of ASCII rows: runs of letters and digits, those between which nothing parts taken together."""
    values = rows.values
    letters, parting = ascii_letters(values), ascii_parting(values)
    filled = rows.lengths > 0
    before, behind = np.empty(len(values), np.bool_), np.empty(len(values), np.bool_)
    before[1:], behind[:-1] = letters[:-1], letters[1:]
    before[rows.starts[:-1][filled]] = behind[rows.starts[1:][filled] - 1] = False
    begin = np.flatnonzero(letters & ~before)
    end = np.flatnonzero(letters & ~behind) + 1
    first = np.searchsorted(begin, rows.starts)
    row = np.repeat(np.arange(len(rows)), np.diff(first))
    # Most runs are followed by a space; for the others, is there one before the next run?
    doubtful = np.flatnonzero((row[1:] == row[:-1]) & ~parting[end[:-1]]) if len(begin) else begin
    if doubtful.size:
        places = np.append(np.flatnonzero(parting), len(values))
        one = doubtful[places[np.searchsorted(places, end[doubtful])] >= begin[doubtful + 1]]
        heads, tails = np.ones(len(begin), np.bool_), np.ones(len(begin), np.bool_)
        heads[one + 1] = tails[one] = False
        begin, end, row = begin[heads], end[tails], row[heads]
        first = np.searchsorted(begin, rows.starts)
    return Words(begin, end, row, first)
