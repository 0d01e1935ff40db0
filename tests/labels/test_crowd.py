"""Crowds: the table of 1979, repeated answers, gold, and answers of every odd kind."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest

from recipec.labels.crowd import Answers, Method, answers, combine, from_triplets

TABLE = Path(__file__).resolve().parents[2] / "../shared/data/dawid_skene_1979/labels.csv"
METHODS: tuple[Method, ...] = ("majority", "dawid_skene", "one_coin")


def table_of_1979(con: duckdb.DuckDBPyConnection) -> Answers:
    if not TABLE.exists():
        pytest.skip("the table of Dawid and Skene 1979 is not here")
    return answers(con, f"(FROM '{TABLE}')", item="patient", worker="observer", answer="label", classes=["1", "2", "3", "4"])


def test_the_table_of_1979() -> None:
    found = table_of_1979(duckdb.connect())
    assert found.items == 45
    assert found.workers == ("1", "2", "3", "4", "5")
    # Observer 1 saw every patient three times.
    assert np.bincount(found.worker, weights=found.count).tolist() == [135, 45, 45, 45, 45]
    made = combine(found, smoothing=0.0)
    assert made.converged
    assert made.prior.round(2).tolist() == [0.4, 0.42, 0.11, 0.07]
    # The paper's table 2, observer 1, to two digits where it is certain.
    assert made.confusion[0, 0].round(2).tolist() == [0.89, 0.11, 0, 0]
    assert made.confusion[0, 1].round(2).tolist() == [0.07, 0.88, 0.05, 0]
    assert abs(combine(found).prior - made.prior).max() < 0.005


def test_order_of_rows_and_threads_mean_nothing() -> None:
    if not TABLE.exists():
        pytest.skip("the table of Dawid and Skene 1979 is not here")
    results = []
    for threads, order in ((1, "hash(patient * 31 + observer)"), (2, "patient DESC")):
        con = duckdb.connect(config={"threads": threads})
        found = answers(
            con, f"(SELECT * FROM '{TABLE}' ORDER BY {order})", item="patient", worker="observer", answer="label", classes=list("1234")
        )
        results.append(combine(found).probabilities.tobytes())
    assert results[0] == results[1]


@pytest.mark.parametrize("method", METHODS)
def test_workers_of_unequal_skill(method: Method) -> None:
    rng = np.random.default_rng(0)
    items, workers, classes = 2000, 60, 4
    truth = rng.integers(0, classes, items)
    skill = rng.uniform(0.3, 0.95, workers)
    item = np.repeat(np.arange(items), 5)
    worker = rng.integers(0, workers, len(item))
    right = rng.random(len(item)) < skill[worker]
    label = np.where(right, truth[item], (truth[item] + rng.integers(1, classes, len(item))) % classes)
    gold = np.where(np.arange(items) < 100, truth, -1)
    made = combine(from_triplets(worker, item, label, classes, items=items, gold=gold), method=method, ties="first")
    assert (made.decided[:100] == truth[:100]).all()
    share = (made.decided == truth)[100:].mean()
    plain = (np.stack([np.bincount(item, label == k, items) for k in range(classes)]).argmax(axis=0) == truth)[100:].mean()
    # The one-coin model made these answers, so both can learn it.
    assert share == plain if method == "majority" else share > plain + 0.03
    if method != "majority":
        assert np.corrcoef(made.skill, skill)[0, 1] > 0.95
    assert sum(n for _, n in made.on_gold) == 500
    assert made.agreement.rows == items
    assert made.agreement.alpha is not None


def test_an_item_shown_to_nobody_and_answers_that_are_none() -> None:
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE a AS FROM (VALUES ('i1', 'w1', 'yes', NULL), ('i1', 'w2', 'no', NULL), ('i2', 'w1', 'oui', NULL), "
        "('i2', NULL, 'yes', NULL), (NULL, 'w1', 'yes', NULL), ('i3', 'w2', NULL, 'no'), ('i4', '工人', 'yes', NULL)) AS t(i, w, a, g)"
    )
    found = answers(con, "a", item="i", worker="w", answer="a", classes=["yes", "no"], gold="g")
    assert (found.items, found.strange, found.empty) == (4, 1, 3)
    assert found.workers == ("w1", "w2", "工人")
    assert con.execute(f"SELECT item FROM {found.table} ORDER BY _item").fetchall() == [("i1",), ("i2",), ("i3",), ("i4",)]
    made = combine(found, method="majority")
    assert made.decided.tolist() == [-1, -1, 1, 0]
    assert made.notes == (
        "3 answers lack their worker, item or answer",
        "1 answer is none of the classes",
        "1 of 4 items has no answer",
    )
    assert combine(found, method="majority", ties="random").tied == (0,)
    assert combine(found, method="majority", ties="first").decided.tolist() == [0, -1, 1, 0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("triplets", "note"),
    [
        ([], "there are no answers"),
        ([(0, 0, 1)], "only worker worker_0 answers"),
        ([(0, 0, 1), (1, 1, 0)], "every item has one answer"),
        ([(0, 0, 1), (0, 0, 1), (0, 1, 0)], "only worker worker_0 answers"),
        ([(0, 2, 1), (1, 2, 1)], "2 of 3 items have no answer"),
    ],
)
def test_odd_answers_give_defined_results(method: Method, triplets: list[tuple[int, int, int]], note: str) -> None:
    w, i, a = np.array(triplets, np.int64).reshape(-1, 3).T
    with np.errstate(all="raise", under="ignore"):
        made = combine(from_triplets(w, i, a, 3), method=method)
    assert np.isfinite(made.probabilities).all()
    assert np.isfinite(made.confusion).all()
    assert np.abs(made.probabilities.sum(axis=1) - 1).max(initial=0) < 1e-9
    assert any(note in n for n in made.notes)
