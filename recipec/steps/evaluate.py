"""``evaluate``: how good predictions are, with intervals, slices and comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from recipec.api import (
    Bound,
    Column,
    ColumnName,
    Expression,
    Field,
    Json,
    Kind,
    ModelRef,
    Outcome,
    PromptCall,
    Schema,
    Settings,
    Traits,
    Use,
    quote,
    step,
)
from recipec.metrics._base import Metric
from recipec.registry import find
from recipec.resolve.arguments import Choices, Inner
from recipec.resolve.binder import StepBinder
from recipec.resolve.bounds import beyond
from recipec.resolve.chain import Test, bind_test, meaning_of, one_line
from recipec.resolve.modules import RoundModule
from recipec.resolve.problems import BadValue, MissingSetting, UnknownColumn, WrongArguments, WrongType
from recipec.resolve.types import is_number, shown
from recipec.resolve.uses import given
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext

METRICS = Choices(group="metric", what="metric")
USUAL = {
    "classes": ("accuracy", "f1"),
    "multilabel": ("f1",),
    "tags": ("precision", "recall", "f1"),
    "texts": ("exact_match", "rouge_l"),
    "numbers": ("mae", "r2"),
    "losses": ("perplexity",),
}
"""What is measured where the recipe does not say."""
SLICES = 'STRUCT(slice VARCHAR, "value" VARCHAR, "rows" BIGINT, metric VARCHAR, score DOUBLE, low DOUBLE, high DOUBLE, rest DOUBLE, small BOOLEAN)[]'


class EvaluateSettings(Settings):
    model: ModelRef | None = None
    predicted: ColumnName | None = None
    probabilities: ColumnName | None = None
    gold: ColumnName | None = None
    text: Expression | None = None
    prompt: PromptCall | None = None
    metrics: list[Annotated[Inner, METRICS]] = []
    slices: list[Expression] = []
    group: Expression | None = None
    bootstrap: int = Field(1000, ge=0, le=100_000)
    against: ModelRef | ColumnName | None = None
    seed: int | None = None
    description: str = ""


@dataclass(frozen=True)
class Answering:
    """Where predictions come from: a model that is given ``given`` (SQL), or a column with its probabilities."""

    name: str
    model: ModelRef | None = None
    does: str = ""
    given: str = ""
    column: str = ""
    probabilities: str = ""


@dataclass(frozen=True)
class EvaluatePlan:
    kind: str
    gold: str
    answering: Answering
    against: Answering | None
    metrics: tuple[tuple[str, Metric], ...]
    slices: tuple[tuple[str, str], ...]
    group: str
    bootstrap: int
    seed: int
    schema: Schema
    tests: tuple[Test, ...]


@step("evaluate")
class Evaluate(Kind):
    """Measures predictions against what is known, and tests the scores.

    ```recipe
    evaluate scores from final.test {
      model: clf
      metrics: [accuracy, f1, roc_auc]
      slices: [section, length(description) > 500]
      expect f1 >= 85%
    }
    ```

    The predictions are those of ``model:``, or a column (``predicted: guess``, with ``probabilities: guess_probabilities`` where a metric
    needs them). ``gold`` is the column with the answers; where a ``train`` step's model is measured it is the column that the model was
    trained on. ``recipec docs`` lists the metrics and says which need what.

    The result is a table of one row: ``rows``, and for each metric its value and the ends of its 95 % interval (``f1``, ``f1_low``,
    ``f1_high``), by ``bootstrap`` resamples of the rows, or of whole groups with ``group: customer``. ``slices`` measures the rows of
    each value of an expression too, and says how far apart they lie. ``against: other`` measures another model, or column, on the same
    rows and says whether the difference is more than chance. ``expect`` tests the scores: a failed one fails the run.

    ``perplexity`` is of the texts themselves: a language model is asked how probable it holds ``gold``, after ``prompt`` where there is one.
    It stands in an ``evaluate`` of its own.

    The report keeps the table by class, the confusion matrix, the curves and the surest errors.
    """

    Settings = EvaluateSettings
    level = "metadata"
    takes = frozenset({"expect"})

    def bind(self, bind: StepBinder) -> Bound | None:
        settings: EvaluateSettings | None = bind.settings()
        if settings is None:
            return None
        before = len(bind.findings.errors)
        gold = self.gold(bind, settings)
        if gold is None:
            return None
        kind = self.kind(bind, settings, gold)
        self.fitting(bind, settings, gold, kind)
        answering = self.answering(bind, settings, kind)
        against = self.other(bind, settings, kind)
        metrics = self.metrics(bind, settings, kind)
        if len(bind.findings.errors) > before or answering is None:
            return None
        columns = [Column("rows", "BIGINT")]
        for name, m in metrics:
            columns += [Column(f"{name}{end}", "DOUBLE", most=m.most) for end in ("", "_low", "_high")]
            if against is not None:
                columns += [Column(f"{name}_against", "DOUBLE", most=m.most), Column(f"{name}_p", "DOUBLE", most=1)]
        schema = Schema((*columns, Column("slices", SLICES)))
        for expect in bind.statements(tree.Expect):
            self.reachable(bind, expect, metrics)
        told = len(bind.findings)
        tests = [bind_test(bind, e, schema) for e in bind.statements(tree.Expect)]
        for problem in bind.findings.items[told:]:
            if isinstance(problem, UnknownColumn):
                self.unmeasured(bind, settings, kind, metrics, problem)
        if None in tests or len(bind.findings.errors) > before:
            return None
        meaning: dict[str, Json] = {"kind": kind, "gold": gold.name}
        for name in EvaluateSettings.model_fields:
            if name not in ("description", "seed", "gold"):
                meaning[f"settings.{name}"] = meaning_of(getattr(settings, name))
        meaning["answers"] = [answering.does, answering.given, answering.column]
        meaning["metrics"] = [[n, f"{m.name}@{m.version}", meaning_of(m.params)] for n, m in metrics]
        seed = bind.seed if settings.seed is None else settings.seed
        meaning["seed"] = seed
        models = [m for m in (settings.model, settings.against) if isinstance(m, ModelRef)]
        return bind.bound(
            outputs={"": schema},
            meaning=meaning,
            shown={f"settings.{s.key.id}": one_line(s.value.span) for s in bind.statements(tree.Setting)},
            plan=EvaluatePlan(
                kind, quote(gold.name), answering, against, tuple(metrics), tuple((one_line(e.node.span), e.sql) for e in settings.slices),
                settings.group.sql if settings.group is not None else "", settings.bootstrap, seed, schema,
                tuple(t for t in tests if t is not None),
            ),
            traits=Traits(scope="global", changes_rows=True, changes_columns=True, external=any(m.facts and m.facts.external for m in models)),
            tests=tuple(t for t in tests if t is not None),
            uses=self.uses(bind, settings, gold, (answering, against)),
        )  # fmt: skip

    @staticmethod
    def reachable(bind: StepBinder, expect: tree.Expect, metrics: Sequence[tuple[str, Metric]]) -> None:
        """Report scores that are held against more than they can be: they are shares of one."""
        most = {f"{name}{end}": m.most for name, m in metrics for end in ("", "_low", "_high", "_against")}
        for problem in beyond(expect.condition, lambda n: most.get(n.id, math.inf) if isinstance(n, tree.Name) else math.inf):
            bind.report(problem)

    def unmeasured(
        self, bind: StepBinder, settings: EvaluateSettings, kind: str, metrics: Sequence[tuple[str, Metric]], problem: UnknownColumn
    ) -> None:
        """Say of a name in a test that it is no score, where it was said that it is no column of the input; and how to measure it."""
        name = problem.wanted
        if problem.message != f"no column `{name}` in {bind.table_name}":
            return
        problem.put(
            message=f"the scores have no `{name}`",
            help=tuple(h.replace(f"{bind.table_name} has:", "they have:", 1) for h in problem.help),
        )
        cls = find("metric", next((name.removesuffix(end) for end in ("_low", "_high", "_against", "_p") if name.endswith(end)), name))
        if cls is None or kind not in cls.kinds or cls.name in [m.name for _, m in metrics]:
            return
        asked = [n for n, _ in metrics]
        if settings.metrics:
            written = self.node(bind, "metrics")
            asked = [one_line(n.span) for n in (written.items if isinstance(written, tree.ListExpr) else (written,))]
        problem.put(label="", help=(f"metrics: [{', '.join([*asked, cls.name])}]",), fixes=())

    @staticmethod
    def uses(bind: StepBinder, settings: EvaluateSettings, gold: ColumnName, measured: Sequence[Answering | None]) -> tuple[Use, ...]:
        table, span = bind.inputs[0], bind.node.head
        found = [Use("gold", table, gold)]
        for a in measured:
            if a is not None and a.model is not None:
                found.append(Use("reads", table, given(table, settings.prompt, settings.text, a.given, span), a.model))
        for column in (settings.predicted, settings.against):
            if isinstance(column, ColumnName):
                found.append(Use("scored", table, column))
        return tuple(found)

    @staticmethod
    def node(bind: StepBinder, name: str) -> tree.Expr:
        found: tree.Expr = next(s.value for s in bind.statements(tree.Setting) if s.key.id == name)
        return found

    def gold(self, bind: StepBinder, settings: EvaluateSettings) -> ColumnName | None:
        if settings.model is None and settings.predicted is None:
            help = ("model: clf", "or predicted: COLUMN")
            bind.report(MissingSetting(span=bind.node.head, message="`evaluate` needs predictions: `model` or `predicted`", help=help))
            return None
        if settings.model is not None and settings.predicted is not None:
            message = "predictions come from `model` or from the column `predicted`, not from both"
            bind.report(WrongArguments(span=self.node(bind, "predicted").span, message=message, help=("to compare two: against: ...",)))
            return None
        if settings.gold is not None:
            return settings.gold
        facts = settings.model.facts if settings.model is not None else None
        if facts is not None and facts.answers is not None and facts.answers in bind.schema.types:
            return ColumnName(facts.answers, bind.schema.types[facts.answers], bind.node.head)
        lost = settings.model is not None and bind.program.resolved.get(settings.model.step) is None
        if bind.schema.unknown or lost:  # what is wrong is told where it is
            return ColumnName("label", "VARCHAR", bind.node.head)
        was = (
            f"`{settings.model}` was trained on `{facts.answers}`, which `{bind.inputs[0]}` does not have"
            if facts and facts.answers
            else ""
        )
        bind.report(
            MissingSetting(
                span=bind.node.head,
                message="`evaluate` needs to know the column of answers",
                help=tuple(filter(None, ("gold: COLUMN", was))),
            )
        )
        return None

    def kind(self, bind: StepBinder, settings: EvaluateSettings, gold: ColumnName) -> str:
        """What is measured: the first kind that the types allow and that all metrics can measure."""
        facts = settings.model.facts if settings.model is not None else None
        if settings.metrics and all(m.cls.kinds == frozenset({"losses"}) for m in settings.metrics):
            return "losses"
        if gold.type.endswith("[]"):
            tags = facts is not None and "tag" in facts.does
            possible = (
                ["tags"] if tags else ["multilabel"] if facts is not None and "classify" in facts.does else ["tags", "multilabel", "texts"]
            )
        elif is_number(gold.type):
            possible = ["numbers", "classes"] if facts is None or "regress" in facts.does else ["classes"]
        elif settings.prompt is not None:
            possible = ["texts", "classes"]
        else:
            possible = ["classes", "texts"]
        named = [m.cls.kinds for m in settings.metrics]
        return next((k for k in possible if all(k in kinds for kinds in named)), possible[0])

    def fitting(self, bind: StepBinder, settings: EvaluateSettings, gold: ColumnName, kind: str) -> None:
        """Report what cannot be held against each other: a set of classes and one class, a list and a text, a number and words."""
        from recipec.steps.predict import several

        lists = gold.type.endswith("[]")
        where = self.node(bind, "gold").span if settings.gold is not None else bind.node.head
        if settings.model is not None and kind == "classes" and several(bind, settings.model):
            message = f"`{settings.model}` gives a set of classes, and `{gold.name}` is one class"
            bind.report(WrongType(span=where, message=message, help=(f"measure sets: a column with the list [{gold.name}]",)))
        if bind.schema.unknown or kind == "losses":
            return
        columns = [(n, c) for n, c in (("predicted", settings.predicted), ("against", settings.against)) if isinstance(c, ColumnName)]
        for name, column in columns:
            wrong = {
                "tags": not column.type.endswith("[]"),
                "multilabel": not column.type.endswith("[]"),
                "numbers": not is_number(column.type),
                "texts": column.type.endswith("[]"),
            }.get(kind, column.type.endswith("[]") != lists)
            if wrong and column.type != '"NULL"':
                message = f"`{column.name}` is {shown(column.type)}, and the answers in `{gold.name}` are {shown(gold.type)}"
                bind.report(WrongType(span=self.node(bind, name).span, message=message))

    def metrics(self, bind: StepBinder, settings: EvaluateSettings, kind: str) -> list[tuple[str, Metric]]:
        chosen: list[tuple[str, Metric]] = []
        nodes: Sequence[tree.Expr] = ()
        if settings.metrics:
            written = self.node(bind, "metrics")
            nodes = written.items if isinstance(written, tree.ListExpr) else (written,)
        made = [m.cls(m.params) for m in settings.metrics]
        if not made:
            for name in USUAL[kind]:
                cls = find("metric", name)
                assert cls is not None
                made.append(cls())
            nodes = [bind.node.name] * len(made)
        for metric, node in zip(made, nodes, strict=True):
            if kind not in metric.kinds:
                message = f"`{metric.name}` measures {' and '.join(sorted(metric.kinds))}; these are {kind}"
                bind.report(BadValue(span=node.span, message=message, help=(f"for {kind}: {', '.join(USUAL[kind])} and others",)))
                continue
            if metric.needs_probabilities and settings.model is None and settings.probabilities is None:
                help = ("probabilities: COLUMN, a map from class to probability as `predict` makes it",)
                bind.report(BadValue(span=node.span, message=f"`{metric.name}` needs probabilities", help=help))
                continue
            name = metric.name
            if any(name == n for n, _ in chosen):
                given, usual = metric.params.model_dump(), type(metric.params)().model_dump()
                name = "_".join([metric.name, *(str(v) for k, v in given.items() if v != usual.get(k))])
            if any(name == n for n, _ in chosen):
                bind.report(BadValue(span=node.span, message=f"`{metric.name}` is asked for twice"))
                continue
            chosen.append((name, metric))
        return chosen

    def answering(self, bind: StepBinder, settings: EvaluateSettings, kind: str) -> Answering | None:
        if settings.model is not None:
            return self.by_model(bind, settings, settings.model, "model", kind)
        assert settings.predicted is not None
        if kind == "losses":
            message = "perplexity is of a model's probabilities: a column of answers has none"
            bind.report(BadValue(span=self.node(bind, "predicted").span, message=message, help=("model: lm",)))
            return None
        probabilities = settings.probabilities
        if probabilities is not None and not probabilities.type.startswith("MAP(VARCHAR,") and not bind.schema.unknown:
            message = f"`probabilities` is a map from class to probability; `{probabilities.name}` is {shown(probabilities.type)}"
            bind.report(BadValue(span=self.node(bind, "probabilities").span, message=message))
        return Answering(
            settings.predicted.name, column=quote(settings.predicted.name), probabilities=quote(probabilities.name) if probabilities else ""
        )

    def other(self, bind: StepBinder, settings: EvaluateSettings, kind: str) -> Answering | None:
        given = settings.against
        if given is None:
            return None
        if isinstance(given, ModelRef):
            return self.by_model(bind, settings, given, "against", kind)
        return Answering(given.name, column=quote(given.name))

    def by_model(self, bind: StepBinder, settings: EvaluateSettings, model: ModelRef, setting: str, kind: str) -> Answering | None:
        """A model as `predict` would ask it."""
        from recipec.steps.predict import Predict, PredictSettings, form_of

        asked = PredictSettings(model=model, text=settings.text, prompt=settings.prompt, max_failed=0.01)
        node = self.node(bind, setting)
        # After a loop that ended early the model of the last round is called as it is written: no round of that number ran.
        name = str(model) if isinstance(bind.names, RoundModule) else node.span.text
        if kind == "losses":
            if not model.can("score"):
                message = f"`{model}` does not say how probable a given text is"
                bind.report(
                    BadValue(span=node.span, message=message, help=("a `train` step with the task `generate`, or transformers(...)",))
                )
                return None
            if settings.prompt is None and form_of(bind, model) == "pair":
                message, help = f"`{model}` was trained on prompts and their answers", ("prompt: ask(question), with a template",)
                bind.report(MissingSetting(span=bind.node.head, message=message, help=help))
                return None
            if settings.prompt is None:
                return Answering(name, model, "score", "NULL")
            found = Predict.given(bind, asked, "complete", node)
            return None if found is None else Answering(name, model, "score", found[0])
        does = Predict.does(bind, asked, node)
        given = Predict.given(bind, asked, does, node)
        return None if given is None else Answering(name, model, does, given[0])

    def run(self, plan: EvaluatePlan, ctx: RunContext) -> Outcome:
        from recipec.engines.tests import run_tests
        from recipec.metrics._run import evaluate

        outcome = evaluate(plan, ctx)
        run_tests(ctx, plan.tests, f"(SELECT * FROM {ctx.target})", outcome)
        return outcome
