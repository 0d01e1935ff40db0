"""Augment steps on a cluster.

A copy depends on its original, on chance by its key, and on what augmenters make once of all originals, which is made where the run was
started and read by every task. So copies are made shard by shard. What looks further is decided from a few columns: how many copies a row gets
by ``balance`` and who a copy's partner is, where the run was started (partners are then sent to the shards of their copies); which copies are
equal, in buckets of equal values; which are nearly so, by their shingles (:mod:`recipec.engines.ray.near`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from recipec.api import Alike, Outcome, quote
from recipec.engines.augment import Copies, Reasons, balanced, outcome_of, partner_place, peers, prepared, with_originals
from recipec.engines.ray import near
from recipec.engines.ray.carry import ROWS, SHARD, Work, by_shard, carried, carry, narrow, quietly, sent
from recipec.engines.ray.chain import shuffled
from recipec.engines.ray.shards import Rows, scan, whole
from recipec.engines.ray.tasks import Job, Unit
from recipec.identity import derived_key

if TYPE_CHECKING:
    from recipec.augmenters._base import Refusal
    from recipec.engines.ray.runner import Floor
    from recipec.steps.augment import Applied, AugmentPlan

WANTED: Final = "_wanted"
MADE: Final = "_made"


class There(Copies):
    """The SQL of a shard's copies, over tables that say what was decided: how many each row gets, and the copies' partners."""

    def numbered(self) -> str:
        if self.plan.settings.balance is None:
            return super().numbered()
        return f"SELECT s.*, unnest(range(1, w.__wanted + 1)) AS __copy FROM {self.source} AS s JOIN {WANTED} AS w ON w._key = s._key"

    def with_partner(self, current: str, applied: Applied) -> str:
        partner = ", ".join(f"p.__p{i}" for i in range(len(self.plan.schema.names)))
        return f"SELECT c.*, {partner} FROM ({current}) AS c LEFT JOIN {partners_of(self.plan, applied)} AS p ON p.__for = c._key"


def partners_of(plan: AugmentPlan, applied: Applied) -> str:
    """The name of the table of an augmenter's partners."""
    return f"_partners{plan.applied.index(applied)}"


@dataclass
class Gone:
    """Copies that are dropped when all are made: a table of keys for each shard, and the number of the reason."""

    tables: list[Rows]
    why: int


def augment(floor: Floor) -> Outcome:
    """The table of an ``augment`` step; see :func:`recipec.engines.augment.make_copies`."""
    from recipec.engines.tests import run_tests

    ctx = floor.ctx
    plan: AugmentPlan = ctx.step.bound.plan
    ref = ctx.step.inputs[0]
    source, count, rows = ctx.relation(ref), ctx.rows(ref), floor.rows_of(ref)
    folder = prepared(plan, ctx, source)
    read = [r for r in ctx.step.parents if any(r.sql in s.query for s in plan.stages)]
    names = {r: f"__other{n}" for n, r in enumerate(read)}
    others = {n: whole(floor.rows_of(r)) for r, n in names.items()}
    copies = There(plan, ctx, ROWS, count, folder, names)
    tables = [dict(others) for _ in rows]
    decided(floor, plan, copies, rows, tables)
    reasons = Reasons.of(plan)
    notes: list[str] = []
    if reasons.duplicate is None and not reasons.refusals:
        done = carried(floor, Work(with_originals(plan, ROWS, copies.filtered())), rows, tables)
    else:
        made = make(floor, plan, copies, rows, tables)
        gone: list[Gone] = []
        if reasons.duplicate is not None:
            gone.append(Gone(duplicates(floor, plan, rows, made), reasons.duplicate))
        for number, (refusal, why) in enumerate(reasons.refusals):
            gone.append(Gone(refused(floor, refusal, number, rows, made, gone, notes), why))
        dropped = " ".join(f"WHEN _key IN (SELECT _key FROM _gone{i}) THEN {g.why}" for i, g in enumerate(gone))
        query = with_originals(plan, ROWS, f"SELECT * REPLACE (CASE WHEN _why IS NOT NULL THEN _why {dropped} END AS _why) FROM {MADE}")
        told = [{MADE: m, **{f"_gone{i}": g.tables[n] for i, g in enumerate(gone)}} for n, m in enumerate(made)]
        done = carried(floor, Work(query), rows, told)
    types = floor.publish(done)
    outcome = outcome_of(plan, ctx, source, reasons, count, notes)
    outcome.extra["rows"] = floor.lying(done, types)
    run_tests(ctx, plan.tests, f"(SELECT * FROM {ctx.target} WHERE _why IS NULL)", outcome)
    return outcome


def decided(floor: Floor, plan: AugmentPlan, copies: Copies, rows: Sequence[Rows], tables: Sequence[dict[str, Rows]]) -> None:
    """Put into the shards' tables how many copies each row gets, and the partners of the copies."""
    swapping = [a for a in plan.applied if a.change.partner is not None]
    balance = plan.settings.balance
    if balance is None and not swapping:
        return
    ctx, con = floor.ctx, floor.ctx.con
    within = [c for a in swapping for c in a.change.partner or ()]
    seen = dict.fromkeys([*([balance.name] if balance is not None else []), *within])
    told, numbered = ctx.temp("seen"), ctx.temp("numbered")
    found = narrow(floor, "seen", rows, ", ".join(["_key", *map(quote, seen)]))
    con.execute(f"CREATE TEMP TABLE {told} AS SELECT * FROM {found.sql()}")
    if balance is not None:
        con.execute(f"CREATE TEMP TABLE {numbered} AS SELECT _key, __wanted, {SHARD} FROM ({balanced(plan, told)})")
        for table, own in zip(tables, by_shard(floor, "wanted", f"SELECT * FROM {numbered}", len(rows)), strict=True):
            table[WANTED] = own
        every = f"SELECT *, unnest(range(1, __wanted + 1)) AS __copy FROM {numbered}"
    else:
        every = Copies.numbered(Copies(plan, ctx, told, copies.rows, copies.folder, {}))
    for number, applied in enumerate(swapping):
        # Each copy by its key, its original and its shard; then where its partner is; then the partners' rows, sent to the copies.
        each = f"SELECT {derived_key('_key', plan.salt, '__copy')} AS _key, _key AS _parent, {SHARD} FROM ({every})"
        lines = ctx.temp(f"peers_{number}")
        con.execute(f"CREATE TEMP TABLE {lines} AS {peers(applied, told, SHARD)}")
        place = f"SELECT c.*, m.__g, {partner_place(plan, applied)} AS __i FROM ({each}) AS c JOIN {lines} AS m ON m.__k = c._parent"
        asked = f"SELECT c._key AS __for, c.{SHARD} AS __home, p.__k AS __from, p.{SHARD} FROM ({place}) AS c JOIN {lines} AS p USING (__g, __i)"
        parts = by_shard(floor, f"asked{number}", asked, len(rows))
        read = " ".join([*applied.change.columns.values(), applied.change.made or ""])
        columns = ", ".join(
            f"{f't.{quote(c.name)}' if f'{{partner.{c.name}}}' in read else f'NULL::{c.type}'} AS __p{i}"
            for i, c in enumerate(plan.schema.columns)
        )
        work = Work(f"SELECT a.__for, {columns}, a.__home AS {SHARD} FROM {ROWS} AS t JOIN _asked AS a ON a.__from = t._key")
        units = [Unit(n, r, tables={"_asked": a}) for n, (r, a) in enumerate(zip(rows, parts, strict=True))]
        for table, sent_here in zip(tables, sent(floor, f"partners{number}", work, units, len(rows)), strict=True):
            table[partners_of(plan, applied)] = sent_here


def make(floor: Floor, plan: AugmentPlan, copies: Copies, rows: Sequence[Rows], tables: Sequence[Mapping[str, Rows]]) -> list[Rows]:
    """The copies of each shard after the step's filters, in files."""
    columns = ", ".join(["_key", "_parent", *map(quote, plan.schema.names), "_why", "_because"])
    work = Work(f"SELECT {columns} FROM ({copies.filtered()})")
    units = [Unit(n, r, tables=t) for n, (r, t) in enumerate(zip(rows, tables, strict=True))]
    done = floor.cluster.map(carry, [floor.setting, Job(str(floor.place("made"))), work], units, floor.ctx.progress, span=(0.0, 0.6))
    floor.tally.add(done, shuffled=True)
    return [d.of(d.files[0], d.bytes) for d in done]


def left(made: Rows, dropped: Sequence[Rows]) -> Rows:
    """Of copies those that nothing has dropped yet."""
    gone = "".join(f" AND _key NOT IN (SELECT _key FROM {scan(d.files)})" for d in dropped)
    return replace(made, select=f"SELECT * FROM ({made.select}) WHERE _why IS NULL{gone}")


def duplicates(floor: Floor, plan: AugmentPlan, rows: Sequence[Rows], made: Sequence[Rows]) -> list[Rows]:
    """The keys of each shard's copies that repeat an original or a copy of smaller key."""
    compared = [quote(c) for c in plan.compared or ()]
    row = "struct_pack(" + ", ".join(f"v{i} := {c}" for i, c in enumerate(compared)) + ")"

    def cut(parts: Sequence[Rows], copies: int) -> list[Rows]:
        columns = ", ".join(["_key", *compared, f"{copies} AS __copies"])
        return [replace(r, select=f"SELECT {columns}, {n}::INTEGER AS {SHARD} FROM ({r.select})") for n, r in enumerate(parts)]

    every = [*cut(rows, 0), *cut([left(m, []) for m in made], 1)]
    buckets = shuffled(floor, "compared", every, row, floor.buckets([*rows, *made]))
    place = f"row_number() OVER (PARTITION BY {', '.join(compared)} ORDER BY _key)"
    copies = f"SELECT *, {place} AS __place FROM {ROWS} WHERE __copies = 1"
    work = Work(f"SELECT _key, {SHARD} FROM ({copies}) WHERE __place > 1 OR {row} IN (SELECT {row} FROM {ROWS} WHERE __copies = 0)")
    units = [Unit(n, buckets[b]) for n, b in enumerate(sorted(b for b in buckets if b >= 0) or [-1])]
    done = floor.cluster.map(carry, [floor.setting, Job(str(floor.place("equal"))), work], units, quietly(floor))
    floor.tally.add(done, shuffled=True)
    return by_shard(floor, "duplicates", f"SELECT * FROM {whole([Rows(d.files[0]) for d in done]).sql()}", len(rows))


def refused(
    floor: Floor, refusal: Refusal, number: int, rows: Sequence[Rows], made: Sequence[Rows], gone: Sequence[Gone], notes: list[str]
) -> list[Rows]:
    """The keys of each shard's copies that a refusal finds among those that are left."""
    ctx = floor.ctx
    if refusal.alike is not None:
        return alike(floor, refusal.alike, number, rows, [left(m, [g.tables[n] for g in gone]) for n, m in enumerate(made)])
    # It asks a model: from here, wherever the model is.
    table, out = ctx.temp(f"left_{number}"), ctx.temp(f"refused_{number}")
    ctx.con.execute(f"CREATE TEMP VIEW {table} AS SELECT * FROM {left(whole(made), [whole(g.tables) for g in gone]).sql()}")
    notes += refusal.find(ctx, table, ctx.relation(ctx.step.inputs[0]), out)
    # A copy is where its original is.
    keys = narrow(floor, f"keys{number}", rows, "_key").sql()
    place = f"SELECT o._key, k.{SHARD} FROM {out} AS o JOIN {table} AS c ON c._key = o._key JOIN {keys} AS k ON k._key = c._parent"
    return by_shard(floor, f"refused{number}", place, len(rows))


def alike(floor: Floor, wanted: Alike, number: int, rows: Sequence[Rows], copies: Sequence[Rows]) -> list[Rows]:
    """Copies that are nearly an original or nearly another copy."""

    def texts(parts: Sequence[Rows], own: int) -> list[Rows]:
        return [replace(r, select=f"SELECT *, {own} AS _own FROM ({wanted.rows.replace('{input}', f'({r.select})')})") for r in parts]

    search = near.Search(wanted.threshold, wanted.by, wanted.ngram, wanted.order)
    every = [*texts(rows, 0), *texts(copies, 1)]
    place = floor.place(f"near{number}")
    found, done = near.duplicates_by_part(floor.cluster, floor.setting, place, every, search, quietly(floor))
    floor.tally.add(done, shuffled=True)
    return [Rows((found.get(len(rows) + n, found[-1]),)) for n in range(len(copies))]


__all__ = ["augment"]
