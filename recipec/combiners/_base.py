"""What a combiner is: how the votes of a row become one label.

A combiner sees patterns of votes with their counts (:mod:`recipec.labels.patterns`), never rows. Its module is imported by
``check``, so numpy and the algorithms are imported in ``fit`` alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from recipec.api import Settings

if TYPE_CHECKING:
    from recipec.labels.combined import Combined
    from recipec.labels.patterns import Patterns

Ties = Literal["abstain", "first", "random"]


class Combiner(ABC):
    """``combine: dawid_skene()``. Made with validated ``Params``; its docstring is its documentation and cites its source."""

    Params: ClassVar[type[Settings]]
    name: ClassVar[str]
    version: ClassVar[int] = 1
    learns: ClassVar[bool] = False
    """Whether it learns from all rows together (a label then depends on the other rows)."""
    uses_gold: ClassVar[bool] = False
    """Whether rows of known class change what it makes of the others."""
    random: bool = False
    """Whether it leaves ties to chance, by the rows' keys. A class with ``ties`` says True: an instance knows its setting."""

    def __init__(self, params: Any) -> None:
        self.params = params
        if getattr(params, "ties", "random") != "random":
            self.random = False

    def check(self, voters: Sequence[str], classes: Sequence[str], *, gold: bool) -> list[tuple[str, str]]:
        """(message, help) for every reason why these voters and classes cannot be combined so; known before any row is read."""
        return []

    @abstractmethod
    def fit(self, found: Patterns, classes: Sequence[str], *, prior: Sequence[float] | None = None) -> Combined:
        """Combine. ``found.gold`` holds the known classes; ``prior`` is the share of each class where the recipe says it.

        Every input gives a defined result: voters that never vote, classes nobody votes for, no rows at all. What is odd is
        said in ``Combined.notes``. The same patterns give the same bytes.
        """


def wrong_prior(prior: Sequence[float] | None, classes: Sequence[str]) -> list[tuple[str, str]]:
    """(message, help) for what is wrong with shares of classes."""
    if prior is None:
        return []
    if len(prior) != len(classes):
        return [(f"`prior` has {len(prior)} shares for {len(classes)} classes", "one share a class, in the order of `classes`")]
    if any(p <= 0 for p in prior):
        return [("a class with a prior of 0 can never be a label", "give it a small share, or leave the class out")]
    if abs(sum(prior) - 1) > 1e-6:
        return [(f"the shares of `prior` sum to {sum(prior):.4g}", "they must sum to 100%")]
    return []


def wrong_weights(weights: Mapping[str, float] | None, voters: Sequence[str]) -> list[tuple[str, str]]:
    """(message, help) for weights that name no voter."""
    return [(f"`weights` names `{w}`, which is no voter", f"the voters are: {', '.join(voters)}") for w in weights or {} if w not in voters]
