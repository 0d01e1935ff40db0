"""What each character counts as when texts are compared: its folded form and its class.

Folding is case folding, compatibility decomposition (full and half width, ligatures), diacritics removed, digits to ``0``. The tables
cover all of Unicode and are filled a page of 256 characters at a time, when a page is first met, so that English pays for two pages.

Only marks with a combining class are removed (accents, Hebrew points, Arabic vowels, Thai tones). Vowel signs of Indic scripts and Thai
have class 0, nukta, kana voicing and virama have 7, 8 and 9: they spell words, and stay.
"""

from __future__ import annotations

import unicodedata
from threading import Lock
from typing import Final

import numpy as np
import numpy.typing as npt

SEPARATOR: Final = 0
"""White space, punctuation, mathematical signs, controls, private use."""
WORD: Final = 1
"""Letters, digits and their marks, in scripts that put something between words."""
UNSPACED: Final = 2
"""Letters of scripts that put nothing between words: Han, kana, Thai, Lao, Myanmar, Khmer."""
SYMBOL: Final = 3
"""Emoji and pictographs: each says something by itself."""

_PAGES: Final = 0x1100
_UNSPACED_RANGES: Final = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # iteration mark, closing mark, zero
    (0x3040, 0x30FF),  # hiragana, katakana
    (0x31F0, 0x31FF),  # small katakana
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
_SYMBOL_RANGES: Final = ((0x2600, 0x27BF), (0x2B00, 0x2BFF), (0x1F000, 0x1FAFF))
_PLAIN_PAGES: Final = frozenset((*range(0x4E, 0x9F), *range(0xAC, 0xD7)))
"""Pages of Han and Hangul in which every character folds to itself: filled without asking for each."""
_SPELLING_CLASSES: Final = frozenset((0, 7, 8, 9))

Codes = npt.NDArray[np.uint32]


def _fold(character: str) -> str:
    """The folded form of one character: no, one or several characters."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    kept = []
    for part in decomposed:
        category = unicodedata.category(part)
        if category in ("Cf", "Me") or 0xFE00 <= ord(part) <= 0xFE0F or 0xE0100 <= ord(part) <= 0xE01EF:
            continue
        if category == "Mn" and unicodedata.combining(part) not in _SPELLING_CLASSES:
            continue
        kept.append("0" if category == "Nd" else part)
    return unicodedata.normalize("NFC", "".join(kept))


def _class(character: str) -> int:
    """The class of one folded character."""
    code = ord(character)
    category = unicodedata.category(character)
    if any(low <= code <= high for low, high in _SYMBOL_RANGES) and category in ("So", "Cn"):
        return SYMBOL
    if category[0] in "LNM":
        return UNSPACED if any(low <= code <= high for low, high in _UNSPACED_RANGES) else WORD
    return SEPARATOR


class Letters:
    """The folding tables. One instance, :data:`LETTERS`, serves all threads of the process."""

    def __init__(self) -> None:
        size = _PAGES << 8
        self._folded = np.zeros(size, np.uint32)
        self._lengths = np.ones(size, np.uint8)
        self._classes = np.zeros(size, np.uint8)
        self._filled = np.zeros(_PAGES, np.bool_)
        self._longer = np.zeros(0, np.uint32)
        self._start: dict[str, int] = {}
        self._lock = Lock()
        ascii_codes = np.arange(128, dtype=np.uint32)
        self._fill(ascii_codes)
        folded = self._folded[:128].copy()
        folded[self._classes[folded] == SEPARATOR] = 0
        self.ascii = np.zeros(256, np.uint8)
        """Folded form of each ASCII byte; 0 is a separator."""
        self.ascii[:128] = folded

    def _fill(self, codes: Codes) -> None:
        """Make sure that the tables cover ``codes`` and what they fold to."""
        pages = np.flatnonzero(np.bincount(codes >> np.uint32(8), minlength=_PAGES))
        missing = pages[~self._filled[pages]]
        if missing.size:
            with self._lock:
                for page in missing.tolist():
                    self._fill_page(page)

    def _fill_page(self, page: int) -> None:
        first = page << 8
        if page in _PLAIN_PAGES:
            self._folded[first : first + 256] = np.arange(first, first + 256, dtype=np.uint32)
            self._classes[first : first + 256] = UNSPACED if page < 0xAC else WORD
        else:
            for code in range(first, first + 256):
                self._fill_one(code)
        self._filled[page] = True

    def _fill_one(self, code: int) -> None:
        if 0xD800 <= code <= 0xDFFF:
            return
        character = chr(code)
        folded = _fold(character)
        self._classes[code] = _class(character)
        self._lengths[code] = len(folded)
        if len(folded) == 1:
            self._folded[code] = ord(folded)
            # What it folds to may lie on a page not filled yet.
            self._classes[ord(folded)] = _class(folded)
        elif folded:
            if folded not in self._start:
                self._start[folded] = len(self._longer)
                self._longer = np.concatenate([self._longer, np.array([ord(c) for c in folded], np.uint32)])
            for part in folded:
                self._classes[ord(part)] = _class(part)
            self._folded[code] = self._start[folded]

    def fold(self, codes: Codes) -> tuple[Codes, npt.NDArray[np.int64] | None]:
        """Folded characters, and where each input character's begin in them (one entry more than ``codes``), or None for one each."""
        self._fill(codes)
        lengths = self._lengths[codes]
        folded = self._folded[codes]
        if lengths.size == 0 or (lengths.min() == 1 and lengths.max() == 1):
            return folded, None
        starts = np.zeros(len(codes) + 1, np.int64)
        np.cumsum(lengths, out=starts[1:])
        result = np.repeat(folded, lengths)
        if lengths.max() > 1:
            where = np.flatnonzero(np.repeat(lengths > 1, lengths))
            source = np.repeat(np.arange(len(codes)), lengths)[where]
            result[where] = self._longer[result[where] + (where - starts[source])]
        return result, starts

    def classes(self, folded: Codes) -> npt.NDArray[np.uint8]:
        """The class of each folded character."""
        return self._classes[folded]


LETTERS: Final = Letters()
