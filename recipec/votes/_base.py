"""What votes in a label step: ``vote llm(lm, ask(text))``, and what it is given and gives.

A vote is a class found through the registry. It is bound with the step's columns and classes, and at a run makes a table of votes:
one class, or none, for every row.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from recipec.api import Json, Schema, Settings, Traits
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext
    from recipec.resolve.binder import StepBinder


@dataclass(frozen=True)
class Voting:
    """What a vote gets when it runs.

    ``relation`` is the SQL name of the rows to vote on, with ``_key`` and the input's columns. The vote creates the temporary table
    ``out`` with ``_key`` (UUID), ``vote`` (SMALLINT, the class's place in ``classes``; null abstains) and ``sure`` (DOUBLE[], the
    probability of each class in their order, null where it has none). A row that is not in it abstains.
    """

    ctx: RunContext
    relation: str
    classes: tuple[str, ...]
    out: str
    name: str
    salt: str
    seed: int

    def temp(self, what: str) -> str:
        return self.ctx.temp(f"{self.name}_{what}")

    def progress(self, done: int, of: int) -> None:
        self.ctx.progress(done / of if of else None, self.name)

    def code(self, answer: str) -> int | None:
        """The place of the class with this name."""
        return self.classes.index(answer) if answer in self.classes else None


@dataclass
class Voted:
    """What voting cost, and what went wrong. ``soft``: whether it gave probabilities. ``failed`` are rows that got no answer, as
    (key, reason, text); ``strange`` counts answers that are none of the classes, by answer."""

    soft: bool = False
    spent: Mapping[str, Json] = field(default_factory=dict)
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    strange: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Json] = field(default_factory=dict)
    """More for ``recipec labels``: the workers of a crowd."""


class Vote(ABC):
    """``vote NAME(...)`` in a label step. Made with validated ``Params``; its docstring is its documentation."""

    Params: ClassVar[type[Settings]]
    name: ClassVar[str]
    version: ClassVar[int] = 1
    traits: ClassVar[Traits] = Traits()

    def __init__(self, params: Any) -> None:
        self.params = params

    def bind(  # noqa: B027  # most votes have nothing to check
        self, bind: StepBinder, schema: Schema, classes: Sequence[str] | None, call: tree.Op
    ) -> None:
        """Check what the parameters alone do not show; problems go to ``bind.report``."""

    def meaning(self) -> Json:
        """What decides the votes beside the parameters."""
        return None

    def polarity(self, classes: Sequence[str]) -> Sequence[str]:
        """The classes that it can vote for."""
        return classes

    def brings(self, ctx: RunContext) -> tuple[str, ...] | None:
        """The classes that it knows by itself, for steps that declare none; asked when the step runs."""
        return None

    def known(self) -> tuple[str, ...] | None:
        """The classes that it knows by itself when the recipe is checked."""
        return None

    @abstractmethod
    def run(self, voting: Voting) -> Voted: ...
