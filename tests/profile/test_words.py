"""Words as places and hashes agree with the words that functions give."""

from __future__ import annotations

from collections import Counter as Tally

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from recipec.fast import profile_words as fast
from recipec.fast.text_words import words_of

TEXTS = [
    'Don\'t stop, "C++" users! It is Ok.',
    "用 GPT-4 写诗。今天天气",
    "",
    "Ελληνικά ТЕСТ हिन्दी की ❤️ x",
    "ภาษาไทยดีมาก",
    "שלום עולם",
    "naïve e\u0301te\u0301",
    "don't",
]


def words(texts: list[str]) -> list[list[str]]:
    out: list[list[str]] = []
    for batch in fast.batches(pa.array(texts, pa.string())):
        bounds = batch.spans()
        out += [[batch.text(i, i) for i in range(bounds[r], bounds[r + 1])] for r in range(len(batch.rows))]
    return out


def test_words_are_those_of_the_function() -> None:
    assert words(TEXTS) == [[w.lower() for w in words_of(t)] for t in TEXTS]


@given(st.lists(st.text(alphabet="aB é1.,!?-'\n 你好。αΩя", max_size=40), max_size=5))
def test_words_of_any_text(texts: list[str]) -> None:
    assert words(texts) == [[w.lower() for w in words_of(t)] for t in texts]


@given(st.lists(st.text(alphabet="aBb 你", max_size=12), max_size=8))
def test_counts_are_of_rows(texts: list[str]) -> None:
    """In how many rows a word stands, and that equal words, and only they, have one hash."""
    counter, names = fast.Counter(), {}
    for batch in fast.batches(pa.array(texts, pa.string())):
        counter.add(batch.row, batch.hash)
        for i, key in enumerate((batch.hash & fast.MASK).tolist()):
            assert names.setdefault(key, batch.text(i, i)) == batch.text(i, i)
    expected = Tally(w for t in texts for w in {x.lower() for x in words_of(t)})
    assert {names[h]: n for h, n in counter.top(1000, least=1)} == dict(expected)


def test_ngrams_do_not_cross_rows() -> None:
    batch = next(fast.batches(pa.array(["a b c", "d", "e f"])))
    at, _ = fast.ngrams(batch, 2)
    assert [batch.text(i, i + 1) for i in at.tolist()] == ["a b", "b c", "e f"]
    assert fast.ngrams(batch, 4)[0].tolist() == []


def test_sentences_and_openings() -> None:
    batch = next(fast.batches(pa.array(["One two. Three four five! (Six)", "一二三。四五六", "no end\n\nnext one"])))
    first, last, _ = fast.sentences(batch, 1)
    assert [batch.text(a, b) for a, b in zip(first.tolist(), last.tolist(), strict=True)] == [
        "one two", "three four five", "six", "一二三", "四五六", "no end", "next one",
    ]  # fmt: skip
    for opening, expected in ((True, ["one two three", "一二三", "no end next"]), (False, ["four five six", "四五六", "end next one"])):
        at, _ = fast.edges(batch, 3, opening=opening)
        assert [batch.text(i, i + 2) for i in at.tolist()] == expected


def test_scripts() -> None:
    batch = next(fast.batches(pa.array(["abc 你好 1", "שלום", "😀 2"])))
    counts = [{fast.SCRIPT_NAMES[i]: int(n) for i, n in enumerate(r) if n} for r in batch.scripts]
    assert counts == [{"Latin": 3, "Han": 2}, {"Hebrew": 4}, {}]
    plain = next(fast.batches(pa.array(["abc", "", "12 d"])))
    assert plain.scripts.sum(axis=1).tolist() == [3, 0, 1]


def test_batches_cut_between_rows() -> None:
    """A text longer than a batch stands alone; what is counted does not depend on where batches end."""
    long = "word " * 300_000
    texts = pa.array(["start here", long, "start here"])
    counter = fast.Counter()
    firsts = []
    for batch in fast.batches(texts):
        firsts.append(batch.first)
        counter.add(batch.row, batch.hash)
    assert firsts == [0, 1, 2]
    assert sorted(n for _, n in counter.top(10, least=1)) == [1, 2, 2]


def test_groups_are_counted_apart() -> None:
    counter = fast.Counter()
    batch = next(fast.batches(pa.array(["a a b", "a", "b"])))
    counter.add(batch.row, batch.hash, np.array([0, 1, 1]))
    counter.settle()
    assert sorted(zip((counter.keys >> np.uint64(fast.BITS)).tolist(), counter.counts.tolist(), strict=True)) == [
        (0, 1),
        (0, 1),
        (1, 1),
        (1, 1),
    ]
    assert sorted(n for _, n in counter.total().top(9)) == [2, 2]
