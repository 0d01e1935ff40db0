"""What stands in a recipe, resolved: schemas and SQL text, and the values that settings and arguments get.

Everything here is re-exported by :mod:`recipec.api`, which is what authors import.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from math import inf
from typing import Any, Literal

from recipec.record import record
from recipec.source import Span
from recipec.syntax import tree

Json = Any

# Schemas --------------------------------------------------------------------------------------------------------------

KEY, PARENT, ORDER = "_key", "_parent", "_order"
HIDDEN = (KEY, PARENT, ORDER)
"""Columns that recipec keeps itself: the row's identity, its parent's, and (after ``sort``) its place."""


@record(frozen=True)
class Column:
    """A column and its DuckDB type. ``origin`` is where the recipe made it, when it did; ``most`` is the greatest value that it can have,
    where the step that makes it knows one: a score is a share of one."""

    name: str
    type: str
    origin: Span | None = field(default=None, compare=False, repr=False)
    most: float = field(default=inf, compare=False, repr=False)


@record(frozen=True)
class Schema:
    """The columns a table shows to the recipe, in order; ``_key`` and ``_parent`` are always there and not listed.

    ``ordered`` says that the rows have an order of their own (column ``_order``), made by ``sort``.
    ``unknown`` says that the columns could not be found out (a source that cannot be read now): anything may be there.
    ``unsure`` are columns that are there, of types that a mistake further up hides.
    """

    columns: tuple[Column, ...] = ()
    ordered: bool = False
    unknown: bool = False
    unsure: frozenset[str] = frozenset()

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)

    @cached_property
    def types(self) -> dict[str, str]:
        return {c.name: c.type for c in self.columns}

    def with_column(self, column: Column) -> Schema:
        """Replaced in place where the name is there already, else added at the end."""
        if column.name in self.types:
            return replace(self, columns=tuple(column if c.name == column.name else c for c in self.columns))
        return replace(self, columns=(*self.columns, column))

    def only(self, names: Sequence[str]) -> Schema:
        """The named columns, in the order named."""
        by_name = {c.name: c for c in self.columns}
        return replace(self, columns=tuple(by_name[n] for n in names))


# SQL text -------------------------------------------------------------------------------------------------------------


def quote(name: str) -> str:
    """A name as SQL writes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


# DuckDB's strings cannot carry NUL in their text form. And a recipe's text must not pass for a hole of a rewrite's query,
# such as ``{input}``: prompts are full of these.
_APART = re.compile(r"(\0|\{(?=(?:input|scratch)\}|why\[|table[ }]))")


def literal(value: object) -> str:
    """A Python value as an SQL literal: None, bool, int, float, str, and lists and dicts of them."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return f"{value!r}::DOUBLE" if value == value and abs(value) != float("inf") else f"'{value!r}'::DOUBLE"
        case str():
            pieces = [p for p in _APART.split(value) if p]
            parts = [f"chr({ord(p)})" if p in "\0{" else "'" + p.replace("'", "''") + "'" for p in pieces] or ["''"]
            return parts[0] if len(parts) == 1 else f"({' || '.join(parts)})"
        case list() | tuple():
            return "[" + ", ".join(literal(v) for v in value) + "]"
        case dict():
            return "{" + ", ".join(f"{literal(str(k))}: {literal(v)}" for k, v in value.items()) + "}"
        case _:
            raise TypeError(f"no SQL literal for {type(value).__name__}")


# Settings and arguments -----------------------------------------------------------------------------------------------


@record(frozen=True)
class Expression:
    """An expression of the recipe, lowered: ``sql`` reads the columns in scope by their names; ``type`` is DuckDB's."""

    node: tree.Expr = field(compare=False, repr=False)
    sql: str
    type: str
    meaning: str
    """Canonical text: equal when two expressions mean the same, whatever their layout, macros or parameters."""
    columns: frozenset[str] = frozenset()
    aggregate: bool = False


@record(frozen=True)
class ColumnName:
    name: str
    type: str
    span: Span = field(compare=False, repr=False)

    @property
    def sql(self) -> str:
        return quote(self.name)


class Word(str):
    """A text that may be written as a bare name: ``columns: [tokens, tags]``."""


@record(frozen=True)
class TableRef:
    """``step`` is the resolved step's name (``tidy``, ``common.tidy``, ``clf@2``), ``part`` a split's part or None."""

    step: str
    part: str | None = None
    schema: Schema = field(default=Schema(), compare=False, repr=False)
    span: Span | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return self.step if self.part is None else f"{self.step}.{self.part}"

    @property
    def sql(self) -> str:
        """What stands for the table in a rewrite's query, until a run puts its name there."""
        return "{table " + str(self) + "}"


@record(frozen=True)
class ColumnRef:
    table: TableRef
    column: str
    type: str


@record(frozen=True)
class ModelFacts:
    """What is known of a model before anything runs.

    ``does`` are the things it can do: ``complete`` (text from a prompt), ``score`` (log-probabilities of given answers),
    ``embed``, ``classify``, ``tag``. ``external``: rows leave this machine. ``name`` is what people call the model; ``pinned``
    whether that name always means the same weights. ``classes`` are those of a classifier, where known by now. ``priced`` is
    whether the recipe says what its answers cost.
    """

    provider: str = ""
    name: str = ""
    does: frozenset[str] = frozenset()
    external: bool = False
    pinned: bool = True
    classes: tuple[str, ...] | None = None
    priced: bool = False
    reads: tuple[str, ...] = ()
    """The columns that a model trained in this recipe reads, where it was told them by name."""
    answers: str | None = None
    """The column with the answers that it was trained on."""
    task: str = ""
    """What it was trained for: ``classify``, ``tag``, ..."""
    host: str = ""
    """Where rows are sent to, as far as the recipe writes it: a server's name or address."""


@record(frozen=True)
class ModelRef:
    """A model of the recipe: a ``model`` step, or a ``train`` step's result. ``facts`` are None where its step is wrong."""

    step: str
    facts: ModelFacts | None = field(default=None, compare=False)
    span: Span | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return self.step

    def can(self, what: str) -> bool:
        """Whether the model can do a thing; a model of which nothing is known can."""
        return self.facts is None or what in self.facts.does


@record(frozen=True)
class PromptCall:
    """A template with the arguments that the recipe gives it. ``open`` are the parameters it does not give: who renders it does
    (the examples of a vote). ``arguments`` are the others, by parameter, over the columns in scope."""

    prompt: Any
    arguments: Mapping[str, Expression]
    open: tuple[str, ...]
    span: Span = field(compare=False, repr=False)

    @property
    def chat(self) -> bool:
        """Whether it gives messages, rather than a text."""
        return self.prompt.roles is not None

    @property
    def meaning(self) -> Json:
        return [self.prompt.digest, {p: e.meaning for p, e in self.arguments.items()}, list(self.open)]

    def sql(self, **given: str) -> str:
        """SQL that renders it: a text, or a list of ``{role, content}``. ``given`` is the SQL of the open parameters."""
        pieces = [self.arguments[p].sql if p in self.arguments else given[p] for p, _ in self.prompt.params]
        return "".join(self.prompt.sql(pieces))


@record(frozen=True)
class Use:
    """What a step does with an expression over one of its tables: for the lints, which know no kind by name.

    ========== ==============================================================================================================
    role       meaning
    ========== ==============================================================================================================
    reads      a model gets it: ``model``, or without one the model that this step trains
    answers    a model is trained to give it
    gold       answers of this step's models, or the columns ``scored``, are held against it
    scored     a column of answers that is measured
    chooses    the rows decide what is kept of a training (its best weights, its end); there is no expression
    ========== ==============================================================================================================

    ``limit`` is the number of tokens after which the rest is cut off.
    """

    role: Literal["reads", "answers", "gold", "scored", "chooses"]
    table: TableRef
    what: Expression | PromptCall | ColumnName | None = None
    model: ModelRef | None = None
    limit: int | None = None


@record(frozen=True)
class Made:
    """A column that a step adds to the rows of its input, whose other columns keep their values.

    ``classes`` are the only values that it can have. ``reached`` are those that something in the recipe can give it; None where that is
    not known. ``null``: whether it may be empty.
    """

    column: str
    role: Literal["label", "confidence", "votes", "answer"]
    classes: tuple[str, ...] | None = None
    reached: frozenset[str] | None = None
    null: bool = True


@record(frozen=True)
class Arrows:
    """``left => right`` pairs, as syntax: the operator says what each side is."""

    pairs: tuple[tuple[tree.Expr, tree.Expr], ...]


@record(frozen=True)
class TypeMap:
    types: Mapping[str, str]
    spans: Mapping[str, Span] = field(compare=False, repr=False, default_factory=dict)


@record(frozen=True)
class Secret:
    """``env("NAME")``: the value is read when it is used. ``shown`` stands for it wherever it would be written."""

    variable: str | None
    value: str | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        return f'env("{self.variable}")' if self.variable else "***"

    def reveal(self) -> str | None:
        import os

        return os.environ.get(self.variable) if self.variable else self.value
