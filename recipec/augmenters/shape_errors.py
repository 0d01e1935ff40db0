"""``shape_errors(text)``"""

from __future__ import annotations

from recipec.api import ColumnName, Kernel, Schema, Settings, augmenter, literal
from recipec.augmenters._base import Augmenter, Change, characters
from recipec.resolve.binder import StepBinder
from recipec.settings import Field
from recipec.syntax import tree

SHAPE_ERRORS = Kernel(
    "augment_shape_errors", "recipec.fast.augment_chars:shape_errors", ("VARCHAR", "UBIGINT", "DOUBLE"), "VARCHAR", processes=False
)


class ShapeErrorsParams(Settings):
    text: ColumnName
    rate: float = Field(0.05, gt=0, le=1)


@augmenter("shape_errors")
class ShapeErrors(Augmenter):
    """Chinese characters taken for others that look alike (己 for 已): ``rate`` of those that have one, at least one.

    ```recipe
    augment more from train { shape_errors(text, rate: 3%) }
    ```

    The sets are recipec's own, written by hand (``recipec/fast/augment_shapes.txt``).
    """

    Params = ShapeErrorsParams

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: ShapeErrorsParams = self.params
        return characters(bind, schema, p.text, self.name, lambda text: SHAPE_ERRORS(text, "{seed}", literal(p.rate)))
