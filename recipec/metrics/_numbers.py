"""Metrics of numbers: errors, correlations, perplexity."""

from __future__ import annotations

import numpy as np

from recipec.metrics._data import Floats, Ints, LossData, NumberData
from recipec.metrics._statistic import Sums, Whole, mean_of


def mean_error(data: NumberData, power: int, root: bool = False) -> Sums:
    apart = np.abs(data.predicted - data.gold) ** power
    if not root:
        return mean_of(apart, data.notes)
    table = np.column_stack((apart, np.ones(data.rows)))
    return Sums(data.rows, data.notes, 2, lambda s: np.sqrt(s[..., 0] / s[..., 1]), rows_add=table)


CONSTANT = "gold or predictions are one number throughout: there is no value"


def r2(data: NumberData) -> Sums:
    # Sums of squares lose digits where the mean is great beside the spread: all is counted from the mean of gold.
    y = data.gold - data.gold.mean()
    table = np.column_stack((np.ones(data.rows), y, y * y, (data.predicted - data.gold) ** 2))

    def formula(s: Floats) -> Floats:
        spread = s[..., 2] - s[..., 1] ** 2 / s[..., 0]
        return np.asarray(np.where(spread > 0, 1 - s[..., 3] / spread, np.nan))

    alone = bool((data.gold == data.gold[0]).all())
    return Sums(
        data.rows, (*data.notes, *(("gold is one number throughout: there is no value",) if alone else ())), 4, formula, rows_add=table
    )


def correlation(s: Floats) -> Floats:
    """Pearson's, of the sums of 1, x, y, xx, yy, xy."""
    n, x, y, xx, yy, xy = (s[..., i] for i in range(6))
    below = (n * xx - x * x) * (n * yy - y * y)
    return np.asarray(np.where(below > 0, (n * xy - x * y) / np.sqrt(np.maximum(below, 0)), np.nan))


def moments(x: Floats, y: Floats) -> Floats:
    x, y = scaled(x), scaled(y)
    return np.column_stack((np.ones(len(x)), x, y, x * x, y * y, x * y))


def scaled(x: Floats) -> Floats:
    """From its mean, in units of its greatest distance from it, so that neither digits nor range are lost."""
    apart = x - x.mean()
    greatest = np.abs(apart).max()
    return np.asarray(apart / greatest if greatest > 0 else apart)


def constant(data: NumberData) -> bool:
    return bool((data.gold == data.gold[0]).all() or (data.predicted == data.predicted[0]).all())


def pearson(data: NumberData) -> Sums:
    if constant(data):
        return Sums(data.rows, (*data.notes, CONSTANT), 1, lambda s: s[..., 0] * np.nan, rows_add=np.zeros((data.rows, 1)))
    return Sums(data.rows, data.notes, 6, correlation, rows_add=moments(data.gold, data.predicted))


def ranks(x: Floats) -> Floats:
    """Places from the least, from 1; equal numbers share the mean of theirs."""
    _, which, counts = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[which])


def spearman(data: NumberData) -> Whole:
    def of(rows: Ints) -> float:
        x, y = data.gold[rows], data.predicted[rows]
        if not len(rows) or (x == x[0]).all() or (y == y[0]).all():
            return float("nan")
        return float(correlation(moments(ranks(x), ranks(y)).sum(axis=0)))

    return Whole(data.rows, (*data.notes, CONSTANT) if constant(data) else data.notes, of)


def perplexity(data: LossData) -> Sums:
    table = np.column_stack((data.log_probability, data.tokens))
    return Sums(data.rows, data.notes, 2, lambda s: np.exp(-s[..., 0] / s[..., 1]), rows_add=table)
