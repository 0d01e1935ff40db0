"""Numbers that filters compare with a bound: shares of kinds of characters and words, lengths, readability.

Shares are between 0 and 1, so a bound may be written `25%`. An empty text has share 0 of everything; null gives null.
"""

from __future__ import annotations

from typing import Literal

from recipec.api import SQL, Float, Int, Kernel, Text, function, literal
from recipec.functions.words import words

_FAST = "recipec.fast.text_measure"


def _share(name: str) -> Kernel:
    return Kernel(name, f"{_FAST}:{name}", ("VARCHAR",), "DOUBLE", processes=False)


_ALNUM, _DIGIT, _SPACE = _share("alnum_ratio"), _share("digit_ratio"), _share("whitespace_ratio")
_SYMBOL, _SPECIAL, _BRACKET, _UPPER = _share("symbol_ratio"), _share("special_ratio"), _share("bracket_ratio"), _share("uppercase_ratio")
_URL = Kernel("url_ratio", f"{_FAST}:url_ratio", ("VARCHAR",), "DOUBLE")
_MEAN_WORD, _MAX_WORD = (Kernel(f"{m}_word_length", f"{_FAST}:{m}_word_length", ("VARCHAR",), t, processes=False) for m, t in
                         (("mean", "DOUBLE"), ("max", "BIGINT")))  # fmt: skip
_MEAN_LINE = Kernel("mean_line_length", f"{_FAST}:mean_line_length", ("VARCHAR",), "DOUBLE")
_MAX_LINE = Kernel("max_line_length", f"{_FAST}:max_line_length", ("VARCHAR",), "BIGINT")
_WORD_SHARE = Kernel("word_share", f"{_FAST}:word_share", ("VARCHAR", "VARCHAR[]"), "DOUBLE")
_STOPWORDS = Kernel("stopword_ratio", f"{_FAST}:stopword_ratio", ("VARCHAR", "VARCHAR"), "DOUBLE")
_FLESCH = Kernel("flesch", f"{_FAST}:flesch", ("VARCHAR",), "DOUBLE")
_KINCAID = Kernel("flesch_kincaid", f"{_FAST}:flesch_kincaid", ("VARCHAR",), "DOUBLE")


@function("alnum_ratio")
def alnum_ratio(text: Text) -> Float:
    r"""The share of characters that are letters or numbers, of any script. Usual bound: at least 0.25 (Data-Juicer).

    >>> alnum_ratio("ab 1")
    0.75
    >>> alnum_ratio("你好！！")
    0.5
    """
    return _ALNUM(text)


@function("digit_ratio")
def digit_ratio(text: Text) -> Float:
    r"""The share of characters that are decimal digits, of any script. Usual bound: at most 0.15 (NeMo Curator).

    >>> digit_ratio("ab12")
    0.5
    """
    return _DIGIT(text)


@function("whitespace_ratio")
def whitespace_ratio(text: Text) -> Float:
    r"""The share of characters that are white space. Usual bound: at most 0.25 (NeMo Curator).

    >>> whitespace_ratio("a b\n")
    0.5
    """
    return _SPACE(text)


@function("symbol_ratio")
def symbol_ratio(text: Text) -> Float:
    r"""The share of characters that are neither letters, numbers nor white space: punctuation, signs, emoji, accents that stand apart.

    >>> symbol_ratio("a, b!")
    0.4
    """
    return _SYMBOL(text)


@function("special_ratio")
def special_ratio(text: Text) -> Float:
    r"""The share of characters that are not letters: punctuation, signs, emoji, digits and white space.

    Data-Juicer's special characters, by kind in place of its list. Its bound is 0.25, for English; plain English has about 0.2.

    >>> special_ratio("ab 1")
    0.5
    """
    return _SPECIAL(text)


@function("bracket_ratio")
def bracket_ratio(text: Text) -> Float:
    r"""The share of characters that are one of `( ) [ ] { }`. Usual bound: at most 0.1 (NeMo Curator).

    >>> bracket_ratio("f(x)")
    0.5
    """
    return _BRACKET(text)


@function("uppercase_ratio")
def uppercase_ratio(text: Text) -> Float:
    r"""The share of upper-case letters among the letters that have a case. Chinese has none: 0.

    >>> uppercase_ratio("ABc 1")
    0.6666666666666666
    """
    return _UPPER(text)


@function("url_ratio")
def url_ratio(text: Text) -> Float:
    r"""The share of characters that are part of web addresses, those that `strip_urls` takes away. Usual bound: at most 0.2 (NeMo Curator).

    >>> url_ratio("see www.a.org")
    0.6923076923076923
    """
    return SQL(f"CASE WHEN regexp_matches({text}, '://|(?i:www)\\.') THEN {_URL(text)} WHEN {text} IS NOT NULL THEN 0.0::DOUBLE END")


@function("symbol_word_ratio")
def symbol_word_ratio(text: Text, symbol: Literal["#", "..."] = "#") -> Float:
    r"""How many `#` (or ellipses: `...` and `…`) there are for each word. Bound: at most 0.1 of either.

    Source: Rae et al. 2021 (Gopher, arXiv:2112.11446), table A1, as DataTrove counts. 0 for a text without words.

    >>> symbol_word_ratio("#one two #three four")
    0.5
    >>> symbol_word_ratio("well... so… ok", "...")
    0.6666666666666666
    """
    marks = f"length({text}) - length(replace({text}, '#', ''))"
    if symbol == "...":
        marks = f"(length({text}) - length(replace({text}, '...', ''))) // 3 + length({text}) - length(replace({text}, '…', ''))"
    return SQL(f"CASE WHEN {text} IS NOT NULL THEN coalesce(({marks}) / nullif({words(text)}, 0), 0.0)::DOUBLE END")


@function("stopword_ratio")
def stopword_ratio(text: Text, lang: Literal["en", "zh", "de", "fr", "es"] = "en") -> Float:
    r"""The share of words that are function words of a language: `the`, `of`, `is`. Usual bound: at least 0.3 (Data-Juicer).

    Running text has many, lists of keywords and menus few. The lists are the project's own, of 75 to 190 words; words of Chinese
    are characters here, so for `zh` it is the share of `的`, `是` and their kind. 0 for a text without words.

    >>> stopword_ratio("The cat is on the mat")
    0.6666666666666666
    >>> stopword_ratio("他的书是我的", "zh")
    0.8333333333333334
    """
    return _STOPWORDS(text, literal(lang))


@function("flagged_ratio")
def flagged_ratio(text: Text, flagged: list[str]) -> Float:
    r"""The share of words that are in a list of your own, whatever their case. Usual bound: at most 0.045 (Data-Juicer).

    Words are those of `words`: of Chinese, single characters. No list comes with the project.

    >>> flagged_ratio("Win cash now, WIN!", ["win", "cash"])
    0.75
    """
    return _WORD_SHARE(text, f"{literal(flagged)}::VARCHAR[]")


@function("mean_word_length")
def mean_word_length(text: Text) -> Float:
    r"""The mean length of a text's words in characters, from the first to the last letter or digit of each. Bounds: 3 to 10.

    Source: Rae et al. 2021 (Gopher, arXiv:2112.11446). 0 for a text without words. Every word of Chinese has length 1.

    >>> mean_word_length("one, three!")
    4.0
    """
    return _MEAN_WORD(text)


@function("max_word_length")
def max_word_length(text: Text) -> Int:
    r"""The length of a text's longest word in characters; 0 for a text without words. C4 drops lines with one over 1000.

    >>> max_word_length("one, three!")
    5
    """
    return _MAX_WORD(text)


@function("mean_line_length")
def mean_line_length(text: Text) -> Float:
    r"""The mean length of a text's lines in characters, blank lines among them. Usual bound: at least 10 (Data-Juicer).

    >>> mean_line_length("abc\n\nabc\n")
    2.0
    """
    return _MEAN_LINE(text)


@function("max_line_length")
def max_line_length(text: Text) -> Int:
    r"""The length of a text's longest line in characters. Usual bound: at least 10 (Data-Juicer).

    >>> max_line_length("a\nabc\n")
    3
    """
    return _MAX_LINE(text)


@function("flesch")
def flesch(text: Text) -> Float:
    r"""Flesch's reading ease of an English text: 206.835 - 1.015 words per sentence - 84.6 syllables per word.

    Higher is easier: 60 to 70 is plain English, below 30 very hard; there is no lower or upper end. Syllables are estimated from
    groups of vowels. Null for a text without words, and without meaning for other languages. Source: Flesch 1948, "A new
    readability yardstick".

    >>> round(flesch("The cat sat on the mat. It was happy."), 1)
    108.3
    """
    return _FLESCH(text)


@function("flesch_kincaid")
def flesch_kincaid(text: Text) -> Float:
    r"""The American school grade that an English text asks for: 0.39 words per sentence + 11.8 syllables per word - 15.59.

    Estimated as in `flesch`; easy texts go below 0. Source: Kincaid et al. 1975.

    >>> round(flesch_kincaid("The cat sat on the mat. It was happy."), 1)
    -0.7
    """
    return _KINCAID(text)
