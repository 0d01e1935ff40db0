"""Confident learning: planted flips are found, from vectors and from probabilities of a ``predict`` step's form."""

from __future__ import annotations

from typing import Any

import numpy as np

from recipec.fast.select_logistic import fit, out_of_fold, softmax
from recipec.fast.select_noise import find_noise


def blobs(rows: int, classes: int, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(classes, 16))
    y = np.arange(rows) % classes
    x = centers[y] + 0.5 * rng.normal(size=(rows, 16))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), y


def flipped(y: Any, classes: int, share: float) -> tuple[Any, Any]:
    rng = np.random.default_rng(7)
    wrong = np.zeros(len(y), bool)
    wrong[rng.permutation(len(y))[: int(share * len(y))]] = True
    given = y.copy()
    given[wrong] = (y[wrong] + rng.integers(1, classes, wrong.sum())) % classes
    return given, wrong


def test_planted_flips_are_found() -> None:
    x, y = blobs(2000, 8)
    given, wrong = flipped(y, 8, 0.1)
    p = out_of_fold(x, given, np.arange(2000) // 8 % 5, 8, lambda share: None)
    assert np.allclose(p.sum(axis=1), 1, atol=1e-5)
    made = find_noise(given, p)
    assert made.joint.sum(axis=1).tolist() == np.bincount(given, minlength=8).tolist()
    assert (made.suspect & wrong).sum() / made.suspect.sum() > 0.95
    assert (made.suspect & wrong).sum() / wrong.sum() > 0.9
    assert (made.best[made.suspect & wrong] == y[made.suspect & wrong]).mean() > 0.95
    assert (made.margin[made.suspect] > 0).all()


def test_clean_labels_are_left_alone() -> None:
    y = np.arange(100) % 4
    p = np.full((100, 4), 0.02)
    p[np.arange(100), y] = 0.94
    assert not find_noise(y, p).suspect.any()
    # A class that no row carries, and one with a single row.
    p = np.concatenate([p, np.full((100, 1), 0.01)], axis=1)
    assert not find_noise(y, p).suspect.any()


def test_the_fit_is_the_least_loss() -> None:
    x, y = blobs(300, 3)
    w = fit(x, y, 3)
    assert (softmax(x @ w[:-1] + w[-1]).argmax(axis=1) == y).mean() > 0.9
    p = softmax(x.astype(np.float64) @ w[:-1] + w[-1])
    p[np.arange(300), y] -= 1
    slope = x.T @ p / 300 + w[:-1] / (10 * 300)
    assert np.abs(slope).max() < 2e-3


STEP = '''
recipe "r" {{ seed: 3 }}
sql a """select i as id, case when i = 5 then null when i in (10, 21, 33) then 'blue' when i % 2 = 0 then 'red' else 'blue' end as colour,
  case when i = 6 then null when i % 2 = 0 then map {{'red': 0.9, 'blue': 0.1}} else map {{'red': 0.2, 'blue': 0.8}} end as p
  from range(60) r(i) order by {order}""" {{ key: id }}
select k from a {{ by: suspect_labels(label: colour, probabilities: p) }}
select t from a {{ by: suspect_labels(label: colour, probabilities: p, choose: trusted) }}
'''


def test_step(lab: Any) -> None:
    def made(order: str, threads: int) -> list[Any]:
        ran = lab.run(STEP.format(order=order), threads=threads)
        assert ran.rows("select id, k_score, k_suggested from k") == [(10, 0.8, "red")]
        assert ran.dropped("k") == {"label not suspect": 57, "no score": 2}
        assert ran.dropped("t") == {"label suspect": 1, "no score": 2}
        assert ran["k"].built.notes == ["1 of 58 labels are suspect (1.7%)"]
        assert ran.rows("select because from recipec.dropped where step = 't' and reason = 'label suspect'") == [
            ("margin against its label 0.8; likely red",)
        ]
        return [ran.rows(f"select * from {n} order by _key") for n in "kt"]

    assert made("id", 1) == made("md5(id::varchar)", 2)


def test_wrong(lab: Any) -> None:
    start = 'recipe "r" { seed: 1 }  sql p """select 1 as id, \'a\' as text, [1] as l""" { key: id }'
    cases = [
        ("suspect_labels(label: text)", "`suspect_labels` needs a model"),
        ("suspect_labels(label: l, probabilities: text)", "a label is one value"),
        ("suspect_labels(label: nothing, probabilities: text)", "no column `nothing` in `p`"),
    ]
    for body, said in cases:
        found = [d.message for d in lab.check(f"{start} select k from p {{ by: {body} }}")]
        assert any(said in m for m in found), (body, found)
    ran = lab.run(
        f'{start} sql q from p """select *, map {{\'a\': 1.0::double}} as m from p""" select k from q {{ by: suspect_labels(label: text, probabilities: m) }}',
        good=False,
    )
    assert ran.error("k") == "the labels in `text` are of 1 class"
