"""``combine: mace()``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.api import combiner
from recipec.combiners._base import Combiner, wrong_prior
from recipec.combiners.dawid_skene import EmParams

if TYPE_CHECKING:
    from recipec.labels.combined import Combined
    from recipec.labels.patterns import Patterns


@combiner("mace")
class Mace(Combiner):
    """Each voter either knows the class or votes by habit, whatever the row: MACE.

    How often it knows and what it votes by habit are learned (D. Hovy, T. Berg-Kirkpatrick, A. Vaswani, E. Hovy, "Learning whom to trust with
    MACE", NAACL 2013), from the shares of votes rather than from random starts, so every run gives the same. For
    people paid by the answer, some of whom always answer the same. Classes are taken to be equally frequent unless ``prior`` says otherwise.
    Settings as for ``dawid_skene``.
    """

    Params = EmParams
    uses_gold = True
    learns = True
    random = True

    def check(self, voters: Sequence[str], classes: Sequence[str], *, gold: bool) -> list[tuple[str, str]]:
        return wrong_prior(self.params.prior, classes)

    def fit(self, found: Patterns, classes: Sequence[str], *, prior: Sequence[float] | None = None) -> Combined:
        from recipec.labels.learned import mace

        p: EmParams = self.params
        return mace(
            found,
            classes,
            iterations=p.iterations,
            tolerance=p.tolerance,
            smoothing=p.smoothing,
            silence=p.abstain == "auto",
            ties=p.ties,
            gold=p.gold == "fix",
            prior=p.prior or prior,
        )
