"""``by: k_center(e)``"""

from __future__ import annotations

from typing import Any

from recipec.api import Schema, selector
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import UnknownColumn
from recipec.selectors._base import Selecting
from recipec.selectors._vectors import Spatial, VectorParams, by_group, numbers
from recipec.syntax import tree


@selector("k_center")
class KCenter(Spatial):
    """Rows that leave no other row far away: again and again the row farthest from all chosen so far.

    ```recipe
    model minilm = embedding("models/minilm")
    select varied from pool { take: 10_000  by: k_center(minilm, text: description) }
    select next from pool { take: 200  by: k_center(minilm, beside: labelled) }
    ```

    Distances are Euclidean, of vectors of length 1: of an embedding model, or of a column of numbers (``vectors: column``). ``beside``
    is a table whose rows (in a column of the same name) count as chosen already, such as those that have labels; without it chance picks the
    first. The score is the distance to the nearest row chosen before it; of a row not chosen, to the nearest of all. No row is left
    out of account (squared distances closer than 0.000004 count as equal): 10,000 of 100,000 rows take seconds. Sener and Savarese,
    2018, "Active learning for convolutional neural networks: a core-set approach".
    """

    Params = VectorParams
    what = "distance"

    def bind(self, bind: StepBinder, schema: Schema, call: tree.Expr) -> None:
        super().bind(bind, schema, call)
        value, beside = self.text or self.params.vectors, self.params.beside
        self.column = value.sql if value is not None else ""
        missing = [c for c in (value.columns if value is not None else ()) if beside is not None and c not in beside.schema.types]
        if missing and not beside.schema.unknown:
            problem = UnknownColumn(span=beside.span or call.span, wanted=missing[0], candidates=beside.schema.names)
            problem.suggest(f"no column `{missing[0]}` in `{beside}`", listing="it has")
            bind.report(problem)

    def pick(self, given: Selecting) -> list[str]:
        import numpy as np
        import pyarrow as pa

        from recipec.fast.select_cover import farthest

        places, found = self.vectors(given)
        beside = self.beside(given)
        place = np.zeros(len(places), np.int64)
        score = np.zeros(len(places))
        for members, chance, budget in by_group(given, places):
            made = farthest(found if len(members) == len(found) else found[members], budget, chance, beside, given.progress)
            score[members] = made.rest
            score[members[made.picked]] = made.values
            place[members[made.picked]] = np.arange(1, len(made.picked) + 1)
        first = np.isnan(score) & (place == 1)
        note = pa.array(np.where(first, "the first, by chance: nothing was chosen that it could be far from", ""), pa.string(), mask=~first)
        given.write(n=places, score=pa.array(np.round(score, 6), from_pandas=True), place=pa.array(place, mask=place == 0), note=note)
        return []

    def beside(self, given: Selecting) -> Any:
        """The vectors of the rows that count as chosen, or None."""
        import numpy as np

        table = self.params.beside
        if table is None:
            return None
        rows = given.ctx.con.execute(
            f"SELECT v FROM (SELECT _key, ({self.column}) AS v FROM {given.ctx.relation(table)}) WHERE v IS NOT NULL ORDER BY _key"
        ).fetchall()
        values = [v for (v,) in rows]
        if not values:
            return None
        made = given.ctx.model(self.params.model).embed(values) if self.params.model is not None else numbers(values)
        norms = np.sqrt((made.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
        return (made / np.where(norms > 0, norms, 1.0)).astype(np.float32)
