"""Fingerprints, and how alike two texts are."""

from __future__ import annotations

from recipec.api import SQL, Float, Kernel, Text, function

_SIMILARITY = Kernel("similarity", "recipec.fast.text_similar:similarity", ("VARCHAR", "VARCHAR", "BIGINT"), "DOUBLE")
_ROUGE_L = Kernel("rouge_l", "recipec.fast.text_similar:rouge_l", ("VARCHAR", "VARCHAR"), "DOUBLE")


@function("fingerprint")
def fingerprint(text: Text) -> Text:
    r"""16 hexadecimal digits (64 bits) that are the same for texts which differ only in case, punctuation and white space.

    They are the first half of the MD5 of the text in lower case and form NFC, with one space for every run of characters that are
    no letters, marks or digits. A text that has none of these stands for itself. Among a million different texts two share one
    with a probability of 3 in 100 million.

    >>> fingerprint("Hello, World!")
    '5eb63bbbe01eeed0'
    >>> fingerprint("  hello\nworld")
    '5eb63bbbe01eeed0'
    """
    words = rf"trim(regexp_replace(lower(nfc_normalize({text})), '[^\pL\pM\pN]+', ' ', 'g'))"
    return SQL(f"left(md5(coalesce(nullif({words}, ''), {text})), 16)")


@function("similarity")
def similarity(a: Text, b: Text, n: int = 1) -> Float:
    r"""How alike two texts are, from 0 to 1: n-grams of words in both over those in either (Jaccard), whatever their case or order.

    Of Chinese, words are single characters: take `n: 2` or more. Texts shorter than `n` words are compared whole. Null where either is.

    >>> similarity("the cat sat", "The cat ran")
    0.5
    >>> similarity("今天天气很好", "今天天气不好", n: 2)
    0.42857142857142855
    """
    if n < 1:
        raise ValueError("`n` must be 1 or more")
    return _SIMILARITY(a, b, str(n))


@function("rouge_l")
def rouge_l(a: Text, b: Text) -> Float:
    r"""ROUGE-L of two texts, from 0 to 1: the F1 of their longest common subsequence of words, whatever their case.

    Source: Lin 2004. Self-Instruct refuses an instruction above 0.7 to any it has. Of Chinese, words are single characters. Two texts
    without words score 1 when they are the same, else 0. Null where either is. The time grows with the product of the lengths: two texts of
    50,000 words take about a second, so for whole books `similarity` is the measure.

    >>> rouge_l("the cat sat on the mat", "the cat lay on the mat")
    0.8333333333333334
    """
    return _ROUGE_L(a, b)
