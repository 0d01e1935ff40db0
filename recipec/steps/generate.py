"""``generate``: new columns or rows from a model's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from recipec.api import (
    ORDER,
    Asking,
    Bound,
    Column,
    ColumnName,
    Field,
    Json,
    Kind,
    Made,
    ModelRef,
    Outcome,
    PromptCall,
    Schema,
    Settings,
    TableRef,
    Traits,
    TypeMap,
    Use,
    Word,
    step,
)
from recipec.engines.answers import Form
from recipec.engines.examples import Examples, Like
from recipec.resolve.arguments import Choices, Inner
from recipec.resolve.binder import StepBinder
from recipec.resolve.chain import Chain, ChainBuilder, meaning_of, merge, one_line
from recipec.resolve.columns import name_problem
from recipec.resolve.passed import passed
from recipec.resolve.problems import BadValue, DuplicateName, MissingSetting, WrongArguments, WrongForm, WrongType
from recipec.resolve.types import TypeProblem, duckdb_type, shown
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext


class ShownParams(Settings):
    table: TableRef
    k: int = Field(4, ge=1, le=1000)


class NearestParams(ShownParams):
    text: Word | None = None
    with_: ModelRef | None = None


class DiverseParams(NearestParams):
    balance: float = Field(0.5, ge=0, le=1)


EXAMPLES = Choices(
    (("random", ShownParams), ("fixed", ShownParams), ("nearest", NearestParams), ("diverse", DiverseParams)), what="choice of examples"
)


class AskedSettings(Settings):
    """The settings that are no expressions of the kind's own."""

    with_: ModelRef
    examples: Annotated[Inner | None, EXAMPLES] = None
    samples: int = Field(1, ge=1, le=1000)
    numbered: Word | None = None
    into: Word | None = None
    constrain: bool = True
    cut_off: Literal["drop", "keep"] = "drop"
    max_failed: float = Field(0.05, ge=0, le=1)
    max_bad: float = Field(0.5, ge=0, le=1)
    description: str = ""


class GenerateSettings(AskedSettings):
    with_: ModelRef
    prompt: PromptCall | ColumnName
    answer: TypeMap | list[TypeMap] | None = None


@dataclass(frozen=True)
class GeneratePlan:
    model: ModelRef
    asked: PromptCall
    examples: Examples | None
    answers: Form
    column: str
    samples: int
    numbered: str | None
    constrain: bool
    keep_cut: bool
    max_failed: float
    max_bad: float
    given: Schema
    """The columns once the answers are there, before the statements."""
    source: Schema
    chain: Chain

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

    **What is asked.** ``prompt`` is a template with its arguments, or a column: of text, or of messages (``prompt: messages``), which is how
    a conversation goes on: every round of a ``repeat`` asks with all that was said. ``examples: random(pool, k: 8)`` fills the template's
    open parameter ``examples`` with rows of another table, all their columns: others for every row, drawn without replacement by the seed
    and the row's key, never the row itself; ``fixed(pool, k: 8)`` shows the first by key to all; ``nearest(pool, k: 4)`` those most like the row,
    the most alike last, and ``diverse(pool, k: 4)`` those that are also unlike each other. Likeness is between the template's first argument and
    the pool's column of that name (``text: question`` names another), by shared words, or ``with: minilm`` by the vectors of a model.

    **What comes back.** ``answer`` says which fields an answer has and of what types; a list of values in a type's place says that it is one of them:
    ``answer: { better: ["A", "B", "tie"], score: [1, 2, 3, 4, 5] }``. The model is asked for JSON of that form (by JSON Schema, where the
    server takes one; ``constrain: false`` leaves that out). ``answer: [{ question: text, answer: text }]`` asks for a list: each item
    becomes a row. Without ``answer`` the text is a column of the step's name, or of ``into``.

    With one sample, the answers are columns beside those of the row. With more (``samples: 4``), or a list, each answer is a row of its
    own, whose parent is the row asked about; a field of the name of a column takes its place. ``numbered: attempt`` adds a column with the
    answer's number, from 1: that of the sample, or in a list that is asked for once that of the item. A server that takes a ``seed`` (of
    the model) gets another one for every sample.

    **What makes no row.** Nothing is mended. An answer (or an item of a list) that is not of the form is dropped under "not of the asked
    form", one that reached ``max_tokens`` under "cut off" (``cut_off: keep`` takes such texts as they are), one without a text under
    "empty", one that the server marks as a refusal under "refused"; each is counted, and ``recipec bad`` shows it. More than ``max_bad``
    of them (50%) fail the step: the rows can be looked at, but nothing goes on with them. A refusal in the model's own words is a text
    like any other: drop it by an expression. A row that a server did not answer is dropped under "no answer" and asked again by the next
    run; more than ``max_failed`` of them (5%) fail the step, and what was answered is kept.

    After the answers come statements as in ``clean``: columns, filters, operators, tests. ``keep where rouge_l(question, others) < 70%``
    keeps what is unlike everything kept before it (the operator ``novel``).

    The folder ``recipes/`` has worked ones: self-instruct, Evol-instruct, questions with quoted evidence, personas, preference pairs,
    rejection sampling, distillation, translation, conversations, two judges.
    """

    Settings = GenerateSettings
    takes = frozenset({"assign", "filter", "op", "expect"})

    def bind(self, bind: StepBinder) -> Bound | None:
        settings: AskedSettings | None = bind.settings(AskedSettings, skip=["answer", "prompt"])
        answers, prompt = self.answers(bind), self.prompt(bind)
        if settings is None or answers is None or prompt is None:
            return None
        before = len(bind.findings.errors)
        if not settings.with_.can("complete"):
            node = next(s.value for s in bind.statements(tree.Setting) if s.key.id == "with")
            bind.report(BadValue(span=node.span, message=f"`{settings.with_}` does not complete prompts", help=("use a language model",)))
        examples = self.examples(bind, settings, prompt)
        column = str(settings.into) if settings.into else bind.name
        schema = self.schema(bind, answers, column, settings.numbered)
        chain = ChainBuilder(bind, schema).chain([sugared(s) for s in bind.node.body])
        if chain is None or len(bind.findings.errors) > before:
            return None
        rows = settings.samples > 1 or answers.many
        meaning: dict[str, Json] = {
            "prompt": meaning_of(prompt),
            "column": column,
            "answer": {n: [t, *answers.choices.get(n, ())] for n, t in answers.types.items()},
            "many": answers.many,
        }
        for name in ("samples", "constrain", "cut_off", "max_failed", "max_bad", "numbered"):
            meaning[f"settings.{name}"] = getattr(settings, name)
        meaning["settings.examples"] = shown_meaning(settings.examples, examples)
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
                settings.with_, prompt, examples, answers, column, settings.samples, settings.numbered and str(settings.numbered),
                settings.constrain, settings.cut_off == "keep", settings.max_failed, settings.max_bad, schema, bind.schema, chain,
            ),
            traits=merge(own, chain.traits),
            tests=chain.tests,
            uses=(Use("reads", bind.inputs[0], prompt, settings.with_),),
            made=tuple(Made(name, "answer") for name in answers.types or (column,)),
        )  # fmt: skip

    @staticmethod
    def prompt(bind: StepBinder) -> PromptCall | None:
        """What is asked; None after reporting."""
        node: tree.Expr | None = next((s.value for s in bind.statements(tree.Setting) if s.key.id == "prompt"), None)
        if node is None:
            help = ("prompt: ask(text), with a template; or prompt: messages, with a column of them",)
            bind.report(MissingSetting(span=bind.node.head, message="`generate` needs `prompt`", help=help))
            return None
        if isinstance(node, tree.Name) and bind.names.prompt(node) is None and node.id in bind.schema.types:
            column = next(c for c in bind.schema.columns if c.name == node.id)
            made = passed(column, node, node.span)
            if made is None:
                message = f"`prompt` is a text or messages; `{node.id}` is {shown(column.type)}"
                bind.report(WrongType(span=node.span, message=message, help=("messages = conversation(user: text)",)))
            return made
        if isinstance(node, tree.Name) and bind.names.prompt(node) is None and bind.schema.unknown:
            return None  # most likely a column, of a table of which nothing is known after a mistake told there
        if isinstance(node, tree.Call | tree.Name):
            return bind.prompt(node, bind.schema)
        message = "`prompt` is a template with its arguments, or a column"
        bind.report(WrongForm(span=node.span, message=message, help=("prompt: ask(text)", "or give it a name in a step before")))
        return None

    @classmethod
    def examples(cls, bind: StepBinder, settings: AskedSettings, prompt: PromptCall) -> Examples | None:
        """The rows to show, held against what the template leaves open."""
        inner = settings.examples
        missing = [p for p in prompt.open if inner is None or p != "examples"]
        if missing:
            help = f"it is defined as: template {prompt.prompt.form}"
            if missing == ["examples"]:
                help = "examples: random(pool, k: 8)"
            bind.report(WrongArguments(span=prompt.span, message=f"`{prompt.prompt.name}` needs `{missing[0]}`", help=(help,)))
        if inner is None:
            return None
        if "examples" not in prompt.open and not missing:
            message = f"`{prompt.prompt.name}` has no open parameter `examples` to put them in"
            bind.report(WrongArguments(span=prompt.span, message=message, help=("template ask(text, examples) ...",)))
        random = inner.name == "random"
        salt = bind.salt("examples") if random else ""
        table: TableRef = inner.params.table
        like = cls.like(bind, inner, prompt) if isinstance(inner.params, NearestParams) else None
        return Examples(table, inner.params.k, random, table.schema.names, bind.seed, salt, like)

    @staticmethod
    def like(bind: StepBinder, inner: Inner, prompt: PromptCall) -> Like | None:
        """How the examples are to be like the row; None after reporting."""
        given, params = next(iter(prompt.arguments.values()), None), inner.params
        table: TableRef = params.table
        setting = next(s.value for s in bind.statements(tree.Setting) if s.key.id == "examples")
        if given is None:
            message = f"`{prompt.prompt.name}` is given nothing of the row that examples could be like"
            bind.report(WrongArguments(span=setting.span, message=message, help=("prompt: ask(text)", "examples: random(pool, k: 8)")))
            return None
        if params.with_ is not None and not params.with_.can("embed"):
            help = ('model e = embedding("models/minilm")',)
            bind.report(BadValue(span=setting.span, message=f"`{params.with_}` does not embed texts", help=help))
        name = str(params.text) if params.text else next(iter(given.columns)) if len(given.columns) == 1 else "text"
        if name not in table.schema.types and not table.schema.unknown:
            known = (f"its columns: {', '.join(table.schema.names)}", f"{inner.name}({table}, text: COLUMN)")
            bind.report(WrongType(span=setting.span, message=f"`{table}` has no column `{name}` to compare with", help=known))
        return Like(f"({given.sql})::VARCHAR", name, params.with_, getattr(params, "balance", None))

    @classmethod
    def answers(cls, bind: StepBinder) -> Form | None:
        """The form of an answer; None after reporting."""
        written = next((s for s in bind.statements(tree.Setting) if s.key.id == "answer"), None)
        if written is None:
            return Form({})
        node: tree.Expr = written.value
        many = isinstance(node, tree.ListExpr) and len(node.items) == 1
        if isinstance(node, tree.ListExpr) and many:
            node = node.items[0]
        if not isinstance(node, tree.StructExpr) or not node.items:
            help = ("answer: { question: text, answer: text }", "or a list of them: answer: [{ question: text }]")
            bind.report(WrongForm(span=written.value.span, message="`answer` gives the fields of an answer and their types", help=help))
            return None
        types: dict[str, str] = {}
        choices: dict[str, tuple[Json, ...]] = {}
        for name, type in node.items:
            if name.id in types:
                bind.report(DuplicateName(span=name.span, message=f"the field `{name.id}` is listed twice"))
                return None
            try:
                found = chosen_from(type)
                types[name.id] = found[0] if found is not None else duckdb_type(type)
            except TypeProblem as problem:
                bind.report(problem.diagnostic)
                return None
            if found is not None:
                if len(set(found[1])) < len(found[1]):
                    bind.report(BadValue(span=type.span, message=f"`{name.id}` lists a value twice"))
                    return None
                choices[name.id] = found[1]
        return Form(types, choices, many)

    @staticmethod
    def schema(bind: StepBinder, answers: Form, column: str, numbered: Word | None) -> Schema:
        """The columns of the input and the answer's."""
        schema = bind.schema
        at = bind.node.name.span
        made = dict(answers.types) or {column: "VARCHAR"}
        if not answers.types and column in schema.types:
            message, help = f"`{bind.inputs[0]}` has a column `{column}` already", "give the answer another name: into: NAME"
            bind.report(DuplicateName(span=at, message=message, help=(help,)))
        if numbered is not None:
            if str(numbered) in made or str(numbered) in schema.types:
                message = f"there is a column `{numbered}` already"
                bind.report(DuplicateName(span=at, message=message, help=("`numbered` names a new column: numbered: attempt",)))
            made[str(numbered)] = "BIGINT"
        for name, type in made.items():
            problem = name_problem(tree.Name(name, False, span=at), [c for c in schema.names if c != name])
            if problem is not None:
                bind.report(problem)
            schema = schema.with_column(Column(name, bind.typing.types(f"SELECT NULL::{type} AS x", lasting=True)["x"], at))
        return schema

    def run(self, plan: GeneratePlan, ctx: RunContext) -> Outcome:
        from recipec.engines.chain import run_chain
        from recipec.engines.generate import ASKED, generated
        from recipec.engines.tests import run_tests

        made = generated(plan, ctx)
        hidden = ["_key", "_parent", *([ORDER] if plan.chain.schema.ordered else [])]
        outcome = run_chain(ctx, plan.chain, made.table, hidden)
        outcome.rows_in = made.rows
        # A filter may give the same reason.
        outcome.dropped = {r: made.dropped.get(r, 0) + outcome.dropped.get(r, 0) for r in (*made.dropped, *outcome.dropped)}
        outcome.notes = [*made.notes, *outcome.notes]
        outcome.extra |= {"model": str(plan.model), "spent": made.spent, "failed": made.dropped.get(ASKED, 0)}
        outcome.failure = made.failure
        run_tests(ctx, plan.chain.tests, f"(SELECT * FROM {ctx.target} WHERE _why IS NULL)", outcome)
        return outcome

    @classmethod
    def askings(cls, plan: GeneratePlan) -> Sequence[Asking]:
        from recipec.engines.examples import picker
        from recipec.engines.generate import count

        shown = picker(plan.examples) if plan.examples is not None else None
        query = plan.examples.query if plan.examples is not None else "''"
        slow = plan.examples is not None and plan.examples.like is not None
        return [Asking(plan.model, lambda quote, part: count(plan, quote, part), prompt=plan.asked, examples=shown, query=query, slow=slow)]

    @classmethod
    def stale(cls, plan: Any, extra: Mapping[str, Json]) -> str | None:
        failed = int(extra.get("failed", 0))
        return f"{failed:,} row{'s' * (failed != 1)} got no answer" if failed else None


def shown_meaning(inner: Inner | None, examples: Examples | None) -> Json:
    """What decides which examples are shown."""
    if inner is None:
        return None
    like = examples.like if examples is not None else None
    more: list[Json] = [] if like is None else [like.query, like.text, str(like.model or ""), like.balance]
    return [inner.name, inner.params.k, *more]


def chosen_from(node: tree.Expr) -> tuple[str, tuple[Json, ...]] | None:
    """The DuckDB type and the values of ``["A", "B"]`` or ``[1, 2, 3]``, and of a list of such (``[["A", "B"]]``); None for a type."""
    if not isinstance(node, tree.ListExpr) or not node.items:
        return None
    if len(node.items) == 1 and isinstance(node.items[0], tree.ListExpr):
        inner = chosen_from(node.items[0])
        return None if inner is None else (f"{inner[0]}[]", inner[1])
    if all(isinstance(i, tree.String) for i in node.items):
        return "VARCHAR", tuple(i.value for i in node.items if isinstance(i, tree.String))
    if all(isinstance(i, tree.Number) and type(i.value) is int and not i.percent for i in node.items):
        return "BIGINT", tuple(i.value for i in node.items if isinstance(i, tree.Number))
    return None


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
