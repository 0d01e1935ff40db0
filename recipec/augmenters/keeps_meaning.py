"""``keeps_meaning(text, with: minilm, at_least: 80%)``"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from recipec.api import ColumnName, ModelRef, Schema, Settings, augmenter, model_validator, named
from recipec.augmenters._base import Augmenter, Change, Refusal, need_text
from recipec.augmenters._judged import judged, refuse
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext


class KeepsMeaningParams(Settings):
    text: ColumnName
    with_: ModelRef = named()
    at_least: float = named(0.8, ge=-1, le=1)
    at_most: float = named(1.0, ge=-1, le=1)

    @model_validator(mode="after")
    def some_lie_between(self) -> KeepsMeaningParams:
        if self.at_least > self.at_most:
            raise ValueError(f"no cosine lies between {self.at_least:g} and {self.at_most:g}")
        return self


@augmenter("keeps_meaning")
class KeepsMeaning(Augmenter):
    """Drop copies whose meaning, as an embedding model sees it, is not near enough to their original's, or too near.

    ```recipe
    model minilm = embedding("models/minilm")
    augment more from train {
      copies: 4
      paraphrase(text, with: lm)
      keeps_meaning(text, with: minilm, at_least: 75%, at_most: 98%)
    }
    ```

    The cosine of the copy's vector with its original's must be at least ``at_least`` (80 %) and at most ``at_most`` (100 %). It is
    judged after all augmenters and filters; the others are dropped as "other meaning". For likeness of words, which needs no model, write
    ``keep where similarity(text, original.text) between 30% and 95%``.
    """

    Params = KeepsMeaningParams

    @property
    def external(self) -> bool:
        given: KeepsMeaningParams = self.params
        return given.with_.facts is None or given.with_.facts.external

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: KeepsMeaningParams = self.params
        need_text(bind, schema, p.text, self.name)
        if not p.with_.can("embed"):
            span, help = p.with_.span or call.span, ('model e = embedding("models/minilm")',)
            bind.report(BadValue(span=span, message=f"`{p.with_}` does not embed texts", help=help))

        def find(ctx: RunContext, copies: str, originals: str, out: str) -> list[str]:
            model = ctx.model(p.with_)
            t = p.text.sql
            pairs = f"SELECT c._key, c._parent, c.{t}, o.{t} AS __original FROM {copies} AS c JOIN {originals} AS o ON c._parent = o._key"
            query = f"SELECT _key::VARCHAR, {t}, __original FROM ({pairs}) WHERE trim(__original) <> ''"
            gone: list[str] = []
            sums, count, means = None, 0, []
            for rows in judged(ctx, query, t):
                # One call: what stands in both is embedded once.
                vectors = model.embed([r[1] for r in rows] + [r[2] for r in rows])
                cosines = (vectors[: len(rows)] * vectors[len(rows) :]).sum(axis=1).round(5).tolist()
                halves = vectors.astype("float64").reshape(2, len(rows), -1).sum(axis=1)
                sums, count = halves if sums is None else sums + halves, count + len(rows)
                means += cosines
                gone += [r[0] for r, c in zip(rows, cosines, strict=True) if not p.at_least <= c <= p.at_most]
            refuse(ctx, out, gone)
            if sums is None:
                return []
            # The mean cosine of all pairs is the square of the mean vector's length.
            spread = [1 - float((half / count) @ (half / count)) for half in (sums[1], sums[0])]
            told = f"the copies' cosine with their originals is {median(means):.3f} (median); the texts spread by {spread[1]:.3f}, their originals by"
            return [f"{told} {spread[0]:.3f} (1 - the mean cosine)"]

        return Change({}, refusal=Refusal("other meaning", find))
