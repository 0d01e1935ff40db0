"""Metrics of scores and probabilities: how well they rank, and how far they can be believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recipec.api import DataError
from recipec.metrics._data import Bools, ClassData, Floats, Ints, MultiLabelData
from recipec.metrics._statistic import Ranked, Statistic, Sums, Whole

EPSILON = float(np.finfo(np.float64).eps)


def area(positive: Floats, negative: Floats) -> Floats:
    """The area under the ROC curve: the chance that a true row scores above a false one, ties counting half (Mann and Whitney 1947)."""
    p, n = positive.sum(axis=-1), negative.sum(axis=-1)
    above = n[..., None] - np.cumsum(negative, axis=-1)
    won = (positive * (above + negative / 2)).sum(axis=-1)
    return np.asarray(np.divide(won, p * n, out=np.full(p.shape, np.nan), where=p * n > 0))


def average_precision(positive: Floats, negative: Floats) -> Floats:
    """The sum over distinct scores of precision there times the gain in recall."""
    right = np.cumsum(positive, axis=-1)
    seen = right + np.cumsum(negative, axis=-1)
    precision = np.divide(right, seen, out=np.zeros(right.shape), where=seen > 0)
    p = positive.sum(axis=-1)
    return np.asarray(np.divide((positive * precision).sum(axis=-1), p, out=np.full(p.shape, np.nan), where=p > 0))


def usable(data: ClassData | MultiLabelData) -> Bools:
    """The rows whose probabilities can be used."""
    if data.probabilities is None:
        raise DataError("this metric needs a probability for every class", "predict with probabilities, or leave the metric out")
    return np.asarray(~np.isnan(data.probabilities).any(axis=1))


def truth(data: ClassData | MultiLabelData) -> Bools:
    """For each class, the rows that are of it, as (rows, classes)."""
    if isinstance(data, MultiLabelData):
        return data.gold
    return np.asarray(data.gold[:, None] == np.arange(len(data.classes)))


def ranked(
    data: ClassData | MultiLabelData,
    measure: Callable[[Floats, Floats], Floats],
    weighted: bool,
    positive: str | None,
    symmetric: bool,
) -> Statistic:
    """``symmetric``: of two classes it is enough to look at one."""
    rows = usable(data)
    assert data.probabilities is not None
    of = truth(data)
    if positive is not None:
        if positive not in data.classes:
            raise DataError(f"no class {positive!r}", f"the classes are {', '.join(map(repr, data.classes))}")
        columns = [data.classes.index(positive)]
    elif symmetric and isinstance(data, ClassData) and len(data.classes) == 2:
        columns = [1]
    else:
        columns = list(range(len(data.classes)))
    notes = list(data.notes)
    known = of[rows]
    out = [c for c in columns if not known[:, c].any() or (symmetric and known[:, c].all())]
    if out:
        shown = ", ".join(repr(data.classes[c]) for c in out[:5]) + (f" and {len(out) - 5} more" if len(out) > 5 else "")
        what = "no rows" if not symmetric else "no rows, or all of them,"
        notes.append(f"{what} are of {shown}: " + ("there is no value" if len(out) == len(columns) else "left out of the average"))
    used = np.flatnonzero(rows)
    made = Ranked(
        len(used),
        tuple(notes),
        [known[:, c] for c in columns],
        [np.ascontiguousarray(data.probabilities[used, c]) for c in columns],
        measure,
        weighted,
    )
    return made if len(used) == data.rows else Within(data.rows, made.notes, made, used)


@dataclass(frozen=True)
class Within(Statistic):
    """A statistic of some of the rows: those without usable probabilities are drawn with the others, and then not looked at."""

    inner: Statistic
    places: Ints

    def value(self) -> float:
        return self.inner.value() if len(self.places) else float("nan")

    def weighted(self, weights: Ints) -> Floats:
        return self.inner.weighted(weights[:, self.places])


def of_gold(data: ClassData) -> tuple[Floats, Bools]:
    """The probability given to the gold class, NaN where there is none, and which rows have one."""
    rows = usable(data)
    assert data.probabilities is not None
    return data.probabilities[np.arange(data.rows), data.gold], rows


def mean_where(values: Floats, rows: Bools, notes: tuple[str, ...]) -> Sums:
    """The mean of a value a row over ``rows``."""
    table = np.column_stack((np.where(rows, values, 0.0), rows.astype(np.float64)))
    return Sums(len(values), notes, 2, lambda s: s[..., 0] / s[..., 1], rows_add=table)


def log_loss(data: ClassData | MultiLabelData) -> Sums:
    if isinstance(data, MultiLabelData):
        rows = usable(data)
        assert data.probabilities is not None
        p = np.clip(np.where(data.gold, data.probabilities, 1 - data.probabilities), EPSILON, 1 - EPSILON)
        return mean_where(-np.log(p).mean(axis=1), rows, data.notes)
    given, rows = of_gold(data)
    return mean_where(-np.log(np.clip(given, EPSILON, 1 - EPSILON)), rows, data.notes)


def brier(data: ClassData | MultiLabelData) -> Sums:
    rows = usable(data)
    assert data.probabilities is not None
    squares = (data.probabilities - truth(data)) ** 2
    if isinstance(data, MultiLabelData):
        return mean_where(squares.mean(axis=1), rows, data.notes)
    # Of two classes both miss by the same: the customary score is that of one.
    return mean_where(squares.sum(axis=1) * (0.5 if len(data.classes) == 2 else 1.0), rows, data.notes)


def top_k(data: ClassData, k: int) -> Sums:
    given, rows = of_gold(data)
    assert data.probabilities is not None
    above = (data.probabilities > given[:, None]).sum(axis=1)
    # Of classes with equal probabilities those that are listed first come first.
    before = np.arange(len(data.classes))[None, :] < data.gold[:, None]
    above += ((data.probabilities == given[:, None]) & before).sum(axis=1)
    return mean_where((above < k).astype(np.float64), rows, data.notes)


def confidence(data: ClassData) -> tuple[Floats, Bools, Bools]:
    """The greatest probability, whether the class that has it is right, and which rows have one."""
    rows = usable(data)
    assert data.probabilities is not None
    top = np.where(np.isnan(data.probabilities), -1.0, data.probabilities)
    best = top.argmax(axis=1)
    return top[np.arange(data.rows), best], np.asarray(best == data.gold), rows


def bin_of(sure: Floats, bins: int) -> Ints:
    """The number of each confidence's bin: bins of equal width, open below and closed above."""
    return np.clip(np.searchsorted(np.linspace(0, 1, bins + 1), sure, side="left") - 1, 0, bins - 1)


def equal_counts(sure: Floats, bins: int) -> list[Ints]:
    """Rows in order of confidence, in ``bins`` parts as equal as can be."""
    return np.array_split(np.argsort(sure, kind="stable"), bins)


def ece(data: ClassData, bins: int, adaptive: bool) -> Statistic:
    sure, right, rows = confidence(data)
    used = np.flatnonzero(rows)
    if adaptive:
        s, r = sure[used], right[used].astype(np.float64)

        def gap(places: Ints) -> float:
            if not len(places):
                return float("nan")
            a, b = s[places], r[places]
            return float(sum(abs(a[part].sum() - b[part].sum()) for part in equal_counts(a, bins)) / len(places))

        inner = Whole(len(used), data.notes, gap)
        return inner if len(used) == data.rows else Within(data.rows, data.notes, inner, used)
    at = bin_of(sure, bins)
    table = np.zeros((data.rows, bins + 1))
    table[used, at[used]] = sure[used] - right[used]
    table[used, bins] = 1
    return Sums(data.rows, data.notes, bins + 1, lambda s: np.abs(s[..., :bins]).sum(axis=-1) / s[..., bins], rows_add=table)
