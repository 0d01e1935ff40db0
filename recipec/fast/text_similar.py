"""How alike two texts are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from recipec.fast.text_arrow import Column, constant_of, flat
from recipec.fast.text_words import words_of


def _pairs(a: Column, b: Column, measure: Callable[[str, str], float]) -> pa.Array:
    pairs = zip(flat(a).to_pylist(), flat(b).to_pylist(), strict=True)
    return pa.array([None if x is None or y is None else measure(x, y) for x, y in pairs], pa.float64())


def shingles(text: str, n: int) -> frozenset[tuple[str, ...]]:
    """The n-grams of a text's words in lower case; of a shorter text, all its words as one; of one without words, the text itself."""
    words = words_of(text.lower()) or [text]
    return frozenset(tuple(words[i : i + n]) for i in range(max(1, len(words) - n + 1)))


def similarity(a: Column, b: Column, n: Column) -> pa.Array:
    size = constant_of(n, 1)

    def jaccard(x: str, y: str) -> float:
        left, right = shingles(x, size), shingles(y, size)
        return len(left & right) / len(left | right)

    return _pairs(a, b, jaccard)


def common(a: Sequence[str], b: Sequence[str]) -> int:
    """The length of the longest common subsequence, with a bit for each word of ``b`` (Hyyrö 2004, "Bit-parallel LCS-length")."""
    places: dict[str, int] = {}
    for place, word in enumerate(b):
        places[word] = places.get(word, 0) | 1 << place
    full = (1 << len(b)) - 1
    row = full
    for word in a:
        matched = row & places.get(word, 0)
        row = ((row + matched) | (row - matched)) & full
    return len(b) - row.bit_count()


def rouge_l(a: Column, b: Column) -> pa.Array:
    def score(x: str, y: str) -> float:
        left, right = words_of(x.lower()), words_of(y.lower())
        if not left or not right:
            return float(x == y)
        return 2 * common(left, right) / (len(left) + len(right))

    return _pairs(a, b, score)
