"""``accuracy``, ``precision``, ``recall``, ``f1``, ``balanced_accuracy``, ``mcc``, ``cohen_kappa``, ``hamming_loss``"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from recipec.api import Settings, metric
from recipec.metrics._base import DataKind, Metric

if TYPE_CHECKING:
    from recipec.metrics._statistic import Statistic

CLASSES: frozenset[DataKind] = frozenset(["classes"])
LABELLED: frozenset[DataKind] = frozenset(["classes", "multilabel", "tags"])


class AverageParams(Settings):
    average: Literal["macro", "micro", "weighted", "binary"] | None = None
    positive: str | None = None
    strict: bool = False
    scheme: Literal["auto", "iob1", "iob2", "ioe2", "iobes", "bilou"] = "auto"
    suffix: bool = False


class _Averaged(Metric):
    """What precision, recall and F1 share: counts of right, predicted and gold, by class, label or type of entity."""

    Params = AverageParams
    kinds = LABELLED
    which: ClassVar[Literal["precision", "recall", "f1"]]

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _counts, _data, _entities

        p = self.params
        match data:
            case _data.TagData():
                return _entities.of_entities(data, self.which, p.average, p.positive, p.strict, p.scheme, p.suffix)
            case _data.MultiLabelData():
                return _counts.of_labels(data, self.which, p.average, p.positive)
            case _:
                return _counts.of_classes(data, self.which, p.average, p.positive)


@metric("accuracy")
class Accuracy(Metric):
    """The share of rows that are right: right / rows.

    ```recipe
    evaluate scores from final.test { model: clf  metrics: [accuracy] }
    ```

    With sets of labels a row is right when its whole set is (subset accuracy). With tags it is the share of tokens, ``O`` too, whose tag is
    right, which says little where most tokens are ``O``: see ``f1``. As ``accuracy_score`` of scikit-learn and of seqeval.
    """

    kinds = LABELLED

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _counts, _data, _entities

        match data:
            case _data.TagData():
                return _entities.token_accuracy(data)
            case _data.MultiLabelData():
                return _counts.subset_accuracy(data)
            case _:
                return _counts.accuracy(data)


@metric("f1")
class F1(_Averaged):
    """The harmonic mean of precision and recall: 2 right / (predicted + gold), by class, averaged.

    ```recipe
    evaluate scores from final.test { model: clf  metrics: [f1, f1(average: weighted), f1(positive: "spam")] }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `average` | `macro`, `micro`, `weighted` or `binary` | `macro` for classes, also for two; `micro` for tags and sets of labels |
    | `positive` | the one class, label or type of entity to score; where two classes are averaged as `binary` without it, the second | none |
    | `strict` | tags only: count well-formed entities alone | `false` |
    | `scheme` | tags only, with `strict`: `iob1`, `iob2`, `ioe2`, `iobes`, `bilou`, or found from the gold tags | `auto` |
    | `suffix` | tags only: written `PER-B`, not `B-PER` | `false` |

    `macro` is the mean of the classes' scores, small classes counting as much as great ones; `weighted` that mean by the classes' gold
    rows; `micro` one score from the summed counts (with one class a row, the accuracy); `binary` the score of one class.

    Classes: as scikit-learn's ``f1_score``. ``macro`` averages the classes that occur in gold or in predictions; one that is only
    predicted, or never, counts with 0. Sets of labels: all labels are averaged. Tags: an entity is right when its type, first and
    last token are (Tjong Kim Sang and De Meulder 2003), as seqeval's ``f1_score``, in its default mode or, with ``strict``, its strict one;
    in the default mode `I-PER` after `O` begins an entity, as conlleval has it.
    """

    which = "f1"


@metric("precision")
class Precision(_Averaged):
    """Of what is predicted, the share that is right: right / predicted, by class, averaged. Arguments and averages as for ``f1``.

    ```recipe
    evaluate scores from final.test { model: clf  metrics: [precision(positive: "spam")] }
    ```

    A class that is never predicted has the precision 0, and a note says so. As scikit-learn's and seqeval's ``precision_score``.
    """

    which = "precision"


@metric("recall")
class Recall(_Averaged):
    """Of what is there, the share that is found: right / gold, by class, averaged. Arguments and averages as for ``f1``.

    ```recipe
    evaluate scores from final.test { model: clf  metrics: [recall(positive: "spam")] }
    ```

    A class that is predicted but not in gold has the recall 0, and a note says so. As scikit-learn's and seqeval's ``recall_score``.
    """

    which = "recall"


@metric("balanced_accuracy")
class BalancedAccuracy(Metric):
    """The mean of the classes' recalls, over the classes in gold: an accuracy that a great class cannot carry.

    ```recipe
    evaluate scores from final.test { model: clf  metrics: [balanced_accuracy] }
    ```

    Guessing gives 1 / classes. Brodersen et al. 2010; as scikit-learn's ``balanced_accuracy_score``.
    """

    kinds = CLASSES

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _counts

        return _counts.balanced_accuracy(data)


@metric("mcc")
class Mcc(Metric):
    """Matthews' correlation of gold and predicted classes, from -1 to 1; 0 is no better than chance.

    ```recipe
    evaluate scores from final.test { model: clf  metrics: [mcc] }
    ```

    For c right of n rows, with g and p the counts of a class in gold and predictions:
    (c n - sum g p) / sqrt((n² - sum p²)(n² - sum g²)). Where gold or predictions have one class only it counts as 0. Matthews 1975, for more than
    two classes Gorodkin 2004; as scikit-learn's ``matthews_corrcoef``.
    """

    kinds = CLASSES

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _counts

        return _counts.mcc(data)


class KappaParams(Settings):
    weights: Literal["none", "linear", "quadratic"] = "none"


@metric("cohen_kappa")
class CohenKappa(Metric):
    """Agreement of gold and predictions beyond chance: 1 - disagreement seen / disagreement expected from the two distributions.

    ```recipe
    evaluate scores from final.test { model: clf  metrics: [cohen_kappa(weights: quadratic)] }
    ```

    `weights` makes errors count by how far apart the classes lie in the order in which they are listed: `none` (the default), `linear` or
    `quadratic`. Cohen 1960, 1968; as scikit-learn's ``cohen_kappa_score``. No value where both are of one and the same class throughout.
    """

    kinds = CLASSES
    Params = KappaParams

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _counts

        return _counts.kappa(data, self.params.weights)


@metric("hamming_loss")
class HammingLoss(Metric):
    """The share of wrong labels: over rows and classes, how often a label is predicted that is not there or the other way round.

    ```recipe
    evaluate scores from final.test { model: clf  metrics: [hamming_loss] }
    ```

    With one class a row it is the share of wrong rows. As scikit-learn's ``hamming_loss``.
    """

    kinds = frozenset(["classes", "multilabel"])
    greater_is_better = False

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _counts

        return _counts.hamming(data)
