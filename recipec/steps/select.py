"""``select``: the rows worth having."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from recipec.api import Asking, Bound, Column, Expression, Json, Kind, Made, Outcome, Schema, Settings, Traits, Word, step
from recipec.resolve.arguments import Choices, Inner
from recipec.resolve.binder import StepBinder
from recipec.resolve.chain import Test, bind_test, meaning_of, one_line
from recipec.resolve.columns import name_problem
from recipec.resolve.problems import BadValue, DuplicateName, MissingSetting, PercentSum, WrongArguments, WrongType
from recipec.resolve.types import is_number, shown
from recipec.resolve.uses import asked
from recipec.steps.predict import ask
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext
    from recipec.selectors._base import Selector

SELECTORS = Choices(group="selector", what="selector")
Divide = Literal["each", "equally", "proportionally"]


class SelectSettings(Settings):
    by: Annotated[Inner, SELECTORS]
    take: int | float | None = None
    per: list[Expression] = []
    divide: Divide = "each"
    count: Expression | None = None
    score: Word | None = None
    seed: int | None = None
    description: str = ""


@dataclass(frozen=True)
class SelectPlan:
    selector: Selector
    take: int | float | None
    """A number of units, a share of them (float), or None for all that the selector finds worth having."""
    per: tuple[Expression, ...]
    divide: Divide
    count: Expression | None
    """What a row counts; None: one."""
    column: str | None
    """The column of the score; None where there is none."""
    name: str
    schema: Schema
    seed: int
    salt: str
    tests: tuple[Test, ...]

    @property
    def made(self) -> dict[str, str]:
        """Further columns that the selector makes: name to what it calls them."""
        return {f"{self.name}{end}": end for end in self.selector.adds}


@step("select")
class Select(Kind):
    """Chooses rows: the best by some score, a sample, or a set that covers the others.

    ```recipe
    select ask_people from pool { take: 500  by: entropy(clf) }
    select pilot from pool { take: 10%  by: random()  per: topic }
    select varied from pool { take: 2_000_000 tokens  count: words(text)  by: k_center(minilm) }
    ```

    The chosen rows are kept; the others are dropped under the reason "not selected", and rows that have no score (a null text) under "no
    score". Most selectors add their score as the column ``NAME_score`` (``score:`` names another). ``recipec explain STEP KEY`` says which
    rank and score a row had, chosen or not.

    ``take`` is a number of rows, a share (``20%``), or a budget: ``take: 2_000_000 tokens`` with ``count:``, what each row counts
    (``tokens(text, "models/base")``, ``words(text)``, a column of numbers). Rows are then taken in order of rank until the next one would
    exceed the budget. A share with ``count`` is a share of its sum. Where there are fewer rows than wanted all are taken, and the run says so.

    With ``per`` each value of a column (or of several: ``per: [topic, lang]``) is chosen from by itself, rows without a value too. ``take: 500``
    then is 500 of each. ``divide: equally`` makes it 500 in all, the same number of each value as far as it has so many, and ``divide:
    proportionally`` as many of each as is its share; a share as ``take`` is always one of each value.

    Which rows are chosen depends on the rows, the seed and their keys, never on their order or on threads: of rows with equal scores
    chance decides, the same each time.
    """

    Settings = SelectSettings
    takes = frozenset({"expect"})

    def bind(self, bind: StepBinder) -> Bound | None:
        before = len(bind.findings.errors)
        settings: SelectSettings | None = bind.settings()
        if settings is None:
            return None
        written = {s.key.id: s.value for s in bind.statements(tree.Setting)}
        made: Selector = settings.by.cls(settings.by.params)
        made.bind(bind, bind.schema, written["by"])
        take = self.take(bind, settings, made, written)
        for e in settings.per:
            if e.type.startswith(("MAP", "STRUCT")) and not bind.schema.unknown:
                bind.report(WrongType(span=e.node.span, message=f"`per` needs a plain value; this is {shown(e.type)}"))
        if settings.divide != "each" and not settings.per:
            bind.report(MissingSetting(span=written["divide"].span, message="`divide` goes with `per`", help=("per: topic",)))
        schema, column = self.columns(bind, settings, made, written)
        tests = [bind_test(bind, e, schema) for e in bind.statements(tree.Expect)]
        if len(bind.findings.errors) > before or None in tests:
            return None
        plan = SelectPlan(
            made, take, tuple(settings.per), settings.divide, settings.count, column, bind.name, schema,
            bind.seed if settings.seed is None else settings.seed, bind.salt("select"), tuple(t for t in tests if t is not None),
        )  # fmt: skip
        meaning: dict[str, Json] = {
            "take": [take, settings.count.meaning if settings.count is not None else "rows"],
            "by": [f"{made.name}@{made.version}", meaning_of(made.params), made.meaning()],
            "per": [e.meaning for e in settings.per],
            "divide": settings.divide if settings.per else None,
            "columns": [column, *plan.made],
            "settings.seed": settings.seed,
        }
        external = any(m.facts is not None and m.facts.external for m in made.models())
        return bind.bound(
            outputs={"": schema},
            meaning=meaning,
            shown={n: one_line(written[n].span) for n in ("take", "by", "per", "divide") if n in written},
            plan=plan,
            traits=Traits(scope="global", changes_rows=True, random=made.traits.random, fits_on_data=made.traits.fits_on_data,
                          reads_label=made.traits.reads_label, external=external),
            tests=plan.tests,
            uses=tuple(asked(bind.inputs[0], settings.by.params)),
            made=tuple(Made(c, "confidence") for c in (column, *plan.made) if c is not None and c in schema.types),
        )  # fmt: skip

    @staticmethod
    def take(bind: StepBinder, settings: SelectSettings, made: Selector, written: dict[str, tree.Expr]) -> int | float | None:
        """How much is wanted; what is wrong with it is reported."""
        take, count = settings.take, settings.count
        if take is None:
            if not made.decides:
                help = ("take: 500, take: 20%, or take: 2_000_000 tokens",)
                bind.report(MissingSetting(span=bind.node.head, message=f"how many rows is `{made.name}` to choose?", help=help))
            elif count is not None:
                bind.report(
                    MissingSetting(span=written["count"].span, message="`count` goes with `take`", help=("take: 2_000_000 tokens",))
                )
            return None
        node = written["take"]
        unit = node.unit if isinstance(node, tree.Number) else None
        if count is not None and not is_number(count.type) and not bind.schema.unknown:
            bind.report(
                WrongType(
                    span=count.node.span,
                    message=f"`count` is a number for each row; this is {shown(count.type)}",
                    help=("count: words(text)",),
                )
            )
        if isinstance(take, float):
            if not 0 < take <= 1:
                message = f"a share lies between 0 % and 100 %, not {take * 100:.6g} %"
                bind.report(PercentSum(span=node.span, message=message, help=("take: 20%, or a number of rows: take: 500",)))
        elif take < 1:
            bind.report(BadValue(span=node.span, message=f"`take` must be at least 1, not {take}"))
        elif unit == "tokens" and count is None:
            help = ('count: tokens(text, "models/base"), or count: words(text)',)
            bind.report(MissingSetting(span=node.span, message="how are tokens to be counted?", help=help))
        elif unit != "tokens" and count is not None:
            help = (f"take: {take:_} tokens, or leave out `count`",)
            bind.report(
                WrongArguments(span=written["count"].span, message=f"`take: {take:_}` counts rows, and `count` something else", help=help)
            )
        return take

    @staticmethod
    def columns(bind: StepBinder, settings: SelectSettings, made: Selector, written: dict[str, tree.Expr]) -> tuple[Schema, str | None]:
        """The columns of the result, and the name of the score's."""
        schema = bind.schema
        column = str(settings.score) if settings.score is not None else f"{bind.name}_score"
        added = {column: "DOUBLE"} if made.scored else {}
        added |= {f"{bind.name}{end}": type for end, type in made.adds.items()}
        for name, type in added.items():
            span = written["score"].span if name == column and settings.score is not None else bind.node.name.span
            if name in schema.types and not (name == column and settings.score is not None):
                message = f"`{bind.inputs[0]}` has a column `{name}` already"
                bind.report(DuplicateName(span=span, message=message, help=(f"call the step otherwise, or say so: score: {name}",)))
            problem = name_problem(tree.Name(name, False, span=span), [c for c in schema.names if c != name])
            if problem is not None:
                bind.report(problem)
            schema = schema.with_column(Column(name, type, span))
        if settings.score is not None and not made.scored:
            bind.report(WrongArguments(span=written["score"].span, message=f"`{made.name}` gives no score", help=("leave out `score`",)))
        return schema, column if made.scored else None

    def run(self, plan: SelectPlan, ctx: RunContext) -> Outcome:
        from recipec.engines.tests import run_tests
        from recipec.selectors._run import choose

        outcome = choose(plan, ctx)
        run_tests(ctx, plan.tests, f"(SELECT * FROM {ctx.target} WHERE _why IS NULL)", outcome)
        return outcome

    @classmethod
    def askings(cls, plan: SelectPlan) -> Sequence[Asking]:
        return [Asking(ref, ask, texts=sql) for ref, sql in plan.selector.embeds()]
