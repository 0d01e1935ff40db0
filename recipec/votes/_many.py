"""Running a label step of several classes a row: each class is a question of yes and no, answered by the same combiner.

A voter votes for a list of classes. A rule says yes to the classes that it names, and nothing of the others; a voter that reads everything (a
model, a person) says no to what it does not name. A row gets every class that is decided as yes, or whose probability ``accept`` takes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from recipec.api import Json, Outcome, literal, quote
from recipec.votes._base import Ballots, Voted, Voting
from recipec.votes._run import classes_of, combining, counts, failed, renamed, tell_voters

if TYPE_CHECKING:
    from recipec.engines.context import RunContext
    from recipec.steps.label import LabelPlan

REASONS = ("no vote", "unsure")


def label(plan: LabelPlan, ctx: RunContext) -> Outcome:
    """Make the step's table: the input's columns, the classes, how sure each is and the votes; ``_why`` for rows without an answer."""
    source = ctx.relation(ctx.step.inputs[0])
    classes = classes_of(plan, ctx, least=1)
    outcome = Outcome(rows_in=ctx.rows(ctx.step.inputs[0]))
    votes, passed = ctx.temp("votes"), ctx.temp("passed")
    cast_votes = vote(plan, ctx, source, classes, votes)
    voted = cast_votes.voted
    outcome.notes += odd_ones(cast_votes)
    failed(plan, ctx, voted, outcome.rows_in)
    ctx.con.execute(f"CREATE TEMP TABLE {passed} (_key UUID, c SMALLINT, p DOUBLE)")
    believed: dict[str, list[float]] = {}
    for code, name in enumerate(classes):
        ctx.progress(code / len(classes), name)
        labels, notes = learned(plan, ctx, votes, voted, classes, code, believed)
        outcome.notes += [n for n in notes if n not in outcome.notes]
        ctx.execute(f"INSERT INTO {passed} {passing(plan, source, votes, voted, classes, code, labels)}")
    ctx.execute(f"CREATE TABLE {ctx.target} AS {labelled(plan, source, votes, passed, voted, classes)}")
    finish(plan, ctx, outcome, voted, votes, classes, believed)
    return outcome


def finish(
    plan: LabelPlan, ctx: RunContext, outcome: Outcome, voted: Sequence[Voted], votes: str, classes: Sequence[str],
    believed: dict[str, list[float]],
) -> None:  # fmt: skip
    """What became of the rows, into ``outcome``."""
    found = dict(ctx.con.execute(f"SELECT _why, count(*) FROM {ctx.target} WHERE _why IS NOT NULL GROUP BY 1").fetchall())
    for number, reason in enumerate(REASONS):
        if found.get(number):
            outcome.dropped[reason] = int(found[number])
    outcome.extra["reasons"] = list(REASONS)
    outcome.rows_out = outcome.rows_in - sum(outcome.dropped.values())
    if plan.settings.unsure == "keep":
        empty = int(ctx.one(f"SELECT count(*) FROM {ctx.target} WHERE {quote(plan.column)} IS NULL")[0])
        if empty:
            outcome.notes.append(f"{counts(empty, 'row')} {'is' if empty == 1 else 'are'} kept without a label")
    cast = [int(n) for n in ctx.one(f"SELECT {', '.join(f'count(v{i})' for i in range(len(voted)))} FROM {votes}")]
    tell_voters(plan, ctx, outcome, voted, cast)
    describe(plan, ctx, outcome, votes, classes, cast, believed)


def vote(
    plan: LabelPlan, ctx: RunContext, source: str, classes: tuple[str, ...], votes: str, only: Collection[int] | None = None
) -> Ballots:
    """Make the table ``votes``: ``_key``, a list of classes ``v<i>`` for each voter, ``gold`` and, for a single soft voter, ``sure``. ``only``
    names the voters that are to vote, by their place; None: all."""
    names = literal(list(classes))

    def codes(sql: str) -> str:
        # Whether a list is empty because nothing fits or because nothing is known of what it names is told apart by the caller.
        places = f"list_transform({sql}, lambda x: list_position({names}, x::VARCHAR) - 1)"
        return f"list_sort(list_distinct(list_filter({places}, lambda x: x IS NOT NULL)))"

    cast = Ballots([])
    listed, joins, strange = ["s._key"], [], []
    for i, voter in enumerate(plan.voters):
        if only is not None and i not in only:
            cast.voted.append(Voted())
            continue
        if voter.vote is None:
            cast.voted.append(Voted())
            said = f"[{classes.index(voter.constant)}]" if voter.constant in classes else codes(voter.label)
            listed.append(f"nullif(CASE WHEN {voter.condition} THEN {said} END, [])::SMALLINT[] AS v{i}")
            if voter.constant is None:
                strange.append(
                    f"coalesce(sum(len(list_filter({voter.label}, lambda x: x IS NOT NULL AND list_position({names}, x::VARCHAR) IS NULL))) "
                    f"FILTER ({voter.condition}), 0)"
                )
            continue
        out = ctx.temp(f"vote_{i}")
        ctx.progress(None, voter.name)
        cast.voted.append(voter.vote.run(Voting(ctx, source, classes, out, voter.name, plan.salt, plan.seed, "many")))
        joins.append(f"LEFT JOIN {out} AS j{i} ON s._key = j{i}._key")
        listed.append(voted_for(i))
    if single(plan, cast.voted):
        listed.append("j0.sure AS sure")
    gold = plan.settings.gold
    if gold is not None:
        listed.append(f"{codes(f's.{gold.sql}')}::SMALLINT[] AS gold")
    ctx.execute(f"CREATE TEMP TABLE {votes} AS SELECT {', '.join(listed)} FROM {source} AS s {' '.join(joins)}")
    if strange:
        cast.unknown = sum(int(n or 0) for n in ctx.one(f"SELECT {', '.join(strange)} FROM {source} AS s"))
    if gold is not None:
        lost = f"len(list_filter(s.{gold.sql}, lambda x: list_position({names}, x) IS NULL))"
        cast.astray = {"": int(ctx.one(f"SELECT count(*) FROM {source} AS s WHERE {lost} > 0")[0])}
    return cast


def voted_for(i: int) -> str:
    """The column of a voter that is no rule, whose table is joined as ``j<i>``."""
    return f"list_sort(list_distinct(j{i}.votes))::SMALLINT[] AS v{i}"


def odd_ones(cast: Ballots) -> list[str]:
    """What is to be said of votes and of gold that are none of the classes."""
    notes = []
    if cast.unknown:
        notes.append(
            f"rules vote {'once' if cast.unknown == 1 else f'{cast.unknown:,} times'} for what is none of the classes: these votes do not count"
        )
    rows = cast.astray.get("", 0)
    if rows:
        notes.append(f"{counts(rows, 'row')} of gold name{'s' * (rows == 1)} what is none of the classes: it is left out")
    return notes


def single(plan: LabelPlan, voted: Sequence[Voted]) -> bool:
    """Whether one voter alone tells the probabilities: there is nothing to combine."""
    return len(voted) == 1 and voted[0].soft and plan.combiner is None


def learned(
    plan: LabelPlan,
    ctx: RunContext,
    votes: str,
    voted: Sequence[Voted],
    classes: Sequence[str],
    code: int,
    believed: dict[str, list[float]],
) -> tuple[str, list[str]]:
    """(SQL for what is decided of a class by row: ``_key, _label, p``, what is odd). The query reads the table of votes and
    :func:`decisions`."""
    from recipec.labels.analysis import yes_or_no
    from recipec.labels.combined import remarks
    from recipec.labels.patterns import back, patterns

    name = classes[code]
    columns = [f"v{i}" for i in range(len(voted))]
    whole = [f"v{i}" for i, v in enumerate(voted) if v.whole]
    gold = "gold" if plan.settings.gold is not None else None
    notes: list[str] = []
    if single(plan, voted):
        labels = f"SELECT _key, (sure[{code + 1}] > 0.5)::INT AS _label, sure[{code + 1}] AS p FROM {votes} WHERE sure IS NOT NULL"
    else:
        scratch = f"{ctx.scratch}l{code}_"  # as in decisions()
        relation = yes_or_no(votes, columns, code, exhaustive=whole, gold=gold)
        found = patterns(ctx.con, relation, columns, 2, gold=gold, scratch=scratch, folder=ctx.temporary)
        share = plan.settings.prior[name] if plan.settings.prior is not None else None
        _, combined = combining(plan, found, ("no", "yes"), prior=[1 - share, share] if share is not None else None)
        usual = set(remarks(renamed(found, plan.voters), ("no", "yes")))
        notes = [f"{name}: {n}" for n in combined.notes if n not in usual]
        if not found.tally[:, 1].sum():
            notes.append(f"nobody votes for {name}: no row can get it")
        for voter, sure in zip(plan.voters, combined.accuracy, strict=True):
            if sure is not None:
                believed.setdefault(voter.name, []).append(sure)
        made = back(ctx.con, found, combined, scratch=scratch, seed=plan.seed, salt=f"{plan.salt}:{name}")
        labels = f"SELECT _key, _label, _probabilities[2] AS p FROM ({made})"
    return labels, notes


def decisions(ctx: RunContext, code: int) -> str:
    """The name of the temporary table that says what is decided of a class by pattern of votes (:func:`recipec.labels.patterns.back`)."""
    return f"{ctx.scratch}l{code}_labels"


def passing(plan: LabelPlan, source: str, votes: str, voted: Sequence[Voted], classes: Sequence[str], code: int, labels: str) -> str:
    """A SELECT of the rows that get a class: ``_key``, the class, how sure it is."""
    name = classes[code]
    # A class on which nobody says anything of a row is not the row's, however common it is.
    cast = " OR ".join(f"(v.v{i} IS NOT NULL{'' if r.whole else f' AND list_contains(v.v{i}, {code})'})" for i, r in enumerate(voted))
    if plan.accept is None:
        return f"SELECT l._key, {code}, l.p FROM ({labels}) AS l JOIN {votes} AS v ON v._key = l._key WHERE l._label = 1 AND ({cast})"
    seen = ", ".join(f"s.{quote(c)}" for c in plan.given.names if c not in {plan.column, "confidence", "label"})
    also = ", ".join(f"{literal(name)} AS {quote(n)}" for n in dict.fromkeys(("label", plan.column)) if n != "confidence")
    inner = (
        f"SELECT s._key, s._parent, {seen}{', ' if seen else ''}l.p AS confidence, {also} FROM ({labels}) AS l JOIN {votes} AS v ON v._key = l._key "
        f"JOIN {source} AS s ON s._key = l._key WHERE {cast}"
    )
    return f"SELECT _key, {code}, confidence FROM ({inner}) WHERE {plan.accept}"


def labelled(plan: LabelPlan, source: str, votes: str, passed: str, voted: Sequence[Voted], classes: Sequence[str]) -> str:
    """A SELECT of the step's table. The order of its columns is the schema's."""
    names = literal(list(classes))
    column = plan.column
    pairs = ", ".join(
        f"{{'k': {literal(v.name)}, 'v': list_transform(v.v{i}, lambda x: {names}[x + 1])}}" for i, v in enumerate(plan.voters)
    )
    made = {
        column: "CASE WHEN accepted THEN coalesce(v.names, []::VARCHAR[]) END",
        f"{column}_confidence": "CASE WHEN accepted THEN coalesce(v.surest, []::DOUBLE[]) END",
        f"{column}_votes": f"map_from_entries(list_filter([{pairs}], lambda x: x.v IS NOT NULL))",
    }
    hidden = ["_key", "_parent", *(["_order"] if plan.schema.ordered else [])]
    listed = [f"s.{h}" for h in hidden] + [f"({made[c]}) AS {quote(c)}" if c in made else f"s.{quote(c)}" for c in plan.schema.names]
    cast = " OR ".join(f"v.v{i} IS NOT NULL" for i in range(len(voted)))
    # Only who says no to what is not named can say that a row has no class.
    none = " OR ".join(f"v.v{i} IS NOT NULL" for i, r in enumerate(voted) if r.whole) or "false"
    drop = plan.settings.unsure == "drop"
    why = f"CASE WHEN accepted THEN NULL WHEN NOT ({cast}) THEN 0 ELSE 1 END" if drop else "NULL"
    because = f"CASE WHEN accepted THEN NULL WHEN NOT ({cast}) THEN 'no voter voted' ELSE 'no class is sure enough' END" if drop else "NULL"
    grouped = f"SELECT _key, list({names}[c + 1] ORDER BY c) AS names, list(p ORDER BY c) AS sure FROM {passed} GROUP BY _key"
    return (
        f"SELECT {', '.join(listed)}, ({why})::SMALLINT AS _why, ({because})::VARCHAR AS _because FROM {source} AS s "
        f"JOIN (SELECT v.*, g._key IS NOT NULL OR {none} AS accepted, g.names, g.sure AS surest FROM {votes} AS v LEFT JOIN ({grouped}) AS g "
        "ON g._key = v._key) AS v ON v._key = s._key"
    )


def describe(
    plan: LabelPlan, ctx: RunContext, outcome: Outcome, votes: str, classes: Sequence[str], cast: Sequence[int],
    believed: dict[str, list[float]],
) -> None:  # fmt: skip
    """What ``recipec labels`` shows: for each voter and class the rows that get a yes, and on gold how many of them are right."""
    gold = plan.settings.gold is not None
    known = dict(ctx.con.execute(f"SELECT c, count(*) FROM (SELECT unnest(gold) AS c FROM {votes}) GROUP BY 1").fetchall()) if gold else {}
    on_gold = "count(gold), count(*) FILTER (list_contains(gold, c))" if gold else "0, 0"
    truth = "gold" if gold else "NULL AS gold"
    asked = [(v.name, f"(SELECT unnest(v{i}) AS c, {truth} FROM {votes})") for i, v in enumerate(plan.voters)]
    names = literal(list(classes))
    got = f"SELECT _key, list_position({names}, unnest({quote(plan.column)})) - 1 AS c FROM {ctx.target}"
    asked.append(("", f"(SELECT p.c, {'v.gold' if gold else 'NULL AS gold'} FROM ({got}) AS p JOIN {votes} AS v ON v._key = p._key)"))
    out: list[dict[str, Json]] = []
    balance: dict[str, Json] = {}
    for name, relation in asked:
        found = {c: r for c, *r in ctx.con.execute(f"SELECT c, count(*), {on_gold} FROM {relation} GROUP BY c").fetchall()}
        for code, label in enumerate(classes):
            rows, judged, right = found.get(code, (0, 0, 0))
            if not name:
                balance[label] = int(rows)
            if rows or not name:
                out.append(
                    {"name": name, "tag": label, "entities": int(rows), "judged": int(judged), "right": int(right),
                     "gold": int(known.get(code, 0))}
                )  # fmt: skip
    facts: list[Any] = [
        {"name": v.name, "votes": n, "coverage": n / max(outcome.rows_in, 1),
         "estimated": sum(b) / len(b) if (b := believed.get(v.name)) else None}
        for v, n in zip(plan.voters, cast, strict=True)
    ]  # fmt: skip
    silent = [v.name for v, n in zip(plan.voters, cast, strict=True) if not n]
    if silent:
        outcome.notes.append(f"never vote{'s' if len(silent) == 1 else ''}: {', '.join(silent)}")
    outcome.extra["many"] = {"rows": outcome.rows_in, "voters": out}
    outcome.extra["analysis"] = {"voters": facts, "notes": list(outcome.notes)}
    outcome.extra["classes"] = list(classes)
    outcome.extra["balance"] = balance
