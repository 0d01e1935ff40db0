"""Curves against scikit-learn's, and few points."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.api import DataError
from recipec.metrics._data import class_data
from recipec.metrics.curves import calibration, most_frequent, precision_recall, roc
from recipec.registry import find

sk = pytest.importorskip("sklearn.metrics")

rows = st.lists(st.tuples(st.booleans(), st.integers(0, 10)), min_size=2, max_size=40)


def two(given_rows: list[tuple[bool, int]]) -> object:
    p = [[1 - s / 10, s / 10] for _, s in given_rows]
    return class_data(["y" if t else "n" for t, _ in given_rows], [None] * len(given_rows), p, ["n", "y"])


@given(rows)
@settings(deadline=None, max_examples=80)
def test_curves_are_scikit_learns(given_rows: list[tuple[bool, int]]) -> None:
    truth, scores = [t for t, _ in given_rows], [s / 10 for _, s in given_rows]
    data = two(given_rows)
    curve = roc(data, "y")  # type: ignore[arg-type]
    if all(truth) or not any(truth):
        assert curve.points == ()
        assert curve.area is None
        return
    assert curve.area == pytest.approx(sk.roc_auc_score(truth, scores), abs=1e-9)
    x, y, _ = sk.roc_curve(truth, scores, drop_intermediate=False)
    every = {(round(a, 9), round(b, 9)) for a, b in zip(x, y, strict=True)}
    assert {(round(a, 9), round(b, 9)) for a, b in curve.points} <= every
    assert curve.points[0] == (0, 0)
    assert curve.points[-1] == (1, 1)
    pr = precision_recall(data, "y")  # type: ignore[arg-type]
    assert pr.area == pytest.approx(sk.average_precision_score(truth, scores), abs=1e-9)
    p, r, _ = sk.precision_recall_curve(truth, scores)
    every = {(round(a, 9), round(b, 9)) for a, b in zip(r, p, strict=True)}
    assert {(round(a, 9), round(b, 9)) for a, b in pr.points[1:]} <= every
    assert pr.base == pytest.approx(sum(truth) / len(truth))


def test_many_rows_give_few_points_and_the_same_area() -> None:
    rng = np.random.RandomState(0)
    truth = rng.rand(20000) < 0.3
    p = np.clip(rng.rand(20000) * 0.6 + truth * 0.3, 0, 1)
    data = class_data(["y" if t else "n" for t in truth], [None] * 20000, np.column_stack((1 - p, p)), ["n", "y"])
    for curve in (roc(data, "y"), precision_recall(data, "y")):
        assert 100 < len(curve.points) <= 200
        xs = [x for x, _ in curve.points]
        assert xs == sorted(xs)
    points = roc(data, "y").points
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))
    assert area == pytest.approx(sk.roc_auc_score(truth, p), abs=2e-3)


def test_calibration_adds_up_to_the_error() -> None:
    rng = np.random.RandomState(0)
    p = rng.dirichlet(np.ones(3), 500)
    names = ["a", "b", "c"]
    data = class_data([names[i] for i in rng.randint(0, 3, 500)], [names[i] for i in p.argmax(axis=1)], p, names)
    for adaptive in (False, True):
        cls = find("metric", "ece")
        found = calibration(data, 10, adaptive)
        assert found.ece == pytest.approx(cls(cls.Params(bins=10, adaptive=adaptive)).compute(data), abs=1e-12)
        assert sum(b.rows for b in found.bins) == found.rows == 500
    assert calibration(class_data([], [], np.zeros((0, 2)), ["a", "b"])).ece is None


def test_names() -> None:
    data = class_data(["a", "b", "b"], ["a", "b", "b"], np.eye(3)[[0, 1, 1]], ["a", "b", "c"])
    assert most_frequent(data, 2) == ["a", "b"]
    with pytest.raises(DataError, match="no class 'z'"):
        roc(data, "z")
