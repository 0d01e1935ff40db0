"""The numbers that Gopher's and FineWeb's rules compare, for every text of a column."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recipec.fast.quality_letters import ALPHA, BREAK, END, SOLID, Block, blocks, word_hash
from recipec.fast.quality_long import long_fineweb, long_quality, long_repetition
from recipec.fast.quality_parts import LONG_TEXT
from recipec.fast.quality_repeat import Spans, again, ngrams, over, row_sum, split_at
from recipec.fast.quality_words import Words, words_of
from recipec.fast.text_arrow import Bytes, Column, Flags, Places, Rows, bytes_of, code_points, flat, row_counts

Numbers = npt.NDArray[Any]
Measures = dict[str, Numbers]
_ELLIPSIS: Final = 0x2026
_BULLET: Final = 0x2022


def long_rows(text: Column, tokens: Column | None) -> tuple[Column, list[tuple[int, Bytes]]]:
    """The texts without the very long ones, and these with their rows; given words, all of them."""
    source = pc.fill_null(flat(text), "")
    if tokens is not None:
        return source, []
    rows = bytes_of(source)
    which = np.flatnonzero(rows.lengths >= LONG_TEXT)
    if not which.size:
        return source, []
    mask = np.zeros(len(rows), np.bool_)
    mask[which] = True
    # The mask first: a null row is empty.
    left = pc.if_else(pa.array(mask), pa.scalar("", source.type), source) if len(which) < len(rows) else pa.array([""] * len(rows))
    return left, [(row, rows.values[rows.starts[row] : rows.starts[row + 1]]) for row in which.tolist()]


def with_words(text: Column, tokens: Column | None) -> Iterator[tuple[Places, Block, Words]]:
    """The texts' blocks with their words: split here, or given as lists."""
    if tokens is None:
        for numbers, block in blocks(bytes_of(pc.fill_null(flat(text), ""))):
            yield numbers, block, words_of(block)
        return
    lists = tokens.combine_chunks() if isinstance(tokens, pa.ChunkedArray) else tokens
    for numbers, block in blocks(bytes_of(pc.fill_null(flat(text), ""))):
        yield numbers, block, _given(lists.take(pa.array(numbers)))


def _given(lists: Any) -> Words:
    """Words as they were given; empty and null ones are none."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    rows = bytes_of(pc.fill_null(flat(lists.flatten()), ""))
    if rows.values.size and int(rows.values.max()) >= 0x80:
        rows = code_points(rows)
    bounds = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=bounds[1:])
    filled = np.flatnonzero(rows.lengths)
    block = Block(rows.values, rows.starts[bounds])
    return Words(block, rows.starts[:-1][filled], rows.starts[1:][filled], np.searchsorted(filled, bounds))


def measured(
    text: Column,
    tokens: Column | None,
    names: tuple[str, ...],
    measure: Callable[[Block, Words], Measures],
    of_long: Callable[[Bytes], Mapping[str, float]],
) -> Measures:
    """``measure`` of every text's block, put together; of very long ones ``of_long``."""
    made = {name: np.full(len(text), np.nan) for name in names}
    rest, long = long_rows(text, tokens)
    for numbers, block, words in with_words(rest, tokens):
        for name, values in measure(block, words).items():
            made[name][numbers] = values
    for row, values in long:
        for name, value in of_long(values).items():
            made[name][row] = value
    return made


# Gopher quality -------------------------------------------------------------------------------------------------------

QUALITY: Final = (
    *("words", "mean_word_length", "hash_ratio", "ellipsis_ratio", "bullet_lines", "ellipsis_lines", "alpha_words", "stopwords"),
)


def quality(text: Column, tokens: Column | None, options: Mapping[str, Any]) -> Measures:
    wanted = np.array(sorted({word_hash(word) for word in options["stopwords"]}), np.uint64)
    longest = max(map(len, options["stopwords"]), default=0)
    return measured(
        text, tokens, QUALITY, lambda block, words: _quality(block, words, wanted, longest), lambda values: long_quality(values, options)
    )


def _quality(block: Block, words: Words, stopwords: npt.NDArray[np.uint64], longest: int) -> Measures:
    lengths = words.ends - words.starts
    kinds = np.bitwise_or.reduceat(words.block.classes, words.starts) if len(lengths) else np.zeros(0, np.uint16)
    solid = (kinds & SOLID).astype(np.bool_)
    count, total = row_sum(solid, words.offsets), words.counts
    hashes, ellipses, dots = sign_counts(block)
    lines = lines_of(block)
    _, bullet, dotted = line_marks(block, lines, dots)
    line_count = np.diff(lines.offsets)
    return {
        "words": count,
        "mean_word_length": over(row_sum(np.where(solid, lengths, 0), words.offsets), count),
        "hash_ratio": over(hashes, total),
        "ellipsis_ratio": over(ellipses, total),
        "bullet_lines": over(row_sum(bullet, lines.offsets), line_count),
        "ellipsis_lines": over(row_sum(dotted, lines.offsets), line_count),
        "alpha_words": over(row_sum((kinds & ALPHA).astype(np.bool_), words.offsets), total),
        "stopwords": _distinct(words, stopwords, longest),
    }


def sign_counts(block: Block) -> tuple[Numbers, Numbers, Flags]:
    """Per row: hash signs, ellipses; and where the third dot in a row stands."""
    third, starts, ends = _dots(block)
    ellipses = np.bincount(block.row_of(starts), (ends - starts) // 3, minlength=block.rows)
    if block.values.dtype != np.uint8:
        ellipses = ellipses + row_counts(np.flatnonzero(block.values == _ELLIPSIS), block.starts)
    return row_counts(block.signs("#"), block.starts), ellipses, third


def _distinct(words: Words, wanted: npt.NDArray[np.uint64], longest: int) -> Numbers:
    """How many different ones of the wanted words, of which none has more than ``longest`` characters, each row has."""
    short = np.flatnonzero(words.ends - words.starts <= longest)
    if not len(wanted) or not len(short):
        return np.zeros(words.block.rows, np.int64)
    hashes = words.block.hashes(words.starts[short], words.ends[short])
    at = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
    equal = np.flatnonzero(wanted[at] == hashes)
    at, hits = at[equal], short[equal]
    rows = np.searchsorted(words.offsets, hits, "right") - 1
    found = np.zeros((words.block.rows, len(wanted)), np.bool_)
    found[rows, at] = True
    counts: Numbers = found.sum(axis=1)
    return counts


def _dots(block: Block) -> tuple[Flags, Places, Places]:
    """Where the third dot in a row stands; the runs of dots, from start to end."""
    places = block.signs(".")
    third = np.zeros(len(block.values), np.bool_)
    if not places.size:
        return third, places, places
    fresh = np.ones(len(places), np.bool_)
    fresh[1:] = places[1:] != places[:-1] + 1
    fresh |= block.begins[places]
    first = np.flatnonzero(fresh)
    starts, ends = places[first], places[np.append(first[1:], len(places)) - 1] + 1
    rank = np.arange(len(places)) - first[np.cumsum(fresh) - 1]
    third[places[rank >= 2]] = True
    return third, starts, ends


def lines_of(block: Block) -> Spans:
    """Lines as ``str.splitlines`` has them: every kind of line break ends one, and what follows the last is one if there is anything."""
    places = np.flatnonzero(block.classes & BREAK)
    values = block.values
    if places.size:
        pair = (values[places] == 13) & (values[np.minimum(places + 1, len(values) - 1)] == 10) & ~block.begins[places + 1]
        places = places[~pair]
    open_ended = block.lengths > 0
    # A carriage return that ends a row is no half of a pair.
    open_ended[open_ended] = (block.classes[block.starts[1:][open_ended] - 1] & BREAK) == 0
    ends = np.sort(np.concatenate([places, block.starts[1:][open_ended]]))
    # A break at the end of one row and the end of the next may share a place only where a row is empty, and that has no line.
    rows = np.sort(np.concatenate([block.row_of(places), np.flatnonzero(open_ended)]))
    offsets = np.zeros(block.rows + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=block.rows), out=offsets[1:])
    starts = np.empty(len(ends), np.int64)
    starts[1:] = ends[:-1] + 1
    filled = offsets[:-1][np.diff(offsets) > 0]
    starts[filled] = block.starts[:-1][np.diff(offsets) > 0]
    return Spans(starts, ends, offsets)


def line_marks(block: Block, lines: Spans, third: Flags) -> tuple[Flags, Flags, Flags]:
    """Which lines are not blank, begin with a bullet, end in an ellipsis; ``third`` is where the third dot in a row stands."""
    heads, tails = block.pieces
    low, high = np.searchsorted(heads, lines.starts), np.searchsorted(heads, lines.ends)
    has = high > low
    filled = np.flatnonzero(has)
    begin, end = heads[low[filled]], tails[high[filled] - 1] - 1
    bullet, dots = np.zeros(len(low), np.bool_), np.zeros(len(low), np.bool_)
    bullet[filled] = (block.values[begin] == ord("-")) | (block.values[begin] == _BULLET)
    dots[filled] = (third[end] & (end - 2 >= lines.starts[filled])) | (block.values[end] == _ELLIPSIS)
    return has, bullet, dots


# Gopher repetition ----------------------------------------------------------------------------------------------------

TOP: Final = range(2, 5)
DUPLICATE: Final = range(5, 11)
REPETITION: Final = (
    *("length", "duplicate_lines", "duplicate_paragraphs", "duplicate_line_chars", "duplicate_paragraph_chars"),
    *(f"top_{n}gram" for n in TOP),
    *(f"duplicate_{n}gram" for n in DUPLICATE),
)


def repetition(text: Column, tokens: Column | None, options: Mapping[str, Any]) -> Measures:
    return measured(text, tokens, REPETITION, _repetition, long_repetition)


def _repetition(block: Block, words: Words) -> Measures:
    size = block.lengths
    lines, paragraphs = split_at(block, 1, runs=True), split_at(block, 2, runs=True, strip=True)
    line_count, line_chars = again(block, lines)
    part_count, part_chars = again(block, paragraphs)
    made = {
        "length": size,
        "duplicate_lines": over(line_count, np.diff(lines.offsets)),
        "duplicate_paragraphs": over(part_count, np.diff(paragraphs.offsets)),
        "duplicate_line_chars": over(line_chars, size),
        "duplicate_paragraph_chars": over(part_chars, size),
    }
    for n, chars in ngrams(words, TOP, DUPLICATE).items():
        made[f"{'top' if n in TOP else 'duplicate'}_{n}gram"] = over(chars, size)
    return made


# FineWeb --------------------------------------------------------------------------------------------------------------

FINEWEB: Final = ("lines", "ended_lines", "short_lines", "duplicate_line_chars", "newlines")


def fineweb(text: Column, tokens: Column | None, options: Mapping[str, Any]) -> Measures:
    short = int(options["short_line"])
    return measured(text, tokens, FINEWEB, lambda block, words: _fineweb(block, words, short), lambda values: long_fineweb(values, short))


def _fineweb(block: Block, words: Words, short: int) -> Measures:
    every = split_at(block, 1, runs=False)
    heads, _ = block.pieces
    filled = np.flatnonzero(np.searchsorted(heads, every.ends) > np.searchsorted(heads, every.starts))
    lines = Spans(every.starts[filled], every.ends[filled], np.searchsorted(filled, every.offsets))
    count = np.diff(lines.offsets)
    ended = (block.classes[lines.ends - 1] & END).astype(np.bool_)
    _, chars = again(block, lines)
    feeds = np.diff(every.offsets) - 1
    return {
        "lines": count,
        "ended_lines": over(row_sum(ended, lines.offsets), count),
        "short_lines": over(row_sum(lines.ends - lines.starts <= short, lines.offsets), count),
        "duplicate_line_chars": over(chars, block.lengths - feeds),
        "newlines": np.where(words.counts > 0, feeds / np.maximum(words.counts, 1), np.where(feeds > 0, np.inf, np.nan)),
    }


__all__ = ["FINEWEB", "QUALITY", "REPETITION", "Rows", "fineweb", "quality", "repetition"]
