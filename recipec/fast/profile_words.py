"""The words of many texts at once, as places and hashes: what a profile counts n-grams, openings and repeated sentences with.

Words are those of the function ``words``, in lower case: runs between white space from the first to the last letter or digit, and each
letter of a script that puts nothing between words (Han, kana, Thai, ...) for itself. A word's hash is a polynomial over its characters
modulo 2**64, so that the hashes of all words come from one running sum; those of n-grams and sentences are polynomials over the words'.
Everything depends on the texts alone: neither order nor threads can change a count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from recipec.fast.text_arrow import Flags, Places, Rows, bytes_of, code_points, is_ascii, row_sums
from recipec.fast.text_classes import ALNUM, ALONE, BREAK, SPACE, flags
from recipec.fast.tokens import mix

Hashes = npt.NDArray[np.uint64]

LIMIT: Final = 0x34001
"""The last entry of the tables by code point, which stands for all beyond."""
_BATCH: Final = 1 << 20
"""Bytes of text worked on at a time."""
_MOST_ROWS: Final = 1 << 16
"""Rows of a batch: their numbers share a 64-bit word with 48 bits of hash."""
_BASE: Final = 0x9E3779B97F4A7C15
_OVER_WORDS: Final = np.uint64(0xD6E8FEB86659FD93)
BITS: Final = 48
MASK: Final = np.uint64((1 << BITS) - 1)

SCRIPTS: Final[dict[str, tuple[tuple[int, int], ...]]] = {
    "Latin": ((0x41, 0x5A), (0x61, 0x7A), (0xAA, 0xAA), (0xBA, 0xBA), (0xC0, 0x2AF), (0x1E00, 0x1EFF), (0x2C60, 0x2C7F), (0xA720, 0xA7FF),
              (0xAB30, 0xAB64), (0xFB00, 0xFB06), (0xFF21, 0xFF3A), (0xFF41, 0xFF5A)),
    "Greek": ((0x370, 0x3FF), (0x1F00, 0x1FFF)),
    "Cyrillic": ((0x400, 0x52F), (0x1C80, 0x1C8F), (0x2DE0, 0x2DFF), (0xA640, 0xA69F)),
    "Armenian": ((0x530, 0x58F),),
    "Hebrew": ((0x590, 0x5FF), (0xFB1D, 0xFB4F)),
    "Arabic": ((0x600, 0x6FF), (0x750, 0x77F), (0x870, 0x8FF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFF), (0x1EE00, 0x1EEFF)),
    "Indic": ((0x900, 0xDFF),),
    "Thai": ((0xE00, 0xE7F),),
    "Lao": ((0xE80, 0xEFF),),
    "Tibetan": ((0xF00, 0xFFF),),
    "Myanmar": ((0x1000, 0x109F),),
    "Georgian": ((0x10A0, 0x10FF), (0x1C90, 0x1CBF), (0x2D00, 0x2D2F)),
    "Hangul": ((0x1100, 0x11FF), (0x3130, 0x318F), (0xA960, 0xA97F), (0xAC00, 0xD7FF)),
    "Ethiopic": ((0x1200, 0x139F), (0x2D80, 0x2DDF)),
    "Khmer": ((0x1780, 0x17FF),),
    "Mongolian": ((0x1800, 0x18AF),),
    "kana": ((0x3041, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F), (0x1B000, 0x1B16F)),
    "Han": ((0x3005, 0x3007), (0x3021, 0x3029), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x33FFF)),
}  # fmt: skip
"""Scripts by blocks of Unicode; letters of none of them count as ``other``. The scripts of India count together."""
SCRIPT_NAMES: Final = (*SCRIPTS, "other")


@dataclass(frozen=True)
class _Tables:
    codes: Hashes
    """What a character adds to a hash: the same for both cases."""
    marks: Flags
    scripts: npt.NDArray[np.uint8]
    """One more than the index in SCRIPT_NAMES, 0 for what is no letter."""


@cache
def _tables() -> _Tables:
    import re

    from recipec.fast.text_classes import LETTER, marks, table

    text = "".join(map(chr, range(0xD800))) + "\0" * 0x800 + "".join(map(chr, range(0xE000, LIMIT)))
    lower = np.arange(LIMIT, dtype=np.uint64)
    for found in re.finditer(r"[^\W\d_]+", text[:0x1E944]):
        for at in range(found.start(), found.end()):
            low = text[at].lower()
            if len(low) == 1:
                lower[at] = ord(low)
        # Beyond Georgian, only Latin, Greek, Cyrillic extensions and full-width letters have cases: Han and Hangul are passed by.
    mark = np.zeros(LIMIT, np.bool_)
    for found in re.finditer(f"[{marks()}]+", text):
        mark[found.start() : found.end()] = True
    # Selectors of emoji and enclosing signs spell no words.
    mark[0xFE00:0xFE10] = mark[0x20D0:0x2100] = False
    script = np.zeros(LIMIT, np.uint8)
    script[table() & LETTER > 0] = len(SCRIPT_NAMES)
    for number, spans in enumerate(SCRIPTS.values()):
        for low_end, high_end in spans:
            part = slice(low_end, min(high_end + 1, LIMIT))
            script[part][script[part] > 0] = number + 1
    return _Tables(mix(lower + np.uint64(1)), mark, script)


_powers: dict[str, Hashes] = {}


def _power(size: int) -> tuple[Hashes, Hashes]:
    """The powers of the polynomials' base and of its inverse, ``size`` of them at least."""
    if "up" not in _powers or len(_powers["up"]) < size:
        count = max(size, 2 * _BATCH)
        for name, base in (("up", _BASE), ("down", pow(_BASE, -1, 1 << 64))):
            steps = np.full(count, base, np.uint64)
            steps[0] = 1
            _powers[name] = np.cumprod(steps, dtype=np.uint64)
    return _powers["up"], _powers["down"]


def _span_hashes(codes: Hashes, starts: Places, stops: Places) -> Hashes:
    """The hash of every ``codes[start:stop]``."""
    up, down = _power(len(codes) + 1)
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(codes * up[: len(codes)], out=sums[1:])
    return mix((sums[stops] - sums[starts]) * down[starts])


@dataclass(frozen=True)
class Words:
    """The words of some rows: ``first`` is the number of the first row, ``row`` counts from it."""

    first: int
    rows: Rows
    row: Places
    start: Places
    stop: Places
    hash: Hashes
    alone: Flags
    """Which words are a single letter of a script without spaces."""
    ends: Flags
    """Which words are the last of their sentence (or row)."""
    scripts: npt.NDArray[np.int64]
    """Letters of each script in each row: one line a row, one column for each of SCRIPT_NAMES."""

    def text(self, first: int, last: int, *, whole: bool = False) -> str:
        """Words ``first`` to ``last`` in lower case, blanks between them where the script has some; ``whole``: as they stand in the text."""
        if whole:
            return self._cut(int(self.start[first]), int(self.stop[last]))
        out = ""
        for at in range(first, last + 1):
            glued = at == first or (self.alone[at] and self.alone[at - 1])
            out += ("" if glued else " ") + self._cut(int(self.start[at]), int(self.stop[at])).lower()
        return out

    def _cut(self, start: int, stop: int) -> str:
        values = self.rows.values[start:stop]
        return values.tobytes().decode("ascii") if values.dtype == np.uint8 else values.tobytes().decode("utf-32-le")

    def spans(self) -> Places:
        """For each row, where its words begin: one entry more than rows."""
        return np.searchsorted(self.row, np.arange(len(self.rows) + 1))


def batches(texts: Any) -> Iterator[Words]:
    """The words of a string array without nulls, some rows at a time, in order."""
    rows = bytes_of(texts)
    first = 0
    while first < len(rows):
        last = int(np.searchsorted(rows.starts, rows.starts[first] + _BATCH, "right")) - 1
        last = min(max(last, first + 1), len(rows), first + _MOST_ROWS)
        begin, end = int(rows.starts[first]), int(rows.starts[last])
        part = Rows(rows.values[begin:end], rows.starts[first : last + 1] - begin, None)
        yield words_in(part if is_ascii(part.values) else code_points(part), first)
        first = last


def words_in(rows: Rows, first: int = 0) -> Words:
    """The words of rows of ASCII bytes or of code points."""
    values, tables = rows.values, _tables()
    kinds = flags(values)
    near = values if values.dtype == np.uint8 else np.minimum(values, np.uint32(LIMIT - 1))
    inside = kinds & ALNUM > 0
    alone_at = inside & (kinds & ALONE > 0)
    marks = tables.marks.take(near) if values.dtype != np.uint8 else None
    if marks is not None:
        inside |= marks
    letters = np.flatnonzero(inside)
    sums = np.zeros(len(values) + 1, np.int64)
    np.cumsum(kinds & (SPACE | BREAK) > 0, out=sums[1:])
    opens = np.ones(len(letters), np.bool_)
    if len(letters):
        alone = alone_at[letters]
        opens[1:] = sums[letters[1:]] != sums[letters[:-1]]
        if marks is not None:
            mark = marks[letters]
            # A mark belongs to the letter before it, and so is of that letter's kind.
            base = np.maximum.accumulate(np.where(mark, 0, np.arange(len(letters))))
            opens[1:] |= alone[1:] | (alone[base][:-1] & ~mark[1:])
        begins = np.searchsorted(letters, rows.starts[:-1])
        opens[begins[begins < len(letters)]] = True
        at = np.flatnonzero(opens)
        start = letters[at]
        stop = letters[np.append(at[1:], len(letters)) - 1] + 1
        single = alone[at]
    else:
        start = stop = np.zeros(0, np.int64)
        single = np.zeros(0, np.bool_)
    row = np.searchsorted(rows.starts, start, "right") - 1
    codes = tables.codes.take(near)
    return Words(
        first, rows, row, start, stop, _span_hashes(codes, start, stop), single, _ends(rows, kinds, row, start, stop), _scripts(rows, near)
    )


_MARKS: Final = tuple(map(ord, ".!?…"))
_WIDE_MARKS: Final = tuple(map(ord, "。！？｡"))


def _ends(rows: Rows, kinds: npt.NDArray[np.uint8], row: Places, start: Places, stop: Places) -> Flags:
    """Which words end a sentence: a mark before white space, a wide mark, or a blank line lies before the next word, or no word follows."""
    values = rows.values
    ends = np.ones(len(start), np.bool_)
    if len(start) < 2:
        return ends
    space = kinds & SPACE > 0
    closing = np.zeros(len(values), np.bool_)
    for mark in (*_MARKS, *_WIDE_MARKS):
        if mark < 128 or values.dtype != np.uint8:
            closing |= values == mark
    if len(values) > 1:
        narrow = closing.copy()
        if values.dtype != np.uint8:
            for mark in _WIDE_MARKS:
                narrow &= values != mark
        followed = np.append(space[1:] | closing[1:] | (values[1:] == 34) | (values[1:] == 41), True)
        closing &= ~narrow | followed
        feed = values == 10
        closing[1:] |= feed[1:] & feed[:-1]
    sums = np.zeros(len(values) + 1, np.int64)
    np.cumsum(closing, out=sums[1:])
    ends[:-1] = (row[1:] != row[:-1]) | (sums[start[1:]] != sums[stop[:-1]])
    return ends


def _scripts(rows: Rows, near: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    size = len(SCRIPT_NAMES)
    which = _tables().scripts.take(near)
    if near.dtype == np.uint8:
        counts = np.zeros((len(rows), size), np.int64)
        counts[:, SCRIPT_NAMES.index("Latin")] = row_sums(which > 0, rows.starts)
        return counts
    at = np.flatnonzero(which)
    row = np.searchsorted(rows.starts, at, "right") - 1
    return np.bincount(row * size + which[at].astype(np.int64) - 1, minlength=len(rows) * size).reshape(len(rows), size)


def ngrams(words: Words, n: int) -> tuple[Places, Hashes]:
    """The number of the first word of every n-gram, and its hash; n-grams do not cross rows."""
    if n == 1:
        return np.arange(len(words.row)), words.hash
    if len(words.row) < n:
        return np.zeros(0, np.int64), np.zeros(0, np.uint64)
    at = np.flatnonzero(words.row[n - 1 :] == words.row[: len(words.row) - n + 1])
    hashes = np.zeros(len(at), np.uint64)
    for step in range(n):
        hashes = hashes * _OVER_WORDS + words.hash[at + step]
    return at, mix(hashes)


def sentences(words: Words, least: int) -> tuple[Places, Places, Hashes]:
    """First and last word of every sentence of at least ``least`` words, and the hash of its words."""
    last = np.flatnonzero(words.ends)
    first = np.append(0, last[:-1] + 1)[: len(last)]
    long = last - first + 1 >= least
    first, last = first[long], last[long]
    return first, last, _span_hashes(words.hash, first, last + 1)


def edges(words: Words, n: int, *, opening: bool) -> tuple[Places, Hashes]:
    """For every row of at least ``n`` words, the first of its opening (or closing) ``n`` words, and their hash."""
    bounds = words.spans()
    long = np.flatnonzero(np.diff(bounds) >= n)
    at = bounds[long] if opening else bounds[long + 1] - n
    return at, _span_hashes(words.hash, at, at + n)


def distinct(values: Hashes) -> Hashes:
    """The different values in order, by sorting: numpy's own way hashes them, which takes ten times as long here."""
    values = np.sort(values)
    if len(values):
        values = values[np.append(True, values[1:] != values[:-1])]
    return values


class Counter:
    """In how many rows each hash stands, by group of rows; a row counts once, however often it has it."""

    _PENDING: Final = 1 << 22

    def __init__(self) -> None:
        self.keys: Hashes = np.zeros(0, np.uint64)
        self.counts: Places = np.zeros(0, np.int64)
        self._new: list[tuple[Hashes, Places]] = []
        self._size = 0

    def add(self, row: Places, hashes: Hashes, groups: Places | None = None) -> None:
        """Count hashes of the rows ``row`` of one batch; ``groups`` gives each row of it a number below 65,536."""
        packed = distinct((row.astype(np.uint64) << np.uint64(BITS)) | (hashes & MASK))
        found = packed & MASK
        if groups is not None:
            found |= groups[(packed >> np.uint64(BITS)).astype(np.int64)].astype(np.uint64) << np.uint64(BITS)
        keys, counts = np.unique(found, return_counts=True)
        self._new.append((keys, counts.astype(np.int64)))
        self._size += len(keys)
        if self._size > self._PENDING:
            self.settle()

    def settle(self) -> None:
        """Bring what was added together."""
        if not self._new:
            return
        keys = np.concatenate([self.keys, *(k for k, _ in self._new)])
        counts = np.concatenate([self.counts, *(c for _, c in self._new)])
        order = np.argsort(keys, kind="stable")
        keys, counts = keys[order], counts[order]
        first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(keys) else np.zeros(0, np.int64)
        self.keys = keys[first]
        self.counts = np.add.reduceat(counts, first) if len(first) else np.zeros(0, np.int64)
        self._new, self._size = [], 0

    def total(self) -> Counter:
        """The counts without groups."""
        self.settle()
        whole = Counter()
        whole._new = [(self.keys & MASK, self.counts)]
        whole.settle()
        return whole

    def top(self, most: int, least: int = 2) -> list[tuple[int, int]]:
        """The hashes in most rows with their counts, at least ``least``; among equals those of lower hash."""
        self.settle()
        kept = np.flatnonzero(self.counts >= least)
        if len(kept) > most:
            bound = np.partition(self.counts[kept], len(kept) - most)[len(kept) - most]
            kept = kept[self.counts[kept] >= bound]
        order = np.lexsort((self.keys[kept], -self.counts[kept]))[:most]
        return [(int(self.keys[i]), int(self.counts[i])) for i in kept[order]]

    def common(self, least: int) -> Hashes:
        """The hashes in at least ``least`` rows, in order."""
        self.settle()
        return self.keys[self.counts >= least]


def among(hashes: Hashes, wanted: Hashes) -> Flags:
    """Which hashes are among the sorted ``wanted``."""
    if not len(wanted):
        return np.zeros(len(hashes), np.bool_)
    at = np.searchsorted(wanted, hashes & MASK)
    found: Flags = wanted[np.minimum(at, len(wanted) - 1)] == hashes & MASK
    return found
