from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.fast.text_words import lines_count, paragraphs, sentences, sentences_of, split_sentences, split_words, words, words_of

PIECES = st.sampled_from([*"aZ9 \n\t-!_你好，。のéกี한\u3000\xa0🙂½\x1c—", "--", "e\u0301"])
TEXTS = st.lists(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=12) | st.none(), max_size=6)
LETTER = re.compile(r"[^\W_]")


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_words_counts_what_split_words_lists(texts: list[str | None]) -> None:
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        column = pa.array(texts, kind)
        assert words(column).to_pylist() == [None if t is None else len(words_of(t)) for t in texts]
    assert split_words(pa.array(texts, pa.string())).to_pylist() == [None if t is None else words_of(t) for t in texts]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(alphabet=" \n\tab1-_!.'\x1f\x00", max_size=20), max_size=5))
def test_ascii_words_are_pieces_with_a_letter(texts: list[str]) -> None:
    expected = [sum(LETTER.search(piece) is not None for piece in t.split()) for t in texts]
    assert words(pa.array(texts, pa.string())).to_pylist() == expected


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=30))
def test_ascii_words_are_the_same_by_another_way(text: str) -> None:
    assert words_of(text) == words_of(f"{text} é")[:-1]


@given(TEXTS, st.integers(0, 6), st.integers(0, 6))
def test_slices_and_chunks_count_alike(texts: list[str | None], start: int, size: int) -> None:
    column = pa.array(texts, pa.string())
    assert words(column.slice(min(start, len(texts)), size)).to_pylist() == words(column).to_pylist()[start : start + size]
    chunked = pa.chunked_array([column[:2], column[2:]], pa.string())
    assert words(chunked).to_pylist() == words(column).to_pylist()
    assert lines_count(column.slice(min(start, len(texts)), size)).to_pylist() == lines_count(column).to_pylist()[start : start + size]


def test_a_long_run_of_symbols_is_quick_and_no_word() -> None:
    assert words(pa.array(["=" * 1_000_000 + " a", "é " + "=" * 1_000_000])).to_pylist() == [1, 1]


@given(TEXTS)
def test_sentences_keep_all_letters(texts: list[str | None]) -> None:
    for t in texts:
        if t is not None:
            assert [c for s in sentences_of(t) for c in LETTER.findall(s)] == LETTER.findall(t)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two.", ["One.", "Two."]),
        ("It costs 3.5 dollars. OK", ["It costs 3.5 dollars.", "OK"]),
        ("See e.g. Smith et al. 2020 for this.", ["See e.g. Smith et al. 2020 for this."]),
        ("He lives in the U.S. Army base.", ["He lives in the U.S. Army base."]),
        ("We left at 5 p.m. Then it rained.", ["We left at 5 p.m.", "Then it rained."]),
        ("So am I. You too.", ["So am I.", "You too."]),
        ("J. R. Tolkien wrote.", ["J. R. Tolkien wrote."]),
        ("1. First\n2. Second", ["1. First\n2. Second"]),
        ("Well... maybe. Hmm... Yes", ["Well... maybe.", "Hmm...", "Yes"]),
        ("Hi there :) !!!", ["Hi there :) !!!"]),
        ("A title\n\nA text.", ["A title", "A text."]),
        ("wrapped\nline. Next", ["wrapped\nline.", "Next"]),
        ("真的吗？！是的……也许。“好！”他说。", ["真的吗？！", "是的……也许。", "“好！”", "他说。"]),
        ("你好!今天 good.明天", ["你好!", "今天 good.明天"]),
        ("end of etc. And more", ["end of etc.", "And more"]),
        ("(Done.) Next", ["(Done.)", "Next"]),
        ("...", []),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences_of(text) == expected
    assert sentences(pa.array([text, None])).to_pylist() == [len(expected), None]
    assert split_sentences(pa.array([text])).to_pylist() == [expected]


@given(st.lists(st.text(alphabet="a\n\ré ", max_size=10) | st.none(), max_size=5))
def test_lines(texts: list[str | None]) -> None:
    expected = [None if t is None else len(re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z", t)) for t in texts]
    assert lines_count(pa.array(texts, pa.string())).to_pylist() == expected


def test_paragraphs() -> None:
    assert paragraphs(pa.array(["", "a", "a\n \n\nb\r\n\r\nc\n", "\n\n", None])).to_pylist() == [0, 1, 3, 0, None]
