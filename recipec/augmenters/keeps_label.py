"""``keeps_label(text, label: topic, with: clf)``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipec.api import ColumnName, ModelRef, Schema, Settings, augmenter, named, quote
from recipec.augmenters._base import Augmenter, Change, Refusal, need_text
from recipec.augmenters._judged import judged, refuse
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue, WrongType
from recipec.resolve.types import shown
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext


class KeepsLabelParams(Settings):
    text: ColumnName
    label: ColumnName = named()
    with_: ModelRef = named()
    at_least: float = named(0.0, ge=0, le=1)


@augmenter("keeps_label")
class KeepsLabel(Augmenter):
    """Drop copies whose label a classifier no longer predicts.

    ```recipe
    train clf from final.train { task: classify(text => topic)  base: "models/minilm" }
    augment more from final.train {
      copies: 4
      delete_words(text, rate: 30%)
      keeps_label(text, label: topic, with: clf, at_least: 60%)
    }
    ```

    A copy stays where the most probable class of its text is the value of ``label``, with at least the probability ``at_least`` (0 %: any). It is
    judged after all augmenters and filters; the others are dropped as "label not predicted". Copies whose label is null
    are not judged. A classifier that was trained on the originals knows them by heart, and so judges mildly.
    """

    Params = KeepsLabelParams

    def vouches(self, label: str) -> bool:
        p: KeepsLabelParams = self.params
        return p.label.name == label

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: KeepsLabelParams = self.params
        need_text(bind, schema, p.text, self.name)
        if p.label.type.endswith("]") or p.label.type.startswith(("MAP", "STRUCT")):
            bind.report(WrongType(span=p.label.span, message=f"a label is one value; `{p.label.name}` is {shown(p.label.type)}"))
        if not p.with_.can("classify"):
            span, help = p.with_.span or call.span, ("a `train` step with the task `classify`, or a folder with a classifier",)
            bind.report(BadValue(span=span, message=f"`{p.with_}` does not classify texts", help=help))

        def find(ctx: RunContext, copies: str, originals: str, out: str) -> list[str]:
            model = ctx.model(p.with_)
            query = f"SELECT _key::VARCHAR, {p.text.sql}, ({p.label.sql})::VARCHAR FROM {copies} WHERE {quote(p.label.name)} IS NOT NULL"
            gone: list[str] = []
            strange: set[str] = set()
            for rows in judged(ctx, query, p.text.sql):
                classes, found = model.classify([r[1] for r in rows])
                names = [str(c) for c in classes]
                best = found.argmax(axis=1).tolist()
                sure = found.max(axis=1).round(6).tolist()
                strange |= {r[2] for r in rows} - set(names)
                gone += [r[0] for r, b, s in zip(rows, best, sure, strict=True) if names[b] != r[2] or s < p.at_least]
            refuse(ctx, out, gone)
            return [f"`{p.with_}` does not know the labels {', '.join(sorted(strange)[:6])}"] if strange else []

        return Change({}, refusal=Refusal("label not predicted", find))
