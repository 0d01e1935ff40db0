"""Near-duplicates on a cluster: the very rows that :mod:`recipec.fast.minhash` finds, found in many places.

1. A task for each shard normalises, cuts and hashes its texts: shingles and band hashes go to files, and a line for each row.
2. The process that you started numbers the rows, and goes through the bands: which rows share one, and which of their pairs are worth
   comparing, is decided here, by :func:`recipec.fast.links.link`, as without a cluster. It holds some 100 bytes a row, no text.
3. The pairs are compared in tasks, which read the shingles of their rows from the files of step 1.
4. What is found is written by shard, so that a task for each shard can drop its duplicates.

The decisions are made in the same order from the same numbers, so the answer is the same, to the last digit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from recipec.api import DataError, literal
from recipec.engines.ray.cluster import Cluster
from recipec.engines.ray.shards import Rows, scan
from recipec.engines.ray.stores import here
from recipec.engines.ray.tasks import Done, Job, Setting, Unit, database, peak, placed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from recipec.fast.bands import Bands
    from recipec.fast.minhash import Found

HERE: Final = 1 << 21
"""Shingles that are compared without asking a task: it would take longer to ask."""
TASK: Final = 1 << 23
"""Shingles that one task compares: 64 MiB."""
PAIRS: Final = 1 << 16
"""Pairs of one comparison: their number must fit above the bits of a shingle."""


@dataclass(frozen=True)
class Search:
    """What is looked for; see :func:`recipec.fast.minhash.near_duplicates`. ``order`` names columns of the rows beside ``_key``."""

    threshold: float
    by: str
    ngram: int | None
    order: str | None

    @property
    def ngrams(self) -> int:
        from recipec.fast.minhash import NGRAM

        return NGRAM if self.ngram is None else self.ngram


def sketch(setting: Setting, job: Job, search: Search, unit: Unit) -> Done:
    """Sketch a shard's texts: ``rows.parquet`` (key, order, hash, number and place of shingles), ``shingles``, ``bands`` and, in the order
    of these, the numbers of the rows that have any, ``banded``."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from recipec.fast.bands import Bands, band_hashes
    from recipec.fast.keyed import batches, large_buffers
    from recipec.fast.shingles import shingle_sets
    from recipec.fast.tokens import tokenise

    started = time.monotonic()
    cut = Bands.for_threshold(search.threshold)
    blocks: list[tuple[int, int]] = []
    names = [c.strip() for c in search.order.split(",")] if search.order else []
    written = banded = rows = 0
    with database(setting) as (con, _, _folder), placed(job.out, unit.number) as (fresh, final):
        listed = ", ".join(["_key::uuid::blob AS _key", "_text::varchar AS _text", *names])
        # The first of equal texts, in the order in which rows are preferred, is the one that has shingles.
        ordered = f"SELECT {listed} FROM {unit.rows.sql()} ORDER BY {', '.join([*names, '_key'])}"
        writer: Any = None
        files = ((fresh / n).open("wb") for n in ("shingles", "bands", "banded"))
        with next(files) as shingles, next(files) as bands, next(files) as owners, large_buffers(con):
            for batch in batches(con, ordered):
                count = batch.num_rows
                whole, sizes, starts = np.zeros(count, np.uint64), np.zeros(count, np.int64), np.zeros(count, np.int64)
                for tokens in tokenise(batch.column(1), search.by):  # type: ignore[arg-type]
                    sets = shingle_sets(tokens, search.ngrams)
                    whole[sets.rows], sizes[sets.rows] = sets.whole, sets.sizes
                    starts[sets.rows] = np.cumsum(sets.sizes) - sets.sizes + written
                    if len(sets.shingles):
                        shingles.write(np.ascontiguousarray(sets.shingles).data)
                        written += len(sets.shingles)
                        hashes = band_hashes(sets, cut)
                        bands.write(np.ascontiguousarray(hashes).data)
                        owners.write((sets.rows[sets.sizes > 0].astype(np.int64) + rows).data)
                        blocks.append((banded, hashes.shape[1]))
                        banded += hashes.size
                columns = {"_key": batch.column(0), **{n: batch.column(2 + i) for i, n in enumerate(names)}}
                table = pa.table({**columns, "whole": whole, "size": sizes, "start": starts, "n": np.arange(rows, rows + count)})
                if writer is None:
                    writer = pq.ParquetWriter(fresh / "rows.parquet", table.schema)
                writer.write_table(table)
                rows += count
        if writer is not None:
            writer.close()
        size = sum(f.stat().st_size for f in fresh.iterdir())
    made = {0: (str(final / "rows.parquet"),)} if rows else {0: ()}
    return Done(made, rows, size, seconds=time.monotonic() - started, peak=peak(), facts={"blocks": blocks, "folder": str(final)})


@dataclass(frozen=True)
class Pairs:
    """Sets of shingles by where they lie, and pairs of them: set ``which[2 * i]`` with ``which[2 * i + 1]``."""

    number: int
    files: Sequence[str]
    file: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    which: npt.NDArray[np.int64]


def compare(pairs: Pairs) -> Done:
    """The similarity of pairs of sets, as ``facts["similar"]``."""
    started = time.monotonic()
    similar = similarity_of(pairs)
    return Done({}, len(similar), int(pairs.lengths.sum()) * 8, seconds=time.monotonic() - started, peak=peak(), facts={"similar": similar})


def similarity_of(pairs: Pairs) -> npt.NDArray[np.float64]:
    import os

    import numpy as np

    from recipec.fast.sketches import jaccard

    opened = [os.open(f, os.O_RDONLY) for f in here(f"{folder}/shingles" for folder in pairs.files)]
    try:
        parts = [
            os.pread(opened[f], length * 8, start * 8)
            for f, start, length in zip(pairs.file.tolist(), pairs.starts.tolist(), pairs.lengths.tolist(), strict=True)
        ]
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return jaccard(np.frombuffer(b"".join(parts), np.uint64), pairs.lengths, pairs.which)


class Spread:
    """The sketches of all rows, in the files of many tasks (:class:`recipec.fast.links.Sketched`)."""

    def __init__(self, cut: Bands, cluster: Cluster, done: Sequence[Done], files: Sequence[str], check: Callable[[], None]) -> None:
        self.cut, self.cluster, self.files, self.check = cut, cluster, files, check
        self.blocks = [d.facts["blocks"] for d in done]
        self.compared = 0
        """Bytes of shingles that tasks read."""

    whole: npt.NDArray[np.uint64]
    sizes: npt.NDArray[np.int32]
    banded: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    file: npt.NDArray[np.int32]

    def band(self, number: int) -> npt.NDArray[np.uint64]:
        import numpy as np

        parts = []
        for folder, blocks in zip(self.files, self.blocks, strict=True):
            with open(here([f"{folder}/bands"])[0], "rb") as file:
                for place, count in blocks:
                    file.seek((place + number * count) * 8)
                    parts.append(np.frombuffer(file.read(count * 8), np.uint64))
        return np.concatenate(parts) if parts else np.zeros(0, np.uint64)

    def similarity(self, left: npt.NDArray[np.integer], right: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        import numpy as np

        self.check()
        if not len(left):
            return np.zeros(0, np.float64)
        ends = np.cumsum(self.sizes[left].astype(np.int64) + self.sizes[right])
        most = HERE if ends[-1] <= HERE else TASK
        units: list[Pairs] = []
        first = 0
        while first < len(left):
            begin = int(ends[first - 1]) if first else 0
            last = min(max(int(np.searchsorted(ends, begin + most, side="right")), first + 1), first + PAIRS)
            units.append(self.pairs(len(units), left[first:last], right[first:last]))
            first = last
        if len(units) == 1:
            return similarity_of(units[0])
        self.compared += sum(int(u.lengths.sum()) * 8 for u in units)
        answers = self.cluster.map(compare, [], units, lambda share, text: self.check())
        return np.concatenate([a.facts["similar"] for a in answers])

    def pairs(self, number: int, left: npt.NDArray[np.integer], right: npt.NDArray[np.integer]) -> Pairs:
        import numpy as np

        rows, which = np.unique(np.stack([left, right], axis=1).ravel(), return_inverse=True)
        used, file = np.unique(self.file[rows], return_inverse=True)
        lengths = self.sizes[rows].astype(np.int64)
        return Pairs(
            number, [self.files[f] for f in used.tolist()], file.astype(np.int64), self.starts[rows], lengths, which.astype(np.int64)
        )


@contextmanager
def found(
    cluster: Cluster, setting: Any, out: Path, texts: Sequence[Rows], search: Search, progress: Callable[[float | None, str], None]
) -> Iterator[tuple[Found, npt.NDArray[np.int32], list[Done]]]:
    """What is alike in ``texts`` (parts of a table of ``_key``, ``_text`` and the columns of the order); with it, the part that each
    row is of, and what the tasks did. Rows are numbered in the order in which they are preferred."""
    import duckdb
    import numpy as np

    from recipec.fast.bands import Bands
    from recipec.fast.keyed import copies
    from recipec.fast.links import link
    from recipec.fast.minhash import Found

    units = [Unit(n, rows) for n, rows in enumerate(texts)]
    done = cluster.map(sketch, [setting, Job(str(out)), search], units, progress, span=(0.0, 0.6))
    spread = Spread(Bands.for_threshold(search.threshold), cluster, done, [d.facts["folder"] for d in done], lambda: progress(None, ""))
    con = duckdb.connect(":memory:")
    try:
        listed = [d.files[0][0] for d in done if d.files[0]]
        listed = here(listed)
        numbers = [n for n, d in enumerate(done) if d.files[0]]
        order = f"{search.order}, _key" if search.order else "_key"
        columns: Any
        if listed:
            # A file's place in the list is the number of its part.
            names = ", ".join(f"{literal(f)}: {n}" for f, n in zip(listed, numbers, strict=True))
            query = (
                f"SELECT _key, whole, size::INTEGER AS size, start, n, (MAP {{{names}}})[filename]::INTEGER AS part "
                f"FROM read_parquet([{', '.join(map(literal, listed))}], filename = true, hive_partitioning = false) ORDER BY {order}"
            )
            columns = con.sql(query).to_arrow_table()
        else:
            columns = con.sql(
                "SELECT ''::BLOB AS _key, 0::UBIGINT AS whole, 0 AS size, 0::BIGINT AS start, 0::BIGINT AS n, 0 AS part LIMIT 0"
            ).to_arrow_table()
    finally:
        con.close()
    part, n = columns["part"].to_numpy(), columns["n"].to_numpy()
    spread.whole, spread.sizes = columns["whole"].to_numpy(), columns["size"].to_numpy().astype(np.int32)
    spread.starts, spread.file = columns["start"].to_numpy(), part.astype(np.int32)
    keys = np.frombuffer(b"".join(columns["_key"].to_pylist()), np.uint64)
    # Where in the order of preference the row of each band hash is.
    offsets = np.cumsum([0, *(d.rows for d in done)])
    place = np.empty(len(n), np.int64)
    place[offsets[part] + n] = np.arange(len(n))
    banded = here(f"{f}/banded" for f in spread.files)
    owners = [np.fromfile(f, np.int64) + offset for f, offset in zip(banded, offsets[:-1], strict=True)]
    spread.banded = place[np.concatenate(owners)].astype(np.int32)
    firsts = copies(spread.whole)
    links = link(spread, firsts, search.threshold, lambda share: progress(0.6 + 0.3 * share, ""))
    roots = links.components.find(firsts)
    check_keys(keys)
    yield Found(spread, keys, search.order is None, firsts, links, roots, search.threshold), part, done


def check_keys(keys: npt.NDArray[np.uint64]) -> None:
    from recipec.fast.keyed import _check_unique

    try:
        _check_unique(keys, False)
    except ValueError as error:
        raise DataError(str(error)) from None


def by_part(batches: Iterator[Any], rows: npt.NDArray[np.int64], part: npt.NDArray[np.int32], schema: Any, folder: Path) -> dict[int, str]:
    """Write batches, which are about ``rows`` in order, into a file for each part; 16 bytes are a key."""
    import duckdb
    import numpy as np
    import pyarrow as pa

    from recipec.fast.keyed import BINARY_UUID, quoted

    folder.mkdir(parents=True, exist_ok=True)

    def with_part() -> Iterator[Any]:
        low = 0
        for batch in batches:
            parts = part[rows[low : low + batch.num_rows]].astype(np.int32)
            low += batch.num_rows
            yield pa.RecordBatch.from_arrays([*batch.columns, pa.array(parts)], schema=wide)

    wide = schema.append(pa.field("__part", pa.int32()))
    columns = ", ".join(f"{quoted(f.name)}::uuid AS {quoted(f.name)}" if f.type == BINARY_UUID else quoted(f.name) for f in wide)
    con = duckdb.connect(":memory:")
    try:
        con.register("_found", pa.RecordBatchReader.from_batches(wide, with_part()))
        con.execute(f"CREATE TEMP TABLE found AS SELECT {columns} FROM _found")
        con.execute(f"COPY (SELECT * EXCLUDE (__part) FROM found LIMIT 0) TO {literal(str(folder / 'empty.parquet'))} (FORMAT parquet)")
        con.execute(f"COPY found TO {literal(str(folder / 'b'))} (FORMAT parquet, PARTITION_BY (__part), OVERWRITE_OR_IGNORE)")
    finally:
        con.close()
    made = {-1: str(folder / "empty.parquet")}
    if (folder / "b").is_dir():
        for inside in (folder / "b").iterdir():
            files = sorted(inside.iterdir())
            made[int(inside.name.partition("=")[2])] = str(files[0]) if len(files) == 1 else str(inside / "*.parquet")
    return made


def duplicates_by_part(
    cluster: Cluster, setting: Any, out: Path, texts: Sequence[Rows], search: Search, progress: Callable[[float | None, str], None]
) -> tuple[dict[int, str], list[Done]]:
    """The table of duplicates (:func:`recipec.fast.minhash.near_duplicates`), in a file for each part of ``texts``; -1: none at all."""
    import numpy as np

    from recipec.fast.keyed import DUPLICATES

    with found(cluster, setting, out / "sketches", texts, search, progress) as (what, part, done):
        rows = np.flatnonzero(what.roots != np.arange(len(what.roots)))
        return by_part(what.duplicates(), rows, part, DUPLICATES, out / "found"), done


def clusters_by_part(
    cluster: Cluster, setting: Any, out: Path, texts: Sequence[Rows], search: Search, progress: Callable[[float | None, str], None]
) -> tuple[dict[int, str], list[Done]]:
    """Which cluster every row is in (:func:`recipec.fast.minhash.near_clusters`), in a file for each part of ``texts``."""
    import numpy as np

    from recipec.fast.keyed import CLUSTERS

    with found(cluster, setting, out / "sketches", texts, search, progress) as (what, part, done):
        return by_part(what.clusters(), np.arange(len(what.roots)), part, CLUSTERS, out / "found"), done


__all__ = ["Search", "clusters_by_part", "duplicates_by_part", "scan"]
