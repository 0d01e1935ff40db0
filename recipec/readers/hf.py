"""``hf``: a Hugging Face data set, of the hub or on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import DataError, ReadContext, Reader, Settings, SourceFile, model_validator, quote, reader
from recipec.mirror._address import secret_in
from recipec.readers._files import FileReader, expand, unreadable
from recipec.readers._hf import format_of, saved_types, splits_of
from recipec.readers._stream import load_batches, progress_of, set_aside, type_name, typed
from recipec.registry import find

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from recipec.mirror._base import Mirror


class HfParams(Settings):
    path: str
    split: str = ""
    config: str = ""
    revision: str = ""

    @model_validator(mode="after")
    def secret(self) -> HfParams:
        if (found := secret_in(self.path)) is not None:
            raise ValueError(": ".join(found))
        return self


@reader("hf")
class Hf(FileReader):
    """A data set of the Hugging Face hub by its name, or one in a local folder: downloaded from the hub, or written by ``save_to_disk``.

    ```recipe
    source train = hf("data/emotion", split: "train")
    ```

    ``path`` is a folder, or else a data set's name on the hub: ``hf("dair-ai/emotion", split: "train", revision: "main")``. From there only the
    files of the wanted splits are copied into the workspace, again only when they changed; ``revision`` is a branch, tag or commit
    (``main``), and the lock pins the commit that it was: ``run --locked`` reads that one. ``HF_ENDPOINT``, ``HF_TOKEN`` and ``HF_HUB_OFFLINE``
    mean what they mean to ``huggingface_hub``. Other readers take ``hf://datasets/owner/name@revision/path/*.csv``.

    ``split`` names the split to read, or several (``"train+test"``); it may be left out where there
    is only one. ``config`` names the configuration of a card that has several. The data are Parquet, JSON (lines), CSV or
    TSV files, each read as by the reader of that name, or the Arrow files of a saved dataset in a local folder. Splits are those that the card
    lists, else those in the names of files and folders (``data/train-00000-of-00004.parquet``, ``test.csv``, ``dev/``), else
    everything is ``train``. Class labels are read as the numbers that are stored.

    The hub was tried as a server of this machine that answers as the hub's documentation says, not the one at huggingface.co.

    Bad rows: as with the reader for the files' format.

    Source of the format: the Hub's documentation, "Structure your repository" and "Manual configuration", and the files that
    ``datasets`` writes.
    """

    Params = HfParams
    archives = ""
    params: HfParams

    def places(self) -> Sequence[str | Mirror]:
        from recipec.mirror.hub import NAME, HubMirror

        path = self.params.path
        if path.startswith("hf://"):
            address = path
        elif re.fullmatch(NAME, path) and not (self.folder / path).exists() and not path.startswith("."):
            address = f"hf://datasets/{path}"
        else:
            return [path]
        return [HubMirror(address, revision=self.params.revision, split=self.params.split, config=self.params.config)]

    def find(self, folder: Path) -> tuple[SourceFile, ...]:
        path = self.params.path
        if not (folder / path).exists() and re.fullmatch(r"[\w.-]+(/[\w.-]+)?", path):
            raise DataError(
                f"no folder `{path}` on this machine",
                f"download it first: hf download {path} --repo-type dataset --local-dir data/{path.rpartition('/')[2]}",
            )
        return self._data_files(expand([path], folder))

    def header(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> dict[str, str]:
        files = self._data_files(files)
        if not files:
            return {}
        kind = self._kind(files)
        if kind == "arrow":
            return {n: type_name(con, t) for n, t in saved_types(tuple(f.path for f in files), files[0].name).items()}
        return self._reader(kind, files).header(con, files, encoding)

    def load(self, ctx: ReadContext) -> None:
        files = self._data_files(ctx.files)
        ctx = replace(ctx, files=files)
        kind = self._kind(files)
        if kind == "arrow":
            self._load_arrow(ctx)
        else:
            self._reader(kind, files).load(ctx)

    @staticmethod
    def _reader(kind: str, files: Sequence[SourceFile]) -> Reader:
        cls: Any = find("reader", kind)
        made: Reader = cls(cls.Params(path=[f.name for f in files]))
        return made

    @staticmethod
    def _kind(files: Sequence[SourceFile]) -> str:
        kinds = {format_of(f.path) or f.path.suffix for f in files}
        if len(kinds) > 1:
            raise DataError(
                f"the split has files of several formats: {', '.join(sorted(kinds))}",
                "name the files themselves: parquet(...), jsonl(...), csv(...)",
            )
        return kinds.pop() if kinds else "parquet"

    def _data_files(self, files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
        """The wanted splits' files, where ``files`` is the folder; else ``files``, which are then theirs already."""
        if len(files) != 1 or not files[0].path.is_dir():
            return tuple(files)
        root = files[0]
        try:
            wanted = splits_of(root.path, root.name, self.params.config, self.params.split)
        except OSError as error:
            raise unreadable(root, error) from None
        found: list[SourceFile] = []
        for path in wanted:
            inside = Path(os.path.relpath(path, root.path)).as_posix()
            found.append(SourceFile(path, f"{root.name.rstrip('/')}/{inside}"))
        return tuple(found)

    def _load_arrow(self, ctx: ReadContext) -> None:
        """The batches of saved datasets, which lie in files as they lie in memory."""
        import duckdb
        import pyarrow as pa

        types = {n: type_name(ctx.con, t) for n, t in saved_types(tuple(f.path for f in ctx.files), ctx.files[0].name).items()}
        given = {n: (f"CAST({quote(n)} AS {t})", t) for n, t in types.items()}
        made = typed(given, ctx.columns, f"`{ctx.files[0].name}`")
        schema = self._schema(ctx.files[0])
        whole = pa.schema([("_file", pa.string()), ("_row", pa.int64()), *(f.with_type(_readable(f.type)) for f in schema)])
        row = f"to_json({{{', '.join(f'{_key(n)}: {quote(n)}' for n in types)}}})"
        text = f"CASE WHEN {made.why} IS NOT NULL THEN {row} END"
        select = f"SELECT _file, _row, {made.columns}, {made.why} AS _why, {text} AS _text FROM "
        try:
            load_batches(ctx, whole, self._batches(ctx, whole, schema), lambda source: select + source)
        except duckdb.NotImplementedException as error:
            hint = "save it as Parquet: dataset.to_parquet(...)"
            raise DataError(f"`{ctx.files[0].name}` has a column of a type that is not read: {error}", hint) from None
        set_aside(ctx)

    @staticmethod
    def _schema(file: SourceFile) -> pa.Schema:
        with _open(file) as stream:
            return stream.schema

    @staticmethod
    def _batches(ctx: ReadContext, whole: pa.Schema, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        told = progress_of(ctx)
        for index, file in enumerate(ctx.files):
            row = 0
            with _open(file) as stream:
                if not stream.schema.equals(schema):
                    raise DataError(f"`{file.name}` has other columns than `{ctx.files[0].name}`", "save the dataset again")
                try:
                    for batch in stream:
                        names = pa.array([file.name] * batch.num_rows, pa.string())
                        numbers = pa.array(range(row + 1, row + batch.num_rows + 1), pa.int64())
                        row += batch.num_rows
                        columns = [c if c.type == t else c.cast(t) for c, t in zip(batch.columns, whole.types[2:], strict=True)]
                        yield pa.record_batch([names, numbers, *columns], schema=whole)
                except (pa.ArrowInvalid, OSError) as error:
                    raise DataError(f"`{file.name}` is a damaged Arrow file: {error}", "save or copy the dataset again") from None
            told(index)(file.path.stat().st_size)


def _key(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _readable(type: pa.DataType) -> pa.DataType:
    """DuckDB has no 16-bit floats."""
    import pyarrow as pa

    if pa.types.is_float16(type):
        return pa.float32()
    if pa.types.is_struct(type):
        return pa.struct([f.with_type(_readable(f.type)) for f in type])
    if pa.types.is_list(type) or pa.types.is_large_list(type):
        make = pa.list_ if pa.types.is_list(type) else pa.large_list
        return make(type.value_field.with_type(_readable(type.value_type)))
    return type


def _open(file: SourceFile) -> pa.ipc.RecordBatchStreamReader:
    import pyarrow as pa

    try:
        return pa.ipc.open_stream(pa.OSFile(str(file.path)))
    except pa.ArrowInvalid as error:
        raise DataError(f"`{file.name}` is no Arrow stream: {error}", "save or copy the dataset again") from None
    except OSError as error:
        raise unreadable(file, error) from None
