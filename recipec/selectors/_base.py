"""What a selector is: ``by: entropy(clf)`` in a select step, which gives every row a score, or picks rows one after another."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from recipec.api import ColumnName, Expression, Json, ModelRef, Schema, Settings, Traits, quote
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue, MissingSetting, WrongType
from recipec.resolve.types import shown
from recipec.syntax import tree

if TYPE_CHECKING:
    import numpy as np

    from recipec.engines.context import RunContext

    Matrix = np.ndarray[Any, Any]

BLOCK = 10_000
"""Rows that a model is asked about at a time."""
DIGITS = 6
"""Decimals that a model's numbers are rounded to: the last bits depend on what else is in the batch, and must choose nothing."""


@dataclass(frozen=True)
class Selecting:
    """What a selector gets when it runs.

    ``rows`` is a table of the rows to choose from: ``__n`` (BIGINT, the place in the order of keys, from 0), ``_key``, ``__g`` (INTEGER, the
    row's group, from 0), ``__r`` (UBIGINT, chance), ``__units`` (BIGINT, what the row counts) and the columns of the input. ``out`` is the
    temporary table to make; see :meth:`Selector.score` and :meth:`Selector.pick`. ``quotas`` are the units that each group may give.
    """

    ctx: RunContext
    rows: str
    out: str
    count: int
    seed: int
    salt: str
    quotas: Mapping[int, int]
    counted: bool
    """Whether units are something else than rows."""

    def temp(self, what: str) -> str:
        return self.ctx.temp(f"select_{what}")

    def progress(self, done: float, what: str = "") -> None:
        self.ctx.progress(done, what)

    def blocks(self, sql: str) -> Iterator[tuple[list[int], list[Any]]]:
        """(places, values) of the rows for which an SQL over the input's columns is not null, ``BLOCK`` at a time, in key order."""
        for start in range(0, self.count, BLOCK):
            found = self.ctx.con.execute(
                f"SELECT n, v FROM (SELECT __n AS n, ({sql}) AS v FROM {self.rows} WHERE __n BETWEEN {start} AND {start + BLOCK - 1}) "
                "WHERE v IS NOT NULL ORDER BY n"
            ).fetchall()
            self.progress(start / self.count)
            yield [n for n, _ in found], [v for _, v in found]

    def write(self, **columns: Any) -> None:
        """Make ``out`` from arrays of the same length: ``n`` and what else the selector gives."""
        import pyarrow as pa

        self.ctx.con.register("__selected", pa.table(columns))
        try:
            listed = ", ".join(f"s.{quote(c)}" for c in columns if c != "n")
            self.ctx.con.execute(
                f"CREATE TEMP TABLE {self.out} AS SELECT r._key, {listed} FROM __selected AS s JOIN {self.rows} AS r ON s.n = r.__n"
            )
        finally:
            self.ctx.con.unregister("__selected")


class Selector(ABC):
    """``by: NAME(...)`` in a select step. Made with validated ``Params``; its docstring is its documentation.

    One that ranks has :meth:`score`; one whose choice depends on what it chose already (``greedy``) has :meth:`pick`.
    """

    Params: ClassVar[type[Settings]]
    name: ClassVar[str]
    version: ClassVar[int] = 1
    greedy: ClassVar[bool] = False
    scored: ClassVar[bool] = True
    """Whether the rows get a column with their score."""
    what: ClassVar[str] = ""
    """What people call the score; empty for the selector's name."""
    decides: ClassVar[bool] = False
    """Whether it says itself which rows are worth having, so that ``take`` may be left out."""
    refusal: str = "not selected"
    """The reason of rows that it would not take however many are wanted."""
    columns: ClassVar[Mapping[str, str]] = {}
    """Further columns of ``out`` that the chosen rows get: what follows the step's name, and the type."""
    traits: ClassVar[Traits] = Traits()

    def __init__(self, params: Any) -> None:
        self.params = params

    @property
    def adds(self) -> Mapping[str, str]:
        """``columns`` of this one, with its arguments."""
        return self.columns

    def bind(self, bind: StepBinder, schema: Schema, call: tree.Expr) -> None:  # noqa: B027  # some have nothing to check
        """Check what the arguments alone do not show; problems go to ``bind.report``."""

    def meaning(self) -> Json:
        """What decides the choice beside the parameters."""
        return None

    def embeds(self) -> Sequence[tuple[ModelRef, str]]:
        """Models that it embeds texts with, and the SQL of the texts."""
        return ()

    def models(self) -> Sequence[ModelRef]:
        """Every model that it asks."""
        return [
            ref for value in vars(self.params).values() for ref in (value if isinstance(value, (list, tuple)) else [value])
            if isinstance(ref, ModelRef)
        ]  # fmt: skip

    def score(self, given: Selecting) -> list[str]:
        """Make the table ``given.out`` with ``_key``, ``score`` (DOUBLE, null or no line where there is none) and any of ``sort`` (DOUBLE, what
        the rows are taken by, the greatest first; ``score`` where it is left out), ``passes`` (BOOLEAN, false for a row that is not
        worth having) and ``note`` (VARCHAR, said of the row by ``explain``). Gives notes for people."""
        raise NotImplementedError

    def pick(self, given: Selecting) -> list[str]:
        """Make the table ``given.out`` with ``_key``, ``score``, ``place`` (BIGINT, from 1, in which order it was chosen in its group; null
        where it was not) and ``passes``, ``note`` as for :meth:`score`. Gives notes for people."""
        raise NotImplementedError


def text_of(bind: StepBinder, schema: Schema, given: Expression | ColumnName | None, call: tree.Expr, model: ModelRef | None) -> Expression:
    """The text that a selector reads: the one given, the column that the model was trained on, or the only column of text."""
    if given is not None:
        type = given.type
        if type not in ("VARCHAR", '"NULL"') and not schema.unknown:
            span = given.span if isinstance(given, ColumnName) else given.node.span
            bind.report(WrongType(span=span, message=f"the text that it reads is {shown(type)}"))
        return given if isinstance(given, Expression) else column_expression(given.name, call)
    reads = model.facts.reads if model is not None and model.facts is not None else ()
    texts = [c.name for c in schema.columns if c.type == "VARCHAR"]
    found = next((r for r in reads if r in texts or schema.unknown), None) or (texts[0] if len(texts) == 1 else None)
    found = found or ("text" if "text" in texts else None)
    if found is None and not schema.unknown:
        listed = ", ".join(f"`{t}`" for t in texts[:6]) or "no column of text"
        bind.report(MissingSetting(span=call.span, message="which column is the text?", help=(f"text: NAME; there is {listed}",)))
    return column_expression(found or "text", call)


def column_expression(name: str, call: tree.Expr) -> Expression:
    return Expression(call, quote(name), "VARCHAR", f"`{name}`", frozenset({name}))


CAN = {
    "classify": ("classify texts", "a `train` step with the task `classify`, or a folder with a classifier"),
    "embed": ("embed texts", 'model e = embedding("models/minilm")'),
    "score": ("say how probable a text is", 'a `train` step with the task `generate`, or model m = transformers("models/base")'),
}


def need(bind: StepBinder, model: ModelRef, ability: str, call: tree.Expr) -> None:
    """Report a model that cannot do a thing."""
    if not model.can(ability):
        what, help = CAN[ability]
        bind.report(BadValue(span=model.span or call.span, message=f"`{model}` cannot {what}", help=(help,)))


def rounded(values: Matrix) -> Matrix:
    """Numbers that small differences of a last bit do not change (nearly ever), without a minus before a zero."""
    import numpy as np

    made: Matrix = np.round(np.asarray(values, np.float64), DIGITS) + 0.0
    return made
