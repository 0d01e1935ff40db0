"""The points of curves: ROC, precision by recall, and calibration, few enough to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recipec.api import DataError
from recipec.metrics import _ranking
from recipec.metrics._data import Bools, ClassData, Floats, MultiLabelData

POINTS = 200
"""The most points of a curve: more cannot be told apart in a drawing."""

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """``points`` from left to right; ``area`` is that of all points, not of those that are left; None where there is no curve."""

    name: str
    points: Points
    area: float | None
    base: float | None = None
    """The height of a classifier that knows nothing, where it is a level line (PR: the share of true rows)."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows whose greatest probability lies in (low, high]: their number, mean probability, and share that is right."""

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """Bins that hold rows, least confident first, and the error that they add up to (``ece``; None without rows)."""

    bins: tuple[Bin, ...]
    ece: float | None
    rows: int


def one(data: ClassData | MultiLabelData, name: str) -> tuple[Bools, Floats]:
    """Which rows are of the class, and its scores, on rows with usable probabilities."""
    rows = _ranking.usable(data)
    assert data.probabilities is not None
    if name not in data.classes:
        raise DataError(f"no class {name!r}", f"the classes are {', '.join(map(repr, data.classes))}")
    at = data.classes.index(name)
    return _ranking.truth(data)[rows, at], data.probabilities[rows, at]


def steps(truth: Bools, scores: Floats) -> tuple[Floats, Floats]:
    """How many true and false rows score at least as much as each distinct score, from the greatest, beginning with none."""
    order = np.argsort(scores)[::-1]
    ranked, true = scores[order], truth[order]
    ends = np.flatnonzero(np.concatenate((ranked[1:] != ranked[:-1], [True]))) if len(ranked) else np.zeros(0, dtype=np.int64)
    right = np.concatenate(([0], np.cumsum(true)[ends]))
    wrong = np.concatenate(([0], (ends + 1) - np.cumsum(true)[ends]))
    return right.astype(np.float64), wrong.astype(np.float64)


def roc(data: ClassData | MultiLabelData, name: str, points: int = POINTS) -> Curve:
    """The class against the rest: share of false rows taken (x) by share of true rows found (y), for every threshold."""
    right, wrong = steps(*one(data, name))
    if not right[-1] or not wrong[-1]:
        return Curve(name, (), None)
    x, y = wrong / wrong[-1], right / right[-1]
    return Curve(name, thin(*corners(x, y), points), area(x, y))


def area(x: Floats, y: Floats) -> float:
    """Under straight lines between the points."""
    return float(((x[1:] - x[:-1]) * (y[1:] + y[:-1])).sum() / 2)


def precision_recall(data: ClassData | MultiLabelData, name: str, points: int = POINTS) -> Curve:
    """The class against the rest: share of true rows found (x) by the share true of those taken (y), for every threshold. ``area`` is the
    average precision."""
    right, wrong = steps(*one(data, name))
    if not right[-1]:
        return Curve(name, (), None)
    recall = right[1:] / right[-1]
    precision = right[1:] / (right[1:] + wrong[1:])
    gained = np.diff(right) / right[-1]
    base = float(right[-1] / (right[-1] + wrong[-1]))
    # The curve begins where nothing is taken, at the precision of the first that is.
    x, y = np.concatenate(([0.0], recall)), np.concatenate((precision[:1], precision))
    return Curve(name, thin(x, y, points), float((gained * precision).sum()), base)


def calibration(data: ClassData, bins: int = 15, adaptive: bool = False) -> Calibration:
    """Reliability by bins of the greatest probability, of equal width or, ``adaptive``, of equally many rows; as the metric ``ece``."""
    sure, right, rows = _ranking.confidence(data)
    s, r = sure[rows], right[rows]
    n = len(s)
    edges = np.linspace(0, 1, bins + 1)
    if adaptive:
        parts = [(p, float(s[p].min()), float(s[p].max())) for p in _ranking.equal_counts(s, bins) if len(p)]
    else:
        at = _ranking.bin_of(s, bins)
        parts = [(p, float(edges[i]), float(edges[i + 1])) for i in range(bins) if len(p := np.flatnonzero(at == i))]
    made = tuple(Bin(low, high, len(p), float(s[p].mean()), float(r[p].mean())) for p, low, high in parts)
    ece = sum(b.rows * abs(b.confidence - b.accuracy) for b in made) / n if n else None
    return Calibration(made, ece, n)


# Fewer points ---------------------------------------------------------------------------------------------------------


def corners(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Without the points in the middle of straight runs to the right or upwards."""
    if len(x) < 3:
        return x, y
    flat = (y[1:-1] == y[:-2]) & (y[1:-1] == y[2:])
    steep = (x[1:-1] == x[:-2]) & (x[1:-1] == x[2:])
    keep = np.concatenate(([True], ~(flat | steep), [True]))
    return x[keep], y[keep]


def thin(x: Floats, y: Floats, points: int = POINTS) -> Points:
    """At most ``points`` of them, evenly along the curve, the first and the last among them."""
    if len(x) > points:
        along = np.concatenate(([0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))))
        at = np.unique(np.searchsorted(along, np.linspace(0, along[-1], points)))
        at[-1] = len(x) - 1
        x, y = x[at], y[at]
    return tuple((float(a), float(b)) for a, b in zip(x, y, strict=True))


def most_frequent(data: ClassData | MultiLabelData, limit: int) -> Sequence[str]:
    """The classes with the most gold rows, for drawings that cannot show all."""
    counts = _ranking.truth(data).sum(axis=0)
    order = sorted(range(len(data.classes)), key=lambda i: (-int(counts[i]), i))[:limit]
    return [data.classes[i] for i in sorted(order)]
