"""Rows in order, however wide they are and however little memory there is.

DuckDB's sort puts rows to disk, but merges them by numbers of rows: a table of long documents that is larger than the memory
limit ends in an out-of-memory error (seen with DuckDB 2.0: 200,000 rows of 5 KB, a limit of 600 MB). So a part that may
not fit is read in ranges of its keys, each sorted by itself; that gigabyte took 2 to 3 seconds in eight ranges and 4 to 5
in 32, with one thread or two.

That needs a query that ends in ``ORDER BY _key`` or ``ORDER BY _order, _key`` and yields these columns, as the export step
writes it; any other query is run as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from recipec.api import KEY, ORDER, ExportPart, Schema, literal, quote

if TYPE_CHECKING:
    import duckdb

_ENDS = ((f" ORDER BY {ORDER}, {KEY}", (ORDER, KEY)), (f" ORDER BY {KEY}", (KEY,)))
SAMPLE = 20_000
"""Keys looked at, to cut them into ranges."""
MEASURED = 2_000
"""Rows measured, to know how wide they are."""
PARTS_OF_MEMORY = 5
"""A range holds this part of DuckDB's memory limit: sorting takes the rows about three times."""
UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


@dataclass(frozen=True, slots=True)
class Source:
    """The rows of a part: SQL that yields them in no order, and the columns to sort by (none: the SQL itself sorts)."""

    table: str
    by: tuple[str, ...]

    @property
    def end(self) -> str:
        return f" ORDER BY {', '.join(self.by)}" if self.by else ""


def source(con: duckdb.DuckDBPyConnection, part: ExportPart) -> Source:
    """A part's query taken apart."""
    for end, by in _ENDS:
        if part.query.endswith(end) and set(by) <= set(con.sql(part.query).columns):
            return Source(part.query.removesuffix(end), by)
    return Source(part.query, ())


def sorted_by(schema: Schema) -> list[str]:
    """The columns that rows are sorted by."""
    return [ORDER, KEY] if schema.ordered else [KEY]


def selected(schema: Schema) -> list[str]:
    """The columns of a part's query, as SQL. What the rows are sorted by comes along unasked: formats name refused rows by it and read large
    tables in its ranges."""
    return [quote(c) for c in (*schema.names, *(c for c in sorted_by(schema) if c not in schema.names))]


def yields_key(con: duckdb.DuckDBPyConnection, part: ExportPart) -> bool:
    """Whether rows can be named by their keys."""
    return KEY in part.schema.types or KEY in con.sql(part.query).columns


def ordered(con: duckdb.DuckDBPyConnection, part: ExportPart, select: str) -> list[str]:
    """Queries that yield ``select`` over the part's rows, one after the other in the order of the part."""
    rows = source(con, part)
    ranges = _ranges(con, part, rows) if rows.by else []
    if not ranges:
        return [f"SELECT {select} FROM ({part.query}) AS __rows"]
    return [f"SELECT {select} FROM (SELECT * FROM ({rows.table}) AS __all WHERE {r}{rows.end}) AS __rows" for r in ranges]


def _ranges(con: duckdb.DuckDBPyConnection, part: ExportPart, rows: Source) -> list[str]:
    """Conditions that cut the rows into runs which follow each other; none where all fit into memory."""
    size = _bytes(con, part, rows)
    ((limit,),) = con.execute("SELECT current_setting('memory_limit')").fetchall()
    n = -(-size * PARTS_OF_MEMORY // _number(str(limit)))
    if n <= 1:
        return []
    first = quote(rows.by[0])
    cuts = _quantiles(con, rows.table, rows.by[0], [i / n for i in range(1, n)])
    if not cuts:
        return []
    between = [f"{first} > {low} AND {first} <= {high}" for low, high in pairwise(cuts)]
    # Nulls come last, and no comparison holds them.
    return [f"{first} <= {cuts[0]}", *between, f"({first} > {cuts[-1]} OR {first} IS NULL)"]


def _quantiles(con: duckdb.DuckDBPyConnection, table: str, column: str, shares: Sequence[float]) -> list[str]:
    """Different values of a column at these shares of a sample, as SQL, in order."""
    sample = f"SELECT {quote(column)} AS k FROM ({table}) AS __all USING SAMPLE reservoir({SAMPLE} ROWS)"
    ((values, type),) = con.execute(
        f"SELECT CAST(quantile_disc(k, {list(shares)}) AS VARCHAR[]), typeof(any_value(k)) FROM ({sample}) WHERE k IS NOT NULL"
    ).fetchall()
    return [f"CAST({literal(v)} AS {type})" for v in dict.fromkeys(values or [])]


def _bytes(con: duckdb.DuckDBPyConnection, part: ExportPart, rows: Source) -> int:
    """About how much memory the part's rows take: their number by the mean width of a sample."""
    few = f" WHERE {KEY} IN (SELECT {KEY} FROM ({rows.table}) AS __few USING SAMPLE reservoir({MEASURED} ROWS))"
    width = " + ".join(["16", *(f"coalesce(strlen(CAST({quote(c.name)} AS VARCHAR)), 0) + 16" for c in part.schema.columns)])
    ((mean,),) = con.execute(f"SELECT avg({width}) FROM ({rows.table}) AS __all{few if part.rows > MEASURED else ''}").fetchall()
    return int((mean or 0) * part.rows)


def _number(size: str) -> int:
    """``286.1 MiB`` in bytes."""
    found = re.fullmatch(r"([\d.]+) (\w+)", size)
    return int(float(found[1]) * UNITS[found[2]]) if found is not None else 2**63
