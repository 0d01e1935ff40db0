"""``dedupe(text)`` in an augment step"""

from __future__ import annotations

from recipec.api import ColumnName, Schema, Settings, augmenter
from recipec.augmenters._base import Augmenter, Change
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import WrongArguments
from recipec.syntax import tree


class DedupeParams(Settings):
    rest: tuple[ColumnName, ...] = ()


@augmenter("dedupe")
class Dedupe(Augmenter):
    """Drop copies that say what an original or another copy says: only the first by key stays.

    ```recipe
    augment more from train { copies: 4  delete_words(text)  dedupe(text) }
    ```

    Copies are compared in the columns named (all that the augmenters change, where none is named), after all augmenters and
    filters, with all originals and with each other; dropped ones are counted under "duplicate". Originals are never dropped. For
    copies that are merely like each other, filter by ``similarity(text, original.text)``, or use a ``clean`` step's ``dedupe``.
    """

    Params = DedupeParams

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: DedupeParams = self.params
        if len({c.name for c in p.rest}) < len(p.rest):
            bind.report(WrongArguments(span=call.call.span, message="a column is named twice"))
        return Change({}, distinct=tuple(c.name for c in p.rest))
