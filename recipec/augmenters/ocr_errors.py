"""``ocr_errors(text)``"""

from __future__ import annotations

from recipec.api import ColumnName, Kernel, Schema, Settings, augmenter, literal
from recipec.augmenters._base import Augmenter, Change, characters
from recipec.resolve.binder import StepBinder
from recipec.settings import Field
from recipec.syntax import tree

OCR_ERRORS = Kernel(
    "augment_ocr_errors", "recipec.fast.augment_chars:ocr_errors", ("VARCHAR", "UBIGINT", "DOUBLE"), "VARCHAR", processes=False
)


class OcrErrorsParams(Settings):
    text: ColumnName
    rate: float = Field(0.02, gt=0, le=1)


@augmenter("ocr_errors")
class OcrErrors(Augmenter):
    """Misread print: ``rate`` of the characters that recognition often takes for others, at least one.

    ```recipe
    augment more from train { ocr_errors(text, rate: 2%) }
    ```

    Letters and digits that look alike (``0`` and ``O``, ``l`` and ``1``), pairs (``rn`` for ``m``, ``cl`` for ``d``, and back), lost accents, stops
    and commas; Latin and Cyrillic. For Chinese see ``shape_errors``.
    """

    Params = OcrErrorsParams

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: OcrErrorsParams = self.params
        return characters(bind, schema, p.text, self.name, lambda text: OCR_ERRORS(text, "{seed}", literal(p.rate)))
