"""The vectors of the rows: of an embedding model, or of a column of numbers; in a file, since they may be larger than memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recipec.api import DataError, Expression, Json, ModelRef, Schema, Settings, TableRef, named
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import MissingSetting, WrongArguments, WrongType
from recipec.resolve.types import shown
from recipec.selectors._base import Selecting, Selector, need, text_of
from recipec.syntax import tree

if TYPE_CHECKING:
    import numpy as np

    from recipec.fast.select_cover import Budget

    Matrix = np.ndarray[Any, Any]


class VectorParams(Settings):
    model: ModelRef | None = None
    text: Expression | None = named(None)
    vectors: Expression | None = named(None)
    beside: TableRef | None = named(None)


class Spatial(Selector):
    """A selector that looks at where rows lie: the vectors of an embedding model, or of a column of lists of numbers."""

    greedy = True
    params: Any

    def bind(self, bind: StepBinder, schema: Schema, call: tree.Expr) -> None:
        model, column = self.params.model, self.params.vectors
        self.text: Expression | None = None
        if model is None and column is None:
            help = (f"{self.name}(minilm), or {self.name}(vectors: COLUMN)",)
            bind.report(MissingSetting(span=call.span, message=f"`{self.name}` needs an embedding model", help=help))
        elif model is not None and column is not None:
            bind.report(WrongArguments(span=column.node.span, message="a model, or vectors that are there already, not both"))
        elif model is not None:
            need(bind, model, "embed", call)
            self.text = text_of(bind, schema, self.params.text, call, model)
        elif not schema.unknown and not (column.type.endswith("]") and column.type.split("[")[0] in ("FLOAT", "DOUBLE")):
            message = f"vectors are lists of numbers; this is {shown(column.type)}"
            bind.report(WrongType(span=column.node.span, message=message, help=("the column of a `predict` step with an embedding model",)))

    def meaning(self) -> Json:
        return self.text.meaning if self.text is not None else None

    def embeds(self) -> list[tuple[ModelRef, str]]:
        return [(self.params.model, self.text.sql)] if self.text is not None else []

    def vectors(self, given: Selecting) -> tuple[Matrix, Matrix]:
        """(places, vectors of length 1) of the rows that have one, in the order of keys."""
        return vectors(given, self.params.model, self.text or self.params.vectors)


def vectors(given: Selecting, model: ModelRef | None, value: Expression) -> tuple[Matrix, Matrix]:
    """(places, vectors of length 1 [n, d], float32, in a file) of the rows that have a vector, in the order of keys."""
    import numpy as np

    opened = given.ctx.model(model) if model is not None else None
    path = given.ctx.temporary / f"vectors-{given.ctx.run_key}.f32"
    places: list[int] = []
    width = 0
    with path.open("wb") as file:
        for rows, values in given.blocks(value.sql):
            if not rows:
                continue
            made = opened.embed(values) if opened is not None else numbers(values)
            if width and made.shape[1] != width:
                raise DataError(f"vectors of {width} and of {made.shape[1]} numbers cannot be compared", "they must be of one model")
            width = made.shape[1]
            norms = np.sqrt(np.einsum("ij,ij->i", made, made, dtype=np.float64))
            # A vector of zeros means nothing, and lies nowhere.
            some = norms > 0
            places += [n for n, there in zip(rows, some.tolist(), strict=True) if there]
            file.write(np.ascontiguousarray((made[some] / norms[some, None]).astype(np.float32)).data)
    if not places:
        return np.zeros(0, np.int64), np.zeros((0, max(width, 1)), np.float32)
    return np.array(places, np.int64), np.memmap(path, np.float32, "r", shape=(len(places), width))


def numbers(values: list[Any]) -> Matrix:
    """Lists of numbers as a matrix; DataError where they are not of one length or have holes."""
    import numpy as np

    try:
        made = np.array(values, np.float32)
    except (ValueError, TypeError):
        raise DataError("the vectors of a column must be of one length, without nulls", "embed the rows in one `predict` step") from None
    if made.ndim != 2 or not np.isfinite(made).all():
        raise DataError("the vectors of a column must be of one length, of finite numbers", "embed the rows in one `predict` step")
    return made


def by_group(given: Selecting, places: Matrix) -> list[tuple[Matrix, Matrix, Budget]]:
    """For each group: which of ``places`` are in it, their chance, and what may be taken."""
    import numpy as np

    from recipec.fast.select_cover import Budget

    found = given.ctx.con.execute(f"SELECT __g, __r, __units FROM {given.rows} ORDER BY __n").fetchnumpy()
    groups, chance, units = (np.asarray(found[c])[places] for c in ("__g", "__r", "__units"))
    out = []
    for g, quota in given.quotas.items():
        members = np.flatnonzero(groups == g)
        out.append((members, chance[members].astype(np.uint64), Budget(quota, units[members].astype(np.int64))))
    return out
