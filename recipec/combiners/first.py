"""``combine: first``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.api import Settings, combiner
from recipec.combiners._base import Combiner

if TYPE_CHECKING:
    from recipec.labels.combined import Combined
    from recipec.labels.patterns import Patterns


class FirstParams(Settings):
    pass


@combiner("first")
class First(Combiner):
    """The vote of the first voter that votes, in the order written: rules from the surest to the vaguest.

    ```recipe
    label topic from pool {
      classes: ["games", "sound"]
      when text matches r/\\b(player|puzzle)\\b/i => "games" as game_words
      when text matches r/\\b(audio|midi)\\b/i   => "sound" as sound_words
      when section in ["games", "sound"]       => section as by_section
      combine: first()
    }
    ```

    The confidence is 1; where ``gold`` is given, it is the voter's accuracy on it (smoothed by one right vote).
    """

    Params = FirstParams
    uses_gold = True

    def fit(self, found: Patterns, classes: Sequence[str], *, prior: Sequence[float] | None = None) -> Combined:
        from recipec.labels.simple import first

        return first(found, classes, prior=prior)
