"""Parquet files whose bytes depend on the rows alone.

DuckDB streams, pyarrow writes: DuckDB's own Parquet marks columns as never null, and then ``datasets`` disregards the
Hugging Face metadata. Rows are cut into chunks of a fixed size counted from the start of each row group, so that the
batches in which they happen to arrive leave no trace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from recipec.api import ExportContext, ExportPart, quote
from recipec.formats._stream import BATCH, Meter, Rows, Target, batches, changed, steady, targets
from recipec.formats._types import for_arrow, parse

if TYPE_CHECKING:
    import pyarrow as pa

Compression = Literal["zstd", "snappy", "gzip", "lz4", "none"]
GROUP_BYTES = 64 << 20
"""A row group also ends once its values take this much, so that rows of long documents do not fill the memory."""


def write_parquet(
    ctx: ExportContext,
    *,
    compression: Compression = "zstd",
    row_group: int = 100_000,
    codes: Mapping[str, str] | None = None,
    metadata: Mapping[bytes, bytes] | None = None,
    name: Callable[[ExportPart], str] | None = None,
    apart: bool = False,
) -> None:
    """One file a part (or shard). ``codes`` replaces columns by SQL over the part's; ``metadata`` goes into the schema.

    ``name`` is what the files of a part are called, ``apart`` puts each part into a folder of its own.
    """
    meter = Meter(ctx)
    with steady(ctx):
        for part in ctx.parts:
            made = {c.name: (codes or {}).get(c.name) or for_arrow(parse(c.type), quote(c.name)) for c in part.schema.columns}
            with batches(ctx.con, part, ", ".join(f"{sql} AS {quote(n)}" for n, sql in made.items())) as rows:
                chunks = _Chunks(rows, _plain_schema(rows.schema, metadata))
                for target in targets(ctx, part, ".parquet", name=name(part) if name else None, apart=apart):
                    _write_file(target, chunks, compression, row_group, meter)
                if chunks.taken != part.rows or chunks.take(1) is not None:
                    raise changed(part, chunks.taken + chunks.held)
    meter.say()


def _write_file(target: Target, chunks: _Chunks, compression: Compression, row_group: int, meter: Meter) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    left = target.rows
    level = 3 if compression == "zstd" else None
    with pq.ParquetWriter(target.path, chunks.schema, compression=compression, compression_level=level) as out:
        while left:
            group: list[pa.RecordBatch] = []
            rows = weight = 0
            while left and rows < row_group and weight < GROUP_BYTES:
                chunk = chunks.take(min(BATCH, left, row_group - rows))
                if chunk is None:
                    left = 0  # fewer rows than promised: the caller says so
                    break
                group.append(chunk)
                rows, left = rows + len(chunk), left - len(chunk)
                weight += sum(_weight(column) for column in chunk.columns)
                meter.add(len(chunk))
            if group:
                out.write_table(pa.Table.from_batches(group, chunks.schema), row_group_size=rows)


class _Chunks:
    """Batches cut anew into pieces of the sizes asked for."""

    def __init__(self, rows: Rows, schema: pa.Schema) -> None:
        self.rows, self.schema = rows, schema
        self.waiting: list[pa.RecordBatch] = []
        self.held = self.taken = 0

    def take(self, n: int) -> pa.RecordBatch | None:
        """Exactly ``n`` rows in one piece; fewer at the end, None after it."""
        import pyarrow as pa

        while self.held < n and (batch := next(self.rows, None)) is not None:
            if len(batch):
                self.waiting.append(batch.cast(self.schema))
                self.held += len(batch)
        if not self.held:
            return None
        pieces: list[pa.RecordBatch] = []
        wanted = min(n, self.held)
        self.held, self.taken = self.held - wanted, self.taken + wanted
        while wanted:
            head = self.waiting.pop(0)
            pieces.append(head.slice(0, wanted))
            if len(head) > wanted:
                self.waiting.insert(0, head.slice(wanted))
            wanted -= len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else pa.concat_batches(pieces)


def _weight(values: pa.Array) -> int:
    """Bytes of the values themselves, a function of the rows alone (buffers may or may not have a null bitmap)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    t = values.type
    if pa.types.is_string(t) or pa.types.is_binary(t):
        return 4 * len(values) + int(pc.sum(pc.binary_length(values)).as_py() or 0)
    if pa.types.is_struct(t):
        return sum(_weight(v) for v in values.flatten())
    if pa.types.is_list(t) or pa.types.is_fixed_size_list(t):
        return 4 * len(values) + _weight(values.flatten())
    return int(len(values) * max(1, t.bit_width // 8))


def _plain_schema(schema: pa.Schema, metadata: Mapping[bytes, bytes] | None) -> pa.Schema:
    """Every column may be null, and a list's items are called as ``datasets`` calls them."""
    import pyarrow as pa

    def plain(t: pa.DataType) -> pa.DataType:
        if pa.types.is_fixed_size_list(t):
            return pa.list_(plain(t.value_type), t.list_size)
        if pa.types.is_list(t):
            return pa.list_(plain(t.value_type))
        if pa.types.is_struct(t):
            return pa.struct([pa.field(f.name, plain(f.type)) for f in t])
        if pa.types.is_timestamp(t) and t.tz is not None:
            return pa.timestamp(t.unit, "UTC")
        return t

    return pa.schema([pa.field(f.name, plain(f.type)) for f in schema], metadata=dict(metadata or {}) or None)
