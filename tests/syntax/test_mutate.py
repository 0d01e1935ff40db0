"""Some damaged recipes at every run of the tests; ``mutate.py`` looks at as many as one likes."""

from __future__ import annotations

import pytest
from mutate import Case, Inspector, corpus, damaged, vocabulary

SEEDS = corpus()
WORDS = vocabulary(SEEDS)
BROKE = {
    "a name of thousands of parts": "split final from " + "a." * 3_000 + "a { train: 50%  test: rest }",
    "brackets of SQL without end": 'sql q """select * from ' + "(" * 3_000 + "values (1)" + ")" * 3_000 + ' v(id)""" { key: id }',
    "half a character in SQL": 'sql q """select \'\ud800\' as id""" { key: id }',
    "half a character in a comment of SQL": 'sql q """select 1 as id -- \udcf3""" { key: id }',
    "a number behind a name": "clean a from b { x = luck.5  y = .5 }",
    "nots": "clean a from b { keep where " + "not " * 300 + "x }",
    "a great number in a template": "template t(a) " + '"""{{ a + ' + "9" * 5_000 + ' }}"""',
}
"""Texts that once broke a promise."""


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


@pytest.mark.parametrize("name", BROKE)
def test_those_that_once_were_not(name: str) -> None:
    inspector = Inspector()
    inspector.promises(Case(0, "a.recipe", (), BROKE[name]))


def test_a_number_behind_a_name_is_not_mended_into_it() -> None:
    from recipec.source import Source

    inspector = Inspector()
    source = Source("a.recipe", "clean a from b { x = luck.5  y = .5 }")
    mended, _ = inspector.check.mend(source, inspector.check.analysed(source))
    assert mended.text == "clean a from b { x = luck.5  y = 0.5 }"


def test_the_same_number_is_the_same_case() -> None:
    assert damaged(3, 7, SEEDS, WORDS) == damaged(3, 7, SEEDS, WORDS)
    assert damaged(3, 7, SEEDS, WORDS).text != damaged(4, 7, SEEDS, WORDS).text
