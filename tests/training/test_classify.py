"""Classes: learned, weighed, soft, several; what makes it impossible is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from training_harness import spec_of, topic_rows, topics

from recipec.api import DataError
from recipec.training._base import DoraParams, FrozenParams, LoraParams, PrefixParams, PromptParams, Rows
from recipec.training._fit import fit
from recipec.training._predict import Predictor

SPEC = spec_of("classify", "single", "text", "label", epochs=6, batch_size=8, learning_rate=3e-3)


def test_it_learns_and_the_predictor_says_the_same(place: Path) -> None:
    made = fit(SPEC, topic_rows(), place / "m", validation=topic_rows(60, 2))
    assert made.metrics["accuracy"] == 1.0
    assert made.metrics["f1"] == 1.0
    assert made.metrics["loss"] < 0.2
    assert made.ledger.json() == {"rows": 200, "kept": 200, "truncated": 0, "dropped": {}}
    assert made.classes == ["animal", "money"]
    assert not (place / "m.work").exists()
    texts, labels = topics(40, 3)
    model = Predictor(place / "m")
    p = model.classify(texts)
    assert p.shape == (40, 2)
    assert np.allclose(p.sum(axis=1), 1, atol=1e-6)
    assert [model.classes[i] for i in p.argmax(1)] == labels
    assert np.array_equal(p, model.classify(texts))


def test_chinese(place: Path) -> None:
    texts = ["猫在垫子上睡觉。", "银行股票下跌。", "小狗和小猫在玩。", "市场交易亏损。"] * 20
    labels = ["动物", "财经"] * 40
    spec = replace(SPEC, epochs=15)
    made = fit(spec, Rows.of({"text": texts, "label": labels}), place / "m", validation=Rows.of({"text": texts[:4], "label": labels[:4]}))
    assert made.metrics["accuracy"] == 1.0
    assert made.classes == ["动物", "财经"]
    assert Predictor(place / "m").classify(["小猫睡觉。", "股票亏损。"]).argmax(1).tolist() == [0, 1]


def test_every_row_is_accounted_for(place: Path) -> None:
    texts, labels = topics(40)
    rows = Rows.of({"text": [*texts, None, "  ", "cat", " ".join(["dog"] * 200)], "label": [*labels, "animal", "money", None, "animal"]})
    made = fit(SPEC, rows, place / "m")
    assert made.ledger.json() == {"rows": 44, "kept": 41, "truncated": 1, "dropped": {"no text": 2, "no label": 1}}
    assert [(p, made.ledger.reasons[r]) for p, r in made.ledger.marks] == [
        (40, "no text"), (41, "no text"), (42, "no label"), (43, "cut at the end"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "values", "words"),
    [
        ({"text": ["a", "b"], "label": ["x", "x"]}, {}, "only the class `x`"),
        ({"text": ["a", "b"], "label": ["x", "y"]}, {"classes": ("x", "y", "z")}, "no training row has the class `z`"),
        ({"text": ["a"], "label": [None]}, {}, "no row is left"),
        ({"text": ["a", "b"], "label": ["x", "y"]}, {"max_length": 500}, "max_length is 500, and the base takes 64"),
        ({"text": ["a", "b"], "label": ["x", "y"]}, {"class_weights": (("q", 2.0),)}, "class_weights names `q`"),
        ({"text": ["a", "b"], "label": ["x", "y"]}, {"learning_rate": 1e30, "epochs": 30, "max_norm": 0.0}, "loss is not a number at step"),
    ],
)
def test_what_cannot_be_learned_is_an_error(place: Path, columns: dict[str, list[str]], values: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        fit(spec_of("classify", "single", "text", "label", **values), Rows.of(columns), place / "m")
    assert not (place / "m").exists()


def test_validation_must_fit(place: Path) -> None:
    rows = topic_rows(20)
    with pytest.raises(DataError, match="validation has the class `sport`, which no training row has"):
        fit(SPEC, rows, place / "m", validation=Rows.of({"text": ["goal"], "label": ["sport"]}))
    with pytest.raises(DataError, match="no row is left to validate on"):
        fit(SPEC, rows, place / "m", validation=Rows.of({"text": [""], "label": ["money"]}))


def test_several_labels(place: Path) -> None:
    a, b = topics(120)[0][::2], topics(120)[0][1::2]
    texts = [*a, *b, *(f"{x} {y}" for x, y in zip(a, b, strict=True))]
    labels = [*([["animal"]] * 60), *([["money"]] * 60), *([["money", "animal"]] * 60)]
    rows = Rows.of({"text": texts, "label": labels})
    made = fit(
        spec_of("classify", "multi", "text", "label", epochs=10, batch_size=8, learning_rate=3e-3, class_weights="balanced"),
        rows,
        place / "m",
        validation=rows,
    )
    assert made.metrics["accuracy"] > 0.95
    assert made.metrics["f1"] > 0.95
    p = Predictor(place / "m").classify([f"{a[0]} {b[0]}", a[0]])
    assert (p > 0.5).tolist() == [[True, True], [True, False]]


def test_soft_labels_and_weights_move_what_is_learned(place: Path) -> None:
    texts, labels = topics(100)
    sure = fit(SPEC, Rows.of({"text": texts, "label": labels}), place / "sure")
    spec = spec_of("classify", "soft", "text", "label", "confidence", epochs=6, batch_size=8, learning_rate=3e-3)
    unsure = fit(spec, Rows.of({"text": texts, "label": labels, "confidence": [0.6] * 100}), place / "unsure")
    assert sure.hash != unsure.hash
    top = [float(Predictor(place / name).classify(texts).max(1).mean()) for name in ("sure", "unsure")]
    assert top[0] > 0.9
    assert 0.5 < top[1] < 0.75
    spec = spec_of("classify", "single", "text", "label", "weight", epochs=6, batch_size=8, learning_rate=3e-3)
    one_sided = fit(spec, Rows.of({"text": texts, "label": labels, "weight": [1.0, 0.0] * 50}), place / "one")
    assert one_sided.ledger.kept == 100
    assert Predictor(place / "one").classify(texts).argmax(1).tolist() == [0] * 100


def test_a_whole_distribution(place: Path) -> None:
    texts, labels = topics(40)
    shares = [{"animal": 1.0, "money": 0.0} if c == "animal" else {"animal": 0.0, "money": 1.0} for c in labels]
    shares[0] = {"animal": 0.0, "money": 0.0}
    spec = spec_of("classify", "soft", "text", "label", "probabilities", epochs=10, batch_size=8, learning_rate=3e-3)
    made = fit(spec, Rows.of({"text": texts, "label": labels, "probabilities": shares}), place / "m")
    assert made.ledger.dropped == {"no probabilities": 1}
    assert Predictor(place / "m").classify(texts[:2]).argmax(1).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("adapter", "rate"),
    [
        (LoraParams(rank=4), 1e-2),
        (DoraParams(rank=4), 1e-2),
        (FrozenParams(), 1e-2),
        (PrefixParams(tokens=4), 3e-2),
        (PromptParams(tokens=4), 3e-2),
    ],
    ids=lambda v: type(v).__name__,
)
def test_adapters_train_few_weights(place: Path, adapter: object, rate: float) -> None:
    spec = spec_of("classify", "single", "text", "label", adapter=adapter, epochs=5, learning_rate=rate)
    made = fit(spec, topic_rows(), place / "m", validation=topic_rows(40, 2))
    assert 0 < made.trained_parameters < made.total_parameters / 3
    assert made.metrics["accuracy"] >= (0.9 if isinstance(adapter, LoraParams) else 0.5)
    texts, labels = topics(40, 2)
    said = Predictor(place / "m").classify(texts).argmax(1)
    assert np.mean([("animal", "money")[i] == c for i, c in zip(said, labels, strict=True)]) == pytest.approx(made.metrics["accuracy"])
