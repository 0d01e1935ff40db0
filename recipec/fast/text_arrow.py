"""Columns of text as flat numpy arrays, and back: what the text kernels stand on.

A kernel gets a ``string``, ``large_string`` or ``string_view`` array, perhaps in chunks, perhaps sliced, perhaps with nulls.
Here it becomes bytes (or code points) of all rows end to end, with the place where each row starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]
Numbers = npt.NDArray[Any]
Column = Any
"""A pyarrow Array or ChunkedArray of texts."""


@dataclass(frozen=True, slots=True)
class Rows:
    """All rows end to end. Row ``i`` is ``values[starts[i]:starts[i + 1]]``; a null row is empty, and true in ``null``."""

    values: npt.NDArray[Any]
    starts: Places
    null: Flags | None

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Places:
        return np.diff(self.starts)


def flat(column: Column) -> pa.Array:
    """One array of type ``string`` or ``large_string``, whatever came."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], pa.string())
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        array = array.cast(pa.large_string())
    return array


def bytes_of(column: Column) -> Rows:
    """The rows as UTF-8 bytes, without a copy where there are no nulls."""
    array = flat(column)
    null = None
    if array.null_count:
        null = array.is_null().to_numpy(zero_copy_only=False)
        array = pc.fill_null(array, "")
    kind, width = (np.int64, 8) if pa.types.is_large_string(array.type) else (np.int32, 4)
    _, offsets, data = array.buffers()
    if len(array) == 0 or offsets is None:
        return Rows(np.empty(0, np.uint8), np.zeros(len(array) + 1, np.int64), null)
    raw = np.frombuffer(offsets, kind, len(array) + 1, array.offset * width)
    first, last = int(raw[0]), int(raw[-1])
    values = np.frombuffer(data, np.uint8)[first:last] if last > first else np.empty(0, np.uint8)
    return Rows(values, raw.astype(np.int64) - first, null)


def is_ascii(values: Bytes) -> bool:
    return values.size == 0 or int(values.max()) < 0x80


def code_points(rows: Rows) -> Rows:
    """The same rows as Unicode code points (uint32) in place of UTF-8 bytes."""
    text = values_text(rows.values)
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    if len(points) == len(rows.values):
        return Rows(points, rows.starts, rows.null)
    inner = np.flatnonzero((rows.values & 0xC0) == 0x80)
    starts = rows.starts - np.searchsorted(inner, rows.starts)
    return Rows(points, starts, rows.null)


def values_text(values: Bytes) -> str:
    return values.tobytes().decode()


def row_sums(mask: Flags, starts: Places) -> Places:
    """How many values of each row are true."""
    lengths = np.diff(starts)
    sums = np.zeros(len(lengths), np.int64)
    filled = np.flatnonzero(lengths)
    if filled.size:
        sums[filled] = np.add.reduceat(mask.view(np.uint8), starts[:-1][filled], dtype=np.int32)
    return sums


def row_counts(places: Places, starts: Places) -> Places:
    """How many of the sorted ``places`` lie in each row."""
    return np.diff(np.searchsorted(places, starts))


def numbers(values: npt.NDArray[Any], null: Flags | None) -> pa.Array:
    """A numpy array as an Arrow array, null where ``null`` is true."""
    return pa.array(values, mask=null)


def each(column: Column, answer: Callable[[str], Any], kind: pa.DataType) -> pa.Array:
    """``answer`` of every text that is not null; null stays null. For what cannot be done on whole columns."""
    return pa.array([None if text is None else answer(text) for text in flat(column).to_pylist()], kind)


def constant_of(column: Column, default: Any) -> Any:
    """The value of an argument that is the same on every row."""
    return column[0].as_py() if len(column) else default


_BLOCK: Final = 96 * 1024


def blocks(rows: Rows) -> Iterator[Rows]:
    """The rows in runs of about 96 KB.

    The temporary arrays of a run then fit the processor's cache and the allocator's own heap: on a whole chunk at once, more time
    went into page faults than into counting.
    """
    bounds = np.searchsorted(rows.starts, np.arange(_BLOCK, int(rows.starts[-1]), _BLOCK)).tolist()
    begin = 0
    for end in [*bounds, len(rows)]:
        if end > begin:
            first, last = rows.starts[begin], rows.starts[end]
            yield Rows(rows.values[first:last], rows.starts[begin : end + 1] - first, None)
            begin = end


def per_row(rows: Rows, measure: Callable[[Rows], Numbers]) -> Numbers:
    """``measure``, which gives one number a row, on all rows, block by block."""
    parts = [measure(block) for block in blocks(rows)] or [measure(rows)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def by_script(column: Column, plain: Callable[[Rows], Numbers], general: Callable[[Rows], Numbers]) -> pa.Array:
    """``plain`` on bytes for the rows that are ASCII, ``general`` on code points for the others: the same answers, faster."""

    def measure(rows: Rows) -> Numbers:
        if is_ascii(rows.values):
            return plain(rows)
        wide = np.flatnonzero(row_sums(rows.values >= 0x80, rows.starts))
        if len(wide) * 2 > len(rows):
            return general(code_points(rows))
        # What `plain` makes of the few other rows is thrown away: cheaper than to copy all the ASCII ones out.
        answers = plain(rows)
        answers[wide] = general(code_points(pick(rows, wide)))
        return answers

    rows = bytes_of(column)
    return numbers(per_row(rows, measure), rows.null)


def pick(rows: Rows, which: Places) -> Rows:
    """Some of the rows, copied end to end."""
    spans = [rows.values[rows.starts[i] : rows.starts[i + 1]] for i in which.tolist()]
    starts = np.zeros(len(spans) + 1, np.int64)
    np.cumsum(rows.lengths[which], out=starts[1:])
    return Rows(np.concatenate(spans) if spans else rows.values[:0], starts, None)
