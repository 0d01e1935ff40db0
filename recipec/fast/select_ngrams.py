"""DSIR: how much likelier a text is in a target than in the pool, by hashed words and pairs of words.

Xie et al. 2023, "Data selection for language models via importance resampling" (arXiv:2302.03169): every word, and every pair of
neighbours, of a text falls by its hash into one of 10,000 buckets; a bag-of-buckets model of the target and one of the pool give the text's
log importance weight, the sum over its buckets of log(target + 1e-8) - log(pool + 1e-8). Words are those of :mod:`.tokens` with ``auto``:
runs of letters and digits without case, and each letter of a script without spaces, so that Chinese is read by characters and pairs of
characters; punctuation is left out. The hash is the project's own and never changes.

The texts are read once. Their buckets, two bytes each, lie in a file until the weights are known, so memory does not grow with the texts
but by 12 bytes a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from recipec.fast.keyed import batches
from recipec.fast.tokens import Tokens, mix, tokenise

if TYPE_CHECKING:
    import duckdb

BUCKETS: Final = 10_000
SMOOTH: Final = 1e-8
ROWS: Final = 8192
_FACTOR: Final = np.uint64(0x9FB21C651E98DF25)

Buckets = npt.NDArray[np.uint16]
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def buckets(tokens: Tokens, pairs: bool = True) -> tuple[Buckets, npt.NDArray[np.int64]]:
    """The buckets of some rows' words and pairs, one row's after another's (its words, then its pairs), and how many each row has."""
    counts, hashes = tokens.counts, tokens.hashes
    single = (hashes % np.uint64(BUCKETS)).astype(np.uint16)
    if not pairs or len(hashes) < 2:
        return single, counts
    both = (mix(hashes[:-1] * _FACTOR + hashes[1:]) % np.uint64(BUCKETS)).astype(np.uint16)
    # A pair belongs to the row of its first word, unless that is the row's last.
    row = np.repeat(np.arange(len(counts)), counts)
    inner = row[:-1] == row[1:]
    many = counts + np.maximum(counts - 1, 0)
    begin = np.cumsum(many) - many
    made = np.empty(int(many.sum()), np.uint16)
    within = np.arange(len(hashes)) - np.repeat(np.cumsum(counts) - counts, counts)
    made[begin[row] + within] = single
    first = np.flatnonzero(inner)
    made[begin[row[first]] + counts[row[first]] + within[first]] = both[first]
    return made, many


def counted(con: duckdb.DuckDBPyConnection, query: str, pairs: bool = True) -> Counts:
    """How often each bucket occurs in a query's one column of texts."""
    totals = np.zeros(BUCKETS, np.int64)
    for batch in batches(con, query, ROWS):
        for tokens in tokenise(batch.column(0), "auto"):
            totals += np.bincount(buckets(tokens, pairs)[0], minlength=BUCKETS)
    return totals


def log_weights(
    con: duckdb.DuckDBPyConnection,
    query: str,
    target: Counts,
    rows: int,
    folder: Path,
    progress: Callable[[float], None],
    pairs: bool = True,
    pool: Counts | None = None,
) -> Floats:
    """The log importance weight of each of ``rows`` rows; not a number for one without words. ``query`` yields places from 0 and texts.
    ``pool`` counts the texts to choose from, where these are not all of them."""
    here = np.zeros(BUCKETS, np.int64)
    sizes: list[tuple[Any, Any]] = []
    path = folder / "buckets.u16"
    done = 0
    with path.open("wb") as file:
        for batch in batches(con, query, ROWS):
            places = batch.column(0).to_numpy()
            for tokens in tokenise(batch.column(1), "auto"):
                found, many = buckets(tokens, pairs)
                here += np.bincount(found, minlength=BUCKETS)
                sizes.append((places[tokens.rows].astype(np.uint32), many.astype(np.uint32)))
                file.write(found.data)
            done += len(places)
            progress(0.9 * done / max(rows, 1))
    every = here if pool is None else pool
    weights = np.log(target / max(int(target.sum()), 1) + SMOOTH) - np.log(every / max(int(every.sum()), 1) + SMOOTH)
    out = np.full(rows, np.nan)
    for places, many, sums in _sums(path, sizes, weights):
        some = many > 0
        out[places[some]] = sums[some]
    path.unlink()
    progress(1.0)
    return out


def _sums(path: Path, sizes: list[tuple[Any, Any]], weights: Floats) -> Iterator[tuple[Any, Any, Floats]]:
    """(places, sizes, sums of weights) of the groups of rows, from the file of their buckets."""
    with path.open("rb") as file:
        for places, many in sizes:
            values = weights[np.fromfile(file, np.uint16, int(many.sum()))]
            sums = np.zeros(len(many))
            some = np.flatnonzero(many)
            if len(some):
                ends = np.cumsum(many.astype(np.int64))
                sums[some] = np.add.reduceat(values, (ends - many)[some])
            yield places, many, sums
