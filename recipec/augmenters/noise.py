"""``noise(text)``"""

from __future__ import annotations

from typing import Literal

from recipec.api import ColumnName, Kernel, Schema, Settings, augmenter, literal
from recipec.augmenters._base import Augmenter, Change, characters
from recipec.resolve.binder import StepBinder
from recipec.settings import Field
from recipec.syntax import tree

NOISE = Kernel(
    "augment_noise", "recipec.fast.augment_chars:noise", ("VARCHAR", "UBIGINT", "DOUBLE", "DOUBLE", "VARCHAR"), "VARCHAR", processes=False
)


class NoiseParams(Settings):
    text: ColumnName
    rate: float = Field(0.3, gt=0, le=1)
    words: float = Field(0.3, gt=0, le=1)
    kinds: list[Literal["insert", "swap", "delete", "substitute"]] = Field(["insert", "swap", "delete", "substitute"], min_length=1)


@augmenter("noise")
class Noise(Augmenter):
    """Put in, exchange, leave out or replace characters by chance: ``rate`` of the characters in ``words`` of the words.

    ```recipe
    augment more from train { noise(text, rate: 10%, words: 30%, kinds: ["swap", "delete"]) }
    ```

    At least one character in at least one word; the defaults, 30 % of the characters in 30 % of the words, are those of nlpaug, and heavy.
    ``kinds``: ``insert`` (behind a character), ``swap`` (with the next one of the word), ``delete`` (never a word's only one) and
    ``substitute``. New characters are letters of the same case or digits for Latin ones, and in other scripts characters of the word itself.
    Punctuation and spaces stay, and letters keep their accents.
    """

    Params = NoiseParams

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: NoiseParams = self.params
        return characters(
            bind,
            schema,
            p.text,
            self.name,
            lambda text: NOISE(text, "{seed}", literal(p.rate), literal(p.words), literal(",".join(p.kinds))),
        )
