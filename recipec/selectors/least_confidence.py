"""``by: least_confidence(clf)``"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recipec.api import selector
from recipec.selectors._uncertain import Uncertain

if TYPE_CHECKING:
    import numpy as np

    Matrix = np.ndarray[Any, Any]


@selector("least_confidence")
class LeastConfidence(Uncertain):
    """Where a classifier trusts its own answer least: the greatest of 1 - max p first.

    ```recipe
    select ask_people from pool { take: 500  by: least_confidence(clf) }
    ```

    Arguments as for ``entropy``. Lewis and Gale, 1994, "A sequential algorithm for training text classifiers".
    """

    what = "1 - max p"

    def of(self, p: Matrix) -> Matrix:
        made: Matrix = 1.0 - p.max(axis=1, initial=0.0)
        return made
