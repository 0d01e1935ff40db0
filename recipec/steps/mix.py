"""``mix``: several tables into one, by weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from recipec.api import ORDER, Bound, Column, ColumnName, Json, Kind, Outcome, Schema, Settings, Traits, literal, quote, step
from recipec.identity import derived_key
from recipec.resolve.binder import StepBinder
from recipec.resolve.columns import reserved, twin
from recipec.resolve.problems import BadValue, MissingSetting, UnknownSetting, WrongType
from recipec.resolve.types import INTEGERS, is_number, shown
from recipec.settings import Field
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext


class MixSettings(Settings):
    weights: dict[str, float] = {}
    epochs: float | dict[str, float | None] | None = None
    cap: int | dict[str, int] | None = Field(None)
    total: int | None = Field(None, ge=1)
    by: Literal["rows"] | ColumnName = "rows"
    origin: str | None = None
    missing: Literal["error", "null"] = "error"
    seed: int | None = None
    description: str = ""


@dataclass(frozen=True)
class MixPlan:
    names: tuple[str, ...]
    weights: tuple[float, ...] | None
    epochs: tuple[float | None, ...]
    caps: tuple[int | None, ...]
    total: int | None
    unit: str | None
    origin: str | None
    seed: int
    salt: str
    schema: Schema


@step("mix")
class Mix(Kind):
    """Puts tables of the same columns together: all their rows, or a mixture by weight.

    ```recipe
    mix pool from chats, mails, faq
    mix blend from english, chinese { weights: { english: 70%  chinese: 30% }  total: 100_000  epochs: 2  origin: "source" }
    ```

    Without ``weights``, ``total``, ``epochs`` or ``cap`` it is all rows of all inputs. With ``weights`` the inputs get
    their shares: the largest mixture in which every weight holds, or ``total`` rows. ``epochs`` is how often an input's
    rows may be used at most (1 by default; one number, or one for each input), ``cap`` the most rows it may give; what an
    input cannot give goes to the others by their weights. ``by`` counts the units of a column (tokens, say) instead of
    rows. Which rows are taken depends on the seed and their keys; the mixture is interleaved evenly, and exports follow
    that order. A row used again is a copy with a key of its own and its original in ``_parent``.

    Inputs must have the same columns and types (in any order). ``missing: null`` fills a column that an input lacks with
    nulls. ``origin: "name"`` adds a column that says which input a row came from.
    """

    Settings = MixSettings
    inputs = (1, None)

    def bind(self, bind: StepBinder) -> Bound | None:
        settings: MixSettings | None = bind.settings()
        if settings is None:
            return None
        schema = self.schema(bind, settings)
        names = tuple(str(i) for i in bind.inputs)
        ok = schema is not None
        for field_name in ("weights", "epochs", "cap"):
            value = getattr(settings, field_name)
            written = next((s for s in bind.statements(tree.Setting) if s.key.id == field_name), None)
            if written is None or value is None:
                continue
            if not isinstance(value, dict):
                if value <= 0:
                    bind.report(BadValue(span=written.value.span, message=f"`{field_name}` must be more than 0, not {value:g}"))
                    ok = False
                continue
            for key, number in value.items():
                span = written.value.span
                if isinstance(written.value, tree.StructExpr):
                    span = next((k.span for k, _ in written.value.items if k.id == key), span)
                if key not in names:
                    problem = UnknownSetting(span=span, wanted=key, candidates=names)
                    problem.suggest(f"`{key}` is no input of `{bind.name}`", listing="its inputs")
                    bind.report(problem)
                    ok = False
                elif number is not None and number <= 0:
                    bind.report(BadValue(span=span, message=f"`{field_name}` must be more than 0, not {number:g}"))
                    ok = False
        if settings.weights and set(settings.weights) != set(names) and ok:
            lacking = [n for n in names if n not in settings.weights]
            span = next(s.span for s in bind.statements(tree.Setting) if s.key.id == "weights")
            message = f"`weights` says nothing of {', '.join(f'`{n}`' for n in lacking)}"
            bind.report(MissingSetting(span=span, message=message, help=("give every input a weight",)))
            ok = False
        unit = settings.by if isinstance(settings.by, ColumnName) else None
        if unit is not None and unit.type not in INTEGERS and not bind.schema.unknown:
            bind.report(WrongType(span=unit.span, message=f"`by` counts a column of whole numbers; `{unit.name}` is {shown(unit.type)}"))
            ok = False
        if not ok or schema is None:
            return None

        def each(value: Any, default: Any) -> tuple[Any, ...]:
            return (
                tuple(value.get(n, default) for n in names)
                if isinstance(value, dict)
                else (value if value is not None else default,) * len(names)
            )

        plain = not settings.weights and settings.total is None and settings.epochs is None and settings.cap is None
        weights = None if plain else tuple(settings.weights.get(n, 1.0) for n in names)
        if weights is not None and not settings.weights and settings.total is None:
            weights = None if settings.epochs is None and settings.cap is None else tuple(1.0 for _ in names)
        plan = MixPlan(
            names, weights, each(settings.epochs, 1.0), each(settings.cap, None), settings.total, unit.name if unit else None,
            settings.origin, bind.seed if settings.seed is None else settings.seed, "" if plain else bind.salt("mix"), schema,
        )  # fmt: skip
        meaning: dict[str, Json] = {
            "weights": list(weights) if weights else None,
            "epochs": list(plan.epochs),
            "cap": list(plan.caps),
            "total": settings.total,
            "by": plan.unit,
            "origin": [settings.origin, list(names)] if settings.origin else None,
            "missing": settings.missing,
            "columns": dict(schema.types),
            "seed": plan.seed if not plain else None,
        }
        copies = any(e is None or e > 1 for e in plan.epochs)
        traits = Traits(scope="global", changes_rows=True, random=not plain, copies_rows=copies)
        return bind.bound(outputs={"": schema}, meaning=meaning, plan=plan, traits=traits)

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
        mixes = bool(settings.weights or settings.total or settings.epochs or settings.cap)
        return Schema(made, ordered=mixes, unknown=unknown) if ok else None

    def run(self, plan: MixPlan, ctx: RunContext) -> Outcome:
        from recipec.rand import Ingredient, mixture, plan_mixture, shared_keys

        relations = [ctx.relation(i) for i in ctx.step.inputs]
        overlap = int(ctx.one(shared_keys(relations))[0]) if len(relations) > 1 else 0
        selects = []
        for place, (name, ref) in enumerate(zip(plan.names, ctx.step.inputs, strict=True)):
            cells = [
                literal(name) + "::VARCHAR"
                if c.name == plan.origin
                else f"t.{quote(c.name)}::{c.type}"
                if c.name in ref.schema.types
                else f"NULL::{c.type}"
                for c in plan.schema.columns
            ]
            listed = ", ".join(f"{cell} AS {quote(c.name)}" for cell, c in zip(cells, plan.schema.columns, strict=True))
            selects.append((place, name, relations[place], listed))
        if plan.weights is None:
            parts = []
            for place, name, relation, listed in selects:
                # Tables that share ancestors may share keys; the later ones then get keys of their own.
                key = "_key"
                if overlap and place:
                    earlier = " UNION ALL ".join(f"SELECT _key FROM {r}" for r in relations[:place])
                    key = f"CASE WHEN _key IN ({earlier}) THEN {derived_key('_key', 'mix ' + name, '0')} ELSE _key END"
                parts.append(f"SELECT {key} AS _key, _parent, {listed} FROM {relation} AS t")
            ctx.con.execute(f"CREATE TABLE {ctx.target} AS {' UNION ALL '.join(parts)}")
        else:
            sizes = [
                int(
                    ctx.one(
                        f"SELECT coalesce(sum(greatest({quote(plan.unit)}, 0)), 0) FROM {r}" if plan.unit else f"SELECT count(*) FROM {r}"
                    )[0]
                )
                for r in relations
            ]
            draws = plan_mixture(
                [Ingredient(n, s, w, e, c) for n, s, w, e, c in zip(plan.names, sizes, plan.weights, plan.epochs, plan.caps, strict=True)],
                plan.total,
            )
            query = mixture(
                draws, relations, seed=plan.seed, salt=plan.salt, derive=lambda key, tag, index: derived_key(key, f"mix {tag}", index),
                units=[quote(plan.unit)] * len(relations) if plan.unit else None, overlapping=bool(overlap),
            )  # fmt: skip
            taken = f"{ctx.scratch}taken"
            ctx.con.execute(f"CREATE TEMP TABLE {quote(taken)} AS {query}")
            parts = [
                f"SELECT m._key, CASE WHEN m._key <> m._from THEN m._from ELSE t._parent END AS _parent, m.{ORDER} AS {ORDER}, {listed} "
                f"FROM {quote(taken)} AS m JOIN {relation} AS t ON m._from = t._key WHERE m._input = {place}"
                for place, _, relation, listed in selects
            ]
            ctx.con.execute(f"CREATE TABLE {ctx.target} AS {' UNION ALL '.join(parts)}")
        rows = int(ctx.one(f"SELECT count(*) FROM {ctx.target}")[0])
        outcome = Outcome(rows_in=sum(ctx.rows(i) for i in ctx.step.inputs), rows_out=rows)
        if plan.weights is not None:
            outcome.extra["mixture"] = [{"name": d.name, "units": d.units, "share": d.share, "wanted": d.wanted} for d in draws]
            short = [d for d in draws if abs(d.share - d.wanted) > 0.005]
            units = sum(d.units for d in draws)
            if plan.total is not None and units < plan.total:
                outcome.notes.append(
                    f"the inputs have {units:,} {plan.unit or 'rows'} to give, not {plan.total:,}: raise `epochs` or `cap`"
                )
            outcome.notes.extend(
                f"`{d.name}` gives {d.share:.1%} of the mixture, not {d.wanted:.1%}: it has no more" for d in short if d.share < d.wanted
            )
        return outcome
