"""Making the table of a ``mix`` step: all rows of its inputs, or the mixture that its weights and bounds ask for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from recipec.api import ORDER, DataError, Json, Outcome, literal, quote
from recipec.identity import derived_key
from recipec.rand import Draw, Ingredient, mixture, plan_mixture, shared_keys

if TYPE_CHECKING:
    from recipec.engines.context import RunContext
    from recipec.steps.mix import MixPlan

TOLD = 12
"""Inputs that the run's notes name; the facts of all are in ``extra["mixture"]``."""


def make_mixture(plan: MixPlan, ctx: RunContext) -> Outcome:
    """Create ``ctx.target``. ``Outcome.extra["mixture"]`` says of each input what it held, what it gave, and what held it back."""
    relations = [ctx.relation(i) for i in ctx.step.inputs]
    overlap = len(relations) > 1 and int(ctx.one(shared_keys(relations))[0]) > 0
    tags = distinct_names(plan.names)
    listed = [columns(plan, ctx, place) for place in range(len(relations))]
    outcome = Outcome()
    if plan.plain:
        parts = [all_rows(tags[i], relations[: i + 1], listed[i], overlap) for i in range(len(relations))]
        ctx.con.execute(f"CREATE TABLE {ctx.target} AS {' UNION ALL '.join(parts)}")
        sizes = [ctx.rows(i) for i in ctx.step.inputs]
        outcome.extra["mixture"] = [{"name": n, "holds": s, "rows": s} for n, s in zip(plan.names, sizes, strict=True)]
        if 1 < len(sizes) <= TOLD:
            outcome.extra["parts"] = [{"name": n, "rows": s} for n, s in zip(plan.names, sizes, strict=True)]
    else:
        counted = [count_rows(plan, ctx, r, i) for i, r in enumerate(relations)]
        sizes, draws = drawn(plan, ctx, tags, counted)
        query = chosen(plan, draws, counted, overlap)
        taken = ctx.temp("taken")
        ctx.con.execute(f"CREATE TEMP TABLE {taken} AS {query}")
        parts = [
            f"{taken_rows(cells, taken, relation)} WHERE m._input = {place}"
            for place, (relation, cells) in enumerate(zip(relations, listed, strict=True))
        ]
        ctx.con.execute(f"CREATE TABLE {ctx.target} AS {' UNION ALL '.join(parts)}")
        tell(plan, ctx, outcome, draws, sizes, given(plan, ctx, taken, counted))
    outcome.rows_in = sum(ctx.rows(i) for i in ctx.step.inputs)
    outcome.rows_out = int(ctx.one(f"SELECT count(*) FROM {ctx.target}")[0])
    return outcome


def drawn(plan: MixPlan, ctx: RunContext, tags: Sequence[str], counted: Sequence[str]) -> tuple[list[int], tuple[Draw, ...]]:
    """(what each input holds, what each gives). ``counted`` are SQL names of tables of their keys, and of units where rows count these."""
    sizes = [int(ctx.one(f"SELECT coalesce(sum(__units), 0) FROM {c}" if plan.count else f"SELECT count(*) FROM {c}")[0]) for c in counted]
    weights = weigh(plan, sizes)
    lacking = [n for n, s in zip(plan.names, sizes, strict=True) if not s]
    if lacking:
        what = "no rows" if plan.count is None or not ctx.rows(ctx.step.inputs[plan.names.index(lacking[0])]) else f"no {plan.unit}"
        raise DataError(f"`{lacking[0]}` has {what}: there is nothing to mix", "leave it out, or look at why it is empty")
    every = zip(tags, sizes, weights, plan.epochs, plan.caps, strict=True)
    return sizes, plan_mixture([Ingredient(n, s, w, e, c) for n, s, w, e, c in every], plan.take)


def chosen(plan: MixPlan, draws: Sequence[Draw], counted: Sequence[str], overlap: bool) -> str:
    """A SELECT that says which rows make the mixture (:func:`recipec.rand.mixture`)."""
    return mixture(
        draws, counted, seed=plan.seed, salt=plan.salt, derive=lambda key, tag, index: derived_key(key, f"mix {tag}", index),
        units=["__units"] * len(counted) if plan.count else None, overlapping=overlap,
    )  # fmt: skip


def taken_rows(cells: str, taken: str, relation: str) -> str:
    """A SELECT of the rows of an input that are taken, with all their columns."""
    return (
        f"SELECT m._key, CASE WHEN m._key <> m._from THEN m._from ELSE t._parent END AS _parent, m.{ORDER} AS {ORDER}, {cells} "
        f"FROM {taken} AS m JOIN {relation} AS t ON m._from = t._key"
    )


def distinct_names(names: Sequence[str]) -> list[str]:
    """The inputs' names; one named before gets a number, so that its rows get other keys and another order."""
    return [name if name not in names[:i] else f"{name} {1 + names[: i + 1].count(name)}" for i, name in enumerate(names)]


def columns(plan: MixPlan, ctx: RunContext, place: int) -> str:
    """The columns of the result as SQL over an input, called ``t``."""
    there = ctx.step.inputs[place].schema.types
    cells = [
        literal(plan.names[place]) + "::VARCHAR"
        if c.name == plan.origin
        else f"t.{quote(c.name)}::{c.type}"
        if c.name in there
        else f"NULL::{c.type}"
        for c in plan.schema.columns
    ]
    return ", ".join(f"{cell} AS {quote(c.name)}" for cell, c in zip(cells, plan.schema.columns, strict=True))


def all_rows(tag: str, relations: Sequence[str], cells: str, overlap: bool) -> str:
    """The rows of the last of ``relations``. Tables that share ancestors may share keys; the later ones then get keys of their own."""
    key, parent = "_key", "_parent"
    if overlap and len(relations) > 1:
        earlier = f"_key IN ({' UNION ALL '.join(f'SELECT _key FROM {r}' for r in relations[:-1])})"
        key = f"CASE WHEN {earlier} THEN {derived_key('_key', 'mix ' + tag, '0')} ELSE _key END"
        parent = f"CASE WHEN {earlier} THEN _key ELSE _parent END"
    return f"SELECT {key} AS _key, {parent} AS _parent, {cells} FROM {relations[-1]} AS t"


def count_rows(plan: MixPlan, ctx: RunContext, relation: str, place: int) -> str:
    """A table with the keys of an input and what each row counts; the input itself where rows are counted."""
    if plan.count is None:
        return relation
    made = ctx.temp(f"units_{place}")
    ctx.execute(f"CREATE TEMP TABLE {made} AS SELECT _key, {UNITS} AS __units FROM (SELECT _key, {number(plan)} AS __u FROM {relation})")
    return made


UNITS = "CASE WHEN isfinite(__u) AND __u > 0 THEN __u ELSE 0 END::BIGINT"
"""SQL for what a row counts, of its :func:`number`, ``__u``."""


def number(plan: MixPlan) -> str:
    return f"({plan.count.sql})::DOUBLE" if plan.count is not None else "1::DOUBLE"


def weigh(plan: MixPlan, sizes: Sequence[int]) -> list[Fraction]:
    """The weights after ``temperature``, the greatest as it is or 1."""
    if plan.temperature is None:
        return [Fraction(repr(w)) for w in plan.weights] if plan.weights else [Fraction(1)] * len(sizes)
    held = [s if c is None else min(s, c) for s, c in zip(sizes, plan.caps, strict=True)]
    base = plan.weights or [float(h) for h in held]
    most = max(base)
    # Twelve digits: the last ones of a power differ between machines, and must choose no row.
    return [Fraction(f"{math.pow(b / most, 1 / plan.temperature):.12e}") if b else Fraction(1) for b in base]


def given(plan: MixPlan, ctx: RunContext, taken: str, counted: Sequence[str]) -> list[tuple[int, int]]:
    """(rows, units) that each input gave."""
    out = []
    for place, relation in enumerate(counted):
        units = "coalesce(sum(c.__units), 0)" if plan.count else "count(*)"
        query = f"SELECT count(*), {units} FROM {taken} AS m JOIN {relation} AS c ON m._from = c._key WHERE m._input = {place}"
        rows, sum_ = ctx.one(query)
        out.append((int(rows), int(sum_)))
    return out


def tell(
    plan: MixPlan, ctx: RunContext, outcome: Outcome, draws: Sequence[Draw], sizes: Sequence[int], gave: Sequence[tuple[int, int]]
) -> None:
    """What each input gave, and where the mixture is not what was wanted."""
    whole = sum(units for _, units in gave)
    facts: list[dict[str, Json]] = []
    lines = []
    for draw, size, (rows, units), name, epochs, cap in zip(draws, sizes, gave, plan.names, plan.epochs, plan.caps, strict=True):
        share = units / whole if whole else 0.0
        short = draw.share < draw.wanted - 0.0005
        cut = "" if not short else f"its cap of {cap:,}" if cap is not None and draw.units >= cap else f"{times(epochs or 1)} over"
        facts.append(
            {
                "name": name, "holds": size, "rows": rows, "units": units, "epochs": round(units / size, 4), "share": round(share, 6),
                "wanted": round(draw.wanted, 6), "cut": cut or None,
            }
        )  # fmt: skip
        amount = f"{units:,} {plan.unit} in {rows:,} rows" if plan.count else f"{rows:,} rows"
        line = f"`{name}` gives {amount}, {share:.1%} of the mixture: {times(units / size)} its {size:,}"
        lines.append(line + (f"; {draw.wanted:.1%} was wanted, and {cut} is all that it may give" if cut else ""))
    outcome.extra["mixture"] = list(facts)
    if plan.count:
        outcome.extra |= {"units": whole, "unit": plan.unit}
    got = sum(d.units for d in draws)
    if plan.take is not None and got < plan.take:
        outcome.notes.append(f"the inputs have {got:,} {plan.unit} to give, not {plan.take:,}: raise `epochs` or `cap`")
    held_back = [line for line, fact in zip(lines, facts, strict=True) if fact["cut"]]
    outcome.notes += held_back[:TOLD]
    if len(held_back) > TOLD:
        outcome.notes.append(f"{len(held_back):,} of {len(lines):,} inputs could not give their share")
    given_in_full = [line for line, fact in zip(lines, facts, strict=True) if not fact["cut"]]
    many = f"{len(lines):,} inputs; recipec report shows what each gave"
    outcome.extra["told"] = given_in_full if len(lines) <= TOLD else [many]


def times(number: float) -> str:
    """``once``, ``2 times``, ``0.25 times``."""
    return "once" if abs(number - 1) < 5e-5 else f"{number:.4g} times"
