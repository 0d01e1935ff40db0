"""``change_punctuation(text)``"""

from __future__ import annotations

from typing import Literal

from recipec.api import ColumnName, Kernel, Schema, Settings, augmenter, literal
from recipec.augmenters._base import Augmenter, Change, need_text
from recipec.resolve.binder import StepBinder
from recipec.settings import Field
from recipec.syntax import tree

CHANGE_PUNCTUATION = Kernel(
    "augment_change_punctuation",
    "recipec.fast.augment_chars:change_punctuation",
    ("VARCHAR", "UBIGINT", "DOUBLE", "VARCHAR"),
    "VARCHAR",
    processes=False,
)


class ChangePunctuationParams(Settings):
    text: ColumnName
    rate: float = Field(0.1, gt=0, le=1)
    kinds: list[Literal["insert", "delete", "substitute"]] = Field(["insert", "delete", "substitute"], min_length=1)


@augmenter("change_punctuation")
class ChangePunctuation(Augmenter):
    """Put marks behind words, leave marks out, or take one for another: as many as ``rate`` of the words, at least one.

    ```recipe
    augment more from train { change_punctuation(text, rate: 10%, kinds: ["insert"]) }
    ```

    The marks are those of AEDA (Karimi, Rossi and Prati, Findings of EMNLP 2021): ``. ; ? : ! ,``, and behind Chinese characters their full-width
    forms. Marks inside numbers and addresses stay. ``kinds``: ``insert``, ``delete``, ``substitute``.
    """

    Params = ChangePunctuationParams

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: ChangePunctuationParams = self.params
        need_text(bind, schema, p.text, self.name)
        return Change({p.text.name: CHANGE_PUNCTUATION(p.text.sql, "{seed}", literal(p.rate), literal(",".join(p.kinds)))})
