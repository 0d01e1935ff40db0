"""``typos(text, layout: "en", rate: 2%)``"""

from __future__ import annotations

from typing import Literal

from recipec.api import ColumnName, Kernel, Schema, Settings, augmenter, literal
from recipec.augmenters._base import Augmenter, Change, characters
from recipec.resolve.binder import StepBinder
from recipec.settings import Field
from recipec.syntax import tree

TYPOS = Kernel("augment_typos", "recipec.fast.augment_chars:typos", ("VARCHAR", "UBIGINT", "DOUBLE", "VARCHAR"), "VARCHAR", processes=False)


class TyposParams(Settings):
    text: ColumnName
    layout: Literal["en", "de", "fr", "es", "it", "pt", "pl", "sv", "da", "nb", "tr", "ru", "uk", "el", "he"] = "en"
    rate: float = Field(0.02, gt=0, le=1)


@augmenter("typos")
class Typos(Augmenter):
    """Keys hit beside the one that was meant: ``rate`` of the letters and digits on the keyboard, at least one.

    ```recipe
    augment more from train { typos(text, layout: "de", rate: 2%) }
    ```

    A letter becomes a letter whose key lies beside its own, a digit a digit; case stays. Layouts: en, de, fr, es, it, pt,
    pl, sv, da, nb, tr, ru, uk, el, he. Characters that are not on the layout stay as they are, so for Chinese see
    ``pinyin_errors``. Nothing else of the text changes, not even its white space.
    """

    Params = TyposParams

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: TyposParams = self.params
        return characters(bind, schema, p.text, self.name, lambda text: TYPOS(text, "{seed}", literal(p.rate), literal(p.layout)))
