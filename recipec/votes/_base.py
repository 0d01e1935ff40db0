"""What votes in a label step: ``vote llm(lm, ask(text))``, and what it is given and gives.

A vote is a class found through the registry. It is bound with the step's columns and classes, and at a run makes a table of votes:
one class, or none, for every row.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from recipec.api import Asking, Json, Schema, Settings, SourceFile, Traits
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext
    from recipec.resolve.binder import StepBinder


Mode = Literal["class", "many", "tags"]
"""What a label step gives a row: one class, every class that fits, or a tag for every token."""
SAID: dict[Mode, str] = {"class": "one class a row", "many": "several classes a row", "tags": "a tag a token"}


@dataclass(frozen=True)
class Voting:
    """What a vote gets when it runs.

    ``relation`` is the SQL name of the rows to vote on, with ``_key`` and the input's columns. The vote creates the temporary table
    ``out`` with ``_key`` (UUID), ``vote`` (SMALLINT, the class's place in ``classes``; null abstains) and ``sure`` (DOUBLE[], the
    probability of each class in their order, null where it has none). A row that is not in it abstains.

    In a step that gives several classes (``mode`` is ``many``) the table has ``_key`` and ``votes`` (SMALLINT[], the classes voted for) and
    ``sure``; a row with an empty list has none of the classes.
    """

    ctx: RunContext
    relation: str
    classes: tuple[str, ...]
    out: str
    name: str
    salt: str
    seed: int
    mode: Mode = "class"

    def temp(self, what: str) -> str:
        return self.ctx.temp(f"{self.name}_{what}")

    def progress(self, done: int, of: int) -> None:
        self.ctx.progress(done / of if of else None, self.name)

    def code(self, answer: str) -> int | None:
        """The place of the class with this name."""
        return self.classes.index(answer) if answer in self.classes else None


@dataclass(frozen=True)
class Tagging(Voting):
    """What a vote on tokens gets. ``classes`` are the types of entities.

    ``rows`` is a table of the rows that have tokens: ``n`` (BIGINT, the row's place in the order of keys, from 0), ``_key`` and ``tokens``
    (VARCHAR[], no nulls in it); ``words`` has ``n``, ``i`` (INTEGER, the token's place, from 0) and ``w``, the token. The vote makes the
    temporary table ``out`` with ``n``, ``start`` and ``stop`` (INTEGER, tokens of an entity, ``stop`` not among them) and ``tag`` (SMALLINT, its
    type's place; -1 abstains on these tokens). A voter that says of every token what it is (:attr:`Voted.whole`) has at least one line for
    each row that it answered, with null in ``start`` where there is no entity. Spans may overlap: the step settles it.
    """

    mode: Mode = "tags"
    tokens: str = ""
    rows: str = ""
    words: str = ""


@dataclass
class Voted:
    """What voting cost, and what went wrong. ``soft``: whether it gave probabilities. ``whole``: whether it says no to what it does not name
    (a model, a person), where a rule says nothing. ``failed`` are rows that got no answer, as (key, reason, text); ``strange`` counts
    answers that are none of the classes, by answer."""

    soft: bool = False
    whole: bool = False
    spent: Mapping[str, Json] = field(default_factory=dict)
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    strange: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    certainty: str = ""
    """For votes on tokens, a table of ``n`` and ``p``: how probable the least sure tag of a row is, where the voter tells."""
    facts: dict[str, Json] = field(default_factory=dict)
    """More for ``recipec labels``: the workers of a crowd."""


@dataclass
class Ballots:
    """What voting gave beside the table of votes: ``voted`` of each voter, votes of rules that are for none of the classes, and rows by gold
    that is none of the classes (under "" where it is not told which)."""

    voted: list[Voted]
    unknown: int = 0
    astray: dict[str, int] = field(default_factory=dict)


class Vote(ABC):
    """``vote NAME(...)`` in a label step. Made with validated ``Params``; its docstring is its documentation."""

    Params: ClassVar[type[Settings]]
    name: ClassVar[str]
    version: ClassVar[int] = 1
    traits: ClassVar[Traits] = Traits()
    modes: ClassVar[frozenset[Mode]] = frozenset({"class"})
    """The kinds of label steps that it can vote in."""

    alone: ClassVar[bool] = False
    """Whether a row's vote depends on that row, on the parameters and on other tables alone, and no model is asked: then parts of the rows can
    be voted on in different places."""

    def __init__(self, params: Any) -> None:
        self.params = params
        self.mode: Mode = "class"
        """Of the step, set before ``bind``."""
        self.tokens = ""
        """The column of tokens, in a step with tags."""

    def bind(  # noqa: B027  # most votes have nothing to check
        self, bind: StepBinder, schema: Schema, classes: Sequence[str] | None, call: tree.Op
    ) -> None:
        """Check what the parameters alone do not show; problems go to ``bind.report``."""

    def meaning(self) -> Json:
        """What decides the votes beside the parameters."""
        return None

    def files(self) -> Sequence[SourceFile]:
        """Files whose contents decide the votes."""
        return ()

    def polarity(self, classes: Sequence[str]) -> Sequence[str]:
        """The classes that it can vote for."""
        return classes

    def brings(self, ctx: RunContext) -> tuple[str, ...] | None:
        """The classes that it knows by itself, for steps that declare none; asked when the step runs."""
        return None

    def known(self) -> tuple[str, ...] | None:
        """The classes that it knows by itself when the recipe is checked."""
        return None

    def asking(self, name: str, classes: Sequence[str] | None) -> Asking | None:
        """What it asks of a model behind a server, under the voter's name; None where it asks none."""
        return None

    @abstractmethod
    def run(self, voting: Voting) -> Voted: ...
