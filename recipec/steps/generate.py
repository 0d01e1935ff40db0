"""``generate``: new columns or rows from a model's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recipec.api import (
    ORDER,
    Asking,
    Bound,
    Column,
    Field,
    Json,
    Kind,
    Made,
    ModelRef,
    Outcome,
    PromptCall,
    Schema,
    Settings,
    Traits,
    Use,
    Word,
    step,
)
from recipec.resolve.binder import StepBinder
from recipec.resolve.chain import Chain, ChainBuilder, meaning_of, merge, one_line
from recipec.resolve.columns import name_problem
from recipec.resolve.problems import BadValue, DuplicateName, WrongArguments, WrongForm
from recipec.resolve.types import TypeProblem, duckdb_type
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext

ASKED, FORM = "no answer", "not of the asked form"
"""Reasons for which rows have no answer."""


class GenerateSettings(Settings):
    with_: ModelRef
    prompt: PromptCall
    samples: int = Field(1, ge=1, le=1000)
    into: Word | None = None
    constrain: bool = True
    max_failed: float = Field(0.05, ge=0, le=1)
    description: str = ""


@dataclass(frozen=True)
class Answers:
    """The form of an answer: its fields and their types; none for a plain text. ``many``: a list of such."""

    types: Mapping[str, str]
    many: bool = False


@dataclass(frozen=True)
class GeneratePlan:
    model: ModelRef
    prompt: str
    answers: Answers
    column: str
    samples: int
    constrain: bool
    max_failed: float
    given: Schema
    """The columns once the answers are there, before the statements."""
    source: Schema
    chain: Chain
    asked: PromptCall

    @property
    def rows(self) -> bool:
        """Whether answers become rows of their own, rather than columns of the row asked about."""
        return self.samples > 1 or self.answers.many


@step("generate")
class Generate(Kind):
    """Asks a language model about every row, and makes columns or rows of its answers.

    ```recipe
    generate qa from passages {
      with: lm
      prompt: ask_question(text)
      answer: { question: text, answer: text }
      samples: 2
      keep where rouge_l(question, others) < 70%
    }
    ```

    ``answer`` says which fields an answer has and of what types; the model is asked for JSON of that form (by JSON Schema, where the
    server takes one; ``constrain: false`` leaves that out). An answer that is not of the form is never mended: the row is dropped
    under "not of the asked form", counted, and its answer shown by ``recipec bad``. ``answer: [{ question: text, answer: text }]`` asks for a list:
    each item becomes a row. Without ``answer`` the text is a column of the step's name, or of ``into``.

    With one sample, the answers are columns beside those of the row. With more (``samples: 4``), or a list, each answer is a row of its
    own, whose parent is the row asked about; a field of the name of a column takes its place.

    After the answers come statements as in ``clean``: columns, filters, operators, tests. ``keep where rouge_l(question, others) < 70%``
    keeps what is unlike everything kept before it (the operator ``novel``). A row that a server did not answer is dropped under "no
    answer" and asked again by the next run; more than ``max_failed`` of them fail the step, and what was answered is kept.
    """

    Settings = GenerateSettings
    takes = frozenset({"assign", "filter", "op", "expect"})

    def bind(self, bind: StepBinder) -> Bound | None:
        settings: GenerateSettings | None = bind.settings(skip=["answer"])
        answers = self.answers(bind)
        if settings is None or answers is None:
            return None
        before = len(bind.findings.errors)
        if not settings.with_.can("complete"):
            node = next(s.value for s in bind.statements(tree.Setting) if s.key.id == "with")
            bind.report(BadValue(span=node.span, message=f"`{settings.with_}` does not complete prompts", help=("use a language model",)))
        if settings.prompt.open:
            message = f"`{settings.prompt.prompt.name}` needs `{settings.prompt.open[0]}`"
            bind.report(
                WrongArguments(
                    span=settings.prompt.span, message=message, help=(f"it is defined as: template {settings.prompt.prompt.form}",)
                )
            )
        column = str(settings.into) if settings.into else bind.name
        schema = self.schema(bind, answers, column)
        chain = ChainBuilder(bind, schema).chain([sugared(s) for s in bind.node.body])
        if chain is None or len(bind.findings.errors) > before:
            return None
        rows = settings.samples > 1 or answers.many
        meaning: dict[str, Json] = {
            "prompt": meaning_of(settings.prompt),
            "column": column,
            "answer": dict(answers.types),
            "many": answers.many,
        }
        for name in ("samples", "constrain", "max_failed"):
            meaning[f"settings.{name}"] = getattr(settings, name)
        shown = {f"settings.{s.key.id}": one_line(s.value.span) for s in bind.statements(tree.Setting)}
        for field, value, text in chain.meaning:
            name, n = field, 2
            while name in meaning:
                name, n = f"{field} ({n})", n + 1
            meaning[name], shown[name] = value, text
        meaning["order"] = list(meaning)
        external = settings.with_.facts is not None and settings.with_.facts.external
        own = Traits(scope="row", changes_rows=True, changes_columns=True, copies_rows=rows, external=external)
        return bind.bound(
            outputs={"": chain.schema},
            meaning=meaning,
            shown=shown,
            plan=GeneratePlan(
                settings.with_, settings.prompt.sql(), answers, column, settings.samples, settings.constrain, settings.max_failed, schema,
                bind.schema, chain, settings.prompt,
            ),
            traits=merge(own, chain.traits),
            tests=chain.tests,
            uses=(Use("reads", bind.inputs[0], settings.prompt, settings.with_),),
            made=tuple(Made(name, "answer") for name in answers.types or (column,)),
        )  # fmt: skip

    @staticmethod
    def answers(bind: StepBinder) -> Answers | None:
        """The form of an answer; None after reporting."""
        written = next((s for s in bind.statements(tree.Setting) if s.key.id == "answer"), None)
        if written is None:
            return Answers({})
        node: tree.Expr = written.value
        many = isinstance(node, tree.ListExpr) and len(node.items) == 1
        if isinstance(node, tree.ListExpr) and many:
            node = node.items[0]
        if not isinstance(node, tree.StructExpr) or not node.items:
            help = ("answer: { question: text, answer: text }", "or a list of them: answer: [{ question: text }]")
            bind.report(WrongForm(span=written.value.span, message="`answer` gives the fields of an answer and their types", help=help))
            return None
        types: dict[str, str] = {}
        for name, type in node.items:
            if name.id in types:
                bind.report(DuplicateName(span=name.span, message=f"the field `{name.id}` is listed twice"))
                return None
            try:
                types[name.id] = duckdb_type(type)
            except TypeProblem as problem:
                bind.report(problem.diagnostic)
                return None
        return Answers(types, many)

    @staticmethod
    def schema(bind: StepBinder, answers: Answers, column: str) -> Schema:
        """The columns of the input and the answer's."""
        schema = bind.schema
        for name, type in (answers.types or {column: "VARCHAR"}).items():
            if not answers.types and name in schema.types:
                message, help = f"`{bind.inputs[0]}` has a column `{name}` already", "give the answer another name: into: NAME"
                bind.report(DuplicateName(span=bind.node.name.span, message=message, help=(help,)))
            problem = name_problem(tree.Name(name, False, span=bind.node.name.span), [c for c in schema.names if c != name])
            if problem is not None:
                bind.report(problem)
            schema = schema.with_column(Column(name, type, bind.node.name.span))
        return schema

    def run(self, plan: GeneratePlan, ctx: RunContext) -> Outcome:
        from recipec.engines.chain import run_chain
        from recipec.engines.generate import generated
        from recipec.engines.tests import run_tests

        made = generated(plan, ctx)
        hidden = ["_key", "_parent", *([ORDER] if plan.chain.schema.ordered else [])]
        outcome = run_chain(ctx, plan.chain, made.table, hidden)
        outcome.rows_in = made.rows
        outcome.dropped = {**made.dropped, **outcome.dropped}
        outcome.notes = [*made.notes, *outcome.notes]
        outcome.extra |= {"model": str(plan.model), "spent": made.spent, "failed": made.dropped.get(ASKED, 0)}
        run_tests(ctx, plan.chain.tests, f"(SELECT * FROM {ctx.target} WHERE _why IS NULL)", outcome)
        return outcome

    @classmethod
    def askings(cls, plan: GeneratePlan) -> Sequence[Asking]:
        from recipec.engines.generate import count

        return [Asking(plan.model, lambda quote, part: count(plan, quote, part), prompt=plan.asked)]

    @classmethod
    def stale(cls, plan: Any, extra: Mapping[str, Json]) -> str | None:
        failed = int(extra.get("failed", 0))
        return f"{failed:,} row{'s' * (failed != 1)} got no answer" if failed else None


def sugared(statement: tree.Statement) -> tree.Statement:
    """``keep where rouge_l(x, others) < 70%`` as the operator ``novel(x, rouge_l: 70%)``; anything else as it is."""
    match statement:
        case tree.Filter(action="keep", condition=condition):
            call, bound = against_others(condition)
            if call is None or bound is None:
                return statement
            arguments = (call.args[0], tree.Arg(bound, tree.Name("rouge_l", False, span=call.func.span), span=bound.span))
            made = tree.Call(tree.Name("novel", False, span=call.func.span), arguments, span=call.span)
            return tree.Op(made, span=statement.span)
        case _:
            return statement


def against_others(condition: tree.Expr) -> tuple[tree.Call | None, tree.Expr | None]:
    """The call and the bound of ``rouge_l(x, others) < bound``."""
    if isinstance(condition, tree.Binary) and condition.op in ("<", "<="):
        call = condition.left
        if (
            isinstance(call, tree.Call)
            and isinstance(call.func, tree.Name)
            and call.func.id == "rouge_l"
            and len(call.args) == 2
            and isinstance(call.args[1].value, tree.Name)
            and call.args[1].value.id == "others"
        ):
            return call, condition.right
    return None, None
