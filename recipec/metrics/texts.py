"""``exact_match``, ``token_f1``, ``rouge_1``, ``rouge_2``, ``rouge_l``, ``bleu``, ``chrf``, ``perplexity``"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from recipec.api import Field, Settings, metric
from recipec.metrics._base import DataKind, Metric

if TYPE_CHECKING:
    from recipec.metrics._statistic import Statistic

TEXTS: frozenset[DataKind] = frozenset(["texts"])


class MatchParams(Settings):
    normalize: Literal["squad", "space", "none"] = "squad"


@metric("exact_match")
class ExactMatch(Metric):
    """The share of texts equal to a reference.

    ```recipe
    evaluate scores from answers { model: tuned  metrics: [exact_match(normalize: space)] }
    ```

    `normalize` says what is done to both before: `squad` (the default) takes case, punctuation and English articles away, as SQuAD's
    evaluation (Rajpurkar et al. 2016), and the punctuation of Chinese and other scripts too; `space` joins blanks; `none` compares as they are.
    """

    Params = MatchParams
    kinds = TEXTS

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _texts

        return _texts.exact_match(data, self.params.normalize)


@metric("token_f1")
class TokenF1(Metric):
    """The mean over rows of 2 common words / (words of the text + words of the reference), after SQuAD's normalisation.

    ```recipe
    evaluate scores from answers { model: tuned  metrics: [exact_match, token_f1] }
    ```

    Chinese and Japanese are compared by characters, as CMRC's evaluation does. Of several references the best counts. Two texts without
    words are equal. Rajpurkar et al. 2016.
    """

    kinds = TEXTS

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _texts

        return _texts.token_f1(data)


class RougeParams(Settings):
    measure: Literal["f", "precision", "recall"] = "f"


class _Rouge(Metric):
    Params = RougeParams
    kinds = TEXTS
    order: ClassVar[int | None]

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _texts

        return _texts.rouge(data, self.order, self.params.measure)


@metric("rouge_1")
class Rouge1(_Rouge):
    """The mean over rows of the F-measure of common words: 2 P R / (P + R), with P the share of the text's words that are in the
    reference, and R the share of the reference's that are in the text.

    ```recipe
    evaluate scores from answers { model: tuned  metrics: [rouge_1, rouge_1(measure: recall)] }
    ```

    Words are runs of letters and digits in lower case, without stemming; each Chinese or Japanese character is a word. On ASCII texts the
    numbers are those of the rouge-score package, which drops all other letters. Of several references that with the best F counts. Lin 2004.
    """

    order = 1


@metric("rouge_2")
class Rouge2(_Rouge):
    """As ``rouge_1``, of pairs of neighbouring words.

    ```recipe
    evaluate scores from answers { model: tuned  metrics: [rouge_2] }
    ```
    """

    order = 2


@metric("rouge_l")
class RougeL(_Rouge):
    """As ``rouge_1``, of the longest common subsequence: the most words that stand in both texts in the same order.

    ```recipe
    evaluate scores from answers { model: tuned  metrics: [rouge_l] }
    ```

    The whole text is one sequence (``rougeL`` of the rouge-score package, not ``rougeLsum``).
    """

    order = None


class BleuParams(Settings):
    tokenize: Literal["auto", "13a", "zh", "char", "none"] = "auto"
    max_order: int = Field(4, ge=1, le=9)
    ignore_case: bool = False


@metric("bleu")
class Bleu(Metric):
    """BLEU of the whole set of texts, from 0 to 1: the geometric mean of the precisions of 1- to 4-grams, times exp(1 - r / c) where the c words
    are fewer than the r of the references nearest in length.

    ```recipe
    evaluate scores from answers { model: tuned  metrics: [bleu, bleu(tokenize: "zh")] }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `tokenize` | `"13a"` (NIST's mteval-v13a), `zh` (Chinese characters one by one), `char`, `none` (by blanks) or `auto` | `auto` |
    | `max_order` | the longest n-gram | 4 |
    | `ignore_case` | compare in lower case | `false` |

    `auto` is `zh` where a reference has Chinese characters, else `13a`; a note says which. An n-gram order without a match counts as
    1 / (2^k n), k being its number among such orders (``exp`` smoothing). A mean of rows' BLEU is another number: slices and intervals here
    are of the sums. Papineni et al. 2002; sacrebleu's score (Post 2018) divided by 100.
    """

    Params = BleuParams
    kinds = TEXTS

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _texts

        return _texts.bleu(data, self.params.tokenize, self.params.max_order, self.params.ignore_case)


class ChrfParams(Settings):
    words: int = Field(0, ge=0, le=4)
    beta: float = Field(2.0, gt=0)
    ignore_case: bool = False


@metric("chrf")
class Chrf(Metric):
    """chrF, from 0 to 1: the F-measure of n-grams of 1 to 6 characters, blanks left out; needs no tokens, and so suits any script.

    ```recipe
    evaluate scores from answers { model: tuned  metrics: [chrf, chrf(words: 2)] }
    ```

    Precision and recall are averaged over orders, then (1 + b²) P R / (b² P + R) with `beta` (2: recall counts double). `words: 2` adds n-grams of
    one and two words (chrF++). Of the whole set of texts, not a mean of rows. Popović 2015, 2017; sacrebleu's score divided by 100.
    """

    Params = ChrfParams
    kinds = TEXTS

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _texts

        return _texts.chrf(data, self.params.words, self.params.beta, self.params.ignore_case)


@metric("perplexity")
class Perplexity(Metric):
    """exp of the mean loss a token: exp(-sum of log-probabilities / tokens), over all tokens of all rows.

    ```recipe
    evaluate scores from final.test { model: tuned  metrics: [perplexity] }
    ```

    Long texts count more than short ones. Only the tokens that were scored count (the completion, under `loss_on: completion`); models with
    different tokenizers cannot be compared by it.
    """

    kinds = frozenset(["losses"])
    greater_is_better = False
    most = math.inf

    def statistic(self, data: Any) -> Statistic:
        from recipec.metrics import _numbers

        return _numbers.perplexity(data)
