"""Metrics of tables of counts: gold class by predicted class; true, predicted and gold by label."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from recipec.api import DataError
from recipec.metrics._base import Average
from recipec.metrics._data import ClassData, Floats, Ints, MultiLabelData
from recipec.metrics._statistic import Formula, Sums, mean_of

Which = Literal["precision", "recall", "f1"]
MOST_CELLS = 4_000_000
"""Up to so many possible cells are counted in a table; of more, those that occur are found by sorting."""


def ratio(a: Floats, b: Floats) -> Floats:
    """a / b, 0 where b is 0."""
    return np.divide(a, b, out=np.zeros(np.broadcast(a, b).shape), where=b != 0)


def confusion(data: ClassData) -> Ints:
    """Counts, a row a gold class, a column a predicted one; the last column counts predictions that are null or no class."""
    k = len(data.classes)
    return np.bincount(data.gold * (k + 1) + data.predicted, minlength=k * (k + 1)).reshape(k, k + 1)


class Cells:
    """The cells of the table of gold by predicted that occur: with a thousand classes a million are possible, and few of them do.

    ``codes`` says in which of them each row falls; sums (..., cells) are those of resamples.
    """

    def __init__(self, data: ClassData) -> None:
        self.classes = len(data.classes)
        across = self.classes + 1
        flat = data.gold * across + data.predicted
        if self.classes * across <= MOST_CELLS:
            places = np.flatnonzero(np.bincount(flat, minlength=1))
            number = np.zeros(self.classes * across, dtype=np.int64)
            number[places] = np.arange(len(places))
            self.codes: Ints = number[flat]
        else:
            places, self.codes = np.unique(flat, return_inverse=True)
        self.gold_of, self.predicted_of = places // across, places % across
        self.width = len(places)

    def statistic(self, data: ClassData, notes: Iterable[str], formula: Formula) -> Sums:
        return Sums(data.rows, (*data.notes, *notes), self.width, formula, codes=self.codes)

    @staticmethod
    def added(sums: Floats, by: Ints, size: int) -> Floats:
        """Sums of the cells with each number of ``by``."""
        order = np.argsort(by, kind="stable")
        here, starts = np.unique(by[order], return_index=True)
        out = np.zeros((*sums.shape[:-1], size))
        if len(here):
            out[..., here] = np.add.reduceat(sums[..., order], starts, axis=-1)
        return out

    def right(self, sums: Floats) -> Floats:
        """By class, the rows that are right."""
        on = np.flatnonzero(self.gold_of == self.predicted_of)
        out = np.zeros((*sums.shape[:-1], self.classes))
        out[..., self.gold_of[on]] = sums[..., on]
        return out

    def gold(self, sums: Floats) -> Floats:
        return self.added(sums, self.gold_of, self.classes)

    def predicted(self, sums: Floats) -> Floats:
        """By class, and last those predicted as none."""
        return self.added(sums, self.predicted_of, self.classes + 1)

    def margins(self, sums: Floats) -> tuple[Floats, Floats, Floats]:
        """By class: right, predicted, gold."""
        return self.right(sums), self.predicted(sums)[..., : self.classes], self.gold(sums)


def averaged(
    which: Which,
    average: Average,
    right: Floats,
    predicted: Floats,
    gold: Floats,
    positive: int = 0,
    every: bool = False,
    harmonic: bool = False,
) -> Floats:
    """Precision, recall or F1 of counts (..., labels). ``macro`` averages the labels that occur in gold or in predictions, or ``every`` one.

    ``harmonic`` computes F1 by way of precision and recall, as seqeval does, instead of from the counts, as scikit-learn does: a difference
    in the last bit, which shows where a report rounds 0.625.
    """
    if average == "binary":
        right, predicted, gold = right[..., positive], predicted[..., positive], gold[..., positive]
    elif average == "micro":
        right, predicted, gold = right.sum(axis=-1), predicted.sum(axis=-1), gold.sum(axis=-1)
    match which:
        case "precision":
            values = ratio(right, predicted)
        case "recall":
            values = ratio(right, gold)
        case "f1" if harmonic:
            p, r = ratio(right, predicted), ratio(right, gold)
            values = ratio(2 * p * r, p + r)
        case "f1":
            values = ratio(2 * right, predicted + gold)
    if average in ("binary", "micro"):
        return values
    weights = gold if average == "weighted" else np.ones_like(gold) if every else ((predicted + gold) > 0).astype(np.float64)
    return ratio((values * weights).sum(axis=-1), weights.sum(axis=-1))


def positive_class(data: ClassData, average: Average | None, positive: str | None) -> tuple[Average, int]:
    """The average to take and the number of the positive class, as arguments and classes say."""
    if positive is not None:
        if average not in (None, "binary"):
            raise DataError(f"`positive` asks for one class and `average: {average}` for all", "leave one of them out")
        return "binary", data.number(positive)
    if average == "binary":
        if len(data.classes) != 2:
            raise DataError(f"`average: binary` of {len(data.classes)} classes", 'name the class that counts: positive: "..."')
        return "binary", 1
    return average or "macro", 0


def of_classes(data: ClassData, which: Which, average: Average | None, positive: str | None) -> Sums:
    k = len(data.classes)
    how, at = positive_class(data, average, positive)
    cells = Cells(data)

    def formula(sums: Floats) -> Floats:
        return averaged(which, how, *cells.margins(sums), positive=at)

    predicted, gold = np.bincount(data.predicted, minlength=k + 1)[:k], np.bincount(data.gold, minlength=k)
    return cells.statistic(data, occurrence(data.classes, predicted, gold, dropped=how == "macro"), formula)


def occurrence(classes: tuple[str, ...], predicted: Ints, gold: Ints, dropped: bool) -> list[str]:
    """Notes on classes that gold or predictions lack: what scikit-learn warns of as zero divisions."""

    def listed(names: list[str]) -> str:
        shown = ", ".join(repr(n) for n in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        return f"class {shown} is" if len(names) == 1 else f"classes {shown} are"

    notes = []
    neither = [c for c, p, g in zip(classes, predicted, gold, strict=True) if not p and not g]
    if neither:
        notes.append(f"{listed(neither)} neither in gold nor predicted" + (": not in the average" if dropped else ""))
    if names := [c for c, p, g in zip(classes, predicted, gold, strict=True) if g and not p]:
        notes.append(f"{listed(names)} never predicted: precision counts as 0")
    if names := [c for c, p, g in zip(classes, predicted, gold, strict=True) if p and not g]:
        notes.append(f"{listed(names)} predicted but not in gold: recall counts as 0")
    return notes


def accuracy(data: ClassData) -> Sums:
    return Sums(data.rows, data.notes, 2, lambda s: s[..., 1] / s.sum(axis=-1), codes=(data.gold == data.predicted).astype(np.int64))


def balanced_accuracy(data: ClassData) -> Sums:
    cells = Cells(data)

    def formula(sums: Floats) -> Floats:
        gold = cells.gold(sums)
        return ratio(ratio(cells.right(sums), gold).sum(axis=-1), (gold > 0).sum(axis=-1).astype(np.float64))

    gold = np.bincount(data.gold, minlength=len(data.classes))
    missing = [repr(c) for c, n in zip(data.classes, gold, strict=True) if not n]
    return cells.statistic(data, (f"not in gold, so not in the average: {', '.join(missing)}",) if missing else (), formula)


def mcc(data: ClassData) -> Sums:
    cells = Cells(data)

    def formula(sums: Floats) -> Floats:
        gold, predicted = cells.gold(sums), cells.predicted(sums)
        right, n = cells.right(sums).sum(axis=-1), gold.sum(axis=-1)
        both = (gold * predicted[..., : cells.classes]).sum(axis=-1)
        below = (n * n - (predicted**2).sum(axis=-1)) * (n * n - (gold**2).sum(axis=-1))
        return ratio(right * n - both, np.sqrt(below))

    return cells.statistic(data, constant(data), formula)


def constant(data: ClassData) -> list[str]:
    """A note where gold or predictions are all of one class."""
    notes = []
    for what, codes in (("gold has", data.gold), ("predictions have", data.predicted)):
        if len(codes) and (codes == codes[0]).all():
            notes.append(f"{what} one class only: the score counts as 0")
    return notes


def kappa(data: ClassData, weights: Literal["none", "linear", "quadratic"]) -> Sums:
    cells = Cells(data)
    k = cells.classes

    def cost(gold: Ints | int, predicted: Ints) -> Floats:
        apart: Floats = np.abs(gold - predicted).astype(np.float64)
        if weights == "none":
            return np.asarray(apart > 0, dtype=np.float64)
        return apart if weights == "linear" else apart * apart

    def formula(sums: Floats) -> Floats:
        gold, predicted = cells.gold(sums), cells.predicted(sums)
        seen = (sums * cost(cells.gold_of, cells.predicted_of)).sum(axis=-1)
        chance = np.zeros(sums.shape[:-1])
        # A class at a time: all pairs of a thousand classes in a thousand resamples would not fit into memory.
        for g in np.unique(cells.gold_of).tolist():
            chance += gold[..., g] * (predicted * cost(g, np.arange(k + 1))).sum(axis=-1)
        chance /= gold.sum(axis=-1)
        return np.asarray(1 - np.divide(seen, chance, out=np.full(np.shape(seen), np.nan), where=chance != 0))

    alone = data.rows > 0 and bool((data.gold == data.gold[0]).all() and (data.predicted == data.gold[0]).all())
    note = "gold and predictions have one and the same class only: there is no agreement beyond chance to measure"
    return cells.statistic(data, (note,) if alone else (), formula)


# Sets of labels -------------------------------------------------------------------------------------------------------


def of_labels(data: MultiLabelData, which: Which, average: Average | None, positive: str | None) -> Sums:
    if positive is not None and average not in (None, "binary"):
        raise DataError(f"`positive` asks for one class and `average: {average}` for all", "leave one of them out")
    at = data.classes.index(positive) if positive in data.classes else None
    if (average == "binary" or positive is not None) and at is None:
        raise DataError("one label's score needs its name", f"positive: one of {', '.join(map(repr, data.classes))}")
    how: Average = "binary" if at is not None else average or "micro"
    right = data.gold & data.predicted
    k = len(data.classes)

    def formula(sums: Floats) -> Floats:
        return averaged(which, how, sums[..., :k], sums[..., k : 2 * k], sums[..., 2 * k :], positive=at or 0, every=True)

    table = np.hstack((right, data.predicted, data.gold)).astype(np.float64)
    notes = occurrence(data.classes, data.predicted.sum(axis=0), data.gold.sum(axis=0), dropped=False)
    return Sums(data.rows, (*data.notes, *notes), 3 * k, formula, rows_add=table)


def subset_accuracy(data: MultiLabelData) -> Sums:
    return mean_of((data.gold == data.predicted).all(axis=1).astype(np.float64), data.notes)


def hamming(data: MultiLabelData | ClassData) -> Sums:
    wrong = (data.gold != data.predicted).astype(np.float64)
    return mean_of(wrong.mean(axis=1) if wrong.ndim == 2 else wrong, data.notes)
