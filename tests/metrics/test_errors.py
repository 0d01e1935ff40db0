from __future__ import annotations

import math

from recipec.metrics._data import class_data
from recipec.metrics.errors import Pair, confused, worst

GOLD = ["a", None, "a", "b", "b", "a"]
GUESS = ["b", "b", "b", "b", None, "b"]
P = [[0.4, 0.6], [0.1, 0.9], [0.1, 0.9], [0.2, 0.8], [0.9, 0.1], [math.nan, 1]]


def test_the_surest_errors_come_first() -> None:
    found = worst(class_data(GOLD, GUESS, P, ["a", "b"]))
    assert [(w.row, w.gold, w.predicted, w.confidence) for w in found] == [
        (2, "a", "b", 0.9),
        (0, "a", "b", 0.6),
        (4, "b", None, None),
        (5, "a", "b", None),
    ]
    assert found[0].gold_probability == 0.1
    assert len(worst(class_data(GOLD, GUESS, P, ["a", "b"]), limit=1)) == 1


def test_without_probabilities_errors_come_in_order_of_rows() -> None:
    found = worst(class_data(GOLD, GUESS))
    assert [w.row for w in found] == [0, 2, 4, 5]
    assert found[0].confidence is None
    assert worst(class_data([], [])) == []


def test_confused_pairs() -> None:
    found = confused(class_data(GOLD, GUESS))
    assert found == [Pair("a", "b", 3, 1.0), Pair("b", None, 1, 0.5)]
