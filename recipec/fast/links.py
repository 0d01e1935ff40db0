"""Which of the compared rows are alike enough, and so which belong together.

Rows with one band in common form a bucket. Buckets can be as large as the table (every text begins with the same licence), so not all
their pairs are compared: a bucket's rows are put in the order of the *next* band's hashes, which brings the more alike together, and each
row is compared with the :data:`NEAR` rows after it, and with the bucket's first row. In buckets of up to ``NEAR + 1`` rows these are all
pairs; in larger ones the cost stays linear in the rows. Pairs that are joined already, by whatever way, are not compared again, nor are
pairs that failed in an earlier band.

What this costs in recall is measured by ``tests/benchmarks/near_dedupe.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from recipec.fast.bands import Bands
from recipec.fast.components import Components, Nodes
from recipec.fast.tokens import Hashes

NEAR: Final = 8
"""How many of the following rows of a large bucket a row is compared with."""
_FAILED: Final = 1 << 24
"""Pairs remembered as not alike: 128 MiB. Beyond it the later bands' pairs may be compared again."""


class Sketched(Protocol):
    """What must be known of the rows: :class:`recipec.fast.sketches.Sketches`, wherever they lie."""

    @property
    def cut(self) -> Bands: ...

    whole: Hashes
    sizes: npt.NDArray[np.int32]
    banded: npt.NDArray[np.int32]

    def band(self, number: int) -> Hashes: ...

    def similarity(self, left: npt.NDArray[np.integer], right: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]: ...


@dataclass(frozen=True)
class Links:
    """What was found out about the rows."""

    components: Components
    left: Nodes
    """``left[i]`` and ``right[i]`` are alike by ``similarity[i]``, at least the threshold."""
    right: Nodes
    similarity: npt.NDArray[np.float64]
    compared: int
    """How many pairs were compared."""


def link(sketches: Sketched, copies: Nodes, threshold: float, done: Callable[[float], None]) -> Links:
    """Join the rows whose similarity is at least ``threshold``.

    ``copies[i]`` is the first row whose normalised text is row ``i``'s; only these first rows are compared. ``done`` hears the share done.
    """
    components = Components(len(copies))
    first = np.flatnonzero(copies[sketches.banded] == sketches.banded)
    rows = sketches.banded[first].astype(np.int64)
    edges: list[tuple[Nodes, Nodes, npt.NDArray[np.float64]]] = []
    failed = np.zeros(0, np.uint64)
    compared = 0
    for band in range(sketches.cut.bands):
        values = sketches.band(band)[first]
        following = sketches.band((band + 1) % sketches.cut.bands)[first]
        missed = [failed]
        for left, right in _pairs(values, following, rows):
            left, right = _worth(left, right, sketches, components, failed, threshold)
            if not left.size:
                continue
            similarity = sketches.similarity(left, right)
            compared += len(left)
            alike = similarity >= threshold
            components.join(left[alike], right[alike])
            edges.append((left[alike], right[alike], similarity[alike]))
            missed.append(_name(left[~alike], right[~alike]))
        if sum(map(len, missed)) <= _FAILED:
            failed = np.concatenate(missed)
            failed.sort()
        done((band + 1) / sketches.cut.bands)
    if not edges:
        edges.append((np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)))
    left, right, similarity = (np.concatenate(parts) for parts in zip(*edges, strict=True))
    return Links(components, left, right, similarity, compared)


def _pairs(values: Hashes, following: Hashes, rows: Nodes) -> Iterator[tuple[Nodes, Nodes]]:
    """Pairs of rows of one bucket, in rounds: neighbours, next but one, ..., and at last every row with its bucket's first."""
    # The place in the low bits makes a sort of values do for an argsort, which takes three times as long.
    bits = np.uint64(max(len(values) - 1, 1).bit_length())
    ordered = ((values >> bits) << bits) | np.arange(len(values), dtype=np.uint64)
    ordered.sort()
    beside = (ordered[1:] ^ ordered[:-1]) >> bits == 0
    shared = np.zeros(len(values), np.bool_)
    shared[1:] |= beside
    shared[:-1] |= beside
    chosen = (ordered[shared] & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    if not chosen.size:
        return
    chosen = chosen[np.lexsort((rows[chosen], following[chosen], values[chosen]))]
    members, buckets = rows[chosen], values[chosen]
    starts = np.flatnonzero(np.concatenate([[True], buckets[1:] != buckets[:-1]]))
    sizes = np.diff(starts, append=len(members))
    left = np.repeat(starts + sizes, sizes) - np.arange(len(members))
    for distance in range(1, NEAR + 1):
        places = np.flatnonzero(left > distance)
        if not places.size:
            return
        yield members[places], members[places + distance]
    large = sizes > NEAR + 1
    if large.any():
        inside = np.repeat(large, sizes)
        least = np.minimum.reduceat(members, starts)
        yield np.repeat(least[large], sizes[large]), members[inside]


def _worth(left: Nodes, right: Nodes, sketches: Sketched, components: Components, failed: Hashes, threshold: float) -> tuple[Nodes, Nodes]:
    """The pairs that a comparison could join: apart so far, of sizes that allow the threshold, not found wanting before."""
    apart = components.find(left) != components.find(right)
    left, right = left[apart], right[apart]
    one, other = sketches.sizes[left], sketches.sizes[right]
    # Divided as a similarity is, so that both round alike.
    possible = np.minimum(one, other) / np.maximum(one, other) >= threshold
    left, right = left[possible], right[possible]
    names = _name(left, right)
    if failed.size and names.size:
        known = failed[np.minimum(np.searchsorted(failed, names), len(failed) - 1)] == names
        left, right = left[~known], right[~known]
    return left, right


def _name(left: Nodes, right: Nodes) -> Hashes:
    """One number for a pair of rows: good for a table of up to 2**32 rows."""
    return (np.minimum(left, right).astype(np.uint64) << np.uint64(32)) | np.maximum(left, right).astype(np.uint64)
