"""One mistake is one error, in nearly every case: some recipes at every run; ``slip.py`` goes through all of them."""

from __future__ import annotations

from statistics import median

import pytest
from slip import ROOT, Seen, look, slips


@pytest.fixture(scope="module")
def found() -> list[Seen]:
    paths = [ROOT / "recipes" / name for name in ("time_split.recipe", "dialogues.recipe")]
    return [look(slip) for path in paths for slip in slips(str(path), path.read_text(encoding="utf-8"), 1, 1)]


def test_a_mistake_is_one_error(found: list[Seen]) -> None:
    told = [s for s in found if s.errors]
    assert len(told) > 40
    assert median(s.errors for s in told) == 1
    assert sum(s.errors == 1 for s in told) >= 0.9 * len(told), [(s.slip.sort, s.said) for s in told if s.errors > 1]


def test_it_is_told_where_it_is(found: list[Seen]) -> None:
    told = [s for s in found if s.errors]
    assert sum(s.nearest <= 1 for s in told) >= 0.9 * len(told), [(s.slip.sort, s.said) for s in told if s.nearest > 1]
