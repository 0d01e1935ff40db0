"""Dawid-Skene, one-coin and the label model: equal to EM on the rows, indifferent to order, defined for every input."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.labels.assignment import assignment
from recipec.labels.combined import Combined
from recipec.labels.learned import dawid_skene, label_model, mace, one_coin_model
from recipec.labels.patterns import from_votes
from recipec.labels.simple import first, majority, weighted_by_gold

Votes = npt.NDArray[np.int64]
# No tolerance: another order of sums must not stop EM a round earlier.
STEADY: dict[str, dict[str, float]] = {
    "dawid_skene": {"iterations": 15, "tolerance": 0.0},
    "one_coin": {"iterations": 15, "tolerance": 0.0},
    "mace": {"iterations": 15, "tolerance": 0.0},
    "label_model": {},
}
MODELS: dict[str, Callable[..., Combined]] = {
    "dawid_skene": dawid_skene,
    "one_coin": one_coin_model,
    "mace": mace,
    "label_model": label_model,
}
EVERY: dict[str, Callable[..., Combined]] = {**MODELS, "majority": majority, "first": first, "weighted": weighted_by_gold}


def simulated(n: int, m: int, classes: int, seed: int = 0, cover: float = 0.8) -> tuple[Votes, Votes]:
    """Votes of voters that are right 55 to 95 % of the time, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, n)
    votes = np.full((n, m), -1)
    for j in range(m):
        right = rng.random(n) < rng.uniform(0.55, 0.95)
        votes[:, j] = np.where(rng.random(n) < cover, np.where(right, truth, rng.integers(0, classes, n)), -1)
    return votes, truth


def at_rows(votes: Votes, classes: int, fit: Callable[..., Combined], **facts: object) -> npt.NDArray[np.float64]:
    """Probabilities by row, learned from patterns."""
    found = from_votes(votes, classes)
    assert found.place is not None
    assert (found.votes[found.place] == votes).all()
    return fit(found, [str(k) for k in range(classes)], **facts).probabilities[found.place]


def plain_em(votes: Votes, classes: int, iterations: int, smoothing: float) -> npt.NDArray[np.float64]:
    """Dawid and Skene's EM as the paper writes it, row by row: what the quick one must equal. Abstentions are missing."""
    n, m = votes.shape
    q = np.array([[np.sum(v == k) for k in range(classes)] for v in votes], float)
    use = q.sum(axis=1) > 0
    q /= np.maximum(q.sum(axis=1, keepdims=True), 1)
    for _ in range(iterations + 1):
        prior = q[use].sum(axis=0) + smoothing
        prior /= prior.sum()
        theta = np.full((m, classes, classes), smoothing)
        for i in range(n):
            for j in range(m):
                if votes[i, j] >= 0:
                    theta[j, :, votes[i, j]] += q[i]
        theta /= theta.sum(axis=2, keepdims=True)
        for i in range(n):
            like = np.log(prior) + sum((np.log(theta[j, :, votes[i, j]]) for j in range(m) if votes[i, j] >= 0), np.zeros(classes))
            q[i] = np.exp(like - like.max())
            q[i] /= q[i].sum()
    return q


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 5), st.integers(1, 5), st.integers(1, 30), st.integers(0, 1000), st.integers(1, 6))
def test_patterns_give_what_em_on_the_rows_gives(classes: int, m: int, n: int, seed: int, iterations: int) -> None:
    votes, _ = simulated(n, m, classes, seed)
    # Classes nobody votes for have rules of their own, tested below.
    votes = np.concatenate([votes, np.repeat(np.arange(classes)[:, None], m, axis=1)])
    ours = at_rows(votes, classes, dawid_skene, iterations=iterations, tolerance=0.0, smoothing=0.1, silence=False)
    assert np.abs(ours - plain_em(votes, classes, iterations, 0.1)).max() < 1e-6


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 10), st.integers(3, 6), st.integers(0, 1000), st.sampled_from(sorted(MODELS)))
def test_the_same_on_patterns_and_on_every_row(classes: int, m: int, seed: int, name: str) -> None:
    votes, _ = simulated(60, m, classes, seed)
    votes = np.concatenate([votes, votes[:20]])
    names = [str(k) for k in range(classes)]
    single = MODELS[name](from_votes(votes, classes, distinct=False), names, **STEADY[name])
    assert np.abs(at_rows(votes, classes, MODELS[name], **STEADY[name]) - single.probabilities).max() < 1e-6


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 5), st.integers(3, 6), st.integers(0, 1000), st.sampled_from(sorted(MODELS)))
def test_order_means_nothing(classes: int, m: int, seed: int, name: str) -> None:
    """Other order of rows, voters or classes: the same probabilities in that order."""
    votes, _ = simulated(80, m, classes, seed)
    before = at_rows(votes, classes, MODELS[name], **STEADY[name])
    rng = np.random.default_rng(seed)
    rows, voters, names = rng.permutation(len(votes)), rng.permutation(m), rng.permutation(classes)
    renamed = np.where(votes >= 0, names[votes], -1)
    after = at_rows(renamed[rows][:, voters], classes, MODELS[name], **STEADY[name])
    assert np.abs(after[:, names] - before[rows]).max() < 1e-6


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_learning_beats_majority_on_voters_of_unequal_skill(name: str, classes: int) -> None:
    votes, truth = simulated(3000, 7, classes, seed=5)
    plain, learned = (at_rows(votes, classes, fit).argmax(axis=1) == truth for fit in (majority, MODELS[name]))
    assert learned.mean() >= plain.mean()
    made = MODELS[name](from_votes(votes, classes), [str(k) for k in range(classes)])
    real = [float((votes[:, j] == truth)[votes[:, j] >= 0].mean()) for j in range(7)]
    assert np.abs(np.array(made.accuracy, float) - real).max() < 0.08


def test_the_same_bytes_every_time() -> None:
    votes, _ = simulated(500, 8, 3)
    for fit in EVERY.values():
        one, two = (fit(from_votes(votes, 3), list("abc")) for _ in range(2))
        assert one.probabilities.tobytes() == two.probabilities.tobytes()


ODD: dict[str, tuple[list[list[int]], int, str | None]] = {
    "no rows": ([], 2, "there are no rows to label"),
    "all abstain": ([[-1, -1, -1]] * 5, 3, "no voter votes on any row: no row gets a label"),
    "one voter": ([[0], [1], [1], [-1]], 2, "only voter_0 votes: nothing can be learned from agreement"),
    "two voters": ([[0, 0], [1, 0], [1, 1], [-1, 1]], 2, None),
    "a voter that never votes": ([[0, 0, -1, 0], [1, 0, -1, 1], [1, 1, -1, 1]], 2, "never votes: voter_2"),
    "a class nobody votes for": ([[0, 0, 1], [1, 0, 1], [1, 1, 1]], 3, "nobody votes for c: no row can get it"),
    "one class only": ([[0, 0, 0], [0, -1, 0], [-1, -1, 0]], 2, "nobody votes for b: no row can get it"),
    "one row": ([[0, 1, 1]], 2, None),
    "perfect agreement": ([[0] * 4, [1] * 4, [2] * 4] * 10, 3, None),
    "perfect disagreement": ([[0, 1, 0, 1], [1, 0, 1, 0]] * 10, 2, None),
    "one class at all": ([[0, -1, 0]], 1, None),
}


@pytest.mark.parametrize("name", sorted(EVERY))
@pytest.mark.parametrize("case", sorted(ODD))
def test_odd_votes_give_defined_results(name: str, case: str) -> None:
    rows, classes, note = ODD[case]
    votes = np.array(rows, np.int64).reshape(len(rows), -1 if rows else 3)
    for gold in (None, [0, *[-1] * (len(rows) - 1)] if rows else None):
        found = from_votes(votes, classes, gold=gold)
        with np.errstate(all="raise", under="ignore"):
            made = EVERY[name](found, list("abcdef")[:classes])
        assert made.probabilities.shape == (len(found), classes)
        assert np.isfinite(made.probabilities).all()
        assert np.abs(made.probabilities.sum(axis=1) - 1).max(initial=0) < 1e-9
        assert np.isfinite(made.confusion).all()
        assert abs(made.prior.sum() - 1) < 1e-9
        assert all(a is None or 0 <= a <= 1 for a in made.accuracy)
        assert (made.decided[found.voted == 0] == -1).all()
        votes_for = found.tally.sum(axis=0) + (found.gold.by_class(classes) if found.gold is not None else 0)
        assert all(votes_for[d] for d in made.decided if d >= 0)
        if note is not None and gold is None:
            assert any(note in n for n in made.notes)


def test_the_label_model_says_that_voters_are_too_few() -> None:
    made = label_model(from_votes([[0, 1], [1, 1], [0, -1]], 2), ["a", "b"])
    assert any("the label model needs three voters that vote, not 2: each is taken to be right 70% of the time" in n for n in made.notes)


def test_rules_for_one_class_are_judged_by_when_they_fire() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 2, 4000)
    # Four rules, two a class, that fire on 30 % of their own class's rows and on 3 or 15 % of the other's.
    fires = [(0, 0.3, 0.03), (0, 0.3, 0.15), (1, 0.3, 0.03), (1, 0.3, 0.15)]
    votes = np.stack([np.where(rng.random(4000) < np.where(truth == c, own, other), c, -1) for c, own, other in fires], axis=1)
    covered = (votes >= 0).any(axis=1)
    for fit in (dawid_skene, one_coin_model):
        right = (at_rows(votes, 2, fit).argmax(axis=1) == truth)[covered].mean()
        assert right > (at_rows(votes, 2, majority).argmax(axis=1) == truth)[covered].mean() - 0.01
        assert right > 0.78
        made = fit(from_votes(votes, 2), ["a", "b"])
        assert any("voter_0, voter_1, voter_2, voter_3 vote for one class only" in n for n in made.notes)


def test_mace_finds_those_who_vote_by_habit() -> None:
    rng = np.random.default_rng(6)
    truth = rng.choice(3, 2000, p=[0.2, 0.4, 0.4])
    votes = np.stack(
        [
            np.where(rng.random(2000) < k, truth, rng.choice(3, 2000, p=h))
            for k, h in ((0.9, [1, 0, 0]), (0.1, [0.9, 0.1, 0]), (0.7, [0, 1, 0]), (0.2, [1, 0, 0]))
        ],
        axis=1,
    )
    right = {f.__name__: (at_rows(votes, 3, f).argmax(axis=1) == truth).mean() for f in (mace, majority)}
    assert right["mace"] > max(0.9, right["majority"] + 0.1)


def test_gold_is_fixed_and_teaches() -> None:
    """The voter in the minority is the one who knows: only gold can tell."""
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, 600)
    liar = [np.where(rng.random(600) < 0.3, truth, 1 - truth) for _ in range(2)]
    votes = np.stack([*liar, np.where(rng.random(600) < 0.9, truth, 1 - truth)], axis=1)
    found = from_votes(votes, 2, gold=np.where(np.arange(600) < 200, truth, -1))
    place = {tuple(p): i for i, p in enumerate(found.votes.tolist())}
    where = [place[tuple(v)] for v in votes.tolist()]
    with_gold = dawid_skene(found, ["a", "b"])
    without = dawid_skene(found, ["a", "b"], gold=False)
    assert (with_gold.decided[where] == truth)[200:].mean() > 0.85
    assert (without.decided[where] == truth)[200:].mean() < 0.5
    assert with_gold.fixed
    assert not without.fixed
    assert (weighted_by_gold(found, ["a", "b"]).decided[where] == truth)[200:].mean() > 0.85


def test_a_given_prior_holds() -> None:
    votes, _ = simulated(300, 4, 3)
    for fit in MODELS.values():
        made = fit(from_votes(votes, 3), list("abc"), prior=[0.7, 0.2, 0.1])
        assert made.prior.tolist() == pytest.approx([0.7, 0.2, 0.1])


def test_a_rate_that_runs_away_is_halved() -> None:
    votes, truth = simulated(500, 6, 2)
    made = label_model(from_votes(votes, 2), ["a", "b"], rate=8.0)
    assert np.isfinite(made.probabilities).all()
    assert (at_rows(votes, 2, label_model, rate=8.0).argmax(axis=1) == truth).mean() > 0.8


def test_the_greatest_assignment() -> None:
    rng = np.random.default_rng(0)
    for n in range(1, 6):
        for _ in range(10):
            gains = rng.random((n, n))
            best = max(sum(gains[i, p[i]] for i in range(n)) for p in permutations(range(n)))
            found = assignment(gains)
            assert sorted(found) == list(range(n))
            assert sum(gains[i, j] for i, j in enumerate(found)) == pytest.approx(best)
