"""Chance as a function of (seed, salt, key): numbers, samples and mixtures that no order of rows or threads can change.

The salt says what the number is for (a step's name, say), so that two draws over one table are independent. Each number
comes from the MD5 of one text of at most 52 bytes for a row key, which is a single block of MD5 (a longer text takes
twice the time)::

    digest = md5(PREFIX || KEY)      PREFIX = first 16 hex digits of md5("SEED:SALT"), KEY = the key as text
    n      = digest[8:16] read with the low byte first, 64 bits
    rank64 = n                       unit = (n >> 11) / 2**53, in [0, 1)

Every value of ``unit`` is a DOUBLE without rounding, so SQL and Python give the same bits. MD5 (RFC 1321) never changes;
DuckDB's ``hash()`` may. In DuckDB 2.0 ``md5_number(x) >> 64`` takes 0.15 us a row on one core, against 0.29 by way of the
hexadecimal text and 0.55 with ``md5_number_lower`` or ``md5_number_upper``; ``%`` on a 128-bit number takes 2 us.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from hashlib import md5

from recipec.api import DataError

Share = Fraction | float | Decimal
"""A share of a whole, 0.8 for 80 %. Floats mean the decimal number they print as, not their binary neighbour."""


def _digest(text: str) -> bytes:
    return md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()


@lru_cache(64)
def _prefix(seed: int, salt: str) -> str:
    """64 bits that stand for seed and salt, always 16 characters."""
    return _digest(f"{seed}:{salt}").hex()[:16]


def _number(seed: int, salt: str, key_sql: str) -> str:
    return f"md5_number('{_prefix(seed, salt)}' || ({key_sql})::VARCHAR)"


def rank64(seed: int, salt: str, key_sql: str) -> str:
    """SQL for a UBIGINT that orders rows by chance. ``key_sql`` is anything with a text form; null gives null.

    Two of n keys share a rank with a chance of about n*n / 2**65: break ties by the key.
    """
    return f"({_number(seed, salt, key_sql)} >> 64)::UBIGINT"


def unit(seed: int, salt: str, key_sql: str) -> str:
    """SQL for a DOUBLE, uniform in [0, 1). ``key_sql`` is anything with a text form; null gives null."""
    return f"(({_number(seed, salt, key_sql)} >> 75)::BIGINT * 1.1102230246251565e-16)"


def rank64_of(seed: int, salt: str, key: object) -> int:
    """The number that :func:`rank64` gives for a key whose text in SQL is ``str(key)`` (a string, UUID or int)."""
    return int.from_bytes(_digest(_prefix(seed, salt) + str(key))[8:], "little")


def unit_of(seed: int, salt: str, key: object) -> float:
    """The number that :func:`unit` gives, bit for bit."""
    return (rank64_of(seed, salt, key) >> 11) * 2.0**-53


def exact(value: Share | int) -> Fraction:
    """A share or weight as the fraction that its decimal notation means: 0.1 is 1/10."""
    return Fraction(repr(value)) if isinstance(value, float) else Fraction(value)


# Whole numbers with a given sum ---------------------------------------------------------------------------------------


def apportion(total: int, wanted: Sequence[Fraction]) -> list[int]:
    """Whole numbers that sum to ``total``, each less than one from ``wanted`` (which sums to ``total``).

    Hamilton's method of largest remainders; equal remainders go to the earlier.
    """
    counts = [w.numerator // w.denominator for w in wanted]
    order = sorted(range(len(counts)), key=lambda i: (counts[i] - wanted[i], i))
    for i in order[: total - sum(counts)]:
        counts[i] += 1
    return counts


# Mixtures -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ingredient:
    """One input of a mixture.

    ``size`` is its rows, or the sum of its unit column (tokens). ``weight`` is relative to the others'. ``epochs`` is how
    often its rows may be used at most (1 by default, None for no bound); ``cap`` the most units it may give.
    """

    name: str
    size: int
    weight: Share | int = 1
    epochs: Share | int | None = 1
    cap: int | None = None

    @property
    def limit(self) -> int | None:
        """The most units that the input may give."""
        bounds = [] if self.cap is None else [self.cap]
        if self.epochs is not None:
            bounds.append(int(exact(self.epochs) * self.size))
        return min(bounds, default=None)


@dataclass(frozen=True, slots=True)
class Draw:
    """What an input gives: ``units`` in all, as ``full`` passes over all its rows and ``rest`` units of one more.

    ``share`` is its part of the mixture, ``wanted`` the one its weight asks for.
    """

    name: str
    units: int
    full: int
    rest: int
    share: float
    wanted: float


def plan_mixture(ingredients: Sequence[Ingredient], total: int | None = None) -> tuple[Draw, ...]:
    """How many units each input gives.

    Without ``total``: the largest mixture in which all weights hold and no input exceeds its limit. With it: that many
    units; an input at its limit gives what it may and the others share the rest by their weights (as UniMax does for
    languages, Chung et al. 2023). When all are at their limits the mixture is smaller than ``total``. Numbers are exact
    to less than one unit (largest remainders).

    Raises :class:`DataError` for an input without rows, and when nothing bounds the mixture.
    """
    weights = [exact(i.weight) for i in ingredients]
    if not weights or min(weights) <= 0:
        raise ValueError("a mixture needs inputs, each with a weight above zero")
    for i in ingredients:
        if i.size <= 0:
            raise DataError(f"input `{i.name}` has nothing to mix", "leave it out, or look at why it is empty")
    limits = [i.limit for i in ingredients]
    whole = sum(weights, Fraction(0))
    if total is None:
        bounds = [limit * whole / w for limit, w in zip(limits, weights, strict=True) if limit is not None]
        if not bounds:
            raise DataError("nothing bounds the mixture", "say how much to take, or how many epochs an input may give")
        total = int(min(bounds))
    amounts = _fill(weights, limits, Fraction(total))
    units = apportion(int(sum(amounts)), amounts)
    got = sum(units)
    return tuple(
        Draw(i.name, u, *divmod(u, i.size), u / got if got else 0.0, float(w / whole))
        for i, u, w in zip(ingredients, units, weights, strict=True)
    )


def _fill(weights: Sequence[Fraction], limits: Sequence[int | None], total: Fraction) -> list[Fraction]:
    """Shares of ``total`` by weight, none above its limit, what is cut off going to the others by weight."""
    amounts: list[Fraction | None] = [None] * len(weights)
    while True:
        left = total - sum(a for a in amounts if a is not None)
        open_ = [i for i, a in enumerate(amounts) if a is None]
        scale = left / sum(weights[i] for i in open_) if open_ else Fraction(0)
        over = [i for i in open_ if (limit := limits[i]) is not None and weights[i] * scale > limit]
        if not over:
            return [weights[i] * scale if a is None else a for i, a in enumerate(amounts)]
        for i in over:
            amounts[i] = Fraction(limits[i] or 0)


def mixture(
    draws: Sequence[Draw],
    relations: Sequence[str],
    *,
    seed: int,
    salt: str,
    derive: Callable[[str, str, str], str],
    units: Sequence[str] | None = None,
    overlapping: bool = False,
) -> str:
    """SELECT that says which rows make the mixture, one row a copy, for a join with the inputs.

    ========== ======== ==================================================================================
    ``_key``   UUID     key of the copy: the row's own for copy 0, else ``derive("_from", name, "_copy")``
    ``_from``  UUID     key of the row in its input
    ``_input`` INTEGER  place of the input in ``draws``, from 0
    ``_copy``  BIGINT   pass over the input, from 0
    ``_order`` BIGINT   place in the mixture, from 1
    ========== ======== ==================================================================================

    ``units`` gives, for each relation, the SQL of the column that is counted (a whole number of tokens, null counting
    0); without it rows are counted. The last, partial pass takes the rows of least rank, ranked anew in each pass; by
    units it stops at the row that comes nearest to the wanted sum, so it is off by half a row's units at most.

    ``_order`` interleaves: a row stands at the middle of the stretch that its units take in its input's total, so that in
    every stretch of the mixture each input has its share to within one row; passes follow each other, and within a pass
    rows stand in order of rank. ``overlapping`` says that an input may hold keys of an earlier one (see
    :func:`shared_keys`): such rows get a derived key even for copy 0.
    """
    inputs: list[str] = []
    for i, (draw, relation) in enumerate(zip(draws, relations, strict=True)):
        count = f"greatest(coalesce(({units[i]})::BIGINT, 0), 0)" if units else "1::BIGINT"
        rank = rank64(seed, f"{salt}:{draw.name}", "_copy || ':' || _from")
        rows = f"(SELECT _key AS _from, {count} AS _units FROM {relation} AS t)"
        passes = []
        if draw.full:
            passes.append(f"SELECT _from, _units, _copy, {rank} AS _rank FROM {rows} AS r, range({draw.full}) AS p(_copy)")
        if draw.rest:
            last = f"SELECT _from, _units, {draw.full}::BIGINT AS _copy FROM {rows} AS r"
            ranked = f"SELECT _from, _units, _copy, {rank} AS _rank FROM ({last}) AS r"
            if units:
                so_far = f"SELECT *, {_RUNNING} OVER (ORDER BY _rank, _from ROWS UNBOUNDED PRECEDING) AS _sum FROM ({ranked}) AS r"
                passes.append(f"SELECT _from, _units, _copy, _rank FROM ({so_far}) AS r WHERE 2 * _sum - _units < {2 * draw.rest}")
            else:
                passes.append(f"(SELECT * FROM ({ranked}) AS r ORDER BY _rank, _from LIMIT {draw.rest})")
        if not passes:
            continue
        again = ""
        if overlapping and i:
            earlier = " UNION ALL ".join(f"SELECT _key FROM {r} AS t" for r in relations[:i])
            again = f" AND _from NOT IN ({earlier})"
        key = f"CASE WHEN _copy = 0{again} THEN _from ELSE {derive('_from', draw.name, '_copy')} END"
        inputs.append(f"SELECT {key} AS _key, _from, {i} AS _input, _copy, _units, _rank FROM ({' UNION ALL '.join(passes)}) AS r")
    if not inputs:
        return "SELECT NULL::UUID AS _key, NULL::UUID AS _from, 0 AS _input, 0::BIGINT AS _copy, 0::BIGINT AS _order WHERE false"
    placed = (
        f"SELECT *, (2 * {_RUNNING} OVER (PARTITION BY _input ORDER BY _copy, _rank, _from ROWS UNBOUNDED PRECEDING) - _units)"
        f" / nullif({_RUNNING} OVER (PARTITION BY _input), 0)::DOUBLE AS _place FROM ({' UNION ALL '.join(inputs)}) AS r"
    )
    order = "row_number() OVER (ORDER BY _place NULLS LAST, _rank, _key)"
    return f"SELECT _key, _from, _input, _copy, {order} AS _order FROM ({placed}) AS r"


_RUNNING = "sum(_units)"


def shared_keys(relations: Sequence[str]) -> str:
    """SELECT of one number: rows whose key an earlier relation has too."""
    counts = []
    for i, relation in enumerate(relations[1:], 1):
        earlier = " UNION ALL ".join(f"SELECT _key FROM {r} AS t" for r in relations[:i])
        counts.append(f"(SELECT count(*) FROM {relation} AS t SEMI JOIN ({earlier}) AS e USING (_key))")
    return f"SELECT {' + '.join(counts) or '0'}"
