"""A chain of columns, filters and operators on a cluster: pass after pass, each a task for every shard or bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.api import ORDER, Alike, Meeting, Outcome, TableRef
from recipec.engines.chain import counted, kept_columns
from recipec.engines.ray import near
from recipec.engines.ray.shards import Rows, whole
from recipec.engines.ray.tasks import Done, Job, Unit, segment
from recipec.resolve.chain import entry

if TYPE_CHECKING:
    from recipec.engines.ray.runner import Floor
    from recipec.engines.ray.ways import Pass

SMALL = 32 << 20
"""Bytes of Parquet up to which another table is read whole by every task, where its rows need not meet."""


def run_chain(floor: Floor, passes: Sequence[Pass]) -> Outcome:
    """Make the table of a ``clean`` step; see :func:`recipec.engines.chain.run_chain`."""
    from recipec.engines.tests import run_tests

    ctx = floor.ctx
    plan = ctx.step.bound.plan
    chain = plan.chain
    ref = ctx.step.inputs[0]
    rows = [replace(r, select=entry(f"({r.select})").removeprefix("(").removesuffix(")")) for r in floor.rows_of(ref)]
    others = {str(r): floor.rows_of(r) for r in ctx.step.parents if r != ref}
    buckets = floor.buckets(rows)
    hidden = ["_key", "_parent", *([ORDER] if chain.schema.ordered else [])]
    todo = list(passes)
    if len(todo) > 1 and not todo[0].stages and todo[1].way not in ("keys",):
        # Nothing to do before the rows meet, and no buckets to make.
        todo.pop(0)
    done: list[Done] = []
    for number, this in enumerate(todo):
        last = number == len(todo) - 1
        following = None if last else by_of(todo[number + 1], others)
        at = number / len(todo), (number + 1) / len(todo)
        units = make_units(floor, this, number, rows, others, buckets, at)
        by = "_key" if this.way == "one" else following
        out = floor.final if last else floor.place(f"pass{number}")
        job = Job(
            str(out),
            stages=this.stages if this.way != "bands" else found_stages(this),
            columns=kept_columns(chain, hidden) if last else "*",
            by=by,
            buckets=buckets,
            coarse=floor.coarse(len(units), buckets) if following is not None and this.way != "one" else None,
            count="_why" if last else None,
        )
        done = floor.cluster.map(segment, [floor.setting, job], units, ctx.progress, span=at)
        floor.tally.add(done, shuffled=not last)
        if not last:
            rows = gathered(refined(floor, f"pass{number}", done, job), by is not None)
    types = floor.publish(done)
    outcome = counted(chain, sums(done))
    outcome.extra["rows"] = floor.lying(done, types)
    outcome.rows_in = ctx.rows(ref)
    run_tests(ctx, chain.tests, f"(SELECT * FROM {ctx.target} WHERE _why IS NULL)", outcome)
    return outcome


def by_of(following: Pass, others: Mapping[str, Sequence[Rows]]) -> str | None:
    """How the rows are to be cut for the next pass."""
    meeting = following.meeting
    return meeting.by if isinstance(meeting, Meeting) and not spread_whole(meeting, others) else None


def spread_whole(meeting: Meeting, others: Mapping[str, Sequence[Rows]]) -> bool:
    """Whether every task can have the other tables whole, so that no row need move."""
    return not meeting.rows and sum(r.bytes for ref in meeting.others for r in others[ref]) <= SMALL


def gathered(done: Sequence[Done], bucketed: bool) -> list[Rows]:
    """What tasks wrote, as the parts of the next pass: one for each task, or one for each bucket."""
    if not bucketed:
        return [d.of(d.files[0], d.bytes) for d in done]
    found: dict[int, list[str]] = {}
    for d in done:
        for number, files in d.files.items():
            if number >= 0:
                found.setdefault(number, []).extend(files)
    if not found:
        return [done[0].of(next(d.files[-1] for d in done if -1 in d.files))]
    return [done[0].of(found[n]) for n in sorted(found)]


def make_units(
    floor: Floor, this: Pass, number: int, rows: list[Rows], others: Mapping[str, list[Rows]], buckets: int, at: tuple[float, float]
) -> list[Unit]:
    """The parts of a pass: what each task reads."""
    everything = {ref: whole(parts) for ref, parts in others.items()}
    match this.meeting:
        case Meeting() as meeting if meeting.others and not spread_whole(meeting, others):
            cut = {
                ref: shuffled(floor, f"pass{number}_{i}", others[ref], by, buckets) for i, (ref, by) in enumerate(meeting.others.items())
            }
            return [Unit(n, r, {**everything, **{ref: there(c, bucket_number(r)) for ref, c in cut.items()}}) for n, r in enumerate(rows)]
        case Alike() as alike:
            return alike_units(floor, alike, number, rows, others, everything, at)
    if this.way == "one":
        return [Unit(0, whole(rows), everything)]
    return [Unit(n, r, everything) for n, r in enumerate(rows)]


def shuffled(floor: Floor, name: str, rows: Sequence[Rows], by: str, buckets: int) -> dict[int, Rows]:
    """Another table by bucket; -1: without rows."""
    units = [Unit(n, r) for n, r in enumerate(rows)]
    job = Job(str(floor.place(name)), by=by, buckets=buckets, coarse=floor.coarse(len(units), buckets))
    done = floor.cluster.map(segment, [floor.setting, job], units, lambda share, text: floor.ctx.progress(None, text))
    floor.tally.add(done, shuffled=True)
    found: dict[int, list[str]] = {}
    for d in refined(floor, name, done, job):
        for number, files in d.files.items():
            found.setdefault(number, []).extend(files)
    return {n: done[0].of(files) for n, files in found.items()}


def refined(floor: Floor, name: str, done: list[Done], job: Job) -> list[Done]:
    """What tasks cut coarsely, cut once more: with M tasks and B buckets they write M times the root of B files, and these B again for
    every group of them, where M times B would be too many."""
    if job.coarse in (None, job.buckets):
        return done
    found: dict[int, list[str]] = {}
    for d in done:
        for number, files in d.files.items():
            if number >= 0:
                found.setdefault(number, []).extend(files)
    units: list[Unit] = []
    for number in sorted(found):
        listed = found[number]
        groups = min(len(listed), -(-job.buckets // (job.coarse or 1)))
        units += [Unit(len(units) + g, done[0].of(listed[g::groups])) for g in range(groups)]
    if not units:
        return done
    again = Job(str(floor.place(f"{name}_again")), by=job.by, buckets=job.buckets)
    made = floor.cluster.map(segment, [floor.setting, again], units, lambda share, text: floor.ctx.progress(None, text))
    floor.tally.add(made, shuffled=True)
    return made


def bucket_number(rows: Rows) -> int:
    """The bucket that files are of, by the name of their folder."""
    _, _, number = Path(rows.files[0]).parent.name.partition("=")
    return int(number) if number else -1


def there(cut: Mapping[int, Rows], number: int) -> Rows:
    return cut.get(number, cut[-1])


def found_stages(this: Pass) -> tuple:  # type: ignore[type-arg]
    """The stages of a pass whose first reads the table of duplicates, which is found already."""
    first = this.stages[0]
    return (replace(first, query=first.query.replace("{scratch}", "_found_"), prepare=None), *this.stages[1:])


def alike_units(
    floor: Floor,
    alike: Alike,
    number: int,
    rows: Sequence[Rows],
    others: Mapping[str, Sequence[Rows]],
    everything: Mapping[str, Rows],
    at: tuple[float, float],
) -> list[Unit]:
    """Find near-duplicates of all rows, and give each part its own."""

    def over(query: str, r: Rows) -> Rows:
        return Rows(r.files, query.format(input=f"({r.select})"), r.bytes)

    texts = [over(alike.rows, r) for r in rows]
    for ref, query in alike.others.items():
        texts += [over(query, r) for r in others[ref]]
    search = near.Search(alike.threshold, alike.by, alike.ngram, alike.order)

    def progress(share: float | None, text: str) -> None:
        floor.ctx.progress(None if share is None else at[0] + (at[1] - at[0]) * 0.8 * share, text)

    made, done = near.duplicates_by_part(floor.cluster, floor.setting, floor.place(f"near{number}"), texts, search, progress)
    floor.tally.add(done, shuffled=True)
    return [Unit(n, r, everything, {f"_found_{alike.out}": Rows((made.get(n, made[-1]),))}) for n, r in enumerate(rows)]


def sums(done: Sequence[Done]) -> dict[int | None, int]:
    counts: dict[int | None, int] = {}
    for d in done:
        for reason, count in d.counts.items():
            counts[reason] = counts.get(reason, 0) + int(count)
    return counts


__all__ = ["TableRef", "gathered", "run_chain", "sums"]
