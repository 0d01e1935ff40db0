"""``jsonl``: one JSON value a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from recipec.api import ReadContext, Settings, SourceFile, reader
from recipec.readers._files import FileReader, blocks, sample, sample_files
from recipec.readers._framing import Framer
from recipec.readers._jsonrows import declared_shape, load_records, strict
from recipec.readers._shapes import Shape, infer_shape
from recipec.readers._stream import Frame, checked, progress_of

if TYPE_CHECKING:
    import duckdb


class JsonlParams(Settings):
    path: str | list[str]


@reader("jsonl")
class Jsonl(FileReader):
    """JSON lines: every line is a JSON object, and a row.

    ```recipe
    source chat = jsonl("data/chat-*.jsonl.gz") { columns: { id: int, messages: [{role: text, content: text}] } }
    ```

    ``path`` is a file, a glob or a list of them; ``.gz``, ``.zst``, ``.bz2`` and ``.xz`` are unpacked while reading.
    Objects become structs, lists become lists. A key that a record lacks is null. Lines of blanks are no records, a byte
    order mark is skipped. Lines that hold no objects at all (numbers, texts, lists) make one column ``value``.

    With ``columns`` only those keys are read (of one that comes twice the first), and a value must convert to its type.
    Without, names and types are inferred
    from a sample (as in ``csv``): whole numbers are ``BIGINT``, numbers with fractions ``DOUBLE``, texts always ``VARCHAR``
    (a date in JSON is a text), what is null or empty everywhere in the sample ``VARCHAR``, what has values of several
    kinds ``JSON``, an object of more than 200 keys a ``MAP``. Keys that differ by case only are told apart by a suffix
    (``a``, ``A_1``). The whole is checked while it is loaded: should a record beyond the sample have a key or a value that
    does not fit, the run stops and names it, and nothing is lost or converted in silence.

    Bad rows: a line that is not JSON (RFC 8259, but ``NaN`` and ``Infinity`` are taken for numbers), a line that is not
    an object where others are, without ``columns`` the same key twice, half a surrogate pair, values nested more than 100 levels deep in a
    typed column, a value that does not convert to its declared type, a line longer than 64 MiB.

    Source of the format: RFC 8259 and the convention of jsonlines.org.
    """

    Params = JsonlParams
    lasting = True
    extensions = (".jsonl", ".ndjson")
    columns_from = "sample"
    params: JsonlParams

    @property
    def free_names(self) -> bool:
        return True

    def header(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> dict[str, str]:
        return self._shape(con, files, encoding).types

    def _shape(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> Shape:
        looked_at = sample_files(files)
        texts: list[str] = []
        for file in looked_at:
            pieces, whole = sample(file, encoding, con, len(looked_at))
            for piece in pieces:
                framer = Framer(0, blank="skip blanks")
                frames = [*framer.feed(piece), *(framer.finish() if whole else ())]
                texts.extend(t for f in checked(frames, encoding) if f.why is None for t in f.text.decode().split(f.rs.decode()))
        return infer_shape(con, texts)

    def load(self, ctx: ReadContext) -> None:
        shape = declared_shape(ctx.con, ctx.columns, lambda: self._shape(ctx.con, ctx.looked_at, ctx.encoding))
        told = progress_of(ctx)

        def frames() -> Iterator[Frame]:
            for index, file in enumerate(ctx.files):
                framer = Framer(index, blank="skip blanks")
                for block in blocks(file, ctx.encoding, told(index)):
                    yield from framer.feed(block)
                yield from framer.finish()

        load_records(ctx, strict(frames()), shape)
