"""``predict``: what a model says of every row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from recipec.api import (
    Asking,
    Bound,
    Column,
    Expression,
    Field,
    Json,
    Kind,
    Made,
    ModelRef,
    Outcome,
    PromptCall,
    Schema,
    Settings,
    StepFailed,
    Traits,
    Use,
    Word,
    quote,
    step,
)
from recipec.models._base import spending
from recipec.resolve.binder import StepBinder
from recipec.resolve.chain import Test, bind_test, meaning_of, one_line
from recipec.resolve.columns import name_problem
from recipec.resolve.problems import BadValue, DuplicateName, MissingSetting, WrongArguments, WrongType
from recipec.resolve.types import shown
from recipec.resolve.uses import given as given_to
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext
    from recipec.models.requests import Request

BLOCK = 10_000
RESULTS = {
    "classify": {"": "VARCHAR", "_confidence": "DOUBLE", "_probabilities": "MAP(VARCHAR, DOUBLE)"},
    "several": {"": "VARCHAR[]", "_probabilities": "MAP(VARCHAR, DOUBLE)"},
    "tag": {"": "VARCHAR[]"},
    "complete": {"": "VARCHAR"},
    "embed": {"": "FLOAT[]"},
    "regress": {"": "DOUBLE"},
}
"""The columns that a prediction adds, by what the model does: what follows the name, and the type. ``several`` is a classifier that gives a set of
classes: it was trained on lists of them."""


class PredictSettings(Settings):
    model: ModelRef
    text: Expression | None = None
    prompt: PromptCall | None = None
    into: Word | None = None
    max_failed: float = Field(0.01, ge=0, le=1)
    description: str = ""


@dataclass(frozen=True)
class PredictPlan:
    model: ModelRef
    does: str
    column: str
    given: str
    """SQL of what the model is given, over the input's columns."""
    schema: Schema
    max_failed: float
    tests: tuple[Test, ...]
    prompt: PromptCall | None = None


@step("predict")
class Predict(Kind):
    """Asks a model about every row and keeps its answers as columns.

    ```recipe
    predict guess from final.test { model: clf }
    predict answer from questions { model: lm  prompt: ask(question) }
    ```

    The model is a ``train`` step or a ``model`` step. A classifier gives the columns ``guess`` (the most probable class),
    ``guess_confidence`` and ``guess_probabilities`` (from class to probability); one that was trained on lists of classes
    gives the list of those above one half; a tagger a list of tags, one a token; an embedding a
    list of numbers; a regression a number; a language model, with ``prompt``, the text it answers. ``into`` names the column.

    ``text`` is what the model reads; it can be left out where the rows have the column that it was trained on. A row whose text is null
    gets null. Rows that a server did not answer are null too, counted and shown by ``recipec bad``; more than ``max_failed`` of
    them fail the step, and what was answered is kept.
    """

    Settings = PredictSettings
    level = "labels"
    takes = frozenset({"expect"})

    def bind(self, bind: StepBinder) -> Bound | None:
        settings: PredictSettings | None = bind.settings()
        if settings is None:
            return None
        before = len(bind.findings.errors)
        node = next(s.value for s in bind.statements(tree.Setting) if s.key.id == "model")
        does = self.does(bind, settings, node)
        given = self.given(bind, settings, does, node)
        column = str(settings.into) if settings.into else bind.name
        schema = bind.schema
        if settings.into is None and column in schema.types:
            message, help = f"`{bind.inputs[0]}` has a column `{column}` already", f"say what is meant to be replaced: into: {column}"
            bind.report(DuplicateName(span=bind.node.name.span, message=message, help=(help,)))
        for end, type in RESULTS[does].items():
            problem = name_problem(tree.Name(column + end, False, span=bind.node.name.span), [c for c in schema.names if c != column + end])
            if problem is not None:
                bind.report(problem)
            schema = schema.with_column(Column(column + end, type, bind.node.name.span))
        tests = [bind_test(bind, e, schema) for e in bind.statements(tree.Expect)]
        if len(bind.findings.errors) > before or given is None or None in tests:
            return None
        meaning: dict[str, Json] = {"does": does, "column": column, "given": given[1], "settings.max_failed": settings.max_failed}
        external = settings.model.facts is not None and settings.model.facts.external
        return bind.bound(
            outputs={"": schema},
            meaning=meaning,
            shown={f"settings.{s.key.id}": one_line(s.value.span) for s in bind.statements(tree.Setting)},
            plan=PredictPlan(
                settings.model,
                does,
                column,
                given[0],
                schema,
                settings.max_failed,
                tuple(t for t in tests if t is not None),
                settings.prompt,
            ),
            traits=Traits(scope="row", changes_columns=True, external=external),
            tests=tuple(t for t in tests if t is not None),
            uses=(
                Use("reads", bind.inputs[0], given_to(bind.inputs[0], settings.prompt, settings.text, given[0], node.span), settings.model),
            ),
            made=tuple(Made(column + end, "confidence" if end else "answer") for end in RESULTS[does]),
        )

    @staticmethod
    def does(bind: StepBinder, settings: PredictSettings, node: tree.Expr) -> str:
        """What the model is asked for: the first of its abilities that this step has a use for."""
        if settings.prompt is not None:
            if not settings.model.can("complete"):
                bind.report(BadValue(span=node.span, message=f"`{settings.model}` does not complete prompts", help=("leave out `prompt`",)))
            return "complete"
        facts = settings.model.facts
        found = [d for d in RESULTS if d != "complete" and facts is not None and d in facts.does]
        if facts is None:
            return "classify"
        if not found:
            if "complete" in facts.does:
                bind.report(MissingSetting(span=bind.node.head, message="a language model needs a `prompt`", help=("prompt: ask(text)",)))
                return "complete"
            bind.report(BadValue(span=node.span, message=f"`{settings.model}` can do nothing that `predict` has a use for"))
            return "classify"
        return "several" if found[0] == "classify" and several(bind, settings.model) else found[0]

    @staticmethod
    def given(bind: StepBinder, settings: PredictSettings, does: str, node: tree.Expr) -> tuple[str, Json] | None:
        """SQL of what the model is given, and what it means; None after reporting."""
        if settings.prompt is not None:
            if settings.prompt.open:
                message = f"`{settings.prompt.prompt.name}` needs `{settings.prompt.open[0]}`"
                help = (f"it is defined as: template {settings.prompt.prompt.form}",)
                bind.report(WrongArguments(span=settings.prompt.span, message=message, help=help))
                return None
            return settings.prompt.sql(), meaning_of(settings.prompt)
        text = settings.text
        wanted = "VARCHAR[]" if does == "tag" else "VARCHAR"
        if text is None:
            reads = settings.model.facts.reads if settings.model.facts is not None else ()
            found = next((r for r in reads if r in bind.schema.types or bind.schema.unknown), None)
            alone = [c.name for c in bind.schema.columns if c.type == wanted]
            name = found or (alone[0] if len(alone) == 1 else None)
            if name is None:
                was = f"it was trained on `{reads[0]}`, which `{bind.inputs[0]}` does not have" if reads else "there are several columns"
                if not bind.schema.unknown and bind.program.resolved.get(settings.model.step) is not None:
                    bind.report(MissingSetting(span=bind.node.head, message="what is the model to read?", help=(f"text: COLUMN; {was}",)))
                return None
            return quote(name), f"`{name}`"
        if text.type not in (wanted, '"NULL"') and not bind.schema.unknown:
            message = f"the model reads {shown(wanted)}; this is {shown(text.type)}"
            bind.report(WrongType(span=text.node.span, message=message))
            return None
        return text.sql, text.meaning

    def run(self, plan: PredictPlan, ctx: RunContext) -> Outcome:
        from recipec.engines.tests import run_tests

        source = ctx.relation(ctx.step.inputs[0])
        model = ctx.model(plan.model)
        answers = ctx.temp("answers")
        types = RESULTS[plan.does]
        listed = ", ".join(f"v{end} {type}" for end, type in types.items())
        ctx.con.execute(f"CREATE TEMP TABLE {answers} (_key UUID, {listed})")
        rows = ctx.rows(ctx.step.inputs[0])
        outcome = Outcome(rows_in=rows, rows_out=rows)
        failed: list[tuple[str, str, str]] = []
        before = dict(model.spent())
        given, count = self.gather(plan, ctx, source)
        expected = ctx.quote(model) if plan.does in ("complete", "embed") else None
        if expected is not None:
            for block in self.pieces(ctx, given, count):
                ask(expected, block)
            ctx.agree(expected.estimate(""))
        done = 0
        for block in self.pieces(ctx, given, count):
            ctx.progress(done / count, model.telling())
            self.answer(plan, ctx, model, block, answers, failed, partial(told, ctx, model, done, count))
            done += len(block)
        self.settle(plan, ctx, outcome, failed, rows)
        made = {plan.column + end: f"a.v{end}" for end in types}
        hidden = ["_key", "_parent", *(["_order"] if plan.schema.ordered else [])]
        chosen = [f"s.{h}" for h in hidden] + [f"{made[c]} AS {quote(c)}" if c in made else f"s.{quote(c)}" for c in plan.schema.names]
        ctx.execute(
            f"CREATE TABLE {ctx.target} AS SELECT {', '.join(chosen)} FROM {source} AS s LEFT JOIN {answers} AS a ON s._key = a._key"
        )
        spent = model.spent()
        if spent:
            outcome.extra["model"] = str(plan.model)
            outcome.extra["spent"] = spending(before, spent)
        outcome.notes.extend(f"{plan.model}: {n}" for n in model.notices())
        run_tests(ctx, plan.tests, f"(SELECT * FROM {ctx.target})", outcome)
        return outcome

    @classmethod
    def askings(cls, plan: PredictPlan) -> Sequence[Asking]:
        if plan.does == "embed":
            return [Asking(plan.model, ask, texts=plan.given)]
        return [Asking(plan.model, ask, prompt=plan.prompt)] if plan.prompt is not None else []

    @staticmethod
    def gather(plan: PredictPlan, ctx: RunContext, source: str) -> tuple[str, int]:
        """A table of what the model is given, for the rows that have something to give, numbered in key order; and their count."""
        table = ctx.temp("given")
        ctx.con.execute(
            f"CREATE TEMP TABLE {table} AS SELECT row_number() OVER (ORDER BY _key) - 1 AS n, _key::VARCHAR AS k, x FROM "
            f"(SELECT _key, ({plan.given}) AS x FROM {source}) WHERE x IS NOT NULL"
        )
        return table, int(ctx.one(f"SELECT count(*) FROM {table}")[0])

    @staticmethod
    def pieces(ctx: RunContext, table: str, count: int) -> Iterator[list[tuple[str, Any]]]:
        """(key, what the model is given), block by block."""
        for start in range(0, count, BLOCK):
            yield ctx.con.execute(f"SELECT k, x FROM {table} WHERE n BETWEEN {start} AND {start + BLOCK - 1} ORDER BY n").fetchall()

    @staticmethod
    def answer(
        plan: PredictPlan,
        ctx: RunContext,
        model: Any,
        block: list[tuple[str, Any]],
        table: str,
        failed: list[tuple[str, str, str]],
        progress: Callable[[int], None],
    ) -> None:
        """Ask about a block of rows and put the answers into the table."""
        import pyarrow as pa

        keys, given = [k for k, _ in block], [x for _, x in block]
        columns: dict[str, Any] = {}
        extra = ""
        if plan.does == "classify":
            names, found = model.classify(given)
            # Rounded: the last bits of a product of matrices depend on what else is in the batch.
            found = found.round(6)
            columns = {
                "v": pa.array([names[int(i)] for i in found.argmax(axis=1)] if len(keys) else [], pa.string()),
                "c": pa.array(found.max(axis=1) if len(keys) else [], pa.float64()),
                "p": pa.array([[float(x) for x in row] for row in found], pa.list_(pa.float64())),
            }
            columns["names"] = pa.array([[str(n) for n in names]] * len(keys), pa.list_(pa.string()))
            extra = "v, c, map(names, p)"
        elif plan.does == "several":
            names, found = model.classify(given)
            columns = {
                "v": pa.array(above_half(names, found), pa.list_(pa.string())),
                "p": pa.array([[float(x) for x in row] for row in found.round(6)], pa.list_(pa.float64())),
                "names": pa.array([[str(n) for n in names]] * len(keys), pa.list_(pa.string())),
            }
            extra = "v, map(names, p)"
        elif plan.does == "tag":
            columns, extra = {"v": pa.array(model.tag(given), pa.list_(pa.string()))}, "v"
        elif plan.does == "embed":
            vectors = model.embed(given, progress)
            columns, extra = {"v": pa.array([list(map(float, row)) for row in vectors], pa.list_(pa.float32()))}, "v"
        elif plan.does == "regress":
            columns, extra = {"v": pa.array([float(x) for x in model.regress(given)], pa.float64())}, "v"
        else:
            texts = completions(model, block, failed, progress)
            columns, extra = {"v": pa.array([texts.get(k) for k in keys], pa.string())}, "v"
        ctx.con.register("__answers", pa.table({"k": pa.array(keys, pa.string()), **columns}))
        try:
            ctx.con.execute(f"INSERT INTO {table} SELECT k::UUID, {extra} FROM __answers")
        finally:
            ctx.con.unregister("__answers")

    @staticmethod
    def settle(plan: PredictPlan, ctx: RunContext, outcome: Outcome, failed: list[tuple[str, str, str]], rows: int) -> None:
        """Put rows without an answer aside; too many stop the step."""
        if not failed:
            return
        if len(failed) > plan.max_failed * rows:
            message = f"{len(failed):,} of {rows:,} rows got no answer from `{plan.model}`: {failed[0][1]}: {failed[0][2]}"
            raise StepFailed(message, "what was answered is kept: run again to ask for the rest, or raise `max_failed`")
        ctx.set_aside(f"model {plan.model}", [(reason, text) for _, reason, text in failed])
        outcome.extra["failed"] = len(failed)
        outcome.notes.append(f"{len(failed):,} row{'s' * (len(failed) != 1)} got no answer: recipec bad {ctx.step.name}")

    @classmethod
    def stale(cls, plan: Any, extra: Mapping[str, Json]) -> str | None:
        failed = int(extra.get("failed", 0))
        return f"{failed:,} row{'s' * (failed != 1)} got no answer" if failed else None


def form_of(bind: StepBinder, model: ModelRef) -> str:
    """The form of rows that a ``train`` step's model learned from (:class:`recipec.training._base.TaskBound`); empty for other models."""
    resolved = bind.program.resolved.get(model.step)
    spec = getattr(resolved.bound.plan, "spec", None) if resolved is not None else None
    return str(getattr(spec, "form", ""))


def several(bind: StepBinder, model: ModelRef) -> bool:
    """Whether a classifier gives a set of classes a row: it learned from lists of them."""
    return form_of(bind, model) == "multi"


def above_half(names: Sequence[str], probabilities: Any) -> list[list[str]]:
    """The classes whose probability is above one half, for every row. Rounded: the last bits depend on what else is in the batch."""
    return [[str(n) for n, p in zip(names, row, strict=True) if p > 0.5] for row in probabilities.round(6).tolist()]


def told(ctx: RunContext, model: Any, before: int, rows: int, done: int) -> None:
    """Say how far a block is, and what was spent so far."""
    ctx.progress((before + done) / rows, model.telling())


def ask(quote: Any, block: Sequence[tuple[str, Any]]) -> None:
    """Add what is asked for these rows to a quote."""
    quote.add(requests(block))


def requests(block: Sequence[tuple[str, Any]]) -> Iterator[Request]:
    """What a language model is asked for a block of rows; for a model that embeds, a request is a text."""
    from recipec.models.requests import Request

    for key, prompt in block:
        yield Request.of(key, prompt)


def completions(
    model: Any, block: list[tuple[str, Any]], failed: list[tuple[str, str, str]], progress: Callable[[int], None] = lambda done: None
) -> dict[str, str]:
    """The answers' texts by key; what failed goes to ``failed``."""
    from recipec.models.requests import Failure

    out: dict[str, str] = {}
    for key, answer in model.answers(requests(block), progress=progress):
        if isinstance(answer, Failure):
            failed.append((key, answer.kind, answer.message))
        else:
            out[key] = answer.text
    return out
