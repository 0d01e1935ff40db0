"""Class metrics against scikit-learn, on made-up rows of every shape."""

from __future__ import annotations

import math
import re
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.api import DataError
from recipec.metrics._data import ClassData, class_data, multilabel_data
from recipec.metrics.tables import class_table, confusion_matrix, label_table
from recipec.registry import find, names
from recipec.report.scores import classification_report

sk = pytest.importorskip("sklearn.metrics")
pytestmark = pytest.mark.filterwarnings("ignore")


def score(name: str, data: Any, **params: Any) -> float:
    cls = find("metric", name)
    return float(cls(cls.Params(**params)).compute(data))


def whole(report: str) -> str:
    """scikit-learn 1.9 prints counts as ``3.0`` where those before it print ``3``."""
    return re.sub(r"  (\s*\d+)\.0$", r"    \1", report, flags=re.M)


def same(ours: float, theirs: float) -> None:
    if math.isnan(theirs):
        assert math.isnan(ours)
    else:
        assert ours == pytest.approx(theirs, abs=1e-9)


CLASSES = ["a", "b", "c", "d"]
pairs = st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), min_size=1, max_size=40)


@given(pairs)
@settings(deadline=None, max_examples=50)
def test_class_metrics_are_scikit_learns(rows: list[tuple[str, str]]) -> None:
    gold, guess = [g for g, _ in rows], [p for _, p in rows]
    data = class_data(gold, guess, classes=CLASSES)
    same(score("accuracy", data), sk.accuracy_score(gold, guess))
    same(score("balanced_accuracy", data), sk.balanced_accuracy_score(gold, guess))
    same(score("mcc", data), sk.matthews_corrcoef(gold, guess))
    same(score("hamming_loss", data), sk.hamming_loss(gold, guess))
    same(score("cohen_kappa", data), sk.cohen_kappa_score(gold, guess))
    for weights in ("linear", "quadratic"):
        same(score("cohen_kappa", data, weights=weights), sk.cohen_kappa_score(gold, guess, labels=CLASSES, weights=weights))
    for average in ("macro", "micro", "weighted"):
        p, r, f, _ = sk.precision_recall_fscore_support(gold, guess, average=average, zero_division=0)
        same(score("precision", data, average=average), p)
        same(score("recall", data, average=average), r)
        same(score("f1", data, average=average), f)
    p, r, f, _ = sk.precision_recall_fscore_support(gold, guess, labels=["b"], average="micro", zero_division=0)
    same(score("precision", data, positive="b"), p)
    same(score("recall", data, positive="b"), r)
    same(score("f1", data, positive="b"), f)
    assert np.array_equal(np.array(confusion_matrix(data).counts), sk.confusion_matrix(gold, guess, labels=CLASSES))
    if set(gold) | set(guess) == set(gold + guess):
        assert classification_report(class_table(data)) + "\n" == whole(sk.classification_report(gold, guess, zero_division=0))
        assert classification_report(class_table(data), 4) + "\n" == whole(sk.classification_report(gold, guess, zero_division=0, digits=4))


@st.composite
def scored(draw: st.DrawFn) -> ClassData:
    k = draw(st.integers(2, 4))
    n = draw(st.integers(1, 30))
    # Few different values, so that ties are common.
    table = np.array(draw(st.lists(st.lists(st.integers(1, 4), min_size=k, max_size=k), min_size=n, max_size=n)), dtype=float)
    table /= table.sum(axis=1, keepdims=True)
    gold = draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n))
    classes = CLASSES[:k]
    return class_data([classes[g] for g in gold], [classes[i] for i in table.argmax(axis=1)], table, classes)


@given(scored())
@settings(deadline=None, max_examples=50)
def test_probability_metrics_are_scikit_learns(data: ClassData) -> None:
    k, p = len(data.classes), data.probabilities
    assert p is not None
    same(score("log_loss", data), sk.log_loss(data.gold, p, labels=range(k)))
    binary = data.gold == 1
    same(score("brier", data), sk.brier_score_loss(binary, p[:, 1]) if k == 2 else sk.brier_score_loss(data.gold, p, labels=list(range(k))))
    areas = [(c, sk.roc_auc_score(data.gold == c, p[:, c])) for c in range(k) if 0 < (data.gold == c).sum() < data.rows]
    if k == 2:
        same(score("roc_auc", data), areas[1][1] if areas else math.nan)
    else:
        same(score("roc_auc", data), float(np.mean([a for _, a in areas])) if areas else math.nan)
        shares = np.bincount(data.gold, minlength=k)
        weighted = sum(a * shares[c] for c, a in areas) / sum(shares[c] for c, _ in areas) if areas else math.nan
        same(score("roc_auc", data, average="weighted"), weighted)
        if len(areas) == k:
            same(score("roc_auc", data), sk.roc_auc_score(data.gold, p, multi_class="ovr", labels=range(k)))
            same(
                score("roc_auc", data, average="weighted"),
                sk.roc_auc_score(data.gold, p, multi_class="ovr", average="weighted", labels=range(k)),
            )
    each = {c: sk.average_precision_score(data.gold == c, p[:, c]) for c in range(k) if (data.gold == c).any()}
    same(score("average_precision", data), float(np.mean(list(each.values()))))
    same(score("average_precision", data, positive="b"), each.get(1, math.nan))
    same(score("ece", data), plain_ece(data, 15))
    same(score("top_k", data, k=1), float((p.argmax(axis=1) == data.gold).mean()))


def plain_ece(data: ClassData, bins: int) -> float:
    """The definition, row by row."""
    assert data.probabilities is not None
    held: dict[int, list[tuple[float, bool]]] = {}
    edges = np.linspace(0, 1, bins + 1)
    for row, gold in zip(data.probabilities, data.gold, strict=True):
        at = next(i for i in range(bins) if edges[i] < row.max() <= edges[i + 1])
        held.setdefault(at, []).append((row.max(), row.argmax() == gold))
    return sum(abs(sum(s for s, _ in x) - sum(r for _, r in x)) for x in held.values()) / data.rows


def test_adaptive_ece_of_a_sure_and_always_wrong_model() -> None:
    data = class_data(["a"] * 10, ["b"] * 10, [[0.1, 0.9]] * 10, ["a", "b"])
    same(score("ece", data, adaptive=True, bins=5), 0.9)
    same(score("ece", data), 0.9)


labels = st.lists(st.sets(st.sampled_from(CLASSES)), min_size=1, max_size=20)


@given(st.data())
@settings(deadline=None, max_examples=40)
def test_sets_of_labels_are_scikit_learns(draw: st.DataObject) -> None:
    gold = draw.draw(labels)
    guess = [draw.draw(st.sets(st.sampled_from(CLASSES))) for _ in gold]
    data = multilabel_data(gold, guess, CLASSES)
    y, z = data.gold.astype(int), data.predicted.astype(int)
    same(score("accuracy", data), sk.accuracy_score(y, z))
    same(score("hamming_loss", data), sk.hamming_loss(y, z))
    for average in ("macro", "micro", "weighted"):
        p, r, f, _ = sk.precision_recall_fscore_support(y, z, average=average, zero_division=0)
        same(score("precision", data, average=average), p)
        same(score("recall", data, average=average), r)
        same(score("f1", data, average=average), f)
    same(score("f1", data), sk.f1_score(y, z, average="micro", zero_division=0))
    theirs = sk.classification_report(y, z, target_names=CLASSES, zero_division=0)
    assert classification_report(label_table(data)) + "\n" == whole(theirs)


def test_probabilities_of_labels() -> None:
    rng = np.random.RandomState(0)
    y, p = rng.rand(50, 3) < 0.4, rng.rand(50, 3)
    data = multilabel_data([{CLASSES[i] for i in np.flatnonzero(r)} for r in y], [set()] * 50, CLASSES[:3], p)
    same(score("roc_auc", data), sk.roc_auc_score(y, p))
    same(score("average_precision", data), sk.average_precision_score(y, p))
    same(score("log_loss", data), float(np.mean([sk.log_loss(y[:, c], p[:, c]) for c in range(3)])))


# Edges ----------------------------------------------------------------------------------------------------------------


def notes(name: str, data: Any, **params: Any) -> str:
    cls = find("metric", name)
    return "; ".join(cls(cls.Params(**params)).score(data).notes)


def test_null_gold_is_left_out_and_counted_and_a_null_prediction_is_wrong() -> None:
    data = class_data(["a", None, "b", "a"], ["a", "a", None, "strange"], classes=["a", "b"])
    assert data.rows == 3
    assert data.left_out == {"gold is null": 1}
    assert list(data.kept) == [0, 2, 3]  # type: ignore[arg-type]
    same(score("accuracy", data), 1 / 3)
    said = notes("accuracy", data)
    assert "1 row without a prediction: counted as wrong" in said
    assert "1 row predicted as none of the classes: counted as wrong" in said
    gold, guess = ["a", "b", "a"], ["a", "-", "-"]
    same(score("f1", data), sk.f1_score(gold, guess, labels=["a", "b"], average="macro", zero_division=0))
    same(score("precision", data, average="micro"), sk.precision_score(gold, guess, labels=["a", "b"], average="micro", zero_division=0))
    same(score("mcc", data), sk.matthews_corrcoef(gold, guess))
    same(score("cohen_kappa", data), sk.cohen_kappa_score(gold, guess))
    same(score("balanced_accuracy", data), sk.balanced_accuracy_score(gold, guess))


def test_gold_outside_the_classes_is_an_error() -> None:
    with pytest.raises(DataError, match="'spa', which the classes do not list"):
        class_data(["spam", "spa"], ["spam", "spam"], classes=["spam", "ham"])
    with pytest.raises(DataError, match="no class 'spamm'") as caught:
        score("f1", class_data(["spam", "ham"], ["spam", "spam"]), positive="spamm")
    assert "did you mean 'spam'" in caught.value.help
    with pytest.raises(DataError, match="beside"):
        class_data(["a"], [])


def test_classes_missing_from_gold_or_predictions_are_noted() -> None:
    data = class_data(["a", "b", "b"], ["a", "c", "c"], classes=["a", "b", "c", "d"])
    said = notes("f1", data)
    assert "class 'd' is neither in gold nor predicted: not in the average" in said
    assert "class 'b' is never predicted: precision counts as 0" in said
    assert "class 'c' is predicted but not in gold: recall counts as 0" in said
    same(score("f1", data), 1 / 3)


def test_one_class_only() -> None:
    data = class_data(["a", "a"], ["a", "a"], [[1.0], [1.0]], ["a"])
    same(score("f1", data), 1.0)
    assert math.isnan(score("roc_auc", data))
    assert "there is no value" in notes("roc_auc", data)
    assert math.isnan(score("cohen_kappa", data))
    same(score("mcc", data), 0.0)
    assert "one class only" in notes("mcc", data)


def test_no_rows() -> None:
    for name in names("metric"):
        cls = find("metric", name)
        if "classes" in cls.kinds:
            got = cls().score(class_data([], [], np.zeros((0, 2)), ["a", "b"]))
            assert math.isnan(got.value)
            assert got.known is None
            assert got.notes == ("there are no rows to measure",)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        class_table(class_data([], [], classes=["a"]))


def test_probabilities_that_cannot_be_used() -> None:
    p = [[0.9, 0.1], [math.nan, 0.5], [2.0, 2.0], [-1.0, 2.0], [0.2, 0.8]]
    data = class_data(["a", "a", "b", "b", "b"], ["a", "a", "b", "b", "b"], p, ["a", "b"])
    said = notes("log_loss", data)
    assert "2 rows with missing, infinite or negative probabilities: left out" in said
    assert "1 row whose probabilities do not add up to 1: divided by their sum" in said
    same(score("log_loss", data), sk.log_loss([0, 1, 1], [[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]))
    same(score("roc_auc", data), sk.roc_auc_score([0, 1, 1], [0.1, 0.5, 0.8]))
    same(score("accuracy", data), 1.0)
    all_bad = class_data(["a", "b"], ["a", "b"], [[math.nan, 0.5]] * 2, ["a", "b"])
    for name in ("log_loss", "brier", "roc_auc", "average_precision", "ece", "top_k"):
        assert math.isnan(score(name, all_bad))
    assert math.isnan(score("ece", all_bad, adaptive=True))
    with pytest.raises(DataError, match="needs a probability"):
        score("log_loss", class_data(["a"], ["a"]))


def test_average_and_positive() -> None:
    two = class_data(["n", "y", "y"], ["y", "y", "n"])
    same(score("f1", two, average="binary"), sk.f1_score([0, 1, 1], [1, 1, 0]))
    same(score("f1", two), sk.f1_score([0, 1, 1], [1, 1, 0], average="macro"))
    with pytest.raises(DataError, match="asks for one class"):
        score("f1", two, average="macro", positive="y")
    with pytest.raises(DataError, match="of 3 classes"):
        score("f1", class_data(["a", "b"], ["c", "c"]), average="binary")


def test_chinese_names_stand_under_each_other() -> None:
    from recipec.report.cells import width

    text = classification_report(class_table(class_data(["体育新闻", "财经", "sports"], ["体育新闻", "财经", "财经"])))
    assert len({width(line) for line in text.splitlines() if line}) == 1
