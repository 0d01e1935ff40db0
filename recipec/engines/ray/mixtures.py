"""Mixtures by weight on a cluster.

Tasks write each row's key and what it counts; the process that you started decides from these which rows are taken, how often and in which
order, as without a cluster; a task for each shard of each input carries it out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from recipec.api import Outcome
from recipec.engines.ray.carry import ROWS, SHARD, Work, by_shard, carry, narrow
from recipec.engines.ray.shards import Rows
from recipec.engines.ray.tasks import Job, Unit

if TYPE_CHECKING:
    from recipec.engines.ray.runner import Floor


def mixture(floor: Floor) -> Outcome:
    """The table of a ``mix`` step with weights; see :func:`recipec.engines.mix.make_mixture`."""
    from recipec.engines.mix import UNITS, chosen, columns, distinct_names, drawn, given, number, taken_rows, tell
    from recipec.rand import shared_keys

    ctx = floor.ctx
    plan, con = ctx.step.bound.plan, ctx.con
    tags = distinct_names(plan.names)
    shards: list[Rows] = []
    firsts: list[int] = []
    counted: list[str] = []
    for place, ref in enumerate(ctx.step.inputs):
        rows = floor.rows_of(ref)
        told = [replace(r, select=f"SELECT *, {number(plan)} AS __u FROM ({r.select})") for r in rows] if plan.count is not None else rows
        found = narrow(floor, f"keys{place}", told, f"_key, {UNITS} AS __units" if plan.count is not None else "_key")
        counted.append(ctx.temp(f"keys_{place}"))
        # Read several times, so taken in: 16 to 28 bytes a row.
        con.execute(f"CREATE TEMP TABLE {counted[-1]} AS SELECT * REPLACE ({SHARD} + {len(shards)} AS {SHARD}) FROM {found.sql()}")
        firsts.append(len(shards))
        shards += rows
    overlap = len(counted) > 1 and int(ctx.one(shared_keys(counted))[0]) > 0
    sizes, draws = drawn(plan, ctx, tags, counted)
    taken = ctx.temp("taken")
    con.execute(f"CREATE TEMP TABLE {taken} AS {chosen(plan, draws, counted, overlap)}")
    places = " UNION ALL ".join(
        f"SELECT m.*, c.{SHARD} FROM {taken} AS m JOIN {c} AS c ON m._from = c._key WHERE m._input = {place}"
        for place, c in enumerate(counted)
    )
    tables = by_shard(floor, "taken", places, len(shards))
    done = []
    for place, first in enumerate(firsts):
        mine = range(first, firsts[place + 1] if place + 1 < len(firsts) else len(shards))
        work = Work(taken_rows(columns(plan, ctx, place), "_taken", ROWS))
        units = [Unit(n, shards[n], tables={"_taken": tables[n]}) for n in mine]
        span = place / len(firsts), (place + 1) / len(firsts)
        done += floor.cluster.map(carry, [floor.setting, Job(str(floor.final)), work], units, ctx.progress, span=span)
    floor.tally.add(done, shuffled=False)
    types = floor.publish(done)
    outcome = Outcome(rows_in=sum(ctx.rows(i) for i in ctx.step.inputs), rows_out=sum(d.rows for d in done))
    tell(plan, ctx, outcome, draws, sizes, given(plan, ctx, taken, counted))
    outcome.extra["rows"] = floor.lying(done, types)
    return outcome


__all__ = ["mixture"]
