"""How far judges agree: people who annotate, models that judge, or one with the other.

Ratings come as a list for each item, one rating a judge, None where the judge gave none. What two judges agree on by chance is taken away: 1 is
full agreement, 0 what chance gives, less than 0 worse than chance.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from recipec.api import DataError

Rating = str | int | float
Level = Literal["nominal", "ordinal", "interval"]


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two judges, by their places: on how many items both gave a rating, the share on which it is the same, and Cohen's kappa."""

    first: int
    second: int
    items: int
    same: float
    kappa: float


def judges(items: Sequence[Sequence[Rating | None]]) -> int:
    counts = {len(row) for row in items}
    if len(counts) > 1:
        raise DataError("items have different numbers of ratings", "give one for each judge, null where there is none")
    return counts.pop() if counts else 0


def pairs(items: Sequence[Sequence[Rating | None]]) -> list[PairAgreement]:
    """Every two judges on the items that both rated; NaN where there are none, or where chance alone would agree (Cohen 1960)."""
    out = []
    for a, b in combinations(range(judges(items)), 2):
        both = [(row[a], row[b]) for row in items if row[a] is not None and row[b] is not None]
        n = len(both)
        same = sum(x == y for x, y in both) / n if n else math.nan
        first, second = Counter(x for x, _ in both), Counter(y for _, y in both)
        chance = sum(first[x] * second[x] for x in first) / (n * n) if n else math.nan
        out.append(PairAgreement(a, b, n, same, (same - chance) / (1 - chance) if n and chance < 1 else math.nan))
    return out


def fleiss_kappa(items: Sequence[Sequence[Rating | None]]) -> float:
    """Fleiss' kappa of items that have equally many ratings, by whomever (Fleiss 1971); NaN where chance alone would agree."""
    counts = [Counter(r for r in row if r is not None) for row in items]
    sizes = {c.total() for c in counts}
    if len(sizes) != 1 or min(sizes) < 2:
        raise DataError("Fleiss' kappa needs equally many ratings of each item, at least two", "krippendorff_alpha takes any")
    n, many = sizes.pop(), len(counts)
    seen = math.fsum((sum(v * v for v in c.values()) - n) / (n * (n - 1)) for c in counts) / many
    whole = Counter[Rating]()
    for c in counts:
        whole.update(c)
    chance = math.fsum((v / (n * many)) ** 2 for v in whole.values())
    return (seen - chance) / (1 - chance) if chance < 1 else math.nan


def krippendorff_alpha(items: Sequence[Sequence[Rating | None]], level: Level = "nominal") -> float:
    """Krippendorff's alpha: 1 - disagreement seen / disagreement expected, over all pairs of ratings of an item; any number of judges, ratings may
    be missing (Krippendorff 2011). ``level`` says how far apart two ratings are: ``nominal`` different or not, ``ordinal`` by the ratings
    between them, ``interval`` by the square of their difference (numbers). NaN where all ratings are the same, or no item has two.
    """
    units = [c for row in items if (c := Counter(r for r in row if r is not None)).total() >= 2]
    whole = Counter[Rating]()
    for unit in units:
        whole.update(unit)
    n = whole.total()
    values = sorted(whole, key=lambda v: (isinstance(v, str), v))
    apart = distance(values, whole, level)
    seen = math.fsum(
        2 * unit[a] * unit[b] * apart(a, b) / (unit.total() - 1) for unit in units for a, b in combinations(sorted_of(unit, values), 2)
    )
    chance = math.fsum(2 * whole[a] * whole[b] * apart(a, b) for a, b in combinations(values, 2))
    return 1 - (n - 1) * seen / chance if chance > 0 else math.nan


def sorted_of(unit: Counter[Rating], values: Sequence[Rating]) -> list[Rating]:
    return [v for v in values if v in unit]


def distance(values: Sequence[Rating], whole: Counter[Rating], level: Level) -> Callable[[Rating, Rating], float]:
    match level:
        case "nominal":
            return lambda a, b: float(a != b)
        case "ordinal":
            place = {v: i for i, v in enumerate(values)}
            below = [0]
            for v in values:
                below.append(below[-1] + whole[v])

            def between(a: Rating, b: Rating) -> float:
                i, j = sorted((place[a], place[b]))
                return (below[j + 1] - below[i] - (whole[values[i]] + whole[values[j]]) / 2) ** 2

            return between
        case "interval":
            if any(isinstance(v, str) for v in values):
                raise DataError("ratings that are texts have no distance", "use the level nominal or ordinal")
            return lambda a, b: (float(a) - float(b)) ** 2
