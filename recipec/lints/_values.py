"""Values: what a column holds, told apart by how it was computed and not by its name.

Two columns have one value number when they hold the same for every row, whatever their names and however many ``def``,
``param`` and ``rename`` lie between. This is global value numbering (Alpern, Wegman and Zadeck 1988) over the steps of a
recipe, which run once and in order, so that no fixed point is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from recipec.api import find_function
from recipec.resolve.modules import Module
from recipec.resolve.prompts import Prompt
from recipec.resolve.types import INTEGERS, is_number
from recipec.source import Span
from recipec.syntax import tree

Key = tuple[Any, ...]
Root = tuple[str, str]
"""A step and a column of its that is computed from nothing the recipe shows: a source's, a query's."""
EMPTY: frozenset[Any] = frozenset()

COUNTS = frozenset(
    {"length", "len", "strlen", "array_length", "list_length", "cardinality", "words", "chars", "sentences", "paragraphs", "lines_count"}
)
"""Functions whose answer is a whole number, and never below zero."""
TOTALS = frozenset({"count", "count_if", "count_star", "rows", "overlap", "missing", "distinct", "duplicates"})
"""Functions of whole tables whose answer is such a number, and never null."""
SHARES = frozenset({"share", "drift"})
"""Functions of whole tables whose answer lies between 0 and 1, and is never null."""
TEXTS = frozenset({"lower", "upper", "trim", "ltrim", "rtrim", "replace", "regexp_replace", "substring", "left", "right"})


PLAIN = frozenset({"lower", "upper", "trim", "ltrim", "rtrim", "strip_accents", "nfc_normalize"})
"""Functions of one text that leave what it says as it was."""
WHOLE = PLAIN | {
    "concat", "concat_ws", "coalesce", "fix_unicode", "squeeze_space", "strip_html", "html_to_text", "to_halfwidth", "conversation",
    "array_to_string", "list_value", "to_json",
}  # fmt: skip
"""Functions whose result holds their texts whole, or as good as whole."""
JOINED, HOLDERS = frozenset({"||", "+"}), frozenset({"prompt", "list", "struct"})
PICKS = frozenset(
    {"list_extract", "array_extract", "element_at", "struct_extract", "map_extract", "json_extract", "json_extract_string", "regexp_extract",
     "split_part", "list_filter", "list_slice", "array_slice", "first", "last"}
)  # fmt: skip
"""Functions that give a piece of what they are given."""


class Scope(NamedTuple):
    """What names mean where an expression stands."""

    columns: Mapping[str, int]
    names: Module
    bound: Mapping[str, int] = MappingProxyType({})
    """Arguments of the ``def``, or of the lambdas, that the expression is inside of."""
    inside: bool = False
    """Inside a ``def``, where a parameter hides a column of its name."""


class Values:
    """Every value of a recipe: ``shape`` says how it is computed, ``roots`` from which columns, ``copies`` in which ways of
    copying rows it may differ between the copies of one row."""

    def __init__(self) -> None:
        self.shape: list[Key] = []
        self.roots: list[frozenset[Root]] = []
        self.copies: list[frozenset[int]] = []
        self.parts: list[tuple[int, ...]] = []
        """The values that each is computed from."""
        self.types: dict[int, str] = {}
        self.known: dict[Key, int] = {}
        self.templates: dict[str, str] = {}
        """Names of the templates that are called, by their digests."""
        self.dead: list[tuple[Span, Span, Span]] = []
        """Branches of a ``case`` that an earlier one repeats: the later condition, the earlier, the whole."""
        self._seen: set[tuple[Span, Span]] = set()

    def make(
        self, key: Key, roots: frozenset[Root] = EMPTY, copies: frozenset[int] = EMPTY, type: str | None = None, parts: tuple[int, ...] = ()
    ) -> int:
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = len(self.shape)
            self.shape.append(key)
            self.roots.append(roots)
            self.copies.append(copies)
            self.parts.append(parts)
            if type is not None:
                self.types[found] = type
        return found

    def fresh(self, roots: frozenset[Root] = EMPTY, copies: frozenset[int] = EMPTY, type: str | None = None) -> int:
        """A value unlike any other."""
        return self.make(("fresh", len(self.shape)), roots, copies, type)

    def column(self, step: str, name: str, type: str, copies: frozenset[int] = EMPTY) -> int:
        return self.make(("column", step, name), frozenset({(step, name)}), copies, type)

    def compute(self, key: Key, *parts: int) -> int:
        """The value that ``key``, whose numbers are ``parts``, is computed from."""
        found = self.known.get(key)
        if found is not None:
            return found
        roots, copies = EMPTY, EMPTY
        for p in parts:
            roots = roots | self.roots[p] if roots else self.roots[p]
            copies = copies | self.copies[p] if copies else self.copies[p]
        return self.make(key, roots, copies, parts=parts)

    def follows(self, value: int, other: int) -> bool:
        """Whether ``value`` is a function of ``other`` alone: rows equal in ``other`` are equal in it."""
        stack = [value]
        while stack:
            top = stack.pop()
            if top == other:
                continue
            if not self.parts[top] and self.shape[top][0] in ("column", "fresh"):
                return False
            stack += self.parts[top]
        return True

    def below(self, value: int) -> Iterator[int]:
        """A value, and all that it is computed from."""
        stack, seen = [value], {value}
        while stack:
            top = stack.pop()
            yield top
            for part in self.parts[top]:
                if part not in seen:
                    seen.add(part)
                    stack.append(part)

    def within(self, value: int) -> Iterator[int]:
        """A text, and the texts that it holds whole, but for white space, case and signs that no letter depends on."""
        stack, seen = [value], {value}
        while stack:
            top = stack.pop()
            yield top
            shape = self.shape[top]
            held = {"call": WHOLE, "binary": JOINED}.get(shape[0])
            if shape[0] not in HOLDERS and (held is None or shape[1] not in held):
                continue
            for part in self.parts[top]:
                if part not in seen:
                    seen.add(part)
                    stack.append(part)

    def holds(self, value: int, other: int) -> bool:
        """Whether ``value`` is computed from ``other``, which may have been trimmed or put in one case."""
        while self.shape[other][0] == "cast" or (self.shape[other][0] == "call" and self.shape[other][1] in PLAIN):
            other = self.parts[other][0]
        column = self.shape[other][0] == "column"
        stack, seen = [value], {value}
        while stack:
            top = stack.pop()
            shape = self.shape[top]
            if top == other or (column and shape[0] == "fresh" and self.roots[other] <= self.roots[top]):
                return True
            # What is picked out of a value need not be what was put into it.
            if shape[0] in ("field", "index") or (shape[0] == "call" and shape[1] in PICKS):
                continue
            for part in self.parts[top]:
                if part not in seen:
                    seen.add(part)
                    stack.append(part)
        return False

    def template(self, prompt: Prompt, given: Mapping[str, int]) -> int:
        """What a template renders from the values of its parameters; some may be left to who renders it."""
        self.templates[prompt.digest] = prompt.name
        parts = [given.get(p, -1) for p, _ in prompt.params]
        return self.compute(("prompt", prompt.digest, *parts), *(p for p in parts if p >= 0))

    def constant(self, value: Any) -> int:
        match value:
            case None:
                return self.make(("null",))
            case bool():
                return self.make(("bool", value))
            case int() | float():
                return self.make(("number", value))
            case str():
                return self.make(("text", str(value)))
            case list() | tuple():
                parts = [self.constant(v) for v in value]
                return self.compute(("list", *parts), *parts)
            case _:
                return self.make(("other", repr(value)))

    # Types: known where a value comes straight from a table, or from a function whose answer has always the same

    def type(self, value: int) -> str | None:
        known = self.types.get(value)
        if known is None:
            known = self.types[value] = self._type(self.shape[value])
        return known or None

    def _type(self, shape: Key) -> str:
        if shape[0] == "call":
            name: str = shape[1]
            if name in COUNTS or name in TOTALS:
                return "BIGINT"
            if name in SHARES:
                return "DOUBLE"
            if name in TEXTS:
                return "VARCHAR"
            own = find_function(name)
            return own.returns if own is not None else ""
        if shape[0] == "list" and all(self.shape[p][0] == "text" for p in shape[1:]):
            return "VARCHAR[]"
        return {"text": "VARCHAR", "bool": "BOOLEAN"}.get(shape[0], "")

    def is_number(self, value: int) -> bool:
        type = self.type(value)
        return type is not None and is_number(type)

    def is_whole(self, value: int) -> bool:
        return self.type(value) in INTEGERS

    # Expressions

    def number(self, node: tree.Expr, scope: Scope) -> int:
        """The value of an expression of an error-free recipe."""
        kind = type(node)
        if kind is tree.Name:
            return self.name(node, scope)  # type: ignore[arg-type]
        if kind is tree.Call:
            return self.call(node, scope)  # type: ignore[arg-type]
        match node:
            case tree.String(value=v):
                return self.make(("text", str(v)), type="VARCHAR")
            case tree.Number(value=v):
                return self.make(("number", v))
            case tree.Binary(op=op, left=left, right=right):
                a, b = self.number(left, scope), self.number(right, scope)
                return self.compute(("binary", op, a, b), a, b)
            case tree.Regex(pattern=p, flags=f):
                return self.make(("regex", p, f))
            case tree.Bool(value=v):
                return self.make(("bool", v))
            case tree.Null():
                return self.make(("null",))
            case tree.Unary(op=op, operand=operand):
                a = self.number(operand, scope)
                inner = self.shape[a]
                if op != "not" and inner[0] == "number":
                    return self.make(("number", -inner[1] if op == "-" else inner[1]))
                return self.compute(("unary", op, a), a)
            case tree.Between(value=value, low=low, high=high, negated=negated):
                v, a, b = self.number(value, scope), self.number(low, scope), self.number(high, scope)
                # Written out, so that one way of saying it is the other.
                least = self.compute(("binary", ">=", v, a), v, a)
                most = self.compute(("binary", "<=", v, b), v, b)
                both = self.compute(("binary", "and", least, most), least, most)
                return self.compute(("unary", "not", both), both) if negated else both
            case tree.IsNull(value=value, negated=negated):
                a = self.number(value, scope)
                made = self.compute(("null?", a), a)
                return self.compute(("unary", "not", made), made) if negated else made
            case tree.Field(base=base, name=name):
                return self.member(node, base, name, scope)
            case tree.Case():
                return self.case(node, scope)
            case tree.Cast(value=value, type=wanted, attempt=attempt):
                a = self.number(value, scope)
                return self.compute(("cast", a, wanted, attempt), a)
            case tree.ListExpr(items=items):
                parts = [self.number(i, scope) for i in items]
                return self.compute(("list", *parts), *parts)
            case tree.StructExpr(items=pairs):
                parts = [self.number(v, scope) for _, v in pairs]
                return self.compute(("struct", tuple(k.id for k, _ in pairs), *parts), *parts)
            case tree.Index(base=base, start=start, stop=stop, slice=is_slice):
                ends = [self.number(n, scope) if n is not None else -1 for n in (base, start, stop)]
                return self.compute(("index", is_slice, *ends), *(e for e in ends if e >= 0))
            case tree.Lambda(params=params, body=body):
                local = {p.id: self.make(("local", p.id)) for p in params}
                a = self.number(body, Scope(scope.columns, scope.names, {**scope.bound, **local}, scope.inside))
                return self.compute(("lambda", tuple(local), a), a)
            case _:
                return self.fresh()

    def name(self, node: tree.Name, scope: Scope) -> int:
        name = node.id
        if (found := scope.bound.get(name)) is not None:
            return found
        if not node.quoted and (scope.inside or name not in scope.columns) and name in scope.names.params:
            return self.constant(scope.names.params[name])
        found = scope.columns.get(name)
        return self.fresh() if found is None else found

    def member(self, node: tree.Field, base: tree.Expr, name: tree.Name, scope: Scope) -> int:
        if isinstance(base, tree.Name) and base.id not in scope.columns and base.id not in scope.bound and base.id in scope.names.imports:
            inner = scope.names.imports[base.id]
            return self.constant(inner.params[name.id]) if name.id in inner.params else self.fresh()
        a = self.number(base, scope)
        shape = self.shape[a]
        if shape[0] == "struct" and name.id in shape[1]:
            part: int = shape[2 + shape[1].index(name.id)]
            return part
        return self.compute(("field", a, name.id), a)

    def call(self, node: tree.Call, scope: Scope) -> int:
        parts = [self.number(a.value, scope) for a in node.args]
        func = node.func
        if (isinstance(func, tree.Field) or func.id in scope.names.prompts) and (prompt := scope.names.prompt(func)) is not None:
            wanted = [p for p, _ in prompt.params]
            named_parts = {
                (a.name.id if a.name is not None else wanted[i]): p for i, (a, p) in enumerate(zip(node.args, parts, strict=True))
            }
            return self.template(prompt, named_parts)
        if isinstance(func, tree.Field) or func.id in scope.names.defs:
            macro = scope.names.macro(func)
            if macro is None:
                return self.fresh()
            definition, inner = macro
            given = {
                (a.name.id if a.name is not None else definition.params[i].id): part
                for i, (a, part) in enumerate(zip(node.args, parts, strict=True))
            }
            return self.number(definition.body, Scope(scope.columns, inner, given, True))
        name = func.id.lower()
        if name == "random":
            return self.fresh()
        named = tuple((i, a.name.id) for i, a in enumerate(node.args) if a.name is not None)
        return self.compute(("call", name, *parts, named) if named else ("call", name, *parts), *parts)

    def case(self, node: tree.Case, scope: Scope) -> int:
        subject = self.number(node.subject, scope) if node.subject is not None else -1
        parts: list[int] = []
        places: dict[int, Span] = {}
        for condition, result in node.branches:
            a = self.number(condition, scope)
            if a in places and (condition.span, node.span) not in self._seen:
                self._seen.add((condition.span, node.span))
                self.dead.append((condition.span, places[a], node.span))
            places.setdefault(a, condition.span)
            parts += [a, self.number(result, scope)]
        if node.default is not None:
            parts.append(self.number(node.default, scope))
        return self.compute(("case", subject, *parts), *(p for p in (subject, *parts) if p >= 0))
