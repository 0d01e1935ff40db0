"""``by: random()``"""

from __future__ import annotations

from recipec.api import Settings, Traits, selector
from recipec.selectors._base import Selecting, Selector


class RandomParams(Settings):
    pass


@selector("random")
class Random(Selector):
    """By chance: each row is as likely as any other.

    ```recipe
    select pilot from pool { take: 500  by: random() }
    select even from pool { take: 500  by: random()  per: topic  divide: equally }
    ```

    With ``per`` it is a stratified sample. Whether a row is chosen depends on the seed and its key: a greater ``take`` keeps what a smaller
    one chose.
    """

    Params = RandomParams
    scored = False
    traits = Traits(random=True)

    def score(self, given: Selecting) -> list[str]:
        given.ctx.con.execute(f"CREATE TEMP TABLE {given.out} AS SELECT _key, 0::DOUBLE AS score FROM {given.rows}")
        return []
