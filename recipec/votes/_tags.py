"""Running a label step with tags: votes on tokens, the type of each token, and entities that are valid IOB2.

Every token is a row of votes, so that what combines classes combines the types of tokens. A voter votes for a type on the tokens of the
entities that it names; one that reads everything (a model) votes ``O`` on all others, a rule abstains there. A token on which nobody votes,
or on which the votes are even, is outside. An entity begins where the type changes, and inside a stretch of one type where most of the voters
for it begin one: so tags are valid whatever the votes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recipec.api import Json, Outcome, literal, quote
from recipec.votes._base import Ballots, Tagging, Voted
from recipec.votes._run import classes_of, combining, counts, failed, renamed, tell_voters

if TYPE_CHECKING:
    from recipec.engines.context import RunContext
    from recipec.labels.combined import Combined
    from recipec.labels.patterns import Patterns
    from recipec.steps.label import LabelPlan

REASONS = ("no tokens", "no vote", "unsure")


@dataclass(frozen=True)
class Tables:
    """SQL names: ``rows`` (n, _key, tokens, gold), ``words`` (n, i, w), ``tokens`` (n, i, _key, r0, r1, ..., gold), ``tagged`` (n, i, t, begin,
    sure), ``result`` (n, tags, sure, votes)."""

    rows: str
    words: str
    tokens: str
    tagged: str
    result: str


def label(plan: LabelPlan, ctx: RunContext) -> Outcome:
    """Make the step's table: the input's columns, the tags, how sure they are and the votes; ``_why`` for rows without tags."""
    source = ctx.relation(ctx.step.inputs[0])
    tags = classes_of(plan, ctx, least=1)
    outcome = Outcome(rows_in=ctx.rows(ctx.step.inputs[0]))
    names = tables(ctx)
    wrong = cut(plan, ctx, source, names)
    outs, voted = vote(plan, ctx, source, tags, names)
    failed(plan, ctx, voted, outcome.rows_in)
    outcome.notes += odd_ones(Ballots(voted, wrong, cast(plan, ctx, names, outs, voted, tags)))
    found, combined, fit, labels = learned(plan, ctx, names, tags)
    decode(plan, ctx, names, labels, tags, fixed=combined.fixed)
    if len(voted) == 1 and voted[0].certainty and plan.combiner is None:
        # One voter that knows how sure it is: there is nothing to combine.
        ctx.con.execute(f"UPDATE {names.result} AS d SET sure = c.p FROM {voted[0].certainty} AS c WHERE c.n = d.n")
    ctx.execute(f"CREATE TABLE {ctx.target} AS {tagged(plan, source, names)}")
    told = entities(plan, ctx, names, outs, tags)
    finish(plan, ctx, outcome, voted, told, tags, found, combined, fit)
    return outcome


def finish(
    plan: LabelPlan, ctx: RunContext, outcome: Outcome, voted: Sequence[Voted], told: Sequence[dict[str, Json]], tags: Sequence[str],
    found: Patterns, combined: Combined, fit: Any,
) -> None:  # fmt: skip
    """What became of the rows, into ``outcome``. ``told`` are the entities (:func:`entities`)."""
    counted(plan, ctx, outcome)
    tell_voters(plan, ctx, outcome, voted, [int(n) for n in found.tally.sum(axis=1)])
    describe(outcome, told, tags, renamed(found, plan.voters), combined, fit)


def tables(ctx: RunContext) -> Tables:
    return Tables(*(ctx.temp(n) for n in ("rows", "words", "tokens", "tagged", "result")))


def vote(plan: LabelPlan, ctx: RunContext, source: str, tags: tuple[str, ...], names: Tables) -> tuple[list[str], list[Voted]]:
    """(the tables of the voters' spans, what voting gave)"""
    outs: list[str] = []
    voted: list[Voted] = []
    for i, voter in enumerate(plan.voters):
        assert voter.vote is not None
        ctx.progress(None, voter.name)
        out = ctx.temp(f"vote_{i}")
        voting = Tagging(
            ctx, source, tags, out, voter.name, plan.salt, plan.seed, tokens=quote(plan.tokens), rows=names.rows, words=names.words
        )
        voted.append(voter.vote.run(voting))
        apart(ctx, out)
        outs.append(out)
    return outs, voted


def learned(plan: LabelPlan, ctx: RunContext, names: Tables, tags: Sequence[str]) -> tuple[Patterns, Combined, Any, str]:
    """(patterns of the tokens' votes, what is made of them, how it was made, SQL for the type of every token)"""
    from recipec.labels.patterns import back, patterns

    gold = plan.settings.gold is not None
    classes = ("O", *tags)
    columns = [f"v{i}" for i in range(len(plan.voters))]
    types = ", ".join(f"(r{i} + 1) // 2 AS {v}" for i, v in enumerate(columns))
    relation = f"(SELECT _key, {types}{', (gold + 1) // 2 AS gold' if gold else ''} FROM {names.tokens})"
    found = patterns(
        ctx.con, relation, columns, len(classes), gold="gold" if gold else None, scratch=f"{ctx.scratch}l_", folder=ctx.temporary
    )
    fit, combined = combining(plan, found, classes)
    return found, combined, fit, back(ctx.con, found, combined, scratch=f"{ctx.scratch}l_", seed=plan.seed, salt=plan.salt)


def odd_ones(cast: Ballots) -> list[str]:
    """What is to be said of gold: of ``unknown`` rows it has another number of tags, and some of its tags are none of the step's."""
    notes = []
    if cast.unknown:
        told = (
            "has not as many gold tags as tokens: its gold is not used"
            if cast.unknown == 1
            else "have not as many gold tags as tokens: their gold is not used"
        )
        notes.append(f"{counts(cast.unknown, 'row')} {told}")
    if cast.astray:
        most = sorted(cast.astray.items(), key=lambda item: (-item[1], item[0]))[:5]
        said = ", ".join(k for k, _ in most)
        notes.append(f"gold tags {sum(cast.astray.values()):,} tokens as what is none of the tags ({said}): they count as O")
    return notes


def cut(plan: LabelPlan, ctx: RunContext, source: str, names: Tables) -> int:
    """Make the rows and their tokens; of how many rows gold has another number of tags."""
    tokens = quote(plan.tokens)
    gold = f"s.{plan.settings.gold.sql}" if plan.settings.gold is not None else "NULL::VARCHAR[]"
    ctx.execute(
        f"CREATE TEMP TABLE {names.rows} AS SELECT (row_number() OVER (ORDER BY _key) - 1)::BIGINT AS n, _key, "
        f"list_transform(s.{tokens}, lambda w: coalesce(w, '')) AS tokens, CASE WHEN len({gold}) = len(s.{tokens}) THEN {gold} END AS gold, "
        f"{gold} IS NOT NULL AND len({gold}) <> len(s.{tokens}) AS wrong FROM {source} AS s WHERE len(s.{tokens}) > 0"
    )
    ctx.execute(
        f"CREATE TEMP TABLE {names.words} AS SELECT n, unnest(range(len(tokens)))::INTEGER AS i, unnest(tokens) AS w FROM {names.rows}"
    )
    return int(ctx.one(f"SELECT count(*) FROM {names.rows} WHERE wrong")[0])


def apart(ctx: RunContext, out: str) -> None:
    """Leave of a voter's spans those that do not overlap."""
    import pyarrow as pa

    from recipec.labels.spans import apart as standing

    part = ctx.con.execute(f"SELECT n, start, stop, tag FROM {out} WHERE start IS NOT NULL").fetchnumpy()
    if not len(part["n"]):
        return
    order, keep = standing(*(part[c].astype("int64") for c in ("n", "start", "stop")))
    if keep.all():
        return
    kept = order[keep]
    ctx.con.register("__apart", pa.table({c: pa.array(part[c][kept]) for c in ("n", "start", "stop", "tag")}))
    try:
        ctx.con.execute(f"DELETE FROM {out} WHERE start IS NOT NULL")
        ctx.con.execute(f"INSERT INTO {out} BY NAME SELECT n, start, stop, tag FROM __apart")
    finally:
        ctx.con.unregister("__apart")


def cast(
    plan: LabelPlan, ctx: RunContext, names: Tables, outs: Sequence[str], voted: Sequence[Voted], tags: Sequence[str]
) -> dict[str, int]:
    """Make the table of tokens: each voter's tag as its code, null where it abstains, and the gold's. Tokens by what gold says of them that
    is none of the tags."""
    parts = " UNION ALL ".join(
        f"SELECT n, unnest(range(start, stop))::INTEGER AS i, {j} AS j, start, tag FROM {out} WHERE start IS NOT NULL"
        for j, out in enumerate(outs)
    )
    code = "CASE WHEN tag < 0 THEN -1 ELSE 2 * tag + CASE WHEN i = start THEN 1 ELSE 2 END END"
    each = ", ".join(f"max({code}) FILTER (j = {j}) AS r{j}" for j in range(len(outs)))
    marks = f"(SELECT n, i, {each} FROM ({parts}) GROUP BY n, i)"
    listed, joins = [], []
    for j, result in enumerate(voted):
        silent = "NULL"
        if result.whole:
            joins.append(f"LEFT JOIN (SELECT DISTINCT n FROM {outs[j]}) AS a{j} ON a{j}.n = w.n")
            silent = f"CASE WHEN a{j}.n IS NOT NULL THEN 0 END"
        listed.append(f"nullif(coalesce(m.r{j}, {silent}), -1)::SMALLINT AS r{j}")
    astray: dict[str, int] = {}
    if plan.settings.gold is not None:
        known = literal(list(tags))
        kind = "CASE WHEN g = 'O' OR g = '' THEN '' ELSE regexp_replace(g, '^[BIESLUM]-(.)', '\\1') END"
        truth = ctx.temp("gold")
        ctx.execute(
            f"CREATE TEMP TABLE {truth} AS SELECT n, i, kind, place, CASE WHEN kind IS NULL THEN NULL WHEN place IS NULL THEN 0 "
            f"ELSE 2 * place - CASE WHEN begins OR place IS DISTINCT FROM lag(place) OVER (PARTITION BY n ORDER BY i) THEN 1 ELSE 0 END END::SMALLINT "
            f"AS gold FROM (SELECT n, i, {kind} AS kind, list_position({known}, {kind}) AS place, regexp_matches(g, '^[BSU]-.') AS begins FROM "
            f"(SELECT n, unnest(range(len(gold)))::INTEGER AS i, unnest(gold) AS g FROM {names.rows} WHERE gold IS NOT NULL))"
        )
        joins.append(f"LEFT JOIN {truth} AS g ON g.n = w.n AND g.i = w.i")
        listed.append("g.gold AS gold")
        others = ctx.con.execute(f"SELECT kind, count(*) FROM {truth} WHERE place IS NULL AND kind <> '' GROUP BY kind").fetchall()
        astray = {str(kind): int(n) for kind, n in others}
    ctx.execute(
        f"CREATE TEMP TABLE {names.tokens} AS SELECT w.n, w.i, k._key::UHUGEINT + w.i::UHUGEINT AS _key, {', '.join(listed)} FROM {names.words} AS w "
        f"JOIN {names.rows} AS k ON k.n = w.n LEFT JOIN {marks} AS m ON m.n = w.n AND m.i = w.i {' '.join(joins)}"
    )
    return astray


def decode(plan: LabelPlan, ctx: RunContext, names: Tables, labels: str, tags: Sequence[str], *, fixed: bool) -> None:
    """Types of tokens to tags, and the rows' lists of them. ``fixed``: gold stands where it is known."""
    voters = len(plan.voters)
    fixed = fixed and plan.settings.gold is not None
    begins = " + ".join(f"coalesce((r{j} = 2 * t - 1)::INT, 0) - coalesce((r{j} = 2 * t)::INT, 0)" for j in range(voters))
    if fixed:
        begins = f"CASE WHEN gold IS NOT NULL THEN CASE WHEN gold = 2 * t - 1 THEN 1 ELSE 0 END ELSE {begins} END"
    cast = " OR ".join(f"r{j} IS NOT NULL" for j in range(voters))
    codes = ", ".join([*(f"k.r{j}" for j in range(voters)), *(["k.gold"] if fixed else [])])
    ctx.execute(
        f"CREATE TEMP TABLE {names.tagged} AS SELECT n, i, t, t > 0 AND (t IS DISTINCT FROM lag(t) OVER (PARTITION BY n ORDER BY i) OR "
        f"({begins}) > 0) AS begin, CASE WHEN {cast} THEN sure END AS sure FROM (SELECT k.n, k.i, {codes}, coalesce(l._label, 0) AS t, "
        f"l._confidence AS sure FROM {names.tokens} AS k JOIN ({labels}) AS l ON k._key = l._key)"
    )
    kinds = literal(list(tags))
    coded = literal(["O", *(f"{p}-{t}" for t in tags for p in "BI")])
    made = f"CASE WHEN t = 0 THEN 'O' WHEN begin THEN 'B-' || {kinds}[t] ELSE 'I-' || {kinds}[t] END"
    lists = ", ".join(f"list({coded}[k.r{j} + 1] ORDER BY k.i) AS l{j}" for j in range(voters))
    said = " OR ".join(f"k.r{j} IS NOT NULL" for j in range(voters))
    ctx.execute(
        f"CREATE TEMP TABLE {names.result} AS SELECT n, list({made} ORDER BY g.i) AS tags, min(g.sure) AS sure, bool_or({said}) AS voted, {lists} "
        f"FROM {names.tagged} AS g JOIN {names.tokens} AS k USING (n, i) GROUP BY n"
    )


def tagged(plan: LabelPlan, source: str, names: Tables) -> str:
    """A SELECT of the step's table. The order of its columns is the schema's."""
    column = plan.column
    pairs = ", ".join(f"{{'k': {literal(v.name)}, 'v': d.l{i}}}" for i, v in enumerate(plan.voters))
    made = {
        column: "CASE WHEN accepted THEN d.tags END",
        f"{column}_confidence": "CASE WHEN accepted THEN d.sure END",
        f"{column}_votes": f"CASE WHEN d.n IS NULL THEN MAP {{}} ELSE map_from_entries(list_filter([{pairs}], "
        "lambda x: len(list_filter(x.v, lambda t: t IS NOT NULL)) > 0)) END",
    }
    hidden = ["_key", "_parent", *(["_order"] if plan.schema.ordered else [])]
    accepted = "d.n IS NOT NULL"
    if plan.accept is not None:
        seen = ", ".join(f"s.{quote(c)}" for c in plan.given.names if c not in {column, "confidence", "label"})
        also = ", ".join(f"d.tags AS {quote(n)}" for n in dict.fromkeys(("label", column)) if n != "confidence")
        inner = f"SELECT s._key, s._parent, {seen}{', ' if seen else ''}d.sure AS confidence, {also}"
        joined = f"{source} AS s JOIN {names.rows} AS k ON s._key = k._key JOIN {names.result} AS d ON d.n = k.n"
        judged = f"(SELECT _key, coalesce(({plan.accept}), false) AS accepted FROM ({inner} FROM {joined}))"
        accepted = "coalesce(j.accepted, false)"
    else:
        judged = "(SELECT NULL::UUID AS _key, false AS accepted WHERE false)"
    drop = plan.settings.unsure == "drop"
    why = "CASE WHEN accepted THEN NULL WHEN d.n IS NULL THEN 0 WHEN NOT d.voted THEN 1 ELSE 2 END" if drop else "NULL"
    because = (
        "CASE WHEN accepted THEN NULL WHEN d.n IS NULL THEN 'the row has no tokens' WHEN NOT d.voted THEN 'no voter voted on any token' "
        "ELSE 'confidence ' || printf('%.2f', d.sure) || ' for ' || array_to_string(d.tags, ' ') END"
    )
    listed = [f"q.{h}" for h in hidden] + [f"({made[c]}) AS {quote(c)}" if c in made else f"q.{quote(c)}" for c in plan.schema.names]
    return (
        f"SELECT {', '.join(listed)}, ({why})::SMALLINT AS _why, {because if drop else 'NULL::VARCHAR'} AS _because "
        f"FROM (SELECT s.*, k.n AS __n, {accepted.replace('d.n', 'k.n')} AS accepted FROM {source} AS s LEFT JOIN {names.rows} AS k ON s._key = k._key "
        f"LEFT JOIN {judged} AS j ON s._key = j._key) AS q LEFT JOIN {names.result} AS d ON d.n = q.__n"
    )


def counted(plan: LabelPlan, ctx: RunContext, outcome: Outcome) -> None:
    found = dict(ctx.con.execute(f"SELECT _why, count(*) FROM {ctx.target} WHERE _why IS NOT NULL GROUP BY 1").fetchall())
    for number, reason in enumerate(REASONS):
        if found.get(number):
            outcome.dropped[reason] = int(found[number])
    outcome.rows_out = outcome.rows_in - sum(outcome.dropped.values())
    outcome.extra["reasons"] = list(REASONS)
    column, votes = quote(plan.column), quote(f"{plan.column}_votes")
    silent = int(ctx.one(f"SELECT count(*) FROM {ctx.target} WHERE _why IS NULL AND {column} IS NOT NULL AND cardinality({votes}) = 0")[0])
    if silent:
        outcome.notes.append(
            f"no voter votes on any token of {counts(silent, 'row')}: all of {'its' if silent == 1 else 'their'} tokens are O"
        )
    if plan.settings.unsure == "keep":
        empty = int(ctx.one(f"SELECT count(*) FROM {ctx.target} WHERE {column} IS NULL")[0])
        if empty:
            outcome.notes.append(f"{counts(empty, 'row')} {'is' if empty == 1 else 'are'} kept without tags")


def describe(outcome: Outcome, told: Sequence[dict[str, Json]], tags: Sequence[str], found: Patterns, combined: Combined, fit: Any) -> None:
    """What ``recipec labels`` shows: tokens by voter, and whole entities by voter and type, against gold where there is any."""
    from recipec.labels.analysis import analyse
    from recipec.labels.combined import remarks

    classes = ("O", *tags)
    analysis = analyse(found, classes, combined, refit=fit).as_json()
    # Silence and a missing O are no flaw here.
    usual = set(remarks(found, classes))
    notes = [n for n in combined.notes if n not in usual]
    tally = found.tally
    silent = [v for v, n in zip(found.voters, tally.sum(axis=1), strict=True) if not n]
    if silent:
        notes.append(f"never vote{'s' if len(silent) == 1 else ''}: {', '.join(silent)}")
    lost = [t for t, n in zip(tags, tally.sum(axis=0)[1:], strict=True) if not n]
    if lost:
        notes.append(f"nobody votes for {', '.join(lost)}")
    outcome.notes += notes
    analysis["notes"] = notes
    outcome.extra["analysis"] = analysis
    outcome.extra["classes"] = list(classes)
    outcome.extra["balance"] = {str(t["tag"]): t["entities"] for t in told if not t["name"]}
    outcome.extra["tags"] = {"tokens": found.rows, "voters": [t for t in told if t["entities"] or not t["name"]]}


def entities(plan: LabelPlan, ctx: RunContext, names: Tables, outs: Sequence[str], tags: Sequence[str]) -> list[dict[str, Json]]:
    """Entities by voter and type, of rows in any part of the table: how many the voter names ("" is the step itself), how many of them are
    on rows with gold, how many of these are in it whole, and how many gold has."""
    made = ctx.temp("entities")
    ctx.execute(f"CREATE TEMP TABLE {made} AS {stretches(names.tagged)}")
    truth = None
    if plan.settings.gold is not None:
        truth = ctx.temp("true")
        gold = f"(SELECT n, i, (gold + 1) // 2 AS t, gold % 2 = 1 AS begin FROM {names.tokens} WHERE gold IS NOT NULL)"
        ctx.execute(f"CREATE TEMP TABLE {truth} AS {stretches(gold)}")
    facts: list[dict[str, Json]] = []
    for name, table in [*zip((v.name for v in plan.voters), outs, strict=True), ("", made)]:
        facts += entities_of(ctx, name, table, truth, names, tags)
    return facts


def stretches(tagged: str) -> str:
    """SQL for the entities of a table of ``n, i, t, begin``."""
    numbered = f"SELECT n, i, t, sum(begin::INT) OVER (PARTITION BY n ORDER BY i) AS g FROM {tagged} WHERE t > 0"
    return f"SELECT n, min(i) AS start, max(i) + 1 AS stop, t - 1 AS tag FROM ({numbered}) GROUP BY n, g, t"


def entities_of(ctx: RunContext, name: str, table: str, truth: str | None, names: Tables, tags: Sequence[str]) -> list[dict[str, Json]]:
    """For each type: how many entities a voter names, and on rows with gold how many of them are in it, whole."""
    spans = f"(SELECT n, start, stop, tag FROM {table} WHERE start IS NOT NULL AND tag >= 0)"
    all_of = dict(ctx.con.execute(f"SELECT tag, count(*) FROM {spans} GROUP BY 1").fetchall())
    right: dict[int, int] = {}
    judged: dict[int, int] = {}
    known: dict[int, int] = {}
    if truth is not None:
        known = dict(ctx.con.execute(f"SELECT tag, count(*) FROM {truth} GROUP BY 1").fetchall())
        judged = dict(
            ctx.con.execute(
                f"SELECT tag, count(*) FROM {spans} AS s JOIN {names.rows} AS k ON k.n = s.n WHERE k.gold IS NOT NULL GROUP BY 1"
            ).fetchall()
        )
        right = dict(
            ctx.con.execute(f"SELECT s.tag, count(*) FROM {spans} AS s JOIN {truth} AS t USING (n, start, stop, tag) GROUP BY 1").fetchall()
        )
    out: list[dict[str, Json]] = []
    for place, tag in enumerate(tags):
        out.append(
            {"name": name, "tag": tag, "entities": int(all_of.get(place, 0)), "judged": int(judged.get(place, 0)),
             "right": int(right.get(place, 0)), "gold": int(known.get(place, 0))}
        )  # fmt: skip
    return out
