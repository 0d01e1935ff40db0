"""Lowering: an expanded expression to DuckDB SQL, name by name.

SQL's own semantics (three-valued logic, one-based lists) with Python's habits (``==``, ``in [..]``, ``and``).
``random()`` is a function of the recipe's seed and the row's key. Every piece of SQL carries the span it came from, so
that what the binder refuses can be shown in the recipe.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import field
from typing import Any, cast

from recipec.api import HIDDEN, REQUIRED, SQL, Function, Parameter, find_function, literal, quote
from recipec.diagnostics import Findings, nearest, replace_fix
from recipec.record import record
from recipec.registry import names as registry_names
from recipec.resolve import volatile
from recipec.resolve.gaps import Gap, has_gap, parts_of
from recipec.resolve.problems import (
    BadRegex,
    BadValue,
    NotReproducible,
    UnknownColumn,
    UnknownFunction,
    WrongArguments,
    WrongForm,
    WrongType,
)
from recipec.resolve.prompts import Prompt, prompt_of
from recipec.resolve.sql import Fragment, join
from recipec.resolve.types import TypeProblem, duckdb_type, form, shown
from recipec.resolve.values import NotAConstant, constant
from recipec.settings import validate
from recipec.source import Span
from recipec.syntax import tree

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

_CONDITIONS = frozenset(
    {"or", "and", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "like", "not like", "ilike", "not ilike", "matches", "not matches"}
)
_LAZY = frozenset({"if", "coalesce", "ifnull", "nullif", "try", "list_transform", "list_filter", "list_reduce", "apply", "filter"})
"""Functions that may leave an argument uncomputed, or compute it many times: nothing inside is computed ahead."""

_BINARY = {"or": "OR", "and": "AND", "==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "+": "+", "-": "-", "*": "*",
           "/": "/", "//": "//", "%": "%", "**": "**", "||": "||", "like": "LIKE", "not like": "NOT LIKE", "ilike": "ILIKE",
           "not ilike": "NOT ILIKE"}  # fmt: skip


class LoweringFailed(Exception):
    """A finding was reported; there is no SQL to go on with."""


@record(frozen=True)
class Probe:
    """A piece of an expression and the type that it must have, where DuckDB would take others too: an argument of one of
    recipec's own functions, a condition. ``what`` needs it, in words."""

    fragment: Fragment
    expected: str
    what: str
    span: Span


@record(frozen=True)
class Pair:
    """Two sides that are compared: each the number of a probe, or for a literal the family of its type. DuckDB would cast
    one of them and fail at the first row that does not convert."""

    left: int | str
    right: int | str
    span: Span


def evident(node: tree.Expr) -> bool:
    """Whether an expression is true or false by its form."""
    return isinstance(node, (tree.Bool, tree.IsNull, tree.Between)) or (
        (isinstance(node, tree.Binary) and node.op in _CONDITIONS) or (isinstance(node, tree.Unary) and node.op == "not")
    )


@record
class Lowerer:
    """Lowers the expressions of one step over the columns in scope.

    ``columns`` maps a column to the SQL that stands for it now. ``hoist`` (optional) gives a computed value a name of its
    own, one level below, and returns the reference: used for arguments that a function's body writes twice, and for the
    results of recipec's own functions, so that no text is measured twice.
    """

    columns: Mapping[str, str]
    findings: Findings
    table: str
    random: Callable[[], str]
    hoist: Callable[[Fragment], str] | None = None
    unknown: bool = False
    """The columns of the source are not known: any name may be one."""
    macros: Collection[str] = ()
    """Names of the ``def`` items in sight, for suggestions."""
    templates: Collection[str] = ()
    """Names of templates in sight."""
    steps: Collection[str] = ()
    """Names of steps, to say what is wrong with ``step.column`` where columns stand alone."""
    params: Collection[str] = ()
    """Names of parameters in sight, for suggestions."""
    members: Mapping[str, Collection[str]] = field(default_factory=dict)
    """The parameters of each import."""
    later: Collection[str] = ()
    """Columns that the step makes in statements further down."""
    used: set[str] = field(default_factory=set)
    probes: list[Probe] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    own: set[str] = field(default_factory=set)
    """Names of recipec's own functions that were lowered."""
    gaps: list[tree.Expr] = field(default_factory=list)
    """Parts that could not be lowered."""
    inside: bool = False
    entered: set[int] = field(default_factory=set)
    """Parts that were looked at, by ``id()``."""

    def fail(self, problem: Any) -> LoweringFailed:
        self.findings.add(problem)
        return LoweringFailed()

    def lower(self, node: tree.Expr, local: frozenset[str] = frozenset(), free: bool = True) -> Fragment:
        """SQL for ``node``. ``free`` while nothing above it is conditional, so that values may be hoisted.

        Everything that is wrong is reported, in whatever part; then LoweringFailed is raised, and ``gaps`` are the parts.
        """
        if self.inside:
            return self.part(node, local, free)
        self.inside = True
        try:
            made = self.part(node, local, free)
        finally:
            self.inside = False
        if self.gaps:
            raise LoweringFailed
        return made

    def part(self, node: tree.Expr, local: frozenset[str], free: bool) -> Fragment:
        """SQL for a part; NULL where it has none. The parts of a wrong one are looked at all the same."""
        self.entered.add(id(node))
        try:
            return self.sql(node, local, free)
        except LoweringFailed:
            self.gaps.append(node)
            own = find_function(node.func.id) if isinstance(node, tree.Call) and isinstance(node.func, tree.Name) else None
            rows = None if own is None else row_arguments(own, cast(tree.Call, node))
            for inner in parts_of(node):
                if id(inner) not in self.entered and (rows is None or any(inner is r for r in rows)):
                    self.part(inner, local, False)
            return join("NULL", span=node.span)

    def sql(self, node: tree.Expr, local: frozenset[str], free: bool) -> Fragment:
        span = node.span

        def go(n: tree.Expr) -> Fragment:
            return self.lower(n, local, free)

        def inner(n: tree.Expr) -> Fragment:
            return self.lower(n, local, False)

        match node:
            case Gap(parts=held):
                told = [join("(", inner(p), ") IS NULL") for p in held]
                held_null = [piece for n, p in enumerate(told) for piece in ((" OR ", p) if n else (p,))]
                return join("CASE WHEN ", *held_null, " THEN NULL END", span=span) if told else join("NULL", span=span)
            case tree.String(value=v):
                return join(literal(v), span=span)
            case tree.Number(value=v):
                return join(literal(v), span=span)
            case tree.Bool(value=v):
                return join("true" if v else "false", span=span)
            case tree.Null():
                return join("NULL", span=span)
            case tree.Regex():
                return join(literal(self.regex(node)), span=span)
            case tree.Name():
                return self.name(node, local)
            case tree.Field(base=base, name=name):
                if isinstance(base, tree.Name) and not isinstance(base, Gap) and base.id not in local and base.id not in self.columns:
                    if base.id in self.members:
                        raise self.fail(self.unknown_member(node))
                    if not self.unknown:
                        raise self.fail(self.column_of_step(node) if base.id in self.steps else self.unknown_column(base))
                return join("struct_extract(", go(base), f", {literal(name.id)})", span=span)
            case tree.Round():
                raise self.fail(WrongForm(span=span, message="a step cannot stand in an expression"))
            case tree.Index(base=base, start=start, stop=stop, slice=is_slice):
                first = go(start) if start is not None else ""
                last = go(stop) if stop is not None else ""
                return join("(", go(base), ")[", first, *((":", last) if is_slice else ()), "]", span=span)
            case tree.Call():
                return self.call(node, local, free)
            case tree.Arrow():
                raise self.fail(WrongForm(span=span, message="`=>` cannot stand here", help=("it pairs names: rename(old => new)",)))
            case tree.Lambda(params=params, body=body):
                names = frozenset(p.id for p in params)
                listed = ", ".join(quote(p.id) for p in params)
                return join(f"lambda {listed}: ", self.lower(body, local | names, False), span=span)
            case tree.Unary(op="not", operand=operand):
                return join("(NOT ", self.condition(operand, go(operand), "`not`", local), ")", span=span)
            case tree.Unary(op=op, operand=operand):
                return join(f"({op}", go(operand), ")", span=span)
            case tree.Binary(op="and" | "or" as op, left=left, right=right):
                sides = [self.condition(n, go(n), f"`{op}`", local) for n in (left, right)]
                return join("(", sides[0], f" {op.upper()} ", sides[1], ")", span=span)
            case tree.Binary():
                return self.binary(node, go, local)
            case tree.Between(value=value, low=low, high=high, negated=negated):
                middle, least, most = go(value), go(low), go(high)
                if not local:
                    for bound, fragment in ((low, least), (high, most)):
                        self.compared(value, bound, (middle, fragment), bound.span)
                return join("(", middle, " NOT" * negated + " BETWEEN ", least, " AND ", most, ")", span=span)
            case tree.IsNull(value=value, negated=negated):
                return join("(", go(value), " IS NOT NULL)" if negated else " IS NULL)", span=span)
            case tree.Case(subject=subject, branches=branches, default=default):
                parts: list[str | Fragment] = ["CASE "]
                if subject is not None:
                    parts += [inner(subject), " "]
                for condition, result in branches:
                    test = inner(condition) if subject is not None else self.condition(condition, inner(condition), "`when`", local)
                    parts += ["WHEN ", test, " THEN ", inner(result), " "]
                if default is not None:
                    parts += ["ELSE ", inner(default), " "]
                return join(*parts, "END", span=span)
            case tree.Cast(value=value, type=type_node, attempt=attempt):
                try:
                    type_name = duckdb_type(type_node)
                except TypeProblem as problem:
                    raise self.fail(problem.diagnostic) from None
                return join("TRY_CAST(" if attempt else "CAST(", go(value), f" AS {type_name})", span=span)
            case tree.ListExpr(items=items):
                return join("[", *self.commas(map(go, items)), "]", span=span)
            case tree.StructExpr(items=pairs):
                if not pairs:
                    raise self.fail(WrongForm(span=span, message="an empty struct has no type"))
                for place, (key, _) in enumerate(pairs):
                    if any(key.id == k.id for k, _ in pairs[:place]):
                        raise self.fail(
                            WrongArguments(span=key.span, message=f"a struct has one field `{key.id}`", help=("rename one of them",))
                        )
                listed_pairs = [join(f"{literal(k.id)}: ", go(v)) for k, v in pairs]
                return join("{", *self.commas(listed_pairs), "}", span=span)

    def condition(self, node: tree.Expr, fragment: Fragment, what: str, local: frozenset[str]) -> Fragment:
        """``fragment``, of which the typing must find that it is true or false: DuckDB would cast a text or a list."""
        if not evident(node) and not isinstance(node, tree.Null) and not local:
            self.probes.append(Probe(fragment, "BOOLEAN", f"{what} needs a condition, true or false", node.span))
        return fragment

    def compared(self, left: tree.Expr, right: tree.Expr, sides: tuple[Fragment, Fragment], span: Span) -> None:
        """Note a comparison, so that the typing can say when a text is compared with a number."""
        if has_gap(left) or has_gap(right):
            return
        places: list[int | str] = []
        for node, fragment in zip((left, right), sides, strict=True):
            if isinstance(node, (tree.String, tree.Number, tree.Bool, tree.Null)):
                places.append(family_of_literal(node))
            else:
                places.append(len(self.probes))
                self.probes.append(Probe(fragment, "ANY", "", span))
        if not all(isinstance(p, str) for p in places):
            self.pairs.append(Pair(places[0], places[1], span))

    def column_of_step(self, node: tree.Field) -> UnknownColumn:
        """``step.column`` where a column stands alone."""
        assert isinstance(node.base, tree.Name)
        step, column = node.base.id, node.name.id
        problem = UnknownColumn(span=node.base.span, wanted=step)
        problem.put(
            message=f"no column `{step}` in {self.table}: `{step}` is a step",
            label=f"write `{column}` alone" if column in self.columns else "",
            help=("a step sees the columns of its input, by their names alone; `sql` and `expect` read other tables",),
            fixes=(replace_fix(node.span, column),) if column in self.columns else (),
        )
        return problem

    def unknown_member(self, node: tree.Field) -> UnknownColumn:
        """``common.lest``: nothing of that name in the file imported."""
        assert isinstance(node.base, tree.Name)
        alias, known = node.base.id, self.members[node.base.id]
        problem = UnknownColumn(span=node.name.span, wanted=node.name.id, candidates=tuple(known))
        problem.suggest(f"the import `{alias}` has no parameter `{node.name.id}`", listing="its parameters")
        if not known:
            problem.put(help=("it has none; steps are read as inputs, and a `def` or a template is called",))
        return problem

    @staticmethod
    def commas(items: Iterable[Fragment]) -> list[str | Fragment]:
        out: list[str | Fragment] = []
        for item in items:
            out += [", ", item] if out else [item]
        return out

    def unknown_column(self, node: tree.Name) -> UnknownColumn:
        visible = tuple(c for c in self.columns if c not in HIDDEN)
        problem = UnknownColumn(span=node.span, wanted=node.id, candidates=visible)
        if node.id in self.macros or node.id in self.templates:
            what = "`def`" if node.id in self.macros else "template"
            problem.put(message=f"`{node.id}` is a {what}, not a column", label=f"write `{node.id}(...)`")
            return problem
        problem.suggest(f"no column `{node.id}` in {self.table}", listing=f"{self.table} has")
        if node.id in self.later:
            problem.put(
                label="made further down",
                help=(f"statements are done in order: put `{node.id} = ...` before this", *problem.help),
                fixes=(),
            )
        elif not problem.fixes and (guess := nearest(node.id, self.params)) is not None:
            problem.put(label=f"did you mean the parameter `{guess}`?", fixes=(replace_fix(node.span, guess, safe=False),))
        return problem

    def name(self, node: tree.Name, local: frozenset[str]) -> Fragment:
        if node.id in local:
            return join(quote(node.id), span=node.span)
        if node.id in self.columns:
            self.used.add(node.id)
            return join(self.columns[node.id], span=node.span)
        if self.unknown:
            self.used.add(node.id)
            return join("NULL", span=node.span)
        raise self.fail(self.unknown_column(node))

    def regex(self, node: tree.Regex) -> str:
        bad = set(node.flags) - set("ims")
        if bad:
            help = ["flags: i (either case), m (^ and $ at every line), s (. takes newlines)"]
            if "g" in bad:
                help.insert(
                    0, "without `g`: `matches` looks for one place; regexp_replace(text, pattern, new, 'g') replaces all".replace("'", '"')
                )
            fixes = (
                (replace_fix(node.span, node.span.text[: -len(node.flags)] + node.flags.replace("g", ""), "leave `g` out"),)
                if bad == {"g"}
                else ()
            )
            raise self.fail(
                BadRegex(span=node.span, message=f"regular expressions have no flag `{min(bad)}`", help=tuple(help), fixes=fixes)
            )
        flags = "".join(sorted(set(node.flags)))
        return f"(?{flags}){node.pattern}" if flags else node.pattern

    def binary(self, node: tree.Binary, go: Callable[[tree.Expr], Fragment], local: frozenset[str] = frozenset()) -> Fragment:
        span, op = node.span, node.op
        if op in ("==", "!=") and (isinstance(node.right, tree.Null) or isinstance(node.left, tree.Null)):
            wanted = "is null" if op == "==" else "is not null"
            fix = replace_fix(node.op_span.to(node.right.span), wanted) if isinstance(node.right, tree.Null) else None
            raise self.fail(
                WrongType(
                    span=node.op_span,
                    message=f"`{op} null` is never true",
                    label=f"write `{wanted}`",
                    help=("in SQL nothing equals null, not even null",),
                    fixes=(fix,) if fix else (),
                )
            )
        left = go(node.left)
        if op in ("in", "not in"):
            if isinstance(node.right, tree.ListExpr):
                if not node.right.items:
                    return join("(false AND ", left, " IS NULL)" if op == "in" else " IS NULL OR true)", span=span)
                items = [go(i) for i in node.right.items]
                if not local:
                    for item, fragment in zip(node.right.items, items, strict=True):
                        self.compared(node.left, item, (left, fragment), item.span)
                return join("(", left, " NOT IN (" if op == "not in" else " IN (", *self.commas(items), "))", span=span)
            call = join("list_contains(", go(node.right), ", ", left, ")", span=span)
            return join("(NOT ", call, ")", span=span) if op == "not in" else call
        if op in ("matches", "not matches"):
            call = join("regexp_matches(", left, ", ", go(node.right), ")", span=span)
            return join("(NOT ", call, ")", span=span) if op == "not matches" else call
        right = go(node.right)
        if op in ("==", "!=", "<", "<=", ">", ">=") and not local:
            self.compared(node.left, node.right, (left, right), node.op_span)
        return join("(", left, f" {_BINARY[op]} ", right, ")", span=span)

    def prompt(self, node: tree.Call, prompt: Prompt, local: frozenset[str], free: bool) -> Fragment:
        """A template's call, its arguments in the order of its parameters."""
        parts: list[Fragment] = []
        for arg, (name, type) in zip(node.args, prompt.params, strict=True):
            fragment = self.lower(arg.value, local, free)
            if type is not None and not local and not isinstance(arg.value, tree.Null):
                self.probes.append(Probe(fragment, type, f"template `{prompt.name}` takes {shown(type)} as `{name}`", arg.span))
            parts.append(fragment)
        result = join(*prompt.sql(parts), span=node.span)
        return join(self.hoist(result), span=node.span) if self.hoist is not None and free and not local else result

    def call(self, node: tree.Call, local: frozenset[str], free: bool) -> Fragment:
        if (prompt := prompt_of(node)) is not None:
            return self.prompt(node, prompt, local, free)
        if isinstance(node.func, tree.Field):
            known = tuple(m for m in (*self.macros, *self.templates) if "." in m)
            problem = UnknownFunction(span=node.func.span, wanted=node.func.span.text, candidates=known)
            problem.suggest(f"no function `{node.func.span.text}`")
            problem.put(help=("a dotted function is a `def` or a template of an import",))
            base = node.func.base
            if not problem.fixes and isinstance(base, tree.Name) and (base.id in self.columns or base.id in local):
                from recipec.resolve.refusal import METHODS, as_function

                function = METHODS.get(node.func.name.id, node.func.name.id)
                as_function(problem, node, base, function, ", ".join(a.span.text for a in node.args))
            raise self.fail(problem)
        name = node.func.id
        if name == "random" and not node.args:
            return join(self.random(), span=node.span)
        if (reason := volatile.reason(name, len(node.args))) is not None:
            raise self.fail(
                NotReproducible(
                    span=node.func.span,
                    message=f"`{name}()` gives {reason}: the recipe would not build the same bytes again",
                    help=("give it from outside instead: a `param`, and --set at the run",),
                )
            )
        own = find_function(name)
        if own is not None:
            return self.own_call(own, node, local, free)
        if not _PLAIN.match(name) or name.startswith("__"):
            raise self.fail(self.unknown_function(node.func))
        if name.lower() in volatile.MULTIPLYING:
            raise self.fail(
                WrongForm(
                    span=node.func.span,
                    message=f"`{name}` makes several rows from one; an expression gives one value",
                    help=("the operator explode(column) makes a row of each element",),
                )
            )
        if name.lower() in ("random", "coalesce") and bool(node.args) == (name.lower() == "random"):
            takes = "no argument" if node.args else "one argument at least"
            raise self.fail(WrongArguments(span=node.span, message=f"`{name}` takes {takes}"))
        inside = free and name.lower() not in _LAZY
        parts: list[Fragment] = []
        for arg in node.args:
            value = self.lower(arg.value, local, inside)
            if isinstance(arg.value, tree.Regex):
                # The binder looks at the pattern of `matches` alone.
                tried = join("regexp_matches('', ", value, ")", span=arg.value.span)
                self.probes.append(Probe(tried, "BOOLEAN", "a regular expression", arg.value.span))
            parts.append(join(f"{quote(arg.name.id)} := ", value) if arg.name else value)
        # Quoted, a word of SQL's own (`exists`, `columns`) is an unknown function, not other syntax.
        called = name if name.lower() == "coalesce" else quote(name)
        return join(join(called, span=node.func.span), "(", *self.commas(parts), ")", span=node.span)

    def unknown_function(self, node: tree.Name, known: tuple[str, ...] = ()) -> UnknownFunction:
        problem = UnknownFunction(
            span=node.span, wanted=node.id, candidates=(*self.macros, *self.templates, *registry_names("function"), *known)
        )
        problem.suggest(f"no function `{node.id}`")
        return problem

    def own_call(self, own: Function, node: tree.Call, local: frozenset[str], free: bool) -> Fragment:
        self.own.add(own.name)
        given = self.arguments(own, node)
        values: dict[str, Any] = {}
        fragments: list[Fragment] = []
        for parameter in own.parameters:
            arg = given.get(parameter.name)
            if parameter.constant:
                values[parameter.name] = parameter.default if arg is None else self.constant(own, parameter, arg)
            elif arg is None:
                values[parameter.name] = SQL(literal(parameter.default))
            else:
                fragment = self.lower(arg, local, free)
                if not local:
                    what = f"`{own.name}` takes {shown(parameter.type)} as `{parameter.name}`"
                    self.probes.append(Probe(fragment, parameter.type, what, arg.span))
                values[parameter.name] = SQL(f"\x01{len(fragments)}\x01")
                fragments.append(fragment)
        try:
            text = own.body(**values)
        except ValueError as problem:
            raise self.fail(BadValue(span=node.span, message=f"{own.name}: {problem}")) from None
        pieces = text.split("\x01")
        hoist = self.hoist if free and not local else None
        for index, fragment in enumerate(fragments):
            if hoist is not None and not fragment.simple and pieces[1::2].count(str(index)) > 1:
                fragments[index] = join(hoist(fragment), span=fragment.span)
        parts = [fragments[int(p)] if odd else p for odd, p in ((i % 2, p) for i, p in enumerate(pieces))]
        result = join("(", *parts, ")", span=node.span)
        return join(hoist(result), span=node.span) if hoist is not None else result

    def arguments(self, own: Function, node: tree.Call) -> dict[str, tree.Expr]:
        wanted = [p.name for p in own.parameters]
        given: dict[str, tree.Expr] = {}
        for place, arg in enumerate(node.args):
            name = arg.name.id if arg.name else (wanted[place] if place < len(wanted) else None)
            if name is None:
                raise self.fail(
                    self.bad_arguments(own, arg.span, f"`{own.name}` takes at most {len(wanted)} argument{'s' * (len(wanted) != 1)}")
                )
            if name not in wanted:
                raise self.fail(self.bad_arguments(own, arg.span, f"`{own.name}` has no argument `{name}`"))
            if name in given:
                raise self.fail(self.bad_arguments(own, arg.span, f"`{name}` is given twice"))
            given[name] = arg.value
        missing = [p.name for p in own.parameters if p.default is REQUIRED and p.name not in given]
        if missing:
            raise self.fail(self.bad_arguments(own, node.span, f"`{own.name}` needs `{missing[0]}`"))
        return given

    @staticmethod
    def bad_arguments(own: Function, span: Span, message: str) -> WrongArguments:
        return WrongArguments(span=span, message=message, help=(f"its form: {form(own)}",))

    def constant(self, own: Function, parameter: Parameter, node: tree.Expr) -> Any:
        """A constant argument, checked against its annotation."""
        if has_gap(node):
            raise LoweringFailed

        def no_names(_: tree.Name | tree.Field) -> Any:
            raise KeyError

        try:
            value = constant(node, no_names, words=True)
        except NotAConstant as problem:
            raise self.fail(problem.diagnostic) from None
        namespace = dict(vars(__import__("typing")))
        try:
            return validate(value, eval(parameter.pytype, namespace))
        except ValueError as problem:  # pydantic's ValidationError is one
            from pydantic import ValidationError

            if not isinstance(problem, ValidationError):
                raise
            first = problem.errors()[0]
            message = f"`{parameter.name}` of `{own.name}`: {first['msg'].replace('Input should be', 'must be')}"
            raise self.fail(BadValue(span=node.span, message=message, help=(f"its form: {form(own)}",))) from None


def row_arguments(own: Function, node: tree.Call) -> list[tree.Expr]:
    """The arguments of a call that are looked at for each row: the others are constants, and may be words."""
    by_name = {p.name: p for p in own.parameters}
    out: list[tree.Expr] = []
    for place, arg in enumerate(node.args):
        known = by_name.get(arg.name.id) if arg.name else own.parameters[place] if place < len(own.parameters) else None
        if known is not None and not known.constant:
            out.append(arg.value)
    return out


def family_of_literal(node: tree.Expr) -> str:
    """As :func:`recipec.resolve.types.family`; a text may be a date, so it is told apart from a column of text."""
    match node:
        case tree.String():
            return "text literal"
        case tree.Number():
            return "number"
        case tree.Bool():
            return "bool"
        case _:
            return ""
