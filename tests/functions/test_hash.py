from __future__ import annotations

import pytest
from functions_harness import Calculator

from recipec.fast.text_similar import shingles


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
