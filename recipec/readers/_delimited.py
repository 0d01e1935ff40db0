"""Delimited text: names from the header, types from a sample, rows through DuckDB."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recipec.api import DataError, ReadContext, SourceFile, literal, quote
from recipec.readers._files import FileReader, blocks, execute, sample, sample_files, shown
from recipec.readers._framing import Framer, first_record
from recipec.readers._stream import (
    ColumnsDiffer,
    Frame,
    Told,
    TypeConflict,
    checked,
    converted,
    load_frames,
    no_column,
    planned_quickly,
    progress_of,
    records,
    set_aside,
    type_name,
    unconvertible,
    unique_names,
)
from recipec.readers._types import fits, infer, joint

if TYPE_CHECKING:
    import duckdb

Layout = tuple[str, ...]
"""The names of a file's columns, in its order; empty for a file without a record."""


@dataclass(frozen=True)
class Dialect:
    delimiter: bytes
    quote: bytes
    header: bool
    nulls: tuple[str, ...] = ()
    """Texts that stand for no value, beside the empty one."""


class DelimitedReader(FileReader):
    """Base of ``csv`` and ``tsv``."""

    columns_from = "sample"
    lasting = True

    @property
    @abstractmethod
    def dialect(self) -> Dialect: ...

    @property
    def free_names(self) -> bool:
        return not self.dialect.header

    def header(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> dict[str, str]:
        groups = self._groups(con, files, encoding)
        names = next(iter(groups), ())
        found = [dict(zip(layout, self._inferred(con, layout, frames), strict=True)) for layout, frames in groups.items()]
        return {name: joint([types[name] for types in found]) for name in names}

    def header_names(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> Sequence[str]:
        return next(iter(self._groups(con, files, encoding)), ())

    def _groups(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> dict[Layout, list[Frame]]:
        """Samples of the files, by the order of their columns."""
        looked_at = sample_files(files)
        groups: dict[Layout, list[Frame]] = {}
        layouts: dict[SourceFile, Layout] = {}
        for file in looked_at:
            pieces, whole = sample(file, encoding, con, len(looked_at))
            layout = layouts[file] = self._layout(file, iter(pieces[:1]), encoding)
            if layout:
                groups.setdefault(layout, []).extend(self._sampled(pieces, whole, layout, encoding))
        self._same(layouts)
        return groups

    def load(self, ctx: ReadContext) -> None:
        declared = None if self.dialect.header else ctx.columns
        layouts = {file: self._layout(file, blocks(file, ctx.encoding), ctx.encoding, declared) for file in ctx.files}
        if ctx.columns is None:
            self._same({file: self._layout(file, blocks(file, ctx.encoding), ctx.encoding) for file in ctx.among} | layouts)
            types = self.header(ctx.con, ctx.looked_at, ctx.encoding)
        else:
            types = {name: type_name(ctx.con, type) for name, type in ctx.columns.items()}
        columns = [f"{quote(n)} {t}" for n, t in types.items()]
        fixed = ["_file VARCHAR", "_row BIGINT", *columns, "_why VARCHAR", "_text VARCHAR", "_at INTEGER"]
        execute(ctx.con, f"CREATE TEMP TABLE {quote(ctx.table)} ({', '.join(fixed)})")
        groups: dict[Layout, list[int]] = {}
        for index, file in enumerate(ctx.files):
            if layouts[file]:
                groups.setdefault(layouts[file], []).append(index)
        told = progress_of(ctx)
        for names, indexes in groups.items():
            missing = next((n for n in types if n not in names), None)
            if missing is not None:
                raise no_column(missing, names, f"`{ctx.files[indexes[0]].name}`")
            frames = self._frames(ctx, indexes, len(names), told)
            query = _query(self.dialect, names, types, ctx.files, inferred=ctx.columns is None)
            with planned_quickly(ctx.con, len(types)):
                load_frames(ctx, frames, query, append=True)
        if ctx.columns is None:
            _raise_conflicts(ctx, list(types))
        set_aside(ctx, "_at")

    def _frames(self, ctx: ReadContext, indexes: Sequence[int], width: int, told: Told) -> Iterator[Frame]:
        for index in indexes:
            framer = self._framer(index, width, header=self.dialect.header)
            for block in blocks(ctx.files[index], ctx.encoding, told(index)):
                yield from framer.feed(block)
            yield from framer.finish()

    def _framer(self, index: int, width: int, *, header: bool) -> Framer:
        return Framer(index, self.dialect.delimiter, self.dialect.quote, width, header)

    def _layout(self, file: SourceFile, texts: Iterator[bytes], encoding: str, declared: Mapping[str, str] | None = None) -> Layout:
        """The first record's fields; without a header those declared, else ``column0`` and so on."""
        first = first_record(texts, self.dialect.delimiter, self.dialect.quote)
        if first is None:
            return ()
        text, record = first
        if not self.dialect.header:
            return tuple(declared) if declared is not None else tuple(f"column{i}" for i in range(len(record.fields)))
        line = shown(text[: record.end])[:200].strip()
        if record.wrong:
            raise DataError(f"the header of `{file.name}` cannot be read: {record.wrong}", f"it is: {line}")
        try:
            names = [(f or b"").decode() for f in record.fields]
        except UnicodeDecodeError:
            hint = 'for example encoding: "gb18030" or "latin-1"'
            raise DataError(f"the header of `{file.name}` is not {encoding}: {line}", hint) from None
        if any("\0" in n for n in names):
            raise DataError(f"the header of `{file.name}` has NUL bytes", 'is it UTF-16 (encoding: "utf-16"), or no text at all?')
        return tuple(unique_names(names))

    @staticmethod
    def _same(layouts: Mapping[SourceFile, Layout]) -> None:
        """Without declared columns all files must have the same ones, in whatever order."""
        filled = [(f, x) for f, x in layouts.items() if x]
        for file, layout in filled[1:]:
            if set(layout) != set(filled[0][1]):
                raise ColumnsDiffer(filled[0][0], file, dict(filled))

    def _sampled(self, pieces: Sequence[bytes], whole: bool, layout: Layout, encoding: str) -> Iterator[Frame]:
        for place, piece in enumerate(pieces):
            framer = self._framer(0, len(layout), header=self.dialect.header and place == 0)
            yield from checked(framer.feed(piece), encoding)
            if whole:
                yield from checked(framer.finish(), encoding)

    def _inferred(self, con: duckdb.DuckDBPyConnection, layout: Layout, frames: Sequence[Frame]) -> list[str]:
        good = [f for f in frames if f.why is None]
        parts = [f"unnest(${i}::VARCHAR[]) AS {part}" for i, part in enumerate(("text", "rs", "fs", "mark"), 1)]
        nulls = f", {', '.join(map(literal, self.dialect.nulls))}" if self.dialect.nulls else ""
        fields = f"list_transform(f, lambda x: CASE WHEN x IN ('', mark{nulls}) THEN NULL ELSE x END)"
        relation = (
            f"(SELECT {fields} AS f FROM (SELECT string_split(r, fs) AS f, mark FROM (SELECT unnest(string_split(text, rs)) AS r, fs, mark "
            f"FROM (SELECT {', '.join(parts)}))) WHERE len(f) = {len(layout)})"
        )
        parameters: list[object] = [[getattr(f, part).decode() for f in good] for part in ("text", "rs", "fs", "mark")]
        return infer(con, relation, len(layout), parameters)


def _value(dialect: Dialect, index: int, type: str) -> str:
    """SQL of a field's text: null where nothing is written, and for all types but text where an empty text is written."""
    field = f"f[{index + 1}]"
    none = " OR ".join([f"{field} = ''", *(f"{field} = {literal(n)}" for n in dialect.nulls)])
    if type == "VARCHAR":
        return f"CASE WHEN {none} THEN NULL WHEN {field} = mark THEN '' ELSE {field} END"
    return f"CASE WHEN {none} OR {field} = mark THEN NULL ELSE {field} END"


def _query(
    dialect: Dialect, names: Layout, types: Mapping[str, str], files: Sequence[SourceFile], *, inferred: bool
) -> Callable[[str], str]:
    """From the name of the stream to the query that gives the table's columns. ``_at`` is the number of the column whose
    value does not fit its type."""
    values, columns, checks = [], [], []
    for i, (name, type) in enumerate(types.items()):
        values.append(f"{_value(dialect, names.index(name), type)} AS v{i}")
        if type == "VARCHAR":
            columns.append(f"v{i} AS {quote(name)}")
            continue
        columns.append(f"{converted(f'v{i}', type)} AS {quote(name)}")
        wrong = f"NOT {fits(f'v{i}', type)}" if inferred else unconvertible(f"v{i}", "VARCHAR", type)
        checks.append(f"WHEN v{i} IS NOT NULL AND {wrong} THEN {i}")
    width = len(names)
    ragged = f"len(f) || CASE WHEN len(f) = 1 THEN ' field' ELSE ' fields' END || ' where {width} {'is' if width == 1 else 'are'} expected'"

    # of the column whose number is `spot`: its name, its field and its type
    value = f"left(f[{[names.index(n) + 1 for n in types]}[spot + 1]], 80)"
    complaint = f"({literal(list(types))})[spot + 1] || ': \"' || {value} || '\" is not ' || ({literal(list(types.values()))})[spot + 1]"

    def query(source: str) -> str:
        fields = f"SELECT *, CASE WHEN why IS NULL THEN string_split(r, fs) END AS f FROM ({records(source, files)})"
        texts = f"SELECT _file, _row, r, fs, mark, why, f{''.join(f', {v}' for v in values)} FROM ({fields})"
        faults = f"SELECT *, CASE WHEN why IS NOT NULL OR len(f) <> {width} THEN -1 {' '.join(checks)} END AS spot FROM ({texts})"
        why = f"CASE WHEN spot IS NULL THEN NULL WHEN why IS NOT NULL THEN why WHEN spot = -1 THEN {ragged} ELSE {complaint} END"
        as_read = f"why IS NOT NULL OR fs = {_text(dialect.delimiter)}"
        text = f"CASE WHEN spot IS NULL THEN NULL WHEN {as_read} THEN r ELSE {_written(dialect)} END"
        place = "CASE WHEN spot >= 0 THEN spot END"
        return f"SELECT _file, _row{''.join(f', {c}' for c in columns)}, {why}, {text}, {place} FROM ({faults})"

    return query


def _text(value: bytes) -> str:
    return literal(value.decode())


def _written(dialect: Dialect) -> str:
    """SQL: the fields written as a record again, for rows whose quotes have been taken off."""
    d, q = _text(dialect.delimiter), _text(dialect.quote)
    needed = f"contains(x, {d}) OR contains(x, {q}) OR contains(x, chr(10))"
    one = f"CASE WHEN x = mark AND x <> '' THEN {q} || {q} WHEN {needed} THEN {q} || replace(x, {q}, {q} || {q}) || {q} ELSE x END"
    return f"array_to_string(list_transform(f, lambda x: {one}), {d})"


def _raise_conflicts(ctx: ReadContext, names: Sequence[str]) -> None:
    """Values beyond the sample that its types do not hold. Nothing is read then: ``check`` has promised other types."""
    first = "min({'f': _file, 'r': _row, 'w': _why})"
    rows = execute(ctx.con, f"SELECT _at, count(*), {first} FROM {quote(ctx.table)} WHERE _at IS NOT NULL GROUP BY _at ORDER BY _at")
    if rows:
        _, number, first = rows[0]
        raise TypeConflict(
            f"{number:,} value{'s do' if number != 1 else ' does'} not fit the type inferred from a sample of the files, "
            f"first in `{first['f']}`, row {first['r']:,}: {first['w']}",
            {names[at]: "VARCHAR" for at, _, _ in rows},
        )
