"""``combine: one_coin()``"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from recipec.api import combiner
from recipec.combiners._em import EmCombiner

if TYPE_CHECKING:
    from recipec.labels.combined import Combined


@combiner("one_coin")
class OneCoin(EmCombiner):
    """Dawid-Skene with one number a voter: how often it is right, whatever the class, its errors spread evenly.

    ```recipe
    label topic from pool {
      classes: ["games", "sound"]
      when text matches r/\\b(player|puzzle)\\b/i => "games" as game_words
      when text matches r/\\b(audio|midi)\\b/i   => "sound" as sound_words
      when section in ["games", "sound"]       => section as by_section
      combine: one_coin()
    }
    ```

    For many classes or few votes, where a whole table for each voter cannot be learned (Y. Zhang, X. Chen, D. Zhou, M. I. Jordan,
    "Spectral methods meet EM", JMLR 17, 2016, section on the one-coin model). Settings as for ``dawid_skene``.
    """

    def algorithm(self) -> Callable[..., Combined]:
        from recipec.labels.learned import one_coin_model

        return one_coin_model
