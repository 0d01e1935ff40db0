"""The measures of Data-Juicer's text filters, for every text of a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recipec.fast.quality_letters import SOLID, Block, scatter, word_hash
from recipec.fast.quality_long import long_juicer, long_shares
from recipec.fast.quality_repeat import Hashes, over, repeated, row_sum, split_at
from recipec.fast.quality_rules import long_rows, with_words
from recipec.fast.quality_words import Words
from recipec.fast.text_arrow import Bytes, Column, Places, bytes_of, flat, row_counts
from recipec.fast.text_measure import alnum_ratio, digit_ratio, special_ratio
from recipec.fast.text_stopwords import STOPWORDS

JUICER: Final = (
    *("length", "words", "alnum_ratio", "special_ratio", "digit_ratio", "mean_line_length", "max_line_length", "char_repetition"),
    *("word_repetition", "stopword_ratio", "flagged_ratio"),
)
_CACHED: Final = 1 << 16
"""Characters whose n-grams are looked at together."""
_ROW: Final = np.uint64(0x9FB21C651E98DF25)
_NEXT: Final = np.uint64(0xFF51AFD7ED558CCD)


def juicer(text: Column, tokens: Column | None, options: Mapping[str, Any]) -> dict[str, Any]:
    source = pc.fill_null(flat(text), "")
    made = {name: np.zeros(len(source)) for name in JUICER}
    source, long = long_rows(source, tokens)
    for name, share in (("alnum_ratio", alnum_ratio), ("special_ratio", special_ratio), ("digit_ratio", digit_ratio)):
        made[name][:] = share(source).to_numpy(zero_copy_only=False)
    stopwords = _hashes(STOPWORDS[options["lang"]])
    flagged = _hashes(word.lower() for word in options["flagged"])
    for numbers, block, words in with_words(pc.utf8_lower(source), tokens):
        found = _measures(block, words, stopwords, flagged, options["char_ngram"], options["word_ngram"])
        for name, values in found.items():
            made[name][numbers] = values
    # Small letters may be more characters than the capitals they come from.
    made["length"][:] = pc.utf8_length(source).to_numpy(zero_copy_only=False)
    for row, values in long:
        small = bytes_of(pc.utf8_lower(_one(values))).values
        measures = long_juicer(small, stopwords, flagged, options["char_ngram"], options["word_ngram"])
        for name, value in (measures | long_shares(values)).items():
            made[name][row] = value
    return made


def _one(values: Bytes) -> pa.Array:
    """A text's bytes as a column."""
    ends = pa.py_buffer(np.array([0, len(values)], np.int64))
    return pa.Array.from_buffers(pa.large_string(), 1, [None, ends, pa.py_buffer(values)])


def _hashes(words: Any) -> Hashes:
    return np.array(sorted({word_hash(word) for word in words}), np.uint64)


def _measures(block: Block, words: Words, stopwords: Hashes, flagged: Hashes, chars: int, run: int) -> dict[str, npt.NDArray[Any]]:
    lines, longest = _lines(block)
    kinds = np.bitwise_or.reduceat(words.block.classes, words.starts) if len(words.starts) else np.zeros(0, np.uint16)
    solid = np.flatnonzero(kinds & SOLID)
    offsets = np.searchsorted(solid, words.offsets)
    hashes = words.block.hashes(words.starts[solid], words.ends[solid])
    count = np.diff(offsets)
    return {
        "words": count,
        "mean_line_length": over(block.lengths - row_counts(np.flatnonzero(block.values == 10), block.starts), lines),
        "max_line_length": longest,
        "char_repetition": _characters(block, chars),
        "word_repetition": _runs(scatter(hashes), offsets, run),
        "stopword_ratio": over(row_sum(among(hashes, stopwords), offsets), count),
        "flagged_ratio": over(row_sum(among(hashes, flagged), offsets), count),
    }


def among(hashes: Hashes, wanted: Hashes) -> npt.NDArray[np.bool_]:
    """Which hashes are among the wanted, sorted ones."""
    if not len(wanted):
        return np.zeros(len(hashes), np.bool_)
    found: npt.NDArray[np.bool_] = wanted[np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)] == hashes
    return found


def _lines(block: Block) -> tuple[Places, Places]:
    """Lines of each row, blank ones too, and the length of the longest; a line feed at the very end begins no line."""
    spans = split_at(block, 1, runs=False)
    lengths = spans.ends - spans.starts
    # Every row has a line, be it an empty one.
    longest: Places = np.maximum.reduceat(lengths, spans.offsets[:-1])
    return np.diff(spans.offsets) - (lengths[spans.offsets[1:] - 1] == 0), longest


def _characters(block: Block, n: int) -> npt.NDArray[np.float64]:
    """As many of the most frequent n-grams as the root of the number of different ones, but only such as occur twice: their share."""
    made = np.zeros(block.rows)
    begin = 0
    while begin < block.rows:
        # Few rows at a time: all that is made of them stays in the processor's cache.
        end = int(np.searchsorted(block.starts, block.starts[begin] + _CACHED, "right")) - 1
        end = min(max(end, begin + 1), block.rows)
        made[begin:end] = _few_characters(block, begin, end, n)
        begin = end
    return made


def _few_characters(block: Block, begin: int, end: int, n: int) -> npt.NDArray[np.float64]:
    """The shares of the rows from ``begin`` to before ``end``."""
    rows, starts = end - begin, block.starts[begin : end + 1]
    total = np.maximum(block.lengths[begin:end] - (n - 1), 0)
    keys = block.windows(int(starts[0]), int(starts[-1]), n)
    if not keys.size or not total.any():
        return np.zeros(rows)
    if rows > 1:
        keys += np.repeat(np.arange(rows, dtype=np.uint64) * _ROW, block.lengths[begin:end])[: len(keys)]
        # Spans that cross the end of a row are no n-grams.
        inside = np.ones(len(keys), np.bool_)
        crossing = (starts[1:-1, None] - np.arange(1, n) - starts[0]).ravel()
        inside[crossing[(crossing >= 0) & (crossing < len(keys))]] = False
        keys = keys[inside]
    at, groups = repeated(keys)
    del keys
    if not at.size:
        return np.zeros(rows)
    counts = np.bincount(groups)
    row = np.searchsorted(np.cumsum(total), at, "right")
    first = row[np.cumsum(counts) - counts]
    several = np.bincount(first, minlength=rows)
    different = total - np.bincount(row, minlength=rows) + several
    most = np.sqrt(different).astype(np.int64)
    order = np.lexsort((-counts, first))
    begins = np.cumsum(several) - several
    rank = np.arange(len(order)) - np.repeat(begins, several)
    used = order[rank < most[first[order]]]
    sums = np.bincount(first[used], counts[used], minlength=rows)
    share: npt.NDArray[np.float64] = np.where(total > 0, sums / np.maximum(total, 1), 0.0)
    return share


def _runs(hashes: Hashes, offsets: Places, n: int) -> npt.NDArray[np.float64]:
    """The share of n-grams of words that occur more than once."""
    counts = np.diff(offsets)
    total = np.maximum(counts - (n - 1), 0)
    if not total.any():
        return np.zeros(len(counts))
    rolled = hashes[: len(hashes) - n + 1].copy()
    for step in range(1, n):
        rolled *= _NEXT
        rolled += hashes[step : step + len(rolled)]
    used = np.flatnonzero(np.arange(len(hashes)) + n <= np.repeat(offsets[1:], counts))
    row = np.repeat(np.arange(len(counts)), total)
    at, _ = repeated(scatter(rolled[used] + row.astype(np.uint64) * _ROW))
    share: npt.NDArray[np.float64] = np.bincount(row[at], minlength=len(counts)) / np.maximum(total, 1)
    return share


__all__ = ["JUICER", "among", "juicer"]
