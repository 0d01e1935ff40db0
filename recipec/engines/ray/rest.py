"""Which way exports, functions and queries go, and what they cost; known before anything runs, and without Ray."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recipec.engines.ray.cost import Table
    from recipec.engines.ray.ways import Way
    from recipec.resolve.program import ResolvedStep


def export_way(plan: Any) -> tuple[Way, str]:
    """Files that follow from their rows alone are written side by side, where there are several of each part."""
    if plan.model is not None:
        return "driver", "a model's folder is copied"
    if not plan.format.by_file:
        return "driver", f"the files of `{plan.format.name}` follow from all rows together"
    if plan.shards == 1:
        return "driver", "a file is written in order, from its start to its end; `shards` makes several of it"
    return "narrow", "keys say in which file a row is"


def export_cost(step: ResolvedStep, tables: Mapping[str, Table]) -> tuple[int, int, int, int]:
    """(tasks, bytes shuffled, memory of a task, memory here)"""
    from recipec.engines.ray.cost import MOST_FILES, ROW_OF_SPLIT, memory_of

    plan = step.bound.plan
    tasks = shuffled = greatest = here = 0
    for name in {ref.step for _, ref in plan.parts}:
        table = tables[name]
        parts = [ref for _, ref in plan.parts if ref.step == name]
        many = table.shards * plan.shards > MOST_FILES
        cut = min(table.rows, plan.shards) > 1
        tasks += len(parts) * (plan.shards + (table.shards if cut else 0))
        shuffled += table.bytes * (1 + many) if cut else 0
        greatest = max(greatest, table.bytes // len(parts) // plan.shards, table.bytes // table.shards)
        here = max(here, table.rows * ROW_OF_SPLIT)
    return tasks, shuffled, memory_of(greatest), here


def run_size(rows: int, batch: int, shards: int) -> int:
    """Rows of a task that asks a function about batches: so many whole ones that there are about as many tasks as shards."""
    return batch * max(1, -(-rows // (max(shards, 1) * batch)))


def function_cost(plan: Any, table: Table) -> tuple[int, int, int, int]:
    """Of a ``python`` step: (tasks, bytes shuffled, memory of a task, memory here)"""
    from recipec.engines.ray.cost import MOST_FILES, ROW_OF_SPLIT, SHARD, memory_of

    runs = -(-table.rows // run_size(table.rows, plan.batch, max(table.shards, -(-table.bytes // SHARD))))
    moved = table.bytes * (1 + (table.shards * runs > MOST_FILES)) if runs > 1 else 0
    tasks = runs + (table.shards if runs > 1 else 0)
    return tasks, moved, memory_of(table.bytes // max(runs, 1)), table.rows * ROW_OF_SPLIT


__all__ = ["export_cost", "export_way", "function_cost", "run_size"]
