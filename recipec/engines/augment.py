"""Making the copies of an ``augment`` step: one SELECT from the originals to the changed, filtered, judged copies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from recipec.api import Outcome, literal, quote
from recipec.engines.chain import with_tables
from recipec.identity import derived_key
from recipec.rand import rank64
from recipec.resolve.chain import compose

if TYPE_CHECKING:
    from recipec.engines.context import RunContext
    from recipec.steps.augment import AugmentPlan

EDA_COPIES = ((500, 16), (2_000, 8))
"""Up to so many rows, so many copies; four for more (Wei and Zou 2019, table 3)."""


def make_copies(plan: AugmentPlan, ctx: RunContext) -> Outcome:
    """Create ``ctx.target``: originals (unless left out), kept copies, and dropped copies with their reason.

    ``_because`` of a copy names the augmenters that changed it, separated by commas.
    """
    source = ctx.relation(ctx.step.inputs[0])
    rows = ctx.rows(ctx.step.inputs[0])
    folder = ctx.temporary / "augment"
    folder.mkdir(parents=True, exist_ok=True)
    for applied in plan.applied:
        if applied.change.prepare is not None:
            applied.change.prepare(ctx.tools_for(f"{ctx.scratch}aug_"), source)
    copies = Copies(plan, ctx, source, rows, str(folder))
    reasons = ["unchanged", *plan.reasons]
    made = compose(list(with_tables(plan.stages, ctx)), f"({copies.judged()})")
    names = plan.schema.names
    columns = ", ".join(map(quote, names))
    if plan.compared is not None:
        reasons.append("duplicate")
        made = copies.distinct(made, len(reasons) - 1)
    value = "(CASE WHEN _why IS NULL THEN {0} END)::{1} AS {0}"
    cells = [
        f"NULL::{c.type} AS {quote(c.name)}" if c.name in plan.unlabel else value.replace("{0}", quote(c.name)).replace("{1}", c.type)
        for c in plan.schema.columns
    ]
    query = f"SELECT {', '.join(['_key', '_parent', *cells, '_why::SMALLINT AS _why', '_because'])} FROM ({made})"
    if plan.settings.originals:
        query = f"SELECT _key, _parent, {columns}, NULL::SMALLINT AS _why, NULL::VARCHAR AS _because FROM {source} UNION ALL {query}"
    ctx.execute(f"CREATE TABLE {ctx.target} AS {query}")
    return told(plan, ctx, reasons, rows)


class Copies:
    """The SQL of the copies, from the inside out."""

    def __init__(self, plan: AugmentPlan, ctx: RunContext, source: str, rows: int, folder: str) -> None:
        self.plan, self.ctx, self.source, self.rows, self.folder = plan, ctx, source, rows, folder
        kept = dict.fromkeys((*plan.changed, *plan.looked_at))
        self.originals = {c: f"__o{i}" for i, c in enumerate(kept)}

    def numbered(self) -> str:
        """(_from, _copy) for every copy to make."""
        plan = self.plan
        if plan.settings.balance is None:
            count = plan.copies if plan.copies is not None else next((c for most, c in EDA_COPIES if self.rows <= most), 4)
            return f"SELECT *, unnest(range(1, {count + 1})) AS __copy FROM {self.source}"
        label = plan.settings.balance.sql
        rank = rank64(plan.seed, f"{plan.salt}/balance", "_key")
        # Every row of a class gets the same number of copies, and those of least rank one more.
        lacking = "(max(__n) OVER () - __n)"
        inner = (
            f"SELECT *, count(*) OVER (PARTITION BY {label}) AS __n, "
            f"row_number() OVER (PARTITION BY {label} ORDER BY {rank}, _key) AS __r FROM {self.source} WHERE {label} IS NOT NULL"
        )
        wanted = f"least({plan.settings.at_most}, {lacking} // __n + CASE WHEN __r <= {lacking} % __n THEN 1 ELSE 0 END)"
        counted = f"SELECT *, {wanted} AS __wanted FROM ({inner})"
        return f"SELECT * EXCLUDE (__n, __r, __wanted), unnest(range(1, __wanted + 1)) AS __copy FROM ({counted}) WHERE __wanted > 0"

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
            new = []
            for i, sql in enumerate(change.columns.values()):
                new.append(f"{self.filled(sql, applied.salt)} AS __n{i}")
            differ = " OR ".join(f"__n{i} IS DISTINCT FROM {quote(c)}" for i, c in enumerate(change.columns))
            swaps = ", ".join(f"__n{i} AS {quote(c)}" for i, c in enumerate(change.columns))
            gone = ", ".join(f"__n{i}" for i in range(len(new)))
            bit = f"__by | CASE WHEN {differ} THEN {1 << number} ELSE 0 END AS __by"
            current = f"SELECT * EXCLUDE ({gone}) REPLACE ({swaps}, {bit}) FROM (SELECT *, {', '.join(new)} FROM ({current}))"
        return current

    def filled(self, sql: str, salt: str) -> str:
        """An augmenter's SQL with its holes filled."""
        plan = self.plan
        values = {
            "{seed}": rank64(plan.seed, salt, "_key"),
            "{copy}": "__copy",
            "{rows}": str(self.rows),
            "{scratch}": literal(self.folder),
        }
        for hole, value in values.items():
            sql = sql.replace(hole, value)
        return re.sub(r"\{table ([^}]+)\}", lambda m: self.ctx.relations[next(r for r in self.ctx.relations if str(r) == m[1])], sql)

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
    if not plan.settings.originals:
        outcome.notes.append(f"the {rows:,} originals are left out")
    return outcome
