"""The statistics of a profile: quantiles and histograms of counted values, effect sizes, and tests, each by its published definition.

Pure arithmetic without chance: the same numbers give the same answers on every machine, up to the last bit of ``math``'s functions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

Pairs = Sequence[tuple[float, int]]
"""Values, increasing, each with how often it occurs."""

QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS: Final = 16
SKEWED: Final = 12
"""A histogram is by powers where the largest value is this many times the median."""


def quantile(pairs: Pairs, share: float) -> float:
    """The smallest value that at least ``share`` of the values do not exceed."""
    wanted = max(1, math.ceil(share * sum(n for _, n in pairs) - 1e-9))
    seen = 0
    for value, count in pairs:
        seen += count
        if seen >= wanted:
            return value
    raise ValueError("no values")


def spread(pairs: Pairs) -> dict[str, Any] | None:
    """Least, quantiles, largest, mean and histogram; None without values."""
    if not pairs:
        return None
    total = sum(n for _, n in pairs)
    return {
        "min": pairs[0][0],
        **{f"p{round(q * 100)}": quantile(pairs, q) for q in QUANTILES},
        "max": pairs[-1][0],
        "mean": math.fsum(v * n for v, n in pairs) / total,
        "histogram": histogram(pairs),
    }


def histogram(pairs: Pairs) -> dict[str, Any]:
    """Counts in bins between the least and the largest value: of equal width, or, for values from 0 up with a long tail, of equal ratio.

    ``edges`` has one entry more than ``counts``; a bin takes values from its edge up to the next, the last one its upper edge too.
    """
    low, high = pairs[0][0], pairs[-1][0]
    if low == high:
        return {"scale": "linear", "edges": [low, high], "counts": [sum(n for _, n in pairs)]}
    skewed = low >= 0 and high > SKEWED * max(1.0, quantile(pairs, 0.5))
    shift = 1.0 if low < 1 else 0.0
    whole = all(float(v).is_integer() for v, _ in pairs[:1000])
    bins = BINS
    if whole and high - low < BINS:
        bins, skewed = int(high - low) + 1, False
        edges = [low + i for i in range(bins + 1)]
    elif skewed:
        a, b = math.log(low + shift), math.log(high + shift)
        edges = [math.exp(a + (b - a) * i / bins) - shift for i in range(bins + 1)]
    else:
        edges = [low + (high - low) * i / bins for i in range(bins + 1)]
    counts = [0] * bins
    at = 0
    for value, count in pairs:
        while at < bins - 1 and value >= edges[at + 1]:
            at += 1
        counts[at] += count
    return {"scale": "log" if skewed else "linear", "edges": edges, "counts": counts}


def balance(counts: Sequence[int]) -> dict[str, float | None]:
    """How even classes are: ``ratio`` of the largest to the smallest, ``entropy`` in bits, and ``evenness``, that over its largest (Pielou)."""
    total = sum(counts)
    filled = [n for n in counts if n]
    if not filled:
        return {"ratio": None, "entropy": None, "evenness": None}
    entropy = max(0.0, -math.fsum(n / total * math.log2(n / total) for n in filled))
    return {
        "ratio": max(filled) / min(filled),
        "entropy": entropy,
        "evenness": entropy / math.log2(len(filled)) if len(filled) > 1 else None,
    }


# Two groups -----------------------------------------------------------------------------------------------------------


def cliff(one: Pairs, rest: Pairs) -> float | None:
    """Cliff's delta (1993): how much oftener a value of ``one`` exceeds a value of ``rest`` than the other way, from -1 to 1."""
    n, m = sum(c for _, c in one), sum(c for _, c in rest)
    if not n or not m:
        return None
    values = [v for v, _ in rest]
    below = [0, *accumulate(c for _, c in rest)]
    at, won, lost = 0, 0, 0
    for value, count in one:
        while at < len(values) and values[at] < value:
            at += 1
        same = below[at + 1] - below[at] if at < len(values) and values[at] == value else 0
        won += count * below[at]
        lost += count * (m - below[at] - same)
    return (won - lost) / (n * m)


def size_of_cliff(delta: float) -> str:
    """Words for Cliff's delta by the bounds of Romano et al. (2006): 0.147, 0.33, 0.474."""
    return _words(abs(delta), (0.147, 0.33, 0.474))


def cohen_h(one: float, other: float) -> float:
    """Cohen's h (1988) of two shares: the difference of their arcsines."""
    return 2 * math.asin(math.sqrt(min(1.0, max(0.0, one)))) - 2 * math.asin(math.sqrt(min(1.0, max(0.0, other))))


def size_of_h(h: float) -> str:
    """Words for Cohen's h by his bounds: 0.2, 0.5, 0.8."""
    return _words(abs(h), (0.2, 0.5, 0.8))


def _words(size: float, bounds: tuple[float, float, float]) -> str:
    return ("negligible", "small", "medium", "large")[sum(size >= b for b in bounds)]


# Tables of counts -----------------------------------------------------------------------------------------------------


def association(table: Sequence[Sequence[int]]) -> dict[str, Any] | None:
    """How far two kinds of classes go together: Pearson's chi-square, its p, and Cramér's V.

    ``v`` is V corrected for bias (Bergsma 2013), ``v_low`` and ``v_high`` its 95 % confidence interval by inversion of the non-central
    chi-square distribution (Smithson 2003; Sankaran's approximation of 1963). ``sparse`` is the share of cells whose expected count is
    below 5: above a fifth, p is not to be trusted (Cochran 1954). None where there are not two classes on both sides.
    """
    rows = [r for r in table if sum(r)]
    kept = [j for j in range(len(rows[0]) if rows else 0) if any(r[j] for r in rows)]
    rows = [[r[j] for j in kept] for r in rows]
    if len(rows) < 2 or len(kept) < 2:
        return None
    total = sum(map(sum, rows))
    across = [sum(r) for r in rows]
    down = [sum(r[j] for r in rows) for j in range(len(kept))]
    chi, sparse = 0.0, 0
    for i, row in enumerate(rows):
        for j, seen in enumerate(row):
            expected = across[i] * down[j] / total
            chi += (seen - expected) ** 2 / expected
            sparse += expected < 5
    freedom = (len(rows) - 1) * (len(kept) - 1)
    least = min(len(rows), len(kept))
    low, high = (math.sqrt(x / (total * (least - 1))) for x in _noncentrality(chi, freedom))
    return {
        "rows": total,
        "chi_square": chi,
        "degrees_of_freedom": freedom,
        "p": chi_square_tail(chi, freedom),
        "v": _bergsma(chi, total, len(rows), len(kept)),
        "v_low": low,
        "v_high": min(1.0, high),
        "sparse": sparse / (len(rows) * len(kept)),
    }


def _bergsma(chi: float, total: int, rows: int, columns: int) -> float:
    if total < 2:
        return 0.0
    phi = max(0.0, chi / total - (rows - 1) * (columns - 1) / (total - 1))
    r, c = rows - (rows - 1) ** 2 / (total - 1), columns - (columns - 1) ** 2 / (total - 1)
    return min(1.0, math.sqrt(phi / (min(r, c) - 1))) if min(r, c) > 1 else 0.0


def size_of_v(v: float, least: int) -> str:
    """Words for Cramér's V by Cohen's bounds for w (0.1, 0.3, 0.5), which is V times the root of the lesser number of classes less one."""
    return _words(v * math.sqrt(max(1, least - 1)), (0.1, 0.3, 0.5))


def residual(seen: int, row: int, column: int, total: int) -> float:
    """The adjusted residual of a cell (Haberman 1973): about standard normal where the two sides have nothing to do with each other."""
    expected = row * column / total
    variance = expected * (1 - row / total) * (1 - column / total)
    return (seen - expected) / math.sqrt(variance) if variance > 0 else 0.0


def normal_tail(z: float) -> float:
    """The chance of a standard normal number further from 0 than ``z``, both sides."""
    return math.erfc(abs(z) / math.sqrt(2))


def chi_square_tail(x: float, freedom: int) -> float:
    """The chance of a chi-square number above ``x``: the upper regularised incomplete gamma function (series, continued fraction)."""
    a, y = freedom / 2, x / 2
    if y <= 0:
        return 1.0
    lead = math.exp(a * math.log(y) - y - math.lgamma(a)) if a * math.log(y) - y - math.lgamma(a) > -745 else 0.0
    if y < a + 1:
        term = total = 1 / a
        step = a
        while abs(term) > abs(total) * 1e-15:
            step += 1
            term *= y / step
            total += term
        return max(0.0, 1 - lead * total)
    # Lentz's method.
    b = y + 1 - a
    c, d = 1e300, 1 / b
    result = d
    for i in range(1, 10_000):
        factor = -i * (i - a)
        b += 2
        d = 1 / (factor * d + b or 1e-300)
        c = b + factor / c or 1e-300
        result *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return min(1.0, lead * result)


def _noncentrality(chi: float, freedom: int) -> tuple[float, float]:
    """Bounds of the 95 % interval of a non-centrality that gives ``chi``."""
    bounds = []
    for wanted in (0.975, 0.025):
        low, high = 0.0, chi + 10 * math.sqrt(chi + 1) + 50
        if _below(chi, freedom, 0.0) <= wanted:
            bounds.append(0.0)
            continue
        for _ in range(100):
            middle = (low + high) / 2
            if _below(chi, freedom, middle) > wanted:
                low = middle
            else:
                high = middle
        bounds.append((low + high) / 2)
    return bounds[0], bounds[1]


def _below(x: float, k: int, shift: float) -> float:
    """The chance of a non-central chi-square number below ``x`` (Sankaran 1963)."""
    if x <= 0:
        return 0.0
    if not shift:
        return 1 - chi_square_tail(x, k)
    h = 1 - 2 * (k + shift) * (k + 3 * shift) / (3 * (k + 2 * shift) ** 2)
    p = (k + 2 * shift) / (k + shift) ** 2
    m = (h - 1) * (1 - 3 * h)
    mean = 1 + h * p * (h - 1 - (2 - h) * m * p / 2)
    deviation = h * math.sqrt(2 * p) * (1 + m * p / 2)
    return 0.5 * math.erfc(-((x / (k + shift)) ** h - mean) / deviation / math.sqrt(2))


# Words of groups ------------------------------------------------------------------------------------------------------

PRIOR: Final = 1000.0
"""Weight of the prior: as if so many words had been seen in every group, in the shares of the whole."""


def log_odds(seen: Any, size: Any, rest_seen: Any, rest_size: Any) -> Any:
    """How much more a group has of each word than the rest, in standard deviations; numpy arrays or numbers.

    The log-odds ratio with an informative Dirichlet prior of Monroe, Colaresi and Quinn, "Fightin' Words" (Political Analysis 16, 2008,
    equations 16, 20 and 22): the prior is the word's share in both together, weighing :data:`PRIOR` words. ``size`` and ``rest_size`` are
    the numbers of all words of the two sides.
    """
    import numpy as np

    prior = PRIOR * (seen + rest_seen) / (size + rest_size)
    one, other = seen + prior, rest_seen + prior
    # A word that is all there is has infinite odds: half a word of something else is allowed for.
    delta = np.log(one / (size + PRIOR - one + 0.5)) - np.log(other / (rest_size + PRIOR - other + 0.5))
    return delta / np.sqrt(1 / one + 1 / other)
