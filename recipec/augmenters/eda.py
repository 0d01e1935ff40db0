"""``eda(text, from: thesaurus)``"""

from __future__ import annotations

from typing import Annotated

from recipec.api import ColumnName, Kernel, Schema, Settings, TableRef, augmenter, literal
from recipec.augmenters._base import Augmenter, Change, need_text
from recipec.augmenters._words import SOURCES, check_words, file_of, writer
from recipec.resolve.arguments import Inner
from recipec.resolve.binder import StepBinder
from recipec.settings import Field
from recipec.syntax import tree

EDA = Kernel(
    "augment_eda", "recipec.fast.augment_words:eda", ("VARCHAR", "UBIGINT", "DOUBLE", "BIGINT", "VARCHAR", "VARCHAR"), "VARCHAR",
    processes=False,
)  # fmt: skip


class EdaParams(Settings):
    text: ColumnName
    from_: Annotated[Inner | TableRef, SOURCES] | None = None
    rate: float | None = Field(None, gt=0, le=1)


@augmenter("eda")
class Eda(Augmenter):
    """Easy data augmentation: each copy gets one of ``synonyms``, ``insert_words``, ``swap_words`` and ``delete_words``, in turn.

    ```recipe
    source thesaurus = csv("data/thesaurus.csv")
    augment more from train { copies: auto  eda(text, from: thesaurus) }
    ```

    With ``copies: auto`` it is the method of Wei and Zou (EMNLP 2019), as they recommend it: ``rate`` (their alpha) 5 % for up to 2,000
    rows, else 10 %. Without ``from`` the copies get the two that need no synonyms.
    """

    Params = EdaParams

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: EdaParams = self.params
        need_text(bind, schema, p.text, self.name)
        source = p.from_
        check_words(bind, source)
        rate = literal(p.rate) if p.rate is not None else "CASE WHEN {rows} <= 2000 THEN 0.05 ELSE 0.1 END::DOUBLE"
        sql = EDA(p.text.sql, "{seed}", rate, "{copy}", "{scratch}", literal(file_of(source, p.text.name) if source is not None else ""))
        return Change({p.text.name: sql}, prepare=None if source is None else writer(source, p.text.name))
