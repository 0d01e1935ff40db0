"""Tables of signs taken for one another: letters of other scripts, what a scanner misreads, Chinese characters that look or sound
alike.

The tables are this project's own. Which characters sound alike (``augment_sounds.txt``) was taken from the readings of the 3,755
characters of the first level of GB 2312 in pypinyin 0.5x (MIT licence); ``augment_shapes.txt`` was written by hand.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from recipec.fast.augment_keys import Confusions, confusions

_PAIRS: Final = (
    # Latin, Cyrillic, Greek
    ("a", "а", ""), ("c", "с", ""), ("e", "е", ""), ("i", "і", ""), ("j", "ј", ""), ("o", "о", "ο"), ("p", "р", "ρ"), ("s", "ѕ", ""),
    ("x", "х", ""), ("y", "у", ""), ("h", "һ", ""), ("d", "ԁ", ""), ("q", "ԛ", ""), ("w", "ԝ", ""), ("v", "ѵ", "ν"), ("u", "", "υ"),
    ("A", "А", "Α"), ("B", "В", "Β"), ("C", "С", ""), ("E", "Е", "Ε"), ("H", "Н", "Η"), ("I", "І", "Ι"), ("J", "Ј", ""), ("K", "К", "Κ"),
    ("M", "М", "Μ"), ("N", "", "Ν"), ("O", "О", "Ο"), ("P", "Р", "Ρ"), ("S", "Ѕ", ""), ("T", "Т", "Τ"), ("X", "Х", "Χ"), ("Y", "Ү", "Υ"),
    ("Z", "", "Ζ"),
)  # fmt: skip


@cache
def homoglyph_table() -> Confusions:
    """Letters of Latin, Cyrillic and Greek that look the same in most fonts (as Unicode's UTS 39 confusables have them)."""
    table: dict[str, str] = {}
    for group in _PAIRS:
        for one in filter(None, group):
            table[one] = "".join(other for other in group if other and other != one)
    return confusions(table)


OCR: Final[dict[str, tuple[str, ...]]] = {
    "0": ("O", "o", "D"), "1": ("l", "I", "i"), "2": ("Z", "z"), "3": ("8", "B"), "4": ("A",), "5": ("S", "s"), "6": ("G", "b"),
    "7": ("T", "1"), "8": ("B", "3"), "9": ("g", "q"),
    "a": ("o", "e"), "b": ("h", "6"), "c": ("e", "o"), "d": ("cl",), "e": ("c", "o"), "f": ("t",), "g": ("q", "9"), "h": ("b", "li"),
    "i": ("l", "1", "j"), "j": ("i", ";"), "k": ("lc",), "l": ("1", "I", "i"), "m": ("rn", "nn"), "n": ("ri", "u"), "o": ("0", "c"),
    "p": ("n",), "q": ("g", "9"), "r": ("n",), "s": ("5", "8"), "t": ("f", "l"), "u": ("ii", "n", "v"), "v": ("u", "y"), "w": ("vv",),
    "y": ("v",), "z": ("2",),
    "A": ("4",), "B": ("8", "R"), "C": ("G", "("), "D": ("O", "0"), "E": ("F",), "F": ("P", "E"), "G": ("6", "C"), "H": ("I-I",),
    "I": ("1", "l", "|"), "J": ("]",), "K": ("X",), "L": ("1",), "M": ("IVI", "N"), "N": ("M",), "O": ("0", "Q"), "P": ("F",),
    "Q": ("O", "0"), "R": ("B",), "S": ("5", "8"), "T": ("7", "I"), "U": ("LI", "V"), "V": ("U",), "W": ("VV",), "Y": ("V",), "Z": ("2",),
    "rn": ("m",), "cl": ("d",), "vv": ("w",), "nn": ("m",), "ri": ("n",), "ii": ("u",), "fi": ("n",), "li": ("h",),
    ",": (".",), ".": (",",), ":": (";",), ";": (":",),
    "ä": ("a",), "ö": ("o",), "ü": ("u", "ii"), "ß": ("B", "fs"), "é": ("e", "è"), "è": ("e", "é"), "ê": ("e",), "à": ("a",), "ç": ("c",),
    "ñ": ("n",), "í": ("i",), "ó": ("o",), "á": ("a",), "ú": ("u",),
    "о": ("0", "с"), "з": ("3",), "З": ("3",), "б": ("6",), "ш": ("щ",), "щ": ("ш",), "и": ("н", "п"), "н": ("и", "п"), "п": ("н", "л"),
    "л": ("п",), "ь": ("ъ",), "ъ": ("ь",), "с": ("е", "о"), "е": ("с",), "ы": ("ьг",), "ю": ("го",),
}  # fmt: skip
"""What recognition of print reads in the place of one or two characters."""


def _sets(name: str) -> list[str]:
    lines = Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@cache
def shape_table() -> Confusions:
    """Chinese characters that look alike."""
    table: dict[str, str] = {}
    for group in (g for line in _sets("augment_shapes.txt") for g in line.split()):
        for one in group:
            table[one] = "".join(dict.fromkeys(table.get(one, "") + group.replace(one, "")))
    return confusions(table)


_FUZZY: Final = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("ang", "an"), ("eng", "en"), ("ing", "in"))


def fuzzy_sound(sound: str) -> str:
    """A syllable as many speakers of southern dialects say it, and input methods let them type it."""
    for exact, loose in _FUZZY[:3]:
        if sound.startswith(exact):
            sound = loose + sound[len(exact) :]
    for exact, loose in _FUZZY[3:]:
        if sound.endswith(exact):
            sound = sound[: -len(exact)] + loose
    return "l" + sound[1:] if sound.startswith("n") else sound


@cache
def sound_table(fuzzy: bool) -> Confusions:
    """Chinese characters of the same syllable, whatever their tone; with ``fuzzy``, of nearly the same."""
    groups: dict[str, str] = {}
    for line in _sets("augment_sounds.txt"):
        sound, characters = line.split()
        key = fuzzy_sound(sound) if fuzzy else sound
        groups[key] = groups.get(key, "") + characters
    table: dict[str, str] = {}
    for group in groups.values():
        for one in group:
            table[one] = "".join(dict.fromkeys(table.get(one, "") + group.replace(one, "")))
    return confusions(table)
