"""Rows that mean the same: vectors whose cosine is at least a threshold, by comparing all of them, exactly.

Every vector is compared with every other in products of blocks of :data:`BLOCK` vectors (32-bit floats, on all cores), which are read from a
temporary file, so memory does not grow with the rows but by about 80 bytes each. The cost is that of ``n * n / 2`` products: with 384
numbers a vector and two cores, about a minute for 100,000 rows, and a hundred times that for a million (see
``tests/benchmarks/semantic.py``). There is no index and no approximation: what is near enough is found. For more rows than time allows, let
``near: 85%`` go first: most copies of web text are copies in words too.

What to know of it:

- **Equal vectors** are compared once, so a text that a hundred thousand rows share costs nothing.
- **Near the threshold** (within 0.0001) the cosine is computed again in 64 bits, so that the decision does not depend on how the product
  was cut; the similarities reported are all of 64 bits.
- **Nulls and vectors of zeros** mean nothing, and are duplicates of nothing.
- **Chains and order** are as with MinHash (:mod:`.minhash`): rows alike step by step are one component, of which the preferred row stays.

Source: SemDeDup (Abbas et al. 2023, arXiv:2303.09540), which compares within k-means clusters only; here all pairs are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recipec.fast.components import Components, Nodes
from recipec.fast.keyed import (
    CLUSTERS,
    DUPLICATES,
    ROWS,
    copies,
    duplicate_rows,
    keyed,
    least_keys,
    quoted,
    settings,
    stored_keys,
    uuids,
    write,
)
from recipec.fast.scratch import Scratch
from recipec.fast.tokens import Hashes, mix

if TYPE_CHECKING:
    import duckdb

BLOCK: Final = 2048
"""Vectors of a block: two blocks and their product take 16 MiB and, for 384 numbers, 3 MiB each."""
_EDGE: Final = 1e-4
"""How near the threshold a product of 32 bits is not trusted."""
_PAIRS: Final = 4096
"""Pairs compared in 64 bits at a time."""
_READING: Final = 0.1
"""Share of the whole work that reading is, for progress."""

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SemanticStats:
    """What a run saw, in rows: ``blank`` have no meaning (null, zeros), ``vectors`` are different ones, ``width`` is their length."""

    rows: int
    blank: int
    vectors: int
    width: int
    clusters: int
    duplicates: int


def semantic_duplicates(
    con: duckdb.DuckDBPyConnection,
    relation_sql: str,
    *,
    threshold: float,
    out: str,
    vector: str = "vector",
    key: str = "_key",
    order: str | None = None,
    scratch: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> SemanticStats:
    """Write to the temporary table ``out`` every row that means the same as another, but the one to keep.

    ``relation_sql`` is a query with a column ``key`` (UUID, unique) and a column ``vector`` (a list of numbers of one length in all rows, or
    null). ``threshold`` is the least cosine, over 0 and at most 1. The other arguments and the columns of ``out`` are as for
    :func:`recipec.fast.minhash.near_duplicates`, with cosines for similarities.

    Raises :class:`ValueError` for what is out of range and vectors of different lengths, :class:`duckdb.Error` for what is wrong with the
    SQL and :class:`OSError` when the temporary files have no room.
    """
    with _found(con, relation_sql, key, vector, threshold, order, scratch, progress) as found:
        write(con, out, DUPLICATES, found.duplicates())
        return found.stats()


def semantic_clusters(
    con: duckdb.DuckDBPyConnection,
    relation_sql: str,
    *,
    threshold: float,
    out: str,
    vector: str = "vector",
    key: str = "_key",
    scratch: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> SemanticStats:
    """Write to the temporary table ``out`` (``_key`` UUID, ``cluster`` UUID) which component every row is in: the least key of it.

    Every row is there once; a row alike to none is a cluster by itself. Arguments and errors as for :func:`semantic_duplicates`.
    """
    with _found(con, relation_sql, key, vector, threshold, None, scratch, progress) as found:
        write(con, out, CLUSTERS, found.clusters())
        return found.stats()


class _Store:
    """Vectors of unit length in a file, numbered from 0; read in blocks, or some of them."""

    def __init__(self, folder: Path | None, width: int) -> None:
        self.width = width
        self.words = (width + 1) // 2
        self.count = 0
        self._file = Scratch(folder)

    def append(self, vectors: Vectors) -> None:
        padded = np.zeros((len(vectors), 2 * self.words), np.float32)
        padded[:, : self.width] = vectors
        self._file.append(padded.view(np.uint64))
        self.count += len(vectors)

    def block(self, first: int, rows: int) -> Vectors:
        """As many vectors from ``first`` on; zeros for what is beyond the last, so that all products have one shape."""
        there = max(min(rows, self.count - first), 0)
        made = np.zeros((rows, 2 * self.words), np.float32)
        if there:
            stored = self._file.read(np.array([first * self.words]), np.array([there * self.words]))
            made[:there] = stored.view(np.float32).reshape(there, -1)
        return made

    def some(self, numbers: Nodes) -> npt.NDArray[np.float64]:
        stored = self._file.read(numbers * self.words, np.full(len(numbers), self.words))
        return stored.view(np.float32).reshape(len(numbers), -1).astype(np.float64)

    def cosines(self, left: Nodes, right: Nodes) -> npt.NDArray[np.float64]:
        """Of pairs of vectors, in 64 bits."""
        made = np.empty(len(left))
        for low in range(0, len(left), _PAIRS):
            part = slice(low, low + _PAIRS)
            one, other = self.some(left[part]), self.some(right[part])
            lengths = np.sqrt((one * one).sum(axis=1) * (other * other).sum(axis=1))
            made[part] = np.minimum((one * other).sum(axis=1) / lengths, 1.0)
        return made

    def close(self) -> None:
        self._file.close()


@contextmanager
def _found(
    con: duckdb.DuckDBPyConnection,
    relation_sql: str,
    key: str,
    vector: str,
    threshold: float,
    order: str | None,
    scratch: Path | None,
    progress: Callable[[float], None] | None,
) -> Iterator[_Found]:
    if not 0.0 < threshold <= 1.0:
        raise ValueError(f"the threshold of meaning is a cosine over 0 and at most 1, not {threshold}")
    _, folder = settings(con)
    folder = scratch if scratch is not None else folder
    total = con.execute(f"select count(*) from ({relation_sql})").fetchall()[0][0] if progress is not None else 0

    def tell(share: float) -> None:
        if progress is not None:
            progress(min(share, 1.0))

    keys = Scratch(folder)
    every: _Store | None = None
    nodes: _Store | None = None
    try:
        hashes: list[Hashes] = []
        rows = 0
        for column in keyed(con, relation_sql, key, f"{quoted(vector)}::float[]", order, keys):
            found, filled = _matrix(column)
            hashed = np.zeros(len(column), np.uint64)
            if len(filled):
                if every is None:
                    every = _Store(folder, found.shape[1])
                elif every.width != found.shape[1]:
                    raise ValueError(f"vectors of {every.width} and of {found.shape[1]} numbers cannot be compared")
                hashed[filled] = _hashes(found)
                every.append(found)
            hashes.append(hashed)
            rows += len(column)
            if total:
                tell(rows / total * _READING)
        whole = np.concatenate(hashes) if hashes else np.zeros(0, np.uint64)
        firsts = copies(whole)
        # The file of all has a vector for each row that is not blank; compared are the first of equal ones alone.
        filled = np.flatnonzero(whole)
        numbers = np.flatnonzero(firsts[filled] == filled)
        if every is not None:
            nodes = _Store(folder, every.width)
            for low in range(0, len(numbers), BLOCK):
                nodes.append(every.some(numbers[low : low + BLOCK]).astype(np.float32)[:, : every.width])
            every.close()
        components = Components(rows)
        owners = filled[numbers]
        best = _link(nodes, owners, components, threshold, lambda share: tell(_READING + share * (1 - _READING)))
        stored = stored_keys(keys, rows, order is None)
        yield _Found(whole, firsts, owners, best, components.find(firsts), nodes, stored, order is None)
    finally:
        for store in (keys, every, nodes):
            if store is not None:
                store.close()


def _matrix(column: Any) -> tuple[Vectors, Nodes]:
    """The vectors of a batch that mean something, of unit length, and which rows they are of."""
    lengths = np.asarray(column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False), np.int64)
    filled = np.flatnonzero(lengths)
    if not filled.size:
        return np.zeros((0, 0), np.float32), filled
    width = int(lengths[filled[0]])
    other = lengths[filled] != width
    if other.any():
        raise ValueError(f"vectors of {width} and of {int(lengths[filled][other][0])} numbers cannot be compared")
    values = column.flatten()
    if values.null_count:
        raise ValueError("a vector has a null in it")
    found = np.asarray(values.to_numpy(zero_copy_only=False), np.float64).reshape(-1, width)
    if not np.isfinite(found).all():
        raise ValueError("a vector has a number in it that is not finite")
    norms = np.sqrt((found * found).sum(axis=1))
    some = norms > 0
    return (found[some] / norms[some, None]).astype(np.float32), filled[some]


def _hashes(vectors: Vectors) -> Hashes:
    """A hash of each vector's bytes, never 0; zeros of both signs are one."""
    whole = (vectors + np.float32(0)).view(np.uint32).astype(np.uint64)
    factors = mix(np.arange(1, whole.shape[1] + 1, dtype=np.uint64)) | np.uint64(1)
    made = mix(np.multiply(whole, factors, out=whole).sum(axis=1, dtype=np.uint64))
    made[made == 0] = 1
    return made


@dataclass(frozen=True)
class _Best:
    """For each node the most alike other node (-1: none is alike enough)."""

    other: Nodes


def _link(nodes: _Store | None, owners: Nodes, components: Components, threshold: float, done: Callable[[float], None]) -> _Best:
    """Join the rows of nodes whose cosine is at least ``threshold``; the best of each node."""
    count = len(owners)
    # How far from 1 in the high bits, which node in the low ones: the least is the most alike, of equals the one preferred.
    nearest = np.full(count, np.iinfo(np.uint64).max, np.uint64)
    blocks = -(-count // BLOCK)
    pairs, ready = blocks * (blocks + 1) // 2, 0
    below = np.tri(BLOCK, dtype=np.bool_)
    for i in range(blocks):
        assert nodes is not None
        one = nodes.block(i * BLOCK, BLOCK)
        for j in range(i, blocks):
            other = one if i == j else nodes.block(j * BLOCK, BLOCK)
            product = one @ other.T
            if i == j:
                product[below] = -1.0
            rows = np.flatnonzero(product.max(axis=1) >= threshold - _EDGE)
            for low in range(0, len(rows), 128):
                part = rows[low : low + 128]
                at, right = np.nonzero(product[part] >= threshold - _EDGE)
                cosine = product[part[at], right].astype(np.float64)
                _join(nodes, owners, components, nearest, threshold, part[at] + i * BLOCK, right + j * BLOCK, cosine)
            ready += 1
            done(ready / pairs)
    other_node = (nearest & np.uint64((1 << 40) - 1)).astype(np.int64)
    return _Best(np.where(nearest == np.iinfo(np.uint64).max, -1, other_node))


def _join(
    nodes: _Store,
    owners: Nodes,
    components: Components,
    nearest: Hashes,
    threshold: float,
    left: Nodes,
    right: Nodes,
    cosine: npt.NDArray[np.float64],
) -> None:
    doubtful = np.flatnonzero(np.abs(cosine - threshold) < _EDGE)
    if doubtful.size:
        cosine[doubtful] = nodes.cosines(left[doubtful], right[doubtful])
    alike = cosine >= threshold
    left, right, cosine = left[alike], right[alike], cosine[alike]
    if not left.size:
        return
    components.join(owners[left], owners[right])
    away = np.rint((1.0 - np.minimum(cosine, 1.0)) * 1e6).astype(np.uint64) << np.uint64(40)
    np.minimum.at(nearest, left, away | right.astype(np.uint64))
    np.minimum.at(nearest, right, away | left.astype(np.uint64))


@dataclass(frozen=True)
class _Found:
    """All that is known when the linking is done. Rows are numbered in the order in which they are preferred."""

    whole: Hashes
    firsts: Nodes
    """The first row of the same vector."""
    owners: Nodes
    """The row of each node."""
    best: _Best
    roots: Nodes
    nodes: _Store | None
    keys: Hashes
    by_key: bool

    def duplicates(self) -> Iterator[pa.RecordBatch]:
        rows = np.flatnonzero(self.roots != np.arange(len(self.roots)))
        if not rows.size:
            return
        first, kept = self.firsts[rows], self.roots[rows]
        neighbours = np.where(first == rows, self.owners[self.best.other[self._node(first)]], first)
        similarity, to_kept = self._cosines(first, neighbours), self._cosines(first, kept)
        yield from duplicate_rows(rows, self.roots, self.keys, self.by_key, similarity, neighbours, to_kept)

    def clusters(self) -> Iterator[pa.RecordBatch]:
        least = least_keys(self.roots, self.keys, self.by_key)
        for low in range(0, len(self.roots), ROWS):
            rows = np.arange(low, min(low + ROWS, len(self.roots)))
            yield pa.RecordBatch.from_arrays([uuids(self.keys, rows), uuids(self.keys, least[self.roots[rows]])], schema=CLUSTERS)

    def _node(self, rows: Nodes) -> Nodes:
        return np.searchsorted(self.owners, rows)

    def _cosines(self, left: Nodes, right: Nodes) -> npt.NDArray[np.float64]:
        """Of the rows' vectors; 1 for equal ones, whatever the rounding."""
        assert self.nodes is not None
        right = self.firsts[right]
        made = np.ones(len(left))
        other = np.flatnonzero(left != right)
        made[other] = self.nodes.cosines(self._node(left[other]), self._node(right[other]))
        return made

    def stats(self) -> SemanticStats:
        removed = self.roots != np.arange(len(self.roots))
        return SemanticStats(
            rows=len(self.roots),
            blank=int((self.whole == 0).sum()),
            vectors=len(self.owners),
            width=self.nodes.width if self.nodes is not None else 0,
            clusters=len(np.unique(self.roots[removed])),
            duplicates=int(removed.sum()),
        )


__all__ = ["BLOCK", "SemanticStats", "semantic_clusters", "semantic_duplicates"]
