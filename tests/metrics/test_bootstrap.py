"""Resampling: the same as drawing rows and measuring them, repeatable, and honest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.api import DataError
from recipec.metrics import bootstrap
from recipec.metrics._data import ClassData, class_data, loss_data, multilabel_data, number_data, tag_data, text_data
from recipec.metrics.bootstrap import compare, interval, mcnemar
from recipec.metrics.slices import slices
from recipec.registry import find, names

pytestmark = pytest.mark.filterwarnings("error")
ROWS = 12


def made(name: str, **params: Any) -> Any:
    cls = find("metric", name)
    return cls(cls.Params(**params))


def classes(rows: int, k: int, seed: int, good: float = 0.7) -> ClassData:
    rng = np.random.RandomState(seed)
    gold = rng.randint(0, k, rows)
    p = np.round(rng.rand(rows, k) + good * (gold[:, None] == np.arange(k)), 1) + 0.1
    p /= p.sum(axis=1, keepdims=True)
    names = [chr(97 + i) for i in range(k)]
    return class_data([names[g] for g in gold], [names[i] for i in p.argmax(axis=1)], p, names)


TAGS = ["O", "B-PER", "I-PER", "B-LOC", "S-LOC", "E-PER"]


def example(kind: str) -> Any:
    rng = np.random.RandomState(7)
    match kind:
        case "classes":
            return classes(ROWS, 3, 1, good=0.2)
        case "multilabel":
            sets = [{c for c in "abc" if rng.rand() < 0.4} for _ in range(2 * ROWS)]
            return multilabel_data(sets[:ROWS], sets[ROWS:], ["a", "b", "c"], rng.rand(ROWS, 3))
        case "tags":
            rows = [[TAGS[i] for i in rng.randint(0, 6, 1 + n % 5)] for n in range(ROWS)]
            return tag_data(
                rows, [[TAGS[i] if rng.rand() < 0.4 else t for i, t in zip(rng.randint(0, 6, len(r)), r, strict=True)] for r in rows]
            )
        case "texts":
            words = ["the", "red", "dog", "saw", "一只", "猫", "and", "left,", "quickly."]
            texts = [" ".join(words[i] for i in rng.randint(0, 9, 6)) for _ in range(2 * ROWS)]
            return text_data(texts[:ROWS], texts[ROWS:])
        case "losses":
            return loss_data(-rng.rand(ROWS) * 30, rng.randint(1, 20, ROWS))
        case _:
            y = rng.rand(ROWS)
            return number_data(y, np.round(y + rng.rand(ROWS) / 2, 1))


CASES = [(n, kind, {}) for n in names("metric") for kind in sorted(find("metric", n).kinds)]
CASES += [("f1", "tags", {"average": "macro"}), ("f1", "tags", {"average": "weighted"}), ("f1", "multilabel", {"average": "weighted"})]
CASES += [("f1", "classes", {"positive": "b"}), ("roc_auc", "classes", {"average": "weighted"}), ("ece", "classes", {"adaptive": True})]
CASES += [("cohen_kappa", "classes", {"weights": "quadratic"}), ("chrf", "texts", {"words": 2})]


@pytest.mark.parametrize(("name", "kind", "params"), CASES, ids=lambda x: str(x))
def test_a_weighted_statistic_is_the_metric_of_the_rows_drawn(name: str, kind: str, params: dict[str, Any]) -> None:
    metric, data = made(name, **params), example(kind)
    statistic = metric.statistic(data)
    assert statistic.rows == data.rows
    for weights in bootstrap.weights(data.rows, 25, 3):
        for w, value in zip(weights, statistic.weighted(weights), strict=True):
            rows = np.repeat(np.arange(data.rows), w)
            assert w.sum() == data.rows
            again = metric.compute(data.take(rows))
            assert value == pytest.approx(again, abs=1e-9, nan_ok=True)
    assert statistic.weighted(np.ones((1, data.rows), dtype=np.int64))[0] == pytest.approx(metric.compute(data), abs=1e-12)


@pytest.mark.parametrize(("name", "kind", "params"), CASES, ids=lambda x: str(x))
def test_intervals_are_repeatable_and_hold_the_value(monkeypatch: pytest.MonkeyPatch, name: str, kind: str, params: dict[str, Any]) -> None:
    metric, data = made(name, **params), example(kind)
    for method in ("percentile", "bca"):
        one = interval(metric, data, resamples=200, seed=5, method=method)  # type: ignore[arg-type]
        assert one.low <= one.high
        monkeypatch.setattr(bootstrap, "CHUNK", 37)
        again = interval(metric, data, resamples=200, seed=5, method=method)  # type: ignore[arg-type]
        monkeypatch.undo()
        assert again == one


def test_the_seed_decides_and_its_numbers_never_change() -> None:
    data, metric = classes(200, 3, 2, good=0.3), made("f1")
    one, other = interval(metric, data, seed=1), interval(metric, data, seed=-1)
    assert (one.low, one.high) != (other.low, other.high)
    assert interval(metric, data, seed=2**70) != interval(metric, data, seed=2**71)
    assert (one.low, one.high) == pytest.approx(FROZEN["f1"], abs=1e-12)
    drawn = interval(made("log_loss"), data, seed=1)
    assert (drawn.low, drawn.high) == pytest.approx(FROZEN["log_loss"], abs=1e-12)


FROZEN = {"f1": (0.5440169931485545, 0.6746985456343542), "log_loss": (0.8419430431655631, 0.9201939694678088)}


def test_draws_of_cells_are_draws_of_rows() -> None:
    data, metric = classes(300, 4, 3), made("f1")
    fast = interval(metric, data, resamples=4000)
    rng = np.random.RandomState(0)
    slow = [metric.compute(data.take(rng.randint(0, 300, 300))) for _ in range(4000)]
    low, high = np.quantile(slow, (0.025, 0.975))
    assert fast.low == pytest.approx(low, abs=0.005)
    assert fast.high == pytest.approx(high, abs=0.005)


def test_bca_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.RandomState(4)
    y = rng.rand(60)
    data = number_data(y, y + rng.exponential(1, 60))
    ours = interval(made("mse"), data, resamples=6000, method="bca")
    theirs = stats.bootstrap(((data.gold - data.predicted) ** 2,), np.mean, n_resamples=6000, method="BCa", rng=1).confidence_interval
    assert ours.low == pytest.approx(theirs.low, rel=0.04)
    assert ours.high == pytest.approx(theirs.high, rel=0.04)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.RandomState(0)
    metric = made("accuracy")
    held = 0
    for trial in range(300):
        right = rng.rand(150) < 0.8
        found = interval(metric, class_data(["a"] * 150, ["a" if r else "b" for r in right]), resamples=400, seed=trial)
        held += found.low <= 0.8 <= found.high
    assert 0.90 <= held / 300 <= 0.985


def test_a_score_and_its_interval_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    metric, asked = made("f1"), []
    real = type(metric).statistic
    monkeypatch.setattr(type(metric), "statistic", lambda self, data: asked.append(data) or real(self, data))
    one, other = classes(20, 3, 1), classes(20, 3, 2)
    metric.score(one)
    interval(metric, one, resamples=10)
    assert len(asked) == 1
    assert metric.compute(other) == made("f1").compute(other)
    assert len(asked) == 3


def test_groups_are_drawn_whole() -> None:
    data = classes(100, 3, 5)
    many = data.take(np.repeat(np.arange(100), 10))
    groups = np.repeat(np.arange(100), 10)
    for name in ("f1", "log_loss", "roc_auc"):
        metric = made(name)
        alone, together = interval(metric, data), interval(metric, many, groups=groups)
        assert together.high - together.low == pytest.approx(alone.high - alone.low, rel=0.15)
        narrow = interval(metric, many)
        assert narrow.high - narrow.low < 0.5 * (together.high - together.low)
    with pytest.raises(DataError, match="3 groups beside 100 rows"):
        interval(made("f1"), data, groups=[1, 2, 3])


def test_rows_without_a_group_are_drawn_alone() -> None:
    assert bootstrap.numbered(["a", None, "a", None, math.nan], 5)[1] == 4


def test_nothing_to_resample() -> None:
    found = interval(made("accuracy"), class_data([], []))
    assert math.isnan(found.value)
    assert not found.known
    found = interval(made("roc_auc"), class_data(["a"], ["a"], [[1.0, 0.0]], ["a", "b"]), resamples=10)
    assert not found.known
    assert found.undefined == 10
    assert math.isnan(compare(made("f1"), class_data([], []), class_data([], [])).p_value)


# Comparisons ----------------------------------------------------------------------------------------------------------


def test_a_model_is_not_better_than_itself() -> None:
    data = classes(100, 3, 1)
    for name in ("accuracy", "f1", "roc_auc", "log_loss"):
        found = compare(made(name), data, data)
        assert found.better is None
        assert found.p_value == 1.0
        assert "not distinguishable" in found.sentence("a", "b", name)


def test_a_better_model_is_found_and_named() -> None:
    worse, better = classes(400, 3, 1, good=0.2), classes(400, 3, 1, good=0.9)
    for name in ("accuracy", "f1", "roc_auc", "log_loss", "mcc"):
        found = compare(made(name), worse, better)
        assert found.better == "second", name
        assert found.p_value < 0.05
        assert compare(made(name), better, worse).better == "first"
    assert found.sentence("old", "new", "mcc").startswith("new is better than old: mcc higher by ")


def test_only_the_same_rows_can_be_compared() -> None:
    with pytest.raises(DataError, match="3 and 2 rows"):
        compare(made("accuracy"), class_data(["a"] * 3, ["a"] * 3), class_data(["a"] * 2, ["a"] * 2))
    with pytest.raises(DataError, match="different gold"):
        compare(made("accuracy"), class_data(["a", "b"], ["a", "a"]), class_data(["b", "a"], ["a", "a"]))


def test_rows_that_one_model_has_no_number_for_are_left_out_of_both() -> None:
    y = [1.0, 2.0, 3.0, 4.0]
    found = compare(made("mae"), number_data(y, [1.0, math.nan, 3.0, 4.0]), number_data(y, [2.0, 2.0, math.nan, 5.0]), groups=[1, 3, 4])
    assert (found.first, found.second) == (0.0, 1.0)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 20))
@settings(deadline=None, max_examples=60)
def test_mcnemar_is_the_exact_binomial_test(b: int, c: int, both: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    first = np.array([True] * b + [False] * c + [True] * both, dtype=bool)
    second = np.array([False] * b + [True] * c + [True] * both, dtype=bool)
    theirs = stats.binomtest(b, b + c).pvalue if b + c else 1.0
    assert mcnemar(first, second) == pytest.approx(theirs, abs=1e-9)


def test_two_models_that_are_equally_good_seldom_differ() -> None:
    """False alarms come about as often as the level lets them."""
    rng = np.random.RandomState(2)
    gold = ["a"] * 200
    alarms = 0
    for trial in range(200):
        sides = [class_data(gold, ["a" if r else "b" for r in rng.rand(200) < 0.8], classes=["a", "b"]) for _ in range(2)]
        alarms += compare(made("f1"), *sides, seed=trial, resamples=300).better is not None
    assert alarms <= 20


# Slices ---------------------------------------------------------------------------------------------------------------


def test_slices_and_gaps() -> None:
    gold = ["a", "b"] * 100
    guess = [g if i < 100 or i % 3 else "a" for i, g in enumerate(gold)]
    where: list[str | None] = ["en"] * 100 + ["zh"] * 80 + [None] * 15 + ["fr"] * 5
    found = slices(made("accuracy"), class_data(gold, guess), where, resamples=300)
    assert [(s.name, s.rows, s.small) for s in found.slices] == [("en", 100, False), ("zh", 80, False), ("null", 15, True), ("fr", 5, True)]
    assert sum(s.share for s in found.slices) == pytest.approx(1)
    assert (found.worst, found.best) == ("zh", "en")
    zh = found.slices[1]
    assert zh.score.value == pytest.approx(np.mean([g == p for g, p in zip(gold[100:180], guess[100:180], strict=True)]))
    assert found.gap == pytest.approx(1 - zh.score.value)
    assert found.gap_interval is not None
    assert found.gap_interval.low > 0
    assert zh.against_rest is not None
    others = [g == p for i, (g, p) in enumerate(zip(gold, guess, strict=True)) if where[i] != "zh"]
    assert zh.against_rest.value == pytest.approx(zh.score.value - np.mean(others))
    again = slices(made("accuracy"), class_data(gold, guess), where, resamples=300)
    assert again == found


def test_one_slice_has_no_gap() -> None:
    found = slices(made("f1"), class_data(["a", "b"] * 20, ["a", "b"] * 20), [True] * 40, resamples=50)
    assert found.slices[0].name == "true"
    assert found.slices[0].against_rest is None
    assert math.isnan(found.gap)
    assert found.worst is None
    assert slices(made("f1"), class_data([], []), []).slices == ()


def test_where_less_is_better_the_worst_has_the_most() -> None:
    y = np.zeros(80)
    data = number_data(y, np.repeat([0.1, 2.0], 40))
    found = slices(made("mae"), data, ["near"] * 40 + ["far"] * 40, resamples=50)
    assert (found.worst, found.best) == ("far", "near")


def test_a_thousand_classes_need_no_table_of_a_million_cells() -> None:
    rng = np.random.RandomState(0)
    gold = rng.randint(0, 2500, 3000)
    guess = np.where(rng.rand(3000) < 0.6, gold, rng.randint(0, 2500, 3000))
    data = ClassData(gold, guess, tuple(f"c{i}" for i in range(2500)))
    other = ClassData(gold, gold, data.classes)
    sk = pytest.importorskip("sklearn.metrics")
    for name, reference in (("f1", None), ("mcc", sk.matthews_corrcoef), ("cohen_kappa", sk.cohen_kappa_score)):
        found = interval(made(name), data, resamples=20)
        if reference is not None:
            assert found.value == pytest.approx(reference(gold, guess), abs=1e-9)
        assert found.low < found.high
    assert compare(made("f1"), data, other, resamples=50).better == "second"


def test_the_sentence_is_told_from_the_better_ones_side() -> None:
    def said(low: float, value: float, high: float, better: Any) -> str:
        return bootstrap.Comparison(0.5, 0.5 + value, bootstrap.Interval(value, low, high, 0.95, 1000), 0.01, "bootstrap", better).sentence(
            "a", "b", "f1"
        )

    assert said(0.01, 0.02, 0.03, "second") == "b is better than a: f1 higher by 2.00 points [1.00, 3.00], p = 0.010"
    assert said(-0.03, -0.02, -0.01, "first") == "a is better than b: f1 higher by 2.00 points [1.00, 3.00], p = 0.010"
    assert said(-0.03, -0.02, -0.01, "second") == "b is better than a: f1 lower by 2.00 points [1.00, 3.00], p = 0.010", "less is better"
    assert said(-0.01, 0.02, 0.03, None).endswith("f1 +2.00 points for b [-1.00, 3.00], p = 0.010")
