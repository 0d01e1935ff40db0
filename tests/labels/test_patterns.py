"""Patterns of votes in DuckDB, and labels back at the rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.api import DataError
from recipec.labels import patterns as module
from recipec.labels.learned import dawid_skene
from recipec.labels.patterns import back, from_votes, patterns
from recipec.labels.simple import majority


def load(votes: npt.NDArray[np.int64], gold: Sequence[int] | None = None, threads: int = 2) -> tuple[duckdb.DuckDBPyConnection, list[str]]:
    con = duckdb.connect(config={"threads": threads})
    names = [f"voter {j}" for j in range(votes.shape[1])]
    columns = ", ".join(f'"{n}" TINYINT' for n in names)
    con.execute(f"CREATE TABLE t (_key BIGINT, {columns}, gold TINYINT)")
    for i, row in enumerate(votes.tolist()):
        values = [i, *(None if v < 0 else v for v in row), None if gold is None or gold[i] < 0 else gold[i]]
        con.execute(f"INSERT INTO t VALUES ({', '.join('?' * len(values))})", values)
    return con, names


tables = st.integers(2, 4).flatmap(
    lambda k: st.integers(1, 4).flatmap(
        lambda m: st.lists(st.tuples(*[st.integers(-1, k - 1)] * (m + 1)), min_size=0, max_size=25).map(
            lambda rows: (k, np.array(rows, dtype=np.int64).reshape(-1, m + 1))
        )
    )
)


@settings(max_examples=25, deadline=None)
@given(tables)
def test_duckdb_finds_what_numpy_finds(case: tuple[int, npt.NDArray[np.int64]]) -> None:
    classes, rows = case
    votes, gold = rows[:, :-1], rows[:, -1]
    con, names = load(votes, gold.tolist())
    found = patterns(con, "t", names, classes, gold="gold")
    same = from_votes(votes, classes, voters=names, gold=gold)
    assert found.rows == len(votes)
    assert found.votes.tolist() == same.votes.tolist()
    assert found.counts.tolist() == same.counts.tolist()
    assert found.gold is not None
    assert same.gold is not None
    assert [*zip(found.gold.pattern, found.gold.label, found.gold.rows, strict=True)] == [
        *zip(same.gold.pattern, same.gold.label, same.gold.rows, strict=True)
    ]
    # Every row gets its own pattern's label.
    made = majority(found, [str(k) for k in range(classes)])
    got = con.execute(f"SELECT _key, _label, _pattern, _probabilities FROM ({back(con, found, made)}) AS b ORDER BY _key").fetchall()
    assert [k for k, *_ in got] == list(range(len(votes)))
    for key, label, pattern, probabilities in got:
        assert found.votes[pattern].tolist() == votes[key].tolist()
        assert (-1 if label is None else label) == made.decided[pattern]
        assert probabilities == made.probabilities[pattern].tolist()


def test_many_voters_need_several_codes() -> None:
    rng = np.random.default_rng(1)
    votes = rng.integers(-1, 3, (40, 70))
    con, names = load(votes)
    found = patterns(con, "t", names, 3)
    assert len(found.codes) > 1
    assert sorted(map(tuple, found.votes.tolist())) == sorted(set(map(tuple, votes.tolist())))
    made = majority(found, list("abc"))
    got = con.execute(f"SELECT _key, _pattern FROM ({back(con, found, made)}) AS b").fetchall()
    assert len(got) == 40
    assert all(found.votes[p].tolist() == votes[k].tolist() for k, p in got)


@pytest.mark.parametrize(("voters", "few"), [(3, 1 << 20), (3, 0), (70, 0)])
def test_rows_in_memory_know_their_pattern(voters: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in an array of all patterns, by one number a row, and by whole rows where no number holds them."""
    monkeypatch.setattr(module, "_FEW", few)
    votes = np.random.default_rng(3).integers(-1, 3, (50, voters))
    found = from_votes(votes, 3)
    assert found.place is not None
    assert (found.votes[found.place] == votes).all()
    assert np.bincount(found.place).tolist() == found.counts.tolist()
    assert found.votes.tolist() == sorted(found.votes.tolist(), key=lambda row: row[::-1])


def test_a_class_that_is_not_there() -> None:
    con, names = load(np.array([[0, 1], [3, 1]]))
    with pytest.raises(DataError, match="voter `voter 0` has class 3; there are classes 0 to 2"):
        patterns(con, "t", names, 3)


def test_ties_by_chance_fall_the_same_way_in_every_run() -> None:
    votes = np.tile([[0, 1]], (400, 1))
    answers = []
    for threads in (1, 2):
        con, names = load(votes, threads=threads)
        found = patterns(con, "t", names, 3)
        made = majority(found, list("abc"), ties="random")
        assert made.by_chance
        answers.append(con.execute(f"SELECT _label FROM ({back(con, found, made, seed=3)}) AS b ORDER BY _key").fetchall())
    assert answers[0] == answers[1]
    labels = [label for (label,) in answers[0]]
    assert set(labels) == {0, 1}
    assert 140 < sum(labels) < 260
    other = con.execute(f"SELECT _label FROM ({back(con, found, made, seed=4)}) AS b ORDER BY _key").fetchall()
    assert other != answers[0]


def test_ties_abstain_or_take_the_first() -> None:
    found = from_votes([[2, 1], [1, 1]], 3)
    assert sorted(majority(found, list("abc")).decided.tolist()) == [-1, 1]
    assert majority(found, list("abc"), ties="first").decided.tolist() == [1, 1]


def test_rows_of_known_class_keep_it() -> None:
    votes = np.array([[0, 0, 0], [0, 0, 0], [1, 1, 1], [1, 1, 0], [-1, -1, -1]])
    con, names = load(votes, [1, -1, -1, -1, 0])
    found = patterns(con, "t", names, 2, gold="gold")
    made = dawid_skene(found, ["a", "b"])
    assert made.fixed
    got = con.execute(f"SELECT _label, _confidence, _probabilities, _fixed FROM ({back(con, found, made)}) AS b ORDER BY _key").fetchall()
    assert got[0] == (1, 1.0, [0.0, 1.0], True)
    assert got[4] == (0, 1.0, [1.0, 0.0], True)
    assert got[1][0] == 0
    assert not got[1][3]


def test_more_patterns_than_memory_holds_give_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Arrays in files and many blocks: nothing but the place changes."""
    rng = np.random.default_rng(2)
    con, names = load(rng.integers(-1, 4, (300, 6)))

    def run() -> tuple[npt.NDArray[np.float64], list[object]]:
        found = patterns(con, "t", names, 4, folder=tmp_path)
        made = dawid_skene(found, list("abcd"))
        return np.array(made.probabilities), con.execute(f"SELECT * FROM ({back(con, found, made)}) AS b ORDER BY _key").fetchall()

    probabilities, rows = run()
    assert len(probabilities) > 250
    monkeypatch.setattr(module, "FILED", 100)
    monkeypatch.setattr(module, "BLOCK", 37)
    monkeypatch.setattr(module, "_FETCH", 50)
    again, rows_again = run()
    assert np.abs(again - probabilities).max() < 1e-12
    assert [r[:2] for r in rows_again] == [r[:2] for r in rows]
    assert list(tmp_path.iterdir()) == []
