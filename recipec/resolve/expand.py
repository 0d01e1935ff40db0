"""Macros and parameters out of the way: an expression as it is after every ``def`` and ``param`` has been put in place.

Also the canonical text of an expanded expression, which is what fingerprints see: two expressions have one canonical
text when they say the same, whatever their layout, macro names or parameter names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Protocol, cast

from recipec.api import find_function
from recipec.diagnostics import Findings
from recipec.resolve.problems import AmbiguousName, BadValue, Cycle, TooLarge, WrongArguments
from recipec.resolve.types import TypeProblem, duckdb_type
from recipec.source import Span
from recipec.syntax import tree

LARGEST = 20_000
"""Nodes in one expanded expression."""


class Names(Protocol):
    """Where an expression's names that are not columns are looked up."""

    def param(self, node: tree.Name | tree.Field) -> Any:
        """The value of a parameter; KeyError when there is none of that name."""

    def macro(self, node: tree.Name | tree.Field) -> tuple[tree.Def, Names] | None:
        """A ``def`` and the names that its body sees."""


class ExpansionFailed(Exception):
    """A finding was reported; there is no expression to go on with."""


def expand(node: tree.Expr, names: Names, columns: frozenset[str] | set[str], findings: Findings) -> tree.Expr:
    """``node`` with macros and parameters replaced. Raises ExpansionFailed after reporting."""
    budget = LARGEST
    stack: list[tree.Def] = []

    def fail(problem: Any) -> ExpansionFailed:
        findings.add(problem)
        return ExpansionFailed()

    def go(node: tree.Expr, names: Names, bound: Mapping[str, tree.Expr], local: frozenset[str]) -> tree.Expr:
        nonlocal budget
        budget -= 1
        if budget < 0:
            raise fail(TooLarge(span=node.span, message=f"this expression expands to more than {LARGEST:,} parts"))
        match node:
            case tree.Name(id=name, quoted=quoted):
                if name in local:
                    return node
                if name in bound:
                    return bound[name]
                if not quoted:
                    try:
                        value = names.param(node)
                    except KeyError:
                        return node
                    if name in columns and not stack:
                        raise fail(
                            AmbiguousName(
                                span=node.span,
                                message=f"`{name}` is a column and a parameter",
                                label="which of them?",
                                help=(f"write `` `{name}` `` in backticks for the column, or rename the parameter",),
                            )
                        )
                    return literal_node(value, node.span, fail)
                return node
            case tree.Field(base=tree.Name(id=base), name=member) if base not in local and base not in bound and base not in columns:
                try:
                    return literal_node(names.param(node), node.span, fail)
                except KeyError:
                    return node
            case tree.Call(func=func, args=args):
                macro = names.macro(func)
                new_args = tuple(replace(a, value=go(a.value, names, bound, local)) for a in args)
                if macro is None:
                    return replace(node, args=new_args)
                definition, inner = macro
                if any(d is definition for d in stack):
                    raise fail(
                        Cycle(
                            span=node.span,
                            message=f"`{definition.name.id}` is defined by itself",
                            label="used here again",
                            help=("a `def` is a shorthand: it cannot call itself",),
                        )
                    )
                bindings = match_arguments(definition, new_args, node)
                stack.append(definition)
                try:
                    return go(definition.body, inner, bindings, frozenset())
                finally:
                    stack.pop()
            case tree.Lambda(params=params, body=body):
                return replace(node, body=go(body, names, bound, local | {p.id for p in params}))
            case tree.Cast(value=value):
                return replace(node, value=go(value, names, bound, local))
            case tree.Field(base=base_node):
                return replace(node, base=go(base_node, names, bound, local))
            case tree.StructExpr(items=items):
                return replace(node, items=tuple((k, go(v, names, bound, local)) for k, v in items))
            case tree.Case(subject=subject, branches=branches, default=default):
                return replace(
                    node,
                    subject=None if subject is None else go(subject, names, bound, local),
                    branches=tuple((go(a, names, bound, local), go(b, names, bound, local)) for a, b in branches),
                    default=None if default is None else go(default, names, bound, local),
                )
            case tree.Round():
                return node
            case _:
                changes: dict[str, Any] = {}
                for f in fields(node):
                    value = getattr(node, f.name)
                    if isinstance(value, tree.Node):
                        changes[f.name] = go(cast(tree.Expr, value), names, bound, local)
                    elif isinstance(value, tuple):
                        changes[f.name] = tuple(go(v, names, bound, local) if isinstance(v, tree.Node) else v for v in value)
                return replace(node, **changes) if changes else node

    def match_arguments(definition: tree.Def, args: tuple[tree.Arg, ...], call: tree.Call) -> dict[str, tree.Expr]:
        wanted = [p.id for p in definition.params]
        given: dict[str, tree.Expr] = {}
        for place, arg in enumerate(args):
            name = arg.name.id if arg.name else (wanted[place] if place < len(wanted) else None)
            if name is None or name not in wanted or name in given:
                break
            given[name] = arg.value
        if len(given) != len(args) or set(given) != set(wanted):
            raise fail(
                WrongArguments(
                    span=call.span,
                    message=f"`{definition.name.id}` takes {len(wanted)} argument{'s' * (len(wanted) != 1)}, {len(args)} given",
                    help=(f"it is defined as: def {definition.name.id}({', '.join(wanted)}) = ...",),
                )
            )
        return given

    return go(node, names, {}, frozenset())


def literal_node(value: Any, span: Span, fail: Any = None) -> tree.Expr:
    """A parameter's value as syntax, at the place where it is used."""
    match value:
        case None:
            return tree.Null(span=span)
        case bool():
            return tree.Bool(value, span=span)
        case int() | float():
            return tree.Number(value, span=span)
        case str():
            return tree.String(value, span=span)
        case list() | tuple():
            return tree.ListExpr(tuple(literal_node(v, span, fail) for v in value), span=span)
        case dict():
            return tree.StructExpr(tuple((tree.Name(str(k), span=span), literal_node(v, span, fail)) for k, v in value.items()), span=span)
        case _:
            problem = BadValue(span=span, message="this value cannot stand in an expression")
            raise fail(problem) if fail else TypeError(problem.message)


def canonical(node: tree.Expr) -> str:
    """The canonical text of an expanded expression."""
    match node:
        case tree.String(value=v):
            return _quoted(v)
        case tree.Number(value=v):
            return repr(v)
        case tree.Bool(value=v):
            return "true" if v else "false"
        case tree.Null():
            return "null"
        case tree.Regex(pattern=p, flags=f):
            return f"(regex {_quoted(p)} {''.join(sorted(f))})"
        case tree.Name(id=name):
            return f"`{name}`"
        case tree.Field(base=base, name=name):
            return f"(. {canonical(base)} {name.id})"
        case tree.Round(base=base, number=n):
            return f"{base.id}@{n}"
        case tree.Index(base=base, start=start, stop=stop, slice=is_slice):
            ends = [canonical(x) if x is not None else "_" for x in ((start, stop) if is_slice else (start,))]
            return f"([] {canonical(base)} {' '.join(ends)})"
        case tree.Call(func=func, args=args):
            name = func.id if isinstance(func, tree.Name) else canonical(func)
            known = find_function(name)
            version = f"@{known.version}" if known is not None and known.version > 1 else ""
            parts = [f"{a.name.id}: {canonical(a.value)}" if a.name else canonical(a.value) for a in args]
            return f"({name}{version} {' '.join(parts)})"
        case tree.Arrow(left=left, right=right):
            return f"(=> {canonical(left)} {canonical(right)})"
        case tree.Lambda(params=params, body=body):
            return f"(lambda ({' '.join(p.id for p in params)}) {canonical(body)})"
        case tree.Unary(op=op, operand=operand):
            return f"({op} {canonical(operand)})"
        case tree.Binary(op=op, left=left, right=right):
            return f"({op} {canonical(left)} {canonical(right)})"
        case tree.Between(value=value, low=low, high=high, negated=negated):
            return f"({'not ' * negated}between {canonical(value)} {canonical(low)} {canonical(high)})"
        case tree.IsNull(value=value, negated=negated):
            return f"(is {'not ' * negated}null {canonical(value)})"
        case tree.Case(subject=subject, branches=branches, default=default):
            parts = [f"({canonical(a)} {canonical(b)})" for a, b in branches]
            head = canonical(subject) if subject is not None else "_"
            return f"(case {head} {' '.join(parts)} {canonical(default) if default is not None else '_'})"
        case tree.Cast(value=value, type=type_node, attempt=attempt):
            try:
                type_name = duckdb_type(type_node)
            except TypeProblem:
                type_name = "?"
            return f"({'try_' * attempt}cast {canonical(value)} {type_name})"
        case tree.ListExpr(items=items):
            return f"[{' '.join(map(canonical, items))}]"
        case tree.StructExpr(items=pairs):
            return "{" + " ".join(f"{k.id}: {canonical(v)}" for k, v in pairs) + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
