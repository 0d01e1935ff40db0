"""Parts: exact to the row, whole groups, order of time, hashes that never move a row."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import md5
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.api import DataError
from recipec.engines.partition import Part, Report, controlled_rounding, folds, hash_part, partition, quotas

CON = duckdb.connect()
THREE = (Part("train", 0.8), Part("validation", 0.1), Part("test", 0.1))


@dataclass(frozen=True)
class Row:
    stratum: str | None = None
    group: str | None = None
    time: int | None = None


def key(i: int) -> UUID:
    return UUID(md5(str(i).encode()).hexdigest())


def load(rows: Sequence[Row], order: Sequence[int] | None = None) -> None:
    CON.execute("CREATE OR REPLACE TEMP TABLE pool (_key UUID, s VARCHAR, g VARCHAR, t INTEGER)")
    lines = [(str(key(i)), rows[i].stratum, rows[i].group, rows[i].time) for i in order or range(len(rows))]
    if lines:
        columns = [list(c) for c in zip(*lines, strict=True)]
        CON.execute("INSERT INTO pool SELECT unnest(?)::UUID, unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), unnest(?::INTEGER[])", columns)


def divide(
    rows: Sequence[Row], parts: Sequence[Part] = THREE, *, order: Sequence[int] | None = None, **how: Any
) -> tuple[list[str | None], Report]:
    """The part of each row, in the order of ``rows``, and the report."""
    load(rows, order)
    report = partition(CON, "pool", parts=parts, out="parts", **{"seed": 7, "salt": "split", **how})
    lines = CON.execute("SELECT _key, part FROM parts").fetchall()
    found = dict(lines)
    assert len(lines) == len(found) == len(rows)
    assert {t for (t,) in CON.execute("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE '%part%'").fetchall()} == {"parts"}
    got = Counter(found.values())
    assert [(p.name, p.got) for p in report.parts] == [(p.name, got[p.name]) for p in parts]
    assert (report.rows, report.left_out) == (len(rows), got[None])
    return [found[key(i)] for i in range(len(rows))], report


strata = st.sampled_from(["a", "b", "c", None])
groups = st.sampled_from([*"uvwxyz", None])
tables = st.lists(st.builds(Row, strata, groups, st.integers(0, 30)), max_size=60)
shares = st.lists(st.integers(1, 9), min_size=1, max_size=5).flatmap(
    lambda w: st.integers(0, 4).map(lambda left: tuple(Part(f"p{i}", Fraction(n, sum(w) + left)) for i, n in enumerate(w)))
)


# Shares


def test_quotas() -> None:
    assert list(quotas(THREE, 10)) == [Fraction(4, 5), Fraction(1, 10), Fraction(1, 10), 0]
    assert quotas([Part("a", 0.3), Part("b", 0.1)], 10)[-1] == Fraction(3, 5)
    assert quotas([Part("a", 1 / 3), Part("b", 1 / 3), Part("c", 1 / 3)], 10)[0] == Fraction(1, 3)
    mixed = [Part("test", count=5), Part("dev", 0.25), Part("train")]
    assert list(quotas(mixed, 20)) == [Fraction(1, 4), Fraction(1, 4), Fraction(1, 2), 0]
    assert list(quotas([Part("test", count=0), Part("train")], 0)) == [0, 1, 0]


def test_quotas_refuse_what_is_not_there() -> None:
    with pytest.raises(DataError, match=r"0.9 \+ 0.2 = 1.1"):
        quotas([Part("a", 0.9), Part("b", 0.2)], 10)
    with pytest.raises(DataError, match="ask for 30 rows of 20"):
        quotas([Part("a", count=10), Part("b", count=20)], 20)
    with pytest.raises(DataError, match="more than all rows"):
        quotas([Part("a", count=15), Part("b", 0.5)], 20)
    with pytest.raises(DataError, match="both ask for the rest"):
        quotas([Part("a"), Part("b")], 20)
    with pytest.raises(ValueError, match="share"):
        quotas([Part("a", 0.5, 3)], 20)
    with pytest.raises(ValueError, match="name"):
        quotas([Part("a", 0.5), Part("a", 0.5)], 20)


# By rows


@settings(max_examples=80, deadline=None)
@given(tables, shares, st.integers(0, 9))
def test_every_stratum_and_the_whole_are_within_a_row(rows: list[Row], parts: tuple[Part, ...], seed: int) -> None:
    found, report = divide(rows, parts, stratify=["s"], seed=seed)
    everything = Counter(found)
    sizes = Counter(r.stratum for r in rows)
    cells = Counter(zip((r.stratum for r in rows), found, strict=True))
    for part, share in zip([*(p.name for p in parts), None], quotas(parts, len(rows)), strict=True):
        assert abs(everything[part] - share * len(rows)) < 1
        for stratum, n in sizes.items():
            assert abs(cells[stratum, part] - share * n) < 1
    assert report.strata == len(sizes)
    assert report.off < 1


@settings(max_examples=40, deadline=None)
@given(tables, shares)
def test_without_strata_the_largest_remainders_win(rows: list[Row], parts: tuple[Part, ...]) -> None:
    found, _ = divide(rows, parts)
    got, wanted = Counter(found), [s * len(rows) for s in quotas(parts, len(rows))]
    remainders = [(w - w.__floor__(), got[p] > w) for w, p in zip(wanted, [*(p.name for p in parts), None], strict=True)]
    up, down = [r for r, more in remainders if more], [r for r, more in remainders if not more and r]
    assert not up or not down or min(up) >= max(down)
    assert all(abs(got[p.name] - w) < 1 for p, w in zip(parts, wanted, strict=False))


def test_counts_are_exact_and_spread_over_strata() -> None:
    rows = [Row("a")] * 70 + [Row("b")] * 30
    found, report = divide(rows, [Part("test", count=11), Part("dev", 0.2), Part("train")], stratify=["s"])
    assert Counter(found) == {"test": 11, "dev": 20, "train": 69}
    assert Counter(f for f, r in zip(found, rows, strict=True) if r.stratum == "b")["test"] in (3, 4)
    assert report.left_out == 0


def test_rounding_is_unbiased() -> None:
    """A stratum of one row goes to each part as often as the part's share says, and totals are exact all the same."""
    seen: Counter[int] = Counter()
    share = [Fraction(7, 10), Fraction(2, 10), Fraction(1, 10)]
    for seed in range(400):
        table = controlled_rounding([1] * 10, [str(i) for i in range(10)], share, seed=seed, salt="s")
        assert [sum(c) for c in zip(*table, strict=True)] == [7, 2, 1]
        seen[table[3].index(1)] += 1
    assert all(abs(seen[p] / 400 - float(s)) < 0.08 for p, s in enumerate(share))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 12), max_size=30), st.lists(st.integers(1, 30), min_size=2, max_size=7), st.integers(0, 99))
def test_controlled_rounding(sizes: list[int], weights: list[int], seed: int) -> None:
    shares = [Fraction(w, sum(weights)) for w in weights]
    table = controlled_rounding(sizes, [str(i) for i in range(len(sizes))], shares, seed=seed, salt="")
    assert [sum(line) for line in table] == sizes
    for line, n in zip([*table, [sum(c) for c in zip(*table, strict=True)] or [0] * len(shares)], [*sizes, sum(sizes)], strict=True):
        assert all(abs(c - n * s) < 1 and c >= 0 for c, s in zip(line, shares, strict=True))


def test_notes_on_small_strata_and_empty_parts() -> None:
    _, report = divide([Row("a"), Row("b"), Row("c")], stratify=["s"])
    assert any("too small to reach every part: 3 of 3" in n for n in report.notes)
    assert any("3 rows fall into 3 strata" in n for n in report.notes)
    assert any("is empty" in n for n in report.notes)


def test_folds() -> None:
    found, _ = divide([Row("a")] * 12 + [Row("b")] * 11, folds(5), stratify=["s"])
    assert set(found) == {"fold_1", "fold_2", "fold_3", "fold_4", "fold_5"}
    assert set(Counter(found).values()) <= {4, 5}


def test_two_strata_and_values_of_any_type() -> None:
    rows = [Row("a", str(i % 3), i % 2) for i in range(60)]
    found, report = divide(rows, [Part("x", 0.5), Part("y", 0.5)], stratify=["[s, g]", "{'t': t, 'n': nullif(t, 0)}"])
    assert report.strata == 6
    assert set(Counter((r.group, r.time, f) for r, f in zip(rows, found, strict=True)).values()) == {5}


# By groups


@settings(max_examples=80, deadline=None)
@given(tables, shares, st.booleans(), st.integers(0, 9))
def test_groups_stay_whole(rows: list[Row], parts: tuple[Part, ...], stratified: bool, seed: int) -> None:
    found, report = divide(rows, parts, group="g", stratify=["s"] if stratified else [], seed=seed)
    where = defaultdict(set)
    for row, part in zip(rows, found, strict=True):
        if row.group is not None:
            where[row.group].add(part)
    assert all(len(p) == 1 for p in where.values())
    assert report.groups == len(where) + sum(r.group is None for r in rows)
    names = [*(p.name for p in parts), None]
    over = [Counter(found)[p] - s * len(rows) for p, s in zip(names, quotas(parts, len(rows)), strict=True)]
    assert all(Counter(found)[p] == 0 for p, s in zip(names, quotas(parts, len(rows)), strict=True) if not s)
    if rows and not stratified:
        assert max(over) < report.largest_group
        assert float(max(map(abs, over))) == pytest.approx(report.off)


def test_single_rows_make_up_for_large_groups() -> None:
    """With enough groups of one row, grouped parts are as exact as parts by rows."""
    rows = [Row("ab"[i % 3 == 0], f"big{i % 7}") for i in range(700)] + [Row("ab"[i % 5 == 0]) for i in range(1500)]
    found, report = divide(rows, stratify=["s"], group="g")
    assert report.off < 1
    assert Counter(found) == {"train": 1760, "validation": 220, "test": 220}


def test_every_part_gets_large_and_small_groups() -> None:
    rows = [Row(group=f"{size}/{i}") for size in (1, 4, 20) for i in range(100) for _ in range(size)]
    found, _ = divide(rows, group="g")
    for size in ("1", "4", "20"):
        got = Counter(f for r, f in zip(rows, found, strict=True) if str(r.group).startswith(f"{size}/"))
        assert abs(got["train"] / got.total() - 0.8) <= 0.01


def test_the_seed_matters_when_all_groups_differ_in_size() -> None:
    rows = [Row(group=str(size)) for size in range(8, 64) for _ in range(size)]
    assert len({tuple(divide(rows, group="g", seed=seed)[0]) for seed in range(4)}) == 4


def test_a_group_too_large_is_told() -> None:
    _, report = divide([Row(group="giant")] * 50 + [Row()] * 50, group="g")
    assert report.largest_group == 50
    assert any("largest group has 50 rows, more than is wanted for `validation`, `test`" in n for n in report.notes)


def test_a_part_without_share_gets_no_group() -> None:
    found, _ = divide(
        [Row("ab"[i % 2], str(i // 3)) for i in range(30)], [Part("a", 0.5), Part("b", 0.5), Part("c")], group="g", stratify=["s"]
    )
    assert set(found) == {"a", "b"}


# By time


@settings(max_examples=80, deadline=None)
@given(tables, shares, st.booleans())
def test_time_runs_through_the_parts(rows: list[Row], parts: tuple[Part, ...], stratified: bool) -> None:
    found, report = divide(rows, parts, time="t", stratify=["s"] if stratified else [])
    names = [*(p.name for p in parts), None]
    for stratum in {r.stratum for r in rows} if stratified else {...}:
        inside = sorted((r.time, names.index(f)) for r, f in zip(rows, found, strict=True) if stratum in (r.stratum, ...))
        assert [p for _, p in inside] == sorted(p for _, p in inside)
        assert len(set(inside)) == len({t for t, _ in inside})
        instants = Counter(t for t, _ in inside)
        if max(instants.values(), default=1) == 1:
            got = Counter(p for _, p in inside)
            assert all(abs(got[i] - s * len(inside)) < 1 for i, s in enumerate(quotas(parts, len(inside))))
    assert report.off <= max(Counter(r.time for r in rows).values(), default=0)


def test_cuts_are_at_the_nearest_instant_and_the_earlier_of_two() -> None:
    halves = [Part("old", 0.5), Part("new", 0.5)]
    assert divide([Row(time=t) for t in (1, 2, 2, 2, 3)], halves, time="t")[0] == ["old", "new", "new", "new", "new"]
    assert divide([Row(time=t) for t in (1, 1, 1, 2, 3)], halves, time="t")[0] == ["old", "old", "old", "new", "new"]
    assert divide([Row(time=t) for t in (1, 2, 3)], halves, time="t")[0] == ["old", "new", "new"]
    found, report = divide([Row(time=1)] * 9 + [Row(time=2)], halves, time="t")
    assert Counter(found) == {"old": 9, "new": 1}
    assert any("one instant" in n and "4.0 rows" in n for n in report.notes)


@settings(max_examples=50, deadline=None)
@given(tables, shares)
def test_grouped_by_time_nothing_is_later_than_the_cut(rows: list[Row], parts: tuple[Part, ...]) -> None:
    found, _ = divide(rows, parts, time="t", group="g")
    names = [*(p.name for p in parts), None]
    latest: dict[object, int] = defaultdict(int)
    for i, r in enumerate(rows):
        latest[r.group or i] = max(latest[r.group or i], r.time or 0)
    placed = sorted({(latest[r.group or i], names.index(f)) for i, (r, f) in enumerate(zip(rows, found, strict=True))})
    assert len(placed) == len({t for t, _ in placed})
    assert [p for _, p in placed] == sorted(p for _, p in placed)


def test_time_counts_and_what_is_left_out() -> None:
    rows = [Row(time=i * 37 % 100) for i in range(100)]
    found, _ = divide(rows, [Part("train"), Part("test", count=7)], time="t")
    assert {r.time for r, f in zip(rows, found, strict=True) if f == "test"} == set(range(93, 100))
    found, report = divide(rows, [Part("train", 0.5), Part("test", 0.2)], time="t")
    assert {r.time for r, f in zip(rows, found, strict=True) if f is None} == set(range(70, 100))
    assert report.left_out == 30


def test_refusals() -> None:
    rows = [Row(time=1), Row(), Row()]
    with pytest.raises(DataError, match="2 of 3 rows have no time"):
        divide(rows, time="t")
    with pytest.raises(DataError, match="not both"):
        divide(rows, time="t", group="g", stratify=["s"])
    with pytest.raises(DataError, match="order of time"):
        divide(rows, time="t", assign="hash")
    with pytest.raises(DataError, match="`x` asks for 5 rows"):
        divide(rows, [Part("x", count=5), Part("y")], assign="hash")
    with pytest.raises(DataError, match="ask for 5 rows of 3"):
        divide(rows, [Part("x", count=5), Part("y")])


# Hash


@settings(max_examples=40, deadline=None)
@given(tables, st.lists(st.builds(Row, strata, groups), max_size=20), shares, st.booleans())
def test_adding_rows_moves_none(rows: list[Row], more: list[Row], parts: tuple[Part, ...], grouped: bool) -> None:
    how: dict[str, Any] = {"assign": "hash", "group": "g" if grouped else None}
    before, _ = divide(rows, parts, **how)
    after, _ = divide(rows + more, parts, **how)
    assert after[: len(rows)] == before
    if grouped:
        assert len({(r.group, p) for r, p in zip(rows, before, strict=True) if r.group}) == len({r.group for r in rows if r.group})


def test_hash_shares_hold_up_to_chance() -> None:
    found, report = divide([Row()] * 4000, [Part("a", 0.5), Part("b", 0.2), Part("c", 0.1)], assign="hash", stratify=["s"])
    got = Counter(found)
    assert all(abs(got[p] - 4000 * s) < 4 * (4000 * s * (1 - s)) ** 0.5 for p, s in (("a", 0.5), ("b", 0.2), ("c", 0.1), (None, 0.2)))
    assert "changes nothing" in report.notes[0]


def test_hash_with_the_rest_and_with_one_part() -> None:
    assert set(divide([Row()] * 50, [Part("rest"), Part("half", 0.5)], assign="hash")[0]) == {"rest", "half"}
    assert set(divide([Row()] * 50, [Part("all", 1)], assign="hash")[0]) == {"all"}
    assert "u.x" in hash_part(THREE, seed=1, salt="s", key="u.x")


# Neither order nor threads


@settings(max_examples=40, deadline=None)
@given(tables.filter(bool), st.randoms(use_true_random=False), st.booleans(), st.booleans(), st.booleans())
def test_order_of_rows_does_not_matter(rows: list[Row], random: Any, stratified: bool, grouped: bool, timed: bool) -> None:
    how: dict[str, Any] = {"group": "g" if grouped else None, "time": "t" if timed else None}
    how["stratify"] = ["s"] if stratified and not (grouped and timed) else []
    order = list(range(len(rows)))
    random.shuffle(order)
    assert divide(rows, **how)[0] == divide(rows, order=order, **how)[0]


def test_names_of_strata_and_groups_do_not_matter() -> None:
    rows = [Row("ab"[i % 3 == 0], str(i * i % 23)) for i in range(200)]
    other = [Row(f"z{9 - len(str(r.stratum))}{r.stratum == 'a'}", f"group {99 - int(str(r.group))}") for r in rows]
    assert divide(rows, stratify=["s"], group="g")[0] == divide(other, stratify=["s"], group="g")[0]


def test_threads_do_not_matter() -> None:
    answers = []
    for threads in (1, 2):
        with duckdb.connect() as con:
            con.execute(f"SET threads = {threads}")
            con.execute(
                "CREATE TABLE pool AS SELECT md5(i::VARCHAR)::UUID AS _key, i % 54 AS s, i * 7919 % 60013 AS g, i % 999 AS t"
                " FROM range(200000) AS r(i)"
            )
            found = []
            for how in ({}, {"stratify": ["s"]}, {"stratify": ["s"], "group": "g"}, {"time": "t", "group": "g"}, {"assign": "hash"}):
                partition(con, "pool", parts=THREE, out="parts", seed=7, salt="split", **how)
                found.append(
                    con.execute(
                        "SELECT part, count(*), md5_number(string_agg(_key, ',' ORDER BY _key)) FROM parts GROUP BY part"
                    ).fetchall()
                )
            answers.append([sorted(f) for f in found])
    assert answers[0] == answers[1]
    assert len({str(a) for a in answers[0]}) == 5


def test_seed_and_salt_matter() -> None:
    rows = [Row()] * 50
    assert len({tuple(divide(rows, seed=seed, salt=salt)[0]) for seed, salt in ((7, "split"), (8, "split"), (7, "other"))}) == 3


def test_no_rows_at_all() -> None:
    for how in ({}, {"stratify": ["s"]}, {"group": "g"}, {"stratify": ["s"], "group": "g"}, {"time": "t"}, {"assign": "hash"}):
        found, report = divide([], **how)
        assert (found, report.rows, report.notes) == ([], 0, ())


# Real data


def test_intents_of_banking77_are_all_in_every_part() -> None:
    file = Path(__file__).resolve().parents[2] / "../shared/data/banking77/train.csv"
    if not file.exists():
        pytest.skip("the banking77 data is not here")
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE pool AS SELECT md5(text || row_number() OVER ())::UUID AS _key, category FROM read_csv('{file}')")
        report = partition(con, "pool", parts=THREE, out="parts", seed=7, salt="split", stratify=["category"])
        assert report.strata == 77
        assert report.off < 1
        query = "SELECT count(DISTINCT category) FROM pool JOIN parts USING (_key) GROUP BY part"
        assert con.execute(query).fetchall() == [(77,), (77,), (77,)]
