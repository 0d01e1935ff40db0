"""``combine: dawid_skene()``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from recipec.api import Field, Settings, combiner
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


@combiner("dawid_skene")
class DawidSkene(Combiner):
    """Learns from the votes alone how each voter errs, class by class, and weighs the votes by it.

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

    Params = EmParams
    uses_gold = True
    learns = True
    random = True

    def check(self, voters: Sequence[str], classes: Sequence[str], *, gold: bool) -> list[tuple[str, str]]:
        return wrong_prior(self.params.prior, classes)

    def fit(self, found: Patterns, classes: Sequence[str], *, prior: Sequence[float] | None = None) -> Combined:
        from recipec.labels.learned import dawid_skene

        p: EmParams = self.params
        return dawid_skene(
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
