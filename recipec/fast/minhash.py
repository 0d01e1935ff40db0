"""Near-duplicates: texts whose shingle sets have a Jaccard similarity of at least a threshold, found by MinHash and verified.

The way of a text: normalised and cut in tokens (:mod:`.tokens`), made a set of shingles (:mod:`.shingles`), sketched in bands
(:mod:`.bands`); rows sharing a band are compared by their true similarity (:mod:`.links`), so that nothing is called a near-duplicate
that is not, and joined in components. Peers stop at the bands (DataTrove, NeMo Curator), and call whatever shares one a duplicate.

What to know of it:

- **Chains.** A component joins what is alike step by step: A like B and B like C puts A and C together however different they are. The
  result says for every row which row it was found alike to (``neighbour``, ``similarity``) and how alike it is to the one kept
  (``kept_similarity``, which may lie below the threshold). A caller who wants no chains drops only the rows where it does not.
- **Recall.** A pair at the threshold is found with a probability of about 0.985, pairs above it more often. What is found is certain.
- **Blank texts** (null, empty, nothing but punctuation) are never duplicates. Texts shorter than a shingle are duplicates only of texts
  that are equal after normalisation, which are duplicates at every threshold (similarity 1).
- **Order.** The result depends on the rows' keys, texts and order expression, never on the order they come in or on threads.
- **Memory.** About 100 bytes a row, 8 bytes a word of the longest text a few times over, and the batches at work; DuckDB does without as
  much meanwhile (:func:`recipec.fast.keyed.lent`). Shingles (8 bytes a word) and band hashes (8 bytes a band) go to a temporary file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recipec.fast.bands import Bands
from recipec.fast.components import Nodes
from recipec.fast.keyed import (
    CLUSTERS,
    DUPLICATES,
    ROWS,
    copies,
    duplicate_rows,
    kept_of_several,
    keyed,
    large_buffers,
    least_keys,
    quoted,
    settings,
    stored_keys,
    uuids,
    write,
)
from recipec.fast.links import Links, Sketched, link
from recipec.fast.memory import lent
from recipec.fast.scratch import Scratch
from recipec.fast.sketches import Sketches
from recipec.fast.tokens import By

if TYPE_CHECKING:
    import duckdb

NGRAM: Final = 5
"""Tokens of a shingle where none is given."""
_LENT: Final = 96 << 20
"""Bytes that the work takes beside what grows with the rows: batches, blocks of pairs."""
_ROW_BYTES: Final = 100
_READING: Final = 0.7
"""Share of the whole work that reading is, for progress."""


@dataclass(frozen=True)
class Stats:
    """What a run saw and did. Counts are of rows unless said otherwise."""

    rows: int
    blank: int
    """Null, empty or without letters, digits and emoji: never duplicates."""
    copies: int
    """Equal to an earlier row after normalisation."""
    short: int
    """Different texts of fewer tokens than a shingle, which only copies can duplicate."""
    compared: int
    """Pairs whose true similarity was computed while linking."""
    clusters: int
    """Components of two rows or more."""
    duplicates: int
    """Rows that are in such a component and are not its kept row: copies and near-copies."""
    bands: int
    rows_per_band: int
    recall: float
    """Expected share of the pairs of exactly the threshold's similarity that were compared."""


def near_duplicates(
    con: duckdb.DuckDBPyConnection,
    relation_sql: str,
    *,
    text: str,
    threshold: float,
    out: str,
    key: str = "_key",
    by: By = "auto",
    ngram: int | None = None,
    order: str | None = None,
    scratch: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> Stats:
    """Find every row that duplicates, exactly or nearly, a row to keep, and write them to the temporary table ``out``.

    ``relation_sql`` is a query with a column ``key`` (UUID, unique, not null) and a column ``text`` (cast to text; nulls are blank texts).
    ``threshold`` is the least Jaccard similarity of near-duplicates, over 0 and at most 1. Shingles are ``ngram`` tokens (5 where None) as
    ``by`` counts tokens, see :mod:`recipec.fast.tokens`. Of each component the row is kept that comes first by ``order``, an ORDER BY list
    over the relation (``"length(body) desc"``), then by key; by key alone where it is None. (To find what duplicates rows of *other* tables
    too, union them and let those come first.) ``scratch`` is the folder for the temporary
    files: where None, beside the database's own, or the system's for a database in memory. ``progress`` hears the share done, 0 to 1.

    ``out`` (replaced if there) has one row for each row of a component that is not its kept one:

    ======================= ====== ===========================================================================
    ``_key``                UUID   the duplicate
    ``kept``                UUID   the kept row of its component
    ``similarity``          DOUBLE to ``neighbour``; at least the threshold; 1 for copies
    ``neighbour``           UUID   the most alike of the rows it was found alike to (often ``kept``)
    ``kept_similarity``     DOUBLE to ``kept``; below the threshold where only a chain connects them
    ``cluster``             UUID   the least key of the component
    ======================= ====== ===========================================================================

    Rows not in ``out`` are unique, blank, or kept. As many threads work as the connection's ``threads`` setting says.

    Raises :class:`ValueError` for a threshold, n-gram or key out of range, :class:`duckdb.Error` for what is wrong with the SQL and
    :class:`OSError` when the temporary files have no room.
    """
    with _found(con, relation_sql, key, text, threshold, by, ngram, order, scratch, progress) as found:
        write(con, out, DUPLICATES, found.duplicates())
        return found.stats()


def near_clusters(
    con: duckdb.DuckDBPyConnection,
    relation_sql: str,
    *,
    text: str,
    threshold: float,
    out: str,
    key: str = "_key",
    by: By = "auto",
    ngram: int | None = None,
    scratch: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> Stats:
    """Write to the temporary table ``out`` (``_key`` UUID, ``cluster`` UUID) which component every row is in: the least key of it.

    Every row of the relation is there once; a row without near-duplicates is a cluster by itself. Arguments and errors as for
    :func:`near_duplicates`.
    """
    with _found(con, relation_sql, key, text, threshold, by, ngram, None, scratch, progress) as found:
        write(con, out, CLUSTERS, found.clusters())
        return found.stats()


@dataclass(frozen=True)
class Found:
    """All that is known when the linking is done. Rows are numbered in the order in which they are preferred."""

    sketches: Sketched
    keys: npt.NDArray[np.uint64]
    """Two words a row: the key's bytes as they stand."""
    by_key: bool
    """Whether the rows are numbered in the order of their keys."""
    copies: Nodes
    links: Links
    roots: Nodes
    """The kept row of each row's component."""
    threshold: float

    def stats(self) -> Stats:
        removed = self.roots != np.arange(len(self.roots))
        first = self.copies == np.arange(len(self.copies))
        blank = self.sketches.whole == 0
        cut = self.sketches.cut
        return Stats(
            rows=len(self.roots),
            blank=int(blank.sum()),
            copies=int((~first).sum()),
            short=int((first & ~blank & (self.sketches.sizes == 0)).sum()),
            compared=self.links.compared,
            clusters=int(kept_of_several(self.roots).sum()),
            duplicates=int(removed.sum()),
            bands=cut.bands,
            rows_per_band=cut.rows,
            recall=cut.chance(self.threshold),
        )

    def duplicates(self) -> Iterator[pa.RecordBatch]:
        rows = np.flatnonzero(self.roots != np.arange(len(self.roots)))
        if not rows.size:
            return
        kept, first = self.roots[rows], self.copies[rows]
        # What holds of a text holds of its copies, except that a copy is most alike to the first of them.
        texts = rows[first == rows]
        to_kept = self.sketches.similarity(texts, self.roots[texts])
        similarity, neighbours = self._most_alike(texts, to_kept)
        place = np.minimum(np.searchsorted(texts, first), max(len(texts) - 1, 0))
        copy, copy_of_kept = first != rows, first == kept
        if texts.size:
            similarity = np.where(copy, 1.0, similarity[place])
            neighbours = np.where(copy, first, neighbours[place])
            to_kept = np.where(copy_of_kept, 1.0, to_kept[place])
        else:
            similarity, neighbours, to_kept = np.ones(len(rows)), first, np.ones(len(rows))
        yield from duplicate_rows(rows, self.roots, self.keys, self.by_key, similarity, neighbours, to_kept)

    def clusters(self) -> Iterator[pa.RecordBatch]:
        least = least_keys(self.roots, self.keys, self.by_key)
        for low in range(0, len(self.roots), ROWS):
            rows = np.arange(low, min(low + ROWS, len(self.roots)))
            yield pa.RecordBatch.from_arrays([uuids(self.keys, rows), uuids(self.keys, least[self.roots[rows]])], schema=CLUSTERS)

    def _most_alike(self, texts: Nodes, to_kept: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], Nodes]:
        """The greatest similarity found for each of ``texts``, and to which row; of equals the one preferred."""
        near = to_kept >= self.threshold
        nodes = np.concatenate([self.links.left, self.links.right, texts[near]])
        others = np.concatenate([self.links.right, self.links.left, self.roots[texts[near]]])
        similarity = np.concatenate([self.links.similarity, self.links.similarity, to_kept[near]])
        order = np.lexsort((others, -similarity, nodes))
        best = order[np.searchsorted(nodes[order], texts)]
        return similarity[best], others[best]


@contextmanager
def _found(
    con: duckdb.DuckDBPyConnection,
    relation_sql: str,
    key: str,
    text: str,
    threshold: float,
    by: By,
    ngram: int | None,
    order: str | None,
    scratch: Path | None,
    progress: Callable[[float], None] | None,
) -> Iterator[Found]:
    """Read, sketch and link; the temporary files live as long as the context."""
    ngram = NGRAM if ngram is None else ngram
    if not 0.0 < threshold <= 1.0:
        raise ValueError(f"the threshold of near-duplicates is a similarity over 0 and at most 1, not {threshold}")
    if ngram < 1:
        raise ValueError(f"an n-gram has 1 token or more, not {ngram}")
    if by not in ("auto", "words", "characters"):
        raise ValueError(f"texts are compared by auto, words or characters, not by {by}")
    threads, folder = settings(con)
    folder = scratch if scratch is not None else folder
    total = con.execute(f"select count(*) from ({relation_sql})").fetchall()[0][0]

    def reading(rows: int) -> None:
        if progress is not None and total:
            progress(min(rows / total, 1.0) * _READING)

    def linking(share: float) -> None:
        if progress is not None:
            progress(_READING + share * (1.0 - _READING))

    keys = Scratch(folder)
    try:
        with lent(con, _LENT + total * _ROW_BYTES), Sketches(Bands.for_threshold(threshold), by=by, ngram=ngram, folder=folder) as sketches:
            with large_buffers(con):
                sketches.read(keyed(con, relation_sql, key, f"{quoted(text)}::varchar", order, keys), threads, reading)
            firsts = copies(sketches.whole)
            links = link(sketches, firsts, threshold, linking)
            roots = links.components.find(firsts)
            stored = stored_keys(keys, len(sketches.whole), order is None)
            yield Found(sketches, stored, order is None, firsts, links, roots, threshold)
    finally:
        keys.close()
