"""What a metric of an ``evaluate`` step is: its name, its arguments, what it can measure, and how it is computed.

A metric says its formula once, as a :class:`~recipec.metrics._statistic.Statistic`: the numbers that rows add up to, and what is made of
their sums. The score, its bootstrap interval, the comparison of two models and the scores of slices all come from that one statement,
so that they cannot disagree.

Declarations import nothing heavy, since a check reads them; numpy is imported where something is computed.

What holds for every metric:

* A row whose gold value is null is left out, and counted (``left_out`` of the data). A row whose *prediction* is null is kept and is
  wrong: a model gains nothing by not answering. Only numbers, which cannot be wrong by a known amount, leave such rows out too.
* A ratio with a zero denominator is 0, as scikit-learn and seqeval have it by default, and a note says so. What has no value at all
  (no rows; ROC-AUC with one class) is NaN, with a note. A step that writes scores into a table must write NaN as null: DuckDB holds NaN
  to be greater than every number, so ``expect f1 >= 90%`` would pass.
* Scores are shares of one (0.85, or 85 %), also where other tools print percentages (BLEU, chrF).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from recipec.api import Settings

if TYPE_CHECKING:
    from recipec.metrics._data import Data
    from recipec.metrics._statistic import Statistic

DataKind = Literal["classes", "multilabel", "tags", "texts", "numbers", "losses"]
"""``classes``: one class a row. ``multilabel``: a set of classes a row. ``tags``: a tag a token (NER). ``texts``: a text a row, one or more
references. ``numbers``: regression. ``losses``: a language model's summed log-probabilities."""

Average = Literal["macro", "micro", "weighted", "binary"]


HOW = ("tokens: ", "strict ")
"""Notes that begin so say how a score is counted, and warn of nothing."""


class NoParams(Settings):
    """A metric without arguments."""


@dataclass(frozen=True, slots=True)
class Score:
    """A metric's value on some rows, and what has to be known to read it (``class "x" is never predicted``)."""

    value: float
    notes: tuple[str, ...] = ()

    @property
    def known(self) -> float | None:
        """The value, or None where there is none: for tables and JSON, which have no NaN that compares as it should."""
        return None if math.isnan(self.value) else self.value


class Metric(ABC):
    """``metrics: [accuracy, f1(average: micro)]``. Made with validated ``Params``; its docstring is its documentation."""

    Params: ClassVar[type[Settings]] = NoParams
    name: ClassVar[str]
    version: ClassVar[int] = 1
    kinds: ClassVar[frozenset[DataKind]]
    """What it can measure."""
    needs_probabilities: ClassVar[bool] = False
    """Whether predictions must come with a probability for every class."""
    greater_is_better: ClassVar[bool] = True
    most: ClassVar[float] = 1.0
    """No score is greater."""

    _last: tuple[Any, Statistic] | None = None

    def __init__(self, params: Any = None) -> None:
        self.params = self.Params() if params is None else params

    @abstractmethod
    def statistic(self, data: Any) -> Statistic:
        """The metric on ``data``, in the form that can be summed, sliced and resampled."""

    def measured(self, data: Data) -> Statistic:
        """:meth:`statistic`, kept for the data that came last: the score, its interval and a comparison count n-grams once."""
        if self._last is None or self._last[0] is not data:
            self._last = data, self.statistic(data)
        return self._last[1]

    def score(self, data: Data) -> Score:
        """The value on all rows, with notes."""
        if data.rows == 0:
            return Score(math.nan, ("there are no rows to measure",))
        return self.measured(data).score()

    def compute(self, data: Data) -> float:
        """The value on all rows; NaN where there is none."""
        return self.score(data).value
