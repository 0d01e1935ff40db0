"""``combine: one_coin()``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.api import combiner
from recipec.combiners._base import Combiner, wrong_prior
from recipec.combiners.dawid_skene import EmParams

if TYPE_CHECKING:
    from recipec.labels.combined import Combined
    from recipec.labels.patterns import Patterns


@combiner("one_coin")
class OneCoin(Combiner):
    """Dawid-Skene with one number a voter: how often it is right, whatever the class, its errors spread evenly.

    For many classes or few votes, where a whole table for each voter cannot be learned (Y. Zhang, X. Chen, D. Zhou, M. I. Jordan,
    "Spectral methods meet EM", JMLR 17, 2016, section on the one-coin model). Settings as for ``dawid_skene``.
    """

    Params = EmParams
    uses_gold = True
    learns = True
    random = True

    def check(self, voters: Sequence[str], classes: Sequence[str], *, gold: bool) -> list[tuple[str, str]]:
        return wrong_prior(self.params.prior, classes)

    def fit(self, found: Patterns, classes: Sequence[str], *, prior: Sequence[float] | None = None) -> Combined:
        from recipec.labels.learned import one_coin_model

        p: EmParams = self.params
        return one_coin_model(
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
