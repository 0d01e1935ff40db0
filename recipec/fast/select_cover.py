"""Rows that cover the others: k-center by greedy choice of the farthest row, and facility location, exactly, in products of matrices.

**K-center** (Gonzalez 1985; Sener and Savarese 2018, "core-set") takes the row that is farthest from all taken so far, again and again.
Done one row at a time that is a pass over all vectors for each; here the rows farthest at the moment (the pool) are looked at among
themselves for as long as the farthest of them is farther than anything outside was at the last pass, which can only have come nearer since.
Then one product of matrices brings all rows up to date. The choice is the same, at the speed of the product.

**Facility location** takes the row that adds most to the sum, over all rows, of the cosine to the most alike row taken. What a row
would add only falls as others are taken, so old values are bounds (Minoux 1978): only rows whose bound is greatest are computed again.

Distances are squared and rounded to 2^-18, so that equal vectors have none, and of equal distances the row of least chance goes first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]

POOL: Final = 4096
"""Rows that are looked at among themselves."""
ROWS: Final = 8192
CENTERS: Final = 512
"""A product of matrices is cut into pieces of so many rows and centers: 16 MiB."""
CANDIDATES: Final = 64
REPRESENTED: Final = 20_000
"""Rows whose likeness facility location sums up; of more rows, so many drawn by chance."""
_STEP: Final = np.float32(2.0**-18)


@dataclass(frozen=True)
class Cover:
    """``picked`` are rows in the order in which they were taken, ``values`` what was said for each then (a distance, a gain; not a number
    for the first of all, which has nothing to be far from). ``rest`` is, for every row, its distance or likeness to the taken ones."""

    picked: Numbers
    values: npt.NDArray[np.float64]
    rest: npt.NDArray[np.float64]


@dataclass
class Budget:
    """What may be taken: so many units. Each row counts its own."""

    left: int
    units: Numbers

    def take(self, row: int) -> bool:
        """Whether there is room for a row; it is counted."""
        cost = int(self.units[row])
        if cost > self.left:
            return False
        self.left -= cost
        return True


def farthest(
    vectors: Vectors, budget: Budget, chance: npt.NDArray[np.uint64], beside: Vectors | None, progress: Callable[[float], None]
) -> Cover:
    """K-center: rows of ``vectors`` [n, d] until the next one exceeds the budget. ``beside`` are vectors that count as taken already."""
    count, whole = len(vectors), max(budget.left, 1)
    squares = np.concatenate([_squares(vectors[i : i + ROWS]) for i in range(0, count, ROWS)] or [np.zeros(0, np.float32)])
    near = np.full(count, np.inf, np.float32)
    picked: list[int] = []
    values: list[float] = []
    if beside is not None and len(beside):
        _approach(near, vectors, squares, beside)
    elif count:
        first = int(np.argmin(chance))
        if budget.take(first):
            picked.append(first)
            values.append(float("nan"))
            _approach(near, vectors, squares, vectors[[first]])
            near[first] = -1.0
        else:
            count = 0
    full = count == 0
    while not full and len(picked) < count:
        picks = _round(near, vectors, squares, budget, chance, values)
        full = picks[-1] < 0
        new = [p for p in picks if p >= 0]
        picked += new
        if new:
            _approach(near, vectors, squares, vectors[np.array(new)])
            near[new] = -1.0
        progress(1.0 - budget.left / whole)
    return Cover(np.array(picked, np.int64), np.array(values), np.sqrt(np.maximum(near, 0.0).astype(np.float64)))


def _round(
    near: npt.NDArray[np.float32],
    vectors: Vectors,
    squares: Vectors,
    budget: Budget,
    chance: npt.NDArray[np.uint64],
    values: list[float],
) -> list[int]:
    """The rows that come next, as far as can be said without looking at all rows again; -1 at the end where the budget is spent."""
    size = min(POOL, int((near >= 0).sum()))
    pool = np.argpartition(-near, size - 1)[:size] if size < len(near) else np.flatnonzero(near >= 0)
    outside = np.ones(len(near), np.bool_)
    outside[pool] = False
    bound = float(near[outside].max(initial=-1.0))
    # In the order of chance, so that the first of equals is the right one.
    pool = pool[np.argsort(chance[pool], kind="stable")]
    some, own, distance = vectors[pool], squares[pool], near[pool].copy()
    picks: list[int] = []
    while True:
        best = int(np.argmax(distance))
        value = float(distance[best])
        if value < 0 or (picks and value <= bound):
            return picks
        row = int(pool[best])
        if value <= bound:
            # As far as others outside the pool: chance decides among all of them.
            equal = np.flatnonzero(near == near.max())
            row = int(equal[np.argmin(chance[equal])])
        if not budget.take(row):
            return [*picks, -1]
        picks.append(row)
        values.append(float(np.sqrt(value)))
        if value <= bound:
            return picks
        np.minimum(distance, _quantised(own + own[best] - 2 * (some @ some[best])), out=distance)
        distance[best] = -1.0


def _squares(vectors: Vectors) -> Vectors:
    made: Vectors = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float32)
    return made


def _quantised(squared: Any) -> Any:
    return np.round(np.maximum(squared, 0.0) / _STEP) * _STEP


def _approach(near: npt.NDArray[np.float32], vectors: Vectors, squares: Vectors, centers: Vectors) -> None:
    """Bring the squared distances to the nearest center up to date; rows taken already (below 0) stay so."""
    for low in range(0, len(centers), CENTERS):
        part = centers[low : low + CENTERS]
        own = _squares(part)
        for first in range(0, len(vectors), ROWS):
            rows = slice(first, first + ROWS)
            product = vectors[rows] @ part.T
            product *= -2
            product += own
            squared = _quantised(product.min(axis=1) + squares[rows])
            near[rows] = np.minimum(near[rows], squared)


def facilities(vectors: Vectors, budget: Budget, chance: npt.NDArray[np.uint64], progress: Callable[[float], None]) -> Cover:
    """Facility location over ``vectors`` [n, d] of unit length, until the next row exceeds the budget."""
    count, whole = len(vectors), max(budget.left, 1)
    represented = vectors if count <= REPRESENTED else vectors[np.sort(np.argsort(chance, kind="stable")[:REPRESENTED])]
    bounds = np.zeros(count)
    for first in range(0, count, CENTERS):
        part = vectors[first : first + CENTERS]
        for low in range(0, len(represented), ROWS):
            bounds[first : first + CENTERS] += np.maximum(represented[low : low + ROWS] @ part.T, 0).sum(axis=0, dtype=np.float64)
    covered = np.zeros(len(represented), np.float32)
    best_of = np.full(count, -1.0)
    picked: list[int] = []
    values: list[float] = []
    while len(picked) < count:
        size = min(CANDIDATES, count - len(picked))
        pool = np.argpartition(-bounds, size - 1)[:size]
        pool = pool[np.argsort(chance[pool], kind="stable")]
        others = bounds.copy()
        others[pool] = -1.0
        outside = float(others.max(initial=-1.0))
        similar = np.maximum(vectors[pool] @ represented.T, 0)
        open_ = np.ones(len(pool), np.bool_)
        while open_.any():
            gains = np.maximum(similar - covered, 0).sum(axis=1, dtype=np.float64).round(6)
            gains[~open_] = -1.0
            bounds[pool] = gains
            at = int(np.argmax(gains))
            if gains[at] < outside:
                break
            if not budget.take(int(pool[at])):
                return _finish(vectors, picked, values, best_of)
            picked.append(int(pool[at]))
            values.append(float(gains[at]))
            np.maximum(covered, similar[at], out=covered)
            open_[at] = False
            bounds[pool[at]] = -1.0
            progress(1.0 - budget.left / whole)
    return _finish(vectors, picked, values, best_of)


def _finish(vectors: Vectors, picked: list[int], values: list[float], rest: npt.NDArray[np.float64]) -> Cover:
    """With each row's greatest cosine to those taken."""
    for first in range(0, len(vectors), ROWS):
        rows = vectors[first : first + ROWS]
        for low in range(0, len(picked), CENTERS):
            similar = (rows @ vectors[np.array(picked[low : low + CENTERS])].T).max(axis=1)
            rest[first : first + ROWS] = np.maximum(rest[first : first + ROWS], similar)
    return Cover(np.array(picked, np.int64), np.array(values), rest.round(6))


@dataclass(frozen=True)
class Novel:
    """``picked`` rows in their order; for every row looked at (``seen``) the greatest cosine to those taken before it."""

    picked: Numbers
    likeness: npt.NDArray[np.float64]
    seen: npt.NDArray[np.bool_]


def novel(vectors: Vectors, order: Numbers, threshold: float, budget: Budget, progress: Callable[[float], None]) -> Novel:
    """Rows in ``order`` that are no more alike (cosine, of vectors of unit length) to any taken before than ``threshold``."""
    likeness = np.full(len(vectors), -1.0)
    seen = np.zeros(len(vectors), np.bool_)
    picked: list[int] = []
    whole = max(budget.left, 1)
    for low in range(0, len(order), CENTERS):
        part = order[low : low + CENTERS]
        some = vectors[part]
        most = np.full(len(part), -1.0, np.float32)
        for first in range(0, len(picked), ROWS):
            np.maximum(most, (some @ vectors[np.array(picked[first : first + ROWS])].T).max(axis=1), out=most)
        among = some @ some.T
        for i, row in enumerate(part.tolist()):
            likeness[row], seen[row] = round(float(most[i]), 6), True
            if likeness[row] > threshold:
                continue
            if not budget.take(row):
                seen[row] = False
                return Novel(np.array(picked, np.int64), likeness, seen)
            picked.append(row)
            np.maximum(most, among[i], out=most)
        progress(1.0 - budget.left / whole)
    return Novel(np.array(picked, np.int64), likeness, seen)
