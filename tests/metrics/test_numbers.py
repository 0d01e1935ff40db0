"""Metrics of numbers against scikit-learn and scipy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.metrics._data import number_data
from recipec.registry import find

sk = pytest.importorskip("sklearn.metrics")
stats = pytest.importorskip("scipy.stats")


def score(name: str, data: Any) -> float:
    return float(find("metric", name)().compute(data))


small = st.integers(-5, 5).map(float)


@given(st.lists(st.tuples(small, small), min_size=3, max_size=30))
@settings(deadline=None, max_examples=100)
def test_numbers(rows: list[tuple[float, float]]) -> None:
    y, z = np.array(rows).T
    data = number_data(y, z)
    assert score("mse", data) == pytest.approx(sk.mean_squared_error(y, z), abs=1e-9)
    assert score("rmse", data) == pytest.approx(math.sqrt(sk.mean_squared_error(y, z)), abs=1e-9)
    assert score("mae", data) == pytest.approx(sk.mean_absolute_error(y, z), abs=1e-9)
    if len(set(y)) == 1:
        assert math.isnan(score("r2", data))
    else:
        assert score("r2", data) == pytest.approx(sk.r2_score(y, z), abs=1e-9)
    if len(set(y)) == 1 or len(set(z)) == 1:
        assert math.isnan(score("pearson", data))
        assert math.isnan(score("spearman", data))
    else:
        assert score("pearson", data) == pytest.approx(stats.pearsonr(y, z)[0], abs=1e-9)
        assert score("spearman", data) == pytest.approx(stats.spearmanr(y, z)[0], abs=1e-9)


def test_digits_are_not_lost_far_from_zero() -> None:
    rng = np.random.RandomState(1)
    y = rng.rand(100)
    z = y + rng.rand(100) / 10
    near, far = number_data(y, z), number_data(y + 1e7, z + 1e7)
    assert score("r2", far) == pytest.approx(score("r2", near), abs=1e-6)
    assert score("pearson", far) == pytest.approx(score("pearson", near), abs=1e-6)


def test_nulls_are_counted() -> None:
    data = number_data([1.0, math.nan, 3.0], [1.0, 2.0, math.nan])
    assert data.left_out == {"gold is null": 1, "prediction is null": 1}
    assert score("mae", data) == 0.0
