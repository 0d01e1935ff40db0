"""Some damaged recipes at every run of the tests; ``mutate.py`` looks at as many as one likes."""

from __future__ import annotations

import pytest
from mutate import Inspector, corpus, damaged, vocabulary

SEEDS = corpus()
WORDS = vocabulary(SEEDS)
KNOWN = [104, 1161, 5010, 7343, 9674]
"""Cases of seed 1 that once broke a promise: nesting without end, half characters in SQL."""


def promises(monkeypatch: pytest.MonkeyPatch, seed: int, numbers: list[int]) -> None:
    monkeypatch.setattr("mutate.LIMIT", 10.0)  # how fast it is, is measured elsewhere: a test machine may be busy
    inspector = Inspector()
    for number in numbers:
        inspector.look(damaged(number, seed, SEEDS, WORDS))
    told = [f"case {c.number} of seed {seed} ({c.path}: {' '.join(c.acts)}): {problem}" for c, problem in inspector.report.broken]
    assert told == []
    assert inspector.report.counts["looked at"] == len(numbers)


def test_damaged_recipes_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    promises(monkeypatch, 7, list(range(60)))


def test_those_that_once_were_not(monkeypatch: pytest.MonkeyPatch) -> None:
    promises(monkeypatch, 1, KNOWN)


def test_a_number_behind_a_name_is_not_mended_into_it() -> None:
    from recipec.source import Source

    inspector = Inspector()
    source = Source("a.recipe", "clean a from b { x = luck.5  y = .5 }")
    mended, _ = inspector.check.mend(source, inspector.check.analysed(source))
    assert mended.text == "clean a from b { x = luck.5  y = 0.5 }"


def test_the_same_number_is_the_same_case() -> None:
    assert damaged(3, 7, SEEDS, WORDS) == damaged(3, 7, SEEDS, WORDS)
    assert damaged(3, 7, SEEDS, WORDS).text != damaged(4, 7, SEEDS, WORDS).text
