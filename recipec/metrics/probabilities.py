"""``roc_auc``, ``average_precision``, ``log_loss``, ``brier``, ``ece``, ``top_k``"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from recipec.api import Field, Settings, metric
from recipec.metrics._base import DataKind, Metric

if TYPE_CHECKING:
    from recipec.metrics._statistic import Statistic

SCORED: frozenset[DataKind] = frozenset(["classes", "multilabel"])
CLASSES: frozenset[DataKind] = frozenset(["classes"])


class RankParams(Settings):
    average: Literal["macro", "weighted"] = "macro"
    positive: str | None = None


@metric("roc_auc")
class RocAuc(Metric):
    """The area under the ROC curve: the chance that a row of the class is given a greater probability than one that is not, ties
    counting half.

    ```recipe
    evaluate scores from final.test { model: clf  metrics: [roc_auc, roc_auc(average: weighted)] }
    ```

    With two classes it is one area, the same for either. With more, or with sets of labels, it is the mean of each class against the rest
    (`average: macro`, or `weighted` by the classes' gold rows); `positive` asks for one class. A class that no row has, or every row, has
    no area and is left out of the mean, with a note; where none has one, neither has the whole. Mann and Whitney 1947; as scikit-learn's
    ``roc_auc_score(multi_class="ovr")``.
    """

    Params = RankParams
    kinds = SCORED
    needs_probabilities = True

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _ranking

        return _ranking.ranked(data, _ranking.area, self.params.average == "weighted", self.params.positive, symmetric=True)


@metric("average_precision")
class AveragePrecision(Metric):
    """The area under the curve of precision by recall, as steps: the sum over thresholds of precision times the gain in recall.

    ```recipe
    evaluate scores from final.test { model: clf  metrics: [average_precision(positive: "spam")] }
    ```

    `positive` asks for one class. Without it, it is the mean over the classes in gold, each against the rest, also for two
    (`average: macro`, or `weighted` by gold rows). As scikit-learn's ``average_precision_score``.
    """

    Params = RankParams
    kinds = SCORED
    needs_probabilities = True

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _ranking

        return _ranking.ranked(data, _ranking.average_precision, self.params.average == "weighted", self.params.positive, symmetric=False)


@metric("log_loss")
class LogLoss(Metric):
    """The mean of -ln of the probability given to the right class.

    ```recipe
    evaluate scores from final.test { model: clf  metrics: [log_loss] }
    ```

    Probabilities are clipped to [2.2e-16, 1 - 2.2e-16], so that one sure error does not make it infinite. With sets of labels it is the mean
    over labels. As scikit-learn's ``log_loss``.
    """

    kinds = SCORED
    needs_probabilities = True
    greater_is_better = False
    most = math.inf

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _ranking

        return _ranking.log_loss(data)


@metric("brier")
class Brier(Metric):
    """The mean squared distance of the probabilities from the truth (1 for the right class, 0 for the others).

    ```recipe
    evaluate scores from final.test { model: clf  metrics: [brier] }
    ```

    With two classes that of one class, from 0 to 1; with more, the sum over classes, from 0 to 2; with sets of labels the mean over
    labels. Brier 1950; as scikit-learn's ``brier_score_loss``.
    """

    kinds = SCORED
    needs_probabilities = True
    greater_is_better = False
    most = 2.0

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _ranking

        return _ranking.brier(data)


class EceParams(Settings):
    bins: int = Field(15, ge=1, le=1000)
    adaptive: bool = False


@metric("ece")
class Ece(Metric):
    """Expected calibration error: how far, on average, the greatest probability of a row is from how often it is right.

    ```recipe
    evaluate scores from final.test { model: clf  metrics: [ece, ece(bins: 10, adaptive: true)] }
    ```

    Rows are put into `bins` (15) by that probability; the error is the mean over rows of |mean probability - share right| of the row's bin.
    Bins are of equal width, open below and closed above (Naeini et al. 2015, Guo et al. 2017); with `adaptive: true` they hold equally
    many rows (Nixon et al. 2019). It depends on the bins, and few rows make it greater: compare it on equal terms only.
    """

    Params = EceParams
    kinds = CLASSES
    needs_probabilities = True
    greater_is_better = False

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _ranking

        return _ranking.ece(data, self.params.bins, self.params.adaptive)


class TopParams(Settings):
    k: int = Field(5, ge=1)


@metric("top_k")
class TopK(Metric):
    """The share of rows whose right class is among the `k` (5) most probable; of equally probable classes those listed first come first.

    ```recipe
    evaluate scores from final.test { model: clf  metrics: [top_k(3)] }
    ```
    """

    Params = TopParams
    kinds = CLASSES
    needs_probabilities = True

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _ranking

        return _ranking.top_k(data, self.params.k)
