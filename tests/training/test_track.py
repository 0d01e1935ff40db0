"""What is tracked while it trains, and what is said where it cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from training_harness import spec_of, topic_rows

from recipec.api import DataError
from recipec.training._fit import fit

SPEC = spec_of("classify", "single", "text", "label", epochs=2, batch_size=8)


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_missing_package_is_said_before_anything_is_read(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(DataError, match=f"track: {name} needs the package `{name}`") as found:
        fit(replace(SPEC, track=name), topic_rows(40), place / "m")  # type: ignore[arg-type]
    assert found.value.help == f"pip install {name}, or leave `track` out"
    assert not list(place.iterdir())


def test_tensorboard_has_losses_and_scores_and_the_weights_are_the_same(place: Path) -> None:
    events: Any = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="TensorBoard is not installed")
    made = fit(replace(SPEC, track="tensorboard"), topic_rows(40), place / "m", validation=topic_rows(20, 2), track=place / "logs")
    read = events.EventAccumulator(str(place / "logs"))
    read.Reload()
    tags = read.Tags()["scalars"]
    assert {"train/loss", "train/learning_rate", "eval/f1", "eval/loss"} <= set(tags)
    assert [round(e.value, 5) for e in read.Scalars("eval/f1")][-1] == pytest.approx(made.metrics["f1"], abs=1e-4)
    assert fit(SPEC, topic_rows(40), place / "n", validation=topic_rows(20, 2)).hash == made.hash
