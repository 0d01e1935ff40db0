"""Records on their way into DuckDB.

Python cuts a file into blocks of whole records, which costs little; DuckDB splits the blocks into records and fields in
its own threads, which is the work. So a record's place in its file is known exactly, whatever the number of threads,
and what cannot be told apart by a separator alone (quoted fields, JSON elements, sentences) is framed here first.

A loader makes its table with two more columns, ``_why`` (why the row is bad, or null) and ``_text`` (the record as read,
for bad rows only); :func:`set_aside` moves those rows to the table of bad rows and drops the columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import accumulate, count
from typing import TYPE_CHECKING, Any, TypeAlias

from recipec.api import DataError, ReadContext, SourceFile, literal, quote
from recipec.diagnostics import nearest
from recipec.readers._files import BLOCK, execute, shown, size_of

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_names = count()


@dataclass(frozen=True, slots=True)
class Frame:
    """Consecutive records of a file: ``text`` is cut by ``rs`` into records, and a record by ``fs`` into fields.

    ``start`` is how many records of the file come before. A field that is ``mark`` alone was written as an empty quoted
    text. With ``why``, the frame is one bad record: ``text`` as read.
    """

    file: int
    start: int
    text: bytes
    rs: bytes = b"\n"
    fs: bytes = b""
    mark: bytes = b""
    why: str | None = None


NOT_TEXT = "not text"
"""Why of a record with bytes that are not UTF-8, before the file's own encoding is known."""


def absent(text: bytes, number: int, taken: Iterable[bytes] = ()) -> list[bytes]:
    """So many byte strings that do not occur in ``text`` and can separate its parts, preferably single control characters."""
    found: list[bytes] = []
    refused = set(taken)
    for code in (0x1E, 0x1F, 0x1D, 0x1C, *range(1, 9)):
        candidate = bytes([code])
        if candidate not in text and candidate not in refused:
            found.append(candidate)
            if len(found) == number:
                return found
    for i in count():  # every control character occurs: longer separators, of which a text cannot hold all
        candidate = b"\x02%d\x03" % i
        if candidate not in text:
            found.append(candidate)
            if len(found) == number:
                return found
    raise AssertionError


def checked(frames: Iterable[Frame], encoding: str) -> Iterator[Frame]:
    """The frames with every record that is not UTF-8 taken out as a bad one."""
    for frame in frames:
        if is_utf8(frame.text) and frame.why != NOT_TEXT:
            yield frame
            continue
        if frame.why is not None:
            yield replace(frame, text=shown(frame.text).encode(), why=f"not valid {encoding}" if frame.why == NOT_TEXT else frame.why)
            continue
        good: list[bytes] = []
        start = frame.start
        for number, record in enumerate(frame.text.split(frame.rs), frame.start):
            if is_utf8(record):
                good.append(record)
                continue
            if good:
                yield replace(frame, start=start, text=frame.rs.join(good))
            good, start = [], number + 1
            yield Frame(frame.file, number, shown(record).encode(), why=f"not valid {encoding}")
        if good:
            yield replace(frame, start=start, text=frame.rs.join(good))


def is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


# Progress -------------------------------------------------------------------------------------------------------------


def sizes(files: Sequence[SourceFile]) -> list[int]:
    """Sizes in bytes, as stored."""
    return [size_of(f) for f in files]


Told: TypeAlias = Callable[[int], Callable[[int], None]]


def progress_of(ctx: ReadContext) -> Told:
    """For the file of that index, a function to be told how many of its bytes are read."""
    each = sizes(ctx.files)
    total = sum(each)
    before = [0, *accumulate(each)]
    return lambda index: lambda done: ctx.progress(before[index] + done, total)


# Into DuckDB ----------------------------------------------------------------------------------------------------------


def load_frames(ctx: ReadContext, frames: Iterable[Frame], select: Callable[[str], str], *, append: bool = False) -> None:
    """Run ``select`` over the stream of frames into the context's table.

    ``select`` gets the name of the stream, a relation ``(file INTEGER, start BIGINT, text, rs, fs, mark, why, name VARCHAR)``
    that can be read once.
    """
    import pyarrow as pa

    texts = ["text", "rs", "fs", "mark", "why", "name"]
    schema = pa.schema([("file", pa.int32()), ("start", pa.int64()), *((n, pa.string()) for n in texts)])

    def batch(some: Sequence[Frame]) -> pa.RecordBatch:
        if len(some) == 1:  # the bytes as they are
            text = some[0].text
            offsets = pa.py_buffer(b"\0\0\0\0" + len(text).to_bytes(4, "little"))
            whole = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(text)])
        else:
            whole = pa.array([f.text for f in some], pa.string())
        rest = [pa.array([v.decode() for v in column], pa.string()) for column in zip(*((f.rs, f.fs, f.mark) for f in some), strict=True)]
        values = [pa.array([f.file for f in some], pa.int32()), pa.array([f.start for f in some], pa.int64()), whole, *rest]
        names = pa.array([ctx.files[f.file].name for f in some], pa.string())
        return pa.record_batch([*values, pa.array([f.why for f in some], pa.string()), names], schema=schema)

    coming = iter(checked(frames, ctx.encoding))
    held: list[Frame] = []

    def batches() -> Iterator[pa.RecordBatch]:
        some: list[Frame] = []  # small frames together: a batch has its price
        size = 0
        for f in coming:
            if len(f.text) >= LONG:
                held.append(f)
                break
            if some and size + len(f.text) > BLOCK:
                yield batch(some)
                some, size = [], 0
            some.append(f)
            size += len(f.text)
        if some:
            yield batch(some)

    load_batches(ctx, schema, batches(), select, append=append)
    while held:
        one = held.pop()
        with _room(ctx, one):
            load_batches(ctx, schema, iter([batch([one])]), select, append=True)
        del one
        load_batches(ctx, schema, batches(), select, append=True)


LONG = 8 << 20
"""Bytes of a frame from which on it is loaded by itself. Only a frame with a long record is longer than two blocks."""
_TIMES = 10
"""About how many bytes of memory a byte of a long record takes while it is loaded; DuckDB counts half as many again, which it never touches."""


@contextmanager
def _room(ctx: ReadContext, frame: Frame) -> Iterator[None]:
    """Let DuckDB have for a while what a long record takes, where the memory that a run may use allows it."""
    from recipec.fast.memory import limit_of, limited

    limit = limit_of(ctx.con)
    size = len(frame.text)
    if not limit:
        yield
        return
    if size * _TIMES > limit:
        records = frame.text.split(frame.rs) if frame.why is None else [frame.text]
        number = max(range(len(records)), key=lambda i: len(records[i]))
        raise DataError(
            f"`{ctx.files[frame.file].name}`, record {frame.start + number + 1:,} has {len(records[number]) / 1e6:,.0f} MB; to read it takes about "
            f"{size * _TIMES / 1e6:,.0f} MB of memory",
            f"give more: --memory {max(1, -(-size * _TIMES * 3 // 2 // 10**9))}GB; or take the record out of the file",
        )
    with limited(ctx.con, limit + size * _TIMES, limit):
        yield


def load_batches(
    ctx: ReadContext, schema: pa.Schema, batches: Iterator[pa.RecordBatch], select: Callable[[str], str], *, append: bool = False
) -> None:
    """Run ``select`` over a stream of Arrow batches into the context's table, made new or appended to.

    An error raised by the batches comes out as it was, not as DuckDB's report of it.
    """
    import duckdb
    import pyarrow as pa

    raised: list[Exception] = []

    def guarded() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except (DataError, OSError, duckdb.Error) as error:
            raised.append(error)
            raise

    source = f"__recipec_read_{next(_names)}"
    execute(ctx.con, "SELECT 1")  # an unfinished result of the caller's would forbid what follows
    reader = pa.RecordBatchReader.from_batches(schema, guarded())
    ctx.con.register(source, reader)
    try:
        verb = f"INSERT INTO {quote(ctx.table)}" if append else f"CREATE TEMP TABLE {quote(ctx.table)} AS"
        execute(ctx.con, f"{verb} {select(quote(source))}")
    except duckdb.Error:
        if raised:
            raise raised[0] from None
        raise
    finally:
        # After an error this is refused, and would hide what the error was.
        with suppress(duckdb.Error):
            ctx.con.unregister(source)


def file_names(files: Sequence[SourceFile], index: str) -> str:
    """SQL for the name of the file whose index (from 0) is the SQL ``index``."""
    if len(files) == 1:
        return literal(files[0].name)
    return f"({literal([f.name for f in files])})[{index} + 1]"


MANY = 1_000
"""More files than this are named by the stream."""


def records(source: str, files: Sequence[SourceFile]) -> str:
    """SQL: the records of a stream of frames, as ``(_file, _row, r, fs, mark, why)``; ``r`` is the record's text."""
    many = len(files) > MANY
    name, more = ("name", "name, ") if many else (file_names(files, "file"), "")  # a list of a million names is no constant
    return (
        f"SELECT {name} AS _file, start + i AS _row, r, fs, mark, why FROM ("
        f"SELECT {more}file, start, fs, mark, why, unnest(l) AS r, generate_subscripts(l, 1) AS i FROM ("
        f"SELECT {more}file, start, fs, mark, why, CASE WHEN why IS NULL THEN string_split(text, rs) ELSE [text] END AS l FROM {source}))"
    )


WIDE = 100
"""Columns from which on looking for common subexpressions, whose cost grows with their square, takes longer than it saves."""


@contextmanager
def planned_quickly(con: duckdb.DuckDBPyConnection, width: int) -> Iterator[None]:
    if width < WIDE:
        yield
        return
    import duckdb

    before = str(execute(con, "SELECT current_setting('disabled_optimizers')")[0][0] or "")
    execute(con, f"SET disabled_optimizers = {literal(','.join(filter(None, (before, 'common_subexpressions'))))}")
    try:
        yield
    finally:
        with suppress(duckdb.Error):
            execute(con, f"SET disabled_optimizers = {literal(before)}")


# Rows that do not parse -----------------------------------------------------------------------------------------------


def set_aside(ctx: ReadContext, *more: str) -> int:
    """Move the rows with a ``_why`` to the bad ones; drop ``_why``, ``_text`` and the columns ``more``. How many moved."""
    table, bad = quote(ctx.table), quote(ctx.bad)
    moved = int(execute(ctx.con, f"SELECT count(*) FROM {table} WHERE _why IS NOT NULL")[0][0])
    if moved:
        execute(ctx.con, f"INSERT INTO {bad} SELECT _file, _row, _why, _text FROM {table} WHERE _why IS NOT NULL ORDER BY _file, _row")
        execute(ctx.con, f"DELETE FROM {table} WHERE _why IS NOT NULL")
    for column in ("_why", "_text", *more):
        execute(ctx.con, f"ALTER TABLE {table} DROP COLUMN {quote(column)}")
    return moved


def converted(value: str, type: str) -> str:
    """SQL: the value as that type, null where it does not convert. TRY_CAST would make a list or struct with nulls inside."""
    if type.endswith("]") or type.upper().startswith(("STRUCT", "MAP", "UNION")):
        return f"TRY(CAST({value} AS {type}))"
    return f"TRY_CAST({value} AS {type})"


def unconvertible(value: str, own: str, type: str) -> str:
    """SQL condition: ``value``, which is not null and has the type ``own``, does not convert to ``type``.

    Beside what DuckDB cannot cast, a fraction is no whole number (DuckDB would round it).
    """
    failed = f"{converted(value, type)} IS NULL"
    if type.upper() in WHOLE_NUMBERS and own.upper().split("(")[0] in ("VARCHAR", "DOUBLE", "FLOAT", "DECIMAL"):
        return f"({failed} OR TRY_CAST({value} AS DOUBLE) <> TRY_CAST({value} AS {type})::DOUBLE)"
    return failed


WHOLE_NUMBERS = frozenset(
    {
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "INT",
        "BIGINT",
        "HUGEINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
        "UHUGEINT",
        "LONG",
        "SHORT",
    }
)


def complaint(name: str, value: str, type: str) -> str:
    """SQL: the reason why a value of a column makes its row bad."""
    text = f"left(CAST({value} AS VARCHAR), 80)"
    return f"{literal(f'{name}: ')} || chr(34) || {text} || chr(34) || {literal(f' is not {type}')}"


@dataclass(frozen=True)
class Typed:
    """A relation's columns brought to the declared types: SQL for the values, and for why a row is bad."""

    columns: str
    why: str


def typed(given: Mapping[str, tuple[str, str]], declared: Mapping[str, str] | None, what: str) -> Typed:
    """``given`` maps the columns there are to their SQL and type; ``declared`` those wanted to their types, or None for all.

    Raises DataError for a declared column that is not there; ``what`` then says where (``data/a.csv``).
    """
    columns, complaints = [], []
    for name, type in (declared if declared is not None else {n: t for n, (_, t) in given.items()}).items():
        if name not in given:
            raise no_column(name, list(given), what)
        value, own = given[name]
        if same_type(own, type):
            columns.append(f"{value} AS {quote(name)}")
            continue
        columns.append(f"{converted(value, type)} AS {quote(name)}")
        complaints.append(f"WHEN {value} IS NOT NULL AND {unconvertible(value, own, type)} THEN {complaint(name, value, type)}")
    return Typed(", ".join(columns), f"CASE {' '.join(complaints)} END" if complaints else "NULL::VARCHAR")


def same_type(a: str, b: str) -> bool:
    """Whether two type names mean the same, as far as that can be told without asking DuckDB."""
    short = {
        "TEXT": "VARCHAR",
        "STRING": "VARCHAR",
        "INT": "INTEGER",
        "INT8": "BIGINT",
        "LONG": "BIGINT",
        "BOOL": "BOOLEAN",
        "FLOAT8": "DOUBLE",
    }
    x, y = (short.get(t.upper(), t.upper()).replace(" ", "") for t in (a, b))
    return x == y


def no_column(name: str, names: Sequence[str], what: str) -> DataError:
    guess = nearest(name, names)
    listing = f"it has {', '.join(names[:8])}{f' (+{len(names) - 8})' if len(names) > 8 else ''}" if names else "it has none"
    return DataError(f"no column `{name}` in {what}", f"did you mean `{guess}`? {listing}" if guess else listing)


def unique_names(names: Iterable[str]) -> list[str]:
    """Column names as DuckDB can hold them: without outer blanks, not empty (``column0``), and no two alike but for case
    (``a``, ``A_1``)."""
    made: list[str] = []
    used: set[bytes] = set()
    for place, name in enumerate(names):
        base = name.strip().replace("\0", "") or f"column{place}"
        unique = base
        for i in count(1):
            if folded(unique) not in used:
                break
            unique = f"{base}_{i}"
        used.add(folded(unique))
        made.append(unique)
    return made


def folded(name: str) -> bytes:
    """Without case as DuckDB sees it: letters beyond ASCII keep theirs."""
    return name.encode("utf-8", "surrogatepass").lower()


def type_name(con: duckdb.DuckDBPyConnection, type: str) -> str:
    """A type as DuckDB itself writes it."""
    return str(execute(con, f"SELECT typeof(CAST(NULL AS {type}))")[0][0])


class ColumnsDiffer(DataError):
    """The files of a source do not have the same columns, which matters when none are declared. ``common`` are in all."""

    def __init__(self, one: SourceFile, other: SourceFile, columns: Mapping[SourceFile, Sequence[str]]) -> None:
        odd = sorted(set(columns[one]) ^ set(columns[other]))
        only = ", ".join(f"`{n[:60]}`" for n in odd[:5]) + (f" (+{len(odd) - 5})" if len(odd) > 5 else "")
        message = f"`{one.name}` and `{other.name}` do not have the same columns: only one has {only}"
        super().__init__(message, "declare those that you need and all files have: columns: { ... }")
        self.common = tuple(n for n in columns[one] if all(n in names for names in columns.values()))


class TypeConflict(DataError):
    """Values that do not fit the type inferred from a sample.

    The types that ``check`` saw would not hold, so nothing is read; ``columns`` maps the columns to a type that holds
    all their values.
    """

    def __init__(self, message: str, columns: Mapping[str, str]) -> None:
        wanted = ", ".join(f"{n}: {'json' if t == 'JSON' else 'text'}" for n, t in columns.items())
        super().__init__(message, f"declare the columns that you need and what they hold: columns: {{ {wanted}, ... }}")
        self.columns: Mapping[str, str] = columns


Rows = Sequence[Sequence[Any]]
