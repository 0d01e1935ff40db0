"""Text metrics against rouge-score and sacrebleu where they are installed, and against numbers that they gave."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.metrics._data import loss_data, text_data
from recipec.registry import find


def score(name: str, data: Any, **params: Any) -> float:
    cls = find("metric", name)
    return float(cls(cls.Params(**params)).compute(data))


WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat.",
    "Mat",
    "3.14",
    "well-known",
    '"quoted"',
    "don't",
    "(hi)",
    "1,000",
    "x-1",
    "&amp;",
    "50%",
    "U.S.",
    ",",
    "é",
]
CHINESE = [*"今天天气很好我们去公园玩", "，", "。", "“", "”", "NBA", "2024", "5.5%", "——", " "]
sentences = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
chinese = st.lists(st.sampled_from(CHINESE), max_size=20).map("".join)
corpora = st.lists(st.tuples(sentences, sentences, sentences), min_size=1, max_size=5)
ENGLISH_ROW = ("The cat sat on the mat, today.", "A cat sat on a mat today; it was 3.5 kg.")
CHINESE_ROW = ("今天的天气很好，我们去公园玩。", "今天天气不错，我们一起去公园。")


@given(sentences.filter(str.isascii), sentences.filter(str.isascii))
@settings(deadline=None, max_examples=100)
def test_rouge_is_rouge_scores(reference: str, text: str) -> None:
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(["rouge1", "rouge2", "rougeL"])
    theirs = scorer.score(reference, text)
    data = text_data([reference], [text])
    for name, key in (("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL")):
        assert score(name, data) == pytest.approx(theirs[key].fmeasure, abs=1e-9)
        assert score(name, data, measure="recall") == pytest.approx(theirs[key].recall, abs=1e-9)
        assert score(name, data, measure="precision") == pytest.approx(theirs[key].precision, abs=1e-9)


@given(corpora, st.lists(st.tuples(chinese, chinese, chinese), min_size=1, max_size=4))
@settings(deadline=None, max_examples=80)
def test_bleu_and_chrf_are_sacrebleus(english: list[tuple[str, str, str]], other: list[tuple[str, str, str]]) -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    for rows, tokenize in ((english, "13a"), (other, "zh"), (english + other, "13a"), (english, "none")):
        texts = [t for t, _, _ in rows]
        references = [[a for _, a, _ in rows], [b for _, _, b in rows]]
        for used in (references[:1], references):
            data = text_data([list(r) for r in zip(*used, strict=True)], texts)
            theirs = sacrebleu.corpus_bleu(texts, used, tokenize=tokenize, force=True).score / 100
            assert score("bleu", data, tokenize=tokenize) == pytest.approx(theirs, abs=1e-9)
            for words in (0, 2):
                theirs = sacrebleu.corpus_chrf(texts, used, word_order=words).score / 100
                assert score("chrf", data, words=words) == pytest.approx(theirs, abs=1e-9)


def test_numbers_that_sacrebleu_and_rouge_score_gave() -> None:
    english, han = text_data([ENGLISH_ROW[0]], [ENGLISH_ROW[1]]), text_data([CHINESE_ROW[0]], [CHINESE_ROW[1]])
    assert score("bleu", english) == pytest.approx(GIVEN["bleu en"], abs=1e-9)
    assert score("bleu", han) == pytest.approx(GIVEN["bleu zh"], abs=1e-9)
    assert score("chrf", english) == pytest.approx(GIVEN["chrf en"], abs=1e-9)
    assert score("chrf", han) == pytest.approx(GIVEN["chrf zh"], abs=1e-9)
    assert score("chrf", english, words=2) == pytest.approx(GIVEN["chrf++ en"], abs=1e-9)
    assert score("rouge_1", english) == pytest.approx(GIVEN["rouge1"], abs=1e-9)
    assert score("rouge_2", english) == pytest.approx(GIVEN["rouge2"], abs=1e-9)
    assert score("rouge_l", english) == pytest.approx(GIVEN["rougeL"], abs=1e-9)


GIVEN = {
    "bleu en": 0.13674406678232565,
    "bleu zh": 0.21186050864016664,
    "chrf en": 0.3970490368329029,
    "chrf zh": 0.21929181929181926,
    "chrf++ en": 0.40301084412625365,
    "rouge1": 0.5263157894736842,
    "rouge2": 0.3529411764705882,
    "rougeL": 0.5263157894736842,
}
"""sacrebleu 2.6.0 and rouge-score 0.1.2, on the rows above."""


def test_bleu_says_which_tokens_it_took() -> None:
    cls = find("metric", "bleu")
    assert "tokens: zh" in cls().score(text_data(["天气"], ["天气"])).notes
    assert "tokens: 13a" in cls().score(text_data(["weather"], ["weather"])).notes


def test_chinese_is_compared_by_characters() -> None:
    data = text_data(["今天天气很好"], ["今天很好"])
    assert score("rouge_1", data) == pytest.approx(2 * 4 / 10)
    assert score("rouge_l", data) == pytest.approx(2 * 4 / 10)
    assert score("token_f1", data) == pytest.approx(2 * 4 / 10)
    assert score("rouge_1", text_data(["NBA总决赛"], ["nba 总冠军"])) == pytest.approx(2 * 2 / 8)


def test_answers_as_squad_compares_them() -> None:
    data = text_data(["The Eiffel Tower!", "北京。", ["1889", "in 1889"]], ["eiffel tower", "“北京”", "In 1889."])
    assert score("exact_match", data) == 1.0
    assert score("exact_match", data, normalize="none") == 0.0
    assert score("exact_match", text_data([" a  b "], ["a b"]), normalize="space") == 1.0
    assert score("token_f1", text_data(["the big red dog"], ["a red dog barks"])) == pytest.approx(2 * 2 / (3 + 3))
    assert score("token_f1", text_data(["the"], [""])) == 1.0
    assert score("token_f1", text_data(["dog"], [""])) == 0.0


def test_the_best_of_several_references_counts() -> None:
    data = text_data([["red dog", "blue cat"]], ["blue cat"])
    for name in ("rouge_1", "rouge_l", "token_f1", "exact_match"):
        assert score(name, data) == 1.0


def test_nulls() -> None:
    data = text_data(["a b", None, [], [None, "c"]], [None, "x", "y", "c"])  # type: ignore[list-item]
    assert data.rows == 2
    assert data.left_out == {"gold is null": 2}
    assert "1 row without a prediction: taken for empty texts" in data.notes
    assert score("rouge_1", data) == 0.5
    assert score("chrf", text_data([""], [""])) == 0.0
    assert score("bleu", text_data([""], [""])) == 0.0


def test_perplexity_is_over_tokens() -> None:
    data = loss_data([-2.0, -6.0, math.nan, 0.0], [2, 2, 3, 0])
    assert score("perplexity", data) == pytest.approx(math.exp(8 / 4))
    assert data.left_out == {"no log-probability": 1, "no token scored": 1}
