"""What steps take on a cluster that are decided in one place from a few columns, and carried out in tasks: known before anything runs.

Bytes of a row as they were measured: a key is 16, a number that it is decided by 8, a shard's number 4; a table of them in the memory of the
process that you started takes twice as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from recipec.engines.ray.cost import Table

KEYED: Final = 20
"""Bytes of a row's key and shard."""
DECIDED: Final = 8
"""Bytes of each number that a row is decided by."""


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


__all__ = ["mix_cost"]
