"""``change_case(text)``"""

from __future__ import annotations

from typing import Literal

from recipec.api import ColumnName, Kernel, Schema, Settings, augmenter, literal
from recipec.augmenters._base import Augmenter, Change, characters
from recipec.resolve.binder import StepBinder
from recipec.settings import Field
from recipec.syntax import tree

CHANGE_CASE = Kernel(
    "augment_change_case", "recipec.fast.augment_chars:change_case", ("VARCHAR", "UBIGINT", "DOUBLE", "VARCHAR"), "VARCHAR", processes=False
)


class ChangeCaseParams(Settings):
    text: ColumnName
    rate: float = Field(0.1, gt=0, le=1)
    to: Literal["random", "lower", "upper", "title", "swap"] = "random"


@augmenter("change_case")
class ChangeCase(Augmenter):
    """Write ``rate`` of the words in another case, at least one.

    ```recipe
    augment more from train { change_case(text, rate: 10%, to: lower) }
    ```

    ``to``: ``lower``, ``upper``, ``title``, ``swap`` (each letter's other case), or ``random``, one of these by chance that changes the word. ``rate: 100%``
    is the whole text. Letters whose other case is two letters (ß) and scripts without case stay.
    """

    Params = ChangeCaseParams

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: ChangeCaseParams = self.params
        return characters(bind, schema, p.text, self.name, lambda text: CHANGE_CASE(text, "{seed}", literal(p.rate), literal(p.to)))
