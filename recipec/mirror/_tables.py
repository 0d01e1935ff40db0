"""Tables copied from a database server: what PostgreSQL's and MySQL's mirrors share.

A copy is Parquet files, one for each range of the table's key. A column whose type Arrow cannot hold as the server does (dates that are
infinite, decimals that are NaN, arrays of arrays) is copied as the server's text of it and gets its type when it is read, where a value
that does not fit makes its row bad like any other. Which type that is stands in the file's metadata, so that a check needs no server.
"""

from __future__ import annotations

import json
import os
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from recipec.api import DataError, Secret, Settings, SourceFile, model_validator
from recipec.mirror._base import Fetching, Mirror, NoEntry, Snapshot
from recipec.mirror._servers import Addresses

if TYPE_CHECKING:
    import pyarrow as pa

META = b"recipec.columns"
"""Where a copy's columns stand in a file's metadata: JSON, a list of name and type."""
ROWS = 1 << 18
"""Rows of a range of the key: enough for a stream to be at speed, few enough to be read again after a break."""
GROUP = 1 << 17
"""Rows of a row group: what DuckDB gives one thread."""
FORMAT = 1
"""Raised when the same contents would be written as other files."""
TRIES = 3
"""How often a connection that breaks is made again."""
WAIT = 1.0
"""Seconds before the second try; doubled before each further one."""
CLOSED_WAIT = 0.5
"""Seconds before the second and last try where nothing listens."""
T = TypeVar("T")


class Lost(DataError):
    """The connection broke: trying again may help."""


class Refused(Lost):
    """Nothing listens there."""


def connected(attempt: Callable[[], T], known: bool) -> T:
    """A connection, tried a few times. ``known``: the server has answered before, and may only be starting again. Raises Lost, and NoEntry where a
    server that was never seen is not there."""
    for n in range(TRIES):
        try:
            return attempt()
        except Lost as error:
            closed = isinstance(error, Refused) and not known
            if closed and n:
                raise NoEntry(error.message, error.help) from None
            if n == TRIES - 1:
                raise
            time.sleep(CLOSED_WAIT if closed else WAIT * 2**n)
    raise AssertionError


class TableParams(Settings):
    url: Secret = Secret(None, "")
    table: str = ""
    query: str = ""
    by: list[str] = []
    changed: str = ""

    @model_validator(mode="after")
    def one_of(self) -> TableParams:
        if bool(self.table.strip()) == bool(self.query.strip()):
            raise ValueError('give one of `table` and `query`: table: "films", or query: "select id, title from films"')
        if self.url.variable is None and has_password(self.url.value or ""):
            raise ValueError(
                'a password in a recipe is read by all who read the recipe: take it out of the address, or write url: env("DATABASE_URL")'
            )
        return self


PASSWORDS = frozenset({"password", "passwd", "sslpassword"})


def has_password(url: str) -> bool:
    """Whether an address, or a list of ``key=value``, holds a password."""
    from urllib.parse import parse_qs, urlsplit

    if "://" not in url:
        return any(word.partition("=")[0].strip().lower() in PASSWORDS for word in url.split())
    try:
        parts = urlsplit(url)
        return bool(parts.password) or bool(PASSWORDS & parse_qs(parts.query).keys())
    except ValueError:
        return False


def checked(url: Secret, addresses: Addresses) -> None:
    """Raises ValueError for what stands in a recipe and is no address."""
    if url.variable is None and (found := addresses.problem((url.value or "").strip())) is not None:
        raise ValueError(": ".join(found))


def revealed(url: Secret, addresses: Addresses) -> str:
    """The address itself. Raises DataError where its variable is not set, or holds no address."""
    value = url.reveal()
    if value is None:
        raise DataError(f"{url.shown} is not set", f"set it: export {url.variable}=...")
    if (found := addresses.problem(value.strip())) is not None:
        raise DataError(f"{url.shown}: {found[0]}", found[1])
    return value.strip()


def public(url: Secret, scheme: str) -> str:
    """The address for people and fingerprints: without user and password; a variable by its name."""
    from urllib.parse import urlsplit

    if url.variable:
        return url.shown
    value = (url.value or "").strip()
    if "://" not in value:
        words = [w for w in value.split() if w.partition("=")[0].lower() in ("host", "port", "dbname", "service")]
        return " ".join(words) or scheme
    try:
        parts = urlsplit(value)
    except ValueError:
        return f"{scheme}://?"
    return f"{scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True)
class Field:
    """A column: ``type`` is DuckDB's, ``sql`` gives its value as it is transferred, ``own`` is the server's name of its type."""

    name: str
    type: str
    sql: str
    own: str = ""


@dataclass(frozen=True)
class Part:
    """A range of the key: the query that reads it, and the file that it becomes."""

    query: str
    path: Path


def digest_of(value: Any) -> str:
    from recipec.plan.fingerprint import digest

    return digest([FORMAT, value])[:24]


def parts_of(folder: Path, content: Any, queries: Sequence[str]) -> list[Part]:
    """The files of a copy: named after the contents and the queries, so that a file which is there is the one that is meant."""
    name = digest_of([content, list(queries)])
    return [Part(q, folder / f"{name}-{i:05d}.parquet") for i, q in enumerate(queries)]


def write_part(
    path: Path, fields: Sequence[Field], batches: Iterable[pa.RecordBatch], schema: pa.Schema, told: Callable[[int], None]
) -> None:
    """Write batches as one file, whole or not at all; ``told`` gets the number of rows of each batch."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = json.dumps([[f.name, f.type] for f in fields], ensure_ascii=False)
    named = pa.schema([pa.field(f.name, t) for f, t in zip(fields, schema.types, strict=True)], metadata={META: columns.encode()})
    fresh = path.with_name(f"{path.name}.part")
    held: list[pa.RecordBatch] = []
    size = 0
    with pq.ParquetWriter(fresh, named, compression="zstd", compression_level=1) as out:

        def write() -> None:
            nonlocal size
            if held:
                out.write_table(pa.Table.from_batches(held, named), row_group_size=GROUP)
                held.clear()
                size = 0

        for batch in batches:
            held.append(pa.RecordBatch.from_arrays(batch.columns, schema=named))
            size += len(batch)
            told(len(batch))
            if size >= GROUP:
                write()
        write()
    with fresh.open("rb") as done:
        os.fsync(done.fileno())
    fresh.replace(path)


def rows_of(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def snapshot_of(name: str, mark: Any, parts: Sequence[Part]) -> Snapshot:
    """The whole copy. Rows are counted on through its files, so ``name`` is the same for all of them but for their number."""
    files = tuple(SourceFile(p.path, f"{name}/{i:05d}") for i, p in enumerate(parts))
    return Snapshot(mark, files, {"rows": sum(rows_of(p.path) for p in parts)})


def unique(fields: Sequence[Field]) -> list[Field]:
    """Fields under names that DuckDB can hold."""
    from dataclasses import replace

    from recipec.readers._stream import unique_names

    return [replace(f, name=n) for f, n in zip(fields, unique_names(f.name for f in fields), strict=True)]


def one_select(query: str) -> str:
    """A query without what may end it. Raises DataError where it is plainly no SELECT."""
    text = query.strip().rstrip(";").strip()
    first = text.split(None, 1)[0].lower().strip("(") if text else ""
    if first not in ("select", "with", "values", "table", "") and not text.startswith(("--", "/*", "(")):
        raise DataError(f"`query` begins with `{first}`, and must be one SELECT", "a source only reads")
    return text


class TableMirror(Mirror):
    """A table or query of a server; ``scheme`` begins its addresses."""

    scheme: ClassVar[str]
    addresses: ClassVar[Addresses]

    def __init__(self, params: TableParams) -> None:
        self.params = params
        what = params.table or "a query"
        self.place = self.server = public(params.url, self.scheme)
        self.known = False
        """Whether the server has answered."""
        self.address = f"{self.place}, {what}" if params.url.variable or " " in self.place else f"{self.place}/{what}"

    def identity(self) -> Any:
        return [self.place, self.params.table, self.params.query, self.params.by]

    @property
    def rows_name(self) -> str:
        return self.params.table or "query"

    @abstractmethod
    def copy(self, ctx: Fetching) -> Snapshot:
        """Make a whole copy over one connection; raises Lost where that breaks."""

    def fetch(self, ctx: Fetching) -> Snapshot:
        for attempt in range(TRIES):
            try:
                return self.copy(ctx)
            except Lost:
                if attempt == TRIES - 1:
                    raise
        raise AssertionError


class Told:
    """Rows as they come, said to the one who waits. Called by several threads; only the one that copies speaks."""

    def __init__(self, ctx: Fetching, total: int | None) -> None:
        from threading import Lock

        self.ctx, self.total, self.done, self.lock = ctx, total, 0, Lock()

    def add(self, rows: int) -> None:
        with self.lock:
            self.done += rows

    def take_back(self, rows: int) -> None:
        self.add(-rows)

    def say(self) -> None:
        of = f" of {self.total:,}" if self.total is not None else ""
        self.ctx.progress(self.done, self.total, f"{self.done:,}{of} rows")
