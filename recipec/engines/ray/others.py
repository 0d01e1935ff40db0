"""Splits and plain mixtures on a cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from recipec.api import Outcome, literal, quote
from recipec.engines.ray import near
from recipec.engines.ray.shards import Rows, whole
from recipec.engines.ray.tasks import Job, Unit, segment

if TYPE_CHECKING:
    from recipec.engines.ray.runner import Floor


def split(floor: Floor) -> Outcome:
    """Keys and what decides go to one place, which divides them; a task for each shard does as it was told."""
    from recipec.engines.partition import partition
    from recipec.resolve.arguments import Inner
    from recipec.steps.split import Split

    ctx = floor.ctx
    plan, con = ctx.step.bound.plan, ctx.con
    settings = plan.settings
    rows = floor.rows_of(ctx.step.inputs[0])
    columns = ["_key", *(f"({e.sql}) AS s{i}" for i, e in enumerate(settings.stratify))]
    group: str | None = None
    tables: list[dict[str, Rows]] = [{} for _ in rows]
    if isinstance(settings.group, Inner):
        found = settings.group.params
        texts = [replace(r, select=f"SELECT _key, {found.text.sql} AS _text FROM ({r.select})") for r in rows]
        search = near.Search(found.near, found.by, found.ngram, None)
        made, done = near.clusters_by_part(
            floor.cluster, floor.setting, floor.place("near"), texts, search, lambda share, text: ctx.progress((share or 0) * 0.7, text)
        )
        floor.tally.add(done, shuffled=True)
        tables = [{"_clusters": Rows((made.get(n, made[-1]),))} for n in range(len(rows))]
        columns.append("(SELECT c.cluster FROM _clusters AS c WHERE c._key = t._key) AS g")
        group = "g"
    elif settings.group is not None:
        columns.append(f"({settings.group.sql}) AS g")
        group = "g"
    if settings.time is not None:
        columns.append(f"({settings.time.sql}) AS t")
    narrow = [
        Unit(n, replace(r, select=f"SELECT {', '.join(columns)}, {n} AS __shard FROM ({r.select}) AS t"), tables=tables[n])
        for n, r in enumerate(rows)
    ]
    job = Job(str(floor.place("narrow")), columns="*")
    done = floor.cluster.map(segment, [floor.setting, job], narrow, lambda share, text: ctx.progress(None, text))
    floor.tally.add(done, shuffled=True)
    every = whole([d.of(d.files[0]) for d in done]).sql()
    parts = quote(f"{ctx.scratch}parts")
    report = partition(
        con, every, parts=Split.wanted(plan), out=parts, seed=plan.seed, salt=plan.salt,
        stratify=[f"s{i}" for i in range(len(settings.stratify))], group=group, time="t" if settings.time is not None else None,
        assign=settings.assign,
    )  # fmt: skip
    told = floor.place("told")
    told.mkdir(parents=True)
    con.execute(
        f"COPY (SELECT p._key, p.part, n.__shard FROM {parts} AS p JOIN {every} AS n ON p._key = n._key) TO {literal(str(told / 'b'))} "
        "(FORMAT parquet, PARTITION_BY (__shard), OVERWRITE_OR_IGNORE)"
    )
    con.execute(f"COPY (SELECT _key, part FROM {parts} LIMIT 0) TO {literal(str(told / 'empty.parquet'))} (FORMAT parquet)")
    units = []
    for n, r in enumerate(rows):
        inside = told / "b" / f"__shard={n}"
        files = tuple(sorted(str(f) for f in inside.iterdir())) if inside.is_dir() else (str(told / "empty.parquet"),)
        query = Split.divided(ctx.step.bound.outputs[""], report, f"({r.select})", "_parts")
        units.append(Unit(n, replace(r, select=query), tables={"_parts": Rows(files)}))
    done = floor.cluster.map(segment, [floor.setting, Job(str(floor.final))], units, ctx.progress)
    floor.tally.add(done, shuffled=False)
    types = floor.publish(done)
    outcome = Split.told(report)
    outcome.extra["rows"] = floor.lying(done, types)
    return outcome


def mix(floor: Floor) -> Outcome:
    """All rows of all inputs. Where inputs share keys, later ones get others: then their tasks must know the keys before."""
    from recipec.engines.mix import TOLD, all_rows, columns, distinct_names
    from recipec.rand import shared_keys

    ctx = floor.ctx
    plan = ctx.step.bound.plan
    relations = [ctx.relation(i) for i in ctx.step.inputs]
    overlap = len(relations) > 1 and int(ctx.one(shared_keys(relations))[0]) > 0
    tags = distinct_names(plan.names)
    units: list[Unit] = []
    for place, ref in enumerate(ctx.step.inputs):
        earlier = {f"_input{i}": whole(floor.rows_of(r)) for i, r in enumerate(ctx.step.inputs[:place])} if overlap else {}
        for r in floor.rows_of(ref):
            query = all_rows(tags[place], [*earlier, f"({r.select})"], columns(plan, ctx, place), overlap)
            units.append(Unit(len(units), replace(r, select=query), tables=earlier))
    done = floor.cluster.map(segment, [floor.setting, Job(str(floor.final))], units, ctx.progress)
    floor.tally.add(done, shuffled=False)
    types = floor.publish(done)
    sizes = [ctx.rows(i) for i in ctx.step.inputs]
    outcome = Outcome(rows_in=sum(sizes), rows_out=sum(d.rows for d in done))
    outcome.extra["mixture"] = [{"name": n, "holds": s, "rows": s} for n, s in zip(plan.names, sizes, strict=True)]
    if 1 < len(sizes) <= TOLD:
        outcome.extra["parts"] = [{"name": n, "rows": s} for n, s in zip(plan.names, sizes, strict=True)]
    outcome.extra["rows"] = floor.lying(done, types)
    return outcome
