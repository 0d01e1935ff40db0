"""What all searches for duplicates share: keyed texts in, in the order in which rows are preferred, and a table of duplicates out.

Rows are numbered from 0 in the order in which they are preferred, so that the least number of a component is the row to keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recipec.fast.components import Nodes
from recipec.fast.scratch import Scratch
from recipec.fast.tokens import Hashes, flat

if TYPE_CHECKING:
    import duckdb

ROWS: Final = 2048
"""Rows of a batch, in and out."""
_READ: Final = 1 << 24
"""Values read from a file by one call."""
BINARY_UUID: Final = pa.binary(16)
DUPLICATES: Final = pa.schema(
    {
        "_key": BINARY_UUID,
        "kept": BINARY_UUID,
        "similarity": pa.float64(),
        "neighbour": BINARY_UUID,
        "kept_similarity": pa.float64(),
        "cluster": BINARY_UUID,
    }
)
"""The columns of a table of duplicates; see :func:`recipec.fast.minhash.near_duplicates`."""
CLUSTERS: Final = pa.schema({"_key": BINARY_UUID, "cluster": BINARY_UUID})


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def batches(con: duckdb.DuckDBPyConnection, query: str, rows: int = ROWS) -> Iterator[pa.RecordBatch]:
    """A query's rows as Arrow batches, streamed."""
    relation = con.sql(query)
    # DuckDB 2 has a new name for it, and warns of the old one.
    reader: Any = relation.to_arrow_reader if hasattr(relation, "to_arrow_reader") else relation.fetch_record_batch
    yield from reader(rows)


def keyed(
    con: duckdb.DuckDBPyConnection, relation_sql: str, key: str, value_sql: str, order: str | None, keys: Scratch, rows: int = ROWS
) -> Iterator[pa.Array]:
    """The values of ``value_sql`` over the relation in batches, the preferred rows first; their keys go to ``keys``."""
    name = quoted(key)
    first = f"{order}, " if order is not None else ""
    query = f"select {name}::uuid::blob, {value_sql} from ({relation_sql}) order by {first}{name}::uuid"
    for batch in batches(con, query, rows):
        column = batch.column(0)
        if column.null_count:
            raise ValueError(f"{column.null_count} rows have no key")
        offsets, data = flat(column)
        keys.append(data[offsets[0] : offsets[-1]].view(np.uint64))
        yield batch.column(1)


def stored_keys(keys: Scratch, rows: int, sorted_by_key: bool) -> Hashes:
    """All keys as two words each, once no two rows are seen to share one; :class:`ValueError` where two do."""
    places = np.arange(0, 2 * rows, _READ)
    stored = keys.read(places, np.minimum(2 * rows - places, _READ))
    _check_unique(stored, sorted_by_key)
    return stored


def halves(keys: Hashes, rows: Nodes) -> tuple[Hashes, Hashes]:
    """The keys of ``rows`` as two numbers each, that compare as the keys do: their bytes are big-endian."""
    pairs = keys.view(np.dtype(">u8")).reshape(-1, 2)[rows].astype(np.uint64)
    return pairs[:, 0], pairs[:, 1]


def _check_unique(keys: Hashes, sorted_by_key: bool) -> None:
    """A key of two rows would drop, with the one row, the other that is kept."""
    rows = np.arange(len(keys) // 2)
    high, low = halves(keys, rows)
    order = rows if sorted_by_key else np.lexsort((low, high))
    again = np.flatnonzero((np.diff(high[order]) == 0) & (np.diff(low[order]) == 0))
    if again.size:
        example = UUID(bytes=keys.reshape(-1, 2)[order[again[0]]].tobytes())
        raise ValueError(f"{again.size} rows repeat the key of another row, the first of them {example}")


def kept_of_several(roots: Nodes) -> npt.NDArray[np.bool_]:
    """Which rows are kept of a component of more than one."""
    kept = np.zeros(len(roots), np.bool_)
    kept[roots[roots != np.arange(len(roots))]] = True
    return kept


def least_keys(roots: Nodes, keys: Hashes, by_key: bool) -> Nodes:
    """For each row that is a component's root: the row of the component with the least key. ``by_key``: rows are numbered by key."""
    least = np.arange(len(roots))
    if not by_key:
        removed = np.flatnonzero(roots != least)
        members = np.concatenate([np.flatnonzero(kept_of_several(roots)), removed])
        owners = roots[members]
        high, low = halves(keys, members)
        order = np.lexsort((low, high, owners))
        starts = np.flatnonzero(np.diff(owners[order], prepend=-1))
        least[owners[order[starts]]] = members[order[starts]]
    return least


def uuids(keys: Hashes, rows: Nodes) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(BINARY_UUID, len(rows), [None, pa.py_buffer(keys.reshape(-1, 2)[rows])])


def copies(whole: Hashes) -> Nodes:
    """For each row the first row of the same hash; itself where the hash is 0, which stands for nothing to compare."""
    made = np.arange(len(whole))
    order = np.argsort(whole, kind="stable")
    ordered = whole[order]
    same = np.zeros(len(whole), np.bool_)
    same[1:] = (ordered[1:] == ordered[:-1]) & (ordered[1:] != 0)
    starts = np.flatnonzero(~same)
    made[order] = np.repeat(order[starts], np.diff(starts, append=len(whole)))
    return made


@contextmanager
def large_buffers(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let a batch hold more than 2 GiB of text."""
    before = bool(con.execute("select current_setting('arrow_large_buffer_size')").fetchall()[0][0])
    con.execute("set arrow_large_buffer_size = true")
    try:
        yield
    finally:
        con.execute(f"set arrow_large_buffer_size = {before}")


def settings(con: duckdb.DuckDBPyConnection) -> tuple[int, Path | None]:
    """The connection's number of threads, and the folder of its temporary files: None for a database in memory."""
    threads, name = con.execute("select current_setting('threads'), current_setting('temp_directory')").fetchall()[0]
    folder = Path(name).parent if name else None
    return max(int(threads), 1), folder if folder is not None and folder.is_absolute() and folder.is_dir() else None


def write(con: duckdb.DuckDBPyConnection, out: str, schema: pa.Schema, found: Iterator[pa.RecordBatch]) -> None:
    """Make the temporary table ``out`` of batches, 16-byte columns as UUIDs."""
    columns = ", ".join(f"{quoted(f.name)}::uuid as {quoted(f.name)}" if f.type == BINARY_UUID else quoted(f.name) for f in schema)
    con.register("_duplicates", pa.RecordBatchReader.from_batches(schema, found))
    try:
        con.execute(f"create or replace temp table {quoted(out)} as select {columns} from _duplicates")
    finally:
        con.unregister("_duplicates")


def duplicate_rows(
    rows: Nodes,
    roots: Nodes,
    keys: Hashes,
    by_key: bool,
    similarity: npt.NDArray[np.float64],
    neighbours: Nodes,
    to_kept: npt.NDArray[np.float64],
) -> Iterator[pa.RecordBatch]:
    """Batches of :data:`DUPLICATES`: of the removed ``rows``, how alike each is to which row, and to the one kept."""
    if not rows.size:
        return
    kept = roots[rows]
    clusters = least_keys(roots, keys, by_key)
    for low in range(0, len(rows), ROWS):
        part = slice(low, low + ROWS)
        columns = [
            uuids(keys, rows[part]),
            uuids(keys, kept[part]),
            pa.array(similarity[part]),
            uuids(keys, neighbours[part]),
            pa.array(to_kept[part]),
            uuids(keys, clusters[kept[part]]),
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=DUPLICATES)
