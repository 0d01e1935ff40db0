"""Copies that a model looks at after they are made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recipec.engines.context import RunContext

BLOCK = 5_000
"""Copies held at a time."""


def judged(ctx: RunContext, query: str, text: str) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a query (a key as text, a text, and one column more), block by block in the order of keys, so that a model's
    batches are the same in every run. ``text`` is the column's SQL: copies whose text is null or blank are not judged."""
    table = ctx.temp("judged")
    ctx.execute(
        f"CREATE TEMP TABLE {table} AS SELECT row_number() OVER (ORDER BY k) AS n, * FROM ({query}) AS q(k, t, o) WHERE trim(t) <> ''"
    )
    count = int(ctx.one(f"SELECT count(*) FROM {table}")[0])
    for start in range(0, count, BLOCK):
        ctx.progress(start / count, "")
        yield ctx.con.execute(f"SELECT k, t, o FROM {table} WHERE n > {start} AND n <= {start + BLOCK} ORDER BY n").fetchall()
    ctx.con.execute(f"DROP TABLE {table}")


def refuse(ctx: RunContext, out: str, keys: list[str]) -> None:
    """Make the table of the copies that are not to be kept."""
    import pyarrow as pa

    ctx.con.register("__refused", pa.table({"k": pa.array(keys, pa.string())}))
    try:
        ctx.con.execute(f"CREATE TEMP TABLE {out} AS SELECT k::UUID AS _key FROM __refused")
    finally:
        ctx.con.unregister("__refused")
