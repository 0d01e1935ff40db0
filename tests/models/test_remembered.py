"""Vectors of models that run here are made once a workspace, whoever wants them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipec.api import DataError, ModelFacts
from recipec.models._base import Model
from recipec.models.remembered import PIECE, Remembered, sweep

TEXTS = [f"text {n}" for n in range(50)]


def vector(text: str) -> list[float]:
    made = np.array([len(text), sum(text.encode()), 1.0])
    return list(made / np.linalg.norm(made))


class Counting(Model):
    facts = ModelFacts(does=frozenset({"embed"}))

    def __init__(self, folder: Path, identity: str) -> None:
        self.made: list[str] = []
        self.stop_at: int | None = None
        self.remembered = Remembered(folder, identity)

    def vectors(self, texts: Sequence[str], progress: Callable[[int], None] = lambda done: None) -> Any:
        if self.stop_at is not None and len(self.made) >= self.stop_at:
            raise KeyboardInterrupt
        self.made += texts
        progress(len(texts))
        return np.array([vector(t) for t in texts], np.float32).reshape(len(texts), 3)


def right(found: Any, texts: Sequence[str]) -> None:
    np.testing.assert_array_equal(found, np.array([vector(t) for t in texts], np.float32).reshape(len(texts), 3))


def test_a_text_is_embedded_once(tmp_path: Path) -> None:
    model = Counting(tmp_path, "a")
    said: list[int] = []
    right(model.embed(TEXTS + TEXTS[:5], said.append), TEXTS + TEXTS[:5])
    right(model.embed([TEXTS[7], "new 的", TEXTS[7]], said.append), [TEXTS[7], "new 的", TEXTS[7]])
    assert model.made == [*TEXTS, "new 的"]
    assert said == [50, 2]
    assert model.embed([]).shape == (0, 3)
    model.close()
    again = Counting(tmp_path, "a")
    right(again.embed(["new 的", *TEXTS[::-1]]), ["new 的", *TEXTS[::-1]])
    assert again.made == [], "another run makes none anew"
    again.close()
    other = Counting(tmp_path, "another model")
    right(other.embed(TEXTS), TEXTS)
    assert other.made == TEXTS
    other.close()


def test_what_was_made_before_a_stop_is_kept(tmp_path: Path) -> None:
    texts = [f"text {n}" for n in range(2 * PIECE + 10)]
    model = Counting(tmp_path, "a")
    model.stop_at = PIECE + 1
    with pytest.raises(KeyboardInterrupt):
        model.embed(texts)
    model.close()
    again = Counting(tmp_path, "a")
    right(again.embed(texts), texts)
    assert len(again.made) == 10
    again.close()


def test_a_torn_record_is_a_missing_one(tmp_path: Path) -> None:
    model = Counting(tmp_path, "a")
    model.embed(TEXTS)
    model.close()
    (path,) = (tmp_path / "vectors").glob("*.bin")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data[:-40])
    again = Counting(tmp_path, "a")
    right(again.embed(TEXTS), TEXTS)
    assert again.made == TEXTS[-2:]
    again.close()
    path.write_bytes(b"something else" * 20)
    broken = Counting(tmp_path, "a")
    with pytest.raises(DataError, match="holds no vectors") as told:
        broken.embed(TEXTS)
    assert "can be removed" in str(told.value.help)


def test_sweeping_keeps_those_of_the_models_that_are_left(tmp_path: Path) -> None:
    for name in ("a", "b"):
        model = Counting(tmp_path, name)
        model.embed(TEXTS)
        model.close()
    assert len(list((tmp_path / "vectors").glob("*.bin"))) == 2
    sweep(tmp_path, {"b"})
    again = Counting(tmp_path, "b")
    again.embed(TEXTS)
    assert again.made == []
    gone = Counting(tmp_path, "a")
    gone.embed(TEXTS)
    assert gone.made == TEXTS
