"""Toy rows, and specifications of models so small that they learn in a second."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from recipec.training._base import Rows, ScratchParams, TrainSpec

SCRATCH = ScratchParams(layers=1, width=32, heads=2, vocab=400, max_length=64)
ANIMAL = ["the", "cat", "sat", "on", "a", "mat", "and", "purred", "softly", "while", "another", "dog", "slept"]
MONEY = ["stocks", "fell", "as", "banks", "lost", "money", "in", "early", "trading", "on", "friday"]


def topics(n: int, seed: int = 1) -> tuple[list[str], list[str]]:
    """Texts of two topics that share few words."""
    rng = random.Random(seed)
    labels = [("animal", "money")[i % 2] for i in range(n)]
    return [" ".join(rng.choice(ANIMAL if c == "animal" else MONEY) for _ in range(8)) for c in labels], labels


def topic_rows(n: int = 200, seed: int = 1) -> Rows:
    texts, labels = topics(n, seed)
    return Rows.of({"text": texts, "label": labels})


def spec_of(task: str, form: str, *roles: str, **values: Any) -> TrainSpec:
    """A specification on a tiny base, one thread (two that wait for each other are slower on so little)."""
    return replace(TrainSpec(task, form, roles, SCRATCH, threads=1), **values)
