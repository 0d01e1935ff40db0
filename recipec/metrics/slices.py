"""Metrics by slice: where a model is good and where it is not, and how far apart groups lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recipec.api import DataError
from recipec.metrics._base import Metric
from recipec.metrics._data import Data, Ints
from recipec.metrics.bootstrap import RESAMPLES, Interval, cut, interval, numbered, resampled

SMALL = 30
"""Rows below which a slice's score says little; its interval shows how little."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The rows with one value of the slicing expression. ``against_rest`` is its score less that of all other rows, with an interval."""

    name: str
    rows: int
    share: float
    score: Interval
    against_rest: Interval | None
    small: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Slices:
    """``gap`` is the greatest score less the least, over slices that are not small; ``worst`` and ``best`` name them."""

    slices: tuple[Slice, ...]
    gap: float
    gap_interval: Interval | None
    worst: str | None
    best: str | None


def name_of(value: Any) -> str:
    """How a slice is called: SQL's words for null and truth."""
    if value is None or value != value:
        return "null"
    return str(value).lower() if isinstance(value, (bool, np.bool_)) else str(value)


def slices(
    metric: Metric,
    data: Data,
    values: Sequence[Any],
    *,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 0,
    small: int = SMALL,
    groups: Sequence[Any] | None = None,
) -> Slices:
    """The metric for the rows of each of ``values`` (one a row of ``data``, in its order); null is a slice of its own. Slices come in the order
    of their rows, most first, then by name.
    """
    if len(values) != data.rows:
        raise DataError(f"{len(values)} slice values beside {data.rows} rows")
    names = [name_of(v) for v in values]
    places: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        places.setdefault(name, []).append(i)
    ordered = sorted(places, key=lambda n: (-len(places[n]), n))
    made: list[Slice] = []
    for number, name in enumerate(ordered):
        inside = np.array(places[name], dtype=np.int64)
        part = data.take(inside)
        its = None if groups is None else [groups[i] for i in inside]
        found = interval(metric, part, resamples=resamples, level=level, seed=seed + number, groups=its)
        rest = None
        if len(ordered) > 1:
            apart = np.ones(data.rows, dtype=bool)
            apart[inside] = False
            outside = np.flatnonzero(apart)
            rest = difference(metric, data, inside, outside, resamples, level, seed + number, groups)
        made.append(Slice(name, len(inside), len(inside) / data.rows, found, rest, len(inside) < small, metric.score(part).notes))
    sound = [s for s in made if not s.small and not math.isnan(s.score.value)]
    if len(sound) < 2:
        return Slices(tuple(made), math.nan, None, None, None)
    least, most = min(sound, key=lambda s: s.score.value), max(sound, key=lambda s: s.score.value)
    worst, best = (least, most) if metric.greater_is_better else (most, least)
    ends = [np.array(places[s.name], dtype=np.int64) for s in (most, least)]
    gap = difference(metric, data, ends[0], ends[1], resamples, level, seed, groups)
    return Slices(tuple(made), most.score.value - least.score.value, gap, worst.name, best.name)


def difference(
    metric: Metric, data: Data, inside: Ints, outside: Ints, resamples: int, level: float, seed: int, groups: Sequence[Any] | None
) -> Interval:
    """The metric inside less that outside, with the interval of the difference of two independent samples."""
    values: list[float] = []
    drawn = []
    for offset, rows in enumerate((inside, outside)):
        part = data.take(rows)
        statistic = metric.statistic(part)
        codes, count = numbered(None if groups is None else [groups[i] for i in rows], part.rows)
        values.append(statistic.value())
        drawn.append(resampled(statistic, resamples, seed * 2 + offset, codes, count))
    return cut(values[0] - values[1], drawn[0] - drawn[1], ((1 - level) / 2, (1 + level) / 2), level)
