"""Running a chain of columns, filters and operators into one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from recipec.api import Outcome, RunTools, TableRef, quote
from recipec.engines.context import RunContext
from recipec.resolve.chain import Chain, Stage, compose, entry

if TYPE_CHECKING:
    import duckdb


def with_tables(stages: Sequence[Stage], relations: Mapping[TableRef, str]) -> Iterator[Stage]:
    """Stages that read other tables, with those tables' names put in."""
    for stage in stages:
        query = stage.query
        for ref, name in relations.items():
            query = query.replace(ref.sql, name)
        yield replace(stage, query=query)


def run_stages(
    con: duckdb.DuckDBPyConnection, stages: Iterable[Stage], source: str, scratch: str, tools_for: Callable[[str], RunTools]
) -> tuple[str, list[str]]:
    """Stages over ``source``, a relation that has ``_why`` and ``_because``: a query for what they yield, and the temporary tables that
    it reads. ``scratch`` is the prefix of these; ``tools_for`` gives an operator's tools under a prefix of its own."""
    current = source
    pending: list[Stage] = []
    made: list[str] = []
    for number, stage in enumerate(stages):
        if stage.prepare is None:
            pending.append(stage)
            continue
        # An operator that is more than SQL needs its input as a table.
        name = quote(f"{scratch}in{number}")
        con.execute(f"CREATE TEMP TABLE {name} AS {compose(pending, current)}")
        made.append(name)
        own = f"{scratch}op{number}_"
        stage.prepare(tools_for(own), name)
        pending = [replace(stage, query=stage.query.replace("{scratch}", own), prepare=None)]
        current = name
    return compose(pending, current), made


def kept_columns(chain: Chain, hidden: Sequence[str]) -> str:
    """The select list of a chain's result: of dropped rows their key and reason alone.

    Their values can be had from the input by that key. The casts matter for a column that is null everywhere, which DuckDB gives a
    type of its own.
    """
    value = "(CASE WHEN _why IS NULL THEN {0} END)::{1} AS {0}" if chain.reasons else "{0}::{1} AS {0}"
    kept = [value.replace("{0}", quote(c.name)).replace("{1}", c.type) for c in chain.schema.columns]
    return ", ".join([*map(quote, hidden), *kept, "_why::SMALLINT AS _why", "_because"])


def counted(chain: Chain, counts: dict[int | None, int]) -> Outcome:
    """The outcome of a chain, of which so many rows were dropped for each reason (None: kept)."""
    outcome = Outcome(rows_out=int(counts.get(None, 0)))
    for number, reason in enumerate(chain.reasons):
        outcome.dropped[reason.words] = outcome.dropped.get(reason.words, 0) + int(counts.get(number, 0))
    outcome.extra["reasons"] = [r.words for r in chain.reasons]
    return outcome


def run_chain(ctx: RunContext, chain: Chain, source: str, hidden: Sequence[str]) -> Outcome:
    """Create ``ctx.target`` from ``source``: kept rows with their columns, and dropped rows with ``_why`` (the number of
    their reason), ``_because`` and their key alone."""
    con = ctx.con
    query, made = run_stages(con, with_tables(chain.stages, ctx.relations), entry(source), ctx.scratch, ctx.tools_for)
    con.execute(f"CREATE TABLE {ctx.target} AS SELECT {kept_columns(chain, hidden)} FROM ({query})")
    for name in made:
        con.execute(f"DROP TABLE {name}")
    outcome = counted(chain, dict(con.execute(f"SELECT _why, count(*) FROM {ctx.target} GROUP BY _why").fetchall()))
    if ctx.lasting:
        outcome.extra["lasting"] = sorted(ctx.lasting)
    return outcome
