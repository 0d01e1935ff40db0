"""Scores made of a classifier's probabilities: what uncertainty sampling is."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from recipec.api import ColumnName, Expression, Json, ModelRef, Schema, Settings, named, quote
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import MissingSetting, WrongArguments, WrongType
from recipec.resolve.types import is_number, shown
from recipec.selectors._base import Selecting, Selector, need, rounded, text_of
from recipec.syntax import tree

if TYPE_CHECKING:
    import numpy as np

    Matrix = np.ndarray[Any, Any]


class UncertainParams(Settings):
    model: ModelRef | None = None
    text: Expression | None = named(None)
    probabilities: ColumnName | None = named(None)


class Uncertain(Selector):
    """A score of each row's probabilities: of a classifier's, or of those that a ``predict`` step put into a column."""

    Params: ClassVar[type[Settings]] = UncertainParams
    params: Any
    low: ClassVar[bool] = False
    """Whether the rows of the least score are chosen."""

    def bind(self, bind: StepBinder, schema: Schema, call: tree.Expr) -> None:
        self.text: Expression | None = None
        source(bind, schema, call, self.params.model, self.params.probabilities, self.name)
        if self.params.model is not None:
            need(bind, self.params.model, "classify", call)
            self.text = text_of(bind, schema, self.params.text, call, self.params.model)

    def meaning(self) -> Json:
        return self.text.meaning if self.text is not None else None

    @abstractmethod
    def of(self, p: Matrix) -> Matrix:
        """The scores of rows of probabilities [n, K]."""

    def score(self, given: Selecting) -> list[str]:
        import numpy as np

        places: list[int] = []
        parts: list[Matrix] = []
        for rows, _, found in probabilities(given, self.params.model, self.text, self.params.probabilities):
            places += rows
            parts.append(rounded(self.of(found)) if len(rows) else np.zeros(0))
        scores = np.concatenate(parts) if parts else np.zeros(0)
        given.write(n=np.array(places, np.int64), score=scores, sort=-scores if self.low else scores)
        return []


def is_probabilities(type: str) -> bool:
    """Whether a column's type is a map from text to number."""
    return type.startswith("MAP(VARCHAR, ") and is_number(type[len("MAP(VARCHAR, ") : -1])


def source(bind: StepBinder, schema: Schema, call: tree.Expr, model: ModelRef | None, column: ColumnName | None, name: str) -> None:
    """Report a selector that has neither a model nor a column of probabilities, or both."""
    if model is None and column is None:
        help = (f"{name}(clf), or {name}(probabilities: guess_probabilities) with what a `predict` step gave",)
        bind.report(MissingSetting(span=call.span, message=f"`{name}` needs a model", help=help))
    elif model is not None and column is not None:
        bind.report(WrongArguments(span=column.span, message="a model, or probabilities that are there already, not both"))
    elif column is not None and not is_probabilities(column.type) and not schema.unknown:
        message = f"probabilities are a map from class to number; `{column.name}` is {shown(column.type)}"
        bind.report(WrongType(span=column.span, message=message, help=("the column NAME_probabilities of a `predict` step",)))


def probabilities(given: Selecting, model: ModelRef | None, text: Expression | None, column: ColumnName | None) -> Any:
    """(places, classes, probabilities [n, K]) of the rows that have any, block by block. The classes may differ from block to block."""
    import numpy as np

    if model is not None:
        assert text is not None
        opened = given.ctx.model(model)
        for places, texts in given.blocks(text.sql):
            classes, found = opened.classify(texts)
            yield places, tuple(str(c) for c in classes), rounded(found)
        return
    assert column is not None
    name = quote(column.name)
    classes = tuple(
        r[0]
        for r in given.ctx.con.execute(f"SELECT DISTINCT unnest(map_keys({name})) AS c FROM {given.rows} ORDER BY c").fetchall()
        if r[0] is not None
    )
    code = {c: i for i, c in enumerate(classes)}
    for places, maps in given.blocks(f"CASE WHEN cardinality({name}) > 0 THEN {name} END"):
        made = np.zeros((len(places), len(classes)))
        for row, entry in enumerate(maps):
            for c, p in entry.items():
                made[row, code[c]] = float(p or 0.0)
        yield places, classes, rounded(made)


def entropies(p: Matrix) -> Matrix:
    """H of each row, in nats; 0 log 0 is 0."""
    import numpy as np

    safe = np.where(p > 0, p, 1.0)
    made: Matrix = -(p * np.log(safe)).sum(axis=-1)
    return made
