"""What a character is to the quality rules, as flags; and texts as the blocks of characters that the rules read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from recipec.fast.text_arrow import Flags, Places, Rows, code_points, pick, row_counts
from recipec.fast.text_classes import ALNUM, ALONE, flags

SPACE: Final = 1
"""White space: ``str.isspace``."""
BREAK: Final = 2
"""Ends a line, as ``str.splitlines`` has it."""
ALPHA: Final = 4
"""``str.isalpha``."""
DIGIT: Final = 8
UPPER: Final = 16
LOWER: Final = 32
SOLID: Final = 64
"""Makes a word more than a mere symbol: neither white space nor one of the marks that DataTrove leaves out of its count of words."""
END: Final = 128
"""Ends a sentence: Unicode's Sentence_Terminal."""
PUNCT: Final = 256
"""Punctuation by Unicode's categories."""
BEFORE: Final = 512
"""Parted from the word that follows it."""
BEHIND: Final = 1024
"""Parted from the word before it."""
QUOTE: Final = 2048
INSIDE: Final = 4096
"""May part two words that it joins: hyphens, slash, comma and their kind."""
ALONE_LETTER: Final = 8192
"""A letter of a script without spaces: a word of its own."""
ICON: Final = 16384
MONEY: Final = 32768

_BREAKS: Final = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
_MARKS: Final = "«´»–—’“”„…∶━►、。〈〉《》「」【】！％（），．１：；？～"
"""Marks beside ASCII's and the controls that are mere symbols to DataTrove's filters (facts of its list; the full-width 1 is in it)."""
_ENDS: Final = (
    (0x21, 0x21), (0x2E, 0x2E), (0x3F, 0x3F), (0x589, 0x589), (0x61D, 0x61F), (0x6D4, 0x6D4), (0x700, 0x702), (0x7F9, 0x7F9),
    (0x837, 0x837), (0x839, 0x839), (0x83D, 0x83E), (0x964, 0x965), (0x104A, 0x104B), (0x1362, 0x1362), (0x1367, 0x1368),
    (0x166E, 0x166E), (0x1735, 0x1736), (0x17D4, 0x17D6), (0x17D9, 0x17DA), (0x1803, 0x1803), (0x1809, 0x1809), (0x1944, 0x1945),
    (0x1AA8, 0x1AAB), (0x1B5A, 0x1B5B), (0x1B5E, 0x1B5F), (0x1B7D, 0x1B7E), (0x1C3B, 0x1C3C), (0x1C7E, 0x1C7F), (0x203C, 0x203D),
    (0x2047, 0x2049), (0x2E2E, 0x2E2E), (0x2E3C, 0x2E3C), (0x2E53, 0x2E54), (0x3002, 0x3002), (0xA4FF, 0xA4FF), (0xA60E, 0xA60F),
    (0xA6F3, 0xA6F3), (0xA6F7, 0xA6F7), (0xA876, 0xA877), (0xA8CE, 0xA8CF), (0xA92F, 0xA92F), (0xA9C8, 0xA9C9), (0xAA5D, 0xAA5F),
    (0xAAF0, 0xAAF1), (0xABEB, 0xABEB), (0xFE52, 0xFE52), (0xFE56, 0xFE57), (0xFF01, 0xFF01), (0xFF0E, 0xFF0E), (0xFF1F, 0xFF1F),
    (0xFF61, 0xFF61), (0x10A56, 0x10A57), (0x10F55, 0x10F59), (0x10F86, 0x10F89), (0x11047, 0x11048), (0x110BE, 0x110C1),
    (0x11141, 0x11143), (0x111C5, 0x111C6), (0x111CD, 0x111CD), (0x111DE, 0x111DF), (0x11238, 0x11239), (0x1123B, 0x1123C),
    (0x112A9, 0x112A9), (0x1144B, 0x1144C), (0x115C2, 0x115C3), (0x115C9, 0x115D7), (0x11641, 0x11642), (0x1173C, 0x1173E),
    (0x11944, 0x11944), (0x11946, 0x11946), (0x11A42, 0x11A43), (0x11A9B, 0x11A9C), (0x11C41, 0x11C42), (0x11EF7, 0x11EF8),
    (0x11F43, 0x11F44), (0x16A6E, 0x16A6F), (0x16AF5, 0x16AF5), (0x16B37, 0x16B38), (0x16B44, 0x16B44), (0x16E98, 0x16E98),
    (0x1BC9F, 0x1BC9F), (0x1DA88, 0x1DA88),
)  # fmt: skip
_END_CODES: Final = frozenset(code for low, high in _ENDS for code in range(low, high + 1))
_EDGE: Final = ",:;!?¿¡؟()[]{}<>_#*&。？！，、；：～·।،۔؛٪"
_QUOTES: Final = "'\"“”`‘´’‚„»«「」『』（）〔〕【】《》〈〉⟦⟧"
_FRONT: Final = "§%=—–+"
_BACK: Final = "—–…"
_INSIDE: Final = "-–—~:<>=/,.+*^"

Classes = npt.NDArray[np.uint16]


def _flags_of(code: int) -> int:
    character = chr(code)
    category = unicodedata.category(character)
    found = 0
    if character.isspace():
        found |= SPACE
    if character in _BREAKS:
        found |= BREAK
    if character.isalpha():
        found |= ALPHA
    if category == "Nd":
        found |= DIGIT
    if category == "Lu":
        found |= UPPER
    if category == "Ll":
        found |= LOWER
    terminal = code in _END_CODES
    mere = (code < 128 and category[0] in "PS") or category == "Cc" or character in _MARKS or terminal
    if not mere and not character.isspace():
        found |= SOLID
    if terminal:
        found |= END
    if category[0] == "P":
        found |= PUNCT
    icon = category == "So"
    if icon:
        found |= ICON
    money = category == "Sc"
    if money:
        found |= MONEY
    if character in _QUOTES:
        found |= QUOTE
    if character in _EDGE or character in _QUOTES or icon or character == "…":
        found |= BEFORE | BEHIND
    if character in _FRONT or money:
        found |= BEFORE
    if character in _BACK:
        found |= BEHIND
    if character in _INSIDE or icon or character == "…":
        found |= INSIDE
    return found


class _Table:
    """Flags of all code points, filled a page of 256 when it is first met."""

    def __init__(self) -> None:
        self.known = np.zeros(0x1100, np.bool_)
        self.values = np.zeros(0x110000, np.uint16)

    def of(self, points: npt.NDArray[np.uint32]) -> Classes:
        pages = np.flatnonzero(np.bincount(points >> np.uint32(8), minlength=0x1100))
        for page in pages[~self.known[pages]].tolist():
            codes = np.arange(page << 8, (page + 1) << 8, dtype=np.uint32)
            alone = flags(codes) & (ALONE | ALNUM) == ALONE | ALNUM
            made = np.array([_flags_of(code) for code in codes.tolist()], np.uint16)
            made[alone] |= ALONE_LETTER
            self.values[page << 8 : (page + 1) << 8] = made
            self.known[page] = True
        return self.values.take(points)


@cache
def _table() -> _Table:
    return _Table()


@cache
def _ascii() -> Classes:
    return _table().of(np.arange(256, dtype=np.uint32))


BASE: Final = 0x9E3779B97F4A7C15 | 1
"""Of the polynomial that a span's hash is: that of two spans end to end is the first's plus the second's times a power of it."""
_SPAN: Final = 1 << 17


def _power(base: int, count: int) -> npt.NDArray[np.uint64]:
    made = np.empty(count, np.uint64)
    value = 1
    for i in range(count):
        made[i] = value
        value = value * base & 0xFFFFFFFFFFFFFFFF
    return made


@cache
def _powers() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Powers of the base and of its inverse, to :data:`_SPAN`."""
    return _fast_power(BASE), _fast_power(pow(BASE, -1, 1 << 64))


def _fast_power(base: int) -> npt.NDArray[np.uint64]:
    made = np.ones(_SPAN, np.uint64)
    filled = 1
    while filled < _SPAN:
        np.multiply(made[:filled], np.uint64(pow(base, filled, 1 << 64)), out=made[filled : 2 * filled])
        filled *= 2
    return made


def scatter(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A bijection of 64-bit values that makes every bit depend on every bit (Stafford's variant 13 of MurmurHash3's finaliser)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


@cache
def _ascii_values() -> npt.NDArray[np.uint64]:
    return scatter(np.arange(1, 257, dtype=np.uint64) * np.uint64(BASE))


@dataclass
class Block:
    """Some rows' characters end to end: ASCII as bytes (``uint8``), else code points (``uint32``)."""

    values: npt.NDArray[Any]
    starts: Places
    """Where each row begins, and the end of the last."""

    @cached_property
    def classes(self) -> Classes:
        return _ascii().take(self.values) if self.values.dtype == np.uint8 else _table().of(self.values)

    @cached_property
    def bytes(self) -> npt.NDArray[np.uint8]:
        """ASCII characters as themselves, others as 255."""
        if self.values.dtype == np.uint8:
            return self.values
        squeezed: npt.NDArray[np.uint8] = np.minimum(self.values, np.uint32(255)).astype(np.uint8)
        squeezed[self.values >= 128] = 255
        return squeezed

    @property
    def rows(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def lengths(self) -> Places:
        return np.diff(self.starts)

    @cached_property
    def begins(self) -> Flags:
        """True where a row begins, and at the end of the last: one place more than there are characters."""
        return self.mask(self.starts)

    def mask(self, places: Places) -> Flags:
        """True at the places, over one place more than there are characters: faster to ask than a sorted list."""
        made = np.zeros(len(self.values) + 1, np.bool_)
        made[places] = True
        return made

    @cached_property
    def space(self) -> Flags:
        return (self.classes & SPACE).astype(np.bool_)

    @cached_property
    def heads(self) -> Flags:
        """True where a run without white space begins."""
        made = ~self.space
        if made.size:
            made[1:] &= self.space[:-1]
            begins = self.starts[:-1][self.starts[:-1] < made.size]
            made[begins] = ~self.space[begins]
        return made

    @cached_property
    def tails(self) -> Flags:
        """True at the last character of a run without white space."""
        made = ~self.space
        if made.size:
            made[:-1] &= self.space[1:]
            ends = self.starts[1:][self.starts[1:] > 0] - 1
            made[ends] = ~self.space[ends]
        return made

    @cached_property
    def marks(self) -> Places:
        """Where neither letters, digits nor white space stand: a small part of most texts."""
        return np.flatnonzero((self.classes & (ALPHA | DIGIT | SPACE)) == 0)

    def signs(self, sign: str) -> Places:
        """Where an ASCII mark stands."""
        found: Places = self.marks[self.bytes[self.marks] == ord(sign)]
        return found

    def marked(self, kinds: int) -> Places:
        """Where marks of some of the kinds stand."""
        found: Places = self.marks[(self.classes[self.marks] & kinds).astype(np.bool_)]
        return found

    @cached_property
    def pieces(self) -> tuple[Places, Places]:
        """Starts and ends of the runs without white space."""
        return np.flatnonzero(self.heads), np.flatnonzero(self.tails) + 1

    def row_of(self, places: Places) -> Places:
        return np.searchsorted(self.starts, places, "right") - 1

    def text(self, start: int, end: int) -> str:
        part = self.values[start:end]
        return part.tobytes().decode("ascii" if part.dtype == np.uint8 else "utf-32-le")

    @cached_property
    def prefix(self) -> npt.NDArray[np.uint64]:
        """Sums of characters' random values times powers of a base, modulo 2**64: what the hash of any span comes from."""
        size = len(self.values)
        sums = np.zeros(size + 1, np.uint64)
        powers, _ = _powers()
        for low in range(0, size, _SPAN):
            part = self.values[low : low + _SPAN]
            terms = (
                _ascii_values().take(part) if part.dtype == np.uint8 else scatter((part.astype(np.uint64) + np.uint64(1)) * np.uint64(BASE))
            )
            terms *= powers[: len(part)]
            if low:
                terms *= np.uint64(pow(BASE, low, 1 << 64))
            np.cumsum(terms, out=sums[low + 1 : low + 1 + len(part)])
            if low:
                sums[low + 1 : low + 1 + len(part)] += sums[low]
        return sums

    def hashes(self, starts: Places, ends: Places) -> npt.NDArray[np.uint64]:
        """A hash of each span: equal for equal texts, wherever they stand and however they are stored."""
        found = self.prefix.take(ends) - self.prefix.take(starts)
        _, inverse = _powers()
        if len(self.values) <= _SPAN:
            found *= inverse.take(np.minimum(starts, _SPAN - 1))
        else:
            found *= inverse.take(starts & (_SPAN - 1))
            blocks = _power(pow(BASE, -_SPAN, 1 << 64), len(self.values) // _SPAN + 1)
            found *= blocks.take(starts >> _SPAN.bit_length() - 1)
        return found

    def windows(self, first: int, last: int, width: int) -> npt.NDArray[np.uint64]:
        """The hashes of all spans of ``width`` characters that begin from ``first`` on and end by ``last``, row ends crossed or not."""
        count = max(last - first - width + 1, 0)
        found = self.prefix[first + width : first + width + count] - self.prefix[first : first + count]
        _, inverse = _powers()
        for low in range(first & -_SPAN, first + count, _SPAN):
            begin, end = max(low, first), min(low + _SPAN, first + count)
            part = found[begin - first : end - first]
            part *= inverse[begin - low : end - low]
            if low:
                part *= np.uint64(pow(BASE, -low, 1 << 64))
        return found


def word_hash(word: str) -> int:
    """The hash of a span that reads ``word``."""
    points = np.frombuffer(word.encode("utf-32-le"), np.uint32)
    block = Block(points, np.array([0, len(points)]))
    return int(block.hashes(np.array([0]), np.array([len(points)]))[0])


_SIZE: Final = 384 * 1024


def blocks(rows: Rows) -> Iterator[tuple[Places, Block]]:
    """All rows in blocks of about 400 thousand characters, with their numbers; ASCII and others apart. A longer row is a block alone."""
    high = np.flatnonzero(rows.values >= 0x80)
    if not high.size:
        yield from _cut(rows, np.arange(len(rows)))
        return
    wide = row_counts(high, rows.starts) > 0
    plain, others = np.flatnonzero(~wide), np.flatnonzero(wide)
    if plain.size:
        yield from _cut(pick(rows, plain), plain)
    yield from _cut(code_points(pick(rows, others)), others)


def _cut(rows: Rows, numbers: Places) -> Iterator[tuple[Places, Block]]:
    begin, count = 0, len(rows)
    while begin < count:
        end = int(np.searchsorted(rows.starts, rows.starts[begin] + _SIZE, "right")) - 1
        end = min(max(end, begin + 1), count)
        first, last = int(rows.starts[begin]), int(rows.starts[end])
        yield numbers[begin:end], Block(rows.values[first:last], rows.starts[begin : end + 1] - first)
        begin = end


_ADDRESS: Final = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?(?:[^\s@/:]+(?::[^\s@/]*)?@)?(?:[^\W_](?:[\w-]*[^\W_])?\.)+[a-z]{2,}(?::\d{2,5})?(?:[/?#]\S*)?"
)


def is_address(piece: str) -> bool:
    """Whether a piece of text reads as a web or e-mail address."""
    return _ADDRESS.fullmatch(piece) is not None
