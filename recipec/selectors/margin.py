"""``by: margin(clf)``"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recipec.api import selector
from recipec.selectors._uncertain import Uncertain

if TYPE_CHECKING:
    import numpy as np

    Matrix = np.ndarray[Any, Any]


@selector("margin")
class Margin(Uncertain):
    """Where a classifier's two most probable classes are closest: the least of p1 - p2 first.

    ```recipe
    select ask_people from pool { take: 500  by: margin(clf) }
    ```

    Arguments as for ``entropy``. Scheffer, Decomain and Wrobel, 2001, "Active hidden Markov models for information extraction".
    """

    low = True

    def of(self, p: Matrix) -> Matrix:
        import numpy as np

        if p.shape[1] < 2:
            return np.asarray(p.max(axis=1, initial=0.0))
        best = np.partition(p, -2, axis=1)
        return np.asarray(best[:, -1] - best[:, -2])
