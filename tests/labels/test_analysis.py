"""What is said of voters, classes and their agreement; confidence set right by gold."""

from __future__ import annotations

import json

import duckdb
import numpy as np
import numpy.typing as npt
import pytest

from recipec.labels.agreement import agreement, cohen
from recipec.labels.analysis import analyse, keys, score, yes_or_no
from recipec.labels.calibrate import calibrated
from recipec.labels.combined import Combined
from recipec.labels.learned import dawid_skene
from recipec.labels.patterns import Patterns, from_votes, patterns
from recipec.labels.simple import majority

#                a   b   c
VOTES = np.array([[0, 0, -1], [0, 1, -1], [0, 1, 1], [-1, -1, -1], [1, 1, 1], [0, -1, -1]])


def test_facts_of_voters_and_classes() -> None:
    found = from_votes(VOTES, 2, voters=["a", "b", "c"], gold=[0, 0, 1, 1, 1, -1])
    facts = analyse(found, ["no", "yes"], majority(found, ["no", "yes"]))
    a, b, c = facts.voters
    assert (a.votes, b.votes, c.votes) == (5, 4, 2)
    assert [v.coverage for v in facts.voters] == [5 / 6, 4 / 6, 2 / 6]
    assert [v.overlap for v in facts.voters] == [4 / 6, 4 / 6, 2 / 6]
    assert [v.conflict for v in facts.voters] == [2 / 6, 2 / 6, 1 / 6]
    assert a.polarity == ("no", "yes")
    assert c.polarity == ("yes",)
    assert (a.right, a.judged, a.accuracy) == (3, 4, 0.75)
    assert (c.right, c.judged, c.accuracy) == (2, 2, 1.0)
    assert (facts.rows, facts.unlabelled, facts.undecided) == (6, 1, 1)
    no, yes = facts.classes
    assert (no.votes, no.rows, no.gold) == (4, 2, 2)
    assert (yes.votes, yes.rows, yes.gold) == (3, 2, 3)
    assert [(f.rows, f.against, dict(f.votes), f.decided) for f in facts.fights] == [
        (1, 1, {"a": "no", "b": "yes"}, None),
        (1, 1, {"a": "no", "b": "yes", "c": "yes"}, "yes"),
    ]
    # Four rows of known class have votes; one is a tie, worth a half.
    assert [(s.combiner, s.right, s.rows, s.decided) for s in facts.scores] == [("majority", 3.5, 4, 0.75)]
    assert "nobody votes on 1 of 6 rows" in facts.notes
    json.dumps(facts.as_json())


def test_it_says_where_majority_beats_the_model() -> None:
    """Two near-copies outvote everybody in a learned model, not in a vote."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 3000)

    def voter(skill: float) -> npt.NDArray[np.int64]:
        out: npt.NDArray[np.int64] = np.where(rng.random(3000) < skill, truth, 1 - truth)
        return out

    copy = voter(0.6)
    votes = np.stack([copy, copy, voter(0.75), voter(0.75), voter(0.75)], axis=1)
    found = from_votes(votes, 2, gold=np.where(np.arange(3000) < 1000, truth, -1))
    names = ["no", "yes"]
    made = dawid_skene(found.without_gold(), names)
    facts = analyse(found, names, made)
    plain, model = facts.scores
    assert plain.accuracy is not None
    assert model.accuracy is not None
    assert plain.accuracy > model.accuracy
    assert any(
        n.startswith("on gold plain majority is right more often than dawid_skene: ") and n.endswith("1,000 rows") for n in facts.notes
    )
    # With gold fixed the model is scored as it does without.
    fixed = dawid_skene(found, names)
    assert analyse(found, names, fixed, refit=lambda p: dawid_skene(p, names)).scores[1].right == model.right


def test_kappas_of_the_textbooks() -> None:
    assert cohen([[20, 5], [10, 15]]) == pytest.approx(0.4)
    assert cohen([[0, 0], [0, 0]]) is None
    assert cohen([[7, 0], [0, 0]]) is None
    # Fleiss 1971 as worked in many texts: 10 subjects, 14 raters, 5 classes, kappa 0.210.
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    votes = [[k for k, n in enumerate(row) for _ in range(n)] for row in counts]
    assert agreement(from_votes(votes, 5)).fleiss == pytest.approx(0.210, abs=5e-4)
    # Krippendorff 2011, reliability data D: nominal alpha 0.743.
    n = -1
    data = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, n, n, n],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, n, 3],
        [n, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, n],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, n],
    ]
    shifted = np.array(data).T
    found = from_votes(np.where(shifted > 0, shifted - 1, -1), 5)
    assert agreement(found).alpha == pytest.approx(0.743, abs=5e-4)


def test_agreement_that_has_no_meaning() -> None:
    for votes in ([[0, -1]], [[0, 0], [0, 0]], np.zeros((0, 2), int)):
        found = agreement(from_votes(votes, 2))
        assert (found.fleiss, found.alpha) == (None, None)
        assert found.pairs[0][1] is None


def overconfident() -> tuple[Patterns, Combined]:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 4000)
    once = np.where(rng.random(4000) < 0.7, truth, rng.integers(0, 3, 4000))
    votes = np.stack([once, once, once, np.where(rng.random(4000) < 0.6, truth, rng.integers(0, 3, 4000))], axis=1)
    found = from_votes(votes, 3, gold=truth)
    return found, dawid_skene(found.without_gold(), list("abc"))


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_calibration_makes_confidence_true_and_keeps_labels(method: str) -> None:
    found, made = overconfident()
    new = calibrated(found, made, method)  # type: ignore[arg-type]
    assert np.abs(new.probabilities.sum(axis=1) - 1).max() < 1e-9
    assert (new.probabilities.argmax(axis=1) == made.probabilities.argmax(axis=1)).all()

    def gap(c: Combined) -> float:
        s = score(found, c)
        return abs(float((c.probabilities.max(axis=1) * found.counts).sum()) / found.rows - s.right / s.rows)

    assert gap(made) > 0.15
    assert gap(new) < 0.02


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_calibration_without_gold_or_with_little(method: str) -> None:
    found, made = overconfident()
    assert "no gold" in calibrated(found.without_gold(), made, method).notes[-1]  # type: ignore[arg-type]
    few = from_votes([[0, 0], [1, 1], [0, 1]], 2, gold=[0, 1, 0])
    new = calibrated(few, dawid_skene(few, ["a", "b"]), method)  # type: ignore[arg-type]
    assert "on 3 rows of gold only" in new.notes[-1]
    # Three right rows are no certainty.
    assert 0.5 <= new.probabilities.max() < 0.9


def test_rows_of_a_fight_can_be_found() -> None:
    con = duckdb.connect()
    con.execute("CREATE TABLE t AS FROM (VALUES (7, 0, 1), (3, 0, 1), (5, 1, 1)) AS v(_key, x, y)")
    found = patterns(con, "t", ["x", "y"], 2)
    fight = analyse(found, ["a", "b"], majority(found, ["a", "b"])).fights[0]
    assert (fight.rows, keys(con, found, fight.pattern)) == (2, [3, 7])


def test_each_class_of_many_is_a_question_of_yes_and_no() -> None:
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE t AS FROM (VALUES (1, [0], [0, 2], [0]), (2, NULL, [1], []), (3, [2], []::INT[], NULL)) AS v(_key, rule, person, gold)"
    )
    query = yes_or_no("t", ["rule", "person"], 0, exhaustive=["person"], gold="gold")
    assert con.execute(f"FROM {query} ORDER BY _key").fetchall() == [(1, 1, 1, 1), (2, None, 0, 0), (3, None, 0, None)]
    found = patterns(con, query, ["rule", "person"], 2, gold="gold")
    assert majority(found, ["no", "yes"]).decided.tolist() == [0, 1]
