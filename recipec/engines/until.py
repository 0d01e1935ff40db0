"""When a ``repeat`` stops: its condition, read after each round from the round's own tables.

``score.f1`` in ``until`` is the value of column ``f1`` in the one row of that round's ``score``; ``gain(score.f1)`` is what
it grew by since the round before (in the first round there is no gain, so the loop goes on). When the condition holds after
a round, the later rounds' steps stand for that round's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recipec.api import DataError, literal, quote
from recipec.resolve.modules import RepeatEntry
from recipec.resolve.program import Program, ResolvedStep
from recipec.syntax import tree
from recipec.workspace.database import Built, Workspace

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Skipped:
    step: str
    why: str


def round_to_skip(program: Program, step: ResolvedStep, outputs: dict[str, Built], con: duckdb.DuckDBPyConnection) -> Skipped | None:
    """The earlier round's step that this one stands for, when its loop has stopped before it."""
    entry = step.entry
    repeat = entry.repeat
    if repeat is None or entry.round is None or repeat.node.until is None or entry.round == 1:
        return None
    local = entry.node.name.id
    for number in range(1, entry.round):
        made = repeat.rounds[number - 1]
        if not all(n in outputs for n in made.values()):
            return None
        if holds(repeat, number, outputs, con):
            return Skipped(made[local], f"`until` held after round {number}")
    return None


def holds(repeat: RepeatEntry, number: int, outputs: dict[str, Built], con: duckdb.DuckDBPyConnection) -> bool:
    assert repeat.node.until is not None
    sql = lower(repeat.node.until, repeat, number, outputs, con)
    row = con.execute(f"SELECT coalesce(({sql}), false)").fetchone()
    return bool(row and row[0])


def value(node: tree.Field, repeat: RepeatEntry, number: int, outputs: dict[str, Built], con: duckdb.DuckDBPyConnection) -> Any:
    if not isinstance(node.base, tree.Name) or node.base.id not in repeat.rounds[number - 1]:
        raise DataError(f"`until` reads `{node.span.text}`, which no step of the loop makes", "write STEP.COLUMN of a step inside the loop")
    built = outputs[repeat.rounds[number - 1][node.base.id]]
    rows = con.execute(f"SELECT {quote(node.name.id)} FROM {Workspace.view(built.run_key)} LIMIT 2").fetchall()
    if len(rows) != 1:
        raise DataError(f"`until` reads `{node.span.text}`, but `{node.base.id}` has {'no row' if not rows else 'several rows'}")
    return rows[0][0]


def lower(node: tree.Expr, repeat: RepeatEntry, number: int, outputs: dict[str, Built], con: duckdb.DuckDBPyConnection) -> str:
    def go(n: tree.Expr) -> str:
        match n:
            case tree.Call(func=tree.Name(id="gain"), args=(tree.Arg(value=tree.Field() as what),)):
                if number == 1:
                    return "NULL::DOUBLE"
                now = value(what, repeat, number, outputs, con)
                before = value(what, repeat, number - 1, outputs, con)
                return f"({literal(now)} - {literal(before)})"
            case tree.Field():
                return literal(value(n, repeat, number, outputs, con))
            case tree.Number() | tree.Bool() | tree.String():
                return literal(n.value)
            case tree.Unary(op="not", operand=operand):
                return f"(NOT {go(operand)})"
            case tree.Unary(op=op, operand=operand):
                return f"({op}{go(operand)})"
            case tree.Binary(op=op, left=left, right=right) if op in _OPERATORS:
                return f"({go(left)} {_OPERATORS[op]} {go(right)})"
            case _:
                raise DataError(f"`until` cannot use `{n.span.text}`", "compare STEP.COLUMN or gain(STEP.COLUMN) with a number")

    return go(node)


_OPERATORS = {"and": "AND", "or": "OR", "==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "+": "+", "-": "-", "*": "*", "/": "/"}

__all__ = ["Program", "Skipped", "round_to_skip"]
