"""``combine: dawid_skene()``"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from recipec.api import combiner
from recipec.combiners._em import EmCombiner

if TYPE_CHECKING:
    from recipec.labels.combined import Combined


@combiner("dawid_skene")
class DawidSkene(EmCombiner):
    """Learns from the votes alone how each voter errs, class by class, and weighs the votes by it.

    ```recipe
    label topic from pool {
      classes: ["games", "sound"]
      when text matches r/\\b(player|puzzle)\\b/i => "games" as game_words
      when text matches r/\\b(audio|midi)\\b/i   => "sound" as sound_words
      when section in ["games", "sound"]       => section as by_section
      combine: dawid_skene(iterations: 200)
      accept: confidence >= 80%
    }
    ```

    Each voter has a table: how often it votes for each class on rows that are truly of a class. The tables, the classes' shares and
    the labels are found together by expectation and maximisation (A. P. Dawid and A. M. Skene, Applied Statistics 28, 1979),
    starting from the shares of votes. The confidence is the class's probability.

    An abstention says nothing of the row, except that of a voter that only ever votes for one class, such as most ``when`` rules: of its
    votes alone nothing can be learned, so it is judged by how often it votes on rows of each class. ``abstain: missing`` takes
    every abstention as saying nothing.

    ``iterations`` at most (100), stopping when the mean log-likelihood of a row rises by less than ``tolerance`` (0.00001).
    ``prior`` holds the classes' shares, in the order of ``classes``, where they are known; else they are learned. ``smoothing`` (0.01 votes)
    is added to every cell of every table, so that one row rules nothing out. Rows whose class ``gold`` gives keep it and teach
    the tables; ``gold: ignore`` learns without them.

    Voters that see few rows, or vote for one class only, are hard to judge: look at ``recipec labels``, which says where plain
    majority does better on gold.
    """

    def algorithm(self) -> Callable[..., Combined]:
        from recipec.labels.learned import dawid_skene

        return dawid_skene
