"""Metrics of tables of counts: gold class by predicted class; true, predicted and gold by label."""

from __future__ import annotations

from typing import Literal

import numpy as np

from recipec.api import DataError
from recipec.metrics._base import Average
from recipec.metrics._data import ClassData, Floats, Ints, MultiLabelData
from recipec.metrics._statistic import Sums, mean_of

Which = Literal["precision", "recall", "f1"]


def ratio(a: Floats, b: Floats) -> Floats:
    """a / b, 0 where b is 0."""
    return np.divide(a, b, out=np.zeros(np.broadcast(a, b).shape), where=b != 0)


def confusion(data: ClassData) -> Ints:
    """Counts, a row a gold class, a column a predicted one; the last column counts predictions that are null or no class."""
    k = len(data.classes)
    return np.bincount(data.gold * (k + 1) + data.predicted, minlength=k * (k + 1)).reshape(k, k + 1)


def cells(data: ClassData) -> Ints:
    return data.gold * (len(data.classes) + 1) + data.predicted


def tables(sums: Floats, k: int) -> Floats:
    """Sums of cells as tables (..., k, k + 1)."""
    return sums.reshape((*sums.shape[:-1], k, k + 1))


def margins(sums: Floats, k: int) -> tuple[Floats, Floats, Floats]:
    """For each class: right, predicted, gold."""
    table = tables(sums, k)
    return np.diagonal(table, axis1=-2, axis2=-1), table.sum(axis=-2)[..., :k], table.sum(axis=-1)


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

    def formula(sums: Floats) -> Floats:
        return averaged(which, how, *margins(sums, k), positive=at)

    table = confusion(data)
    notes = occurrence(data.classes, table.sum(axis=0)[:k], table.sum(axis=1), dropped=how == "macro")
    return Sums(data.rows, (*data.notes, *notes), k * (k + 1), formula, codes=cells(data))


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
    k = len(data.classes)

    def formula(sums: Floats) -> Floats:
        right, _, gold = margins(sums, k)
        return ratio(ratio(right, gold).sum(axis=-1), (gold > 0).sum(axis=-1).astype(np.float64))

    gold = np.bincount(data.gold, minlength=k)
    missing = [repr(c) for c, n in zip(data.classes, gold, strict=True) if not n]
    notes = (f"not in gold, so not in the average: {', '.join(missing)}",) if missing else ()
    return Sums(data.rows, (*data.notes, *notes), k * (k + 1), formula, codes=cells(data))


def mcc(data: ClassData) -> Sums:
    k = len(data.classes)

    def formula(sums: Floats) -> Floats:
        table = tables(sums, k)
        gold, predicted = table.sum(axis=-1), table.sum(axis=-2)
        right, n = np.diagonal(table, axis1=-2, axis2=-1).sum(axis=-1), gold.sum(axis=-1)
        both = (gold * predicted[..., :k]).sum(axis=-1)
        below = (n * n - (predicted**2).sum(axis=-1)) * (n * n - (gold**2).sum(axis=-1))
        return ratio(right * n - both, np.sqrt(below))

    return Sums(data.rows, (*data.notes, *constant(data)), k * (k + 1), formula, codes=cells(data))


def constant(data: ClassData) -> list[str]:
    """A note where gold or predictions are all of one class."""
    notes = []
    for what, codes in (("gold has", data.gold), ("predictions have", data.predicted)):
        if len(codes) and (codes == codes[0]).all():
            notes.append(f"{what} one class only: the score counts as 0")
    return notes


def kappa(data: ClassData, weights: Literal["none", "linear", "quadratic"]) -> Sums:
    k = len(data.classes)
    at = np.arange(k + 1, dtype=np.float64)
    apart = np.abs(at[:k, None] - at[None, :])
    cost = {"none": (apart > 0).astype(np.float64), "linear": apart, "quadratic": apart**2}[weights]

    def formula(sums: Floats) -> Floats:
        table = tables(sums, k)
        gold, predicted = table.sum(axis=-1), table.sum(axis=-2)
        expected = gold[..., :, None] * predicted[..., None, :] / gold.sum(axis=-1)[..., None, None]
        seen, chance = (table * cost).sum(axis=(-2, -1)), (expected * cost).sum(axis=(-2, -1))
        return np.asarray(1 - np.divide(seen, chance, out=np.full(np.shape(seen), np.nan), where=chance != 0))

    note = ("gold and predictions have one and the same class only: there is no agreement beyond chance to measure",)
    alone = data.rows > 0 and bool((data.gold == data.gold[0]).all() and (data.predicted == data.gold[0]).all())
    return Sums(data.rows, (*data.notes, *(note if alone else ())), k * (k + 1), formula, codes=cells(data))


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
