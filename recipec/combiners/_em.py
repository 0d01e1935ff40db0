"""What the combiners by expectation and maximisation share: settings, checks, and how they are run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from recipec.api import Field, Settings
from recipec.combiners._base import Combiner, Ties, wrong_prior

if TYPE_CHECKING:
    from recipec.labels.combined import Combined
    from recipec.labels.patterns import Patterns


class EmParams(Settings):
    iterations: int = Field(100, ge=1, le=100_000)
    tolerance: float = Field(1e-5, ge=0)
    prior: list[float] | None = None
    smoothing: float = Field(0.01, ge=0, le=1000)
    abstain: Literal["auto", "missing"] = "auto"
    gold: Literal["fix", "ignore"] = "fix"
    ties: Ties = "abstain"


class EmCombiner(Combiner):
    """A combiner whose model of the voters and whose labels are found together by EM. It says which by ``algorithm``."""

    Params = EmParams
    params: EmParams
    uses_gold = True
    learns = True
    random = True

    @abstractmethod
    def algorithm(self) -> Callable[..., Combined]:
        """A function of :mod:`recipec.labels.learned`, imported when it is asked for, since it brings numpy."""

    def check(self, voters: Sequence[str], classes: Sequence[str], *, gold: bool) -> list[tuple[str, str]]:
        return wrong_prior(self.params.prior, classes)

    def fit(self, found: Patterns, classes: Sequence[str], *, prior: Sequence[float] | None = None) -> Combined:
        p = self.params
        return self.algorithm()(
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
