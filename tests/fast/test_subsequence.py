from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recipec.fast.subsequence import common_with, longest_common, places

WORDS = st.lists(st.sampled_from("abc"), max_size=12)


def longest(a: list[str], b: list[str]) -> int:
    """By the table of all prefixes."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


@given(WORDS, WORDS)
def test_it_is_the_longest_common_subsequence(a: list[str], b: list[str]) -> None:
    assert longest_common(a, b) == longest(a, b) == longest_common(b, a)


@given(WORDS, WORDS, WORDS)
def test_places_are_made_once_for_many(a: list[str], b: list[str], c: list[str]) -> None:
    known = places(c)
    assert [common_with(x, known, len(c)) for x in (a, b)] == [longest(a, c), longest(b, c)]


def test_texts_longer_than_a_machine_word() -> None:
    a, b = [str(i % 7) for i in range(200)], [str(i % 5) for i in range(300)]
    assert longest_common(a, b) == longest(a, b)
