"""Which way exports go and what they cost; known before anything runs, and without Ray."""

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


__all__ = ["export_cost", "export_way"]
