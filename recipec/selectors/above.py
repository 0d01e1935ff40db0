"""``by: above(clf, 90%)``"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recipec.api import ColumnName, Expression, ModelRef, Settings, named, selector
from recipec.selectors._base import Selecting, rounded
from recipec.selectors._uncertain import Uncertain, probabilities
from recipec.settings import Field

if TYPE_CHECKING:
    import numpy as np

    Matrix = np.ndarray[Any, Any]


class AboveParams(Settings):
    model: ModelRef | None = None
    threshold: float = Field(0.9, ge=0, lt=1)
    text: Expression | None = named(None)
    probabilities: ColumnName | None = named(None)


@selector("above")
class Above(Uncertain):
    """What a classifier is sure of: rows whose greatest probability is above the threshold (90 %).

    ```recipe
    select sure from augmented { by: above(clf, 90%) }
    ```

    This is how AFDC keeps generated rows for self-training. All such rows are taken unless ``take`` says how many, the surest first; the
    others are dropped under the reason "not sure enough". Arguments otherwise as for ``entropy``.
    """

    Params = AboveParams
    what = "max p"
    decides = True
    refusal = "not sure enough"

    def of(self, p: Matrix) -> Matrix:
        made: Matrix = p.max(axis=1, initial=0.0)
        return made

    def score(self, given: Selecting) -> list[str]:
        import numpy as np

        places: list[int] = []
        parts: list[Matrix] = [np.zeros(0)]
        for rows, _, found in probabilities(given, self.params.model, self.text, self.params.probabilities):
            places += rows
            parts.append(rounded(self.of(found)))
        scores = np.concatenate(parts)
        given.write(n=np.array(places, np.int64), score=scores, passes=scores > self.params.threshold)
        return []
