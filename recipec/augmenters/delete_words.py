"""``delete_words(text, rate: 10%)``"""

from __future__ import annotations

from recipec.api import Kernel, Schema, augmenter, literal
from recipec.augmenters._base import Augmenter, Change, TextParams, need_text
from recipec.resolve.binder import StepBinder
from recipec.syntax import tree

DELETE = Kernel(
    "augment_delete_words", "recipec.fast.augment_words:delete_words", ("VARCHAR", "UBIGINT", "DOUBLE"), "VARCHAR", processes=False
)


@augmenter("delete_words")
class DeleteWords(Augmenter):
    """Leave out each word with a chance of ``rate`` (EDA's random deletion), but at least one, and never all.

    ```recipe
    augment more from train { delete_words(text, rate: 10%) }
    ```

    A word takes the white space before it along, so that no double spaces are left; punctuation stays. A text of fewer than
    two words stays as it is.
    """

    Params = TextParams

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: TextParams = self.params
        need_text(bind, schema, p.text, self.name)
        return Change({p.text.name: DELETE(p.text.sql, "{seed}", literal(p.rate))})
