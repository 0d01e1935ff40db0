"""How alike two texts are."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from recipec.fast.subsequence import longest_common
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


def rouge_l(a: Column, b: Column) -> pa.Array:
    def score(x: str, y: str) -> float:
        left, right = words_of(x.lower()), words_of(y.lower())
        if not left or not right:
            return float(x == y)
        return 2 * longest_common(left, right) / (len(left) + len(right))

    return _pairs(a, b, score)
