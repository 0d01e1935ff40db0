"""Shares of kinds of characters, lengths of words and lines, shares of words: numbers that filters compare with a bound."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recipec.fast.text_arrow import Column, Flags, Numbers, Rows, by_script, constant_of, each, row_sums
from recipec.fast.text_classes import ALNUM, DIGIT, LETTER, LOWER, SPACE, UPPER, flags
from recipec.fast.text_words import ascii_letters, ascii_parting, sentences_of, words_of

Mask = Callable[[npt.NDArray[Any]], Flags]


def _over(part: Numbers, whole: Numbers) -> npt.NDArray[np.float64]:
    """Part over whole; 0 where there is nothing."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _share(text: Column, plain: Mask, general: Callable[[npt.NDArray[Any]], Flags]) -> pa.Array:
    """The share of characters that a mask takes: ``plain`` is given ASCII bytes, ``general`` the flags of code points."""
    return by_script(
        text,
        lambda rows: _over(row_sums(plain(rows.values), rows.starts), rows.lengths),
        lambda rows: _over(row_sums(general(flags(rows.values)), rows.starts), rows.lengths),
    )


def _between(values: npt.NDArray[Any], low: str, high: str) -> Flags:
    mask: Flags = (values - np.uint8(ord(low))) <= np.uint8(ord(high) - ord(low))
    return mask


def alnum_ratio(text: Column) -> pa.Array:
    return _share(text, ascii_letters, lambda kinds: kinds & ALNUM > 0)


def digit_ratio(text: Column) -> pa.Array:
    return _share(text, lambda b: _between(b, "0", "9"), lambda kinds: kinds & DIGIT > 0)


def whitespace_ratio(text: Column) -> pa.Array:
    return _share(text, ascii_parting, lambda kinds: kinds & SPACE > 0)


def symbol_ratio(text: Column) -> pa.Array:
    return _share(text, lambda b: ~(ascii_letters(b) | ascii_parting(b)), lambda kinds: kinds & (ALNUM | SPACE) == 0)


def special_ratio(text: Column) -> pa.Array:
    return _share(text, lambda b: ~_between(b | np.uint8(32), "a", "z"), lambda kinds: kinds & LETTER == 0)


def bracket_ratio(text: Column) -> pa.Array:
    def brackets(values: npt.NDArray[Any]) -> Flags:
        # ( and ) differ in the last bit, [ from { and ] from } in one.
        one, case = values.dtype.type(1), values.dtype.type(0x20)
        upper = values & ~case
        mask: Flags = ((values & ~one) == ord("(")) | (upper == ord("[")) | (upper == ord("]"))
        return mask

    def measure(rows: Rows) -> Numbers:
        return _over(row_sums(brackets(rows.values), rows.starts), rows.lengths)

    return by_script(text, measure, measure)


def uppercase_ratio(text: Column) -> pa.Array:
    def plain(rows: Rows) -> Numbers:
        upper = row_sums(_between(rows.values, "A", "Z"), rows.starts)
        return _over(upper, row_sums(_between(rows.values | np.uint8(32), "a", "z"), rows.starts))

    def general(rows: Rows) -> Numbers:
        kinds = flags(rows.values)
        return _over(row_sums(kinds & UPPER > 0, rows.starts), row_sums(kinds & (UPPER | LOWER) > 0, rows.starts))

    return by_script(text, plain, general)


# Lengths --------------------------------------------------------------------------------------------------------------


def _word_spans(rows: Rows) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of every word in ASCII rows, the row it is in and its length from the first to the last letter or digit."""
    letters = np.flatnonzero(ascii_letters(rows.values))
    if not letters.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    parting = np.flatnonzero(ascii_parting(rows.values))
    # Letters are of one word when neither white space nor the start of a row lies between them. Next to each other they always are,
    # but for the start of a row, so only the gaps are looked into.
    first = np.ones(len(letters), np.bool_)
    first[1:] = letters[1:] - letters[:-1] > 1
    gaps = np.flatnonzero(first)[1:]
    before, after = letters[gaps - 1], letters[gaps]
    first[gaps] = np.searchsorted(parting, before) < np.searchsorted(parting, after)
    begins = np.searchsorted(letters, rows.starts[:-1])
    first[begins[begins < len(letters)]] = True
    opens = np.flatnonzero(first)
    closes = np.append(opens[1:], len(letters)) - 1
    row = np.searchsorted(rows.starts, letters[opens], "right") - 1
    return row, letters[closes] - letters[opens] + 1


def _each_text(answer: Callable[[str], float], dtype: type) -> Callable[[Rows], Numbers]:
    def measure(rows: Rows) -> Numbers:
        text = rows.values.tobytes().decode("utf-32-le")
        return np.array([answer(text[a:b]) for a, b in pairwise(rows.starts.tolist())], dtype)

    return measure


def mean_word_length(text: Column) -> pa.Array:
    def plain(rows: Rows) -> Numbers:
        row, lengths = _word_spans(rows)
        counts = np.bincount(row, minlength=len(rows))
        return _over(np.bincount(row, lengths, minlength=len(rows)), counts)

    def one(text: str) -> float:
        words = words_of(text)
        return sum(map(len, words)) / len(words) if words else 0.0

    return by_script(text, plain, _each_text(one, np.float64))


def max_word_length(text: Column) -> pa.Array:
    def plain(rows: Rows) -> Numbers:
        row, lengths = _word_spans(rows)
        longest = np.zeros(len(rows), np.int64)
        np.maximum.at(longest, row, lengths)
        return longest

    return by_script(text, plain, _each_text(lambda one: max(map(len, words_of(one)), default=0), np.int64))


_LINES: Final = re.compile(r"\r\n|\n|\r")


def _lines(text: str) -> list[str]:
    """The lines of a text as ``lines_count`` counts them."""
    lines = _LINES.split(text)
    return lines if lines[-1] else lines[:-1]


def mean_line_length(text: Column) -> pa.Array:
    def mean(one: str) -> float:
        lines = _lines(one)
        return sum(map(len, lines)) / len(lines) if lines else 0.0

    return each(text, mean, pa.float64())


def max_line_length(text: Column) -> pa.Array:
    return each(text, lambda one: max(map(len, _lines(one)), default=0), pa.int64())


# Shares of words ------------------------------------------------------------------------------------------------------


def word_share(text: Column, words: Column) -> pa.Array:
    """The share of words that are among ``words``, whatever their case."""
    wanted = frozenset(word.lower() for word in constant_of(words, []) or [])

    def share(one: str) -> float:
        found = words_of(one.lower())
        return sum(word in wanted for word in found) / len(found) if found else 0.0

    return each(text, share, pa.float64())


def stopword_ratio(text: Column, lang: Column) -> pa.Array:
    from recipec.fast.text_stopwords import STOPWORDS

    return word_share(text, pa.array([sorted(STOPWORDS[constant_of(lang, "en")])] * min(1, len(text)), pa.list_(pa.string())))


def url_ratio(text: Column) -> pa.Array:
    from recipec.functions.html import URL

    address = re.compile(URL, re.ASCII)
    return each(text, lambda one: sum(len(found[0]) for found in address.finditer(one)) / len(one) if one else 0.0, pa.float64())


# Readability ----------------------------------------------------------------------------------------------------------

_VOWELS: Final = re.compile("[aeiouy]+")
_SILENT: Final = re.compile("(?:[^laeiouy]|[aeiouy]l)es?$|[^aeiouytd]ed$")


@lru_cache(1 << 16)
def syllables(word: str) -> int:
    """An estimate for an English word in lower case: groups of vowels, without a silent ``e`` at its end."""
    return max(1, len(_VOWELS.findall(word)) - bool(_SILENT.search(word)))


def _per_sentence(text: str) -> tuple[float, float]:
    """Words per sentence and syllables per word."""
    words = words_of(text.lower())
    if not words:
        return 0.0, 0.0
    return len(words) / max(1, len(sentences_of(text))), sum(map(syllables, words)) / len(words)


def flesch(text: Column) -> pa.Array:
    def ease(one: str) -> float | None:
        length, weight = _per_sentence(one)
        return 206.835 - 1.015 * length - 84.6 * weight if length else None

    return each(text, ease, pa.float64())


def flesch_kincaid(text: Column) -> pa.Array:
    def grade(one: str) -> float | None:
        length, weight = _per_sentence(one)
        return 0.39 * length + 11.8 * weight - 15.59 if length else None

    return each(text, grade, pa.float64())
