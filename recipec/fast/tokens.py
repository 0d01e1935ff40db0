"""Texts to token hashes, vectorised over flat Arrow string buffers.

A token is, by ``words``, a longest run of letters and digits; by ``characters``, every letter or digit; by ``auto``, a word, except that
each letter of a script without spaces (Chinese, Japanese, Thai, ...) is a token of its own. Thus ``auto`` reads Chinese by characters and
English by words, also inside one text, and no text can fall to another reading than its near-copy because its share of Chinese is a
little smaller. Emoji are tokens of their own in all three. How characters are folded: :mod:`recipec.fast.letters`.

A token's hash is a 64-bit multiply-xorshift hash of its folded UTF-8 bytes, eight at a time, defined here once and for all: it depends
on nothing but the token, so it is the same on every machine, in every process and for every order of the rows.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recipec.fast.letters import LETTERS, SEPARATOR, SYMBOL, UNSPACED, WORD

By = Literal["auto", "words", "characters"]
Hashes = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

PIECE: Final = 1 << 20
"""Bytes of text handled at a time: small enough for its temporary arrays to stay in the processor's cache."""
LONGEST: Final = 64
"""Bytes of a token. Longer runs (encoded data, unspaced script under ``words``) count as several tokens of this length."""

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_2: Final = np.uint64(0xD6E8FEB86659FD93)
_MASKS: Final = np.array([(1 << (8 * n)) - 1 for n in range(9)], np.uint64)
_COMPOSED: Final = ((0x1100, 0x11FF), (0x3099, 0x309A), (0xFF9E, 0xFF9F))
"""Parts of Hangul syllables and kana voicing marks: a piece with any of them is composed first, since their folding is not by character."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of some rows, one row's after another's."""

    rows: Positions
    """The rows' numbers in the array they came from, increasing."""
    counts: Positions
    """How many tokens each of them has."""
    hashes: Hashes


def mix(values: Hashes) -> Hashes:
    """A bijection of 64-bit values that makes every bit depend on every bit (Stafford's variant 13 of MurmurHash3's finaliser)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def tokenise(texts: pa.Array, by: By) -> Iterator[Tokens]:
    """The tokens of every row of a string array (``string`` or ``large_string``), in groups of rows; nulls have none.

    Rows of plain ASCII and others come in groups apart, because the former need no tables; every row is in exactly one group.
    """
    texts = pc.fill_null(texts, "")
    plain = pc.string_is_ascii(texts)
    share = plain.true_count
    everything = np.arange(len(texts), dtype=np.int64)
    if share == len(texts):
        yield from _groups(texts, everything, by, ascii_only=True)
    elif share == 0:
        yield from _groups(texts, everything, by, ascii_only=False)
    else:
        chosen = plain.to_numpy(zero_copy_only=False)
        yield from _groups(texts.filter(plain), everything[chosen], by, ascii_only=True)
        yield from _groups(texts.filter(pc.invert(plain)), everything[~chosen], by, ascii_only=False)


def _groups(texts: pa.Array, rows: Positions, by: By, *, ascii_only: bool) -> Iterator[Tokens]:
    offsets, data = flat(texts)
    first = 0
    while first < len(rows):
        last = int(np.searchsorted(offsets, offsets[first] + PIECE, side="right")) - 1
        last = min(max(last, first + 1), len(rows))
        begin, end = int(offsets[first]), int(offsets[last])
        if end - begin <= PIECE:
            hashes, counts = _piece(data[begin:end], offsets[first : last + 1] - begin, by, ascii_only)
        else:
            hashes = np.concatenate([_piece(part, np.array([0, len(part)]), by, ascii_only)[0] for part in _sections(data[begin:end])])
            counts = np.array([len(hashes)])
        yield Tokens(rows[first:last], counts, hashes)
        first = last


def flat(texts: pa.Array) -> tuple[Positions, Bytes]:
    """Byte offsets (one entry more than rows) and bytes of a string or binary array without nulls; the bytes are a view."""
    _, offsets, data = texts.buffers()
    large = pa.types.is_large_string(texts.type) or pa.types.is_large_binary(texts.type)
    width = np.dtype(np.int64 if large else np.int32)
    if offsets is None or len(texts) == 0:
        return np.zeros(len(texts) + 1, np.int64), np.zeros(0, np.uint8)
    positions = np.frombuffer(offsets, width)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    return positions, np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)


def _sections(data: Bytes) -> Iterator[Bytes]:
    """Cut one very long text at white space near every :data:`PIECE` bytes, or between characters where there is none.

    Where it is cut depends on the text alone.
    """
    start = 0
    while len(data) - start > PIECE:
        end = start + PIECE
        near = data[end - 4096 : end]
        spaces = np.flatnonzero(near <= 0x20)
        leads = np.flatnonzero((near & 0xC0) != 0x80)
        end = end - 4096 + int(spaces[-1] if spaces.size else leads[-1])
        yield data[start:end]
        start = end
    yield data[start:]


def _piece(data: Bytes, offsets: Positions, by: By, ascii_only: bool) -> tuple[Hashes, Positions]:
    """Token hashes of a piece, and how many each of its rows has."""
    if ascii_only:
        folded = LETTERS.ascii[data]
        word = folded != 0
        starts, ends = _spans(word, np.zeros(0, np.bool_), offsets) if by != "characters" else _each(word)
        counts = np.diff(np.searchsorted(starts, offsets))
        return _hash(folded, starts, ends, counts)
    text = data.tobytes().decode("utf-8")
    codes = np.frombuffer(text.encode("utf-32-le"), np.dtype("<u4")).astype(np.uint32, copy=False)
    before = np.zeros(len(data) + 1, np.int64)
    np.cumsum((data & 0xC0) != 0x80, out=before[1:])
    offsets = before[offsets]
    if any(((codes >= low) & (codes <= high)).any() for low, high in _COMPOSED):
        texts = [unicodedata.normalize("NFKC", text[a:b]) for a, b in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)]
        codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.dtype("<u4")).astype(np.uint32, copy=False)
        offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts])])
    characters, begin = LETTERS.fold(codes)
    if begin is not None:
        offsets = begin[offsets]
    classes = LETTERS.classes(characters)
    if by == "characters":
        starts, ends = _each(classes != SEPARATOR)
    else:
        word = classes == WORD if by == "auto" else (classes == WORD) | (classes == UNSPACED)
        starts, ends = _spans(word, (classes == SYMBOL) | ((classes == UNSPACED) & ~word), offsets)
    counts = np.diff(np.searchsorted(starts, offsets))
    bounds = np.zeros(len(characters) + 1, np.int64)
    np.cumsum(1 + (characters >= 0x80) + (characters >= 0x800).astype(np.int64) + (characters >= 0x10000), out=bounds[1:])
    encoded = np.frombuffer(characters.astype("<u4").tobytes().decode("utf-32-le").encode("utf-8"), np.uint8)
    return _hash(encoded, bounds[starts], bounds[ends], counts)


def _each(kept: npt.NDArray[np.bool_]) -> tuple[Positions, Positions]:
    starts = np.flatnonzero(kept)
    return starts, starts + 1


def _spans(word: npt.NDArray[np.bool_], alone: npt.NDArray[np.bool_], offsets: Positions) -> tuple[Positions, Positions]:
    """Starts and ends of the runs of ``word``, cut at row bounds, and of every character of ``alone`` (may be empty: none)."""
    if not word.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    opens, closes = word.copy(), word.copy()
    opens[1:] &= ~word[:-1]
    closes[:-1] &= ~word[1:]
    bounds = offsets[(offsets > 0) & (offsets < len(word))]
    opens[bounds] = word[bounds]
    closes[bounds - 1] = word[bounds - 1]
    if alone.size:
        opens |= alone
        closes |= alone
    return np.flatnonzero(opens), np.flatnonzero(closes) + 1


def _hash(data: Bytes, starts: Positions, ends: Positions, counts: Positions) -> tuple[Hashes, Positions]:
    """Hash ``data[start:end]`` for each token; tokens over :data:`LONGEST` bytes are cut, which raises their row's count."""
    lengths = ends - starts
    if lengths.size and int(lengths.max()) > LONGEST:
        parts = (lengths + (LONGEST - 1)) // LONGEST
        first = np.cumsum(parts) - parts
        within = np.arange(int(parts.sum())) - np.repeat(first, parts)
        tokens = np.concatenate([[0], np.cumsum(parts)])
        counts = np.diff(tokens[np.concatenate([[0], np.cumsum(counts)])])
        starts = np.repeat(starts, parts) + within * LONGEST
        lengths = np.minimum(np.repeat(ends, parts) - starts, LONGEST)
    padded = np.concatenate([data, np.zeros(8, np.uint8)])
    words: Hashes = np.ndarray((len(data) + 1,), np.dtype("<u8"), padded, strides=(1,))
    hashes = _absorb(lengths.astype(np.uint64) * _MIX, words.take(starts) & _MASKS[np.minimum(lengths, 8)])
    for done in range(8, LONGEST, 8):
        longer = np.flatnonzero(lengths > done)
        if not longer.size:
            break
        block = words.take(starts[longer] + done) & _MASKS[np.minimum(lengths[longer] - done, 8)]
        hashes[longer] = _absorb(hashes[longer], block)
    return hashes, counts


def _absorb(state: Hashes, block: Hashes) -> Hashes:
    state = (state ^ block) * _MIX
    state = (state ^ (state >> np.uint64(32))) * _MIX_2
    return state ^ (state >> np.uint64(29))
