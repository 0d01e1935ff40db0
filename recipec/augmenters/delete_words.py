"""``delete_words(text, rate: 10%)``"""

from __future__ import annotations

from recipec.api import Kernel, Schema, augmenter, literal
from recipec.augmenters._base import Augmenter, Change, need_text
from recipec.augmenters._words import SpanParams, dictionary
from recipec.resolve.binder import StepBinder
from recipec.syntax import tree

DELETE = Kernel(
    "augment_delete_words",
    "recipec.fast.augment_words:delete_words",
    ("VARCHAR", "UBIGINT", "DOUBLE", "VARCHAR", "VARCHAR"),
    "VARCHAR",
    processes=False,
)


@augmenter("delete_words")
class DeleteWords(Augmenter):
    """Leave out each word with a chance of ``rate`` (EDA's random deletion), but at least one, and never all.

    ```recipe
    augment more from train { delete_words(text, rate: 10%) }
    ```

    ``words: dictionary``, a step with a column ``word``, keeps its words and phrases together, as in ``swap_words``. A word takes the white
    space before it along, so that no double spaces are left; punctuation stays. A text of fewer than two words stays as it is.
    """

    Params = SpanParams

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: SpanParams = self.params
        need_text(bind, schema, p.text, self.name)
        name, write = dictionary(bind, p.words)
        sql = DELETE(p.text.sql, "{seed}", literal(p.rate), "{scratch}", literal(name))
        return Change({p.text.name: sql}, prepare=write)
