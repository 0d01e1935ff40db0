"""The statistics of profiles, against values computed by SciPy 1.17 and by hand."""

from __future__ import annotations

import math

import pytest

from recipec.fast import profile_stats as stats


@pytest.mark.parametrize(
    ("x", "freedom", "tail"), [(3, 2, 0.22313016014842982), (100, 5, 5.285148360943219e-20), (0.5, 10, 0.999993388289439), (30, 30, 0.4656537089440098), (0, 3, 1.0), (1e6, 4, 0.0)]
)  # fmt: skip
def test_chi_square_tail(x: float, freedom: int, tail: float) -> None:
    assert stats.chi_square_tail(x, freedom) == pytest.approx(tail, rel=1e-9, abs=1e-300)


def test_association() -> None:
    found = stats.association([[30, 10, 5], [20, 40, 10], [5, 5, 60]])
    assert found is not None
    assert found["chi_square"] == pytest.approx(120.005291005291)
    assert found["p"] == pytest.approx(5.327590404945847e-25)
    assert (found["degrees_of_freedom"], found["sparse"]) == (4, 0)
    # Cramér's own V is 0.5695; corrected for bias it is a little less, and inside its interval.
    assert found["v"] == pytest.approx(0.56295, abs=1e-5)
    assert found["v_low"] < 0.47 < found["v"] < 0.66 < found["v_high"]


def test_association_needs_two_classes_on_both_sides() -> None:
    assert stats.association([]) is None
    assert stats.association([[1, 2]]) is None
    assert stats.association([[3, 0], [4, 0]]) is None
    together = stats.association([[50, 0], [0, 50]])
    assert together is not None
    assert together["v"] == pytest.approx(1, abs=0.01)
    apart = stats.association([[50, 50], [50, 50]])
    assert apart is not None
    assert (apart["v"], apart["v_low"], apart["p"]) == (0, 0, 1)


def test_cliff() -> None:
    assert stats.cliff([(1, 5)], [(2, 7)]) == -1
    assert stats.cliff([(2, 5)], [(1, 3), (2, 3)]) == 0.5
    assert stats.cliff([(1, 1), (3, 1)], [(2, 1)]) == 0
    assert stats.cliff([], [(1, 1)]) is None
    brute = [(a > b) - (a < b) for a in (1, 1, 4, 6) for b in (0, 1, 5, 5, 9)]
    assert stats.cliff([(1, 2), (4, 1), (6, 1)], [(0, 1), (1, 1), (5, 2), (9, 1)]) == sum(brute) / len(brute)


def test_spread() -> None:
    assert stats.spread([]) is None
    found = stats.spread([(1, 1), (2, 2), (10, 1)])
    assert found is not None
    assert (found["min"], found["p50"], found["max"], found["mean"]) == (1, 2, 10, 3.75)
    one = stats.spread([(7, 3)])
    assert one is not None
    assert one["histogram"] == {"scale": "linear", "edges": [7, 7], "counts": [3]}


@pytest.mark.parametrize(
    "pairs", [[(0, 5), (1, 2), (5000, 1)], [(-3.5, 1), (0.25, 7), (9.0, 2)], [(i, i + 1) for i in range(100)], [(0, 1), (3, 9)]]
)
def test_histograms_hold_every_value(pairs: list[tuple[float, int]]) -> None:
    found = stats.histogram(pairs)
    assert sum(found["counts"]) == sum(n for _, n in pairs)
    assert len(found["edges"]) == len(found["counts"]) + 1
    assert found["edges"][0] == pytest.approx(pairs[0][0])
    assert found["edges"] == sorted(found["edges"])
    assert found["counts"][0] > 0


def test_balance() -> None:
    assert stats.balance([8, 8, 8, 8]) == {"ratio": 1, "entropy": 2, "evenness": 1}
    assert stats.balance([5]) == {"ratio": 1, "entropy": 0, "evenness": None}
    assert stats.balance([])["ratio"] is None
    assert stats.balance([90, 10])["ratio"] == 9


def test_effects_have_words() -> None:
    assert [stats.size_of_cliff(d) for d in (0.1, -0.2, 0.4, -0.9)] == ["negligible", "small", "medium", "large"]
    assert stats.cohen_h(0.5, 0.25) == pytest.approx(math.pi / 6)
    assert stats.size_of_h(stats.cohen_h(0.5, 0.25)) == "medium"


def test_words_of_groups() -> None:
    """Monroe, Colaresi and Quinn (2008): the sign says whose word it is, and rare words do not come first."""
    often, seldom = stats.log_odds(100, 1000, 10, 1000), stats.log_odds(2, 1000, 0, 1000)
    assert often > 5 > seldom > 0
    assert stats.log_odds(10, 1000, 100, 1000) == pytest.approx(-often)
    assert stats.log_odds(10, 1000, 10, 1000) == pytest.approx(0)
    assert math.isfinite(stats.log_odds(100, 100, 0, 100))
