"""``insert_words(text, from: thesaurus, rate: 10%)``"""

from __future__ import annotations

from recipec.api import Kernel, Schema, augmenter, literal
from recipec.augmenters._base import Augmenter, Change, need_text
from recipec.augmenters._words import FromParams, check_words, file_of, writer
from recipec.resolve.binder import StepBinder
from recipec.syntax import tree

INSERT = Kernel(
    "augment_insert_words", "recipec.fast.augment_words:insert_words", ("VARCHAR", "UBIGINT", "DOUBLE", "VARCHAR", "VARCHAR"), "VARCHAR",
    processes=False,
)  # fmt: skip


@augmenter("insert_words")
class InsertWords(Augmenter):
    """Put a synonym of some word of the text somewhere into it, for ``rate`` of the words, at least once (EDA's insertion).

    ```recipe
    source thesaurus = csv("data/thesaurus.csv")
    augment more from train { insert_words(text, from: thesaurus, rate: 10%) }
    ```

    ``from`` is what it is for ``synonyms``. A text none of whose words has a synonym stays as it is.
    """

    Params = FromParams

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: FromParams = self.params
        need_text(bind, schema, p.text, self.name)
        source = p.from_
        check_words(bind, source)
        sql = INSERT(p.text.sql, "{seed}", literal(p.rate), "{scratch}", literal(file_of(source, p.text.name)))
        return Change({p.text.name: sql}, prepare=writer(source, p.text.name))
