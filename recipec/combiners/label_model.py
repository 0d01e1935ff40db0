"""``combine: label_model()``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.api import Field, Settings, combiner
from recipec.combiners._base import Combiner, Ties, wrong_prior

if TYPE_CHECKING:
    from recipec.labels.combined import Combined
    from recipec.labels.patterns import Patterns


class LabelModelParams(Settings):
    epochs: int = Field(500, ge=1, le=1_000_000)
    rate: float = Field(0.01, gt=0, le=10)
    momentum: float = Field(0.9, ge=0, lt=1)
    accuracy: float = Field(0.7, gt=0, lt=1)
    l2: float = Field(0.0, ge=0)
    prior: list[float] | None = None
    ties: Ties = "abstain"


@combiner("label_model")
class LabelModel(Combiner):
    """Learns how right each voter is from how often voters agree: the label model of Snorkel.

    ```recipe
    label topic from pool {
      classes: ["games", "sound"]
      when text matches r/\\b(player|puzzle)\\b/i => "games" as game_words
      when text matches r/\\b(audio|midi)\\b/i   => "sound" as sound_words
      when section in ["games", "sound"]       => section as by_section
      combine: label_model()
      prior: {games: 30%, sound: 70%}
    }
    ```

    A. Ratner and others, "Training complex models with multi-task weak supervision", AAAI 2019. Voters are taken to err independently given the
    class. The steps of its gradient descent (``rate``, ``momentum``, ``epochs``) and the ``accuracy`` that it starts from mean what they mean
    there; the start itself is not scaled by chance, so every run gives the same. ``l2`` draws towards the start.

    ``prior`` holds the classes' shares, in the order of ``classes``; without it they come from ``gold``, else all classes are taken to be
    equally frequent, which matters: say it when they are not. It needs three voters or more. The confidence is the
    class's probability. Where voters are near-copies of each other the model trusts them too much, and plain majority can win:
    ``recipec labels`` shows both on gold.
    """

    Params = LabelModelParams
    uses_gold = True
    learns = True
    random = True

    def check(self, voters: Sequence[str], classes: Sequence[str], *, gold: bool) -> list[tuple[str, str]]:
        problems = wrong_prior(self.params.prior, classes)
        if len(voters) < 3:
            problems.append(
                (f"`label_model` learns from three voters or more; here are {len(voters)}", "add voters, or combine by majority")
            )
        return problems

    def fit(self, found: Patterns, classes: Sequence[str], *, prior: Sequence[float] | None = None) -> Combined:
        from recipec.labels.learned import label_model

        p: LabelModelParams = self.params
        return label_model(
            found, classes, epochs=p.epochs, rate=p.rate, momentum=p.momentum, accuracy=p.accuracy, l2=p.l2, ties=p.ties,
            prior=p.prior or prior,
        )  # fmt: skip
