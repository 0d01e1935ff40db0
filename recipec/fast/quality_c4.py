"""C4's rules, line by line: which lines of a text stay, what the text then is, and how many sentences it has.

Lines are cut out of whole blocks by masks. Only a text in which one of the phrases, a citation or a brace stands is gone through line by
line in Python, because there the order of the rules matters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recipec.fast.quality_c4_long import long_c4
from recipec.fast.quality_letters import END, PUNCT, SPACE, Block, blocks
from recipec.fast.quality_repeat import Spans, row_sum, split_at
from recipec.fast.quality_rules import lines_of, long_rows
from recipec.fast.quality_words import Words, words_of
from recipec.fast.text_arrow import Column, Flags, Places, bytes_of

POLICY: Final = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
CITATION: Final = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
TERMINAL: Final = (".", "?", "!", '"', "'")
_KELVIN: Final = 0x212A
"""The one character beside ASCII's letters whose small form is ASCII."""

C4: Final = ("sentences", "lorem_ipsum", "curly_bracket", "lines_removed")


def c4(text: Column, tokens: Column | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The measures and, as ``text``, what is left of each text; null where nothing changed."""
    source, long = long_rows(text, None)
    made: dict[str, Any] = {name: np.zeros(len(source)) for name in C4}
    order: list[Places] = []
    parts: list[pa.Array] = []
    for numbers, block in blocks(bytes_of(source)):
        left = Left(block, options)
        made["lorem_ipsum"][numbers] = left.lorem
        made["curly_bracket"][numbers] = left.curly
        made["lines_removed"][numbers] = left.removed
        order.append(numbers)
        parts.append(left.texts())
    if order:
        place = np.empty(len(source), np.int64)
        place[np.concatenate(order)] = np.arange(len(source))
        kept = pa.concat_arrays(parts).take(pa.array(place))
    else:
        kept = pa.array([], pa.large_string())
    made["sentences"][:] = sentences(kept)
    made["text"] = pc.if_else(pc.equal(kept, source.cast(pa.large_string())), pa.scalar(None, pa.large_string()), kept)
    for row, values in long:
        found = long_c4(values, options)
        for name in C4:
            made[name][row] = found[name]
        if found["text"] is not None:
            here = np.arange(len(source)) == row
            made["text"] = pc.replace_with_mask(made["text"], pa.array(here), pa.array([found["text"]], pa.large_string()))
    return made


class Left:
    """What C4's rules leave of a block's rows."""

    def __init__(self, block: Block, options: Mapping[str, Any], *, whole: bool = True) -> None:
        """``whole``: rows are whole texts, not some lines of one."""
        self.block, self.options, self.whole = block, options, whole
        self.lorem, self.curly = np.zeros(block.rows, np.bool_), np.zeros(block.rows, np.bool_)
        self.lines = lines_of(block)
        heads, tails = block.pieces
        low, high = np.searchsorted(heads, self.lines.starts), np.searchsorted(heads, self.lines.ends)
        filled = high > low
        self.begin, self.end = self.lines.starts.copy(), self.lines.starts.copy()
        self.begin[filled], self.end[filled] = heads[low[filled]], tails[high[filled] - 1]
        self.keep = self._kept(high - low, heads, tails)
        self.by_hand = self._slow()
        self.removed = row_sum(~self.keep, self.lines.offsets)
        self.written = {row: self._write(row) for row in self.by_hand.tolist()}

    def _kept(self, words: Places, heads: Places, tails: Places) -> Flags:
        options = self.options
        keep = np.ones(len(self.begin), np.bool_)
        if options["max_word_length"] is not None:
            long = heads[tails - heads > options["max_word_length"]]
            keep &= np.searchsorted(long, self.lines.ends) == np.searchsorted(long, self.lines.starts)
        if options["min_line_words"] is not None:
            keep &= words >= options["min_line_words"]
        if options["terminal_punctuation"]:
            values = self.block.values
            last = np.maximum(self.end - 1, 0)
            sign = values[last] if len(values) else np.zeros(len(last), np.uint8)
            ends = np.isin(sign, [ord(c) for c in TERMINAL]) & (self.end > self.begin)
            dots = ends & (self.end - self.begin >= 3) & (sign == ord("."))
            dots[dots] = (values[last[dots] - 1] == ord(".")) & (values[last[dots] - 2] == ord("."))
            keep &= ends & ~dots
        return keep

    def _slow(self) -> Places:
        """Rows in which something stands that must be looked at line by line."""
        options, block = self.options, self.block
        found: list[Places] = []
        signs = [ord("[")] * options["citations"] + [ord("{")] * options["curly_bracket"]
        found += [np.flatnonzero(block.values == sign) for sign in signs]
        if block.values.dtype != np.uint8:
            found.append(np.flatnonzero(block.values == _KELVIN))
        phrases = ["javascript"] * options["javascript"] + ["lorem ipsum"] * options["lorem_ipsum"]
        if options["policy"]:
            phrases += POLICY
        lower = block.bytes.tobytes().lower()
        for phrase in phrases:
            needle, at = phrase.encode(), -1
            places = []
            while (at := lower.find(needle, at + 1)) >= 0:
                places.append(at)
            found.append(np.array(places, np.int64))
        places_found = np.concatenate(found) if found else np.zeros(0, np.int64)
        rows: Places = np.unique(block.row_of(places_found))
        return rows

    def _write(self, row: int) -> str:
        """A row's lines, one after another by the rules, as DataTrove orders them."""
        options, block = self.options, self.block
        longest = options["max_word_length"]
        kept: list[str] = []
        removed = 0
        text = block.text(int(block.starts[row]), int(block.starts[row + 1]))
        for raw in text.splitlines():
            line = raw.strip()
            words = line.split()
            if longest is not None and len(line) > longest and max(map(len, words)) > longest:
                removed += 1
                continue
            if options["citations"] and "[" in line:
                line = CITATION.sub("", line)
            if options["terminal_punctuation"] and (not line.endswith(TERMINAL) or line.endswith("...")):
                removed += 1
                continue
            if options["min_line_words"] is not None and len(words) < options["min_line_words"]:
                removed += 1
                continue
            small = line.lower()
            if options["lorem_ipsum"] and "lorem ipsum" in small:
                self.lorem[row] = True
                self.removed[row] = removed
                return text
            if options["javascript"] and "javascript" in small:
                removed += 1
                continue
            if options["curly_bracket"] and "{" in line:
                self.curly[row] = True
                self.removed[row] = removed
                return text
            if options["policy"] and any(phrase in small for phrase in POLICY):
                removed += 1
                continue
            kept.append(line)
        self.removed[row] = removed
        left = "\n".join(kept)
        return left.strip() if self.whole else left

    def texts(self) -> pa.Array:
        """What is left of every row."""
        block, lines = self.block, self.lines
        rows = lines.rows
        kept = np.flatnonzero(self.keep)
        begin, end, row = self.begin[kept], self.end[kept], rows[kept]
        # A line break stands behind every kept line but the row's last; in the text there always is one character at least.
        more = np.zeros(len(kept), np.bool_)
        more[:-1] = row[1:] == row[:-1]
        values = block.values.copy()
        values[end[more]] = 10
        steps = np.zeros(len(values) + 1, np.int8)
        np.add.at(steps, begin, 1)
        np.subtract.at(steps, end + more, 1)
        mask = np.cumsum(steps[:-1], dtype=np.int8).astype(np.bool_)
        lengths = _row_counts(mask, block.starts)
        made = _strings(values[mask], lengths)
        if not self.written:
            return made
        texts = made.to_pylist() if len(self.written) * 4 > block.rows else None
        if texts is not None:
            for number, text in self.written.items():
                texts[number] = text
            return pa.array(texts, pa.large_string())
        return pc.replace_with_mask(made, _mask(block.rows, self.by_hand), pa.array(list(self.written.values()), pa.large_string()))


def _mask(count: int, places: Places) -> pa.Array:
    made = np.zeros(count, np.bool_)
    made[places] = True
    return pa.array(made)


def _row_counts(mask: Flags, starts: Places) -> Places:
    places = np.flatnonzero(mask)
    return np.diff(np.searchsorted(places, starts))


def _strings(values: npt.NDArray[Any], lengths: Places) -> pa.Array:
    """Characters end to end as an array of texts."""
    ends = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=ends[1:])
    if values.dtype == np.uint8:
        data = np.ascontiguousarray(values)
        return pa.Array.from_buffers(pa.large_string(), len(lengths), [None, pa.py_buffer(ends), pa.py_buffer(data)])
    text = values.tobytes().decode("utf-32-le")
    wide = np.zeros(len(values) + 1, np.int64)
    np.cumsum(1 + (values >= 0x80) + (values >= 0x800).astype(np.int64) + (values >= 0x10000), out=wide[1:])
    return pa.Array.from_buffers(pa.large_string(), len(lengths), [None, pa.py_buffer(wide[ends]), pa.py_buffer(text.encode())])


# Sentences ------------------------------------------------------------------------------------------------------------


def sentences(text: Column) -> npt.NDArray[np.int64]:
    """Sentences of each text, line by line: a line has one more for every word, not punctuation, that follows an end mark."""
    made = np.zeros(len(text), np.int64)
    for numbers, block in blocks(bytes_of(text)):
        made[numbers] = sentences_in(block, words_of(block))
    return made


def sentences_in(block: Block, words: Words) -> npt.NDArray[np.int64]:
    """Sentences of each row of a block."""
    lines = split_at(block, 1, runs=False)
    first = np.searchsorted(words.starts, lines.starts)
    filled = np.searchsorted(words.starts, lines.ends) > first
    counts = row_sum(filled, lines.offsets)
    if not len(words.starts):
        return counts
    single = words.ends - words.starts == 1
    marks = single & (block.classes[words.starts] & END).astype(np.bool_)
    # White space behind a word counts as punctuation here, so that it does not hide the word's own.
    kinds = np.where(block.classes & SPACE, np.uint16(PUNCT), block.classes)
    mere = (np.bitwise_and.reduceat(kinds, words.starts) & PUNCT).astype(np.bool_) | marks
    said = np.flatnonzero(~mere)
    ended = np.zeros(len(marks) + 1, np.int64)
    np.cumsum(marks, out=ended[1:])
    line = np.searchsorted(lines.starts, words.starts[said], "right") - 1
    before = np.maximum(first[line], np.concatenate([[0], said[:-1] + 1]))
    fresh = ended[said] > ended[before]
    counts += np.diff(np.searchsorted(words.starts[said[fresh]], block.starts))
    return counts


__all__ = ["C4", "POLICY", "Spans", "c4", "sentences"]
