"""``by: entropy(clf)``"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recipec.api import selector
from recipec.selectors._uncertain import Uncertain, entropies

if TYPE_CHECKING:
    import numpy as np

    Matrix = np.ndarray[Any, Any]


@selector("entropy")
class Entropy(Uncertain):
    """What a classifier is most in doubt about: the entropy of its probabilities, in nats.

    ```recipe
    select ask_people from pool { take: 500  by: entropy(clf)  per: topic }
    ```

    0 where it is certain, log K where all of K classes seem alike. The text is the column that the classifier was trained on, or ``text``;
    ``probabilities`` names a column that a ``predict`` step made, instead of a model. Settles, 2009, "Active learning literature survey".
    """

    def of(self, p: Matrix) -> Matrix:
        return entropies(p)
