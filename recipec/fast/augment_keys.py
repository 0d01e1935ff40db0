"""Which keys lie next to which, on the keyboards of several languages.

A layout is three rows of keys and the row of digits above. Keys are a unit apart, each row is shifted as on the keyboards
of ISO/IEC 9995, and neighbours are the keys whose middles lie at most 1.15 units apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from recipec.fast.augment import Seeds, below

_DIGITS: Final = "1234567890"
_SHIFTS: Final = (0.0, 0.5, 0.75, 1.25)
_NEAR: Final = 1.15

LAYOUTS: Final[dict[str, tuple[str, str, str]]] = {
    "en": ("qwertyuiop", "asdfghjkl", "zxcvbnm"),
    "de": ("qwertzuiopü", "asdfghjklöä", "yxcvbnm"),
    "fr": ("azertyuiop", "qsdfghjklm", "wxcvbn"),
    "es": ("qwertyuiop", "asdfghjklñ", "zxcvbnm"),
    "it": ("qwertyuiopè", "asdfghjklòà", "zxcvbnm"),
    "pt": ("qwertyuiop", "asdfghjklç", "zxcvbnm"),
    "pl": ("qwertyuiop", "asdfghjkl", "zxcvbnm"),
    "sv": ("qwertyuiopå", "asdfghjklöä", "zxcvbnm"),
    "da": ("qwertyuiopå", "asdfghjklæø", "zxcvbnm"),
    "nb": ("qwertyuiopå", "asdfghjkløæ", "zxcvbnm"),
    "tr": ("qwertyuıopğü", "asdfghjklşi", "zxcvbnmöç"),
    "ru": ("йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю"),
    "uk": ("йцукенгшщзхї", "фівапролджє", "ячсмитьбю"),
    "el": ("ςερτυθιοπ", "ασδφγηξκλ", "ζχψωβνμ"),
    "he": ("קראטוןםפ", "שדגכעיחלךף", "זסבהנמצתץ"),
}
_OFFSET: Final = {"el": (1.0, 0.0, 0.0), "he": (2.0, 0.0, 0.0)}
"""Where a layout's row does not begin at the first key of letters."""


@cache
def neighbours(layout: str) -> dict[str, str]:
    """For each key of a layout, letters and digits, the neighbours of its own sort, in lower case."""
    offset = _OFFSET.get(layout, (0.0, 0.0, 0.0))
    places: dict[str, tuple[float, int]] = {d: (float(i), 0) for i, d in enumerate(_DIGITS)}
    for row, keys in enumerate(LAYOUTS[layout], 1):
        for i, key in enumerate(keys):
            places[key] = (i + _SHIFTS[row] + offset[row - 1], row)
    out: dict[str, str] = {}
    for key, (x, y) in places.items():
        near = [k for k, (a, b) in places.items() if k != key and k.isdigit() == key.isdigit() and (a - x) ** 2 + (b - y) ** 2 <= _NEAR**2]
        out[key] = "".join(near)
    return {k: v for k, v in out.items() if v}


@dataclass(frozen=True, slots=True)
class Confusions:
    """For single characters, what each may be taken for."""

    known: npt.NDArray[np.uint32]
    count: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    others: npt.NDArray[np.uint32]

    def at(self, characters: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """The place of each character in the table, or -1."""
        if not len(self.known):
            return np.full(len(characters), -1, np.int64)
        place = np.minimum(np.searchsorted(self.known, characters), len(self.known) - 1)
        return np.where(self.known[place] == characters, place, -1)

    def mask(self) -> npt.NDArray[np.bool_]:
        """Whether something is known of each code point; the last entry, false, stands for all beyond."""
        mask = np.zeros(max(0x100, int(self.known[-1]) + 2), np.bool_)
        mask[self.known] = True
        return mask

    def pick(self, characters: npt.NDArray[np.uint32], bits: Seeds) -> npt.NDArray[np.uint32]:
        """One of each character's others, by chance. Every character must be known."""
        place = self.at(characters)
        out: npt.NDArray[np.uint32] = self.others[self.start[place] + below(bits, self.count[place])]
        return out


def confusions(table: dict[str, str]) -> Confusions:
    """A table of single characters to the characters that they may be taken for."""
    known = sorted(k for k, v in table.items() if v)
    count = np.array([len(table[k]) for k in known], np.int64)
    return Confusions(
        np.array([ord(k) for k in known], np.uint32),
        count,
        np.cumsum(count) - count,
        np.array([ord(c) for k in known for c in table[k]], np.uint32),
    )


def cased(table: dict[str, str]) -> dict[str, str]:
    """The table with upper-case letters added, each taken for upper-case ones."""
    out = dict(table)
    for key, others in table.items():
        upper = key.upper()
        if len(upper) == 1 and upper != key and upper not in out:
            out[upper] = "".join(o.upper() if len(o.upper()) == 1 else o for o in others)
    return out


@cache
def keyboard(layout: str) -> Confusions:
    return confusions(cased(neighbours(layout)))
