"""What an augment step says of its copies beside their originals."""

from __future__ import annotations

import random
from typing import Any

import pytest

from recipec.engines.diversity import distinct, self_bleu


def test_measures() -> None:
    assert distinct([["a", "b"], ["a", "c"]], 1) == 0.75
    assert distinct([["a"]], 2) is None
    assert self_bleu([["a", "b"]]) is None
    assert self_bleu([["a", "b", "c", "d"]] * 3) == 1.0
    assert self_bleu([["a", "b"], ["c", "d"]]) == 0.0


def test_self_bleu_is_that_of_nltk() -> None:
    bleu = pytest.importorskip("nltk.translate.bleu_score", reason="nltk is not installed")
    rng = random.Random(1)
    texts = [[rng.choice("abcdefg") for _ in range(rng.randint(5, 14))] for _ in range(30)]
    smooth = bleu.SmoothingFunction().method2
    theirs = [bleu.sentence_bleu(texts[:i] + texts[i + 1 :], t, smoothing_function=smooth) for i, t in enumerate(texts)]
    assert self_bleu(texts) == pytest.approx(sum(theirs) / len(theirs), abs=1e-4)


def test_a_step_tells_them(lab: Any) -> None:
    ran = lab.run('''
      recipe "r" { seed: 2 }
      sql a """select i as id, '今天天气很好，第' || i || '天' as zh, 'the quick fox no. ' || i || ' runs over the hills' as text from range(40) r(i)""" { key: id }
      augment k from a { copies: 2  delete_words(text, rate: 30%)  dedupe(text) }
      augment z from a { swap_words(zh) }
      augment none from a { shape_errors(text) }
    ''')
    said = ran["k"].built.extra["diversity"]
    assert said["column"] == "text"
    assert said["sample"] == ran["k"].built.rows_out - 40
    assert said["words"][1][1] < said["words"][0][1] == 9
    assert 0 < said["shared"][0] <= said["shared"][1] <= said["shared"][2] <= 1
    assert len(said["nearest"]) == 3
    assert said["nearest"][0][2] == said["shared"][2]
    assert all(0 < v < 1 for v in [*said["distinct"][0], *said["distinct"][1], *said["self_bleu"]])
    assert ran["z"].built.extra["diversity"]["shared"] == [1.0, 1.0, 1.0], "the same characters in another order"
    assert ran["none"].built.extra["diversity"] == {}
