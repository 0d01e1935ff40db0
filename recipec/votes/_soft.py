"""The probabilities of a single voter, made to mean what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from recipec.engines.context import RunContext

BLOCK = 200_000


def calibrate(ctx: RunContext, votes: str, method: Literal["temperature", "isotonic"], classes: int) -> list[str]:
    """Put calibrated probabilities into the column ``sure`` of a table of votes (``_key``, ``v0``, ``sure``, ``gold``); what is to be said of it.

    Each row is a pattern of its own for :func:`recipec.labels.calibrate.calibrated`, in the order of keys.
    """
    import numpy as np
    import pyarrow as pa

    from recipec.labels.calibrate import calibrated
    from recipec.labels.combined import Combined
    from recipec.labels.patterns import blank, from_votes

    rows = int(ctx.one(f"SELECT count(*) FROM {votes} WHERE v0 IS NOT NULL AND sure IS NOT NULL")[0])
    order = ctx.temp("soft_order")
    ctx.con.execute(
        f"CREATE TEMP TABLE {order} AS SELECT row_number() OVER (ORDER BY _key) - 1 AS n, _key, v0, sure, coalesce(gold, -1) AS gold FROM {votes} "
        "WHERE v0 IS NOT NULL AND sure IS NOT NULL"
    )
    vote, gold = np.zeros((rows, 1), np.int16), np.zeros(rows, np.int64)
    sure = blank((rows, classes), np.float64, ctx.temporary)
    for start in range(0, rows, BLOCK):
        part: Any = ctx.con.sql(f"SELECT * FROM {order} WHERE n BETWEEN {start} AND {start + BLOCK - 1} ORDER BY n").to_arrow_table()
        stop = start + part.num_rows
        vote[start:stop, 0] = part.column("v0").to_numpy()
        gold[start:stop] = part.column("gold").to_numpy()
        sure[start:stop] = part.column("sure").combine_chunks().flatten().to_numpy().reshape(-1, classes)
    even = np.full(classes, 1 / classes)
    found = from_votes(vote, classes, gold=gold, distinct=False)
    confusion = np.full((1, classes, classes), 1 / classes)
    made = calibrated(found, Combined("alone", sure, vote[:, 0], (None,), confusion, even), method)
    fresh = ctx.temp("soft_fresh")
    ctx.con.execute(f"CREATE TEMP TABLE {fresh} (n BIGINT, p DOUBLE[])")
    for start in range(0, rows, BLOCK):
        some = made.probabilities[start : start + BLOCK]
        offsets = pa.array(np.arange(0, some.size + 1, classes), pa.int32())
        lists = pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(some).reshape(-1)))
        ctx.con.register("__soft", pa.table({"n": pa.array(np.arange(start, start + len(some))), "p": lists}))
        try:
            ctx.con.execute(f"INSERT INTO {fresh} SELECT n, p FROM __soft")
        finally:
            ctx.con.unregister("__soft")
    ctx.execute(f"UPDATE {votes} AS v SET sure = f.p FROM {order} AS o, {fresh} AS f WHERE o._key = v._key AND f.n = o.n")
    for table in (order, fresh):
        ctx.con.execute(f"DROP TABLE {table}")
    return list(made.notes)
