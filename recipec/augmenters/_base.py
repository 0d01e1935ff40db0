"""What an augmenter is: a statement of an ``augment`` step that gives each copy of a row other values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from recipec.api import Alike, ColumnName, Json, RunTools, Schema, Settings
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import WrongType
from recipec.resolve.types import shown
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext


@dataclass(frozen=True)
class Refusal:
    """Copies that are not to be kept, found when all are made and filtered. ``find(ctx, copies, originals, out)`` gets the table of the copies
    that are left (``_key``, ``_parent`` and the columns) and that of the originals, creates the temporary table ``out`` with ``_key``, and
    returns notes for people."""

    reason: str
    find: Callable[[RunContext, str, str, str], list[str]]
    alike: Alike | None = None
    """Where ``find`` looks for near-duplicates alone: what it looks for, of copies and originals alike (``rows`` yields ``_key, _text``;
    the order is ``_own``, 0 for an original), so that it can be found in many places at once."""


@dataclass(frozen=True)
class Change:
    """What an augmenter makes of a copy, as SQL over the copy's columns.

    ``columns`` gives the new value of each column that it changes. The SQL may hold ``{seed}`` (UBIGINT, chance that depends
    on the recipe's seed, the step, the operator and the copy alone), ``{copy}`` (BIGINT, the copy's number from 1), ``{rows}``
    (the number of originals), ``{scratch}`` (a text literal: the folder in which ``prepare`` left its files) and
    ``{partner.COLUMN}`` (the value of the copy's partner).

    ``made`` is an SQL value that several columns come from, computed once; they read it as ``{made}``.
    ``fill(ctx, relation, out)`` instead runs on the table of the copies and creates the temporary table ``out`` with ``_key`` and ``made``,
    which the columns read as ``{made}`` (null where there is no answer); it returns notes for people. The relation has ``__seed``, the chance.
    ``partner`` asks for another original as partner, drawn by chance among those that are equal in the columns named (any
    other row where none is named); its values are null where there is no other row.
    ``prepare(tools, relation)`` runs once before the copies are made, on the table of the originals.
    """

    columns: Mapping[str, str]
    made: str | None = None
    fill: Callable[[RunContext, str, str], list[str]] | None = None
    partner: tuple[str, ...] | None = None
    prepare: Callable[[RunTools, str], None] | None = None
    distinct: tuple[str, ...] | None = None
    """Columns in which no two copies, and no copy and original, may be equal; empty for all that are changed."""
    refusal: Refusal | None = None
    facts: Mapping[str, Json] = field(default_factory=dict)
    """What decides the result beside the parameters, for the fingerprint."""


class Augmenter(ABC):
    """``typos(text, rate: 2%)`` in an augment step. Made with validated ``Params``; its docstring is its documentation.

    Randomness comes from ``{seed}`` alone, so that neither order nor threads can change a copy. An augmenter never gives
    anything but valid text, ends on every text, and leaves what it does not change as it is, to the byte.
    """

    Params: ClassVar[type[Settings]]
    name: ClassVar[str]
    version: ClassVar[int] = 1

    def __init__(self, params: Any) -> None:
        self.params = params

    @property
    def external(self) -> bool:
        """Whether it sends rows outside this machine."""
        return False

    @property
    def copies(self) -> int | None:
        """How many copies it asks for, where the step says nothing."""
        return None

    def keeps(self, label: str) -> bool:
        """Whether a copy means what its original means, so that the original's value in the column of labels holds for it."""
        return True

    def vouches(self, label: str) -> bool:
        """Whether it sees to it that the value in the column of labels holds for the copies that are kept."""
        return False

    def instead(self, label: str) -> tuple[str, ...]:
        """What one could write for meaning to be kept, given the column of labels."""
        return ()

    @abstractmethod
    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        """Type the augmenter on ``schema`` and lower it. Problems go to ``bind.report``."""


def need_text(bind: StepBinder, schema: Schema, column: ColumnName, name: str) -> None:
    """Report a column that is no text."""
    if column.type != "VARCHAR" and not schema.unknown:
        help = ("of lists of words, only augmenters of characters can change the words: typos, noise, ...",)
        message = f"`{name}` changes text; `{column.name}` is {shown(column.type)}"
        bind.report(WrongType(span=column.span, message=message, help=help if column.type == "VARCHAR[]" else ()))


UNIT = "chr(31)"
"""What parts the words of a list while their characters are changed: white space that no text holds."""


def characters(bind: StepBinder, schema: Schema, column: ColumnName, name: str, call: Callable[[str], str]) -> Change:
    """An augmenter that changes characters, never the number of words or what is between them: of a text, or of the words of a
    list, whose number and so whose tags stay as they are."""
    if column.type != "VARCHAR[]":
        need_text(bind, schema, column, name)
        return Change({column.name: call(column.sql)})
    c = column.sql
    # Lists that the detour by a text would not give back the same stay as they are.
    odd = f"len(list_filter({c}, lambda x: x IS NULL OR x = '' OR contains(x, {UNIT}))) > 0"
    joined = f"CASE WHEN len({c}) > 0 AND NOT {odd} THEN array_to_string({c}, {UNIT}) END"
    return Change({column.name: f"CASE WHEN {{made}} IS NULL THEN {c} ELSE string_split({{made}}, {UNIT}) END"}, made=call(joined))
