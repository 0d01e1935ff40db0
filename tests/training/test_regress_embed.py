"""Numbers and vectors: learned, and every row accounted for."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from training_harness import ANIMAL, MONEY, spec_of, topics

from recipec.api import DataError
from recipec.training._base import LoraParams, Rows
from recipec.training._fit import fit
from recipec.training._predict import Predictor


def rated(n: int, seed: int) -> tuple[list[str], list[float]]:
    """Texts of eight words; their number is 10 times how many are of animals."""
    rng = random.Random(seed)
    counts = [rng.randint(0, 8) for _ in range(n)]
    return [" ".join([rng.choice(ANIMAL) for _ in range(k)] + [rng.choice(MONEY) for _ in range(8 - k)]) for k in counts], [
        10.0 * k for k in counts
    ]


def test_numbers(place: Path) -> None:
    texts, numbers = rated(300, 1)
    more, wanted = rated(50, 2)
    rows = Rows.of({"text": [*texts, "", "a", "b"], "label": [*numbers, 1.0, None, float("nan")]})
    spec = spec_of("regress", "number", "text", "label", epochs=10, batch_size=8, learning_rate=3e-3)
    made = fit(spec, rows, place / "m", validation=Rows.of({"text": more, "label": wanted}))
    assert made.ledger.json() == {"rows": 303, "kept": 300, "truncated": 0, "dropped": {"no text": 1, "no finite number": 2}}
    assert made.metrics["r2"] > 0.8
    said = Predictor(place / "m").regress(more)
    assert np.sqrt(((said - np.array(wanted)) ** 2).mean()) == pytest.approx(made.metrics["rmse"], rel=1e-3)
    with pytest.raises(DataError, match="every training row has the number 3"):
        fit(spec, Rows.of({"text": ["a", "b"], "label": [3, 3]}), place / "n")


def test_vectors(place: Path) -> None:
    texts, labels = topics(160)
    other, _ = topics(160, 5)
    a = [t for t, c in zip(texts, labels, strict=True) if c == "animal"]
    b = [f"{t.split()[0]} {t.split()[-1]}" for t in a]
    spec = spec_of("embed", "pairs", "a", "b", epochs=10, batch_size=16, learning_rate=3e-3)
    rows = Rows.of({"a": [*a, "x"], "b": [*b, None]})
    made = fit(spec, rows, place / "m", validation=Rows.of({"a": a, "b": b}))
    assert made.ledger.dropped == {"no text": 1}
    assert made.metrics["accuracy"] > 0.3
    model = Predictor(place / "m")
    x, y = model.embed(a), model.embed(b)
    assert x.shape == (80, 32)
    assert np.allclose(np.linalg.norm(x, axis=1), 1, atol=1e-5)
    near = (x * y).sum(1).mean() - (x @ y.T).mean()
    assert near > 0.15
    triples = spec_of("embed", "triples", "a", "b", "negative", epochs=1, batch_size=16, adapter=LoraParams(rank=4))
    assert fit(triples, Rows.of({"a": a, "b": b, "negative": other[:80]}), place / "n").ledger.kept == 80
    assert Predictor(place / "n").embed(a[:2]).shape == (2, 32)
    with pytest.raises(DataError, match="batch_size is 1"):
        fit(spec_of("embed", "pairs", "a", "b", batch_size=1), rows, place / "o")
