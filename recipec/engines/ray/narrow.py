"""What steps take on a cluster that are decided in one place from a few columns, and carried out in tasks: known before anything runs.

Bytes of a row as they were measured: a key is 16, a number that it is decided by 8, a shard's number 4; a table of them in the memory of the
process that you started takes twice as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from recipec.engines.ray.cost import Table
    from recipec.engines.ray.ways import Way

KEYED: Final = 20
"""Bytes of a row's key and shard."""
DECIDED: Final = 8
"""Bytes of each number that a row is decided by."""
LINKED: Final = 100
"""Bytes here of a row whose near-duplicates are linked."""
VOTE: Final = 1
"""Bytes of a vote in a file: they repeat, and are packed."""


def label_way(plan: Any) -> tuple[Way, str]:
    """(the way of a label step, why it is no better one)"""
    here = [v for v in plan.voters if v.vote is not None and not v.vote.alone]
    if plan.mode == "tags" and here:
        return "driver", f"`{here[0].name}` asks a model, or people who saw all rows"
    if here:
        named = ", ".join(f"`{v.name}`" for v in here)
        return "narrow", f"its combiner learns from all votes; {named} vote{'s' * (len(here) == 1)} here"
    return "narrow", "its combiner learns from all votes"


def label_cost(plan: Any, table: Table) -> tuple[int, int, int, int]:
    """(tasks, bytes shuffled, memory of a task, memory here)"""
    from recipec.engines.ray.cost import memory_of

    told = (KEYED + VOTE * len(plan.voters)) * table.rows
    asked = any(v.vote is not None and not v.vote.alone for v in plan.voters)
    # Votes cast here are sent to the shards. What is learned is learned from patterns, of which there are few.
    return 2 * table.shards, told * (2 if asked else 1), memory_of(table.bytes // table.shards), 2 * told if asked else 0


def select_way(plan: Any) -> tuple[Way, str]:
    """(the way of a select step, why it is no better one)"""
    if not type(plan.selector).__module__.startswith("recipec.selectors."):
        return "driver", "a selector that recipec does not know may look at anything"
    return "narrow", "rows are ranked against each other"


def select_cost(plan: Any, table: Table, tables: Mapping[str, Table]) -> tuple[int, int, int, int]:
    """(tasks, bytes shuffled, memory of a task, memory here)"""
    from recipec.engines.ray.cost import memory_of

    looks_at = [v for v in {**vars(plan.selector), **vars(plan.selector.params)}.values() if hasattr(v, "sql")]
    width = KEYED + DECIDED * (1 + len(plan.per))
    read = plan.selector.name != "dsir" and any(v.type == "VARCHAR" or "[" in v.type for v in looks_at)
    # A text or a vector that is looked at moves whole: a table has seldom more than one.
    told = width * table.rows + (table.bytes if read else DECIDED * len(looks_at) * table.rows)
    ranked = (width + 3 * DECIDED) * table.rows
    tasks = 2 * table.shards
    if plan.selector.name == "dsir":
        # Words are counted, of the target too, before texts are weighed.
        target = tables.get(plan.selector.params.target.table.step)
        tasks += table.shards + (target.shards if target is not None else 1)
    return tasks, told + ranked, memory_of(table.bytes // table.shards), 2 * (told + ranked)


def augment_way(plan: Any) -> tuple[Way, str]:
    """(the way of an augment step, why it is no better one)"""
    changes = [a.change for a in plan.applied]
    asking = next((a.title for a in plan.applied if a.change.fill is not None), None)
    if asking is not None:
        return "driver", f"`{asking}` sees all copies at once"
    refusals = [c.refusal for c in changes if c.refusal is not None]
    if any(r.alike is not None for r in refusals):
        return "bands", "copies are compared with all others"
    if plan.compared is not None:
        return "keys", "copies are compared with all others"
    if any(c.partner is not None for c in changes):
        return "narrow", "a copy's partner may be any row"
    if plan.settings.balance is not None:
        return "narrow", "classes are counted over all rows"
    return ("narrow", f'"{refusals[0].reason}" is decided here') if refusals else ("rows", "")


def augment_cost(plan: Any, table: Table) -> tuple[int, int, int, int]:
    """(tasks, bytes shuffled, memory of a task, memory here)"""
    from recipec.engines.ray.cost import memory_of, sketch_bytes

    changes = [a.change for a in plan.applied]
    copies = made_of(plan, table)
    tasks, moved, here, parts = table.shards, 0, 0, table.shards
    if plan.settings.balance is not None or any(c.partner is not None for c in changes):
        tasks += parts
        moved += (KEYED + DECIDED) * table.rows
        here = 2 * (KEYED + DECIDED) * table.rows
    for change in changes:
        if change.partner is not None:
            tasks += parts
            # Where each partner is, and the columns that are read of it.
            moved += 3 * KEYED * copies.rows + copies.bytes
            here = max(here, 6 * KEYED * copies.rows)
        if change.refusal is not None and change.refusal.alike is not None:
            found = sketch_bytes(table, change.refusal.alike.threshold) + sketch_bytes(copies, change.refusal.alike.threshold)
            tasks, moved, here = tasks + 2 * parts, moved + found, max(here, LINKED * (table.rows + copies.rows))
    if plan.compared is not None:
        tasks += 2 * parts + -(-(table.bytes + copies.bytes) // max(table.bytes // parts, 1))
        moved += table.bytes + copies.bytes
    if plan.compared is not None or any(c.refusal is not None for c in changes):
        tasks += parts
        moved += copies.bytes
    return tasks, moved, memory_of((table.bytes + copies.bytes) // parts), here


def made_of(plan: Any, table: Table) -> Table:
    """The copies, as far as they can be known: with ``balance`` as many as there are rows."""
    many = 1 if plan.settings.balance is not None else plan.copies if plan.copies is not None else 4
    return replace(table, rows=table.rows * many, bytes=table.bytes * many)


def mix_cost(plan: Any, inputs: Sequence[Table]) -> tuple[int, int, int, int]:
    """(tasks, bytes shuffled, memory of a task, memory here)"""
    from recipec.engines.ray.cost import memory_of

    rows, shards = sum(t.rows for t in inputs), sum(t.shards for t in inputs)
    each = KEYED + (DECIDED if plan.count is not None else 0)
    told = each * rows
    # What is taken has a key of its own, its original's, its place and which pass it is of.
    taken = (2 * KEYED + 3 * DECIDED) * mixed_rows(plan, rows)
    return 2 * shards, told + taken, memory_of(sum(t.bytes for t in inputs) // max(shards, 1)), 2 * (told + taken)


def mixed_rows(plan: Any, rows: int) -> int:
    """How many rows a mixture has at most."""
    if plan.take is not None and plan.count is None:
        return int(plan.take)
    return int(rows * max((e or 1 for e in plan.epochs), default=1))


__all__ = ["augment_cost", "augment_way", "label_cost", "label_way", "made_of", "mix_cost", "mixed_rows", "select_cost", "select_way"]
