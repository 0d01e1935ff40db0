"""Running a chain of columns, filters and operators into one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from recipec.api import Outcome, quote
from recipec.engines.context import RunContext
from recipec.resolve.chain import Chain, Stage, compose, entry


def with_tables(stages: Sequence[Stage], ctx: RunContext) -> Iterator[Stage]:
    """Stages that read other tables, with those tables' names put in."""
    for stage in stages:
        query = stage.query
        for ref, name in ctx.relations.items():
            query = query.replace(ref.sql, name)
        yield replace(stage, query=query)


def run_chain(ctx: RunContext, chain: Chain, source: str, hidden: Sequence[str]) -> Outcome:
    """Create ``ctx.target`` from ``source``: kept rows with their columns, and dropped rows with ``_why`` (the number of
    their reason), ``_because`` and their key alone."""
    con = ctx.con
    current = entry(source)
    pending: list[Stage] = []
    made: list[str] = []
    for number, stage in enumerate(with_tables(chain.stages, ctx)):
        if stage.prepare is None:
            pending.append(stage)
            continue
        # An operator that is more than SQL needs its input as a table.
        name = ctx.temp(f"in{number}")
        con.execute(f"CREATE TEMP TABLE {name} AS {compose(pending, current)}")
        made.append(name)
        scratch = f"{ctx.scratch}op{number}_"
        stage.prepare(ctx.tools_for(scratch), name)
        pending = [replace(stage, query=stage.query.replace("{scratch}", scratch), prepare=None)]
        current = name
    # Dropped rows keep their key and reason; their values can be had from the input by that key. The casts matter for a
    # column that is null everywhere, which DuckDB gives a type of its own.
    value = "(CASE WHEN _why IS NULL THEN {0} END)::{1} AS {0}" if chain.reasons else "{0}::{1} AS {0}"
    kept = [value.replace("{0}", quote(c.name)).replace("{1}", c.type) for c in chain.schema.columns]
    columns = ", ".join([*map(quote, hidden), *kept, "_why::SMALLINT AS _why", "_because"])
    con.execute(f"CREATE TABLE {ctx.target} AS SELECT {columns} FROM ({compose(pending, current)})")
    for name in made:
        con.execute(f"DROP TABLE {name}")
    counts = dict(con.execute(f"SELECT _why, count(*) FROM {ctx.target} GROUP BY _why").fetchall())
    outcome = Outcome(rows_out=int(counts.get(None, 0)))
    for number, reason in enumerate(chain.reasons):
        outcome.dropped[reason.words] = outcome.dropped.get(reason.words, 0) + int(counts.get(number, 0))
    outcome.extra["reasons"] = [r.words for r in chain.reasons]
    if ctx.lasting:
        outcome.extra["lasting"] = sorted(ctx.lasting)
    return outcome
