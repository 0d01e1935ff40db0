"""Random numbers, samples and mixtures."""

from __future__ import annotations

from fractions import Fraction
from hashlib import md5
from uuid import UUID

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec import rand
from recipec.api import DataError
from recipec.rand import Ingredient, mixture, plan_mixture

CON = duckdb.connect()


def derive(key: str, tag: str, index: str) -> str:
    return f"md5({key}::VARCHAR || '{tag}' || ({index})::VARCHAR)::UUID"


def key(i: int) -> str:
    return str(UUID(md5(str(i).encode()).hexdigest()))


def table(name: str, rows: int, *, start: int = 0, tokens: list[int] | None = None, backwards: bool = False) -> str:
    CON.execute(f"CREATE OR REPLACE TEMP TABLE {name} (_key UUID, tokens INTEGER)")
    lines = [(key(start + i), tokens[i] if tokens else 1) for i in range(rows)]
    if lines:
        CON.executemany(f"INSERT INTO {name} VALUES (?, ?)", lines[::-1] if backwards else lines)
    return name


# Numbers


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(-(2**70), 2**70), salt=st.text(), text=st.text().filter(lambda t: "\0" not in t))
def test_sql_and_python_agree_bit_for_bit(seed: int, salt: str, text: str) -> None:
    query = f"SELECT {rand.unit(seed, salt, '?')}, {rand.rank64(seed, salt, '?')}"
    assert CON.execute(query, [text, text]).fetchone() == (rand.unit_of(seed, salt, text), rand.rank64_of(seed, salt, text))


def test_known_numbers() -> None:
    """They decide splits that people have published: they may never change."""
    row = "00000000-0000-0000-0000-000000000007"
    assert rand.rank64_of(7, "split", row) == 1775920691181128310
    assert CON.execute(f"SELECT {rand.unit(7, 'split', 'k')} FROM (SELECT '{row}'::UUID AS k)").fetchone() == (
        rand.unit_of(7, "split", row),
    )


def test_types_and_range() -> None:
    unit, rank = rand.unit(1, "a", "i"), rand.rank64(1, "a", "i")
    found = CON.execute(
        f"SELECT min({unit}), max({unit}), avg({unit}), corr({unit}, {rand.unit(1, 'b', 'i')}), corr({unit}, {rand.unit(2, 'a', 'i')}),"
        f" any_value(typeof({unit})), any_value(typeof({rank})), count(DISTINCT {rank}) FROM range(20000) AS r(i)"
    ).fetchone()
    assert found is not None
    low, high, mean, salted, seeded, *rest = found
    assert 0 <= low < 0.001
    assert 0.999 < high < 1
    assert abs(mean - 0.5) < 0.01
    assert abs(salted) < 0.03
    assert abs(seeded) < 0.03
    assert rest == ["DOUBLE", "UBIGINT", 20000]


def test_null_gives_null_and_salts_do_not_run_into_seeds() -> None:
    assert CON.execute(f"SELECT {rand.unit(1, 'a', 'NULL')}").fetchone() == (None,)
    assert rand.unit_of(1, "2:a", "x") != rand.unit_of(12, ":a", "x")


def test_exact_reads_floats_as_written() -> None:
    assert rand.exact(0.1) == Fraction(1, 10)
    assert rand.exact(3) == 3
    assert rand.exact(1e-9) == Fraction(1, 10**9)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=6).filter(any), st.integers(0, 10_000))
def test_apportion_is_within_one(weights: list[int], total: int) -> None:
    wanted = [Fraction(total * w, sum(weights)) for w in weights]
    counts = rand.apportion(total, wanted)
    assert sum(counts) == total
    assert all(abs(c - w) < 1 for c, w in zip(counts, wanted, strict=True))


# Mixtures: how much


def amounts(*ingredients: Ingredient, total: int | None = None) -> list[int]:
    return [d.units for d in plan_mixture(ingredients, total)]


def test_the_scarcest_input_bounds_the_mixture() -> None:
    assert amounts(Ingredient("a", 1000, 0.7), Ingredient("b", 90, 0.3)) == [210, 90]
    assert amounts(Ingredient("a", 1000, 0.7), Ingredient("b", 90, 0.3, epochs=2)) == [420, 180]
    assert amounts(Ingredient("a", 1000, 0.7), Ingredient("b", 90, 0.3, epochs=None)) == [1000, 428]
    assert amounts(Ingredient("a", 1000, 7, cap=70), Ingredient("b", 90, 3)) == [70, 30]


def test_a_total_goes_by_weight_until_limits_bind() -> None:
    assert amounts(Ingredient("a", 1000), Ingredient("b", 1000), Ingredient("c", 50), total=450) == [200, 200, 50]
    assert amounts(Ingredient("a", 10), Ingredient("b", 20), total=99) == [10, 20]
    first, second = plan_mixture([Ingredient("a", 10, epochs=1.5), Ingredient("b", 100)], 100)
    assert (first.full, first.rest, second.full, second.rest) == (1, 5, 0, 85)
    assert (first.share, first.wanted) == (0.15, 0.5)


@given(
    st.lists(
        st.tuples(st.integers(1, 500), st.integers(1, 9), st.sampled_from([None, 1, 0.5, 2.5]), st.none() | st.integers(1, 99)), min_size=1
    ),
    st.integers(0, 2000),
)
def test_limits_hold_and_the_total_is_reached_where_it_can_be(inputs: list[tuple[int, int, float | None, int | None]], total: int) -> None:
    ingredients = [Ingredient(str(i), *values) for i, values in enumerate(inputs)]
    draws = plan_mixture(ingredients, total)
    limits = [i.limit for i in ingredients]
    assert all(limit is None or d.units <= limit for d, limit in zip(draws, limits, strict=True))
    assert all(d.full * i.size + d.rest == d.units for d, i in zip(draws, ingredients, strict=True))
    most = total if None in limits else min(total, sum(limit for limit in limits if limit is not None))
    assert sum(d.units for d in draws) == most
    free = [(d, i) for d, i, limit in zip(draws, ingredients, limits, strict=True) if limit is None or d.units < limit]
    if free:
        each = [d.units / float(i.weight) for d, i in free]
        assert max(each) - min(each) <= 2


def test_refusals() -> None:
    with pytest.raises(DataError, match="`b` has nothing"):
        amounts(Ingredient("a", 1), Ingredient("b", 0))
    with pytest.raises(DataError, match="nothing bounds"):
        amounts(Ingredient("a", 1, epochs=None))
    with pytest.raises(ValueError, match="weight"):
        amounts(Ingredient("a", 1, 0))


# Mixtures: which rows


def mixed(
    draws: tuple[rand.Draw, ...], relations: list[str], units: list[str] | None = None, overlapping: bool = False
) -> list[tuple[object, ...]]:
    query = mixture(draws, relations, seed=5, salt="mix", derive=derive, units=units, overlapping=overlapping)
    return CON.execute(f"SELECT _order, _input, _copy, _from::VARCHAR, _key::VARCHAR FROM ({query}) ORDER BY 1").fetchall()


def test_passes_order_and_keys() -> None:
    answers = []
    for backwards in (False, True):
        a, b = table("a", 60, backwards=backwards), table("b", 8, start=100, backwards=backwards)
        answers.append(mixed(plan_mixture([Ingredient("a", 60, 2), Ingredient("b", 8, 1, epochs=2.5)]), [a, b]))
    rows = answers[0]
    assert rows == answers[1]
    assert [r[0] for r in rows] == list(range(1, 61))
    assert len({r[4] for r in rows}) == 60
    assert all((r[3] == r[4]) == (r[2] == 0) for r in rows)
    from_b = [r for r in rows if r[1] == 1]
    assert [r[2] for r in from_b] == [0] * 8 + [1] * 8 + [2] * 4
    assert [r[3] for r in from_b[:8]] != [r[3] for r in from_b[8:16]]
    for i in range(1, 61):
        assert abs(sum(r[1] == 1 for r in rows[:i]) - i / 3) <= 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=20).filter(any), st.data())
def test_tokens_are_nearest_to_the_wanted_sum(tokens: list[int], data: st.DataObject) -> None:
    name = table("a", len(tokens), tokens=tokens)
    wanted = data.draw(st.integers(0, 3 * sum(tokens)))
    (draw,) = plan_mixture([Ingredient("a", sum(tokens), epochs=None)], wanted)
    rows = mixed((draw,), [name], units=["tokens"])
    by_key = {key(i): t for i, t in enumerate(tokens)}
    assert abs(sum(by_key[str(r[3])] for r in rows) - wanted) <= max(tokens) / 2
    assert len({r[4] for r in rows}) == len(rows)


def test_rows_of_two_inputs_get_keys_of_their_own() -> None:
    a, b = table("a", 10), table("b", 10, start=5)
    assert CON.execute(rand.shared_keys([a, b])).fetchone() == (5,)
    rows = mixed(plan_mixture([Ingredient("a", 10), Ingredient("b", 10)]), [a, b], overlapping=True)
    assert len({r[4] for r in rows}) == 20
    assert sum(r[3] != r[4] for r in rows) == 5


def test_nothing_drawn() -> None:
    assert mixed(plan_mixture([Ingredient("a", 10)], 0), [table("a", 10)]) == []
