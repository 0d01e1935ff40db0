"""Labels that are likely wrong: confident learning (Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty in dataset
labels"), from probabilities that come of models which have not seen the row.

A class's threshold is the mean probability of the class over the rows that carry its label. A row counts as being of a class where its
probability is at least the threshold (of several, the most probable). Counted by given label, and scaled so that each label has as many rows as
there are, this is the confident joint: how many rows labelled i are of class j. For each pair i, j so many rows are found, those
labelled i whose probability of j exceeds that of i most ("prune by noise rate"); rows whose label is the most probable class are left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

SLACK: Final = 1e-6
"""By how much a probability may fall short of a threshold: rounding."""

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Noise:
    """``suspect`` rows; ``margin`` is the probability of the most probable other class less that of the label; ``best`` the most
    probable class. ``joint`` [K, K] counts rows by label and by what they likely are."""

    suspect: npt.NDArray[np.bool_]
    margin: Floats
    best: Labels
    joint: npt.NDArray[np.int64]
    thresholds: Floats


def find_noise(labels: Labels, p: Any, ties: Literal["stable", "quicksort"] = "stable") -> Noise:
    """Suspect labels of rows with ``labels`` [n] in 0..K-1 and probabilities ``p`` [n, K].

    Where the confident joint is rounded to whole numbers, cells with equal remainders are many. ``stable`` settles it the same on every
    machine; ``quicksort`` as numpy's sort happens to, which is what cleanlab does: with it the suspects are cleanlab's to the row.
    """
    count, classes = p.shape
    own = p[np.arange(count), labels].astype(np.float64)
    sizes = np.bincount(labels, minlength=classes)
    thresholds = np.bincount(labels, weights=own, minlength=classes) / np.maximum(sizes, 1)
    # No row carries the label: nothing can be said of the class.
    thresholds[sizes == 0] = np.inf
    best = np.zeros(count, np.int64)
    other = np.zeros(count)
    counted = np.zeros((classes, classes), np.int64)
    for low in range(0, count, 65_536):
        part = np.array(p[low : low + 65_536], np.float64)
        rows, given = np.arange(len(part)), labels[low : low + len(part)]
        best[low : low + len(part)] = part.argmax(axis=1)
        sure = np.where(part >= thresholds - SLACK, part, -1.0)
        confident, at = sure.max(axis=1) >= 0, sure.argmax(axis=1)
        np.add.at(counted, (given[confident], at[confident]), 1)
        part[rows, given] = -1.0
        other[low : low + len(part)] = part.max(axis=1)
    joint = _calibrated(counted, sizes, ties)
    suspect = np.zeros(count, np.bool_)
    order = np.argsort(labels, kind="stable")
    begins = np.concatenate([[0], np.cumsum(sizes)])
    for i in range(classes):
        rows = order[begins[i] : begins[i + 1]]
        if len(rows) <= 1:
            continue
        for j in np.flatnonzero(joint[i]).tolist():
            if j != i:
                margin = p[rows, j].astype(np.float64) - own[rows]
                many = min(int(joint[i, j]), len(rows))
                cut = -np.partition(-margin, many - 1)[many - 1]
                suspect[rows[margin >= cut]] = True
    suspect &= best != labels
    return Noise(suspect, other - own, best, joint, thresholds)


def _calibrated(
    counted: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], ties: Literal["stable", "quicksort"]
) -> npt.NDArray[np.int64]:
    """The counts scaled so that each row sums to how many rows carry its label, in whole numbers (largest remainders)."""
    made = counted.astype(np.float64)
    np.fill_diagonal(made, np.maximum(made.diagonal(), 1))
    made = made / made.sum(axis=1)[:, None] * sizes[:, None]
    whole = made.round()
    for i, lacking in enumerate((sizes - whole.sum(axis=1)).round().astype(np.int64).tolist()):
        # Of equal remainders the later class gives or takes: any order would do, but it must be one.
        order = np.argsort(made[i] - whole[i], kind=ties)
        if lacking > 0:
            whole[i, order[::-1][:lacking]] += 1
        elif lacking < 0:
            whole[i, order[:-lacking]] -= 1
    found: npt.NDArray[np.int64] = whole.astype(np.int64)
    return found
