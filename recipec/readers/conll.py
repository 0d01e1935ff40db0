"""``conll``: one token a line, sentences parted by empty lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recipec.api import DataError, ReadContext, Settings, SourceFile, Word, reader
from recipec.readers._files import MAX_RECORD, MAX_SHOWN, FileReader, blocks, shown
from recipec.readers._framing import Framer
from recipec.readers._stream import Frame, checked, load_batches, progress_of, set_aside, typed, unique_names
from recipec.settings import Field

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

BATCH = 20_000
"""Sentences handed to DuckDB at a time."""


class ConllParams(Settings):
    path: str | list[str]
    columns: tuple[Word, ...] = (Word("tokens"), Word("tags"))
    separator: str = Field(default="\t", min_length=1)


@reader("conll")
class Conll(FileReader):
    """Tokens with tags in columns, a token a line: each sentence is a row, each column a list.

    ```recipe
    source news = conll("data/train.conll", columns: [tokens, tags])
    ```

    ``path`` is a file, a glob or a list of them; ``.gz``, ``.zst``, ``.bz2`` and ``.xz`` are unpacked while reading.
    ``columns`` names the fields of a line in order; ``_`` stands for one that is not wanted, so ``[tokens, _, _, tags]``
    reads CoNLL-2003. ``separator`` parts the fields; ``" "`` stands for any number of blanks. Empty lines, and lines of
    mere blanks and tabs, part sentences. A line of ``-DOCSTART-`` is no sentence, and neither is a comment: a line that
    begins with ``#`` and has another number of fields than a token's line, for ``#`` is a token too.

    Bad rows: a sentence with a line that has too many or too few fields, or that is not the declared encoding (the whole
    sentence is set aside); a sentence longer than 64 MiB.

    Source of the format: the CoNLL shared tasks (2003 for ``-DOCSTART-``); comments as in CoNLL-U.
    """

    Params = ConllParams
    extensions = (".conll", ".bio", ".iob")
    columns_from = "settings"
    params: ConllParams

    @property
    def names(self) -> list[str]:
        """The columns of the table."""
        names = [str(n) for n in self.params.columns if n != "_"]
        if unique_names(names) != names or not names:
            raise DataError(
                f"`columns` of conll must be different names: {', '.join(self.params.columns)}", "for example columns: [tokens, tags]"
            )
        return names

    def header(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> dict[str, str]:
        return dict.fromkeys(self.names, "VARCHAR[]")

    def load(self, ctx: ReadContext) -> None:
        import pyarrow as pa

        names = self.names
        lists = [(f"c{i}", pa.list_(pa.string())) for i in range(len(names))]
        schema = pa.schema([("file", pa.string()), ("row", pa.int64()), *lists, ("why", pa.string()), ("text", pa.string())])
        made = typed({n: (f"c{i}", "VARCHAR[]") for i, n in enumerate(names)}, ctx.columns, "the sentences")
        why = f"CASE WHEN why IS NOT NULL THEN why ELSE {made.why} END"
        tokens = f"list_zip({', '.join(f'c{i}' for i in range(len(names)))})"
        line = " || chr(9) || ".join(f"x[{i + 1}]" for i in range(len(names)))
        written = f"array_to_string(list_transform({tokens}, lambda x: {line}), chr(10))"
        text = f"CASE WHEN why IS NOT NULL THEN text WHEN ({made.why}) IS NOT NULL THEN {written} END"
        select = f"SELECT file AS _file, row AS _row, {made.columns}, {why} AS _why, {text} AS _text FROM "
        load_batches(ctx, schema, self._batches(ctx, schema), lambda source: select + source)
        set_aside(ctx)

    def _batches(self, ctx: ReadContext, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        told = progress_of(ctx)
        rows: list[tuple[object, ...]] = []

        def batch() -> pa.RecordBatch:
            return pa.record_batch([pa.array(c, t.type) for c, t in zip(zip(*rows, strict=True), schema, strict=True)], schema=schema)

        for index, file in enumerate(ctx.files):
            framer = Framer(index, blank="record")
            sentences = Sentences(file.name, self.params.columns, self.params.separator)

            def frames(framer: Framer = framer, index: int = index, file: SourceFile = file) -> Iterator[Frame]:
                for block in blocks(file, ctx.encoding, told(index)):
                    yield from framer.feed(block)
                yield from framer.finish()

            for frame in checked(frames(), ctx.encoding):
                rows.extend(sentences.take(frame))
                if len(rows) >= BATCH:
                    yield batch()
                    rows = []
            rows.extend(sentences.end())
        if rows:
            yield batch()


@dataclass
class Sentences:
    """Collects lines to sentences, each ``(file, row, list, ..., why, text)``."""

    file: str
    columns: Sequence[str]
    separator: str

    row: int = 0
    lines: list[str] = field(default_factory=list)
    fields: list[list[str]] = field(default_factory=list)
    wrong: str | None = None
    size: int = 0

    def take(self, frame: Frame) -> Iterator[tuple[object, ...]]:
        if frame.why is not None:
            self.wrong = self.wrong or frame.why
            self.lines.append(shown(frame.text))
            return
        width = len(self.columns)
        blanks = self.separator == " "
        for line in frame.text.decode().split("\n"):
            if not line.strip(" \t\r"):
                yield from self.end()
                continue
            parts = line.split() if blanks else line.split(self.separator)
            if len(parts) == width:
                if parts[0] != "-DOCSTART-":
                    self.fields.append(parts)
                    self._keep(line)
            elif line.startswith("#") or line.startswith("-DOCSTART-"):
                if self.fields and line.startswith("-"):
                    yield from self.end()
            else:
                self.wrong = (
                    self.wrong or f"line {len(self.lines) + 1}: {len(parts)} field{'s' * (len(parts) != 1)} where {width} are named"
                )
                self._keep(line)

    def _keep(self, line: str) -> None:
        self.size += len(line)
        if self.size > MAX_RECORD:
            self.wrong, self.fields = f"longer than {MAX_RECORD >> 20} MiB", []
            if self.size > MAX_RECORD + MAX_SHOWN:
                return
        self.lines.append(line)

    def end(self) -> Iterator[tuple[object, ...]]:
        """The sentence, if there is one."""
        if self.lines:
            self.row += 1
            wanted = [i for i, name in enumerate(self.columns) if name != "_"]
            if self.wrong is None:
                yield (self.file, self.row, *([f[i] for f in self.fields] for i in wanted), None, None)
            else:
                yield (self.file, self.row, *(None for _ in wanted), self.wrong, "\n".join(self.lines)[:MAX_RECORD])
        self.lines, self.fields, self.wrong, self.size = [], [], None, 0
