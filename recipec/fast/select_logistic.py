"""Probabilities of classes for rows that a model has not seen: logistic regression over vectors, fold by fold.

Multinomial logistic regression with a bias for each class and a quadratic penalty of 1 / (strength x rows), fitted by L-BFGS (Liu and
Nocedal 1989) from zero: no chance, so the same vectors give the same numbers. It learns from at most 100,000 rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

STRENGTH: Final = 10.0
STEPS: Final = 60
MEMORY: Final = 10
LEARNED: Final = 100_000
PIECE: Final = 16_384

Floats = npt.NDArray[np.float64]


def out_of_fold(
    vectors: Any, labels: npt.NDArray[np.int64], fold: npt.NDArray[np.int64], classes: int, progress: Callable[[float], None]
) -> npt.NDArray[np.float32]:
    """Probabilities [n, classes] of each row by a model of the other folds' rows. ``vectors`` [n, d] may lie in a file."""
    out = np.zeros((len(labels), classes), np.float32)
    folds = np.unique(fold)
    for done, f in enumerate(folds):
        learned = np.flatnonzero(fold != f)
        if len(learned) > LEARNED:
            learned = learned[np.linspace(0, len(learned) - 1, LEARNED).astype(np.int64)]
        progress(done / len(folds))
        weights = fit(np.asarray(vectors[learned], np.float32), labels[learned], classes)
        asked = np.flatnonzero(fold == f)
        for low in range(0, len(asked), PIECE):
            part = asked[low : low + PIECE]
            out[part] = softmax(_product(np.asarray(vectors[part], np.float32), weights))
    return out


def fit(x: npt.NDArray[np.float32], y: npt.NDArray[np.int64], classes: int) -> Floats:
    """Weights [d + 1, classes], the last row the biases."""
    penalty = 1.0 / (STRENGTH * max(len(x), 1))
    rows = np.arange(len(x))

    def look(flat: Floats) -> tuple[float, Floats]:
        w = flat.reshape(-1, classes)
        p = softmax(_product(x, w))
        loss = -float(np.log(np.maximum(p[rows, y], 1e-12)).mean()) + 0.5 * penalty * float((w[:-1] ** 2).sum())
        p[rows, y] -= 1.0
        p /= len(x)
        slope = np.concatenate([(x.T @ p.astype(np.float32)).astype(np.float64) + penalty * w[:-1], p.sum(axis=0, keepdims=True)])
        return loss, slope.ravel()

    at = np.zeros((x.shape[1] + 1) * classes)
    value, slope = look(at)
    steps: list[tuple[Floats, Floats, float]] = []
    for _ in range(STEPS):
        direction = -_scaled(slope, steps)
        reach = float(direction @ slope)
        if reach >= 0:
            direction, reach, steps = -slope, -float(slope @ slope), []
        length = 1.0 if steps else 1.0 / max(float(np.abs(slope).max()), 1e-12) * 0.1
        for _ in range(20):
            new = at + length * direction
            new_value, new_slope = look(new)
            if new_value <= value + 1e-4 * length * reach:
                break
            length *= 0.5
        else:
            break
        s, t = new - at, new_slope - slope
        curve = float(s @ t)
        if curve > 1e-12:
            steps = [*steps[-MEMORY + 1 :], (s, t, 1.0 / curve)]
        gained = value - new_value
        at, value, slope = new, new_value, new_slope
        if gained < 1e-6 * max(abs(value), 1e-3):
            break
    return at.reshape(-1, classes)


def _scaled(slope: Floats, steps: list[tuple[Floats, Floats, float]]) -> Floats:
    """The slope times the estimate of the inverse Hessian that the last steps give."""
    q = slope.copy()
    factors = []
    for s, t, rho in reversed(steps):
        factors.append(rho * float(s @ q))
        q -= factors[-1] * t
    if steps:
        s, t, rho = steps[-1]
        q *= 1.0 / (rho * float(t @ t))
    for (s, t, rho), factor in zip(steps, reversed(factors), strict=True):
        q += (factor - rho * float(t @ q)) * s
    return q


def _product(x: npt.NDArray[np.float32], weights: Floats) -> Floats:
    made: Floats = (x @ weights[:-1].astype(np.float32)).astype(np.float64) + weights[-1]
    return made


def softmax(logits: Floats) -> Floats:
    """Rows that sum to 1."""
    made: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    made /= made.sum(axis=1, keepdims=True)
    return made
