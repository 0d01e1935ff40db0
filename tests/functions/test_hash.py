from __future__ import annotations

import pytest
from functions_harness import Calculator
from hypothesis import given
from hypothesis import strategies as st

from recipec.fast.text_similar import common, shingles

WORDS = st.lists(st.sampled_from("abc"), max_size=12)


def longest(a: list[str], b: list[str]) -> int:
    row = [0] * (len(b) + 1)
    for x in a:
        row = _next(row, x, b)
    return row[-1]


def _next(row: list[int], x: str, b: list[str]) -> list[int]:
    new = [0]
    for j, y in enumerate(b):
        new.append(row[j] + 1 if x == y else max(row[j + 1], new[j]))
    return new


@given(WORDS, WORDS)
def test_common_is_the_longest_common_subsequence(a: list[str], b: list[str]) -> None:
    assert common(a, b) == longest(a, b) == common(b, a)


@pytest.mark.parametrize(("a", "b", "score"), [("a b", "c d", 0.0), ("A, b.", "a b", 1.0), ("", "", 1.0), ("", "a", 0.0), ("!", "?", 0.0)])
def test_both_measures(calculator: Calculator, a: str, b: str, score: float) -> None:
    for name in ("similarity", "rouge_l"):
        query = calculator.call(name, "$1::VARCHAR", "$2::VARCHAR")
        assert calculator.rows(f"SELECT {query}", [a, b]) == [(score,)]


def test_shingles_of_short_texts_are_the_text() -> None:
    assert shingles("a b", 5) == {("a", "b")}
    assert shingles("!", 2) == {("!",)}


def test_fingerprints_never_change(calculator: Calculator) -> None:
    assert calculator.value("fingerprint('Hello, World!')") == "5eb63bbbe01eeed0"
    assert calculator.value("fingerprint('你好，世界。')") == calculator.value("fingerprint('你好 世界')")
    assert calculator.value("fingerprint('')") == "d41d8cd98f00b204"
