"""What every format shares: rows as Arrow batches, columns made anew, file names and shards, progress.

A part's query may yield ``_key`` beside the columns of its schema: it is not written then, but names the rows that are
refused. While rows are being read the connection can answer nothing else, so ``progress`` must not query it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.api import KEY, Column, DataError, ExportContext, ExportPart, Schema, quote
from recipec.engines.order import ordered, source, yields_key
from recipec.formats._types import parse

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

BATCH = 1000
"""Rows in a batch. Small, so that a batch of long documents stays far below Arrow's 2 GB of text in one array."""


# Rows -----------------------------------------------------------------------------------------------------------------


@contextmanager
def steady(ctx: ExportContext) -> Iterator[None]:
    """Instants are written in UTC, whatever the time zone of this machine, where a part has any."""
    if not any(t.name == "TIMESTAMP WITH TIME ZONE" for p in ctx.parts for c in p.schema.columns for t in parse(c.type).all()):
        yield
        return
    ((zone,),) = ctx.con.execute("SELECT current_setting('TimeZone')").fetchall()
    ctx.con.execute("SET TimeZone = 'UTC'")
    try:
        yield
    finally:
        import duckdb

        with suppress(duckdb.Error):  # In a transaction that failed nothing more can be said, and what failed must not be hidden.
            ctx.con.execute(f"SET TimeZone = '{zone}'")


class Rows:
    """The results of queries, one after the other: their Arrow ``schema``, and an iterator over their batches."""

    def __init__(self, con: duckdb.DuckDBPyConnection, queries: Sequence[str]) -> None:
        self.con, self.queries = con, list(queries)
        self.reader = self.open()
        self.schema = self.reader.schema
        self.done = False

    def open(self) -> pa.RecordBatchReader:
        # DuckDB 2 streams nothing while an earlier result of the connection is half read.
        self.con.execute("SELECT 1").fetchall()
        return self.con.sql(self.queries.pop(0)).to_arrow_reader(BATCH)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        while not self.done:
            try:
                return self.reader.read_next_batch()
            except StopIteration:
                self.reader.close()
                self.done = not self.queries
                if not self.done:
                    self.reader = self.open()
            except OSError as error:
                raise _duckdbs(error) from None
        raise StopIteration


def _duckdbs(error: OSError) -> Exception:
    """What DuckDB raised in mid-stream, which Arrow hands on as an OSError with DuckDB's words."""
    import duckdb

    kinds: dict[str, type[duckdb.Error]] = {
        "INTERRUPT": duckdb.InterruptException,
        "Out of Memory": duckdb.OutOfMemoryException,
        "Conversion": duckdb.ConversionException,
        "IO": duckdb.IOException,
    }
    said = str(error)
    return kinds.get(said.partition(" Error: ")[0], duckdb.Error)(said)


@contextmanager
def batches(con: duckdb.DuckDBPyConnection, part: ExportPart, select: str) -> Iterator[Rows]:
    """``select`` over the rows of a part, in order. Errors of DuckDB stay what they are, also in mid-stream."""
    rows = Rows(con, ordered(con, part, select))
    try:
        yield rows
    finally:
        rows.reader.close()


Columns = dict[str, tuple[str, str]]
"""New columns by name: their type, and SQL over the old ones."""


def reshaped(ctx: ExportContext, columns_of: Callable[[Schema], Columns]) -> ExportContext:
    """The same rows with other columns, made from each part's own. ``_key`` and ``_order`` stay where the query has them."""
    parts = []
    for part in ctx.parts:
        columns = columns_of(part.schema)
        schema = Schema(tuple(Column(name, type) for name, (type, _) in columns.items()))
        rows = source(ctx.con, part)
        kept = rows.by or ((KEY,) if yields_key(ctx.con, part) else ())
        made = [f"{sql} AS {quote(name)}" for name, (_, sql) in columns.items()] + [quote(k) for k in kept if k not in columns]
        parts.append(replace(part, query=f"SELECT {', '.join(made)} FROM ({rows.table}) AS __rows{rows.end}", schema=schema))
    return replace(ctx, parts=tuple(parts))


# Files ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """One file to write and the number of rows that go into it."""

    path: Path
    rows: int


def targets(ctx: ExportContext, part: ExportPart, extension: str, *, name: str | None = None, apart: bool = False) -> list[Target]:
    """The files of a part, contiguous runs of rows whose sizes differ by at most one, named as on the Hugging Face Hub.

    ``train.parquet``, or ``train-00000-of-00004.parquet`` and so on for four shards. ``name`` instead of the part's;
    ``apart``: in a folder of the part's name.
    """
    if len(ctx.parts) > 1 and ctx.single is not None:
        names = ", ".join(f"`{p.name}`" for p in ctx.parts)
        raise DataError(f"`{ctx.single}` is one file, and there are {len(ctx.parts)} parts: {names}", "let `to:` name a folder")
    folded = [p.name.casefold() for p in ctx.parts]
    if len(set(folded)) < len(folded):
        twice = next(p.name for p in ctx.parts if folded.count(p.name.casefold()) > 1)
        raise DataError(f"two parts are called `{twice}` and would write the same file", "export them to two folders")
    stem = part.name if name is None else name
    if ctx.single is not None:
        stem = ctx.single.removesuffix(extension)
        if stem == ctx.single:
            stem, extension = Path(ctx.single).stem, Path(ctx.single).suffix
    if not stem or stem.startswith(".") or re.search(r'[\x00-\x1f/\\:*?"<>|]', stem):
        raise DataError(f"`{stem}` cannot be the name of a file", "rename the step or the part")
    folder = ctx.folder / stem if apart else ctx.folder
    folder.mkdir(parents=True, exist_ok=True)
    n = max(1, ctx.shards)
    if n == 1:
        return [Target(folder / f"{stem}{extension}", part.rows)]
    if ctx.shard is not None:
        return [Target(folder / f"{stem}-{ctx.shard:05d}-of-{n:05d}{extension}", part.rows)]
    each, more = divmod(part.rows, n)
    return [Target(folder / f"{stem}-{i:05d}-of-{n:05d}{extension}", each + (i < more)) for i in range(n)]


def needs_folder(ctx: ExportContext, format: str, why: str) -> None:
    """For formats that write more than one file."""
    if ctx.single is not None:
        raise DataError(f"{format}() writes {why}, and `to:` names one file", f'name a folder: to: "{Path(ctx.single).stem}"')


@dataclass
class Meter:
    """Says how many rows of all parts are written; called often, speaks up seldom."""

    ctx: ExportContext
    done: int = 0
    said: int = field(default=0, repr=False)

    def add(self, rows: int) -> None:
        self.done += rows
        if self.done - self.said >= 10 * BATCH:
            self.say()

    def say(self) -> None:
        self.said = self.done
        self.ctx.progress(self.done, sum(p.rows for p in self.ctx.parts))


def changed(part: ExportPart, rows: int) -> DataError:
    return DataError(f"`{part.name}` has {rows:,} rows now and had {part.rows:,} when the export began", "run it again")
