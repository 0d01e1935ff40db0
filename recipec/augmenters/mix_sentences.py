"""``mix_sentences(text, within: topic)``"""

from __future__ import annotations

from typing import Literal

from recipec.api import ColumnName, Kernel, Schema, Settings, augmenter, literal
from recipec.augmenters._base import Augmenter, Change, need_text
from recipec.resolve.binder import StepBinder
from recipec.settings import Field
from recipec.syntax import tree

MIX = Kernel(
    "augment_mix_sentences", "recipec.fast.augment_parts:mix_sentences", ("VARCHAR", "VARCHAR", "UBIGINT", "DOUBLE", "BOOLEAN"), "VARCHAR"
)


class MixSentencesParams(Settings):
    text: ColumnName
    within: list[ColumnName] = []
    rate: float = Field(0.3, gt=0, le=1)
    how: Literal["exchange", "append"] = "exchange"


@augmenter("mix_sentences")
class MixSentences(Augmenter):
    """Put sentences of another row of the same class in the place of ``rate`` of the sentences, at least one.

    ```recipe
    augment more from train { mix_sentences(text, within: topic, rate: 30%) }
    ```

    The other row is drawn by chance from the originals that agree in the columns ``within``, and where they name the column of labels the
    label holds for the copy. ``how: append`` puts the other's sentences behind the text instead; so a text of one
    sentence is always treated. Rows whose class is null, or that are alone in it, stay as they are. Sentences are those of
    ``split_sentences``, in Chinese too; what stands between them stays.
    """

    Params = MixSentencesParams

    def keeps(self, label: str) -> bool:
        p: MixSentencesParams = self.params
        return label in {c.name for c in p.within}

    def instead(self, label: str) -> tuple[str, ...]:
        return (f"mix within a class: `within: {label}`",)

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: MixSentencesParams = self.params
        need_text(bind, schema, p.text, self.name)
        sql = MIX(p.text.sql, f"{{partner.{p.text.name}}}", "{seed}", literal(p.rate), literal(p.how == "append"))
        return Change({p.text.name: sql}, partner=tuple(dict.fromkeys(c.name for c in p.within)))
