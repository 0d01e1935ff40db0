"""``homoglyphs(text)``"""

from __future__ import annotations

from recipec.api import ColumnName, Kernel, Schema, Settings, augmenter, literal
from recipec.augmenters._base import Augmenter, Change, characters
from recipec.resolve.binder import StepBinder
from recipec.settings import Field
from recipec.syntax import tree

HOMOGLYPHS = Kernel(
    "augment_homoglyphs", "recipec.fast.augment_chars:homoglyphs", ("VARCHAR", "UBIGINT", "DOUBLE"), "VARCHAR", processes=False
)


class HomoglyphsParams(Settings):
    text: ColumnName
    rate: float = Field(0.02, gt=0, le=1)


@augmenter("homoglyphs")
class Homoglyphs(Augmenter):
    """Letters of another script that look the same: ``rate`` of the Latin, Cyrillic and Greek letters that have one, at least one.

    ```recipe
    augment more from train { homoglyphs(text, rate: 5%) }
    ```

    A reader sees no difference; a tokenizer does. Spam uses them so. The pairs are those of Unicode's confusables (UTS 39).
    """

    Params = HomoglyphsParams

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: HomoglyphsParams = self.params
        return characters(bind, schema, p.text, self.name, lambda text: HOMOGLYPHS(text, "{seed}", literal(p.rate)))
