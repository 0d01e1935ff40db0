"""Agreement of judges: the worked examples of the papers, and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from recipec.api import DataError
from recipec.metrics.agreement import fleiss_kappa, krippendorff_alpha, pairs

N = None
# Krippendorff 2011, "Computing Krippendorff's alpha-reliability", example C: four observers, twelve units.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
    [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
]
UNITS = list(map(list, zip(*OBSERVERS, strict=True)))
# Fleiss 1971's data as often reprinted: ten items, fourteen judges, five categories.
COUNTS = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


def test_krippendorffs_example() -> None:
    assert krippendorff_alpha(UNITS) == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(UNITS, "ordinal") == pytest.approx(0.815, abs=5e-4)
    assert krippendorff_alpha(UNITS, "interval") == pytest.approx(0.849, abs=5e-4)


def test_fleiss_example() -> None:
    items = [[i for i, n in enumerate(row) for _ in range(n)] for row in COUNTS]
    assert fleiss_kappa(items) == pytest.approx(0.210, abs=5e-4)


def test_pairs_are_cohens_kappa() -> None:
    sk = pytest.importorskip("sklearn.metrics")
    rng = np.random.RandomState(0)
    items = [["abc"[i] for i in row] for row in rng.randint(0, 3, (40, 3))]
    for found in pairs(items):
        one, other = [r[found.first] for r in items], [r[found.second] for r in items]
        assert found.kappa == pytest.approx(sk.cohen_kappa_score(one, other), abs=1e-9)
        assert found.same == pytest.approx(sk.accuracy_score(one, other))
        assert found.items == 40


def test_edges() -> None:
    assert krippendorff_alpha([["a", "a"], ["b", "b"]]) == 1.0
    assert math.isnan(krippendorff_alpha([["a", "a"], ["a", None]]))
    assert math.isnan(krippendorff_alpha([]))
    assert pairs([]) == []
    assert math.isnan(pairs([["a", None], [None, "b"]])[0].kappa)
    with pytest.raises(DataError, match="equally many"):
        fleiss_kappa([["a", "b"], ["a", None]])
    with pytest.raises(DataError, match="have no distance"):
        krippendorff_alpha([["a", "b"]], "interval")
    with pytest.raises(DataError, match="different numbers"):
        pairs([["a"], ["a", "b"]])
