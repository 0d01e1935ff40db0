"""What is wrong in one expression, all of it: a part whose mistake has been told becomes a gap, and the rest is looked at.

DuckDB's binder stops at the first thing that it refuses, and a name that means nothing has no type. So each mistake, once
told, is replaced by a :class:`Gap`, which the binder takes for a null: that goes anywhere. What it refuses then is a mistake
of its own, unless a gap is part of it; then it may only follow from the first, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import field
from typing import Any, ClassVar, cast

from recipec.diagnostics import Diagnostic
from recipec.record import record
from recipec.resolve.problems import UnknownFunction
from recipec.source import Span
from recipec.syntax import tree

MOST = 12
"""Mistakes of one expression that the binder is asked for, one after another."""


@record(frozen=True, eq=False, repr=False)
class Gap(tree.Name):
    """Stands for a part whose mistake is told. Its own ``parts`` are still looked at."""

    parts: tuple[tree.Expr, ...] = field(default=(), kw_only=True)
    made: ClassVar[bool] = False
    """Whether this process has made any: of a recipe without mistakes there are none, and they are looked for everywhere."""


def gap(node: tree.Node, parts: Iterable[tree.Expr] = ()) -> Gap:
    Gap.made = True
    return Gap("", True, span=node.span, parts=tuple(parts))


def parts_of(node: tree.Expr) -> tuple[tree.Expr, ...]:
    """The parts that are values of their own, whatever is wrong with the whole."""
    match node:
        case tree.Call(args=args):
            return tuple(a.value for a in args if not isinstance(a.value, (tree.Lambda, tree.Arrow)))
        case tree.Binary(left=left, right=right):
            return left, right
        case tree.Between(value=value, low=low, high=high):
            return value, low, high
        case tree.Cast(value=value) | tree.Unary(operand=value):
            return (value,)
        case tree.ListExpr(items=items):
            return items
        case tree.StructExpr(items=pairs):
            return tuple(v for _, v in pairs)
        case tree.Case(subject=subject, branches=branches, default=default):
            ends = [e for e in (subject, default) if e is not None]
            return (*ends, *(e for branch in branches for e in branch))
        case _:
            return ()


def with_gaps(node: tree.Expr, guilty: Collection[int], columns: Collection[str] = ()) -> tree.Expr:
    """``node`` with the nodes of these ``id()`` as gaps, and the columns of these names."""

    def go(n: Any) -> Any:
        if id(n) in guilty:
            return gap(n, [cast(tree.Expr, go(p)) for p in parts_of(n)])
        if isinstance(n, tree.Name):
            return gap(n) if n.id in columns and n.id else n
        if isinstance(n, tree.Field):
            base = go(n.base)
            return gap(n) if isinstance(base, Gap) else tree.replaced(n, lambda c: base if c is n.base else c)
        if isinstance(n, tree.Arg):
            return tree.replaced(n, lambda c: go(c) if c is n.value else c)
        if isinstance(n, tree.Call):
            return tree.replaced(n, lambda c: go(c) if isinstance(c, tree.Arg) else c)
        if isinstance(n, tree.Cast):
            return tree.replaced(n, lambda c: go(c) if c is n.value else c)
        if isinstance(n, tree.Lambda):
            own = {p.id for p in n.params}
            return tree.replaced(n, lambda c: with_gaps(c, guilty, [x for x in columns if x not in own]) if c is n.body else c)
        if isinstance(n, tree.StructExpr):
            return tree.replaced(n, lambda c: go(c) if any(c is v for _, v in n.items) else c)
        return tree.replaced(n, go)

    return cast(tree.Expr, go(node))


def has_gap(node: tree.Node) -> bool:
    return Gap.made and any(isinstance(n, Gap) for n in tree.walk(node))


def holder(node: tree.Expr, span: Span) -> tree.Expr:
    """The innermost part of ``node`` that a finding at ``span`` is about."""
    found: tree.Expr = node
    for n in tree.walk(node):
        inside = n.span.source is span.source and n.span.start <= span.start and span.end <= n.span.end
        names = isinstance(n, tree.Name) and (n.span.start, n.span.end) != (span.start, span.end)
        if inside and not isinstance(n, tree.Arg) and not names:
            found = cast(tree.Expr, n)
    # A call is refused at its function's name; the name by itself is no value.
    for n in tree.walk(node):
        if isinstance(n, tree.Call) and any(f is found for f in tree.walk(n.func)):
            return n
    return found


def explore(node: tree.Expr, attempt: Callable[[tree.Expr], list[Diagnostic]], report: Callable[[Diagnostic], None]) -> bool:
    """Report all that ``attempt`` finds wrong with ``node``, which may have gaps; whether it found nothing at all."""
    sound = True
    for _ in range(MOST):
        found = attempt(node)
        if not found:
            return sound
        sound = False
        guilty: dict[int, tree.Expr] = {}
        for problem in found:
            part = holder(node, problem.span)
            if not has_gap(part) or isinstance(problem, UnknownFunction):  # whatever it is called with, there is none
                report(problem)
            guilty[id(part)] = part
        if any(isinstance(part, Gap) for part in guilty.values()):
            return False
        node = with_gaps(node, guilty.keys())
    return False
