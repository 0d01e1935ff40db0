"""Combiners as a recipe names them: settings, checks, results."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from recipec.combiners._base import Combiner
from recipec.labels.patterns import from_votes
from recipec.registry import find, names

NAMES = ["dawid_skene", "first", "label_model", "mace", "majority", "one_coin", "weighted"]


def make(name: str, **settings: object) -> Combiner:
    cls = find("combiner", name)
    assert cls is not None
    made: Combiner = cls(cls.Params(**settings))
    return made


def test_they_are_found() -> None:
    assert set(NAMES) <= set(names("combiner"))


@pytest.mark.parametrize("name", NAMES)
def test_each_combines(name: str) -> None:
    found = from_votes([[0, 0, 1], [1, 1, 1], [2, 2, 0], [-1, -1, -1]], 3, gold=[0, -1, -1, -1])
    made = make(name).fit(found, ["a", "b", "c"])
    place = {tuple(p): i for i, p in enumerate(found.votes.tolist())}
    assert made.combiner == name
    assert made.decided[place[-1, -1, -1]] == -1
    assert made.decided[place[1, 1, 1]] == 1
    assert "nobody votes on 1 of 4 rows" in made.notes


def test_check_needs_no_numpy() -> None:
    code = (
        "import sys; from recipec.registry import find, names\n"
        "for n in names('combiner'): c = find('combiner', n); c(c.Params()).check(['x', 'y', 'z'], ['a', 'b'], gold=True)\n"
        "assert 'numpy' not in sys.modules and 'pydantic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("weighted", {}, "`weighted` needs weights, or gold to find them from"),
        ("weighted", {"weights": {"z": 2.0}}, "`weights` names `z`, which is no voter"),
        ("weighted", {"weights": {"x": 0.0, "y": 0.0}}, "every voter has weight 0"),
        ("label_model", {}, "`label_model` learns from three voters or more; here are 2"),
        ("dawid_skene", {"prior": [0.5, 0.2, 0.3]}, "`prior` has 3 shares for 2 classes"),
        ("one_coin", {"prior": [0.5, 0.4]}, "the shares of `prior` sum to 0.9"),
        ("dawid_skene", {"prior": [1.0, 0.0]}, "a class with a prior of 0 can never be a label"),
    ],
)
def test_what_cannot_be_is_said_before_any_row_is_read(name: str, settings: dict[str, object], message: str) -> None:
    assert [m for m, _ in make(name, **settings).check(["x", "y"], ["a", "b"], gold=False)] == [message]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("weighted", {"weights": {"x": -1.0}}),
        ("dawid_skene", {"iterations": 0}),
        ("label_model", {"momentum": 1.0}),
        ("majority", {"ties": "last"}),
    ],
)
def test_settings_out_of_bounds(name: str, settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"weight|greater|less|Input"):
        make(name, **settings)


def test_first_takes_the_order_written() -> None:
    found = from_votes([[-1, 1, 0], [0, 1, 1], [-1, -1, 1]], 2)
    made = make("first").fit(found, ["a", "b"])
    firsts = [next(x for x in p if x >= 0) for p in found.votes.tolist()]
    assert made.decided.tolist() == firsts
    assert (made.probabilities.max(axis=1) == 1).all()


def test_weights_decide() -> None:
    found = from_votes([[0, 1, 1]], 2, voters=["x", "y", "z"])
    assert make("weighted", weights={"x": 3.0}).fit(found, ["a", "b"]).probabilities.tolist() == [[0.6, 0.4]]
    assert make("weighted", weights={"x": 2.0}).fit(found, ["a", "b"]).decided.tolist() == [-1]
    gone = make("weighted", weights={"y": 0.0, "z": 0.0}).fit(from_votes([[-1, 1, 1]], 2, voters=["x", "y", "z"]), ["a", "b"])
    assert gone.decided.tolist() == [-1]
    assert np.isfinite(gone.probabilities).all()
