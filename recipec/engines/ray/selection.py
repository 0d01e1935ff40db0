"""Select steps on a cluster.

Tasks write what decides about a row: its key, what it counts, its group, and the values that the selector looks at. The process that you
started scores, picks and ranks these, as without a cluster; a task for each shard carries it out. What DSIR reads of a text is its words:
they are counted in tasks, and tasks give each text its weight.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import ColumnName, Expression, Outcome, quote
from recipec.engines.ray.carry import ROWS, SHARD, Work, by_shard, carried, narrow, views
from recipec.engines.ray.shards import Rows, whole
from recipec.engines.ray.stores import here
from recipec.engines.ray.tasks import Done, Job, Setting, Unit, database, finish, peak, placed

if TYPE_CHECKING:
    from recipec.engines.ray.runner import Floor
    from recipec.fast.select_ngrams import Counts, Floats
    from recipec.selectors._base import Selecting, Selector
    from recipec.selectors.dsir import DSIR
    from recipec.steps.select import SelectPlan

WEIGHT = "__weight"


def select(floor: Floor) -> Outcome:
    """The table of a ``select`` step; see :func:`recipec.selectors._run.choose`."""
    from recipec.engines.tests import run_tests
    from recipec.selectors._run import count, decide, decisive, number, selected
    from recipec.selectors.dsir import DSIR

    ctx = floor.ctx
    plan: SelectPlan = ctx.step.bound.plan
    rows = floor.rows_of(ctx.step.inputs[0])
    selector, seen = looking(plan.selector)
    columns = ["_key", *decisive(plan), *(f"{sql} AS {quote(name)}" for name, sql in seen.items())]
    if isinstance(selector, DSIR):
        told = weighed(floor, selector, rows, columns, seen)
        vars(selector)["weighed"] = known
    else:
        told = narrow(floor, "seen", rows, ", ".join(columns))
    outcome = Outcome(rows_in=ctx.rows(ctx.step.inputs[0]))
    there = replace(plan, selector=selector)
    number(there, ctx, told.sql())
    chosen = decide(there, ctx, outcome)
    query = f"SELECT k.*, t.{SHARD} FROM {chosen.ranked} AS k JOIN {ctx.temp('rows')} AS t ON k._key = t._key"
    tables = by_shard(floor, "ranked", query, len(rows))
    work = Work(selected(plan, ROWS, "_ranked", chosen.sizes))
    done = carried(floor, work, rows, [{"_ranked": t} for t in tables])
    types = floor.publish(done)
    count(plan, ctx, outcome, chosen)
    outcome.extra["rows"] = floor.lying(done, types)
    run_tests(ctx, plan.tests, f"(SELECT * FROM {ctx.target} WHERE _why IS NULL)", outcome)
    return outcome


def looking(selector: Selector) -> tuple[Selector, dict[str, str]]:
    """(the selector, reading values that are there already, SQL for these of the input's columns, by name)

    What a selector looks at are its expressions and the columns that it names, among its parameters and what it made of them.
    """
    seen: dict[str, str] = {}

    def there(value: Any) -> Any:
        if isinstance(value, Expression):
            name = next((n for n, sql in seen.items() if sql == f"({value.sql})"), f"__x{len(seen)}")
            seen[name] = f"({value.sql})"
            return replace(value, sql=quote(name), columns=frozenset({name}))
        if isinstance(value, ColumnName):
            seen[value.name] = quote(value.name)
        return value

    own = copy(selector)
    own.params = copy(selector.params)
    for part, given in ((own.params, selector.params), (own, selector)):
        vars(part).update({name: there(value) for name, value in vars(given).items() if name != "params"})
    return own, seen


# DSIR


@dataclass(frozen=True)
class Reading:
    """What all tasks that read texts have in common. ``wanted`` and ``pool`` are known when texts are weighed."""

    text: str
    pairs: bool
    columns: str = ""
    wanted: Counts | None = None
    pool: Counts | None = None


def known(given: Selecting) -> Floats:
    """The log weights of rows that were weighed already (:meth:`recipec.selectors.dsir.DSIR.weighed`)."""
    import numpy as np

    found = given.ctx.con.execute(f"SELECT coalesce({WEIGHT}, 'nan'::DOUBLE) AS w FROM {given.rows} ORDER BY __n").fetchnumpy()["w"]
    made: Floats = np.asarray(found, np.float64)
    return made


def words(setting: Setting, job: Job, reading: Reading, unit: Unit) -> Done:
    """Count the hashed words and pairs of a shard's texts, into a file."""
    import numpy as np

    from recipec.fast.select_ngrams import counted

    started = time.monotonic()
    with database(setting) as (con, _, _folder):
        views(con, unit)
        totals = counted(con, f"SELECT {reading.text} FROM {ROWS} WHERE ({reading.text}) IS NOT NULL", reading.pairs)
        with placed(job.out, unit.number) as (fresh, final):
            np.save(fresh / "counts.npy", totals)
            size = (fresh / "counts.npy").stat().st_size
    return Done({0: (str(final / "counts.npy"),)}, 1, size, seconds=time.monotonic() - started, peak=peak())


def weigh(setting: Setting, job: Job, reading: Reading, unit: Unit) -> Done:
    """Give a shard's texts their weights; with them what else decides about the rows."""
    import numpy as np
    import pyarrow as pa

    from recipec.fast.select_ngrams import log_weights

    started = time.monotonic()
    assert reading.wanted is not None
    with database(setting) as (con, _, folder):
        views(con, unit)
        con.execute(f"CREATE TEMP TABLE __seen AS SELECT row_number() OVER (ORDER BY _key) - 1 AS __n, {reading.columns} FROM {ROWS}")
        count = int(con.execute("SELECT count(*) FROM __seen").fetchall()[0][0])
        query = f"SELECT __n, {reading.text} FROM __seen"
        made = log_weights(con, query, reading.wanted, count, Path(folder), lambda share: None, reading.pairs, reading.pool)
        con.register("__weights", pa.table({"n": np.arange(count), WEIGHT: made}))
        kept = f"SELECT s.* EXCLUDE (__n, {reading.text}), w.{WEIGHT}, {unit.number}::INTEGER AS {SHARD}"
        return finish(con, job, unit, f"{kept} FROM __seen AS s JOIN __weights AS w ON w.n = s.__n", started)


def weighed(floor: Floor, selector: DSIR, rows: list[Rows], columns: list[str], seen: Mapping[str, str]) -> Rows:
    """What decides about all rows, with their weights. ``columns`` are SQL of it, ``seen`` of what the selector looks at, by name."""
    import numpy as np

    def counted(name: str, parts: list[Rows], text: str) -> Counts:
        units = [Unit(n, r) for n, r in enumerate(parts)]
        job = Job(str(floor.place(name)))
        done = floor.cluster.map(
            words, [floor.setting, job, Reading(text, pairs)], units, lambda share, said: floor.ctx.progress(None, said)
        )
        floor.tally.add(done, shuffled=True)
        made: Counts = np.zeros(0, np.int64)
        for d in done:
            found = np.load(here(d.files[0])[0])
            made = found if not len(made) else made + found
        return made

    pairs = selector.params.pairs
    target = selector.params.target
    wanted = counted("wanted", floor.rows_of(target.table), quote(target.column))
    if not wanted.sum() and floor.ctx.rows(floor.ctx.step.inputs[0]):
        raise selector.lacking()
    pool = counted("pool", rows, seen[selector.text.sql.strip(chr(34))])
    reading = Reading(selector.text.sql, pairs, ", ".join(columns), wanted, pool)
    units = [Unit(n, r) for n, r in enumerate(rows)]
    done = floor.cluster.map(weigh, [floor.setting, Job(str(floor.place("weights"))), reading], units, floor.ctx.progress, span=(0.0, 0.5))
    floor.tally.add(done, shuffled=True)
    return whole([d.of(d.files[0], d.bytes) for d in done])


__all__ = ["select"]
