"""Near-duplicates by SimHash: texts whose 64-bit fingerprints differ in at most a few bits (Charikar 2002; Manku, Jain & Das Sarma 2007).

A text's shingles (:mod:`.shingles`: runs of ``ngram`` tokens, each different one once; Chinese and its like by characters) are hashed to
64 bits; each bit of the fingerprint is what most of them have there, 0 where as many have either. Texts alike by the cosine of their
sets have fingerprints that agree in most bits: an angle ``a`` between them moves ``64 * a / pi`` bits on average.

Pairs are found as Manku et al. find them. The 64 bits are cut in ``b`` blocks; two fingerprints that differ in ``d`` bits agree on ``b - d``
whole blocks at least, so sorting by every choice of ``b - d`` blocks brings each such pair together once or more. ``b`` is the least
for which a choice of blocks has more values than there are rows, so that few others come together.

What to know of it:

- **Every pair is found** whose fingerprints are near enough, unless more than :data:`MOST` different fingerprints share a choice of
  blocks (a table of one form filled in a hundred thousand ways). There each is compared with the next :data:`MOST` in order, which keeps the cost linear.
- **Chains, blank and short texts, order** are as with MinHash (:mod:`.minhash`).
- **It compares fingerprints, not texts.** Two texts that say different things can have near fingerprints, above all short ones. MinHash
  with verification is the better choice where the texts are at hand; SimHash is for those who know it, and is faster on long texts.
- **Memory.** About 100 bytes a row and the batches at work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import comb
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recipec.fast.components import Components, Nodes
from recipec.fast.keyed import DUPLICATES, copies, duplicate_rows, keyed, large_buffers, quoted, settings, stored_keys, write
from recipec.fast.memory import lent
from recipec.fast.scratch import Scratch
from recipec.fast.shingles import shingle_sets
from recipec.fast.sketches import in_order
from recipec.fast.tokens import By, Hashes, mix, tokenise

if TYPE_CHECKING:
    import duckdb

BITS: Final = 64
NGRAM: Final = 3
"""Tokens of a shingle where none is given: longer ones let one changed word move too many bits."""
FARTHEST: Final = 6
"""The greatest number of differing bits to ask for. Of two unrelated texts' bits about half differ; but of many pairs some come near by chance."""
MOST: Final = 256
"""How many of the following fingerprints of a crowded choice of blocks each is compared with."""
_TABLES: Final = 90
"""The most choices of blocks to sort by."""
_SLICE: Final = 1 << 15
_ROW_BYTES: Final = 100
_READING: Final = 0.7
"""Share of the whole work that reading is, for progress."""

Bits = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Fingerprints:
    """What is known of the rows of a batch."""

    whole: Hashes
    """Hash of all of a row's tokens; 0 for a blank row."""
    bits: Bits
    compared: npt.NDArray[np.bool_]
    """Whether a row has a fingerprint: not one without shingles, or equal to an earlier row of the batch."""


@dataclass(frozen=True)
class SimhashStats:
    """What a run saw and did, in rows; ``fingerprints`` are different ones."""

    rows: int
    fingerprints: int
    clusters: int
    duplicates: int


def fingerprints(texts: pa.Array, by: By, ngram: int) -> Fingerprints:
    """The fingerprint of every text of a string array."""
    rows = len(texts)
    made = Fingerprints(np.zeros(rows, np.uint64), np.zeros(rows, np.uint64), np.zeros(rows, np.bool_))
    for tokens in tokenise(texts, by):
        sets = shingle_sets(tokens, ngram)
        made.whole[sets.rows] = sets.whole
        filled = np.flatnonzero(sets.sizes)
        if filled.size:
            made.bits[sets.rows[filled]] = _majority(sets.shingles, sets.sizes[filled])
            made.compared[sets.rows[filled]] = True
    return made


def _majority(shingles: Hashes, sizes: npt.NDArray[np.int64]) -> Bits:
    """For rows of so many shingles, one after another: the bits that more than half of their hashes have."""
    ends = np.cumsum(sizes)
    counts = np.zeros((len(sizes), BITS), np.int32)
    for low in range(0, len(shingles), _SLICE):
        part = mix(shingles[low : low + _SLICE])
        spread = np.unpackbits(part.astype("<u8", copy=False).view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
        first, last = np.searchsorted(ends, [low, low + len(part) - 1], "right").tolist()
        starts = np.maximum(ends[first : last + 1] - sizes[first : last + 1] - low, 0)
        counts[first : last + 1] += np.add.reduceat(spread, starts, axis=0, dtype=np.int32)
    many = counts * 2 > sizes[:, None]
    return np.packbits(many, axis=1, bitorder="little").view("<u8").ravel().astype(np.uint64, copy=False)


def simhash_duplicates(
    con: duckdb.DuckDBPyConnection,
    relation_sql: str,
    *,
    text: str,
    distance: int,
    out: str,
    key: str = "_key",
    by: By = "auto",
    ngram: int | None = None,
    order: str | None = None,
    scratch: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> SimhashStats:
    """Write to the temporary table ``out`` every row whose fingerprint is at most ``distance`` bits (0 to 6) from another's, but the one to keep.

    Arguments and columns are as for :func:`recipec.fast.minhash.near_duplicates`; ``similarity`` is the share of the 64 bits that agree, 1
    for copies. Raises :class:`ValueError` for what is out of range, :class:`duckdb.Error` for what is wrong with the SQL.
    """
    if not 0 <= distance <= FARTHEST:
        raise ValueError(f"fingerprints may differ in 0 to {FARTHEST} of {BITS} bits, not in {distance}")
    length = NGRAM if ngram is None else ngram
    if length < 1:
        raise ValueError(f"an n-gram has 1 token or more, not {length}")
    threads, folder = settings(con)
    total = con.execute(f"select count(*) from ({relation_sql})").fetchall()[0][0]
    keys = Scratch(scratch if scratch is not None else folder)
    try:
        parts: list[Fingerprints] = []
        done = 0
        with lent(con, _ROW_BYTES * total), large_buffers(con):
            texts = keyed(con, relation_sql, key, f"{quoted(text)}::varchar", order, keys)
            for batch in in_order(lambda column: fingerprints(column, by, length), texts, threads):
                parts.append(batch)
                done += len(batch.whole)
                if progress is not None and total:
                    progress(min(done / total, 1.0) * _READING)
        found = _Found(
            np.concatenate([p.whole for p in parts]) if parts else np.zeros(0, np.uint64),
            np.concatenate([p.bits for p in parts]) if parts else np.zeros(0, np.uint64),
            np.concatenate([p.compared for p in parts]) if parts else np.zeros(0, np.bool_),
        )
        parts.clear()
        found.link(distance, lambda share: progress(_READING + share * (1 - _READING)) if progress is not None else None)
        stored = stored_keys(keys, len(found.whole), order is None)
        write(con, out, DUPLICATES, found.duplicates(stored, order is None))
        return found.stats()
    finally:
        keys.close()


class _Found:
    """The rows, numbered in the order in which they are preferred, and what of them belongs together."""

    def __init__(self, whole: Hashes, bits: Bits, compared: npt.NDArray[np.bool_]) -> None:
        self.whole = whole
        self.firsts = copies(whole)
        bits[:] = bits[self.firsts]
        self.bits = bits
        rows = np.flatnonzero(compared & (self.firsts == np.arange(len(whole))))
        _, first, inverse = np.unique(bits[rows], return_index=True, return_inverse=True)
        # Different fingerprints, numbered by the first row of each.
        by_row = np.argsort(first)
        self.nodes: Nodes = rows[first[by_row]]
        self.components = Components(len(whole))
        self.same = np.arange(len(whole))
        """The first row of the same fingerprint."""
        self.same[rows] = rows[first][inverse]
        self.components.join(self.same[rows], rows)
        self.best = np.full(len(self.nodes), np.iinfo(np.uint64).max, np.uint64)
        """For each node the least distance found to another, and, in the low bits, which."""

    def link(self, distance: int, done: Callable[[float], None]) -> None:
        values = self.bits[self.nodes]
        if distance and len(values) > 1:
            choices = tables(distance, len(values))
            for number, choice in enumerate(choices):
                for left, right, apart in _pairs(values, choice, distance):
                    self._join(left, right, apart)
                done((number + 1) / len(choices))
        self.roots = self.components.find(self.firsts)

    def _join(self, left: Nodes, right: Nodes, apart: npt.NDArray[np.uint8]) -> None:
        self.components.join(self.nodes[left], self.nodes[right])
        farther = apart.astype(np.uint64) << np.uint64(32)
        np.minimum.at(self.best, left, farther | right.astype(np.uint64))
        np.minimum.at(self.best, right, farther | left.astype(np.uint64))

    def duplicates(self, keys: Hashes, by_key: bool) -> Iterator[pa.RecordBatch]:
        rows = np.flatnonzero(self.roots != np.arange(len(self.roots)))
        neighbours = np.where(self.firsts[rows] != rows, self.firsts[rows], self.same[rows])
        alone = np.flatnonzero(neighbours == rows)
        best = self.best[np.searchsorted(self.nodes, rows[alone])] & np.uint64(0xFFFFFFFF)
        neighbours[alone] = self.nodes[best.astype(np.int64)]
        yield from duplicate_rows(
            rows, self.roots, keys, by_key, self._alike(rows, neighbours), neighbours, self._alike(rows, self.roots[rows])
        )

    def _alike(self, left: Nodes, right: Nodes) -> npt.NDArray[np.float64]:
        made: npt.NDArray[np.float64] = 1.0 - np.bitwise_count(self.bits[left] ^ self.bits[right]) / BITS
        return made

    def stats(self) -> SimhashStats:
        removed = self.roots != np.arange(len(self.roots))
        return SimhashStats(len(self.roots), len(self.nodes), len(np.unique(self.roots[removed])), int(removed.sum()))


@dataclass(frozen=True)
class Choice:
    """Blocks that two fingerprints must share: ``key`` (start and width of each), and the ``rest``."""

    key: tuple[tuple[int, int], ...]
    rest: tuple[tuple[int, int], ...]

    @property
    def width(self) -> int:
        return sum(width for _, width in self.key)

    def permuted(self, values: Bits) -> Bits:
        """The values with their bits in another order: those of the key first."""
        made = np.zeros(len(values), np.uint64)
        place = BITS
        for start, width in (*self.key, *self.rest):
            place -= width
            made |= ((values >> np.uint64(start)) & np.uint64((1 << width) - 1)) << np.uint64(place)
        return made


def tables(distance: int, count: int) -> list[Choice]:
    """The choices of blocks that find, among ``count`` different fingerprints, all pairs of at most ``distance`` differing bits."""
    blocks = distance + 1
    while (BITS * (blocks - distance)) // blocks <= count.bit_length() and comb(blocks + 1, distance) <= _TABLES:
        blocks += 1
    bounds = [BITS * i // blocks for i in range(blocks + 1)]
    cut = [(low, high - low) for low, high in pairwise(bounds)]
    chosen = combinations(range(blocks), blocks - distance)
    return [Choice(tuple(cut[i] for i in c), tuple(cut[i] for i in range(blocks) if i not in c)) for c in chosen]


def _pairs(values: Bits, choice: Choice, distance: int) -> Iterator[tuple[Nodes, Nodes, npt.NDArray[np.uint8]]]:
    """Pairs that share a choice of blocks and differ in at most ``distance`` bits, and in how many, in rounds of neighbours."""
    permuted = choice.permuted(values)
    order = np.argsort(permuted)
    permuted = permuted[order]
    group = permuted >> np.uint64(BITS - choice.width)
    starts = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
    sizes = np.diff(starts, append=len(values))
    left = np.repeat(starts + sizes, sizes) - np.arange(len(values))
    places = np.flatnonzero(left > 1)
    for step in range(1, MOST + 1):
        places = places[left[places] > step]
        if not places.size:
            return
        apart = np.bitwise_count(permuted[places] ^ permuted[places + step])
        near = np.flatnonzero(apart <= distance)
        if near.size:
            yield order[places[near]], order[places[near] + step], apart[near]


__all__ = ["BITS", "FARTHEST", "MOST", "Choice", "Fingerprints", "SimhashStats", "fingerprints", "simhash_duplicates", "tables"]
