"""How much of a text repeats itself: lines, paragraphs, n-grams of characters and of words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from math import isqrt
from typing import Final

import pyarrow as pa

from recipec.fast.text_arrow import Column, constant_of, each
from recipec.fast.text_words import words_of

_LINES: Final = re.compile(r"[\r\n]+")
_PARAGRAPHS: Final = re.compile(r"(?:\r\n|\n|\r){2,}")


def _repeated(splitter: re.Pattern[str], characters: bool) -> Callable[[str], float]:
    """The share of a text's parts, or of its characters, that lie in parts which came before."""

    def share(text: str) -> float:
        parts = [part for part in splitter.split(text) if part.strip()]
        if not parts:
            return 0.0
        seen: set[str] = set()
        again = 0
        for part in parts:
            if part in seen:
                again += len(part) if characters else 1
            seen.add(part)
        return again / (len(text) if characters else len(parts))

    return share


def duplicate_line_ratio(text: Column) -> pa.Array:
    return each(text, _repeated(_LINES, False), pa.float64())


def duplicate_line_char_ratio(text: Column) -> pa.Array:
    return each(text, _repeated(_LINES, True), pa.float64())


def duplicate_paragraph_ratio(text: Column) -> pa.Array:
    return each(text, _repeated(_PARAGRAPHS, False), pa.float64())


def duplicate_paragraph_char_ratio(text: Column) -> pa.Array:
    return each(text, _repeated(_PARAGRAPHS, True), pa.float64())


def char_repetition(text: str, n: int) -> float:
    counts = sorted(Counter(text[i : i + n] for i in range(len(text) - n + 1)).values(), reverse=True)
    if not counts:
        return 0.0
    repeating = sum(count > 1 for count in counts)
    return sum(counts[: min(isqrt(len(counts)), repeating)]) / sum(counts)


def char_rep_ratio(text: Column, n: Column) -> pa.Array:
    size = constant_of(n, 10)
    return each(text, lambda one: char_repetition(one, size), pa.float64())


def word_repetition(text: str, n: int) -> float:
    words = words_of(text.lower())
    counts = Counter(zip(*(words[i:] for i in range(n)), strict=False)).values()
    return sum(count for count in counts if count > 1) / sum(counts) if counts else 0.0


def word_rep_ratio(text: Column, n: Column) -> pa.Array:
    size = constant_of(n, 10)
    return each(text, lambda one: word_repetition(one, size), pa.float64())


def top_ngram(text: str, n: int) -> float:
    words = words_of(text)
    counts = Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
    if not counts:
        return 0.0
    ngram, count = counts.most_common(1)[0]
    return len(ngram) * count / len(text) if count > 1 else 0.0


def top_ngram_ratio(text: Column, n: Column) -> pa.Array:
    size = constant_of(n, 2)
    return each(text, lambda one: top_ngram(one, size), pa.float64())


def duplicate_ngrams(text: str, n: int) -> float:
    words = words_of(text)
    seen: set[str] = set()
    again = place = 0
    while place <= len(words) - n:
        ngram = "".join(words[place : place + n])
        if ngram in seen:
            again += len(ngram)
            place += n
        else:
            seen.add(ngram)
            place += 1
    return again / len(text) if again else 0.0


def duplicate_ngram_ratio(text: Column, n: Column) -> pa.Array:
    size = constant_of(n, 5)
    return each(text, lambda one: duplicate_ngrams(one, size), pa.float64())
