"""What a model gets wrong: its surest errors, and the pairs of classes that it confuses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recipec.metrics import _counts
from recipec.metrics._data import ClassData


@dataclass(frozen=True, slots=True)
class Wrong:
    """A wrong row. ``row`` is its place among the rows given to the maker of the data; ``predicted`` is None where there was no class.
    ``confidence`` is the probability of the predicted class and ``gold_probability`` that of the right one, None without probabilities."""

    row: int
    gold: str
    predicted: str | None
    confidence: float | None
    gold_probability: float | None


@dataclass(frozen=True, slots=True)
class Pair:
    """``count`` rows of ``gold`` were predicted as ``predicted`` (None: no class); ``share`` is of the rows of ``gold``."""

    gold: str
    predicted: str | None
    count: int
    share: float


def worst(data: ClassData, limit: int = 20) -> list[Wrong]:
    """The wrong rows whose prediction was surest, surest first; where equally sure, the right class less probable, then the first row.
    Rows without usable probabilities come last."""
    wrong = np.flatnonzero(data.gold != data.predicted)
    k = len(data.classes)
    kept = np.arange(data.rows) if data.kept is None else data.kept
    if data.probabilities is None:
        order = wrong
        sure = right = None
    else:
        answered = np.minimum(data.predicted[wrong], k - 1)
        sure = np.where(data.predicted[wrong] < k, data.probabilities[wrong, answered], np.nan)
        right = data.probabilities[wrong, data.gold[wrong]]
        order = np.lexsort((kept[wrong], np.nan_to_num(right, nan=2.0), -np.nan_to_num(sure, nan=-1.0)))
    out = []
    for at in (range(len(order)) if data.probabilities is None else order)[:limit]:
        i = wrong[at]
        a = None if sure is None or np.isnan(sure[at]) else float(sure[at])
        b = None if right is None or np.isnan(right[at]) else float(right[at])
        guess = data.classes[data.predicted[i]] if data.predicted[i] < k else None
        out.append(Wrong(int(kept[i]), data.classes[data.gold[i]], guess, a, b))
    return out


def confused(data: ClassData, limit: int | None = None) -> list[Pair]:
    """The pairs of classes confused, most rows first; of equally many those with the greater share, then in the order of the classes."""
    table = _counts.confusion(data)
    k = len(data.classes)
    gold = table.sum(axis=1)
    pairs = [(int(table[g, p]), table[g, p] / gold[g], g, p) for g in range(k) for p in range(k + 1) if g != p and table[g, p]]
    pairs.sort(key=lambda x: (-x[0], -x[1], x[2], x[3]))
    return [Pair(data.classes[g], data.classes[p] if p < k else None, n, float(share)) for n, share, g, p in pairs[:limit]]
