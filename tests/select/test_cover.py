"""K-center, facility location and novelty against the plain way of doing each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recipec.fast import select_cover
from recipec.fast.select_cover import Budget, facilities, farthest, novel


def unit(rows: int, width: int, seed: int = 0) -> Any:
    made = np.random.default_rng(seed).normal(size=(rows, width))
    made[rows // 2] = made[0]
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def short_of_farthest(vectors: Any, picked: list[int], beside: Any = None) -> float:
    """By how much, at worst, the squared distance of a row picked falls short of the greatest there was, computed one row at a time."""
    wide = vectors.astype(np.float64)
    near = np.full(len(vectors), np.inf)
    for v in beside.astype(np.float64) if beside is not None else wide[picked[:1]]:
        near = np.minimum(near, ((wide - v) ** 2).sum(axis=1))
    short, taken = 0.0, picked[: 0 if beside is not None else 1]
    for row in picked[len(taken) :]:
        near[taken] = -1
        short = max(short, float(near.max() - near[row]))
        near = np.minimum(near, ((wide - wide[row]) ** 2).sum(axis=1))
        taken = [*taken, row]
    assert len(set(picked)) == len(picked)
    return short


@pytest.mark.parametrize("pool", [1, 7, 64, 4096])
def test_farthest_is_exact(pool: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select_cover, "POOL", pool)
    vectors = unit(700, 16)
    chance = np.arange(700, dtype=np.uint64)[::-1].copy()
    made = farthest(vectors, Budget(200, np.ones(700, np.int64)), chance, None, lambda share: None)
    assert made.picked[0] == 699
    assert len(made.picked) == 200
    assert short_of_farthest(vectors, made.picked.tolist()) < 2**-17
    assert np.isnan(made.values[0])
    assert (np.diff(made.values[1:]) <= 1e-6).all(), "ever nearer"
    beside = unit(20, 16, 5)
    made = farthest(vectors, Budget(50, np.ones(700, np.int64)), chance, beside, lambda share: None)
    assert short_of_farthest(vectors, made.picked.tolist(), beside) < 2**-17


def test_farthest_takes_all_and_keeps_budgets() -> None:
    vectors = unit(50, 4)
    chance = np.arange(50, dtype=np.uint64)
    everything = farthest(vectors, Budget(80, np.ones(50, np.int64)), chance, None, lambda share: None)
    assert sorted(everything.picked.tolist()) == list(range(50))
    same = farthest(np.ones((30, 4), np.float32), Budget(30, np.ones(30, np.int64)), chance[:30], None, lambda share: None)
    assert same.picked.tolist() == list(range(30)), "of equals, by chance"
    units = np.full(50, 3)
    assert len(farthest(vectors, Budget(10, units), chance, None, lambda share: None).picked) == 3
    assert len(farthest(vectors, Budget(2, units), chance, None, lambda share: None).picked) == 0
    assert len(farthest(vectors[:0], Budget(2, units[:0]), chance[:0], None, lambda share: None).picked) == 0


def test_facilities_are_exact() -> None:
    vectors = unit(300, 8)
    similar = np.maximum(vectors.astype(np.float64) @ vectors.T.astype(np.float64), 0)
    out: list[int] = []
    covered = np.zeros(300)
    for _ in range(60):
        gains = np.maximum(similar - covered[:, None], 0).sum(axis=0)
        gains[out] = -1
        out.append(int(np.argmax(gains.round(5))))
        covered = np.maximum(covered, similar[:, out[-1]])
    made = facilities(vectors, Budget(60, np.ones(300, np.int64)), np.arange(300, dtype=np.uint64), lambda share: None)
    assert made.picked.tolist() == out
    assert len(facilities(vectors, Budget(999, np.ones(300, np.int64)), np.arange(300, dtype=np.uint64), lambda s: None).picked) == 300


def test_novel() -> None:
    vectors = unit(600, 4)
    order = np.random.default_rng(1).permutation(600)
    kept: list[int] = []
    for row in order.tolist():
        if all(float(vectors[row] @ vectors[k]) <= 0.9 for k in kept):
            kept.append(row)
    made = novel(vectors, order, 0.9, Budget(600, np.ones(600, np.int64)), lambda share: None)
    assert made.picked.tolist() == kept
    assert made.seen.all()
    few = novel(vectors, order, 0.9, Budget(5, np.ones(600, np.int64)), lambda share: None)
    assert few.picked.tolist() == kept[:5]


STEP = '''
recipe "r" {{ seed: 3 }}
sql a """select i as id, i % 2 as topic, case when i <> 7 then [cos(i * 0.1), sin(i * 0.1), (i % 5) * 0.1]::float[] end as v
  from range(200) r(i) order by {order}""" {{ key: id }}
sql b """select 1000 as id, [1.0, 0.0, 0.0]::float[] as v""" {{ key: id }}
select k from a {{ take: 20  by: k_center(vectors: v) }}
select p from a {{ take: 5  by: k_center(vectors: v, beside: b)  per: topic }}
'''


def test_step(lab: Any) -> None:
    def made(order: str, threads: int) -> list[Any]:
        ran = lab.run(STEP.format(order=order), threads=threads)
        assert ran.dropped("k") == {"not selected": 179, "no score": 1}
        assert ran.rows("select count(*), count(k_score) from k") == [(20, 19)], "the first is far from nothing"
        assert ran.rows("select topic, count(*) from p group by 1 order by 1") == [(0, 5), (1, 5)]
        assert ran.rows("select because like 'distance 0%' from recipec.dropped where step = 'k' and reason = 'not selected' limit 1") == [
            (True,)
        ]
        return [ran.rows(f"select * from {n} order by _key") for n in "kp"]

    assert made("id", 1) == made("md5(id::varchar)", 2)
