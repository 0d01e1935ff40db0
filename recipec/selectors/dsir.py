"""``by: dsir(text, target: wiki.text)``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipec.api import ColumnRef, DataError, Expression, Json, Schema, Settings, Traits, named, quote, selector
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import WrongType
from recipec.resolve.types import shown
from recipec.selectors._base import Selecting, Selector, rounded, text_of
from recipec.syntax import tree

if TYPE_CHECKING:
    import duckdb

    from recipec.fast.select_ngrams import Counts, Floats


class DSIRParams(Settings):
    text: Expression | None = None
    target: ColumnRef
    pairs: bool = named(True)
    noise: bool = named(True)


@selector("dsir")
class DSIR(Selector):
    """Texts like those of a target, drawn by importance: common in the target, rare in the pool.

    ```recipe
    select like_docs from web { take: 100_000  by: dsir(text, target: docs.text) }
    ```

    Each text gets the log of how much likelier its words and pairs of words (hashed into 10,000 buckets; characters where a script puts no
    spaces) are in the target's texts than in all texts to choose from. That is the score; it grows with length. Rows are then drawn
    without replacement in proportion to the weight, by adding Gumbel noise that depends on the seed and the row's key, so that not only
    the likest texts are taken; ``noise: false`` takes the greatest scores. ``pairs: false`` leaves out pairs of words. Texts without a word
    have no score. Xie et al., 2023, "Data selection for language models via importance resampling".
    """

    Params = DSIRParams
    params: DSIRParams
    what = "log weight"
    traits = Traits(random=True, fits_on_data=True)

    def bind(self, bind: StepBinder, schema: Schema, call: tree.Expr) -> None:
        self.text = text_of(bind, schema, self.params.text, call, None)
        target = self.params.target
        if target.type != "VARCHAR" and not target.table.schema.unknown:
            message = f"`target` is a column of text; `{target.table}.{target.column}` is {shown(target.type)}"
            bind.report(WrongType(span=target.table.span or call.span, message=message))

    def meaning(self) -> Json:
        return self.text.meaning

    def wanted(self, con: duckdb.DuckDBPyConnection, target: str) -> Counts:
        """How often each bucket occurs in the target, a relation."""
        from recipec.fast.select_ngrams import counted

        column = quote(self.params.target.column)
        return counted(con, f"SELECT {column} FROM {target} WHERE {column} IS NOT NULL", self.params.pairs)

    def lacking(self) -> DataError:
        target = self.params.target
        return DataError(f"the target `{target.table}.{target.column}` has no text", "dsir needs texts to be like")

    def weighed(self, given: Selecting) -> Floats:
        """The log weights of the rows; not a number for one without words."""
        from recipec.fast.select_ngrams import log_weights

        wanted = self.wanted(given.ctx.con, given.ctx.relation(self.params.target.table))
        if not wanted.sum():
            raise self.lacking()
        query = f"SELECT __n, ({self.text.sql}) FROM {given.rows}"
        return log_weights(given.ctx.con, query, wanted, given.count, given.ctx.temporary, given.progress, self.params.pairs)

    def score(self, given: Selecting) -> list[str]:
        import numpy as np
        import pyarrow as pa

        weights = rounded(self.weighed(given))
        chance = given.ctx.con.execute(f"SELECT __r FROM {given.rows} ORDER BY __n").fetchnumpy()["__r"]
        sort = weights
        if self.params.noise:
            unit = ((np.asarray(chance).astype(np.uint64) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
            sort = weights - np.log(-np.log(unit))
        score, by = pa.array(weights, from_pandas=True), pa.array(sort, from_pandas=True)
        given.write(n=np.arange(given.count), score=score, sort=by)
        return []
