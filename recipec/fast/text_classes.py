"""What a character is: letter or digit, white space, a word of its own, and so on, as one byte of flags per code point.

Python's own Unicode data decide (``str.isalnum`` and its kin), so the kernels agree with what a Python user would count.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

ALNUM: Final = 1
"""Letter or number: ``str.isalnum``."""
SPACE: Final = 2
"""White space: ``str.isspace``."""
ALONE: Final = 4
"""In the range of a script that puts nothing between words: its letters (``ALNUM`` too) each count as a word."""
BREAK: Final = 8
"""Full-width and CJK punctuation: it parts words although no space is near."""
UPPER: Final = 16
LOWER: Final = 32
DIGIT: Final = 64
"""Decimal digit of any script."""
LETTER: Final = 128

_SIZE: Final = 0x34001
"""The last entry, without flags, stands for all beyond: tags, variation selectors, private use."""

_ALONE_RANGES: Final = (
    (0x0E01, 0x0E30), (0x0E32, 0x0E33), (0x0E40, 0x0E46),  # Thai
    (0x0E81, 0x0EB0), (0x0EB2, 0x0EB3), (0x0EC0, 0x0EC6),  # Lao
    (0x1000, 0x102A), (0x103F, 0x103F), (0x1050, 0x1055),  # Myanmar
    (0x1780, 0x17B3),  # Khmer
    (0x3005, 0x3007), (0x3021, 0x3029), (0x3031, 0x3035), (0x3038, 0x303C),
    (0x3041, 0x3096), (0x309D, 0x309F), (0x30A1, 0x30FA), (0x30FC, 0x30FF),  # kana
    (0x3105, 0x312F), (0x31A0, 0x31BF), (0x31F0, 0x31FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F),
    (0x1B000, 0x1B16F), (0x20000, 0x33FFF),
)  # fmt: skip
_BREAK_RANGES: Final = (
    (0x3001, 0x3004), (0x3008, 0x3020), (0x3030, 0x3030), (0x303D, 0x303F), (0x30A0, 0x30A0), (0x30FB, 0x30FB),
    (0xFE10, 0xFE1F), (0xFE30, 0xFE4F), (0xFF01, 0xFF0F), (0xFF1A, 0xFF20), (0xFF3B, 0xFF40), (0xFF5B, 0xFF65),
)  # fmt: skip

Table = npt.NDArray[np.uint8]


@cache
def table() -> Table:
    """Flags of every code point below ``0x34000``; look up with :func:`flags`."""
    made = np.zeros(_SIZE, np.uint8)
    text = "".join(map(chr, range(0xD800))) + "\0" * 0x800 + "".join(map(chr, range(0xE000, _SIZE)))
    for pattern, flag in ((r"[^\W_]+", ALNUM), (r"\s+", SPACE), (r"\d+", DIGIT), (r"[^\W\d_]+", LETTER)):
        for found in re.finditer(pattern, text):
            made[found.start() : found.end()] |= flag
    # `[^\W\d_]` takes in numbers that are no decimal digits, such as Roman numerals and fractions.
    numeric = [i for i in np.flatnonzero(made & LETTER).tolist() if not text[i].isalpha()]
    made[numeric] &= ~LETTER & 0xFF
    cased = [i for i in range(_SIZE) if text[i].lower() != text[i].upper()]
    for i in cased:
        made[i] |= UPPER if text[i].isupper() else LOWER if text[i].islower() else 0
    for low, high in _ALONE_RANGES:
        made[low : high + 1] |= ALONE
    for low, high in _BREAK_RANGES:
        made[low : high + 1] |= BREAK
    made.flags.writeable = False
    return made


def flags(points: npt.NDArray[np.uint32] | npt.NDArray[np.uint8]) -> Table:
    """The flags of each code point (or ASCII byte)."""
    if points.dtype != np.uint8:
        points = np.minimum(points, np.uint32(_SIZE - 1))
    return table().take(points)


def ranges(spans: tuple[tuple[int, int], ...]) -> str:
    """The inside of a character class of a regular expression."""
    return "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in spans)


@cache
def marks() -> str:
    """Combining marks (categories Mn, Mc, Me), as the inside of a character class."""
    spans: list[tuple[int, int]] = []
    for code in range(0x300, 0x20000):
        if unicodedata.category(chr(code))[0] == "M":
            if spans and spans[-1][1] == code - 1:
                spans[-1] = (spans[-1][0], code)
            else:
                spans.append((code, code))
    return ranges((*spans, (0xE0100, 0xE01EF)))


ALONE_CLASS: Final = ranges(_ALONE_RANGES)
BREAK_CLASS: Final = ranges(_BREAK_RANGES)
