"""``python`` and ``sql`` steps on a cluster.

A function of the recipe's own gets its rows in batches, in the order of keys, and must not depend on how they are cut: rows are put to runs of
whole batches (:mod:`recipec.engines.ray.ordered`), and a task asks it about each run. Whose code is executed is decided where you started, as
without a cluster; a machine executes the very file that was allowed there, and no other.

A query is asked in one task, whose tables are the step's inputs.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from recipec.api import Outcome, quote
from recipec.engines.ray.code import Code, allowed
from recipec.engines.ray.ordered import runs_of
from recipec.engines.ray.rest import run_size
from recipec.engines.ray.shards import Rows, whole
from recipec.engines.ray.tasks import Done, Job, Setting, Unit, database, finish

if TYPE_CHECKING:
    from recipec.engines.ray.runner import Floor
    from recipec.steps.python import PythonPlan


@dataclass(frozen=True)
class Asking:
    """What all tasks have in common: the function, its file, and the columns that it is given."""

    plan: PythonPlan
    code: Code
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """Rows in whole batches; ``count`` of them."""

    number: int
    rows: Rows
    count: int


def call(setting: Setting, job: Job, asking: Asking, run: Run) -> Done:
    """Ask a function about a run of rows. ``facts``: the rows that it left out, and the types of its first answer."""
    from recipec.steps.python import Calling, load

    started = time.monotonic()
    plan = asking.plan
    with allowed([asking.code]):
        function = load(plan)
    with database(setting) as (con, _, _folder):
        con.execute(f"CREATE VIEW __rows AS SELECT * FROM {run.rows.sql()}")
        calling = Calling(plan, con, "__rows", asking.columns, run.count, "__answers")
        schema = calling.ask(function, lambda share: None)
        done = finish(con, job, Unit(run.number, run.rows), calling.result, started)
        return replace(done, facts={"lost": calling.lost(), "types": None if schema is None else str(schema)})


def python(floor: Floor) -> Outcome:
    """The table of a ``python`` step; see :class:`recipec.steps.python.Python`."""
    from recipec.steps.python import Python, told

    ctx = floor.ctx
    plan: PythonPlan = ctx.step.bound.plan
    ref = ctx.step.inputs[0]
    rows = ctx.rows(ref)
    if not rows:
        return Python().run(plan, ctx)
    code = Code.allowed(plan.file, plan.function)
    parts = floor.rows_of(ref)
    size = run_size(rows, plan.batch, floor.buckets(parts))
    sizes = [min(size, rows - low) for low in range(0, rows, size)]
    columns = ", ".join(map(quote, ["_key", "_parent", *ref.schema.names]))
    found = runs_of(floor, "runs", parts, columns, ("_key",), sizes, lambda share: ctx.progress(share * 0.3, ""))
    asking = Asking(plan, code, tuple(ref.schema.names))
    runs = [Run(n, r, count) for n, (r, count) in enumerate(zip(found, sizes, strict=True))]
    done = floor.cluster.map(call, [floor.setting, Job(str(floor.final)), asking], runs, ctx.progress, span=(0.3, 1.0))
    floor.tally.add(done, shuffled=False)
    if len({d.facts["types"] for d in done} - {None}) > 1:
        # Whether later answers can be what the first one was is told by who sees all of them in turn.
        shutil.rmtree(floor.final)
        return Python().run(plan, ctx)
    types = floor.publish(done)
    outcome = told(plan, rows, sum(d.rows for d in done), sum(d.facts["lost"] for d in done))
    outcome.extra["rows"] = floor.lying(done, types)
    return outcome


def query(setting: Setting, job: Job, text: str, unit: Unit) -> Done:
    """Ask a query over the unit's tables."""

    started = time.monotonic()
    with database(setting) as (con, _, _folder):
        for name, rows in unit.tables.items():
            con.execute(f"CREATE TEMP VIEW {quote(name)} AS SELECT * FROM {rows.sql()}")
        return finish(con, job, unit, text, started)


def sql(floor: Floor) -> Outcome:
    """The table of a ``sql`` step; see :class:`recipec.steps.sql.Sql`."""
    from recipec.steps.sql import Sql

    ctx = floor.ctx
    plan = ctx.step.bound.plan
    inputs = [floor.rows_of(r) for r in ctx.step.inputs]
    names = {n: f"__table{i}" for i, n in enumerate(plan.names)}
    tables = {f"__table{i}": whole(rows) for i, rows in enumerate(inputs)}
    buckets = max((floor.buckets(rows) for rows in inputs), default=1)
    job = Job(str(floor.final), by="_key" if buckets > 1 else None, buckets=buckets)
    done = floor.cluster.map(query, [floor.setting, job, Sql.result(plan, names)], [Unit(0, Rows(()), tables=tables)], ctx.progress)
    floor.tally.add(done, shuffled=False)
    types = floor.publish(done)
    outcome = Sql().accept(plan, ctx)
    outcome.extra["rows"] = floor.lying(done, types)
    return outcome


__all__ = ["python", "sql"]
