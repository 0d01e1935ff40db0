"""Files read whole, one row a file: the base of ``files``, ``markdown`` and ``html``."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from recipec.api import DataError, ReadContext, SourceFile, quote
from recipec.readers._archives import Damaged, Member
from recipec.readers._files import BLOCK, COMPRESSED, MAGIC, MAX_RECORD, MAX_SHOWN, FileReader, Input, shown, to_utf8
from recipec.readers._stream import load_batches, set_aside, typed

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

BATCH = 4 << 20
"""Bytes of text handed to DuckDB at a time."""


class WholeFileReader(FileReader):
    """``columns`` are the columns, all text, the first of them ``path``; :meth:`parts` gives the others' values."""

    by_database = False
    columns_from = "settings"
    columns: ClassVar[tuple[str, ...]]

    def header(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> dict[str, str]:
        return dict.fromkeys(self.columns, "VARCHAR")

    @abstractmethod
    def parts(self, file: SourceFile, text: str) -> Sequence[str | None]: ...

    def encoding_of(self, raw: bytes, encoding: str) -> str:
        """The encoding of a file's bytes, when the recipe says ``encoding``."""
        return encoding

    def load(self, ctx: ReadContext) -> None:
        import pyarrow as pa

        names = [*self.columns, "why"]
        schema = pa.schema([("file", pa.string()), *((n, pa.string()) for n in names)])
        made = typed({n: (quote(n), "VARCHAR") for n in self.columns}, ctx.columns, "files read whole")
        why = f"CASE WHEN why IS NOT NULL THEN why ELSE {made.why} END"
        text = f"CASE WHEN {why} IS NOT NULL THEN {quote(self.columns[-1])} END"
        select = f"SELECT file AS _file, 1::BIGINT AS _row, {made.columns}, {why} AS _why, {text} AS _text FROM "
        load_batches(ctx, schema, self._batches(ctx, schema), lambda source: select + source)
        set_aside(ctx)

    def _batches(self, ctx: ReadContext, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        told = counted(ctx)
        rows: list[tuple[str | None, ...]] = []
        size = 0
        for index, file in enumerate(ctx.files):
            try:
                raw, too_long = self._read(file)
                rows.append(self._row(file, raw, too_long, ctx.encoding))
                size += len(raw)
            except Damaged as error:  # this file is one row, and the others can be read
                rows.append(self._bad(file, "", reason(file, error)))
            told(index)
            if size >= BATCH or len(rows) == 1000:
                yield pa.record_batch([pa.array(c, pa.string()) for c in zip(*rows, strict=True)], schema=schema)
                rows, size = [], 0
        if rows:
            yield pa.record_batch([pa.array(c, pa.string()) for c in zip(*rows, strict=True)], schema=schema)

    def _row(self, file: SourceFile, raw: bytes, too_long: bool, encoding: str) -> tuple[str | None, ...]:
        if too_long:
            return self._bad(file, shown(raw[:MAX_SHOWN]), f"longer than {MAX_RECORD >> 20} MiB")
        encoding = self.encoding_of(raw, encoding)
        utf8 = b"".join(to_utf8(iter([raw]), file, encoding)) if raw else b""
        try:
            text = utf8.decode()
        except UnicodeDecodeError:
            return self._bad(file, shown(utf8), f"not valid {encoding}")
        return (file.name, file.name, *self.parts(file, text), None)

    def _bad(self, file: SourceFile, text: str, why: str) -> tuple[str | None, ...]:
        return (file.name, file.name, *(None,) * (len(self.columns) - 2), text, why)

    @staticmethod
    def _read(file: SourceFile) -> tuple[bytes, bool]:
        """The file's bytes, or the start of one that is too long."""
        if (short := small(file)) is not None:
            return short, False
        with Input(file) as source:
            parts = []
            size = 0
            while (piece := source.read(BLOCK)) and size <= MAX_RECORD:
                parts.append(piece)
                size += len(piece)
        return b"".join(parts), size > MAX_RECORD


PLAIN = 1 << 16
"""Bytes of a file that is read with as few calls as can be: of a million small ones each call counts."""


def small(file: SourceFile, magic: bool = True) -> bytes | None:
    """The bytes of a short file that is not compressed; None for any other, and for one that cannot be read."""
    if isinstance(file, Member) or file.path.suffix.lower() in COMPRESSED:
        return None
    try:
        handle = os.open(file.path, os.O_RDONLY)
        try:
            data = os.read(handle, PLAIN)
        finally:
            os.close(handle)
    except OSError:
        return None
    return None if len(data) >= min(PLAIN, MAX_RECORD + 1) or (magic and data.startswith(MAGIC)) else data


def counted(ctx: ReadContext) -> Callable[[int], None]:
    """To be told after a file which it was: progress by files, of which there may be too many to ask each for its size."""
    total = len(ctx.files)
    every = max(total // 1000, 1)

    def told(index: int) -> None:
        if index % every == 0 or index + 1 == total:
            ctx.progress(index + 1, total)

    return told


def reason(file: SourceFile, error: DataError) -> str:
    """Why a file is a bad row: its place says already which it is."""
    return error.message.removeprefix(f"`{file.name}` ")
