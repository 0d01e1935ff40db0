"""Running a generate step: prompts, answers, and the rows that they make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recipec.api import ORDER, Json, StepFailed, quote
from recipec.engines.answers import CUT, EMPTY, FORM, REFUSED, read, unfit
from recipec.engines.context import RunContext
from recipec.identity import derived_key

if TYPE_CHECKING:
    from recipec.models.requests import Request

CHUNK = 20_000
MANY = 1000
"""Items of one answer that get keys of their own; more are cut, and counted."""
ASKED = "no answer"
REASONS = (ASKED, REFUSED, CUT, EMPTY, FORM)


@dataclass
class Made:
    """``table`` holds the rows made: ``_key``, ``_parent``, the input's columns and the answer's."""

    table: str
    rows: int
    dropped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    spent: dict[str, Json] = field(default_factory=dict)
    failure: StepFailed | None = None


@dataclass
class Aside:
    """Answers that make no row: (place of the answer, reason, what is wrong, text), and items that are left out."""

    found: list[tuple[tuple[str, int, int], str, str, str]] = field(default_factory=list)
    beyond: int = 0

    def count(self, reason: str) -> int:
        return sum(r == reason for _, r, _, _ in self.found)

    def told(self) -> list[tuple[str, str]]:
        """For ``recipec bad``, in the order of rows and samples, whatever came first."""
        return [(f"{reason}: {said}" if said else reason, text) for _, reason, said, text in sorted(self.found)]


def generated(plan: Any, ctx: RunContext) -> Made:
    """Ask about every row, and put the answers into a table."""
    from recipec.models._base import spending

    source = ctx.relation(ctx.step.inputs[0])
    model = ctx.model(plan.model)
    rows = ctx.rows(ctx.step.inputs[0])
    answers, made = ctx.temp("answers"), Made(ctx.temp("generated"), rows)
    ctx.con.execute(f"CREATE TEMP TABLE {answers} (_key UUID, n BIGINT, a VARCHAR)")
    prompts = prompted(plan, ctx, source)
    total = int(ctx.one(f"SELECT count(*) FROM {prompts}")[0])
    expected = ctx.quote(model)
    if expected is not None:
        for part in blocks(ctx, prompts, total):
            count(plan, expected, part)
        ctx.agree(expected.estimate(""))
    before = dict(model.spent())
    aside = Aside()
    done = 0
    for part in blocks(ctx, prompts, total):
        collect(plan, ctx, model, part, answers, aside, (done, total))
        done += len(part)
    asked = total * plan.samples
    failed = aside.count(ASKED)
    if failed > plan.max_failed * max(asked, 1):
        said = next(said for _, reason, said, _ in sorted(aside.found) if reason == ASKED)
        raise StepFailed(
            f"{failed:,} of {asked:,} prompts got no answer from `{plan.model}`: {said}",
            "what was answered is kept: run again to ask for the rest, or raise `max_failed`",
        )
    ctx.set_aside(f"model {plan.model}", aside.told())
    joined(plan, ctx, source, answers, made.table)
    made.dropped = {reason: n for reason in REASONS if (n := aside.count(reason))}
    report(plan, ctx, aside, made)
    if rows > total:
        made.dropped["no prompt"] = rows - total
    made.notes.extend(f"{plan.model}: {n}" for n in model.notices())
    made.spent = spending(before, model.spent())
    return made


def prompted(plan: Any, ctx: RunContext, source: str) -> str:
    """Make a table of the prompts, numbered in key order; its name."""
    prompts = ctx.temp("prompts")
    relation, given = source, {}
    if plan.examples is not None:
        from recipec.engines.examples import chosen

        # The examples' own name: the input may have a column of that name.
        shown = chosen(ctx, plan.examples, source)
        relation, given = (
            f"(SELECT s.*, x.examples AS __examples FROM {source} AS s JOIN {shown} AS x ON s._key = x._key)",
            {"examples": "__examples"},
        )
    ctx.execute(
        f"CREATE TEMP TABLE {prompts} AS SELECT row_number() OVER (ORDER BY _key) - 1 AS n, _key::VARCHAR AS k, p FROM "
        f"(SELECT _key, {plan.asked.sql(**given)} AS p FROM {relation}) WHERE p IS NOT NULL"
    )
    return str(prompts)


def collect(
    plan: Any, ctx: RunContext, model: Any, part: Sequence[tuple[str, Any]], table: str, aside: Aside, far: tuple[int, int]
) -> None:
    """Ask for a part of the rows and put what is of the form into ``table``. ``far``: rows done before, of all."""
    from recipec.models.requests import Failure

    keys, places, texts = [], [], []
    for done, (id, outcome) in enumerate(model.answers(requests(part, plan.samples), schema=asked_of(plan)), 1):
        if done % 16 == 0:
            ctx.progress((far[0] + done / plan.samples) / far[1], model.telling())
        key, _, number = id.rpartition("/")
        sample = int(number)
        if isinstance(outcome, Failure):
            aside.found.append(((key, sample, 0), ASKED, f"{outcome.kind}: {outcome.message}", ""))
            continue
        found = read(outcome.text, outcome.finish, plan.answers, plan.keep_cut)
        aside.found += [((key, sample, n), *wrong) for n, wrong in enumerate(found.wrong)]
        for place, item in found.items:
            if place >= MANY:
                aside.beyond += 1
                continue
            keys.append(key)
            places.append(sample * MANY + place)
            texts.append(item)
    misfits = unfit(ctx.con, texts, plan.answers.struct) if plan.answers.types else {}
    aside.found += [((keys[i], places[i] // MANY, places[i] % MANY), FORM, said, texts[i]) for i, said in misfits.items()]
    good = [i for i in range(len(keys)) if i not in misfits]
    put(ctx, table, [keys[i] for i in good], [places[i] for i in good], [texts[i] for i in good])


def report(plan: Any, ctx: RunContext, aside: Aside, made: Made) -> None:
    """What is to be said of answers that make no row; the failure where they are more than ``max_bad`` allows."""
    bad = {reason: n for reason in (REFUSED, CUT, EMPTY, FORM) if (n := made.dropped.get(reason, 0))}
    where = f"recipec bad {ctx.step.name}"
    if bad:
        help = ", or give the model more `max_tokens`" if CUT in bad else ""
        made.notes.append(f"answers that make no row: {', '.join(f'{n:,} {r}' for r, n in bad.items())}: {where}{help}")
    if aside.beyond:
        made.notes.append(f"{aside.beyond:,} items beyond the first {MANY:,} of an answer are left out")
    wrong = sum(bad.values())
    answers = wrong + int(ctx.one(f"SELECT count(*) FROM {made.table}")[0])
    if wrong > plan.max_bad * answers:
        _, reason, said, _ = min(f for f in aside.found if f[1] != ASKED)
        message = f"{wrong:,} of {answers:,} answers of `{plan.model}` make no row; the first: {reason}{f': {said}' if said else ''}"
        cure = "give the model more `max_tokens`" if reason == CUT else "say in the prompt what form is wanted"
        made.failure = StepFailed(message, f"{where} shows them; {cure}, or raise `max_bad`")


def blocks(ctx: RunContext, prompts: str, rows: int) -> Iterator[list[tuple[str, Any]]]:
    """(key, prompt), so many at a time."""
    for start in range(0, rows, CHUNK):
        yield ctx.con.execute(f"SELECT k, p FROM {prompts} WHERE n BETWEEN {start} AND {start + CHUNK - 1} ORDER BY n").fetchall()


def asked_of(plan: Any) -> Json | None:
    """The JSON Schema that is asked of an answer."""
    return plan.answers.schema if plan.answers.types and plan.constrain else None


def count(plan: Any, quote: Any, part: Sequence[tuple[str, Any]]) -> None:
    """Add what is asked for these rows to a quote."""
    quote.add(requests(part, plan.samples), schema=asked_of(plan))


def requests(part: Sequence[tuple[str, Any]], samples: int) -> Iterator[Request]:
    from recipec.models.requests import Request

    for sample in range(samples):
        for key, prompt in part:
            yield Request.of(f"{key}/{sample}", prompt, sample)


def put(ctx: RunContext, table: str, keys: Sequence[str], places: Sequence[int], texts: Sequence[str]) -> None:
    import pyarrow as pa

    columns: dict[str, Any] = {"k": pa.array(keys, pa.string()), "n": pa.array(places, pa.int64()), "a": pa.array(texts, pa.string())}
    ctx.con.register("__generated", pa.table(columns))
    try:
        ctx.con.execute(f"INSERT INTO {table} SELECT k::UUID, n, a FROM __generated")
    finally:
        ctx.con.unregister("__generated")


def joined(plan: Any, ctx: RunContext, source: str, answers: str, table: str) -> None:
    """The rows of the input with their answers."""
    fields = plan.answers.types
    if fields:
        given = f"(SELECT _key, n, (a::JSON)::{plan.answers.struct} AS a FROM {answers})"
        made = {name: f"a.a.{quote(name)}" for name in fields}
    else:
        given, made = answers, {plan.column: "a.a"}
    if plan.numbered is not None:
        # Samples are counted, and where each answer is a list, its items.
        made[plan.numbered] = f"a.n % {MANY} + 1" if plan.answers.many and plan.samples == 1 else f"a.n // {MANY} + 1"
    if plan.rows:
        key = derived_key("s._key", "generate", "a.n")
        hidden = [f"{key} AS _key", "s._key AS _parent"]
    else:
        hidden = ["s._key", "s._parent"]
    hidden += [f"s.{ORDER}"] if plan.source.ordered else []
    listed = [f"{made[c.name]} AS {quote(c.name)}" if c.name in made else f"s.{quote(c.name)}" for c in plan.given.columns]
    ctx.execute(
        f"CREATE TEMP TABLE {table} AS SELECT {', '.join([*hidden, *listed])} FROM {source} AS s JOIN {given} AS a ON s._key = a._key"
    )
