"""Files that are read whole and give any number of rows: the base of the readers of documents.

A subclass says its ``columns`` and yields, for each file's bytes, a tuple of values for every row and a :class:`Bad` for what
cannot be read. The place of a row is its number among what its file yielded.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from recipec.api import ReadContext, SourceFile, quote
from recipec.readers._archives import Damaged
from recipec.readers._files import BLOCK, MAX_RECORD, MAX_SHOWN, FileReader, Input, shown, to_utf8
from recipec.readers._stream import load_batches, set_aside, typed
from recipec.readers._whole import BATCH, counted, reason, small

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MESSAGES = 'STRUCT("role" VARCHAR, "content" VARCHAR)[]'
"""What ``format: messages()`` takes."""
ROWS = 1_000
"""Rows handed to DuckDB at a time."""
LARGEST = 512 << 20
"""The largest file that is read whole into memory where its text is only a part of it (PDF, DOCX, EPUB), in bytes."""


@dataclass(frozen=True, slots=True)
class Bad:
    """What is kept aside: why, and the text as far as there is one."""

    why: str
    text: str = ""


Row = Sequence[Any]


class DocumentReader(FileReader):
    """``columns`` maps names to DuckDB types, ``limit`` is the most bytes of a file."""

    by_database = False
    columns_from = "settings"
    columns: ClassVar[Mapping[str, str]]
    limit: ClassVar[int] = MAX_RECORD

    def header(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> dict[str, str]:
        return dict(self.columns_of(None))

    def columns_of(self, declared: Mapping[str, str] | None) -> Mapping[str, str]:
        """The columns of rows, where ``declared`` are wanted."""
        return self.columns

    def given(self, declared: Mapping[str, str] | None) -> dict[str, tuple[str, str]]:
        """For each column its SQL and type, before it is brought to the declared one."""
        return {n: (quote(n), t) for n, t in self.columns_of(declared).items()}

    @abstractmethod
    def rows(self, file: SourceFile, raw: bytes, ctx: ReadContext) -> Iterator[Row | Bad]:
        """The rows of a file with these bytes, values in the order of :meth:`columns_of`."""

    def load(self, ctx: ReadContext) -> None:
        import pyarrow as pa

        columns = self.columns_of(ctx.columns)
        fields = [("_file", pa.string()), ("_row", pa.int64()), *((n, arrow_type(t)) for n, t in columns.items())]
        schema = pa.schema([*fields, ("_why", pa.string()), ("_text", pa.string())])
        made = typed(self.given(ctx.columns), ctx.columns, f"what {self.name}() reads")
        listed = f"{made.columns}, " if made.columns else ""
        last = next((quote(n) for n, t in reversed(list(columns.items())) if t == "VARCHAR"), "NULL")
        select = (
            f"SELECT _file, _row, {listed}coalesce(_why, {made.why}) AS _why, "
            f"CASE WHEN _why IS NOT NULL THEN _text WHEN {made.why} IS NOT NULL THEN {last} END AS _text FROM "
        )
        load_batches(ctx, schema, self._batches(ctx, schema), lambda source: select + source)
        set_aside(ctx)

    def _batches(self, ctx: ReadContext, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        width = len(schema) - 4
        held: list[tuple[Any, ...]] = []
        size = 0

        def batch() -> pa.RecordBatch:
            columns = zip(*held, strict=True)
            return pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)

        for name, number, row in self._numbered(ctx):
            if isinstance(row, Bad):
                held.append((name, number, *[None] * width, row.why, row.text))
                size += len(row.text)
            elif (broken := next((v for v in row if isinstance(v, str) and not whole(v)), None)) is not None:
                held.append((name, number, *[None] * width, "half a surrogate pair", broken.encode("utf-8", "replace").decode()))
            else:
                held.append((name, number, *row, None, None))
                size += sum(len(v) for v in row if isinstance(v, str))
            if len(held) >= ROWS or size >= BATCH:
                yield batch()
                held, size = [], 0
        if held:
            yield batch()

    def _numbered(self, ctx: ReadContext) -> Iterator[tuple[str, int, Row | Bad]]:
        told = counted(ctx)
        for index, file in enumerate(ctx.files):
            for number, row in enumerate(self.file_rows(file, ctx), 1):
                yield file.name, number, row
            told(index)

    def file_rows(self, file: SourceFile, ctx: ReadContext) -> Iterator[Row | Bad]:
        """All that a file gives."""
        try:
            raw = self.bytes_of(file)
        except Damaged as error:  # the other files can be read
            yield Bad(reason(file, error))
            return
        if isinstance(raw, Bad):
            yield raw
        else:
            yield from self.rows(file, raw, ctx)

    def bytes_of(self, file: SourceFile) -> bytes | Bad:
        if (short := small(file, magic=False)) is not None and len(short) <= self.limit:
            return short
        parts = []
        size = 0
        with Input(file, magic=False) as source:
            while piece := source.read(BLOCK):
                parts.append(piece)
                size += len(piece)
                if size > self.limit:
                    return Bad(f"longer than {self.limit >> 20} MiB", shown(parts[0][:MAX_SHOWN]) if self.limit == MAX_RECORD else "")
        return b"".join(parts)


def decoded(raw: bytes, file: SourceFile, encoding: str) -> str | Bad:
    """A file's bytes as text, without a byte order mark; UTF-16 or UTF-32 where the mark says so. Raises DataError for an encoding that does not exist."""
    if raw.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        encoding = "utf-32"
    elif raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    utf8 = b"".join(to_utf8(iter([raw]), file, encoding)) if raw else b""
    try:
        return utf8.decode()
    except UnicodeDecodeError:
        return Bad(f"not valid {encoding}{_hint(raw, encoding)}", shown(utf8[:MAX_SHOWN]))


def _hint(raw: bytes, encoding: str) -> str:
    """Chinese that is not in UTF-8 is GB 18030 more often than not; said only where all of it decodes to what people write."""
    if encoding != "utf-8":
        return ""
    try:
        text = raw.decode("gb18030")
    except UnicodeDecodeError:
        return ""
    wide = [c for c in text if c > "\x7f"]
    chinese = sum("\u3000" <= c <= "\u9fff" or "\uff00" <= c <= "\uffef" for c in wide)
    return '; it can be read as gb18030 (encoding: "gb18030")' if wide and chinese == len(wide) else ""


def whole(text: str) -> bool:
    """Whether a text has no half of a surrogate pair, which no UTF-8 can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def arrow_type(type: str) -> pa.DataType:
    """The Arrow type for one of the DuckDB types that documents have."""
    import pyarrow as pa

    known = {
        "VARCHAR": pa.string(),
        "BIGINT": pa.int64(),
        "DOUBLE": pa.float64(),
        "BOOLEAN": pa.bool_(),
        "TIMESTAMP": pa.timestamp("us"),
        "VARCHAR[]": pa.list_(pa.string()),
        MESSAGES: pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
    }
    return known[type]
