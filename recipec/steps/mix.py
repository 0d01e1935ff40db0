"""``mix``: several tables into one, by weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from recipec.api import Bound, Column, Expression, Json, Kind, Outcome, Schema, Settings, Traits, step
from recipec.diagnostics import Label
from recipec.rand import exact
from recipec.resolve.binder import StepBinder
from recipec.resolve.columns import reserved, twin
from recipec.resolve.problems import BadValue, MissingSetting, PercentSum, UnknownSetting, WrongArguments, WrongType
from recipec.resolve.types import is_number, shown
from recipec.settings import Field
from recipec.source import Span
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext


class MixSettings(Settings):
    weights: dict[str, float] = {}
    temperature: float | None = Field(None, ge=0.1, le=100)
    epochs: float | dict[str, float | None] | None = None
    cap: int | dict[str, int] | None = Field(None)
    take: int | None = None
    count: Expression | None = None
    origin: str | None = None
    missing: Literal["error", "null"] = "error"
    seed: int | None = None
    description: str = ""


@dataclass(frozen=True)
class MixPlan:
    names: tuple[str, ...]
    weights: tuple[float, ...] | None
    """None: one is like another, or with ``temperature`` as they are large."""
    temperature: float | None
    epochs: tuple[float | None, ...]
    caps: tuple[int | None, ...]
    take: int | None
    count: Expression | None
    """What a row counts; None: one."""
    unit: str
    """How people call what is counted."""
    plain: bool
    """Whether it is all rows of all inputs."""
    origin: str | None
    seed: int
    salt: str
    schema: Schema


@step("mix")
class Mix(Kind):
    """Puts tables of the same columns together: all their rows, or a mixture by weight.

    ```recipe
    mix pool from chats, mails, faq
    mix blend from english, chinese { weights: { english: 70%  chinese: 30% }  take: 100_000  epochs: 2  origin: "source" }
    mix corpus from web, books, code {
      count: words(text)
      take: 1_000_000 tokens
      temperature: 2
      epochs: { books: 4  code: 2.5 }
      cap: { web: 600_000 }
    }
    mix 混合 from 中文, 英文 { weights: { 中文: 2  英文: 1 }  take: 30_000 }
    ```

    Without further settings it is all rows of all inputs. Otherwise it is a mixture, in which every input has its share:

    ``weights``
        how the inputs relate: shares of 100 %, or plain numbers (``{ a: 7  b: 3 }``). Left out, all weigh the same.
    ``temperature``
        takes the weights to the power of 1/T, and as weights, where none are written, what the inputs hold (their ``cap``, where that is
        less): 1 takes each as it is large, 2 to 5 lift small inputs, 100 makes all alike (Raffel et al., JMLR 2020, 3.5.2; mT5 says 3.3).
    ``take``
        how much in all: a number of rows, or ``1_000_000 tokens`` with ``count:``. Left out, it is the largest mixture in which all
        weights hold. Of rows it is exact; of tokens each input ends at the row that comes nearest to its share.
    ``count``
        what each row counts: ``words(text)``, ``tokens(text, "models/base")``, a column of numbers. Weights, ``cap`` and ``take`` then count
        these. A null or a number below 0 counts 0.
    ``epochs``
        how often the rows of an input may be used: 1 by default; a number, or one for each input; 2.5 is two passes and half of them once
        more; ``null`` sets no bound.
    ``cap``
        the most that an input gives; a number, or one for each.

    What an input cannot give goes to the others by their weights (as UniMax does, Chung et al., ICLR 2023). The run says of each input how
    much it gave, how often over, and what held it back. Where all are at their bounds the mixture is smaller than ``take``, and the run
    says that too. An input without rows is an error: its weight could not hold.

    Which rows are taken depends on the seed and their keys, never on order or threads. The mixture is interleaved evenly, each input in an
    order of chance that changes from pass to pass, and exports follow that order. A row used again is a copy with a key of its own and its
    original in ``_parent``; so is a row that an earlier input holds too. Divide into parts before you repeat rows (lint
    ``augment-before-split``).

    Inputs must have the same columns and types (in any order). ``missing: null`` fills a column that an input lacks with
    nulls. ``origin: "name"`` adds a column that says which input a row came from.
    """

    Settings = MixSettings
    inputs = (1, None)

    def bind(self, bind: StepBinder) -> Bound | None:
        before = len(bind.findings.errors)
        settings: MixSettings | None = bind.settings()
        if settings is None:
            return None
        schema = self.schema(bind, settings)
        names = tuple(str(i) for i in bind.inputs)
        written = {s.key.id: s.value for s in bind.statements(tree.Setting)}
        self.amounts(bind, settings, names, written)
        if len(bind.findings.errors) == before:
            self.weights(bind, settings, names, written)
            self.counted(bind, settings, written)
        if len(bind.findings.errors) > before or schema is None:
            return None

        def each(value: Any, default: Any) -> tuple[Any, ...]:
            return (
                tuple(value.get(n, default) for n in names)
                if isinstance(value, dict)
                else (value if value is not None else default,) * len(names)
            )

        epochs: tuple[float | None, ...] = each(settings.epochs, 1.0)
        caps: tuple[int | None, ...] = each(settings.cap, None)
        self.bounded(bind, settings, epochs, caps, written)
        if len(bind.findings.errors) > before:
            return None
        plain = not self.mixes(settings)
        node = written.get("take")
        unit = "rows" if settings.count is None else (node.unit if isinstance(node, tree.Number) and node.unit else "units")
        plan = MixPlan(
            names, tuple(settings.weights[n] for n in names) if settings.weights else None, settings.temperature, epochs, caps, settings.take,
            settings.count, unit, plain, settings.origin, bind.seed if settings.seed is None else settings.seed,
            "" if plain else bind.salt("mix"), schema,
        )  # fmt: skip
        meaning: dict[str, Json] = {
            "weights": list(plan.weights) if plan.weights else None,
            "temperature": plan.temperature,
            "epochs": list(plan.epochs),
            "cap": list(plan.caps),
            "take": settings.take,
            "count": settings.count.meaning if settings.count is not None else "rows",
            "mixture": not plain,
            "origin": [settings.origin, list(names)] if settings.origin else None,
            "missing": settings.missing,
            "columns": dict(schema.types),
            "seed": plan.seed if not plain else None,
        }
        copies = any(e is None or e > 1 for e in plan.epochs)
        traits = Traits(scope="global", changes_rows=True, random=not plain, copies_rows=copies)
        return bind.bound(outputs={"": schema}, meaning=meaning, plan=plan, traits=traits)

    # Settings

    @staticmethod
    def mixes(settings: MixSettings) -> bool:
        """Whether it is a mixture, not all rows of all inputs."""
        given = (settings.weights or None, settings.temperature, settings.take, settings.epochs, settings.cap)
        return any(value is not None for value in given)

    @staticmethod
    def amounts(bind: StepBinder, settings: MixSettings, names: tuple[str, ...], written: dict[str, tree.Expr]) -> None:
        """Report numbers that are not above zero, and inputs that the step does not have."""
        for name in ("weights", "epochs", "cap"):
            value = getattr(settings, name)
            if name not in written or value is None:
                continue
            if not isinstance(value, dict):
                if value <= 0:
                    bind.report(BadValue(span=written[name].span, message=f"`{name}` must be more than 0, not {value:g}"))
                continue
            for key, number in value.items():
                span = key_span(written[name], key)
                if key not in names:
                    problem = UnknownSetting(span=span, wanted=key, candidates=names)
                    problem.suggest(f"`{key}` is no input of `{bind.name}`", listing="its inputs")
                    bind.report(problem)
                elif number is not None and number <= 0:
                    bind.report(BadValue(span=span, message=f"`{name}` must be more than 0, not {number:g}"))
        if settings.take is not None and settings.take < 1:
            bind.report(BadValue(span=written["take"].span, message=f"`take` must be at least 1, not {settings.take}"))

    @staticmethod
    def weights(bind: StepBinder, settings: MixSettings, names: tuple[str, ...], written: dict[str, tree.Expr]) -> None:
        """Report weights that leave an input out, or that are shares of something else than the whole."""
        if not settings.weights:
            return
        node = written["weights"]
        lacking = [n for n in names if n not in settings.weights]
        if lacking:
            message = f"`weights` says nothing of {', '.join(f'`{n}`' for n in lacking)}"
            bind.report(MissingSetting(span=node.span, message=message, help=("give every input a weight",)))
            return
        items = [(k.id, v) for k, v in node.items] if isinstance(node, tree.StructExpr) else []
        shares = [(k, v) for k, v in items if isinstance(v, tree.Number) and v.percent]
        if not shares:
            return
        plain = [(k, v) for k, v in items if isinstance(v, tree.Number) and not v.percent]
        if plain:
            message = f"the weight of `{shares[0][0]}` is a share of 100 %, and that of `{plain[0][0]}` a plain number"
            bind.report(BadValue(span=plain[0][1].span, message=message, help=("write all weights in one way",)))
        elif len(shares) == len(items):
            whole = sum((exact(settings.weights[k]) for k, _ in shares), Fraction(0))
            # Shares rounded to a tenth of a percent may be off by half of that each.
            if abs(whole - 1) > Fraction(len(shares), 2000):
                message = f"the weights sum to {float(whole * 100):.6g} %, not to 100 %"
                help = ("as plain numbers weights need not sum to anything: weights: { a: 2  b: 1 }",)
                bind.report(PercentSum(span=node.span, message=message, help=help))

    @staticmethod
    def counted(bind: StepBinder, settings: MixSettings, written: dict[str, tree.Expr]) -> None:
        """Report what cannot be counted, and a total of one thing where another is counted."""
        take, count = settings.take, settings.count
        node = written.get("take")
        unit = node.unit if isinstance(node, tree.Number) else None
        if count is not None:
            span = written["count"].span
            if not is_number(count.type) and not bind.schema.unknown:
                message = f"`count` is a number for each row; this is {shown(count.type)}"
                bind.report(WrongType(span=span, message=message, help=("count: words(text)",)))
            for ref, name in ((r, c) for r in bind.inputs for c in sorted(count.columns) if not r.schema.unknown):
                if name not in ref.schema.types:
                    message = f"`count` reads `{name}`, which `{ref}` does not have"
                    bind.report(WrongType(span=span, message=message, help=(f"add it to `{ref}` in a `clean` step first",)))
            if take is not None and unit is None:
                help = (f"take: {take:_} tokens, or leave out `count`",)
                bind.report(WrongArguments(span=span, message=f"`take: {take:_}` counts rows, and `count` something else", help=help))
            elif not Mix.mixes(settings):
                help = ("weights: { a: 70%  b: 30% }, or take: 1_000_000 tokens",)
                bind.report(MissingSetting(span=span, message="`count` says how a mixture is counted, and this is no mixture", help=help))
        elif unit is not None and node is not None:
            help = ('count: tokens(text, "models/base"), or count: words(text)',)
            bind.report(MissingSetting(span=node.span, message=f"how are {unit} to be counted?", help=help))

    @staticmethod
    def bounded(
        bind: StepBinder, settings: MixSettings, epochs: Sequence[float | None], caps: Sequence[int | None], written: dict[str, tree.Expr]
    ) -> None:
        """Report a mixture that has no end, and one that its caps do not let become what it must be."""
        take = settings.take
        if take is None and Mix.mixes(settings) and all(e is None and c is None for e, c in zip(epochs, caps, strict=True)):
            span = written["epochs"].span
            help = ("say how much it is to be: take: 100_000",)
            bind.report(MissingSetting(span=span, message="nothing bounds the mixture: every input may be used for ever", help=help))
        most = sum(c for c in caps if c is not None)
        if take is not None and None not in caps and most < take:
            span = written["cap"].span
            message = f"the caps let the inputs give {most:,} in all, not {take:,}"
            bind.report(BadValue(span=span, message=message, also=(Label(written["take"].span),), help=("raise a cap, or take less",)))

    @staticmethod
    def schema(bind: StepBinder, settings: MixSettings) -> Schema | None:
        """The common columns, in the order of the first input; a column of wider type wins where both are numbers."""
        columns: dict[str, Column] = {}
        ok = True
        unknown = any(i.schema.unknown for i in bind.inputs)
        for ref, node in zip(bind.inputs, bind.node.inputs, strict=True):
            for column in ref.schema.columns:
                known = columns.setdefault(column.name, column)
                if known.type != column.type:
                    if is_number(known.type) and is_number(column.type):
                        wide = "DOUBLE" if "DOUBLE" in (known.type, column.type) or "FLOAT" in (known.type, column.type) else "BIGINT"
                        columns[column.name] = Column(column.name, wide)
                    else:
                        bind.report(
                            WrongType(
                                span=node.span,
                                message=f"`{column.name}` is {shown(column.type)} in `{ref}` and {shown(known.type)} in the inputs before it",
                                help=("cast it in a `clean` step first",),
                            )
                        )
                        ok = False
        if settings.missing == "error" and not unknown:
            for ref, node in zip(bind.inputs, bind.node.inputs, strict=True):
                lacking = [c for c in columns if c not in ref.schema.types]
                if lacking:
                    bind.report(
                        WrongType(
                            span=node.span,
                            message=f"`{ref}` has no column{'s' * (len(lacking) > 1)} {', '.join(f'`{c}`' for c in lacking)}, which other inputs have",
                            help=("select the same columns in every input, or fill with nulls: missing: null",),
                        )
                    )
                    ok = False
        for name in columns:
            if (other := twin(name, columns)) is not None and name > other:
                message = f"`{name}` and `{other}` differ by upper and lower case alone: a table cannot hold both"
                bind.report(WrongType(span=bind.node.head, message=message, help=("rename one of them in a `clean` step first",)))
                ok = False
        if settings.origin is not None:
            span = next(s.value.span for s in bind.statements(tree.Setting) if s.key.id == "origin")
            taken = settings.origin in columns or twin(settings.origin, columns) is not None
            if taken or reserved(settings.origin) or not settings.origin:
                bind.report(BadValue(span=span, message="`origin` must be the name of a column that is free", help=('origin: "source"',)))
                ok = False
            columns[settings.origin] = Column(settings.origin, "VARCHAR")
        made = tuple(columns.values())
        return Schema(made, ordered=Mix.mixes(settings), unknown=unknown) if ok else None

    # Running

    def run(self, plan: MixPlan, ctx: RunContext) -> Outcome:
        from recipec.engines.mix import make_mixture

        return make_mixture(plan, ctx)


def key_span(node: tree.Expr, key: str) -> Span:
    """Where a value by name has its name."""
    return next((k.span for k, _ in node.items if k.id == key), node.span) if isinstance(node, tree.StructExpr) else node.span
