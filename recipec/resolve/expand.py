"""Macros and parameters out of the way: an expression as it is after every ``def`` and ``param`` has been put in place.

Also the canonical text of an expanded expression, which is what fingerprints see: two expressions have one canonical
text when they say the same, whatever their layout, macro names or parameter names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Protocol, cast

from recipec.api import find_function
from recipec.diagnostics import Diagnostic, Findings
from recipec.record import record
from recipec.resolve.gaps import gap, parts_of
from recipec.resolve.problems import AmbiguousName, BadValue, Cycle, TooLarge, WrongArguments
from recipec.resolve.prompts import Prompt, PromptName
from recipec.resolve.prompts import call as prompt_call
from recipec.resolve.types import TypeProblem, duckdb_type
from recipec.resolve.values import BrokenName, EnvText
from recipec.source import Span
from recipec.syntax import tree

LARGEST = 20_000
"""Nodes in one expanded expression."""
DEEPEST = 150
"""Levels of one expanded expression."""


class Names(Protocol):
    """Where an expression's names that are not columns are looked up."""

    def param(self, node: tree.Name | tree.Field) -> Any:
        """The value of a parameter; KeyError when there is none of that name."""

    def param_type(self, node: tree.Name | tree.Field) -> tree.Expr:
        """The declared type of a parameter that there is."""

    def macro(self, node: tree.Name | tree.Field) -> tuple[tree.Def, Names] | None:
        """A ``def`` and the names that its body sees."""

    def prompt(self, node: tree.Name | tree.Field) -> Prompt | None:
        """A checked template."""

    def is_broken(self, node: tree.Name | tree.Field) -> bool:
        """Whether a name is one whose definition is wrong: using it is no second mistake."""


class ExpansionFailed(Exception):
    """A finding was reported; there is no expression to go on with."""


class Exhausted(ExpansionFailed):
    """The expression is too large: nothing more is looked at."""


@record(frozen=True)
class Bound:
    """An argument of a ``def``, expanded: how many nodes and levels putting it in place costs."""

    node: tree.Expr
    size: int
    depth: int
    mentions: frozenset[str]


def expand(node: tree.Expr, names: Names, columns: frozenset[str] | set[str], findings: Findings) -> tree.Expr:
    """``node`` with macros and parameters replaced. Raises ExpansionFailed after reporting all that is wrong."""
    expander = Expander(columns, findings)
    made = expander.go(node, names, {}, frozenset(), 1)
    if expander.gaps:
        raise ExpansionFailed
    return made


def expand_with_gaps(node: tree.Expr, names: Names, columns: frozenset[str] | set[str], findings: Findings) -> tree.Expr:
    """As :func:`expand`, with a :class:`Gap` in the place of what is wrong. Raises ExpansionFailed for an expression too large."""
    return Expander(columns, findings).go(node, names, {}, frozenset(), 1)


class Expander:
    def __init__(self, columns: frozenset[str] | set[str], findings: Findings) -> None:
        self.columns, self.findings = columns, findings
        self.budget = LARGEST
        self.stack: list[tree.Def] = []
        self.renamed = 0
        self.gaps = 0

    def fail(self, problem: Diagnostic) -> ExpansionFailed:
        self.findings.add(problem)
        return ExpansionFailed()

    def spend(self, node: tree.Expr, size: int, depth: int) -> None:
        self.budget -= size
        if self.budget < 0:
            self.fail(TooLarge(span=node.span, message=f"this expression expands to more than {LARGEST:,} parts"))
            raise Exhausted
        if depth > DEEPEST:
            self.fail(TooLarge(span=node.span, message=f"this expression expands to more than {DEEPEST} levels"))
            raise Exhausted

    def go(self, node: tree.Expr, names: Names, bound: Mapping[str, Bound], local: frozenset[str], depth: int) -> tree.Expr:
        """``node`` expanded; what is wrong with it is reported, and a gap stands in its place."""
        self.spend(node, 1, depth)
        try:
            return self.node(node, names, bound, local, depth)
        except Exhausted:
            raise
        except ExpansionFailed:
            self.gaps += 1
            return gap(node)

    def node(self, node: tree.Expr, names: Names, bound: Mapping[str, Bound], local: frozenset[str], depth: int) -> tree.Expr:

        def inside(n: Any) -> Any:
            return self.go(n, names, bound, local, depth + 1)

        match node:
            case tree.Name(id=name):
                if name in local:
                    return node
                if (given := bound.get(name)) is not None:
                    self.spend(node, given.size, depth + given.depth)
                    return given.node
                return self.parameter(node, names)
            case tree.Field(base=tree.Name(id=base)) if base not in local and base not in bound and base not in self.columns:
                if names.is_broken(node):
                    raise ExpansionFailed
                try:
                    return literal_node(names.param(node), node.span, names.param_type(node), self.fail)
                except KeyError:
                    return replace(node, base=inside(node.base))
            case tree.Field(base=base_node):
                return replace(node, base=inside(base_node))
            case tree.Call():
                values = [inside(a.value) for a in node.args]
                args = tuple(a if v is a.value else replace(a, value=v) for a, v in zip(node.args, values, strict=True))
                try:
                    return self.call(node, names, args, depth)
                except Exhausted:
                    raise
                except ExpansionFailed:
                    self.gaps += 1
                    return gap(node, parts_of(replace(node, args=args)))
            case tree.Lambda(params=params, body=body):
                return self.function(node, params, body, names, bound, local, depth)
            case tree.Cast(value=value):
                return replace(node, value=inside(value))
            case tree.StructExpr(items=items):
                return replace(node, items=tuple((k, inside(v)) for k, v in items))
            case tree.Round():
                return node
            case _:
                return cast(tree.Expr, tree.replaced(node, inside))

    def parameter(self, node: tree.Name, names: Names) -> tree.Expr:
        """A name that is no argument: a parameter, or a column."""
        if node.quoted:
            return node
        if names.is_broken(node) and node.id not in self.columns:
            raise ExpansionFailed
        try:
            value = names.param(node)
        except (KeyError, BrokenName):
            return node
        if node.id in self.columns and not self.stack:
            raise self.fail(
                AmbiguousName(
                    span=node.span,
                    message=f"`{node.id}` is a column and a parameter",
                    label="which of them?",
                    help=(f"write `` `{node.id}` `` in backticks for the column, or rename the parameter",),
                )
            )
        return literal_node(value, node.span, names.param_type(node), self.fail)

    def call(self, node: tree.Call, names: Names, args: tuple[tree.Arg, ...], depth: int) -> tree.Expr:
        macro = names.macro(node.func)
        if macro is None:
            if names.is_broken(node.func):
                raise ExpansionFailed
            prompt = names.prompt(node.func)
            if prompt is None:
                return node if all(a is b for a, b in zip(args, node.args, strict=True)) else replace(node, args=args)
            called = prompt_call(node, prompt, args)
            if not isinstance(called, tree.Call):
                raise self.fail(called)
            return called
        definition, inner = macro
        if any(d is definition for d in self.stack):
            raise self.fail(
                Cycle(
                    span=node.span,
                    message=f"`{definition.name.id}` is defined by itself",
                    label="used here again",
                    help=("a `def` is a shorthand: it cannot call itself",),
                )
            )
        bindings = self.match(definition, args, node)
        self.stack.append(definition)
        try:
            return self.go(definition.body, inner, bindings, frozenset(), depth + 1)
        finally:
            self.stack.pop()

    def function(
        self, node: tree.Lambda, params: tuple[tree.Name, ...], body: tree.Expr, names: Names, bound: Mapping[str, Bound],
        local: frozenset[str], depth: int,
    ) -> tree.Expr:  # fmt: skip
        """A lambda in the body of a ``def``. Where an argument speaks of a column that is called like one of the lambda's own
        names, the lambda's name gives way."""
        taken = frozenset[str]().union(*(b.mentions for b in bound.values())) if bound else frozenset[str]()
        fresh: dict[str, Bound] = {}
        made: list[tree.Name] = []
        for p in params:
            if p.id in taken:
                self.renamed += 1
                other = tree.Name(f"{p.id}'{self.renamed}", True, span=p.span)
                fresh[p.id] = Bound(other, 1, 1, frozenset({other.id}))
                made.append(other)
            else:
                made.append(p)
        hidden = {k: v for k, v in bound.items() if k not in {p.id for p in params}} | fresh
        kept = local | {p.id for p in params if p.id not in fresh} | {n.id for n in made}
        return replace(node, params=tuple(made), body=self.go(body, names, hidden, kept - fresh.keys(), depth + 1))

    def match(self, definition: tree.Def, args: tuple[tree.Arg, ...], call: tree.Call) -> dict[str, Bound]:
        wanted = [p.id for p in definition.params]
        form = f"it is defined as: def {definition.name.id}({', '.join(wanted)}) = ..."

        def wrong(span: Span, message: str) -> ExpansionFailed:
            return self.fail(WrongArguments(span=span, message=message, help=(form,)))

        given: dict[str, Bound] = {}
        for place, arg in enumerate(args):
            name = arg.name.id if arg.name else (wanted[place] if place < len(wanted) else None)
            if name is None:
                break
            if name not in wanted:
                raise wrong(arg.span, f"`{definition.name.id}` has no argument `{name}`")
            if name in given:
                raise wrong(arg.span, f"`{name}` is given twice")
            size, depth = measure(arg.value)
            mentions = frozenset(n.id for n in tree.walk(arg.value) if isinstance(n, tree.Name))
            given[name] = Bound(arg.value, size, depth, mentions)
        if len(args) != len(wanted) or len(given) < len(wanted):
            raise wrong(call.span, f"`{definition.name.id}` takes {len(wanted)} argument{'s' * (len(wanted) != 1)}, {len(args)} given")
        return given


def measure(node: tree.Node) -> tuple[int, int]:
    """Nodes and levels of an expression."""
    size = deepest = 0
    stack: list[tuple[tree.Node, int]] = [(node, 1)]
    while stack:
        top, depth = stack.pop()
        size, deepest = size + 1, max(deepest, depth)
        stack += [(child, depth + 1) for child in tree.children(top)]
    return size, deepest


PLAIN = frozenset({"VARCHAR", "BIGINT", "BOOLEAN", "DOUBLE", "VARCHAR[]", "BIGINT[]"})
"""Types that a literal has by itself."""


def literal_node(value: Any, span: Span, type: tree.Expr, fail: Callable[[Diagnostic], Exception]) -> tree.Expr:
    """A parameter's value as syntax, of its declared type, at the place where it is used."""
    made = untyped(value, span, fail)
    if duckdb_type(type) in PLAIN and value is not None and value != []:
        return made
    return tree.Cast(made, type, span=span)


def untyped(value: Any, span: Span, fail: Callable[[Diagnostic], Exception]) -> tree.Expr:
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
            return tree.ListExpr(tuple(untyped(v, span, fail) for v in value), span=span)
        case dict():
            return tree.StructExpr(tuple((tree.Name(str(k), span=span), untyped(v, span, fail)) for k, v in value.items()), span=span)
        case _:
            raise fail(BadValue(span=span, message="this value cannot stand in an expression"))


def canonical(node: tree.Expr) -> str:
    """The canonical text of an expanded expression."""
    match node:
        case tree.String(value=v):
            if isinstance(v, EnvText):
                # What it says decides the result, and may be a secret: a digest stands for it.
                return f"(env {v.variable} {blake2b(v.encode(), digest_size=8).hexdigest()})"
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
        case tree.Call(func=PromptName(prompt=prompt), args=args):
            return f"(template {prompt.digest} {' '.join(canonical(a.value) for a in args)})"
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
