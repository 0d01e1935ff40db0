"""Making the copies of an ``augment`` step: one SELECT from the originals to the changed, filtered, judged copies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recipec.api import Outcome, TableRef, literal, quote
from recipec.engines.chain import with_tables
from recipec.engines.diversity import compare, told_of
from recipec.identity import derived_key
from recipec.rand import rank64
from recipec.resolve.chain import compose

if TYPE_CHECKING:
    from recipec.augmenters._base import Refusal
    from recipec.engines.context import RunContext
    from recipec.steps.augment import Applied, AugmentPlan

EDA_COPIES = ((500, 16), (2_000, 8))
"""Up to so many rows, so many copies; four for more (Wei and Zou 2019, table 3)."""


def make_copies(plan: AugmentPlan, ctx: RunContext) -> Outcome:
    """Create ``ctx.target``: originals (unless left out), kept copies, and dropped copies with their reason.

    ``_because`` of a copy names the augmenters that changed it, separated by commas.
    """
    source = ctx.relation(ctx.step.inputs[0])
    rows = ctx.rows(ctx.step.inputs[0])
    copies = Copies(plan, ctx, source, rows, prepared(plan, ctx, source), ctx.relations)
    reasons = Reasons.of(plan)
    made = copies.filtered()
    if reasons.duplicate is not None:
        made = copies.distinct(made, reasons.duplicate)
    for refusal, why in reasons.refusals:
        made = copies.refused(made, refusal, why)
    ctx.execute(f"CREATE TABLE {ctx.target} AS {with_originals(plan, source, made)}")
    return outcome_of(plan, ctx, source, reasons, rows, copies.notes)


@dataclass(frozen=True)
class Reasons:
    """Why copies are dropped, by number; the numbers of "duplicate", where copies are compared, and of what each refusal finds."""

    words: list[str]
    duplicate: int | None
    refusals: list[tuple[Refusal, int]]

    @classmethod
    def of(cls, plan: AugmentPlan) -> Reasons:
        words = ["unchanged", *plan.reasons]
        duplicate = None
        if plan.compared is not None:
            duplicate = len(words)
            words.append("duplicate")
        refusals = []
        for refusal in (a.change.refusal for a in plan.applied):
            if refusal is not None:
                if refusal.reason not in words:
                    words.append(refusal.reason)
                refusals.append((refusal, words.index(refusal.reason)))
        return cls(words, duplicate, refusals)


def prepared(plan: AugmentPlan, ctx: RunContext, source: str) -> str:
    """The folder with what augmenters make once of all originals."""
    folder = ctx.temporary.resolve() / "augment"
    folder.mkdir(parents=True, exist_ok=True)
    for applied in plan.applied:
        if applied.change.prepare is not None:
            applied.change.prepare(ctx.tools_for(f"{ctx.scratch}aug_"), source)
    return str(folder)


def with_originals(plan: AugmentPlan, source: str, made: str) -> str:
    """A SELECT of the step's table: of dropped copies their key and reason alone."""
    value = "(CASE WHEN _why IS NULL THEN {0} END)::{1} AS {0}"
    cells = [
        f"NULL::{c.type} AS {quote(c.name)}" if c.name in plan.unlabel else value.replace("{0}", quote(c.name)).replace("{1}", c.type)
        for c in plan.schema.columns
    ]
    query = f"SELECT {', '.join(['_key', '_parent', *cells, '_why::SMALLINT AS _why', '_because'])} FROM ({made})"
    if plan.settings.originals:
        columns = ", ".join(map(quote, plan.schema.names))
        query = f"SELECT _key, _parent, {columns}, NULL::SMALLINT AS _why, NULL::VARCHAR AS _because FROM {source} UNION ALL {query}"
    return query


def outcome_of(plan: AugmentPlan, ctx: RunContext, source: str, reasons: Reasons, rows: int, notes: Sequence[str]) -> Outcome:
    """What was made, and what it is like."""
    outcome = told(plan, ctx, reasons.words, rows)
    outcome.notes.extend(notes)
    types = plan.schema.types
    compared = next((c for c in plan.changed if types.get(c) == "VARCHAR"), None)
    if compared is not None:
        outcome.extra["diversity"] = compare(ctx, source, compared, plan.seed, plan.labels)
        said, suspect = told_of(outcome.extra["diversity"])
        outcome.extra["told"] += said
        outcome.notes += suspect
    return outcome


def balanced(plan: AugmentPlan, source: str) -> str:
    """A SELECT of the rows that ``balance`` gives copies, and how many each: ``__wanted``."""
    assert plan.settings.balance is not None
    label = plan.settings.balance.sql
    rank = rank64(plan.seed, f"{plan.salt}/balance", "_key")
    # Every row of a class gets the same number of copies, and those of least rank one more.
    lacking = "(max(__n) OVER () - __n)"
    inner = (
        f"SELECT *, count(*) OVER (PARTITION BY {label}) AS __n, "
        f"row_number() OVER (PARTITION BY {label} ORDER BY {rank}, _key) AS __r FROM {source} WHERE {label} IS NOT NULL"
    )
    wanted = f"least({plan.settings.at_most}, {lacking} // __n + CASE WHEN __r <= {lacking} % __n THEN 1 ELSE 0 END)"
    return f"SELECT * EXCLUDE (__n, __r) FROM (SELECT *, {wanted} AS __wanted FROM ({inner})) WHERE __wanted > 0"


def peers(applied: Applied, source: str, columns: str) -> str:
    """A SELECT of the rows that can be partners, with their group ``__g``, their place in it ``__i`` and its size ``__m``."""
    within = ", ".join(map(quote, applied.change.partner or ()))
    known = " AND ".join(f"{quote(c)} IS NOT NULL" for c in applied.change.partner or ()) or "true"
    window = f"PARTITION BY {within}" if within else ""
    group = f"dense_rank() OVER (ORDER BY {within})" if within else "0"
    return (
        f"SELECT _key AS __k, {columns}, {group} AS __g, row_number() OVER ({window} ORDER BY _key) - 1 AS __i, "
        f"count(*) OVER ({window}) AS __m FROM {source} WHERE {known}"
    )


def partner_place(plan: AugmentPlan, applied: Applied) -> str:
    """SQL for the place of the partner of a copy ``c`` whose original has the line ``m`` of :func:`peers`."""
    chance = rank64(plan.seed, f"{applied.salt}/partner", "c._key")
    # Any but the original itself.
    return f"CASE WHEN m.__m > 1 THEN (m.__i + 1 + ({chance} % (m.__m - 1)::UBIGINT)::BIGINT) % m.__m END"


class Copies:
    """The SQL of the copies, from the inside out."""

    def __init__(self, plan: AugmentPlan, ctx: RunContext, source: str, rows: int, folder: str, relations: Mapping[TableRef, str]) -> None:
        self.plan, self.ctx, self.source, self.rows, self.folder, self.relations = plan, ctx, source, rows, folder, relations
        self.made: list[str] = []
        """Temporary tables, which the runner drops after the step."""
        self.notes: list[str] = []
        kept = dict.fromkeys((*plan.changed, *plan.looked_at))
        self.originals = {c: f"__o{i}" for i, c in enumerate(kept)}

    def filtered(self) -> str:
        """The copies after the step's filters."""
        return compose(list(with_tables(self.plan.stages, self.relations)), f"({self.judged()})")

    def numbered(self) -> str:
        """(_from, _copy) for every copy to make."""
        plan = self.plan
        if plan.settings.balance is None:
            count = plan.copies if plan.copies is not None else next((c for most, c in EDA_COPIES if self.rows <= most), 4)
            return f"SELECT *, unnest(range(1, {count + 1})) AS __copy FROM {self.source}"
        return f"SELECT * EXCLUDE (__wanted), unnest(range(1, __wanted + 1)) AS __copy FROM ({balanced(plan, self.source)})"

    def fresh(self) -> str:
        """Copies as their originals are, with keys of their own."""
        saved = "".join(f", {quote(c)} AS {name}" for c, name in self.originals.items())
        columns = ", ".join(map(quote, self.plan.schema.names))
        key = derived_key("_key", self.plan.salt, "__copy")
        return f"SELECT {key} AS _key, _key AS _parent, __copy, {columns}{saved}, 0::BIGINT AS __by FROM ({self.numbered()})"

    def changed(self) -> str:
        """Copies after all augmenters; ``__by`` has a bit for each that changed them."""
        current = self.fresh()
        for number, applied in enumerate(self.plan.applied):
            change = applied.change
            if not change.columns:
                continue
            if change.partner is not None:
                current = self.with_partner(current, applied)
            if change.fill is not None:
                current = self.answered(current, change.fill, self.filled("{seed}", applied.salt))
            elif change.made is not None:
                current = f"SELECT *, {self.filled(change.made, applied.salt)} AS __made FROM ({current})"
            new = [f"{self.filled(sql, applied.salt)} AS __n{i}" for i, sql in enumerate(change.columns.values())]
            differ = " OR ".join(f"__n{i} IS DISTINCT FROM {quote(c)}" for i, c in enumerate(change.columns))
            swaps = ", ".join(f"__n{i} AS {quote(c)}" for i, c in enumerate(change.columns))
            gone = [f"__n{i}" for i in range(len(new))] + ["__made"] * (change.made is not None or change.fill is not None)
            if change.partner is not None:
                gone += [f"__p{i}" for i in range(len(self.plan.schema.names))]
            bit = f"__by | CASE WHEN {differ} THEN {1 << number} ELSE 0 END AS __by"
            current = f"SELECT * EXCLUDE ({', '.join(gone)}) REPLACE ({swaps}, {bit}) FROM (SELECT *, {', '.join(new)} FROM ({current}))"
        return current

    def answered(self, current: str, fill: Callable[[RunContext, str, str], list[str]], seed: str) -> str:
        """The copies with what a model said of each."""
        copies, answers = self.ctx.temp(f"copies_{len(self.made)}"), self.ctx.temp(f"answers_{len(self.made)}")
        self.made += [copies, answers]
        self.ctx.execute(f"CREATE TEMP TABLE {copies} AS SELECT *, {seed} AS __seed FROM ({current})")
        self.notes += fill(self.ctx, copies, answers)
        return f"SELECT c.* EXCLUDE (__seed), a.made AS __made FROM {copies} AS c LEFT JOIN {answers} AS a ON a._key = c._key"

    def with_partner(self, current: str, applied: Applied) -> str:
        """The copies, each with the columns of another original: of the same values in some columns, drawn by chance."""
        names = self.plan.schema.names
        listed = ", ".join(f"{quote(c)} AS __p{i}" for i, c in enumerate(names))
        table = self.ctx.temp(f"peers_{len(self.made)}")
        self.made.append(table)
        self.ctx.execute(f"CREATE TEMP TABLE {table} AS {peers(applied, self.source, listed)}")
        place = partner_place(self.plan, applied)
        wanted = f"SELECT c.*, m.__g AS __wg, {place} AS __wi FROM ({current}) AS c LEFT JOIN {table} AS m ON m.__k = c._parent"
        partner = ", ".join(f"p.__p{i}" for i in range(len(names)))
        return (
            f"SELECT w.* EXCLUDE (__wg, __wi), {partner} FROM ({wanted}) AS w LEFT JOIN {table} AS p ON p.__g = w.__wg AND p.__i = w.__wi"
        )

    def filled(self, sql: str, salt: str) -> str:
        """An augmenter's SQL with its holes filled."""
        plan = self.plan
        values = {
            "{seed}": rank64(plan.seed, salt, "_key"),
            "{copy}": "__copy",
            "{rows}": str(self.rows),
            "{scratch}": literal(self.folder),
            "{made}": "__made",
            **{f"{{partner.{c}}}": f"__p{i}" for i, c in enumerate(plan.schema.names)},
        }
        for hole, value in values.items():
            sql = sql.replace(hole, value)
        return sql

    def judged(self) -> str:
        """Copies with ``_why`` and ``_because``, and the struct ``original`` where filters read it."""
        plan = self.plan
        same = " AND ".join(f"{quote(c)} IS NOT DISTINCT FROM {self.originals[c]}" for c in plan.changed)
        by = ", ".join(f"CASE WHEN __by & {1 << n} > 0 THEN {literal(a.title)} END" for n, a in enumerate(plan.applied))
        fields = ", ".join(f"{quote(c)} := {self.originals[c]}" for c in plan.looked_at)
        original = f", struct_pack({fields}) AS original" if plan.looked_at else ""
        if plan.stages and not original and "original" not in plan.schema.types:
            original = ", NULL AS original"
        columns = ", ".join(map(quote, plan.schema.names))
        return (
            f"SELECT _key, _parent, {columns}{original}, CASE WHEN {same} THEN 0 END AS _why, "
            f"nullif(concat_ws(', ', {by}), '') AS _because FROM ({self.changed()})"
        )

    def distinct(self, made: str, why: int) -> str:
        """Copies that repeat an original or a copy of smaller key dropped under reason number ``why``."""
        compared = ", ".join(map(quote, self.plan.compared or ()))
        row = "struct_pack(" + ", ".join(f"v{i} := {quote(c)}" for i, c in enumerate(self.plan.compared or ())) + ")"
        place = f"row_number() OVER (PARTITION BY {compared}, _why IS NULL ORDER BY _key)"
        elsewhere = f"{row} IN (SELECT {row} FROM {self.source})"
        return f"SELECT * REPLACE (CASE WHEN _why IS NULL AND ({place} > 1 OR {elsewhere}) THEN {why} ELSE _why END AS _why) FROM ({made})"

    def refused(self, made: str, refusal: Refusal, why: int) -> str:
        """Copies that a refusal finds dropped under reason number ``why``."""
        copies, out = self.ctx.temp(f"made_{len(self.made)}"), self.ctx.temp(f"refused_{len(self.made)}")
        self.made += [copies, out]
        self.ctx.execute(f"CREATE TEMP TABLE {copies} AS {made}")
        self.notes += refusal.find(self.ctx, f"(SELECT * FROM {copies} WHERE _why IS NULL)", self.source, out)
        gone = f"CASE WHEN c._why IS NULL AND r._key IS NOT NULL THEN {why} ELSE c._why END AS _why"
        return f"SELECT c.* REPLACE ({gone}) FROM {copies} AS c LEFT JOIN {out} AS r ON r._key = c._key"


def told(plan: AugmentPlan, ctx: RunContext, reasons: list[str], rows: int) -> Outcome:
    """What was made: copies by reason, and for each augmenter how many copies it changed."""
    counts = dict(ctx.con.execute(f"SELECT _why, count(*) FROM {ctx.target} GROUP BY _why").fetchall())
    outcome = Outcome(rows_in=rows, rows_out=int(counts.get(None, 0)))
    for number, reason in enumerate(reasons):
        if counts.get(number):
            outcome.dropped[reason] = outcome.dropped.get(reason, 0) + int(counts[number])
    outcome.extra["reasons"] = reasons
    by = ctx.con.execute(f"SELECT _because, count(*) FROM {ctx.target} WHERE _because IS NOT NULL GROUP BY _because").fetchall()
    outcome.extra["changed"] = {
        a.title: sum(n for names, n in by if a.title in names.split(", ")) for a in plan.applied if a.change.columns
    }
    idle = [t for t, n in outcome.extra["changed"].items() if not n and rows]
    outcome.notes.extend(f"`{t}` changed no copy" for t in idle)
    outcome.extra["told"] = [] if plan.settings.originals else [f"the {rows:,} originals are left out"]
    return outcome
