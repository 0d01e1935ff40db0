"""``pinyin_errors(text)``"""

from __future__ import annotations

from recipec.api import ColumnName, Kernel, Schema, Settings, augmenter, literal
from recipec.augmenters._base import Augmenter, Change, characters
from recipec.resolve.binder import StepBinder
from recipec.settings import Field
from recipec.syntax import tree

PINYIN_ERRORS = Kernel(
    "augment_pinyin_errors",
    "recipec.fast.augment_chars:pinyin_errors",
    ("VARCHAR", "UBIGINT", "DOUBLE", "BOOLEAN"),
    "VARCHAR",
    processes=False,
)


class PinyinErrorsParams(Settings):
    text: ColumnName
    rate: float = Field(0.05, gt=0, le=1)
    fuzzy: bool = False


@augmenter("pinyin_errors")
class PinyinErrors(Augmenter):
    """Chinese characters taken for others that sound alike, as slips of a pinyin keyboard are: ``rate`` of them, at least one.

    ```recipe
    augment more from train { pinyin_errors(text, rate: 3%) }
    ```

    A character becomes another of the same syllable, whatever its tone, among the 3,755 common characters of GB 2312's first level. With
    ``fuzzy: true`` also of syllables that many speakers do not tell apart: zh and z, ch and c, sh and s, n and l at the start, ang and
    an, eng and en, ing and in.
    """

    Params = PinyinErrorsParams

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: PinyinErrorsParams = self.params
        return characters(bind, schema, p.text, self.name, lambda text: PINYIN_ERRORS(text, "{seed}", literal(p.rate), literal(p.fuzzy)))
