"""``lines``: one row a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from recipec.api import ReadContext, Settings, SourceFile, reader
from recipec.readers._files import FileReader, blocks
from recipec.readers._framing import Framer
from recipec.readers._stream import Frame, load_frames, progress_of, records, set_aside, typed

if TYPE_CHECKING:
    import duckdb


class LinesParams(Settings):
    path: str | list[str]


@reader("lines")
class Lines(FileReader):
    """One row a line of text, in the column ``line``.

    ```recipe
    source people = lines("data/people.txt")
    ```

    ``path`` is a file, a glob or a list of them; ``.gz``, ``.zst``, ``.bz2`` and ``.xz`` are unpacked while reading.
    Lines end in LF or CRLF (CR in a file that has no LF at all), and the line end is not part of the line. An empty line
    is a row with an empty text, so that ``_row`` is the line's number; the end of the last line may be missing. A byte
    order mark is skipped. Characters that some programs take for line ends (form feed, U+2028, ...) are kept.

    Bad rows: bytes that are not the declared encoding, a line longer than 64 MiB.
    """

    Params = LinesParams
    extensions = (".txt", ".lst")
    columns_from = "settings"
    params: LinesParams

    def header(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> dict[str, str]:
        return {"line": "VARCHAR"}

    def load(self, ctx: ReadContext) -> None:
        told = progress_of(ctx)

        def frames() -> Iterator[Frame]:
            for index, file in enumerate(ctx.files):
                framer = Framer(index, blank="record")
                for block in blocks(file, ctx.encoding, told(index)):
                    yield from framer.feed(block)
                yield from framer.finish()

        made = typed({"line": ("r", "VARCHAR")}, ctx.columns, "a file of lines")
        why = f"CASE WHEN why IS NOT NULL THEN why ELSE {made.why} END"
        text = f"CASE WHEN {why} IS NOT NULL THEN r END"
        select = f"SELECT _file, _row, {made.columns}, {why} AS _why, {text} AS _text FROM "
        load_frames(ctx, frames(), lambda source: f"{select} ({records(source, ctx.files)})")
        set_aside(ctx)
