"""Running a label step: votes as one column a voter, the patterns among them, the label of each row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from recipec.api import DataError, Json, Outcome, StepFailed, literal, quote
from recipec.votes._base import Ballots, Mode, Voted, Voting

if TYPE_CHECKING:
    from recipec.engines.context import RunContext
    from recipec.labels.combined import Combined
    from recipec.labels.patterns import Patterns
    from recipec.steps.label import LabelPlan, Voter

SHOWN = 5
"""Examples of what went wrong that a note names."""


def label(plan: LabelPlan, ctx: RunContext) -> Outcome:
    """Make the step's table: the input's columns, the label, its confidence and the votes; ``_why`` for rows without a label."""
    source = ctx.relation(ctx.step.inputs[0])
    rows = ctx.rows(ctx.step.inputs[0])
    classes = classes_of(plan, ctx)
    outcome = Outcome(rows_in=rows)
    votes = ctx.temp("votes")
    cast = vote(plan, ctx, source, classes, votes)
    voted = cast.voted
    outcome.notes += odd_ones(cast)
    failed(plan, ctx, voted, rows)
    gold = "gold" if plan.settings.gold is not None else None
    columns = [f"v{i}" for i in range(len(plan.voters))]
    from recipec.labels.patterns import back, patterns

    found = patterns(ctx.con, votes, columns, len(classes), gold=gold, scratch=f"{ctx.scratch}l_", folder=ctx.temporary)
    fit, combined = combining(plan, found, classes)
    soft = len(plan.voters) == 1 and voted[0].soft
    if soft and plan.combiner is None:
        # One voter that knows how sure it is: there is nothing to combine.
        if plan.settings.calibrate is not None:
            from recipec.votes._soft import calibrate

            outcome.notes += calibrate(ctx, votes, plan.settings.calibrate, len(classes))
        labels = surest(votes)
    else:
        labels = back(ctx.con, found, combined, scratch=f"{ctx.scratch}l_", seed=plan.seed, salt=plan.salt)
    ctx.execute(f"CREATE TABLE {ctx.target} AS {labelled(plan, source, votes, labels, classes, soft=soft)}")
    counted(plan, ctx, outcome, rows)
    outcome.extra["reasons"] = ["no vote", "unsure"]
    describe(plan, ctx, outcome, voted, renamed(found, plan.voters), combined, classes, fit)
    return outcome


def surest(votes: str) -> str:
    """SQL for the labels of a single voter that tells how sure it is."""
    return f"SELECT _key, v0 AS _label, coalesce(sure[v0 + 1], 1.0) AS _confidence FROM {votes}"


def combining(
    plan: LabelPlan, found: Patterns, classes: Sequence[str], prior: Sequence[float] | None = None, combiner: Any = None
) -> tuple[Callable[[Patterns], Combined], Combined]:
    """(what combines votes as the step says, the votes combined). ``prior`` and ``combiner`` stand for the step's own where they are given."""
    from recipec.labels.calibrate import calibrated

    if prior is None and plan.settings.prior is not None:
        prior = [plan.settings.prior[c] for c in classes]
    chosen = combiner or plan.combiner or alone()

    def fit(some: Patterns) -> Combined:
        made: Combined = chosen.fit(renamed(some, plan.voters), classes, prior=prior)
        return calibrated(some, made, plan.settings.calibrate) if plan.settings.calibrate is not None else made

    return fit, fit(found)


def alone() -> Any:
    """What combines the votes of a single voter: there is nothing to combine."""
    from recipec.registry import find

    cls = find("combiner", "majority")
    assert cls is not None
    return cls(cls.Params())


def renamed(found: Patterns, voters: Sequence[Voter]) -> Patterns:
    """The patterns under the voters' own names."""
    from dataclasses import replace

    return replace(found, voters=tuple(v.name for v in voters))


def classes_of(plan: LabelPlan, ctx: RunContext, least: int = 2) -> tuple[str, ...]:
    """The classes: those declared, or those that the voters bring, ``least`` of them at least."""
    if plan.classes is not None:
        return plan.classes
    brought: dict[str, None] = {}
    for voter in plan.voters:
        if voter.vote is not None:
            brought.update(dict.fromkeys(voter.vote.brings(ctx) or ()))
    if len(brought) < least:
        found = f'only "{next(iter(brought))}" is known' if brought else "no voter knows any"
        raise DataError(f"`{ctx.step.name}` declares no classes, and {found}", 'say them: classes: ["spam", "ham"]')
    return tuple(sorted(brought))


def vote(
    plan: LabelPlan, ctx: RunContext, source: str, classes: tuple[str, ...], votes: str, only: Collection[int] | None = None
) -> Ballots:
    """Make the table ``votes``: ``_key``, a column ``v<i>`` for each voter, ``gold`` and, for one soft voter, ``sure``. ``only`` names the
    voters that are to vote, by their place; None: all."""
    cast = Ballots([])
    listed: list[str] = ["s._key"]
    joins: list[str] = []
    strange: list[str] = []
    names = literal(list(classes))
    for i, voter in enumerate(plan.voters):
        if only is not None and i not in only:
            cast.voted.append(Voted())
            continue
        if voter.vote is None:
            cast.voted.append(Voted())
            code = str(classes.index(voter.constant)) if voter.constant in classes else f"list_position({names}, {voter.label}) - 1"
            listed.append(f"(CASE WHEN {voter.condition} THEN {code} END)::SMALLINT AS v{i}")
            if voter.constant is None:
                strange.append(
                    f"count(*) FILTER (({voter.condition}) AND ({voter.label}) IS NOT NULL AND list_position({names}, {voter.label}) IS NULL)"
                )
            continue
        out = ctx.temp(f"vote_{i}")
        ctx.progress(None, voter.name)
        cast.voted.append(voter.vote.run(Voting(ctx, source, classes, out, voter.name, plan.salt, plan.seed)))
        joins.append(f"LEFT JOIN {out} AS j{i} ON s._key = j{i}._key")
        listed.append(voted_for(i))
    if len(plan.voters) == 1 and cast.voted[0].soft:
        listed.append("j0.sure AS sure")
    gold = plan.settings.gold
    if gold is not None:
        listed.append(f"(list_position({names}, s.{gold.sql}::VARCHAR) - 1)::SMALLINT AS gold")
    ctx.execute(f"CREATE TEMP TABLE {votes} AS SELECT {', '.join(listed)} FROM {source} AS s {' '.join(joins)}")
    if strange:
        cast.unknown = sum(int(n or 0) for n in ctx.one(f"SELECT {', '.join(strange)} FROM {source} AS s"))
    if gold is not None:
        others = ctx.con.execute(
            f"SELECT s.{gold.sql}::VARCHAR AS g, count(*) FROM {source} AS s WHERE g IS NOT NULL AND list_position({names}, g) IS NULL GROUP BY g"
        ).fetchall()
        cast.astray = {str(g): int(n) for g, n in others}
    return cast


def voted_for(i: int) -> str:
    """The column of a voter that is no rule, whose table is joined as ``j<i>``."""
    return f"j{i}.vote::SMALLINT AS v{i}"


def odd_ones(cast: Ballots) -> list[str]:
    """What is to be said of votes and of gold that are none of the classes."""
    notes = []
    if cast.unknown:
        told = (
            "is for none of the classes, and counts as an abstention"
            if cast.unknown == 1
            else "are for none of the classes, and count as abstentions"
        )
        notes.append(f"{counts(cast.unknown, 'vote')} of rules {told}")
    lost = sum(cast.astray.values())
    if lost:
        most = sorted(cast.astray.items(), key=lambda item: (-item[1], item[0]))[:3]
        some = ", ".join(f'"{g[:40]}"' for g, _ in most)
        notes.append(
            f"{counts(lost, 'row')} {'has' if lost == 1 else 'have'} a gold label that is none of the classes, and is not used: {some}"
        )
    return notes


def failed(plan: LabelPlan, ctx: RunContext, voted: Sequence[Voted], rows: int) -> None:
    """Put the rows that got no answer aside, to be shown; too many of them stop the step."""
    for voter, result in zip(plan.voters, voted, strict=True):
        if not result.failed:
            continue
        share = len({key for key, _, _ in result.failed}) / max(rows, 1)
        if share > plan.settings.max_failed:
            reasons: dict[str, int] = {}
            for _, reason, _ in result.failed:
                reasons[reason] = reasons.get(reason, 0) + 1
            told = " · ".join(f"{r} {n:,}" for r, n in sorted(reasons.items(), key=lambda i: -i[1])[:3])
            raise StepFailed(
                f"{len(result.failed):,} of {rows:,} rows got no answer from `{voter.name}`: {told}; the first: {result.failed[0][2]}",
                f"what was answered is kept: run again to ask for the rest, or allow more: max_failed: {min(1.0, share) * 100:.0f}%",
            )
        ctx.set_aside(f"vote {voter.name}", [(reason, text) for _, reason, text in result.failed])


def labelled(plan: LabelPlan, source: str, votes: str, labels: str, classes: tuple[str, ...], *, soft: bool = False) -> str:
    """A SELECT of the step's table. The order of its columns is the schema's. ``soft``: a single voter told how sure it is, and where it is even."""
    names = literal(list(classes))
    column = plan.column
    cast = [
        f"{{'k': {literal(v.name)}, 'v': {names}[v.v{i} + 1]}}" for i, v in enumerate(plan.voters)
    ]  # fmt: skip
    made = {
        column: f"CASE WHEN accepted THEN {names}[l._label + 1] END",
        f"{column}_confidence": "CASE WHEN l._label IS NOT NULL THEN l._confidence END",
        f"{column}_votes": f"map_from_entries(list_filter([{', '.join(cast)}], lambda x: x.v IS NOT NULL))",
    }
    hidden = ["_key", "_parent", *(["_order"] if plan.schema.ordered else [])]
    voted = " OR ".join(f"v.v{i} IS NOT NULL" for i in range(len(plan.voters)))
    if soft:
        voted = f"{voted} OR v.sure IS NOT NULL"
    accepted = "l._label IS NOT NULL"
    if plan.accept is not None:
        # The condition sees the input's columns, and beside them the label and its confidence.
        taken = {column, "confidence", "label"}
        seen = ", ".join([f"s.{quote(c)}" for c in plan.given.names if c not in taken])
        also = ", ".join(f"{names}[l._label + 1] AS {quote(n)}" for n in dict.fromkeys(("label", column)) if n != "confidence")
        given = f"s._key, s._parent, {seen}{', ' if seen else ''}l._confidence AS confidence, {also}"
        inner = f"SELECT {given} FROM {source} AS s JOIN labels AS l ON s._key = l._key"
        accepted = "(l._label IS NOT NULL AND a.accepted)"
        join = f"LEFT JOIN (SELECT _key, coalesce(({plan.accept}), false) AS accepted FROM ({inner})) AS a ON s._key = a._key"
    else:
        join = ""
    listed = [f"s.{h}" for h in hidden] + [f"{made[c]} AS {quote(c)}" if c in made else f"s.{quote(c)}" for c in plan.schema.names]
    drop = plan.settings.unsure == "drop"
    each = ", ".join(f"{literal(v.name + ' ')} || {names}[v.v{i} + 1]" for i, v in enumerate(plan.voters))
    told = f"array_to_string(list_filter([{each}], lambda x: x IS NOT NULL), ', ')"
    if soft:
        # Its probabilities are even: between which classes.
        even = f"list_filter({names}, lambda c, i: v.sure[i] >= list_max(v.sure) - 1e-9)"
        who = literal(plan.voters[0].name + " ")
        told = f"CASE WHEN v.v0 IS NULL THEN {who} || array_to_string({even}, ' or ') ELSE {told} END"
    because = (
        f"CASE WHEN accepted THEN NULL WHEN NOT voted THEN 'no voter voted' WHEN l._label IS NULL THEN 'the votes are even: ' || {told} "
        f"ELSE 'confidence ' || printf('%.2f', l._confidence) || ' for ' || {names}[l._label + 1] || ': ' || {told} END"
    )
    why = "CASE WHEN accepted THEN NULL WHEN NOT voted THEN 0 ELSE 1 END" if drop else "NULL"
    return (
        f"WITH labels AS MATERIALIZED ({labels}), judged AS (SELECT s._key, {accepted} AS accepted, ({voted}) AS voted "
        f"FROM {source} AS s JOIN labels AS l ON s._key = l._key JOIN {votes} AS v ON s._key = v._key {join}) "
        f"SELECT {', '.join(listed)}, ({why})::SMALLINT AS _why, {because if drop else 'NULL::VARCHAR'} AS _because FROM {source} AS s "
        f"JOIN judged AS g ON s._key = g._key JOIN labels AS l ON s._key = l._key JOIN {votes} AS v ON s._key = v._key"
    )


def counted(plan: LabelPlan, ctx: RunContext, outcome: Outcome, rows: int) -> None:
    found = dict(ctx.con.execute(f"SELECT _why, count(*) FROM {ctx.target} WHERE _why IS NOT NULL GROUP BY 1").fetchall())
    for number, reason in enumerate(("no vote", "unsure")):
        if found.get(number):
            outcome.dropped[reason] = int(found[number])
    outcome.rows_out = rows - sum(outcome.dropped.values())
    if plan.settings.unsure == "keep":
        empty = int(ctx.one(f"SELECT count(*) FROM {ctx.target} WHERE {quote(plan.column)} IS NULL")[0])
        if empty:
            outcome.notes.append(f"{counts(empty, 'row')} {'is' if empty == 1 else 'are'} kept without a label")


def tell_voters(plan: LabelPlan, ctx: RunContext, outcome: Outcome, voted: Sequence[Voted], tally: Sequence[int]) -> None:
    """What each voter did and what went wrong, into ``outcome``. ``tally`` are the votes of each."""
    voters: list[dict[str, Json]] = []
    for voter, result, votes in zip(plan.voters, voted, tally, strict=True):
        facts: dict[str, Json] = {"name": voter.name, "kind": voter.kind, "votes": int(votes)}
        facts |= result.facts
        if result.spent:
            facts["spent"] = dict(result.spent)
        if result.failed:
            facts["failed"] = len({key for key, _, _ in result.failed})
        if result.strange:
            total = sum(result.strange.values())
            facts["strange"] = dict(sorted(result.strange.items(), key=lambda item: (-item[1], item[0]))[:20])
            some = ", ".join(f'"{a[:40]}"' if a else "an empty answer" for a in list(facts["strange"])[:3])
            outcome.notes.append(f"{voter.name}: {counts(total, 'answer')} {said(plan.mode, total)}: {some}")
        if result.failed:
            outcome.notes.append(f"{voter.name}: {counts(facts['failed'], 'row')} got no answer: recipec bad {ctx.step.name}")
        outcome.notes.extend(result.notes)
        voters.append(facts)
    outcome.extra["voters"] = voters


def counts(n: int, what: str) -> str:
    """``1 row``, ``1,200 rows``."""
    return f"{n:,} {what}{'s' * (n != 1)}"


def said(mode: Mode, n: int) -> str:
    if mode == "tags":
        return (
            "name no tag, or no text of their row, and count for nothing"
            if n != 1
            else "names no tag, or no text of its row, and counts for nothing"
        )
    return "are none of the classes, and count as abstentions" if n != 1 else "is none of the classes, and counts as an abstention"


def describe(
    plan: LabelPlan,
    ctx: RunContext,
    outcome: Outcome,
    voted: Sequence[Voted],
    found: Patterns,
    combined: Combined,
    classes: tuple[str, ...],
    refit: Callable[[Patterns], Combined],
) -> None:
    """What ``recipec labels`` shows, into ``outcome.extra``."""
    from recipec.labels.analysis import analyse

    tell_voters(plan, ctx, outcome, voted, [int(n) for n in found.tally.sum(axis=1)])
    analysis = analyse(found, classes, combined, refit=refit)
    if len(plan.voters) > 1:
        outcome.notes.extend(n for n in analysis.notes if n not in outcome.notes)
    outcome.extra["analysis"] = analysis.as_json()
    outcome.extra["classes"] = list(classes)
    given = dict(ctx.con.execute(f"SELECT {quote(plan.column)}, count(*) FROM {ctx.target} WHERE _why IS NULL GROUP BY 1").fetchall())
    outcome.extra["balance"] = {c: int(given.get(c, 0)) for c in classes}
