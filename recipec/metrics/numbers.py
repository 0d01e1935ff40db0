"""``mse``, ``rmse``, ``mae``, ``r2``, ``pearson``, ``spearman``"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from recipec.api import metric
from recipec.metrics._base import DataKind, Metric

if TYPE_CHECKING:
    from recipec.metrics._statistic import Statistic

NUMBERS: frozenset[DataKind] = frozenset(["numbers"])


@metric("mse")
class MeanSquaredError(Metric):
    """The mean of the squared errors, in the square of the numbers' unit.

    ```recipe
    evaluate scores from final.test { model: prices  metrics: [mse] }
    ```
    """

    kinds = NUMBERS
    greater_is_better = False
    most = math.inf

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _numbers

        return _numbers.mean_error(data, 2)


@metric("rmse")
class RootMeanSquaredError(Metric):
    """The root of the mean of the squared errors, in the numbers' own unit.

    ```recipe
    evaluate scores from final.test { model: prices  metrics: [rmse, mae] }
    ```
    """

    kinds = NUMBERS
    greater_is_better = False
    most = math.inf

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _numbers

        return _numbers.mean_error(data, 2, root=True)


@metric("mae")
class MeanAbsoluteError(Metric):
    """The mean of the errors without their sign, in the numbers' own unit.

    ```recipe
    evaluate scores from final.test { model: prices  metrics: [mae] }
    ```
    """

    kinds = NUMBERS
    greater_is_better = False
    most = math.inf

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _numbers

        return _numbers.mean_error(data, 1)


@metric("r2")
class RSquared(Metric):
    """The share of gold's variance that the predictions explain: 1 - sum (y - p)² / sum (y - mean y)². Below 0 the mean would have been nearer.

    ```recipe
    evaluate scores from final.test { model: prices  metrics: [r2] }
    ```

    No value where gold is one number throughout. Else as scikit-learn's ``r2_score``.
    """

    kinds = NUMBERS

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _numbers

        return _numbers.r2(data)


@metric("pearson")
class Pearson(Metric):
    """Pearson's correlation of gold and predictions, from -1 to 1: how nearly they lie on a line, whatever its slope and height.

    ```recipe
    evaluate scores from final.test { model: prices  metrics: [pearson, spearman] }
    ```

    No value where either is one number throughout.
    """

    kinds = NUMBERS

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _numbers

        return _numbers.pearson(data)


@metric("spearman")
class Spearman(Metric):
    """Spearman's correlation: Pearson's of the ranks, equal numbers sharing the mean of theirs. How well predictions order the rows.

    ```recipe
    evaluate scores from final.test { model: prices  metrics: [spearman] }
    ```

    No value where either is one number throughout.
    """

    kinds = NUMBERS

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _numbers

        return _numbers.spearman(data)
