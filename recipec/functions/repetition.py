"""How much of a text repeats itself. Shares are between 0 and 1; an empty text repeats nothing; null gives null.

The bounds are Gopher's (Rae et al. 2021, arXiv:2112.11446, table A1), measured as DataTrove does, and Data-Juicer's where said.
"""

from __future__ import annotations

from recipec.api import SQL, Float, Kernel, Text, function

_FAST = "recipec.fast.text_repeat"


def _measure(name: str, *more: str) -> Kernel:
    return Kernel(name, f"{_FAST}:{name}", ("VARCHAR", *more), "DOUBLE")


_LINES, _LINE_CHARS = _measure("duplicate_line_ratio"), _measure("duplicate_line_char_ratio")
_PARAGRAPHS, _PARAGRAPH_CHARS = _measure("duplicate_paragraph_ratio"), _measure("duplicate_paragraph_char_ratio")
_CHARS, _WORDS = _measure("char_rep_ratio", "BIGINT"), _measure("word_rep_ratio", "BIGINT")
_TOP, _NGRAMS = _measure("top_ngram_ratio", "BIGINT"), _measure("duplicate_ngram_ratio", "BIGINT")


def _size(n: int) -> str:
    if n < 1:
        raise ValueError("`n` must be 1 or more")
    return str(n)


def _where_lines(text: str, kernel: Kernel) -> SQL:
    """Only a text of several lines can repeat one."""
    return SQL(f"CASE WHEN regexp_matches({text}, '[\\r\\n]') THEN {kernel(text)} WHEN {text} IS NOT NULL THEN 0.0::DOUBLE END")


@function("duplicate_line_ratio")
def duplicate_line_ratio(text: Text) -> Float:
    r"""The share of lines that came before in the same text (blank lines do not count). Bound: at most 0.30.

    >>> duplicate_line_ratio("a\nb\na\na")
    0.5
    """
    return _where_lines(text, _LINES)


@function("duplicate_line_char_ratio")
def duplicate_line_char_ratio(text: Text) -> Float:
    r"""The share of characters that lie in lines which came before in the same text. Bound: at most 0.20.

    >>> duplicate_line_char_ratio("abc\nb\nabc\n")
    0.3
    """
    return _where_lines(text, _LINE_CHARS)


@function("duplicate_paragraph_ratio")
def duplicate_paragraph_ratio(text: Text) -> Float:
    r"""The share of paragraphs (parted by two line breaks or more) that came before in the same text. Bound: at most 0.30.

    >>> duplicate_paragraph_ratio("a\n\nb\n\na\n\n\na")
    0.5
    """
    return _where_lines(text, _PARAGRAPHS)


@function("duplicate_paragraph_char_ratio")
def duplicate_paragraph_char_ratio(text: Text) -> Float:
    r"""The share of characters that lie in paragraphs which came before in the same text. Bound: at most 0.20.

    >>> duplicate_paragraph_char_ratio("abc\n\nabc")
    0.375
    """
    return _where_lines(text, _PARAGRAPH_CHARS)


@function("char_rep_ratio")
def char_rep_ratio(text: Text, n: int = 10) -> Float:
    r"""How much of a text its most frequent n-grams of characters make up. Usual bound: at most 0.5 (Data-Juicer).

    Of the different n-grams, as many of the most frequent as the root of their number, but only such as occur twice: the share of
    their occurrences among all. 0 for texts shorter than `n`. Source: Laurençon et al. 2022 (ROOTS, arXiv:2303.03915), as in
    Data-Juicer.

    >>> char_rep_ratio("abababab", 2)
    0.5714285714285714
    >>> char_rep_ratio("all different")
    0.0
    """
    return SQL(f"CASE WHEN length({text}) > {_size(n)} THEN {_CHARS(text, _size(n))} WHEN {text} IS NOT NULL THEN 0.0::DOUBLE END")


@function("word_rep_ratio")
def word_rep_ratio(text: Text, n: int = 10) -> Float:
    r"""The share of n-grams of words that occur more than once, whatever their case. Usual bound: at most 0.5 (Data-Juicer).

    Source: Laurençon et al. 2022 (ROOTS, arXiv:2303.03915), as in Data-Juicer. 0 for texts of fewer than `n` words.

    >>> word_rep_ratio("a b a b c", 2)
    0.5
    """
    return _WORDS(text, _size(n))


@function("top_ngram_ratio")
def top_ngram_ratio(text: Text, n: int = 2) -> Float:
    r"""The share of characters that the most frequent n-gram of words makes up: its count times its length, over the text's length.

    Of equally frequent ones the first counts; one that occurs once counts for nothing. Bounds: at most 0.20 for 2-grams, 0.18 for
    3-grams, 0.16 for 4-grams.

    >>> top_ngram_ratio("to be or not to be")
    0.5555555555555556
    """
    return _TOP(text, _size(n))


@function("duplicate_ngram_ratio")
def duplicate_ngram_ratio(text: Text, n: int = 5) -> Float:
    r"""The share of characters in n-grams of words that came before, found from left to right without overlap.

    Bounds: at most 0.15 for 5-grams, 0.14 for 6, 0.13 for 7, 0.12 for 8, 0.11 for 9, 0.10 for 10.

    >>> duplicate_ngram_ratio("go on and go on", 2)
    0.26666666666666666
    """
    return _NGRAMS(text, _size(n))
