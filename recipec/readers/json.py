"""``json``: documents of JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from recipec.api import DataError, ReadContext, Settings, SourceFile, reader
from recipec.readers._files import BLOCK, MAX_SHOWN, SAMPLE_WHOLE, FileReader, Input, blocks, sample_files, sample_input, size_of, to_utf8
from recipec.readers._jsonrows import declared_shape, load_records, strict
from recipec.readers._jsonscan import Scanner
from recipec.readers._shapes import Shape, infer_shape
from recipec.readers._stream import Frame, checked, progress_of
from recipec.readers._whole import reason

if TYPE_CHECKING:
    import duckdb

SMALL = 1 << 20
"""Bytes of a file that is one row where it cannot be read, if there are others."""
FARTHEST = 64 << 20
"""How far into a file names and types are looked for, in bytes, when the records do not begin at once."""


class JsonParams(Settings):
    path: str | list[str]
    at: str = ""


@reader("json")
class Json(FileReader):
    """JSON documents: a list of objects, or one object, or what stands at a path inside.

    ```recipe
    source passages = json("data/squad.json", at: "data.paragraphs") { key: context }
    ```

    ``path`` is a file, a glob or a list of them; ``.gz``, ``.zst``, ``.bz2`` and ``.xz`` are unpacked while reading. Each
    element of the list at the top is a row; a document that is no list is one row; documents may follow each other, so
    JSON lines can be read too. ``at`` names the keys that lead to the rows, joined by dots; a list on the way is gone
    through, so ``data.paragraphs`` takes the paragraphs of all articles. (To keep what is around them, read the outer
    list and ``explode`` it.) Documents are read piece by piece: they may be larger than the memory.

    Names and types, declared or inferred, are as in ``jsonl``, with a sample of the first MiB of each file.

    Bad rows: as in ``jsonl``, each for one element. A fault on the way to them, where no row can be blamed, and a
    document that ends in the middle stop the run; but where there are several files, one of up to a MiB with such a fault is one
    bad row, and the others are read.

    Source of the format: RFC 8259.
    """

    Params = JsonParams
    lasting = True
    extensions = (".json",)
    columns_from = "sample"
    params: JsonParams

    @property
    def free_names(self) -> bool:
        return True

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self.params.at.split(".")) if self.params.at else ()

    def header(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> dict[str, str]:
        return self._shape(con, files, encoding).types

    def _shape(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> Shape:
        looked_at = sample_files(files)
        texts: list[str] = []
        wrong: list[DataError] = []
        for file in looked_at:
            try:
                found = self._sampled(con, file, encoding, SAMPLE_WHOLE // len(looked_at))
                texts.extend(found or self._sampled(con, file, encoding, FARTHEST))
            except DataError as error:
                wrong.append(error)
        if wrong and not texts:
            raise wrong[0]
        return infer_shape(con, texts)

    def _sampled(self, con: duckdb.DuckDBPyConnection, file: SourceFile, encoding: str, limit: int) -> list[str]:
        """The records that lie whole in the first ``limit`` bytes, or the first thousand."""
        with sample_input(file, encoding, con) as source:
            start = source.read(limit)
            whole = not source.read(1)
        pieces = (start[i : i + BLOCK] for i in range(0, len(start), BLOCK))
        texts: list[str] = []
        for frame in checked(Scanner(file, 0, to_utf8(pieces, file, encoding), self.keys, whole).frames(), encoding):
            if frame.why is None:
                texts.extend(frame.text.decode().split(frame.rs.decode()))
            if limit == FARTHEST and len(texts) >= 1000:
                break
        return texts

    def load(self, ctx: ReadContext) -> None:
        shape = declared_shape(ctx.con, ctx.columns, lambda: self._shape(ctx.con, ctx.looked_at, ctx.encoding))
        told = progress_of(ctx)

        def frames(index: int, file: SourceFile) -> Iterator[Frame]:
            found = Scanner(file, index, blocks(file, ctx.encoding, told(index)), self.keys).frames()
            if (len(ctx.files) == 1 and not ctx.among) or size_of(file) > SMALL:
                return found
            try:
                return iter(list(found))
            except DataError as error:
                return iter([Frame(index, 0, started(file), why=reason(file, error))])

        load_records(ctx, strict(chain.from_iterable(frames(i, f) for i, f in enumerate(ctx.files))), shape)


def started(file: SourceFile) -> bytes:
    """How a file begins, to be shown; nothing where not even that can be read."""
    try:
        with Input(file) as source:
            return source.read(MAX_SHOWN)
    except DataError:
        return b""
