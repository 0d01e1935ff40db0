"""``split``: one table into parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from recipec.api import (
    Bound,
    ColumnName,
    Expression,
    Json,
    Kind,
    Outcome,
    Schema,
    Settings,
    Traits,
    quote,
    step,
)
from recipec.diagnostics import Diagnostic, alike, nearest
from recipec.resolve.arguments import Choices, Inner
from recipec.resolve.binder import StepBinder
from recipec.resolve.chain import meaning_of
from recipec.resolve.columns import schema_problem, twin
from recipec.resolve.problems import BadValue, MissingSetting, PercentSum, UnknownSetting, WrongArguments, WrongType
from recipec.resolve.types import is_number, shown
from recipec.resolve.values import BrokenName, NotAConstant, constant
from recipec.source import Span
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext
    from recipec.engines.partition import Part, Report


class NearParams(Settings):
    text: ColumnName
    near: float = 0.85
    by: Literal["auto", "words", "characters"] = "auto"
    ngram: int | None = None


GROUPS = Choices((("near_duplicates", NearParams),), what="way to group")


class SplitSettings(Settings):
    stratify: list[Expression] = []
    group: Annotated[Inner | Expression, GROUPS] | None = None
    time: Expression | None = None
    folds: int | None = None
    assign: Literal["exact", "hash"] = "exact"
    seed: int | None = None
    description: str = ""


@dataclass(frozen=True)
class SplitPlan:
    parts: tuple[tuple[str, float | None, int | None], ...]
    settings: SplitSettings
    salt: str
    seed: int


@step("split")
class Split(Kind):
    """Divides a table into parts: each row goes to one.

    ```recipe
    split final from topic {
      train: 80%  validation: 10%  test: 10%
      stratify: section
      group: near_duplicates(description)
    }
    ```

    A part wants a share (``train: 80%``), a number of rows (``test: 1000``) or the ``rest``. Rows left over when shares
    sum to less than everything are dropped under the reason "left out of every part". Its parts are the tables
    ``final.train``, ``final.validation``, ``final.test``; ``final`` is all of them.

    ``stratify`` keeps the shares in every class: off by less than one row per stratum, and by less than one in all.
    ``group`` keeps rows with one value together (a customer, a document), and ``near_duplicates(text)`` rows whose texts
    are nearly the same, so that none is tested on what its twin taught. With groups the shares are as near as whole
    groups allow. ``time`` puts the earliest rows into the first part, and never parts rows of one moment. ``folds: 5``
    makes ``fold_1`` to ``fold_5`` of equal size instead of named parts.

    ``assign: exact`` (the default) gives exact shares of this table. Under ``assign: hash`` a row's part depends on its
    key (or its group) alone, so rows added later move no row from part to part; shares then hold up to chance.
    """

    Settings = SplitSettings
    level = "split"
    gaps = True
    takes = frozenset({"shares"})

    def bind(self, bind: StepBinder) -> Bound | None:
        problem = schema_problem(bind.node.name)
        if problem is not None:
            bind.report(problem)
        fields = set(SplitSettings.model_fields)
        shares = [s for s in bind.statements(tree.Setting) if s.key.id not in fields]
        settings: SplitSettings | None = bind.settings(skip=[s.key.id for s in shares])
        parts = self.parts(bind, shares)
        named = [s.key.id for s in shares] if parts is None else [n for n, _, _ in parts]
        bind.guess.update({n: bind.schema for n in ("", *named)})
        if settings is None or parts is None:
            return None
        if settings.folds is not None:
            if parts:
                bind.report(
                    WrongArguments(span=shares[0].span, message="`folds` makes the parts itself", help=("leave out the named parts",))
                )
                return None
            if not 2 <= settings.folds <= 1000:
                span = next(s.value.span for s in bind.statements(tree.Setting) if s.key.id == "folds")
                bind.report(BadValue(span=span, message=f"`folds` must be 2 to 1000, not {settings.folds}"))
                return None
            parts = tuple((f"fold_{i}", 1 / settings.folds, None) for i in range(1, settings.folds + 1))
        if not parts:
            bind.report(
                MissingSetting(span=bind.node.head, message="`split` needs parts", help=("train: 80%  validation: 10%  test: 10%",))
            )
            return None
        if not self.compatible(bind, settings, parts) or problem is not None:
            return None
        schema = Schema(bind.schema.columns, bind.schema.ordered, bind.schema.unknown, bind.schema.unsure)
        salt = bind.salt("split")
        meaning: dict[str, Json] = {
            f"part {n}": share if share is not None else count if count is not None else "rest" for n, share, count in parts
        }
        meaning["parts"] = [p[0] for p in parts]
        shown_fields: dict[str, str] = {}
        for name in ("stratify", "group", "time", "assign", "seed"):
            meaning[f"settings.{name}"] = meaning_of(getattr(settings, name))
            written = next((s.value for s in bind.statements(tree.Setting) if s.key.id == name), None)
            if written is not None:
                shown_fields[f"settings.{name}"] = " ".join(written.span.text.split())
        seed = bind.seed if settings.seed is None else settings.seed
        return bind.bound(
            outputs={"": schema, **{n: schema for n, _, _ in parts}},
            meaning=meaning,
            shown=shown_fields,
            plan=SplitPlan(parts, settings, salt, seed),
            traits=Traits(scope="global", divides=True, random=settings.time is None),
        )

    @staticmethod
    def parts(bind: StepBinder, shares: list[tree.Setting]) -> tuple[tuple[str, float | None, int | None], ...] | None:
        out: list[tuple[str, float | None, int | None]] = []
        places: dict[str, Span] = {}
        ok = True
        total = 0.0
        beyond: Span | None = None
        """The share with which the sum is more than everything."""

        def wrong(span: Span, message: str, *help: str, kind: type[Diagnostic] = BadValue, label: str = "") -> None:
            nonlocal ok
            ok = False
            bind.report(kind(span=span, message=message, help=help, label=label))

        for setting in shares:
            name = setting.key.id
            if name in places or twin(name, places) is not None:
                wrong(setting.key.span, f"part `{name}` is given twice", kind=WrongArguments)
                continue
            places[name] = setting.key.span
            if not name.isidentifier():
                wrong(setting.key.span, f"`{name}` cannot name a part", "letters, digits and _")
                continue
            try:
                value = constant(setting.value, bind.names.param, words=True)
            except BrokenName:
                ok = False
                continue
            except NotAConstant as refused:
                bind.report(refused.diagnostic)
                ok = False
                continue
            share = isinstance(value, float) or (isinstance(setting.value, tree.Number) and setting.value.percent)
            if value == "rest":
                out.append((name, None, None))
            elif isinstance(value, bool) or not isinstance(value, (int, float)):
                # Most likely a misspelt setting, so say what settings there are.
                problem = UnknownSetting(span=setting.key.span, wanted=name, candidates=tuple(SplitSettings.model_fields))
                problem.suggest(f"`{name}` is no setting of `split`, nor a part with a share", listing="its settings")
                if not alike(name, nearest(name, SplitSettings.model_fields)):
                    # A part of any name lacks its share: `train: id`.
                    problem.put(label="", fixes=())
                bind.report(problem)
                ok = False
            elif share:
                if not 0 < value <= 1:
                    wrong(setting.value.span, f"a share lies between 0 % and 100 %, not {percent(value)}", f"{name}: 10%", kind=PercentSum)
                    continue
                total += value
                if total > 1 + 1e-9 and beyond is None:
                    beyond = setting.value.span
                out.append((name, float(value), None))
            elif value < 1:
                wrong(setting.value.span, f"a part has at least one row, not {value}", f"{name}: 1000")
            else:
                out.append((name, None, int(value)))
        rests = [n for n, s, c in out if s is None and c is None]
        if len(rests) > 1:
            wrong(places[rests[1]], "only one part can be the rest")
        if beyond is not None:
            listed = " + ".join(percent(s) for _, s, _ in out if s is not None)
            wrong(
                beyond,
                f"the shares sum to {percent(total)}",
                f"{listed} is more than all rows: lower one of them",
                kind=PercentSum,
                label="with this one",
            )
        return tuple(out) if ok else None

    @staticmethod
    def compatible(bind: StepBinder, settings: SplitSettings, parts: Any) -> bool:
        def span(name: str) -> Span:
            found: Span = next(s.span for s in bind.statements(tree.Setting) if s.key.id == name)
            return found

        ok = True
        if settings.assign == "hash":
            counted = [n for n, share, count in parts if count is not None]
            if counted:
                bind.report(
                    BadValue(
                        span=span(counted[0]),
                        message="`assign: hash` looks at one row at a time: a part cannot have a number of rows",
                        help=("give it a share",),
                    )
                )
                ok = False
            if settings.time is not None:
                bind.report(
                    BadValue(span=span("time"), message="`assign: hash` looks at one row at a time: it cannot put rows in order of time")
                )
                ok = False
            if isinstance(settings.group, Inner):
                bind.report(
                    BadValue(
                        span=span("group"),
                        message="`assign: hash` looks at one row at a time: it cannot know which rows are near-duplicates",
                        help=("use `assign: exact`, or group by a column",),
                    )
                )
                ok = False
        if settings.time is not None and settings.group is not None and settings.stratify:
            bind.report(BadValue(span=span("stratify"), message="by time, rows can be stratified or grouped, not both"))
            ok = False
        if settings.time is not None:
            t = settings.time.type
            if not (is_number(t) or t.startswith(("DATE", "TIME")) or bind.schema.unknown):
                bind.report(
                    WrongType(
                        span=span("time"),
                        message=f"`time` needs a date, a timestamp or a number; this is {shown(t)}",
                        help=("cast it: cast(date as timestamp)",),
                    )
                )
                ok = False
        near = settings.group.params if isinstance(settings.group, Inner) else None
        if near is not None and near.text.type != "VARCHAR" and not bind.schema.unknown:
            bind.report(
                WrongType(span=near.text.span, message=f"near-duplicates are found in text; `{near.text.name}` is {shown(near.text.type)}")
            )
            ok = False
        return ok

    def run(self, plan: SplitPlan, ctx: RunContext) -> Outcome:
        from recipec.engines.partition import partition

        settings = plan.settings
        source = ctx.relation(ctx.step.inputs[0])
        group: str | None = None
        relation = source
        if isinstance(settings.group, Inner):
            from recipec.fast.minhash import near_clusters

            near: NearParams = settings.group.params
            clusters = f"{ctx.scratch}clusters"
            near_clusters(
                ctx.con, f"SELECT _key, {near.text.sql} AS _text FROM {source}", text="_text", threshold=near.near, by=near.by,
                ngram=near.ngram, out=clusters, scratch=ctx.temporary, progress=lambda share: ctx.progress(share * 0.7, "near-duplicates"),
            )  # fmt: skip
            relation = f"(SELECT s.*, c.cluster AS __cluster FROM {source} AS s JOIN {quote(clusters)} AS c ON s._key = c._key)"
            group = "__cluster"
        elif settings.group is not None:
            group = settings.group.sql
        out = quote(f"{ctx.scratch}parts")
        report = partition(
            ctx.con, relation, parts=self.wanted(plan), out=out, seed=plan.seed, salt=plan.salt,
            stratify=[e.sql for e in settings.stratify], group=group,
            time=settings.time.sql if settings.time is not None else None, assign=settings.assign,
        )  # fmt: skip
        ctx.con.execute(f"CREATE TABLE {ctx.target} AS {self.divided(ctx.step.bound.outputs[''], report, source, out)}")
        return self.told(report)

    @staticmethod
    def wanted(plan: SplitPlan) -> list[Part]:
        from recipec.engines.partition import Part, folds

        if plan.settings.folds is not None:
            return list(folds(plan.settings.folds))
        return [Part(n, share, count) for n, share, count in plan.parts]

    @staticmethod
    def divided(schema: Schema, report: Report, source: str, parts: str) -> str:
        """SQL for the rows of ``source`` with the parts that the table ``parts`` gives their keys."""
        hidden = ["_key", "_parent", *(["_order"] if schema.ordered else [])]
        kept = [
            f"CASE WHEN p.part IS NOT NULL THEN s.{quote(c)} END AS {quote(c)}" if report.left_out else f"s.{quote(c)}"
            for c in schema.names
        ]
        columns = ", ".join([*(f"s.{h}" for h in hidden), *kept])
        return (
            f"SELECT {columns}, p.part AS _part, CASE WHEN p.part IS NULL THEN 0::SMALLINT END AS _why, "
            f"NULL::VARCHAR AS _because FROM {source} AS s JOIN {parts} AS p ON s._key = p._key"
        )

    @staticmethod
    def told(report: Report) -> Outcome:
        """What the run says of the parts."""
        outcome = Outcome(rows_in=report.rows, rows_out=report.rows - report.left_out)
        outcome.extra["reasons"] = ["left out of every part"]
        if report.left_out:
            outcome.dropped["left out of every part"] = report.left_out
        outcome.extra["parts"] = [{"name": p.name, "rows": p.got, "wanted": p.wanted} for p in report.parts]
        outcome.extra["off"] = report.off
        outcome.notes.extend(report.notes)
        return outcome


def percent(share: float) -> str:
    """``80%``, ``33.3333%``."""
    return f"{share * 100:.6g}%"
