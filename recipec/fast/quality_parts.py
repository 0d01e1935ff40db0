"""A text too long to be looked at whole, part by part: a part's arrays take a few MB, whatever the text's length.

Parts are cut behind white space. Where there is none for long they are cut inside a word, and the next part says that it goes on with it
(:attr:`Part.joined`); hashes of what was cut are put together again, because the hash of a text follows from those of its halves. Words, lines
and paragraphs found so are those of the whole text, but for one case: marks without letters or white space beside them for 300,000
bytes may be parted from each other otherwise where they are cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from recipec.fast.quality_letters import BASE, Block
from recipec.fast.quality_words import words_of
from recipec.fast.text_arrow import Bytes, is_ascii

LONG_TEXT: Final = 1 << 21
"""Bytes of a text from which on it is looked at in parts."""
PART: Final = 1 << 20
"""Bytes of a part, about."""
_BACK: Final = 300_000
"""Bytes before the end of a part in which a place to cut is looked for."""
_MASK: Final = 0xFFFFFFFFFFFFFFFF
_AROUND: Final = 256

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Part:
    """Some of a text: a block of one row."""

    block: Block
    joined: bool
    """Whether its first word began in the part before."""


def parts(values: Bytes, size: int = PART) -> Iterator[Part]:
    """A text's bytes (UTF-8) in parts of about ``size``."""
    begin, joined = 0, False
    while begin < len(values):
        end, inside = _cut(values, begin, size)
        yield Part(block_of(values[begin:end]), joined)
        begin, joined = end, inside


def block_of(values: Bytes) -> Block:
    """A text as a block of one row."""
    points: Any = values if is_ascii(values) else np.frombuffer(values.tobytes().decode().encode("utf-32-le"), np.uint32)
    return Block(points, np.array([0, len(points)]))


def _spaces(values: Bytes) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = ((values - np.uint8(9)) < 5) | ((values - np.uint8(28)) < 5)
    return found


def _cut(values: Bytes, begin: int, size: int) -> tuple[int, bool]:
    """Where the part that begins at ``begin`` ends, and whether that is inside a word."""
    end = begin + size
    if end >= len(values):
        return len(values), False
    low = max(end - min(_BACK, size // 2), begin)
    space = _spaces(values[low : end + 1])
    behind = np.flatnonzero(space[:-1] & ~space[1:])
    if behind.size:
        return low + int(behind[-1]) + 1, False
    if space[-1]:
        while end < len(values):
            space = _spaces(values[end : end + PART])
            if not space.all():
                return end + int(space.argmin()), False
            end += len(space)
        return len(values), False
    place = _among_letters(values, low, end)
    left, right = _around(values, place)
    points = np.frombuffer((left + right).encode("utf-32-le"), np.uint32)
    starts = words_of(Block(points, np.array([0, len(points)]))).starts
    return place, len(left) not in starts


def _among_letters(values: Bytes, low: int, end: int) -> int:
    """A place with letters, or digits, to the left and right, as far as there is one; else ``end``."""
    for reach in (8, 2):
        for back in range(0, end - low, 101):
            at = _lead(values, end - back)
            left, right = _around(values, at)
            beside = left[-reach:] + right[:reach]
            if at > low and (beside.isalpha() or beside.isdecimal()):
                return at
    return _lead(values, end)


def _lead(values: Bytes, at: int) -> int:
    """The place where the character begins that the byte ``at`` is of."""
    while at and values[at] & 0xC0 == 0x80:
        at -= 1
    return at


def _around(values: Bytes, at: int) -> tuple[str, str]:
    left, right = values[max(at - _AROUND, 0) : at].tobytes(), values[at : at + _AROUND].tobytes()
    return left.decode(errors="ignore"), right.decode(errors="ignore")


def stripped(values: Bytes) -> Bytes:
    """Without white space at both ends."""
    window = _AROUND
    while True:
        raw = values[:window].tobytes()
        text = raw.decode(errors="ignore").lstrip()
        if text or window >= len(values):
            begin = raw.find(text.encode()[:4]) if text else len(values)
            break
        window *= 2
    window = _AROUND
    while begin < len(values):
        raw = values[max(len(values) - window, begin) :].tobytes()
        text = raw.decode(errors="ignore").rstrip()
        if text or window >= len(values) - begin:
            return values[begin : len(values) - len(raw) + len(raw.decode(errors="ignore").rstrip().encode()) + _broken(raw)]
        window *= 2
    return values[begin:]


def _broken(raw: bytes) -> int:
    """Bytes at the front that are the rest of a character."""
    return next((i for i, byte in enumerate(raw) if byte & 0xC0 != 0x80), len(raw))


def together(left: int, length: int, right: int) -> int:
    """The hash of a text, from those of its halves, of which the first has ``length`` characters."""
    return (left + right * pow(BASE, length, 1 << 64)) & _MASK


class Speech:
    """The words of a text, part by part: hashes, lengths in characters, and the kinds of characters of each."""

    def __init__(self) -> None:
        self._hash, self._length, self._kinds, self._open = 0, 0, 0, False

    def of(self, part: Part) -> tuple[Hashes, npt.NDArray[np.int32], npt.NDArray[np.uint16]]:
        """The words that are known to be whole once the part was seen: all but its last."""
        block, found = part.block, words_of(part.block)
        hashes = block.hashes(found.starts, found.ends)
        lengths = (found.ends - found.starts).astype(np.int32)
        kinds = np.bitwise_or.reduceat(block.classes, found.starts) if len(lengths) else np.zeros(0, np.uint16)
        if self._open:
            if part.joined and len(found.starts) and found.starts[0] == 0:
                hashes[0] = together(self._hash, self._length, int(hashes[0]))
                lengths[0] += self._length
                kinds[0] |= self._kinds
            else:
                hashes = np.concatenate([np.array([self._hash], np.uint64), hashes])
                lengths = np.concatenate([np.array([self._length], np.int32), lengths])
                kinds = np.concatenate([np.array([self._kinds], np.uint16), kinds])
        self._open = bool(len(hashes))
        if self._open:
            self._hash, self._length, self._kinds = int(hashes[-1]), int(lengths[-1]), int(kinds[-1])
        return hashes[:-1], lengths[:-1], kinds[:-1]

    def last(self) -> tuple[Hashes, npt.NDArray[np.int32], npt.NDArray[np.uint16]]:
        """The last word of all."""
        count = int(self._open)
        return (
            np.full(count, self._hash, np.uint64),
            np.full(count, self._length, np.int32),
            np.full(count, self._kinds, np.uint16),
        )


def speech(values: Bytes) -> Iterator[tuple[Hashes, npt.NDArray[np.int32], npt.NDArray[np.uint16]]]:
    """The words of a text in order: hashes, lengths, kinds of characters; some at a time."""
    said = Speech()
    for part in parts(values):
        yield said.of(part)
    yield said.last()


__all__ = ["LONG_TEXT", "PART", "Part", "Speech", "block_of", "parts", "speech", "stripped", "together"]
