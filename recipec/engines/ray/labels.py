"""Label steps on a cluster.

1. A task for each shard casts the votes of rules, word lists, patterns and functions, and writes them down: a few bytes a row.
2. The process that you started learns from all votes, as without a cluster: it sees rows by their patterns alone. Voters that must see all
   rows, or ask a model, vote here too.
3. What was learned is a line for each pattern of votes. Every task gets it whole, and gives its rows their labels.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from recipec.api import ColumnRef, Outcome, TableRef, quote
from recipec.engines.ray.carry import ROWS, SHARD, Work, by_shard, carried, views, whole_file
from recipec.engines.ray.code import Code, allowed
from recipec.engines.ray.shards import Rows, whole
from recipec.engines.ray.tasks import Done, Job, Setting, Unit, database, finish

if TYPE_CHECKING:
    import duckdb

    from recipec.engines.context import RunContext
    from recipec.engines.ray.runner import Floor
    from recipec.steps.label import LabelPlan
    from recipec.votes._base import Ballots, Voted

VOTES, SPANS = "votes", "spans"


@dataclass(frozen=True)
class Casting:
    """What all tasks that vote have in common: the plan, its classes, the voters that are to vote (by their place), what the temporary
    tables' names begin with, the other tables, which each unit has under the names given, and the voters' own code."""

    plan: LabelPlan
    classes: tuple[str, ...]
    only: tuple[int, ...]
    scratch: str
    relations: Mapping[TableRef, str]
    code: tuple[Code, ...] = ()


@contextmanager
def at_work(setting: Setting, casting: Casting, unit: Unit) -> Iterator[tuple[duckdb.DuckDBPyConnection, RunContext]]:
    """A task's database with its rows and tables, and what voters know of their run."""

    from recipec.engines.context import RunContext

    with database(setting) as (con, _, folder), allowed(casting.code):
        views(con, unit)
        step: Any = SimpleNamespace(name="", bound=SimpleNamespace(plan=casting.plan))
        nobody: Any = None
        ctx = RunContext(
            con, nobody, step, "", "", casting.relations, casting.scratch, folder, folder, 1, lambda share, text: None, lambda note: None
        )
        yield con, ctx


def vote(setting: Setting, job: Job, casting: Casting, unit: Unit) -> Done:
    """Vote on a shard's rows: a table of votes as :func:`recipec.votes._run.vote` makes it, and what else came of it as ``facts``."""
    started = time.monotonic()
    with at_work(setting, casting, unit) as (con, ctx):
        votes = ctx.temp(VOTES)
        cast = module_of(casting.plan).vote(casting.plan, ctx, ROWS, casting.classes, votes, casting.only)
        done = finish(con, job, unit, f"SELECT *, {unit.number}::INTEGER AS {SHARD} FROM {votes}", started)
    return replace(done, facts={"cast": cast})


def mark(setting: Setting, job: Job, casting: Casting, unit: Unit) -> Done:
    """Vote on the tokens of a shard's rows: what the patterns are made of, and beside it the voters' spans."""
    from recipec.votes._base import Ballots
    from recipec.votes._tags import cast, cut, tables
    from recipec.votes._tags import vote as spans_of

    started = time.monotonic()
    plan = casting.plan
    with at_work(setting, casting, unit) as (con, ctx):
        names = tables(ctx)
        wrong = cut(plan, ctx, ROWS, names)
        outs, voted = spans_of(plan, ctx, ROWS, casting.classes, names)
        astray = cast(plan, ctx, names, outs, voted, casting.classes)
        spans = " UNION ALL ".join(f"SELECT {i} AS voter, n, start, stop, tag FROM {out}" for i, out in enumerate(outs))
        beside = finish(con, replace(job, out=f"{job.out}_{SPANS}"), unit, spans, started)
        con.execute("DROP TABLE __result")
        done = finish(con, job, unit, f"SELECT * EXCLUDE (n, i, _key) FROM {names.tokens}", started)
    return replace(done, bytes=done.bytes + beside.bytes, facts={"cast": Ballots(voted, wrong, astray), SPANS: beside.files[0]})


@dataclass(frozen=True)
class Deciding:
    """What all tasks that tag have in common: SQL for the types of tokens, whether gold stands, and which voters say no to what they do not
    name."""

    labels: str
    fixed: bool
    whole: tuple[bool, ...]


def tag(setting: Setting, job: Job, casting: Casting, deciding: Deciding, unit: Unit) -> Done:
    """Give a shard's rows their tags. The voters' spans are read, not made again."""
    from recipec.votes._base import Voted
    from recipec.votes._tags import cast, cut, decode, entities, tables, tagged

    started = time.monotonic()
    plan = casting.plan
    with at_work(setting, casting, unit) as (con, ctx):
        names = tables(ctx)
        cut(plan, ctx, ROWS, names)
        outs = [ctx.temp(f"vote_{i}") for i in range(len(plan.voters))]
        for i, out in enumerate(outs):
            con.execute(f"CREATE TEMP TABLE {out} AS SELECT n, start, stop, tag FROM {quote(SPANS)} WHERE voter = {i}")
        cast(plan, ctx, names, outs, [Voted(whole=w) for w in deciding.whole], casting.classes)
        decode(plan, ctx, names, deciding.labels, casting.classes, fixed=deciding.fixed)
        told = entities(plan, ctx, names, outs, casting.classes)
        done = finish(con, job, unit, tagged(plan, ROWS, names), started)
    return replace(done, facts={"entities": told})


# Here


def label(floor: Floor) -> Outcome:
    """The table of a ``label`` step; see :meth:`recipec.steps.label.Label.run`."""
    from recipec.engines.tests import run_tests

    ctx = floor.ctx
    plan = ctx.step.bound.plan
    outcome, done = {"class": one_class, "many": several, "tags": tags}[plan.mode](floor)
    outcome.extra["rows"] = floor.lying(done, done[0].types)
    run_tests(ctx, plan.tests, f"(SELECT * FROM {ctx.target} WHERE _why IS NULL)", outcome)
    return outcome


def module_of(plan: LabelPlan) -> Any:
    return import_module({"class": "recipec.votes._run", "many": "recipec.votes._many", "tags": "recipec.votes._tags"}[plan.mode])


def gathered(parts: Sequence[Ballots]) -> Ballots:
    """What the tasks' voting gave, together."""
    from recipec.votes._base import Ballots

    made = Ballots([together([p.voted[i] for p in parts]) for i in range(len(parts[0].voted))])
    for part in parts:
        made.unknown += part.unknown
        for name, n in part.astray.items():
            made.astray[name] = made.astray.get(name, 0) + n
    return made


def together(parts: Sequence[Voted]) -> Voted:
    """A voter's votes in several places. What it says of the other tables that it reads it says everywhere alike."""
    from recipec.votes._base import Voted

    made = Voted(parts[0].soft, parts[0].whole, facts=parts[0].facts)
    for part in parts:
        made.failed += part.failed
        made.notes += [n for n in part.notes if n not in made.notes]
        for answer, n in part.strange.items():
            made.strange[answer] = made.strange.get(answer, 0) + n
    return made


@dataclass(frozen=True)
class Votes:
    """The votes on all rows: a table or a view here called ``name``, and the files of each shard's own."""

    name: str
    shards: tuple[Rows, ...]
    voted: list[Voted]
    notes: list[str]


def casting_of(floor: Floor, classes: tuple[str, ...]) -> tuple[Casting, dict[str, Rows]]:
    """What tasks that vote need: what they have in common, and other tables that voters read, by name."""
    from recipec.votes.plugin import Plugin

    ctx = floor.ctx
    plan: LabelPlan = ctx.step.bound.plan
    alone = tuple(i for i, v in enumerate(plan.voters) if v.vote is None or v.vote.alone)
    voters = tuple(v if i in alone else replace(v, vote=None) for i, v in enumerate(plan.voters))
    # A voter alone may read lists of names or examples.
    read = [p for i in alone if (made := plan.voters[i].vote) is not None for p in vars(made.params).values()]
    refs = [r for r in (p.table if isinstance(p, ColumnRef) else p for p in read) if isinstance(r, TableRef)]
    names = {r: f"__other{n}" for n, r in enumerate(dict.fromkeys(refs))}
    sent = replace(plan, tests=(), voters=voters, combiner=None)
    own = [v.vote for v in voters if isinstance(v.vote, Plugin)]
    code = tuple(Code.allowed(p.file, p.function) for p in own)
    return Casting(sent, classes, alone, ctx.scratch, names, code), {n: whole(floor.rows_of(r)) for r, n in names.items()}


def votes_on(floor: Floor, classes: tuple[str, ...]) -> Votes:
    """Let everybody vote: those who look at one row at a time in tasks, the others here."""
    from recipec.votes._base import Voting

    ctx = floor.ctx
    plan: LabelPlan = ctx.step.bound.plan
    module = module_of(plan)
    casting, tables = casting_of(floor, classes)
    source = ctx.step.inputs[0]
    units = [Unit(n, r, tables=tables) for n, r in enumerate(floor.rows_of(source))]
    done = floor.cluster.map(vote, [floor.setting, Job(str(floor.place(VOTES))), casting], units, ctx.progress, span=(0.0, 0.5))
    floor.tally.add(done, shuffled=True)
    cast = gathered([d.facts["cast"] for d in done])
    files = tuple(Rows(d.files[0], f"SELECT * EXCLUDE ({SHARD}) FROM {{files}}", d.bytes) for d in done)
    every = Rows(tuple(f for d in done for f in d.files[0])).sql()
    name = ctx.temp(VOTES)
    here = [i for i in range(len(plan.voters)) if i not in casting.only]
    if not here:
        ctx.con.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM {every}")
        return Votes(name, files, cast.voted, module.odd_ones(cast))
    listed = [f"n._key, n.{SHARD}", *(["n.gold"] if plan.settings.gold is not None else []), *(f"n.v{i}" for i in casting.only)]
    joins = []
    for i in here:
        voter = plan.voters[i]
        assert voter.vote is not None
        out = ctx.temp(f"vote_{i}")
        ctx.progress(None, voter.name)
        cast.voted[i] = voter.vote.run(Voting(ctx, ctx.relation(source), classes, out, voter.name, plan.salt, plan.seed, plan.mode))
        joins.append(f"LEFT JOIN {out} AS j{i} ON n._key = j{i}._key")
        listed.append(module.voted_for(i))
    if len(plan.voters) == 1 and cast.voted[0].soft:
        listed.append("j0.sure AS sure")
    ctx.con.execute(f"CREATE TEMP TABLE {name} AS SELECT {', '.join(listed)} FROM {every} AS n {' '.join(joins)}")
    return Votes(name, (), cast.voted, module.odd_ones(cast))


def own_votes(floor: Floor, votes: Votes) -> tuple[Rows, ...]:
    """The votes of each shard, as they are now."""
    if votes.shards:
        return votes.shards
    return tuple(by_shard(floor, "cast", f"SELECT * FROM {votes.name}", len(floor.rows_of(floor.ctx.step.inputs[0]))))


def given_labels(floor: Floor, votes: Votes, work: Work, tables: Mapping[str, Rows]) -> list[Done]:
    """Make the step's table, every shard with its own votes."""
    rows, shards = floor.rows_of(floor.ctx.step.inputs[0]), own_votes(floor, votes)
    done = carried(floor, work, rows, [{f"{floor.ctx.scratch}{VOTES}": v, **tables} for v in shards])
    floor.publish(done)
    return done


def one_class(floor: Floor) -> tuple[Outcome, list[Done]]:
    from recipec.labels.patterns import back, patterns
    from recipec.votes._run import classes_of, combining, counted, describe, failed, labelled, renamed, surest

    ctx = floor.ctx
    plan: LabelPlan = ctx.step.bound.plan
    count = ctx.rows(ctx.step.inputs[0])
    classes = classes_of(plan, ctx)
    votes = votes_on(floor, classes)
    outcome = Outcome(rows_in=count, notes=votes.notes)
    failed(plan, ctx, votes.voted, count)
    columns, scratch = [f"v{i}" for i in range(len(plan.voters))], f"{ctx.scratch}l_"
    gold = "gold" if plan.settings.gold is not None else None
    found = patterns(ctx.con, votes.name, columns, len(classes), gold=gold, scratch=scratch, folder=ctx.temporary)
    fit, combined = combining(plan, found, classes)
    soft = len(plan.voters) == 1 and votes.voted[0].soft
    told: dict[str, Rows] = {}
    if soft and plan.combiner is None:
        if plan.settings.calibrate is not None:
            from recipec.votes._soft import calibrate

            outcome.notes += calibrate(ctx, votes.name, plan.settings.calibrate, len(classes))
        labels = surest(votes.name)
    else:
        labels = back(ctx.con, found, combined, scratch=scratch, seed=plan.seed, salt=plan.salt)
        told = learned_file(floor, f"{scratch}labels")
    done = given_labels(floor, votes, Work(labelled(plan, ROWS, votes.name, labels, classes, soft=soft)), told)
    counted(plan, ctx, outcome, count)
    outcome.extra["reasons"] = ["no vote", "unsure"]
    describe(plan, ctx, outcome, votes.voted, renamed(found, plan.voters), combined, classes, fit)
    return outcome, done


def learned_file(floor: Floor, table: str) -> dict[str, Rows]:
    """What was learned, a line for each pattern of votes, for every task."""
    return {table: whole_file(floor, table.removeprefix(floor.ctx.scratch), quote(table))}


def several(floor: Floor) -> tuple[Outcome, list[Done]]:
    from recipec.votes._many import decisions, labelled, learned, passing, single
    from recipec.votes._many import finish as told_of
    from recipec.votes._run import classes_of, failed

    ctx = floor.ctx
    plan: LabelPlan = ctx.step.bound.plan
    classes = classes_of(plan, ctx, least=1)
    outcome = Outcome(rows_in=ctx.rows(ctx.step.inputs[0]))
    votes = votes_on(floor, classes)
    outcome.notes += votes.notes
    failed(plan, ctx, votes.voted, outcome.rows_in)
    passed, believed = ctx.temp("passed"), dict[str, list[float]]()
    before = [f"CREATE TEMP TABLE {passed} (_key UUID, c SMALLINT, p DOUBLE)"]
    told: dict[str, Rows] = {}
    for code in range(len(classes)):
        labels, notes = learned(plan, ctx, votes.name, votes.voted, classes, code, believed)
        outcome.notes += [n for n in notes if n not in outcome.notes]
        before.append(f"INSERT INTO {passed} {passing(plan, ROWS, votes.name, votes.voted, classes, code, labels)}")
        if not single(plan, votes.voted):
            told |= learned_file(floor, decisions(ctx, code))
    done = given_labels(floor, votes, Work(labelled(plan, ROWS, votes.name, passed, votes.voted, classes), tuple(before)), told)
    told_of(plan, ctx, outcome, votes.voted, votes.name, classes, believed)
    return outcome, done


def tags(floor: Floor) -> tuple[Outcome, list[Done]]:
    from recipec.votes._run import classes_of, failed
    from recipec.votes._tags import finish as told_of
    from recipec.votes._tags import learned, odd_ones, tables

    ctx = floor.ctx
    plan: LabelPlan = ctx.step.bound.plan
    kinds = classes_of(plan, ctx, least=1)
    outcome = Outcome(rows_in=ctx.rows(ctx.step.inputs[0]))
    casting, others = casting_of(floor, kinds)
    rows = floor.rows_of(ctx.step.inputs[0])
    units = [Unit(n, r, tables=others) for n, r in enumerate(rows)]
    done = floor.cluster.map(mark, [floor.setting, Job(str(floor.place("tokens"))), casting], units, ctx.progress, span=(0.0, 0.5))
    floor.tally.add(done, shuffled=True)
    cast = gathered([d.facts["cast"] for d in done])
    failed(plan, ctx, cast.voted, outcome.rows_in)
    outcome.notes += odd_ones(cast)
    names = tables(ctx)
    tokens = Rows(tuple(f for d in done for f in d.files[0])).sql()
    ctx.con.execute(f"CREATE TEMP VIEW {names.tokens} AS SELECT *, NULL::UHUGEINT AS _key FROM {tokens}")
    found, combined, fit, labels = learned(plan, ctx, names, kinds)
    told = learned_file(floor, f"{ctx.scratch}l_labels")
    deciding = Deciding(labels, combined.fixed, tuple(v.whole for v in cast.voted))
    units = [Unit(n, r, tables={**others, **told, SPANS: Rows(d.facts[SPANS])}) for n, (r, d) in enumerate(zip(rows, done, strict=True))]
    made = floor.cluster.map(tag, [floor.setting, Job(str(floor.final)), casting, deciding], units, ctx.progress, span=(0.5, 1.0))
    floor.tally.add(made, shuffled=False)
    floor.publish(made)
    told_of(plan, ctx, outcome, cast.voted, summed([m.facts["entities"] for m in made]), kinds, found, combined, fit)
    return outcome, made


def summed(parts: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Entities by voter and type (:func:`recipec.votes._tags.entities`) of all shards."""
    return [
        {k: v if isinstance(v, str) else sum(p[place][k] for p in parts) for k, v in line.items()} for place, line in enumerate(parts[0])
    ]


__all__ = ["label"]
