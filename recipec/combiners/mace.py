"""``combine: mace()``"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from recipec.api import combiner
from recipec.combiners._em import EmCombiner

if TYPE_CHECKING:
    from recipec.labels.combined import Combined


@combiner("mace")
class Mace(EmCombiner):
    """Each voter either knows the class or votes by habit, whatever the row: MACE.

    ```recipe
    label topic from pool {
      classes: ["games", "sound"]
      when text matches r/\\b(player|puzzle)\\b/i => "games" as game_words
      when text matches r/\\b(audio|midi)\\b/i   => "sound" as sound_words
      when section in ["games", "sound"]       => section as by_section
      combine: mace()
    }
    ```

    How often it knows and what it votes by habit are learned (D. Hovy, T. Berg-Kirkpatrick, A. Vaswani, E. Hovy, "Learning whom to trust with
    MACE", NAACL 2013), from the shares of votes rather than from random starts, so every run gives the same. For
    people paid by the answer, some of whom always answer the same. Classes are taken to be equally frequent unless ``prior`` says otherwise.
    Settings as for ``dawid_skene``.
    """

    def algorithm(self) -> Callable[..., Combined]:
        from recipec.labels.learned import mace

        return mace
