"""``augment``: copies of rows that say the same in other words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from recipec.api import Bound, Column, ColumnName, Json, Kind, Outcome, Schema, Settings, TableRef, Traits, Use, step
from recipec.diagnostics import Label, nearest
from recipec.registry import Group, find
from recipec.registry import names as registry_names
from recipec.resolve.binder import StepBinder
from recipec.resolve.chain import ChainBuilder, Reason, Stage, Test, bind_test, meaning_of, one_line
from recipec.resolve.problems import BadValue, MissingSetting, UnknownOperator, WrongForm
from recipec.resolve.uses import asked as asked_of
from recipec.settings import Field
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.augmenters._base import Augmenter, Change
    from recipec.engines.context import RunContext

ORIGINAL = "original"
"""What filters call the row that a copy was made of."""
UNCHANGED, DUPLICATE = "unchanged", "duplicate"


class AugmentSettings(Settings):
    copies: int | Literal["auto"] | None = Field(None)
    balance: ColumnName | None = None
    at_most: int = Field(20, ge=1, le=1_000)
    originals: bool = True
    label: ColumnName | None = None
    labels: Literal["checked", "keep", "null"] = "checked"
    seed: int | None = None
    description: str = ""


@dataclass(frozen=True)
class Applied:
    """An augmenter as the step runs it. ``title`` is unique in the step, ``salt`` tells its chance from that of others."""

    title: str
    salt: str
    change: Change
    copies: int | None = None


@dataclass(frozen=True)
class AugmentPlan:
    applied: tuple[Applied, ...]
    stages: tuple[Stage, ...]
    reasons: tuple[str, ...]
    """Of ``stages``: the filters' reasons, from number 1 on; number 0 is "unchanged"."""
    compared: tuple[str, ...] | None
    tests: tuple[Test, ...]
    settings: AugmentSettings
    copies: int | None
    """None: as many as EDA's table says for the number of originals."""
    unlabel: tuple[str, ...]
    salt: str
    seed: int
    schema: Schema
    changed: tuple[str, ...]
    looked_at: tuple[str, ...]
    """Columns of the original that filters read."""
    labels: str | None = None
    """The column of classes that the copies have from their originals, where there is one."""


@step("augment")
class Augment(Kind):
    """Makes copies of rows and changes them: other words, slips of the hand, sentences of others of their class.

    ```recipe
    augment train_set from final.train {
      copies: 2
      swap_words(description, rate: 10%)
      typos(description, rate: 2%)
      keep where similarity(description, original.description) between 30% and 95%
      dedupe(description)
    }
    ```

    The result is the original rows and their copies; with ``originals: false`` the copies alone. Augmenters change each copy
    in the order written. A copy has its original's key in ``_parent`` and a key of its own; what chance gives it depends on
    the seed, the original's key and the copy's number alone, never on other rows, their order or threads.

    ``copies`` is how many each row gets: a number (1 by default) or ``auto``, what EDA (Wei and Zou, EMNLP 2019) recommends: 16 for up
    to 500 rows, 8 for up to 2,000, else 4. ``balance: topic`` instead gives each class as many copies as bring it up to the
    largest, spread evenly over its rows, with ``at_most`` so many of one row (20); rows without a class get none.

    A copy that ends as it began (there was nothing to change) is dropped under the reason "unchanged". ``keep where`` and
    ``drop where`` look at the copies alone; ``original.description`` is the original's value. ``dedupe(description)`` drops
    copies equal to an original or another copy, ``dedupe(description, near: 85%)`` those that are nearly so. ``keeps_label(description, label:
    topic, with: clf)`` drops copies whose label a classifier no longer predicts, ``keeps_meaning(description, with: minilm)`` those that
    an embedding model finds too far from their original. These come after all filters, in the order written.

    A label holds for a copy as far as its augmenters keep the meaning. Where one does not, the recipe must say what is to
    become of the label (of a ``label`` step above, or of ``label: column``): ``labels: null`` empties it in the copies,
    ``labels: keep`` says that it holds all the same.

    Divide before you augment: a copy of a test row in the training part gives the answer away (lint ``augment-before-split``).
    ``recipec explain STEP KEY`` shows a row's copies, and which augmenters changed each. The run says how varied the copies are beside
    their originals, and ``recipec report`` shows it, with the nearest copies and, where there is a column of classes, those whose label is suspect:
    most of the originals nearest to them have another one.
    """

    Settings = AugmentSettings
    takes = frozenset({"filter", "op", "expect"})
    ops: ClassVar[Group] = "augmenter"

    def bind(self, bind: StepBinder) -> Bound | None:
        before = len(bind.findings.errors)
        settings: AugmentSettings | None = bind.settings()
        schema = replace(bind.schema, ordered=False)
        salt = bind.salt("augment")
        uses: list[Use] = []
        applied, meaning, shown = self.augmenters(bind, schema, salt, settings, uses)
        changed = tuple(dict.fromkeys(c for a in applied for c in a.change.columns))
        chain, looked_at = self.filters(bind, schema)
        tests = [bind_test(bind, e, schema) for e in bind.statements(tree.Expect)]
        if settings is None or chain is None or len(bind.findings.errors) > before:
            return None
        if not changed:
            problem = MissingSetting(
                span=bind.node.head, message="`augment` needs an augmenter: what is to be changed in the copies?",
                help=(f"one of: {', '.join(registry_names('augmenter')[:12])}",),
            )  # fmt: skip
            bind.report(problem)
            return None
        asked = max((a.copies for a in applied if a.copies is not None), default=None)
        copies = self.copies(bind, settings, asked)
        if len(bind.findings.errors) > before:
            return None
        compared: tuple[str, ...] | None = None
        for a in applied:
            if a.change.distinct is not None:
                compared = tuple(dict.fromkeys((*(compared or ()), *(a.change.distinct or changed))))
        unlabel = label_columns(bind, settings) if settings.labels == "null" else ()
        for name, value, text in chain.meaning:
            key, n = name, 2
            while key in meaning:
                key, n = f"{name} ({n})", n + 1
            meaning[key], shown[key] = value, text
        meaning["order"] = list(meaning)
        for name in ("copies", "balance", "at_most", "originals", "seed"):
            meaning[f"settings.{name}"] = meaning_of(getattr(settings, name))
        meaning["settings.labels"] = list(unlabel)
        plan = AugmentPlan(
            tuple(applied), chain.stages, tuple(r.words for r in chain.reasons), compared, tuple(t for t in tests if t is not None),
            settings, copies, unlabel, salt, bind.seed if settings.seed is None else settings.seed, schema, changed, looked_at,
            class_column(bind, settings, unlabel),
        )  # fmt: skip
        external = any(traits.external for _, traits, _ in bind.ops)
        return bind.bound(
            outputs={"": schema},
            meaning=meaning,
            shown=shown,
            plan=plan,
            traits=Traits(scope="global", changes_rows=True, copies_rows=True, random=True, external=external),
            tests=plan.tests,
            uses=tuple(uses),
        )

    # Statements

    def augmenters(
        self, bind: StepBinder, schema: Schema, salt: str, settings: AugmentSettings | None, uses: list[Use]
    ) -> tuple[list[Applied], dict[str, Json], dict[str, str]]:
        """The augmenters of the block, in order, and what they mean; problems are reported."""
        applied: list[Applied] = []
        meaning: dict[str, Json] = {}
        shown: dict[str, str] = {}
        found = [(made, op) for op in bind.statements(tree.Op) if (made := self.augmenter(bind, schema, op)) is not None]
        for made, op in found:
            if settings is not None:
                self.check_label(bind, settings, made, op, [m for m, _ in found])
            change = made.change(bind, schema, op)
            uses.extend(asked_of(bind.inputs[0], made.params))
            title, n = op.name.id if op.name else made.name, 2
            while title in meaning:
                title, n = f"{op.name.id if op.name else made.name} ({n})", n + 1
            again = sum(1 for a in applied if a.salt.split("/")[-1].split(":")[0] == made.name)
            applied.append(Applied(title, f"{salt}/{made.name}:{again}", change, made.copies))
            meaning[title] = [f"{made.name}@{made.version}", meaning_of(made.params), dict(change.facts)]
            shown[title] = one_line(op.span)
            bind.ops.append((made.name, Traits(changes_rows=True, copies_rows=True, random=True, external=made.external), op))
        return applied, meaning, shown

    @staticmethod
    def augmenter(bind: StepBinder, schema: Schema, op: tree.Op) -> Augmenter | None:
        if not isinstance(op.call.func, tree.Name):
            bind.report(WrongForm(span=op.call.func.span, message="an augmenter is a plain name"))
            return None
        name = op.call.func.id
        cls: type[Augmenter] | None = find("augmenter", name)
        if cls is None:
            candidates = tuple(registry_names("augmenter"))
            problem = UnknownOperator(span=op.call.func.span, wanted=name, candidates=candidates)
            problem.suggest(f"no augmenter `{name}`", listing="augmenters")
            if find("operator", name) is not None and nearest(name, candidates) is None:
                problem.put(help=(f"`{name}` is an operator of a `clean` step: clean the result in a step of its own",))
            bind.report(problem)
            return None
        if op.body is not None:
            bind.report(WrongForm(span=op.span, message=f"`{name}` takes no block"))
            return None
        params = bind.arguments(cls.Params, op.call, schema)
        return None if params is None else cls(params)

    @staticmethod
    def check_label(bind: StepBinder, settings: AugmentSettings, made: Augmenter, op: tree.Op, every: list[Augmenter]) -> None:
        """Where an augmenter may change what a row means, the recipe must say what becomes of its label."""
        columns = label_columns(bind, settings) if settings.labels == "checked" else ()
        lost = [c for c in columns if not made.keeps(c) and not any(m.vouches(c) for m in every)]
        if lost:
            bind.report(
                BadValue(
                    span=op.span,
                    message=f"`{made.name}` may change what a row means, and the copies would keep their `{lost[0]}`",
                    help=(*made.instead(lost[0]), "or say what becomes of it: `labels: null` or `labels: keep`"),
                )
            )

    @staticmethod
    def filters(bind: StepBinder, schema: Schema) -> tuple[Any, tuple[str, ...]]:
        """The filters over the copies, and which of the original's columns they read."""
        seen = schema
        if ORIGINAL not in schema.types and not schema.unknown:
            fields = ", ".join(f'"{c.name}" {c.type}' for c in schema.columns)
            seen = schema.with_column(Column(ORIGINAL, f"STRUCT({fields})"))
        found = bind.statements(tree.Filter)
        builder = ChainBuilder(bind, seen)
        builder.reasons.append(Reason(UNCHANGED, bind.node.head))
        chain = builder.chain(found)
        if chain is None:
            return None, ()
        if ORIGINAL in schema.types:
            # The table's own column of that name is meant.
            return replace(chain, reasons=chain.reasons[1:]), ()
        names = set(schema.names)
        nodes = [n for f in found for n in walk(bind, f.condition, seen)]
        read = [n.name.id for n in nodes if isinstance(n, tree.Field) and isinstance(n.base, tree.Name) and n.base.id == ORIGINAL]
        whole = sum(isinstance(n, tree.Name) and n.id == ORIGINAL for n in nodes) > len(read)
        return replace(chain, reasons=chain.reasons[1:]), schema.names if whole else tuple(r for r in dict.fromkeys(read) if r in names)

    @staticmethod
    def copies(bind: StepBinder, settings: AugmentSettings, asked: int | None) -> int | None:
        written = {s.key.id: s for s in bind.statements(tree.Setting)}
        value = settings.copies
        if value is not None and settings.balance is not None:
            bind.report(
                BadValue(
                    span=written["copies"].span, message="`balance` decides how many copies each row gets",
                    also=(Label(written["balance"].span),), help=("leave out `copies`; `at_most: 5` bounds the copies of one row",),
                )
            )  # fmt: skip
        elif "at_most" in written and settings.balance is None:
            bind.report(BadValue(span=written["at_most"].span, message="`at_most` goes with `balance`", help=("say `copies: 5`",)))
        elif isinstance(value, int) and not 1 <= value <= 1000:
            bind.report(BadValue(span=written["copies"].value.span, message=f"`copies` must be 1 to 1,000, not {value}"))
        return None if value == "auto" else value if isinstance(value, int) else asked or 1

    # Running

    def run(self, plan: AugmentPlan, ctx: RunContext) -> Outcome:
        from recipec.engines.augment import make_copies
        from recipec.engines.tests import run_tests

        outcome = make_copies(plan, ctx)
        run_tests(ctx, plan.tests, f"(SELECT * FROM {ctx.target} WHERE _why IS NULL)", outcome)
        return outcome


def walk(bind: StepBinder, node: tree.Expr, schema: Schema) -> Iterator[tree.Node]:
    """The nodes of an expression, macros expanded."""
    expanded = bind.expanded(node, schema)
    return iter(()) if expanded is None else tree.walk(expanded)


def class_column(bind: StepBinder, settings: AugmentSettings, unlabel: tuple[str, ...]) -> str | None:
    """The column of classes: of ``label``, of ``balance``, or of the ``label`` step that the input comes from."""
    named = (*label_columns(bind, settings), *([settings.balance.name] if settings.balance is not None else []))
    return next((n for n in named if bind.schema.types.get(n) == "VARCHAR" and n not in unlabel), None)


def label_columns(bind: StepBinder, settings: AugmentSettings) -> tuple[str, ...]:
    """The columns that hold labels: the one named by ``label``, or those of the ``label`` steps that the input comes from."""
    if settings.label is not None:
        return (settings.label.name,)
    found: dict[str, None] = {}
    queue: list[TableRef] = list(bind.inputs)
    seen: set[str] = set()
    while queue:
        ref = queue.pop()
        if ref.step in seen:
            continue
        seen.add(ref.step)
        resolved = bind.program.resolved.get(ref.step)
        if resolved is None:
            continue
        if resolved.kind.level == "labels":
            node = resolved.entry.node
            into = next((s.value for s in node.body if isinstance(s, tree.Setting) and s.key.id == "into"), None)
            found[into.id if isinstance(into, tree.Name) else into.value if isinstance(into, tree.String) else node.name.id] = None
        queue.extend(resolved.parents)
    return tuple(c for c in found if c in bind.schema.types)
