"""Running a select step: rows numbered and grouped, scored or picked, taken up to what is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from recipec.api import Outcome, literal, quote
from recipec.rand import Ingredient, apportion, exact, plan_mixture, rank64
from recipec.selectors._base import Selecting

if TYPE_CHECKING:
    from recipec.engines.context import RunContext
    from recipec.steps.select import SelectPlan

NOT_SELECTED, NO_SCORE = "not selected", "no score"


def choose(plan: SelectPlan, ctx: RunContext) -> Outcome:
    """Make the step's table."""
    source = ctx.relation(ctx.step.inputs[0])
    outcome = Outcome(rows_in=ctx.rows(ctx.step.inputs[0]))
    number(plan, ctx, f"(SELECT *, {', '.join(decisive(plan))} FROM {source})")
    chosen = decide(plan, ctx, outcome)
    ctx.execute(f"CREATE TABLE {ctx.target} AS {selected(plan, source, chosen.ranked, chosen.sizes)}")
    count(plan, ctx, outcome, chosen)
    return outcome


@dataclass(frozen=True)
class Chosen:
    """What is decided: ``ranked`` is a table of what becomes of each row (:func:`rank`), ``sizes`` are rows and units by group, ``quotas`` the
    units that each group is to give."""

    ranked: str
    sizes: Mapping[int, tuple[int, int]]
    quotas: Mapping[int, int]


def decisive(plan: SelectPlan) -> list[str]:
    """SQL for what a row counts, ``__units``, and what says of which group it is, ``__v0`` and so on."""
    counted = f"greatest(coalesce(({plan.count.sql})::DOUBLE, 0), 0)::BIGINT" if plan.count is not None else "1::BIGINT"
    return [f"{counted} AS __units", *(f"({e.sql}) AS __v{i}" for i, e in enumerate(plan.per))]


def number(plan: SelectPlan, ctx: RunContext, rows: str) -> None:
    """Make the table of the rows to choose from (see :class:`Selecting`) of a relation that has :func:`decisive` beside what is chosen by."""
    names = ", ".join(f"__v{i} NULLS LAST" for i in range(len(plan.per)))
    grouped = f"(dense_rank() OVER (ORDER BY {names}) - 1)::INTEGER" if names else "0::INTEGER"
    ctx.execute(
        f"CREATE TEMP TABLE {ctx.temp('rows')} AS SELECT row_number() OVER (ORDER BY s._key) - 1 AS __n, {grouped} AS __g, "
        f"{rank64(plan.seed, plan.salt, 's._key')} AS __r, s.* FROM {rows} AS s"
    )


def decide(plan: SelectPlan, ctx: RunContext, outcome: Outcome) -> Chosen:
    """Score or pick the numbered rows, and say which are taken."""
    table, out = ctx.temp("rows"), ctx.temp("chosen")
    sizes = {
        g: (int(c), int(u))
        for g, c, u in ctx.con.execute(f"SELECT __g, count(*), sum(__units) FROM {table} GROUP BY __g ORDER BY __g").fetchall()
    }
    quotas = wanted(plan, sizes)
    given = Selecting(ctx, table, out, outcome.rows_in, plan.seed, plan.salt, quotas, plan.count is not None)
    for ref, sql in plan.selector.embeds():
        agree(given, ref, sql)
    if outcome.rows_in and plan.selector.greedy:
        outcome.notes += plan.selector.pick(given)
    elif outcome.rows_in:
        outcome.notes += plan.selector.score(given)
    else:
        empty = ", ".join(f"NULL::{t} AS {quote(c)}" for c, t in {"score": "DOUBLE", **plan.selector.adds}.items())
        ctx.con.execute(f"CREATE TEMP TABLE {out} AS SELECT NULL::UUID AS _key, NULL::BIGINT AS place, {empty} WHERE false")
    return Chosen(rank(plan, given), sizes, quotas)


def agree(given: Selecting, ref: Any, sql: str) -> None:
    """Ask people before a server is asked for vectors, where they want to be."""
    from recipec.steps.predict import ask

    expected = given.ctx.quote(given.ctx.model(ref))
    if expected is not None:
        for places, texts in given.blocks(sql):
            ask(expected, [(str(n), t) for n, t in zip(places, texts, strict=True)])
        given.ctx.agree(expected.estimate(""))


def wanted(plan: SelectPlan, sizes: Mapping[int, tuple[int, int]]) -> dict[int, int]:
    """The units that each group is to give."""
    units = {g: u for g, (_, u) in sizes.items()}
    whole = sum(units.values())
    if plan.take is None:
        return units
    if isinstance(plan.take, float):
        share = exact(plan.take)
        total = int(share * whole + Fraction(1, 2))
        if plan.divide != "equally" and whole:
            parts = apportion(total, [Fraction(total * u, whole) for u in units.values()])
            return dict(zip(units, parts, strict=True))
    else:
        total = plan.take
        if plan.divide == "each":
            return dict.fromkeys(units, total)
    filled = {g: u for g, u in units.items() if u > 0}
    if not filled:
        return dict.fromkeys(units, 0)
    weights = {g: u if plan.divide == "proportionally" else 1 for g, u in filled.items()}
    drawn = plan_mixture([Ingredient(str(g), u, weights[g]) for g, u in filled.items()], min(total, whole))
    return dict.fromkeys(units, 0) | {int(d.name): d.units for d in drawn}


def rank(plan: SelectPlan, given: Selecting) -> str:
    """A table with what became of each row: ``place`` in its group (null where it has none), ``taken``, ``score``."""
    con, made = given.ctx.con, given.ctx.temp("ranked")
    there = {r[0] for r in con.execute(f"DESCRIBE {given.out}").fetchall()}
    passes = "coalesce(o.passes, false)" if "passes" in there else "true"
    note = "o.note" if "note" in there else "NULL::VARCHAR"
    extra = "".join(f", o.{quote(end)}" for end in plan.selector.adds)
    quotas = ", ".join(f"({g}, {q})" for g, q in given.quotas.items()) or "(0, 0)"
    if plan.selector.greedy:
        fit, lacking = passes, "o._key IS NULL"
    else:
        fit, lacking = f"{passes} AND o.score IS NOT NULL", "o.score IS NULL"
    base = (
        f"SELECT t._key, t.__g AS g, t.__r AS r, t.__units AS units, o.score, {fit} AS fit, {lacking} AS lacking, {note} AS note{extra}, "
        f"{'o.place' if plan.selector.greedy else ('o.sort' if 'sort' in there else 'o.score') + ' AS sort'} "
        f"FROM {given.rows} AS t LEFT JOIN {given.out} AS o ON t._key = o._key"
    )
    if not plan.selector.greedy:
        base = (
            "SELECT *, CASE WHEN fit THEN row_number() OVER (PARTITION BY g, fit ORDER BY sort DESC NULLS LAST, r, _key) END AS place "
            f"FROM ({base})"
        )
    running = "sum(units) OVER (PARTITION BY b.g, place IS NULL ORDER BY place)" if given.counted else "place"
    given.ctx.execute(
        f"CREATE TEMP TABLE {made} AS SELECT b.*, place IS NOT NULL AND {running} <= q.quota AS taken "
        f"FROM ({base}) AS b JOIN (VALUES {quotas}) AS q(g, quota) ON b.g = q.g"
    )
    return made


def selected(plan: SelectPlan, source: str, ranked: str, sizes: Mapping[int, tuple[int, int]]) -> str:
    """A SELECT of the step's table: chosen rows with their columns, the others with their reason and key alone."""
    selector = plan.selector
    made = {**({plan.column: "score"} if plan.column else {}), **plan.made}
    hidden = ["_key", "_parent", *(["_order"] if plan.schema.ordered else [])]
    cells = [
        f"CASE WHEN k.taken THEN {'k.' + quote(made[c.name]) if c.name in made else 's.' + quote(c.name)} END AS {quote(c.name)}"
        for c in plan.schema.columns
    ]
    refusal = f"WHEN NOT k.fit THEN {2 if selector.refusal != NOT_SELECTED else 0} "
    why = f"CASE WHEN k.taken THEN NULL WHEN k.lacking THEN 1 {refusal}ELSE 0 END::SMALLINT"
    counts = ", ".join(f"({g}, {c})" for g, (c, _) in sizes.items()) or "(0, 0)"
    place = "'rank ' || k.place || ' of ' || z.rows" + (" || ' of its kind'" if plan.per else "")
    what = literal(selector.what or selector.name.replace("_", " "))
    score = f"{what} || ' ' || printf('%.6g', k.score)" if selector.scored else "NULL"
    said = f"concat_ws(': ', CASE WHEN k.place IS NOT NULL THEN {place} END, nullif(concat_ws('; ', {score}, k.note), ''))"
    return (
        f"SELECT {', '.join([*(f's.{h}' for h in hidden), *cells])}, {why} AS _why, "
        f"nullif({said}, '') AS _because FROM {source} AS s JOIN {ranked} AS k ON s._key = k._key "
        f"JOIN (VALUES {counts}) AS z(g, rows) ON k.g = z.g"
    )


def count(plan: SelectPlan, ctx: RunContext, outcome: Outcome, chosen: Chosen) -> None:
    """What was taken, of what, and where it is less than was wanted."""
    sizes, quotas, ranked = chosen.sizes, chosen.quotas, chosen.ranked
    reasons = [NOT_SELECTED, NO_SCORE, *([plan.selector.refusal] if plan.selector.refusal != NOT_SELECTED else [])]
    counts = dict(ctx.con.execute(f"SELECT _why, count(*) FROM {ctx.target} GROUP BY _why").fetchall())
    outcome.rows_out = int(counts.get(None, 0))
    outcome.dropped = {reason: int(counts[i]) for i, reason in enumerate(reasons) if counts.get(i)}
    outcome.extra["reasons"] = reasons
    got = {
        g: (int(n), int(u))
        for g, n, u in ctx.con.execute(f"SELECT g, count(*), sum(units) FROM {ranked} WHERE taken GROUP BY g").fetchall()
    }
    what = "units" if plan.count is not None else "rows"
    if plan.count is not None:
        outcome.extra["units"] = sum(u for _, u in got.values())
        outcome.notes.append(f"{outcome.extra['units']:,} of {sum(u for _, u in sizes.values()):,} units by `count`")
    if isinstance(plan.take, int) and sizes:
        fit = sum(u for _, u in sizes.values()) if plan.count is not None else sum(c for c, _ in sizes.values())
        if plan.divide != "each" or len(sizes) == 1:
            if fit < plan.take:
                outcome.notes.append(f"there are {fit:,} {what}, not {plan.take:,}")
        else:
            short = [g for g, q in quotas.items() if sizes[g][1 if plan.count is not None else 0] < q]
            if short:
                outcome.notes.append(
                    f"{len(short):,} of {len(sizes):,} groups have fewer {what} than {plan.take:,}: all of theirs are taken"
                )
    if plan.per and sizes:
        table = ctx.temp("rows")
        values = ", ".join(f"coalesce(__v{i}::VARCHAR, 'null')" for i in range(len(plan.per)))
        listed = ctx.con.execute(
            f"SELECT __g, any_value(concat_ws(', ', {values})) FROM {table} GROUP BY __g ORDER BY __g LIMIT 200"
        ).fetchall()
        outcome.extra["per"] = [{"value": v, "rows": sizes[g][0], "chosen": got.get(g, (0, 0))[0]} for g, v in listed]
