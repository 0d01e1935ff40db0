"""Measuring the texts of a table: batches stream out of DuckDB, threads measure them, numbers go back into a table kept by text.

Memory is bounded by the texts at work, not by the rows: long ones are fetched a few at a time (:mod:`.quality_batches`), and
DuckDB does without what the longest takes. From 2 MB on a text is measured part by part (:mod:`.quality_parts`): with ``--memory 1GB`` a
process that measures one of 55 MB peaks at 0.4 to 0.85 GB, most where 10 million words repeat each other.

A text's measures depend on the text alone, so their table is keyed by its digest and outlives the step: to move a bound measures nothing,
a new row is measured by itself, and a text that a thousand rows share once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recipec.api import DataError, literal, quote
from recipec.fast.keyed import batches
from recipec.fast.memory import lent, limit_of
from recipec.fast.quality_batches import FACTOR, LONG, ROWS, groups, in_order

if TYPE_CHECKING:
    from recipec.api import RunTools

_ARROW: Final = {"DOUBLE": pa.float64(), "BIGINT": pa.int64(), "VARCHAR": pa.large_string()}


Types = Mapping[str, str]
"""Columns and their DuckDB types."""


def measure_texts(
    tools: RunTools, table: str, text: str, tokens: str | None, kept: str, target: str, options: Mapping[str, Any], columns: Types
) -> None:
    """Make ``{scratch}m``: the measures of the rows of ``table`` that are not dropped, by ``_key``.

    ``text`` and ``tokens`` are SQL over ``table``; ``kept`` is the table that keeps measures by text; ``target`` names the function
    (``module:function``) that finds the ``columns`` (name to DuckDB type) of a batch.
    """
    con = tools.con
    keys, fresh, view = (quote(tools.scratch + letter) for letter in "knm")
    digest = f"md5_number(coalesce({text}, '')" + (f" || chr(30) || to_json({tokens})::VARCHAR)" if tokens is not None else ")")
    listed = ", ".join(f"NULL::{type} AS {quote(name)}" for name, type in columns.items())
    con.execute(f"CREATE TABLE IF NOT EXISTS {kept} AS SELECT md5_number('') AS _text, {listed} WHERE false")
    size = f"strlen(coalesce({text}, ''))" + (
        f" + coalesce(list_sum(list_transform({tokens}, lambda w: strlen(w))), 0)" if tokens is not None else ""
    )
    con.execute(
        f"CREATE TEMP TABLE {keys} AS SELECT _key, {digest} AS _text, rowid AS _place, least({size}, 2147483647)::INTEGER AS _size "
        f"FROM {table} WHERE _why IS NULL"
    )
    unknown = (
        f"SELECT _text, min(_key) AS _key, arg_min(_place, _key) AS _place, any_value(_size) AS _size FROM {keys} AS k "
        f"WHERE NOT EXISTS (SELECT 1 FROM {kept} AS o WHERE o._text = k._text)"
    )
    con.execute(f"CREATE TEMP TABLE {fresh} AS SELECT row_number() OVER () AS _id, * FROM ({unknown} GROUP BY _text)")
    # DuckDB 2 streams nothing while an earlier result of the connection is half read, hence all rows.
    ((count, longest),) = con.execute(f"SELECT count(*), coalesce(max(_size), 0) FROM {fresh}").fetchall()
    if tokens is not None:
        _room_for(con, tokens, fresh, int(longest))
    if count:
        path = tools.folder / f"{tools.scratch}measures.parquet"
        asked = f"coalesce(t.{text}, '') AS text" + (f", t.{tokens} AS tokens" if tokens is not None else "")
        with lent(con, FACTOR * longest if longest > LONG else 0):
            _spool(_texts(con, table, fresh, asked), target, options, columns, path, tools, count)
        names = ", ".join(f"f.{quote(name)}" for name in columns)
        found = f"read_parquet({literal(str(path))}) AS f JOIN {fresh} AS n USING (_id)"
        con.execute(f"INSERT INTO {kept} SELECT n._text, {names} FROM {found}")
        path.unlink()
    names = ", ".join(f"o.{quote(name)}" for name in columns)
    con.execute(f"CREATE TEMP VIEW {view} AS SELECT k._key, {names} FROM {keys} AS k JOIN {kept} AS o ON k._text = o._text")


def _room_for(con: Any, tokens: str, fresh: str, longest: int) -> None:
    """Lists of words are measured whole: say of one that is too long for the memory which row it is."""
    limit = limit_of(con)
    if limit and FACTOR * longest > limit:
        ((key,),) = con.execute(f"SELECT _key::VARCHAR FROM {fresh} ORDER BY _size DESC, _key LIMIT 1").fetchall()
        raise DataError(
            f"the row with the _key {key} has {longest / 1e6:,.0f} MB of text and words in {tokens}; to measure it takes about "
            f"{FACTOR * longest / 1e6:,.0f} MB of memory",
            "give more with --memory, or leave out `tokens:`: a text that recipec splits itself is measured part by part",
        )


def _texts(con: Any, table: str, fresh: str, asked: str) -> Iterator[Any]:
    """The texts to measure in batches: many short ones, then the long ones, as many as are short together."""
    yield from batches(con, f"SELECT n._id, {asked} FROM {table} AS t JOIN {fresh} AS n ON t._key = n._key WHERE n._size < {LONG}", ROWS)
    long = con.execute(f"SELECT _place, _size FROM {fresh} WHERE _size >= {LONG} ORDER BY _place").fetchall()
    for listed in groups(long):
        found = f"SELECT _id, _place FROM {fresh} WHERE _place IN ({listed})"
        query = f"SELECT n._id, {asked} FROM {table} AS t JOIN ({found}) AS n ON t.rowid = n._place WHERE t.rowid IN ({listed})"
        yield from batches(con, query, ROWS)


def _spool(reader: Iterator[Any], target: str, options: Mapping[str, Any], columns: Types, path: Any, tools: RunTools, count: int) -> None:
    module, _, name = target.partition(":")
    function = getattr(import_module(module), name)
    schema = pa.schema([("_id", pa.int64()), *((n, _ARROW[t]) for n, t in columns.items())])

    def work(batch: Any) -> Any:
        tokens = batch.column("tokens") if "tokens" in batch.schema.names else None
        found = function(batch.column("text"), tokens, options)
        return pa.record_batch([batch.column("_id").cast(pa.int64()), *(as_arrow(found[n], t) for n, t in columns.items())], schema=schema)

    done = 0
    with pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=False, write_statistics=False) as writer:
        for batch in in_order(work, reader, tools.threads):
            writer.write_batch(batch)
            done += batch.num_rows
            tools.progress(done / count)


def as_arrow(values: Any, type: str) -> Any:
    """Numbers as a column; NaN, which stands for nothing to measure, as null."""
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values.cast(_ARROW[type])
    numbers = np.asarray(values)
    if numbers.dtype.kind != "f":
        return pa.array(numbers).cast(_ARROW[type])
    gone = np.isnan(numbers)
    if type == "BIGINT":
        return pa.array(np.where(gone, 0, numbers).astype(np.int64), mask=gone)
    return pa.array(numbers, mask=gone)


__all__ = ["as_arrow", "measure_texts"]
