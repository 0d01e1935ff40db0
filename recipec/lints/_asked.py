"""What tests ask of the parts of a split: the recipe's own words for what must not happen."""

from __future__ import annotations

from collections.abc import Iterator

from recipec.diagnostics import Findings
from recipec.lints._view import View
from recipec.record import record
from recipec.resolve.expand import ExpansionFailed, expand
from recipec.resolve.program import ResolvedStep
from recipec.syntax import tree


@record(frozen=True)
class Asked:
    """Two columns of parts of one split that a test compares, holding one value."""

    test: tree.Expect
    split: ResolvedStep
    parts: tuple[str, str]
    column: str
    value: int


def conditions(view: View) -> Iterator[tuple[ResolvedStep, tree.Expect, tree.Binary]]:
    """Every comparison that must hold for a test across tables to pass, its ``def`` and ``param`` put in place."""
    for step, test in view.tests:
        try:
            stack: list[tree.Expr] = [expand(test.condition, step.entry.module, frozenset(), Findings())]
        except ExpansionFailed:
            continue
        while stack:
            node = stack.pop()
            if isinstance(node, tree.Binary) and node.op == "and":
                stack += [node.right, node.left]
            elif isinstance(node, tree.Binary):
                yield step, test, node


def pair(view: View, step: ResolvedStep, test: tree.Expect, left: tree.Expr, right: tree.Expr) -> Asked | None:
    """``final.train.x`` and ``final.test.x``, or columns of steps below them that hold the same value."""
    if not isinstance(left, tree.Field) or not isinstance(right, tree.Field):
        return None
    one, two = view.ref(left.base, step), view.ref(right.base, step)
    if one is None or two is None:
        return None
    a, b = view.tables.made.get(str(one)), view.tables.made.get(str(two))
    if a is None or b is None:
        return None
    value = a.columns.get(left.name.id, -1)
    if value < 0 or value != b.columns.get(right.name.id, -2):
        return None
    for name, part in sorted(a.parts):
        other = [p for n, p in sorted(b.parts) if n == name]
        if other and part not in other:
            return Asked(test, view.by_name[name], (part, other[0]), right.name.id, value)
    return None


def called(node: tree.Expr, name: str, count: int) -> list[tree.Expr] | None:
    """The arguments of a call of a function by its name."""
    if isinstance(node, tree.Call) and isinstance(node.func, tree.Name) and node.func.id == name and len(node.args) == count:
        return [a.value for a in node.args]
    return None


def is_number(node: tree.Expr, value: int) -> bool:
    return isinstance(node, tree.Number) and node.value == value
