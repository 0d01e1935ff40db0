"""``combine: weighted()``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.api import Settings, combiner, model_validator
from recipec.combiners._base import Combiner, Ties, wrong_weights

if TYPE_CHECKING:
    from recipec.labels.combined import Combined
    from recipec.labels.patterns import Patterns


class WeightedParams(Settings):
    weights: dict[str, float] | None = None
    ties: Ties = "abstain"

    @model_validator(mode="after")
    def not_negative(self) -> WeightedParams:
        if any(not 0 <= w < float("inf") for w in (self.weights or {}).values()):
            raise ValueError("a weight is 0 or more")
        return self


@combiner("weighted")
class Weighted(Combiner):
    """A vote in which voters weigh differently.

    ```recipe
    label topic from pool {
      classes: ["games", "sound"]
      when text matches r/\\b(player|puzzle)\\b/i => "games" as game_words
      when text matches r/\\b(audio|midi)\\b/i   => "sound" as sound_words
      when section in ["games", "sound"]       => section as by_section
      combine: weighted(weights: {by_section: 3})
    }
    ```

    ``weights: {by_section: 3, qwen: 2}`` gives the weights by the voters' names, 1 for those not named; the confidence is the
    class's share of the weights. Without it the weights come from the voters' accuracy on ``gold``: the log-odds of being right, which is the
    best rule for voters that err independently (Nitzan and Paroush 1982), and the confidence is the probability that follows.
    ``ties`` as for ``majority``.
    """

    Params = WeightedParams
    uses_gold = True
    random = True

    def check(self, voters: Sequence[str], classes: Sequence[str], *, gold: bool) -> list[tuple[str, str]]:
        if self.params.weights is None and not gold:
            return [("`weighted` needs weights, or gold to find them from", "weighted(weights: {a_voter: 2}), or `gold:` a column")]
        weights = self.params.weights
        if weights is not None and voters and not any(weights.get(v, 1.0) for v in voters):
            return [("every voter has weight 0", "give one of them more: voters that are not named have weight 1")]
        return wrong_weights(weights, voters)

    def fit(self, found: Patterns, classes: Sequence[str], *, prior: Sequence[float] | None = None) -> Combined:
        from recipec.labels.simple import weighted, weighted_by_gold

        if self.params.weights is None:
            return weighted_by_gold(found, classes, ties=self.params.ties, prior=prior)
        return weighted(found, classes, [self.params.weights.get(v, 1.0) for v in found.voters], ties=self.params.ties, prior=prior)
