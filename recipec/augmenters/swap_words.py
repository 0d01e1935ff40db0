"""``swap_words(text, rate: 10%)``"""

from __future__ import annotations

from recipec.api import Kernel, Schema, augmenter, literal
from recipec.augmenters._base import Augmenter, Change, need_text
from recipec.augmenters._words import SpanParams, dictionary
from recipec.resolve.binder import StepBinder
from recipec.syntax import tree

SWAP = Kernel(
    "augment_swap_words",
    "recipec.fast.augment_words:swap_words",
    ("VARCHAR", "UBIGINT", "DOUBLE", "VARCHAR", "VARCHAR"),
    "VARCHAR",
    processes=False,
)


@augmenter("swap_words")
class SwapWords(Augmenter):
    """Exchange two words, as often as ``rate`` of the words says, at least once (EDA's random swap).

    ```recipe
    augment more from train { swap_words(text, rate: 10%) }
    ```

    Words are those of ``split_words``: a Chinese character is one. ``words: dictionary``, a step with a column ``word``, keeps its words
    and phrases together, in Chinese by the longest that begins first. What stands between the words, spaces and punctuation,
    stays where it is. Two equal words are not exchanged where another can be found in a few tries. A text of fewer than two
    words stays as it is.
    """

    Params = SpanParams

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: SpanParams = self.params
        need_text(bind, schema, p.text, self.name)
        name, write = dictionary(bind, p.words)
        sql = SWAP(p.text.sql, "{seed}", literal(p.rate), "{scratch}", literal(name))
        return Change({p.text.name: sql}, prepare=write)
