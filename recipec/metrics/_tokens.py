"""How texts are cut into units before they are compared."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from functools import cache
from typing import TypeVar
from unicodedata import category

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
"""Letters written without blanks between words: Chinese characters, hiragana, katakana."""
HAN = re.compile(f"[{CJK}]")


@cache
def _word() -> re.Pattern[str]:
    # Python's \\w has no combining marks, which would cut Hindi and Thai words to pieces.
    marks = "".join(chr(c) for c in range(0x300, 0x3100) if category(chr(c)) in ("Mn", "Mc"))
    return re.compile(f"[{CJK}]|(?:[^\\W_{CJK}]|[{marks}])+")


def words(text: str) -> list[str]:
    """Runs of letters and digits in lower case, each Chinese or Japanese character by itself. On ASCII texts as the rouge-score package."""
    return _word().findall(text.lower())


ARTICLES = re.compile(r"\b(a|an|the)\b")


def squad(text: str) -> str:
    """Lower case, without punctuation and English articles, single blanks: the normalisation of SQuAD's evaluation (Rajpurkar et al. 2016),
    with the punctuation of other scripts taken away too."""
    bare = "".join(c for c in text.lower() if not (c in string.punctuation or (not c.isascii() and category(c)[0] == "P")))
    return " ".join(ARTICLES.sub(" ", bare).split())


def answer_tokens(text: str) -> list[str]:
    """The words of a normalised answer, each Chinese or Japanese character by itself."""
    return HAN.sub(r" \g<0> ", squad(text)).split()


# BLEU -----------------------------------------------------------------------------------------------------------------

_MARKS = (
    (re.compile(r"([{-~\[-` -&(-+:-@/])"), r" \1 "),
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
"""The rules of NIST's mteval-v13a for Western languages: marks apart; full stops, commas and dashes only beside what is no number."""
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_APART = re.compile(
    "[\u2001-\u2a6d\u2e80-\u2eff\u2f00-\u2fdf\u2ff0-\u2fff\u3000-\u303f\u3100-\u312f\u31a0-\u31bf\u31c0-\u31ef\u3200-\u33ff\u3400-\u4db5\u4e00-\u9fbb"
    "\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef]"
)
"""What sacrebleu's ``zh`` sets apart. Its table means to begin with Extension B (from U+20000), but is written so that U+2001 to U+2A6D (quotation
marks, dashes) are in it and Extension B is not; scores can only be compared when that is kept."""


def _marked(line: str) -> list[str]:
    for pattern, to in _MARKS:
        line = pattern.sub(to, line)
    return line.split()


def mteval(text: str) -> list[str]:
    """``13a``: the tokens of NIST's mteval-v13a, as sacrebleu has them."""
    line = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    if "&" in line:
        for name, mark in _ENTITIES:
            line = line.replace(name, mark)
    return _marked(f" {line} ")


def chinese(text: str) -> list[str]:
    """``zh``: Chinese characters and marks one by one, the rest as ``13a``, as sacrebleu has them."""
    return _marked(_APART.sub(r" \g<0> ", text.strip()))


TOKENIZERS: dict[str, Callable[[str], list[str]]] = {
    "13a": mteval,
    "zh": chinese,
    "char": lambda text: [c for c in text if not c.isspace()],
    "none": str.split,
}


# n-grams --------------------------------------------------------------------------------------------------------------


Gram = TypeVar("Gram", bound=Hashable)


def ngrams(tokens: Sequence[Hashable], n: int) -> Counter[tuple[Hashable, ...]]:
    return Counter(zip(*(tokens[i:] for i in range(n)), strict=False))


def substrings(text: str, n: int) -> Counter[str]:
    """n-grams of characters."""
    return Counter([text[i : i + n] for i in range(len(text) - n + 1)])


def common(a: Counter[Gram], b: Counter[Gram]) -> int:
    if len(b) < len(a):
        a, b = b, a
    return sum(min(n, b[gram]) for gram, n in a.items() if gram in b)
