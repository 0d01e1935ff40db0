"""Intervals and comparisons by resampling (Efron 1979), fast enough to be always on.

A resample draws as many rows as there are, with replacement; with groups (the documents that sentences come from, the authors of messages)
it draws whole groups, since rows of one group are not independent and an interval from rows alone would be too narrow.

Everything is a function of the data and the ``seed``: random numbers come from numpy's legacy Mersenne Twister, whose stream is frozen, so
that the same seed gives the same interval with any version of numpy and any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from recipec.api import DataError
from recipec.metrics._base import Metric
from recipec.metrics._data import ClassData, Data, Floats, Ints, LossData, MultiLabelData, NumberData
from recipec.metrics._statistic import Statistic, Sums

RESAMPLES = 1000
CHUNK = 4_000_000
"""Weights made at a time: rows times resamples."""

Method = Literal["percentile", "bca"]


@dataclass(frozen=True, slots=True)
class Interval:
    """``low`` to ``high`` holds the true value with a chance of ``level``, as far as the rows are a fair sample. NaN where there is none.

    ``undefined`` counts resamples in which the metric had no value (one class only); they are left out, and many of them make the interval
    worthless.
    """

    value: float
    low: float
    high: float
    level: float
    resamples: int
    undefined: int = 0
    method: Method = "percentile"

    @property
    def known(self) -> bool:
        return not (math.isnan(self.low) or math.isnan(self.high))


def generator(seed: int) -> np.random.RandomState:
    """A stream for any whole number, of which all bits count."""
    seed = abs(seed) * 2 + (seed < 0)
    words = [1]
    while seed:
        words.append(seed & 0xFFFFFFFF)
        seed >>= 32
    return np.random.RandomState(np.array(words, dtype=np.uint32))


def numbered(groups: npt.ArrayLike | None, rows: int) -> tuple[Ints | None, int]:
    """A number for each row's group, in the order in which groups first come, and how many there are. Rows with a null group are one each."""
    if groups is None:
        return None, rows
    given = groups.tolist() if isinstance(groups, np.ndarray) else list(groups)  # type: ignore[arg-type]
    if len(given) != rows:
        raise DataError(f"{len(given)} groups beside {rows} rows")
    seen: dict[object, int] = {}
    out = np.empty(rows, dtype=np.int64)
    for i, group in enumerate(given):
        alone = group is None or group != group
        out[i] = seen.setdefault(("alone", i) if alone else ("group", group), len(seen))
    return out, len(seen)


def weights(rows: int, resamples: int, seed: int, groups: Ints | None = None, count: int | None = None) -> Iterator[Ints]:
    """How often each row is drawn in each resample, as (some resamples, rows), until all are given."""
    units = rows if groups is None or count is None else count
    random = generator(seed)
    step = max(1, CHUNK // max(1, max(rows, units)))
    for start in range(0, resamples, step):
        n = min(step, resamples - start)
        drawn = random.randint(0, units, size=(n, units), dtype=np.int64)
        drawn += np.arange(n)[:, None] * units
        times = np.bincount(drawn.ravel(), minlength=n * units).reshape(n, units)
        yield times if groups is None else times[:, groups]


def cell_draws(counts: Ints, width: int, resamples: int, seed: int) -> Iterator[Floats]:
    """For rows that fall in cells, ``counts`` in each: how many rows of each resample fall in each, some resamples at a time. ``width`` is how
    many numbers a resample will need."""
    random, n = generator(seed), int(counts.sum())
    step = max(1, CHUNK // max(width, len(counts), 1))
    for start in range(0, resamples, step):
        yield random.multinomial(n, counts / n, size=min(step, resamples - start)).astype(np.float64)


def spread(drawn: Floats, statistic: Sums, into: Ints) -> Floats:
    """The statistic of drawn cells, ``into`` saying which of its own cells each is."""
    sums = np.zeros((len(drawn), statistic.width))
    for i, at in enumerate(into):
        sums[:, at] += drawn[:, i]
    return statistic.of(sums)


def resampled(statistic: Statistic, resamples: int, seed: int, groups: Ints | None, count: int) -> Floats:
    """The statistic's value on each resample."""
    if groups is None and isinstance(statistic, Sums) and statistic.codes is not None:
        cells, counts = np.unique(statistic.codes, return_counts=True)
        return np.concatenate([spread(drawn, statistic, cells) for drawn in cell_draws(counts, statistic.width, resamples, seed)])
    if groups is not None and isinstance(statistic, Sums) and statistic.codes is None:
        statistic, groups = by_group(statistic, groups, count), None
    return np.concatenate([statistic.weighted(w) for w in weights(statistic.rows, resamples, seed, groups, count)])


def by_group(statistic: Sums, groups: Ints, count: int) -> Sums:
    """The same statistic of vectors with groups for rows."""
    assert statistic.rows_add is not None
    table = np.zeros((count, statistic.width))
    np.add.at(table, groups, statistic.rows_add)
    return Sums(count, statistic.notes, statistic.width, statistic.formula, rows_add=table)


def interval(
    metric: Metric,
    data: Data,
    *,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 0,
    groups: npt.ArrayLike | None = None,
    method: Method = "percentile",
) -> Interval:
    """The metric on ``data`` with its interval.

    ``percentile`` cuts (1 - level) / 2 of the resampled values at each end; ``bca`` moves the cuts by the bias and skewness of the statistic
    (Efron 1987), which matters for scores near 0 or 1 on few rows, and costs a value for each row left out. ``groups`` has a value a row of
    ``data`` (of the rows kept).
    """
    if data.rows == 0:
        return Interval(math.nan, math.nan, math.nan, level, 0, 0, method)
    statistic = metric.measured(data)
    value = statistic.value()
    codes, count = numbered(groups, data.rows)
    drawn = resampled(statistic, resamples, seed, codes, count)
    shares = ((1 - level) / 2, (1 + level) / 2)
    if method == "bca":
        shares = corrected(statistic, value, drawn, shares, codes, count)
    return cut(value, drawn, shares, level, method)


def cut(value: float, drawn: Floats, shares: tuple[float, float], level: float, method: Method = "percentile") -> Interval:
    known = drawn[~np.isnan(drawn)]
    if math.isnan(value) or not len(known):
        return Interval(value, math.nan, math.nan, level, len(drawn), len(drawn) - len(known), method)
    low, high = np.quantile(known, shares)
    return Interval(value, float(low), float(high), level, len(drawn), len(drawn) - len(known), method)


def corrected(
    statistic: Statistic, value: float, drawn: Floats, shares: tuple[float, float], groups: Ints | None, count: int
) -> tuple[float, float]:
    """The shares to cut at under BCa; those given where its corrections have no value."""
    from statistics import NormalDist

    known = drawn[~np.isnan(drawn)]
    below = ((known < value).sum() + (known == value).sum() / 2) / max(1, len(known))
    if math.isnan(value) or not 0 < below < 1:
        return shares
    left = left_out(statistic, groups, count)
    apart = left.mean() - left
    spread = float((apart**2).sum()) ** 1.5
    skew = float((apart**3).sum()) / (6 * spread) if spread > 0 else 0.0
    if math.isnan(skew):
        return shares
    normal = NormalDist()
    bias = normal.inv_cdf(float(below))

    def moved(share: float) -> float:
        z = bias + normal.inv_cdf(share)
        return normal.cdf(bias + z / (1 - skew * z)) if skew * z < 1 else share

    return moved(shares[0]), moved(shares[1])


def left_out(statistic: Statistic, groups: Ints | None, count: int) -> Floats:
    """The statistic without each row (or group) in turn."""
    if isinstance(statistic, Sums) and statistic.rows_add is not None:
        if groups is not None:
            statistic = by_group(statistic, groups, count)
        assert statistic.rows_add is not None
        return statistic.of(statistic.total() - statistic.rows_add)
    if isinstance(statistic, Sums) and statistic.codes is not None and groups is None:
        total = statistic.total()
        cells, counts = np.unique(statistic.codes, return_counts=True)
        found = []
        for part in np.array_split(cells, len(cells) * statistic.width // CHUNK + 1):
            less = np.repeat(total[None, :], len(part), axis=0)
            less[np.arange(len(part)), part] -= 1
            found.append(statistic.of(less))
        return np.repeat(np.concatenate(found), counts)
    parts = []
    step = max(1, CHUNK // statistic.rows)
    for start in range(0, count, step):
        gone = np.arange(start, min(start + step, count))
        keep = gone[:, None] != (np.arange(statistic.rows) if groups is None else groups)[None, :]
        parts.append(statistic.weighted(keep.astype(np.int64)))
    return np.concatenate(parts)


# Two models on the same rows ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Comparison:
    """``difference`` is the second model's score less the first's, on the same rows. ``p_value`` is the chance of a difference at least as great
    if the models were equally good; ``better`` says which is, or ``None``: not distinguishable on these rows.
    """

    first: float
    second: float
    difference: Interval
    p_value: float
    test: str
    better: Literal["first", "second"] | None

    def sentence(self, first: str = "the first", second: str = "the second", name: str = "") -> str:
        """The result in words, from the better one's side: ``b is better than a: f1 higher by 2.10 points [0.40, 3.90], p = 0.012``."""
        d = self.difference
        if math.isnan(d.value):
            return f"{first} and {second} cannot be compared" + (f" by {name}" if name else "")
        # The difference is the second's lead; of the first's lead the sign and the ends are turned.
        sign = -1 if self.better == "first" else 1
        value, ends = sign * d.value, sorted((sign * d.low, sign * d.high)) if d.known else None
        if self.better is not None and value < 0:  # a metric of which less is better
            word, value, ends = "lower", -value, [-x for x in reversed(ends)] if ends is not None else None
        else:
            word = "higher"
        span = f" [{ends[0] * 100:.2f}, {ends[1] * 100:.2f}]" if ends is not None else ""
        p = f", p = {self.p_value:.3f}" if self.p_value >= 0.001 else ", p < 0.001"
        what = f"{name} " if name else ""
        if self.better is None:
            return f"{first} and {second} are not distinguishable on these rows: {what}{value * 100:+.2f} points for {second}{span}{p}"
        best, other = (first, second) if self.better == "first" else (second, first)
        return f"{best} is better than {other}: {what}{word} by {value * 100:.2f} points{span}{p}"


def compare(
    metric: Metric,
    first: Data,
    second: Data,
    *,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 0,
    groups: npt.ArrayLike | None = None,
) -> Comparison:
    """The metric of two models on the same rows, both measured on each resample.

    ``p_value`` is twice the share of resamples in which the difference lies on the other side of 0 (ties counting half, and one added to both
    counts, so that it is never 0): the paired bootstrap test. For ``accuracy`` of one class a row without groups it is McNemar's exact test
    on the rows where one model is right and the other wrong (McNemar 1947). A model is ``better`` where the p-value is below 1 - level and
    the interval of the difference leaves 0 out.
    """
    first, second, groups = aligned(first, second, groups)
    if first.rows != second.rows:
        raise DataError(f"the models were measured on {first.rows} and {second.rows} rows", "compare them on the same rows")
    if not same_gold(first, second):
        raise DataError("the models were measured against different gold values", "compare them on the same rows")
    if first.rows == 0:
        nothing = Interval(math.nan, math.nan, math.nan, level, 0)
        return Comparison(math.nan, math.nan, nothing, math.nan, "none", None)
    a, b = metric.measured(first), metric.statistic(second)
    one, other = a.value(), b.value()
    codes, count = numbered(groups, first.rows)
    if codes is None and isinstance(a, Sums) and isinstance(b, Sums) and a.codes is not None and b.codes is not None:
        cells, counts = np.unique(a.codes * b.width + b.codes, return_counts=True)
        one_of, other_of = cells // b.width, cells % b.width
        draws = cell_draws(counts, max(a.width, b.width), resamples, seed)
        apart = np.concatenate([spread(drawn, b, other_of) - spread(drawn, a, one_of) for drawn in draws])
    else:
        # The same seed draws the same rows for both.
        apart = resampled(b, resamples, seed, codes, count) - resampled(a, resamples, seed, codes, count)
    found = cut(other - one, apart, ((1 - level) / 2, (1 + level) / 2), level)
    known = apart[~np.isnan(apart)]
    if metric.name == "accuracy" and isinstance(first, (ClassData, MultiLabelData)) and isinstance(second, type(first)) and codes is None:
        p, test = mcnemar(right_rows(first), right_rows(second)), "McNemar, exact"
    else:
        half = float((known == 0).sum()) / 2
        low, high = float((known < 0).sum()) + half, float((known > 0).sum()) + half
        p, test = min(1.0, 2 * (min(low, high) + 1) / (len(known) + 1)) if len(known) else math.nan, "paired bootstrap"
    better: Literal["first", "second"] | None = None
    if p < 1 - level and found.known and not found.low <= 0 <= found.high:
        better = "second" if (found.value > 0) == metric.greater_is_better else "first"
    return Comparison(one, other, found, p, test, better)


def aligned(first: Data, second: Data, groups: npt.ArrayLike | None) -> tuple[Data, Data, npt.ArrayLike | None]:
    """Both on the rows that could be measured for both (a predicted number may be missing in one), and the groups of those. In other kinds of
    data gold alone says which rows are measured."""
    may_differ = isinstance(first, (NumberData, LossData)) and isinstance(second, (NumberData, LossData))
    if not may_differ or first.kept is None or second.kept is None or np.array_equal(first.kept, second.kept):
        return first, second, groups
    _, one, other = np.intersect1d(first.kept, second.kept, assume_unique=True, return_indices=True)
    if groups is not None:
        groups = [list(groups)[i] for i in one]  # type: ignore[arg-type]
    return first.take(one), second.take(other), groups


def right_rows(data: Data) -> npt.NDArray[np.bool_]:
    assert isinstance(data, (ClassData, MultiLabelData))
    same = data.gold == data.predicted
    return np.asarray(same if same.ndim == 1 else same.all(axis=1))


def same_gold(first: Data, second: Data) -> bool:
    if type(first) is not type(second):
        return False
    a, b = getattr(first, "gold", None), getattr(second, "gold", None)
    if isinstance(first, ClassData) and isinstance(second, ClassData) and first.classes != second.classes:
        return [first.classes[i] for i in first.gold] == [second.classes[i] for i in second.gold]
    return np.array_equal(a, b) if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) else a == b


def mcnemar(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> float:
    """The exact two-sided p-value of McNemar's test: the rows where just one is right, as throws of a fair coin."""
    b, c = int((first & ~second).sum()), int((~first & second).sum())
    return coin(min(b, c), b + c)


def coin(least: int, throws: int) -> float:
    """The two-sided chance of at most ``least`` heads or tails in ``throws`` of a fair coin."""
    if throws == 0:
        return 1.0
    log_half = throws * math.log(2)
    whole = math.lgamma(throws + 1)
    tail = math.fsum(math.exp(whole - math.lgamma(k + 1) - math.lgamma(throws - k + 1) - log_half) for k in range(least + 1))
    return min(1.0, 2 * tail)
