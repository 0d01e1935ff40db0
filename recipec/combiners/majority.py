"""``combine: majority``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.api import Settings, combiner
from recipec.combiners._base import Combiner, Ties

if TYPE_CHECKING:
    from recipec.labels.combined import Combined
    from recipec.labels.patterns import Patterns


class MajorityParams(Settings):
    ties: Ties = "abstain"


@combiner("majority")
class Majority(Combiner):
    """The class that most voters vote for. The confidence is its share of the votes.

    ```recipe
    label topic from pool {
      classes: ["games", "sound"]
      when text matches r/\\b(player|puzzle)\\b/i => "games" as game_words
      when text matches r/\\b(audio|midi)\\b/i   => "sound" as sound_words
      when section in ["games", "sound"]       => section as by_section
      combine: majority(ties: first)
    }
    ```

    ``ties: abstain`` (the default) gives a row no label when two classes have equally many votes, ``first`` gives it the one
    that stands first in ``classes``, ``random`` one of them by chance, decided by the row's key, so that it is the same in every run.
    """

    Params = MajorityParams
    random = True

    def fit(self, found: Patterns, classes: Sequence[str], *, prior: Sequence[float] | None = None) -> Combined:
        from recipec.labels.simple import majority

        return majority(found, classes, ties=self.params.ties, prior=prior)
