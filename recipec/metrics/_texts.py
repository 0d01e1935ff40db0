"""Scores of texts against references, row by row or from counts summed over rows."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from recipec.fast.subsequence import longest_common
from recipec.metrics._data import Floats, TextData
from recipec.metrics._statistic import Sums, mean_of
from recipec.metrics._tokens import HAN, TOKENIZERS, answer_tokens, common, ngrams, squad, substrings, words

Measure = Literal["f", "precision", "recall"]
CHARACTERS = 6
"""chrF's longest n-gram of characters."""


def best(data: TextData, score: Callable[[str, str], float], notes: tuple[str, ...] = ()) -> Sums:
    """The mean over rows of the score (of reference and prediction) with the reference that suits best."""
    values = [max(score(reference, text) for reference in references) for references, text in zip(data.gold, data.predicted, strict=True)]
    return mean_of(np.array(values, dtype=np.float64), (*data.notes, *notes))


def exact_match(data: TextData, normalize: Literal["squad", "space", "none"]) -> Sums:
    change: Callable[[str], str] = {"squad": squad, "space": lambda t: " ".join(t.split()), "none": lambda t: t}[normalize]
    return best(data, lambda reference, text: float(change(reference) == change(text)))


def token_f1(data: TextData) -> Sums:
    def score(reference: str, text: str) -> float:
        a, b = answer_tokens(reference), answer_tokens(text)
        if not a or not b:
            return float(a == b)
        same = (Counter(a) & Counter(b)).total()
        return 2 * same / (len(a) + len(b))

    return best(data, score)


def of(match: int, reference: int, text: int, measure: Measure) -> float:
    p, r = match / max(1, text), match / max(1, reference)
    if measure == "f":
        return 2 * p * r / (p + r) if p + r else 0.0
    return p if measure == "precision" else r


def rouge(data: TextData, order: int | None, measure: Measure) -> Sums:
    """ROUGE-``order``, or ROUGE-L for None. Of several references the one with the best F counts."""

    def score(reference: list[str], text: list[str]) -> tuple[float, float]:
        if order is None:
            match, a, b = longest_common(reference, text), len(reference), len(text)
        else:
            one, other = ngrams(reference, order), ngrams(text, order)
            match, a, b = common(one, other), one.total(), other.total()
        return of(match, a, b, "f"), of(match, a, b, measure)

    values = np.empty(data.rows)
    for i, (references, text) in enumerate(zip(data.gold, data.predicted, strict=True)):
        tokens = words(text)
        values[i] = max((score(words(r), tokens) for r in references), key=lambda pair: pair[0])[1]
    return mean_of(values, data.notes)


def bleu(data: TextData, tokenize: str, max_order: int, ignore_case: bool) -> Sums:
    name = tokenize
    if name == "auto":
        name = "zh" if any(HAN.search(r) for references in data.gold for r in references) else "13a"
    cut = TOKENIZERS[name]
    table = np.zeros((data.rows, 2 + 2 * max_order))
    for i, (references, text) in enumerate(zip(data.gold, data.predicted, strict=True)):
        texts = [t.lower() if ignore_case else t for t in (text, *references)]
        tokens, *others = map(cut, texts)
        # The reference whose length is nearest; of two equally near the shorter.
        nearest = min((len(o) for o in others), key=lambda n: (abs(n - len(tokens)), n))
        table[i, :2] = len(tokens), nearest
        for n in range(1, max_order + 1):
            grams = ngrams(tokens, n)
            allowed = ngrams(others[0], n)
            for other in others[1:]:
                allowed |= ngrams(other, n)
            table[i, 1 + n], table[i, 1 + max_order + n] = common(grams, allowed), grams.total()

    def formula(s: Floats) -> Floats:
        length, reference = s[..., 0], s[..., 1]
        right, total = s[..., 2 : 2 + max_order], s[..., 2 + max_order :]
        penalty = np.where(length < reference, np.exp(1 - reference / length), 1.0)
        missed = np.cumsum((right == 0) & (total > 0), axis=-1)
        precision = np.where(right > 0, right / total, 1 / (2.0**missed * total))
        value = penalty * np.exp(np.log(precision).mean(axis=-1))
        return np.asarray(np.where((total > 0).all(axis=-1) & (right > 0).any(axis=-1), value, 0.0))

    return Sums(data.rows, (*data.notes, f"tokens: {name}"), 2 + 2 * max_order, formula, rows_add=table)


def chrf_words(text: str) -> list[str]:
    """Words with one punctuation mark at their end, or else at their beginning, set apart."""
    out: list[str] = []
    for word in text.split():
        if len(word) > 1 and word[-1] in string.punctuation:
            out += [word[:-1], word[-1]]
        elif len(word) > 1 and word[0] in string.punctuation:
            out += [word[0], word[1:]]
        else:
            out.append(word)
    return out


def chrf(data: TextData, word_order: int, beta: float, ignore_case: bool) -> Sums:
    orders = CHARACTERS + word_order

    def grams(text: str) -> list[Counter[Any]]:
        text = text.lower() if ignore_case else text
        letters = "".join(text.split())
        tokens = chrf_words(text) if word_order else []
        return [substrings(letters, n + 1) for n in range(CHARACTERS)] + [ngrams(tokens, n + 1) for n in range(word_order)]

    def formula(s: Floats) -> Floats:
        text, reference, match = s[..., 0::3], s[..., 1::3], s[..., 2::3]
        used = (text > 0) & (reference > 0)
        count = np.maximum(used.sum(axis=-1), 1)
        p = np.where(used, match / text, 0.0).sum(axis=-1) / count
        r = np.where(used, match / reference, 0.0).sum(axis=-1) / count
        return np.asarray(np.where(p + r > 0, (1 + beta**2) * p * r / (beta**2 * p + r), 0.0))

    table = np.zeros((data.rows, 3 * orders))
    for i, (references, text) in enumerate(zip(data.gold, data.predicted, strict=True)):
        one = grams(text)
        choices = np.zeros((len(references), 3 * orders))
        for j, reference in enumerate(references):
            for n, (a, b) in enumerate(zip(one, grams(reference), strict=True)):
                choices[j, 3 * n : 3 * n + 3] = a.total() if b else 0, b.total(), common(a, b)
        with np.errstate(divide="ignore", invalid="ignore"):
            table[i] = choices[int(formula(choices).argmax())]
    return Sums(data.rows, data.notes, 3 * orders, formula, rows_add=table)
