"""Text files, a row a line or more: DuckDB makes the text of each row, and its bytes go to disk as they lie in memory.

Half the time of DuckDB's own ``COPY ... (FORMAT json)`` on an ordered query, byte for byte the same, and it can be cut
into shards and compressed without a clock in the header.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, cast

from recipec.api import DataError, ExportContext, ExportPart, literal, quote
from recipec.formats._stream import Meter, batches, changed, steady, targets

if TYPE_CHECKING:
    import pyarrow as pa

Compression = Literal["none", "gzip", "zstd"]
SUFFIXES: dict[Compression, str] = {"none": "", "gzip": ".gz", "zstd": ".zst"}

JSONL: tuple[str, bytes, bytes, bytes] = (".jsonl", b"", b"", b"")
JSON: tuple[str, bytes, bytes, bytes] = (".json", b"[\n", b",\n", b"\n]\n")
"""Extension, head, what stands between rows, tail."""


def compression(ctx: ExportContext, asked: Compression | None) -> Compression:
    """As asked for; else as the name of the file says; else none."""
    by_name: Compression = next((c for c, s in SUFFIXES.items() if s and (ctx.single or "").endswith(s)), "none")
    if asked is not None and by_name not in ("none", asked):
        raise DataError(f"`{ctx.single}` and `compression: {asked}` disagree", "leave one of them out")
    return asked or by_name


def write_text(
    ctx: ExportContext,
    line: Callable[[ExportPart], str],
    extension: str,
    *,
    head: bytes | Callable[[ExportPart], bytes] = b"",
    between: bytes = b"",
    tail: bytes = b"",
    compress: Compression = "none",
    render: Callable[[dict[str, Any]], str] | None = None,
    apart: bool = False,
) -> None:
    """One file a part (or shard) of the texts that ``line`` gives as SQL over the part's columns.

    A text brings its own line end, unless ``between`` stands between rows. ``render`` makes the text in Python from the
    SQL's struct: for what SQL cannot say, and for exports that people read. ``apart`` puts each part into a folder of its own.
    """
    meter = Meter(ctx)
    with steady(ctx):
        for part in ctx.parts:
            files = targets(ctx, part, extension + SUFFIXES[compress], apart=apart)
            with batches(ctx.con, part, f"{line(part)} AS line") as rows:
                pieces = _Pieces(rows, between, render)
                for target in files:
                    with _opened(target.path, compress) as out:
                        out.write(head(part) if callable(head) else head)
                        for piece in pieces.take(target.rows, meter):
                            out.write(piece)
                        out.write(tail)
                if pieces.taken != part.rows or pieces.more():
                    raise changed(part, pieces.taken + pieces.left)
    meter.say()


def write_json(ctx: ExportContext, *, array: bool = False, compress: Compression = "none", apart: bool = False) -> None:
    """The parts' columns as JSON objects: a line each, or all in one array."""
    extension, head, between, tail = JSON if array else JSONL
    end = "" if array else " || chr(10)"
    write_text(ctx, lambda p: f"{json_object(p)}{end}", extension, head=head, between=between, tail=tail, compress=compress, apart=apart)


def json_object(part: ExportPart) -> str:
    """SQL for a row as the text of a JSON object."""
    fields = ", ".join(f"{literal(n)}: {quote(n)}" for n in part.schema.names)
    return f"CAST(to_json({{{fields}}}) AS VARCHAR)"


class _Pieces:
    """Runs of bytes that hold a wanted number of rows, out of batches of texts."""

    def __init__(self, batches: Iterator[pa.RecordBatch], between: bytes, render: Callable[[dict[str, Any]], str] | None) -> None:
        self.batches, self.between, self.render = batches, between, render
        self.taken = 0
        self.offsets: memoryview = memoryview(b"")
        self.data: memoryview = memoryview(b"")
        self.at = self.left = 0

    def more(self) -> bool:
        """Load the next batch when this one is used up; False at the end of the rows."""
        import pyarrow as pa

        while self.left == 0:
            batch = next(self.batches, None)
            if batch is None:
                return False
            texts = batch.column(0)
            if self.render is not None:
                texts = pa.array([self.render(row) for row in texts.to_pylist()], pa.string())
            if texts.null_count:
                raise DataError("a row has no text to write")
            wide = pa.types.is_large_string(texts.type)
            _, offsets, data = texts.buffers()
            self.left, self.at = len(texts), texts.offset
            self.offsets = memoryview(offsets).cast("B").cast("q" if wide else "i") if self.left else memoryview(b"")
            self.data = memoryview(data).cast("B") if data is not None else memoryview(b"")
        return True

    def take(self, rows: int, meter: Meter) -> Iterator[Any]:
        """The bytes of the next ``rows`` rows."""
        first = True
        while rows and self.more():
            n = min(rows, self.left)
            start, stop = self.offsets[self.at], self.offsets[self.at + n]
            if self.between:
                yield from self._apart(n, first)
            else:
                yield self.data[start:stop]
            first = False
            self.at, self.left, self.taken, rows = self.at + n, self.left - n, self.taken + n, rows - n
            meter.add(n)

    def _apart(self, n: int, first: bool) -> Iterator[bytes]:
        cuts = self.offsets[self.at : self.at + n + 1].tolist()
        joined = self.between.join(bytes(self.data[a:b]) for a, b in pairwise(cuts))
        yield joined if first else self.between + joined


class _opened:
    """A file to write bytes to, compressed where asked; neither the time nor the file's name goes into it."""

    def __init__(self, path: Path, compress: Compression) -> None:
        self.path, self.compress = path, compress
        self.stack = ExitStack()

    def __enter__(self) -> IO[bytes]:
        plain = self.stack.enter_context(self.path.open("wb"))
        match self.compress:
            case "none":
                return plain
            case "gzip":
                packed = gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=plain, mtime=0)
                return cast(IO[bytes], self.stack.enter_context(packed))
            case "zstd":
                import pyarrow as pa

                return cast(IO[bytes], self.stack.enter_context(pa.CompressedOutputStream(plain, "zstd")))

    def __exit__(self, *error: object) -> None:
        self.stack.close()
