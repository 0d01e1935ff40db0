from __future__ import annotations

import pyarrow as pa
import pytest
from functions_harness import Calculator
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.fast import text_measure as m
from recipec.fast import text_repeat as r
from recipec.fast.text_stopwords import STOPWORDS
from recipec.fast.text_words import words_of

TEXTS = st.lists(st.text(alphabet="aZ9 \n.-#(]_你，éİǅⅣ½²٣🙂\u0301\u3000", max_size=14) | st.text(max_size=8) | st.none(), max_size=8)
ASCII = st.lists(st.text(alphabet=st.characters(max_codepoint=127), max_size=14) | st.text(alphabet="ab -\n", max_size=14), max_size=8)


def share(text: str, test: object) -> float:
    return sum(map(test, text)) / len(text) if text else 0.0  # type: ignore[call-overload, no-any-return]


def uppercase(text: str) -> float:
    cased = [c for c in text if c.lower() != c.upper()]
    cased = [c for c in cased if c.isupper() or c.islower()]
    return sum(c.isupper() for c in cased) / len(cased) if cased else 0.0


def mean_word(text: str) -> float:
    lengths = list(map(len, words_of(text)))
    return sum(lengths) / len(lengths) if lengths else 0.0


REFERENCES = {
    "alnum_ratio": lambda t: share(t, str.isalnum),
    "digit_ratio": lambda t: share(t, str.isdecimal),
    "whitespace_ratio": lambda t: share(t, str.isspace),
    "symbol_ratio": lambda t: share(t, lambda c: not c.isalnum() and not c.isspace()),
    "special_ratio": lambda t: share(t, lambda c: not c.isalpha()),
    "bracket_ratio": lambda t: share(t, lambda c: c in "()[]{}"),
    "uppercase_ratio": uppercase,
    "mean_word_length": mean_word,
    "max_word_length": lambda t: max(map(len, words_of(t)), default=0),
}


@pytest.mark.parametrize("name", REFERENCES)
@settings(max_examples=100, deadline=None)
@given(texts=TEXTS | ASCII)
def test_measures_are_what_python_counts(name: str, texts: list[str | None]) -> None:
    measured = getattr(m, name)(pa.array(texts, pa.string())).to_pylist()
    assert measured == [None if t is None else pytest.approx(REFERENCES[name](t)) for t in texts]


@pytest.mark.parametrize(
    ("measure", "text", "expected"),
    [
        (r.duplicate_line_ratio, "a\n\n\na\r\nb", 1 / 3),
        (r.duplicate_line_char_ratio, "ab\nab", 2 / 5),
        (r.duplicate_paragraph_ratio, "a\nb\n\na\nb\n\nc", 1 / 3),
        (r.duplicate_line_ratio, "\n\n", 0.0),
        (m.mean_line_length, "", 0.0),
        (m.max_line_length, "ab\r\nabc\r", 3),
        (m.flesch, "...", None),
    ],
)
def test_single_values(measure: object, text: str, expected: float | None) -> None:
    assert measure(pa.array([text, None])).to_pylist() == [expected, None]  # type: ignore[operator]


def test_repetition_of_unlike_texts_is_nothing() -> None:
    text = "the quick brown fox jumps over a lazy dog"
    assert [r.char_repetition(text, 10), r.word_repetition(text, 2), r.top_ngram(text, 2), r.duplicate_ngrams(text, 2)] == [0, 0, 0, 0]
    assert r.duplicate_ngrams("", 5) == r.top_ngram("", 2) == r.word_repetition("", 1) == r.char_repetition("", 1) == 0


@given(st.lists(st.sampled_from(["a", "b", "cc"]), max_size=30), st.integers(1, 6))
def test_repetition_is_a_share(words: list[str], n: int) -> None:
    text = " ".join(words)
    for value in (r.char_repetition(text, n), r.word_repetition(text, n), r.top_ngram(text, n), r.duplicate_ngrams(text, n)):
        assert value >= 0
    assert r.char_repetition(text, n) <= 1
    assert r.word_repetition(text, n) <= 1
    assert r.duplicate_ngrams(text, n) <= 1


@pytest.mark.parametrize("text", ["详见https://a.org/x。www.b.org!", "(http://a.org/x_(y)) HTTP://B", "no://", "www.a", ""])
def test_addresses_are_those_of_strip_urls(calculator: Calculator, text: str) -> None:
    left = calculator.rows(f"SELECT length({calculator.call('strip_urls', '$1::VARCHAR')})", [text])[0][0]
    assert m.url_ratio(pa.array([text])).to_pylist() == [pytest.approx(1 - left / len(text) if text else 0.0)]


def test_size_must_be_positive(calculator: Calculator) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        calculator.call("word_rep_ratio", "'a'", n=0)


@pytest.mark.parametrize(
    ("word", "count"), [("cat", 1), ("happy", 2), ("table", 2), ("made", 1), ("wanted", 2), ("jumped", 1), ("readability", 5)]
)
def test_syllables(word: str, count: int) -> None:
    assert m.syllables(word) == count


def test_stopwords_are_words() -> None:
    for language, words in STOPWORDS.items():
        assert all(word == word.lower() and words_of(word) == [word] for word in words), language
        assert len(words) > 50
