"""The condition of a ``repeat``: ``until score.f1 > 0.9``, ``until gain(score.f1) < 0.2%``.

``step.column`` is the value of that column in the one row of that round's step; ``gain(step.column)`` is what it grew by since
the round before. Everything else is an expression like any other. It is typed when the recipe is checked, and asked
after each round with the values put in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import TYPE_CHECKING

from recipec.api import Schema, quote
from recipec.diagnostics import Findings
from recipec.record import record
from recipec.resolve.bounds import beyond
from recipec.resolve.expand import ExpansionFailed, expand
from recipec.resolve.expr import Lowerer, LoweringFailed
from recipec.resolve.modules import RepeatEntry
from recipec.resolve.problems import UnknownColumn, UnknownStep, WrongForm, WrongType
from recipec.resolve.refusal import explain_refusal, wrong_condition
from recipec.resolve.sql import join
from recipec.resolve.types import is_number, shown
from recipec.resolve.typing import Refused
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.resolve.program import Program


@record(frozen=True)
class Read:
    """A value that a condition reads: a column of a step of the round, or what it gained."""

    step: str
    column: str
    gain: bool
    type: str


@record(frozen=True)
class Until:
    """``sql`` gives the SQL of the condition, for the SQL of each of the values in ``reads``."""

    reads: tuple[Read, ...]
    sql: Callable[[Mapping[Read, str]], str]


def condition(program: Program, repeat: RepeatEntry) -> Until | None:
    """The condition of a loop, typed over its first round; None where it has none, or after reporting."""
    node = repeat.node.until
    if node is None or not repeat.rounds:
        return None
    findings = program.findings
    reads: dict[str, Read] = {}
    highest: dict[str, float] = {}
    known = True

    def read(field: tree.Expr, gain: bool, whole: tree.Expr) -> tree.Expr:
        nonlocal known
        if not isinstance(field, tree.Field) or not isinstance(field.base, tree.Name):
            findings.add(
                WrongForm(span=field.span, message="`until` reads a column of a step of the loop", help=("step.column: score.f1",))
            )
            raise LoweringFailed
        step, column = field.base, field.name
        if step.id not in repeat.rounds[0]:
            problem = UnknownStep(span=step.span, wanted=step.id, candidates=tuple(repeat.rounds[0]))
            problem.suggest(f"no step `{step.id}` in this loop", listing="its steps")
            findings.add(problem)
            raise LoweringFailed
        resolved = program.resolved.get(repeat.rounds[0][step.id])
        schema = resolved.bound.outputs.get("") if resolved is not None else Schema(unknown=True)
        if schema is None:
            findings.add(WrongForm(span=step.span, message=f"`{step.id}` has no table to read"))
            raise LoweringFailed
        known = known and not schema.unknown
        if column.id not in schema.types and not schema.unknown:
            unknown = UnknownColumn(span=column.span, wanted=column.id, candidates=schema.names)
            unknown.suggest(f"no column `{column.id}` in `{step.id}`", listing=f"`{step.id}` has")
            findings.add(unknown)
            raise LoweringFailed
        type = schema.types.get(column.id, "DOUBLE")
        if gain and not is_number(type):
            findings.add(WrongType(span=field.span, message=f"`gain` is of numbers; `{column.id}` is {shown(type)}"))
            raise LoweringFailed
        name = f"__u{len(reads)}"
        # What lies between two scores is at most twice what one can be: some are below zero.
        highest[name] = next((c.most for c in schema.columns if c.name == column.id), inf) * (2 if gain else 1)
        reads[name] = Read(step.id, column.id, gain, "DOUBLE" if gain else type)
        return tree.Name(name, True, span=whole.span)

    def take(n: tree.Expr) -> tree.Expr:
        match n:
            case tree.Call(func=tree.Name(id="gain"), args=(tree.Arg(value=value),)):
                return read(value, True, n)
            case tree.Field(base=tree.Name(id=base)) if base not in repeat.module.imports:
                return read(n, False, n)
            case _:
                return tree.replaced(n, take)

    def lowerer(values: Mapping[str, str], found: Findings) -> Lowerer:
        return Lowerer(values, found, "the loop", lambda: "NULL", macros=tuple(repeat.module.defs))

    try:
        plain = expand(take(node), repeat.module, frozenset(), findings)
        made = lowerer({n: f"NULL::{r.type}" for n, r in reads.items()}, findings)
        fragment = made.lower(plain, free=False)
        if known:
            types = program.typing.types(join("SELECT ", fragment, " AS __x").text, lasting=True)
            if types["__x"] != "BOOLEAN":
                findings.add(wrong_condition(types["__x"], node.span, "`until`"))
                return None
            impossible = list(beyond(plain, lambda n: highest.get(n.id, inf) if isinstance(n, tree.Name) else inf))
            findings.extend(impossible)
            if impossible:
                return None
    except (ExpansionFailed, LoweringFailed):
        return None
    except Refused as problem:
        findings.add(explain_refusal(problem, fragment, len("SELECT "), made, program.typing, plain))
        return None

    def sql(values: Mapping[Read, str]) -> str:
        return lowerer({n: values[r] for n, r in reads.items()}, Findings()).lower(plain, free=False).text

    return Until(tuple(reads.values()), sql)


def value(read: Read, view: str) -> str:
    """SQL that yields the values of a read in a round's table: one row is wanted."""
    return f"SELECT {quote(read.column)} FROM {view} LIMIT 2"
