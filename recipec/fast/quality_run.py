"""Measuring the texts of a table: batches stream out of DuckDB, threads measure them, numbers go back into a table kept by text.

A text's measures depend on the text alone, so their table is keyed by its digest and outlives the step: to move a bound measures nothing,
a new row is measured by itself, and a text that a thousand rows share once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recipec.api import literal, quote

if TYPE_CHECKING:
    from recipec.api import RunTools

ROWS: Final = 4096
"""Rows of a batch."""

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
    con.execute(f"CREATE TEMP TABLE {keys} AS SELECT _key, {digest} AS _text FROM {table} WHERE _why IS NULL")
    unknown = f"SELECT _text, min(_key) AS _key FROM {keys} AS k WHERE NOT EXISTS (SELECT 1 FROM {kept} AS o WHERE o._text = k._text)"
    con.execute(f"CREATE TEMP TABLE {fresh} AS SELECT row_number() OVER () AS _id, _text, _key FROM ({unknown} GROUP BY _text)")
    # DuckDB 2 streams nothing while an earlier result of the connection is half read, hence all rows.
    ((count,),) = con.execute(f"SELECT count(*) FROM {fresh}").fetchall()
    if count:
        path = tools.folder / f"{tools.scratch}measures.parquet"
        asked = f"coalesce(t.{text}, '') AS text" + (f", t.{tokens} AS tokens" if tokens is not None else "")
        reader = con.sql(f"SELECT n._id, {asked} FROM {table} AS t JOIN {fresh} AS n ON t._key = n._key").to_arrow_reader(ROWS)
        try:
            _spool(reader, target, options, columns, path, tools, count)
        finally:
            reader.close()
        names = ", ".join(f"f.{quote(name)}" for name in columns)
        found = f"read_parquet({literal(str(path))}) AS f JOIN {fresh} AS n USING (_id)"
        con.execute(f"INSERT INTO {kept} SELECT n._text, {names} FROM {found}")
        path.unlink()
    names = ", ".join(f"o.{quote(name)}" for name in columns)
    con.execute(f"CREATE TEMP VIEW {view} AS SELECT k._key, {names} FROM {keys} AS k JOIN {kept} AS o ON k._text = o._text")


def _spool(reader: Any, target: str, options: Mapping[str, Any], columns: Types, path: Any, tools: RunTools, count: int) -> None:
    module, _, name = target.partition(":")
    function = getattr(import_module(module), name)
    schema = pa.schema([("_id", pa.int64()), *((n, _ARROW[t]) for n, t in columns.items())])

    def work(batch: Any) -> Any:
        tokens = batch.column("tokens") if "tokens" in batch.schema.names else None
        found = function(batch.column("text"), tokens, options)
        return pa.record_batch([batch.column("_id").cast(pa.int64()), *(as_arrow(found[n], t) for n, t in columns.items())], schema=schema)

    done = 0
    waiting: deque[Future[Any]] = deque()
    with pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=False, write_statistics=False) as writer:
        pool = ThreadPoolExecutor(max(1, tools.threads))
        try:
            for batch in reader:
                waiting.append(pool.submit(work, batch))
                if len(waiting) > tools.threads + 1:
                    done += _write(writer, waiting.popleft().result())
                    tools.progress(done / count)
            while waiting:
                done += _write(writer, waiting.popleft().result())
                tools.progress(done / count)
        finally:
            pool.shutdown(cancel_futures=True)


def _write(writer: Any, batch: Any) -> int:
    writer.write_batch(batch)
    return int(batch.num_rows)


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
