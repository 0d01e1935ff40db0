"""A metric on its rows, in a form that can be weighed anew: for the score, slices, bootstrap intervals and comparisons.

A resample of n rows is a weight for each (how often it was drawn). Most metrics are a function of sums over rows (:class:`Sums`), and a
resample's sums cost one product of matrices, or, where a row only says which cell of a table it adds 1 to, one draw of a multinomial:
the counts of n draws with replacement from rows in k cells are distributed as Multinomial(n, counts / n), exactly. Rankings
(:class:`Ranked`) sort once and then weigh. What is left is computed on the rows drawn (:class:`Whole`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recipec.metrics._base import Score
from recipec.metrics._data import Floats, Ints

Formula = Callable[[Floats], Floats]
CACHED = 60_000
"""Numbers of 8 bytes that fit a core's cache, several times over."""


@dataclass(frozen=True)
class Statistic(ABC):
    """``rows`` rows, each of which a weight can be given."""

    rows: int
    notes: tuple[str, ...]

    @abstractmethod
    def value(self) -> float:
        """On all rows, each once."""

    @abstractmethod
    def weighted(self, weights: Ints) -> Floats:
        """For weights of the shape (resamples, rows), a value for each resample."""

    def score(self) -> Score:
        return Score(self.value(), self.notes)


@dataclass(frozen=True)
class Sums(Statistic):
    """A function of what rows add up to. Row i adds 1 to the cell ``codes[i]``, or adds the vector ``rows_add[i]``."""

    width: int
    formula: Formula
    codes: Ints | None = None
    rows_add: Floats | None = None

    def total(self) -> Floats:
        if self.codes is not None:
            return np.bincount(self.codes, minlength=self.width).astype(np.float64)
        assert self.rows_add is not None
        return np.asarray(self.rows_add.sum(axis=0, dtype=np.float64))

    def of(self, sums: Floats) -> Floats:
        """The metric of sums (..., width)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.formula(sums), dtype=np.float64)

    def value(self) -> float:
        return float(self.of(self.total()))

    def weighted(self, weights: Ints) -> Floats:
        if self.codes is not None:
            out = np.empty((len(weights), self.width))
            for i, w in enumerate(weights):
                out[i] = np.bincount(self.codes, weights=w, minlength=self.width)
            return self.of(out)
        assert self.rows_add is not None
        # Not a product by BLAS, whose order of adding, and so the last bit, depends on the number of its threads.
        return self.of(np.einsum("rn,nd->rd", weights.astype(np.float64), self.rows_add))


@dataclass(frozen=True)
class Ranked(Statistic):
    """The mean, over columns, of a measure of how well scores put the true before the false.

    ``measure(positive, negative)`` takes the weights of the true and the false rows at each distinct score, from the greatest score to
    the least, of the shape (resamples, scores), and gives NaN where there are only true or only false ones: those columns are left out of
    the mean. ``by_share`` weighs columns by how many rows are true.
    """

    truth: list[np.ndarray[tuple[int], np.dtype[np.bool_]]]
    scores: list[Floats]
    measure: Callable[[Floats, Floats], Floats]
    by_share: bool = False

    def value(self) -> float:
        return float(self.weighted(np.ones((1, self.rows), dtype=np.int64))[0])

    def weighted(self, weights: Ints) -> Floats:
        values, shares = [], []
        for truth, scores in zip(self.truth, self.scores, strict=True):
            # Equal scores are added up below, so that their order among each other says nothing.
            order = np.argsort(scores)[::-1]
            ranked, true = scores[order], truth[order]
            starts = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1])))
            column, share = np.empty(len(weights)), np.empty(len(weights))
            # So few resamples at a time that their numbers stay in the processor's cache.
            step = max(1, CACHED // max(1, len(order)))
            for at in range(0, len(weights), step):
                here = slice(at, at + step)
                w = weights[here, order].astype(np.float64)
                positive = w * true
                negative = w - positive
                if len(starts) < len(ranked):
                    positive = np.add.reduceat(positive, starts, axis=1)
                    negative = np.add.reduceat(negative, starts, axis=1)
                column[here] = self.measure(positive, negative)
                share[here] = positive.sum(axis=1)
            values.append(column)
            shares.append(share)
        table = np.array(values)
        known = ~np.isnan(table)
        weight = np.where(known, np.array(shares) if self.by_share else 1.0, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((np.where(known, table, 0.0) * weight).sum(axis=0) / weight.sum(axis=0))


@dataclass(frozen=True)
class Whole(Statistic):
    """A function of the rows drawn, given by their places (a row drawn twice comes twice)."""

    function: Callable[[Ints], float]

    def value(self) -> float:
        return self.function(np.arange(self.rows))

    def weighted(self, weights: Ints) -> Floats:
        rows = np.arange(self.rows)
        return np.array([self.function(np.repeat(rows, w)) for w in weights])


def mean_of(values: Floats, notes: tuple[str, ...]) -> Sums:
    """The mean of a value a row."""
    table = np.column_stack((values, np.ones(len(values))))
    return Sums(len(values), notes, 2, lambda s: s[..., 0] / s[..., 1], rows_add=table)
