"""When a ``repeat`` stops: its condition, asked after each round of the round's own tables.

When it holds after a round, the later rounds' steps stand for that round's. See :mod:`recipec.resolve.loops`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recipec.api import DataError
from recipec.resolve.loops import Read, Until, value
from recipec.resolve.modules import RepeatEntry
from recipec.resolve.program import ResolvedStep
from recipec.workspace.database import Built, Workspace

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Skipped:
    step: str
    why: str


def round_to_skip(step: ResolvedStep, outputs: dict[str, Built], con: duckdb.DuckDBPyConnection) -> Skipped | None:
    """The earlier round's step that this one stands for, when its loop has stopped before it. Raises DataError for a table
    that does not have the one row that the condition reads."""
    entry = step.entry
    repeat = entry.repeat
    if repeat is None or entry.round is None or repeat.until is None:
        return None
    for number in range(1, entry.round):
        made = repeat.rounds[number - 1]
        if not all(n in outputs for n in made.values()):
            return None
        if holds(repeat, repeat.until, number, outputs, con):
            return Skipped(made[entry.node.name.id], f"`until` held after round {number}")
    return None


def holds(repeat: RepeatEntry, until: Until, number: int, outputs: dict[str, Built], con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the condition holds after a round. In the first round there is no gain, so nothing is known of it."""
    values: dict[Read, str] = {}
    for read in until.reads:
        now = cell(read, repeat, number, outputs, con)
        if not read.gain:
            values[read] = now
        elif number == 1:
            values[read] = "NULL::DOUBLE"
        else:
            values[read] = f"({now} - {cell(read, repeat, number - 1, outputs, con)})"
    row = con.execute(f"SELECT coalesce(({until.sql(values)}), false)").fetchone()
    return bool(row and row[0])


def cell(read: Read, repeat: RepeatEntry, number: int, outputs: dict[str, Built], con: duckdb.DuckDBPyConnection) -> str:
    """SQL for the value of a column in the one row of a round's table."""
    query = value(read, Workspace.view(outputs[repeat.rounds[number - 1][read.step]].run_key))
    rows = len(con.execute(query).fetchall())
    if rows != 1:
        what = "no row" if not rows else "several rows"
        raise DataError(
            f"`until` reads `{read.step}.{read.column}`, but `{read.step}` has {what} in round {number}",
            "the step must give one row: an aggregate in a `sql` step does",
        )
    return f"({query})"
