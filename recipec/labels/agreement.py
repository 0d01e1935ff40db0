"""Agreement between voters beyond chance: Cohen's kappa, Fleiss' kappa, Krippendorff's alpha.

Each is 1 for perfect agreement, 0 for what chance gives, and None where it has no meaning: no two votes on a row, or only one class voted for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recipec.labels.patterns import Floats, Patterns


@dataclass(frozen=True)
class Agreement:
    """``pairs[i][j]`` is Cohen's kappa of voters ``i`` and ``j`` over the rows on which both vote."""

    fleiss: float | None
    alpha: float | None
    pairs: tuple[tuple[float | None, ...], ...] = ()
    rows: int = 0
    """Rows with two votes or more: the others say nothing of agreement."""


class Pairable:
    """Sums over rows from which Fleiss' kappa and Krippendorff's alpha follow. Rows come in parts, so that any number fits."""

    def __init__(self, classes: int) -> None:
        self.rows, self.agreeing = 0.0, 0.0
        self.totals = np.zeros(classes)
        """Votes by class on rows with two votes or more."""
        self.disagreeing = 0.0

    def add(self, votes: npt.NDArray[np.int64] | Floats, weights: npt.NDArray[np.int64]) -> None:
        """Rows by how many votes each class got, [n, K]; each counts ``weights`` times."""
        whole = votes.sum(axis=1)
        use = whole >= 2
        votes, whole, weights = votes[use].astype(np.float64), whole[use].astype(np.float64), weights[use].astype(np.float64)
        same = (votes * (votes - 1)).sum(axis=1)
        self.rows += float(weights.sum())
        self.agreeing += float((weights * same / (whole * (whole - 1))).sum())
        self.totals += (votes * weights[:, None]).sum(axis=0)
        self.disagreeing += float((weights * (whole * (whole - 1) - same) / (whole - 1)).sum())

    def fleiss(self) -> float | None:
        """J. L. Fleiss, "Measuring nominal scale agreement among many raters", Psychological Bulletin 76, 1971: the mean over rows of the
        share of pairs of votes that agree, beyond what the classes' shares give. Rows may have different numbers of votes."""
        if not self.rows:
            return None
        shares = self.totals / self.totals.sum()
        chance = float((shares**2).sum())
        return None if 1 - chance < 1e-12 else (self.agreeing / self.rows - chance) / (1 - chance)

    def alpha(self) -> float | None:
        """K. Krippendorff, "Computing Krippendorff's alpha-reliability", 2011: for nominal data and with votes missing."""
        n = float(self.totals.sum())
        if n < 2:
            return None
        expected = (n * n - float((self.totals**2).sum())) / (n - 1)
        return None if expected < 1e-12 else 1 - self.disagreeing / expected


def cohen(table: npt.ArrayLike) -> float | None:
    """J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20, 1960.

    ``table[a, b]`` counts the rows that one voter puts into class ``a`` and the other into ``b``.
    """
    counts = np.asarray(table, np.float64)
    n = float(counts.sum())
    if not n:
        return None
    chance = float((counts.sum(axis=0) * counts.sum(axis=1)).sum()) / (n * n)
    return None if 1 - chance < 1e-12 else (float(np.trace(counts)) / n - chance) / (1 - chance)


def agreement(found: Patterns, *, pairs: int = 64) -> Agreement:
    """Agreement of the voters of patterns. Pairs are compared for at most ``pairs`` voters (else there are none)."""
    m, classes = len(found.voters), found.classes
    sums = Pairable(classes)
    paired = m <= pairs
    tables = np.zeros((m, m, classes, classes)) if paired else np.zeros((0, 0, classes, classes))
    for block in found.blocks():
        votes, counts = found.votes[block].astype(np.intp), found.counts[block]
        sums.add(np.stack([(votes == t).sum(axis=1) for t in range(classes)], axis=1), counts)
        for i in range(m if paired else 0):
            for j in range(i):
                both = (votes[:, i] >= 0) & (votes[:, j] >= 0)
                cell = votes[both, i] * classes + votes[both, j]
                tables[i, j] += np.bincount(cell, weights=counts[both], minlength=classes * classes).reshape(classes, classes)
    square: list[list[float | None]] = [[None] * m for _ in range(m if paired else 0)]
    for i in range(len(square)):
        for j in range(i):
            square[i][j] = square[j][i] = cohen(tables[i, j])
    return Agreement(sums.fleiss(), sums.alpha(), tuple(tuple(r) for r in square), int(sums.rows))
