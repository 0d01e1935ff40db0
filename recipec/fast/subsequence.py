"""The longest common subsequence of two texts' words, with a row of the table in the bits of one number.

H. Hyyrö, "Bit-parallel LCS-length computation revisited", AWOCA 2004: an addition a word, on whole numbers as long as the other text.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Word = TypeVar("Word", bound=Hashable)


def places(words: Sequence[Word]) -> dict[Word, int]:
    """By word, the places where it stands, as bits: made once for a text that many are held against."""
    found: dict[Word, int] = {}
    for place, word in enumerate(words):
        found[word] = found.get(word, 0) | 1 << place
    return found


def common_with(words: Sequence[Word], other: Mapping[Word, int], size: int) -> int:
    """The length of the longest common subsequence of ``words`` and a text of ``size`` words whose ``places`` are ``other``."""
    whole = (1 << size) - 1
    row = whole
    for word in words:
        if here := other.get(word, 0):
            match = row & here
            row = ((row + match) | (row - match)) & whole
    return size - row.bit_count()


def longest_common(a: Sequence[Word], b: Sequence[Word]) -> int:
    """The length of the longest common subsequence of ``a`` and ``b``."""
    return common_with(a, places(b), len(b))
