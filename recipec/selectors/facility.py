"""``by: facility(e)``"""

from __future__ import annotations

from recipec.api import Expression, ModelRef, Settings, named, selector
from recipec.selectors._base import Selecting
from recipec.selectors._vectors import Spatial, by_group


class FacilityParams(Settings):
    model: ModelRef | None = None
    text: Expression | None = named(None)
    vectors: Expression | None = named(None)


@selector("facility")
class Facility(Spatial):
    """Rows that stand for the others: each adds most to the sum, over all rows, of the cosine to the most alike row chosen.

    ```recipe
    select typical from pool { take: 1_000  by: facility(minilm, text: description) }
    ```

    Where ``k_center`` looks for what lies outside, this looks for what is typical of many. The score is what the row added. It is the
    greedy choice, exact; of more than 20,000 rows the sum is over 20,000 drawn by chance, and the run says so. Arguments as for ``k_center``.
    Nemhauser, Wolsey and Fisher, 1978; Wei, Iyer and Bilmes, 2015, "Submodularity in data subset selection and active learning".
    """

    Params = FacilityParams
    what = "gain"

    def pick(self, given: Selecting) -> list[str]:
        import numpy as np
        import pyarrow as pa

        from recipec.fast.select_cover import REPRESENTED, facilities

        places, found = self.vectors(given)
        place, score = np.zeros(len(places), np.int64), np.full(len(places), np.nan)
        notes: list[str] = []
        for members, chance, budget in by_group(given, places):
            made = facilities(found if len(members) == len(found) else found[members], budget, chance, given.progress)
            score[members[made.picked]] = made.values
            place[members[made.picked]] = np.arange(1, len(made.picked) + 1)
            if len(members) > REPRESENTED:
                notes.append(f"likeness is summed over {REPRESENTED:,} rows drawn from {len(members):,}")
        given.write(n=places, score=pa.array(np.round(score, 6), from_pandas=True), place=pa.array(place, mask=place == 0))
        return notes
