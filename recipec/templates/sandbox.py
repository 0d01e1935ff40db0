"""The environment that templates run in: Jinja's immutable sandbox, narrowed to the values of a row.

Jinja's own sandbox refuses a list of known ways to Python's insides. Here it is the other way round: what an attribute or a
call may be is listed (:mod:`recipec.templates.language`), and everything else is refused, so there is no list to get past.
Every text printed, round of a loop and call is paid for from one budget a row, so no template runs on without end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isfinite
from typing import Any

from jinja2 import BaseLoader, StrictUndefined, nodes, pass_context
from jinja2.filters import _GroupTuple
from jinja2.runtime import LoopContext, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from recipec.templates.filters import Null, Refused, filter_table, pay, replaced, test_table, weigh
from recipec.templates.language import CALL_COST, LARGEST, LONGEST_RANGE, LOOP, LOOP_COST, LOOP_METHODS, STRUCT_METHODS, TEXT_METHODS

MOST_BITS = 4096
"""Bits of the largest whole numbers that arithmetic may make."""
SCALARS = (bool, int, float)


class Method:
    """A function that a template may call, and do nothing else with: it has no text and no attributes of its own."""

    __slots__ = ("work",)

    def __init__(self, work: Callable[..., Any]) -> None:
        self.work = work

    def __repr__(self) -> str:
        raise Refused("a function cannot be printed: call it, with ()")


def _range(*bounds: int) -> range:
    made = range(*bounds)
    # len() itself fails above 2**63.
    if made and (abs(made[-1] - made[0]) // abs(made.step)) >= LONGEST_RANGE:
        raise Refused(f"range() gives at most {LONGEST_RANGE:,} numbers")
    return made


class Costs(NodeTransformer):
    """Puts the price of every round into the loops, and SQL's sense of null into ``~``."""

    def __init__(self, environment: Sandbox) -> None:
        self.environment = environment

    def filtered(self, node: Any, name: str, *args: nodes.Expr) -> nodes.Filter:
        made = nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)
        made.set_environment(self.environment)
        return made

    def visit_For(self, node: nodes.For) -> nodes.Node:
        if node.recursive:
            raise Refused("`recursive` loops have no bound")
        size = sum(len(d.data) for d in node.find_all(nodes.TemplateData))
        size += sum(self.environment.total for _ in node.find_all(nodes.Include))
        self.generic_visit(node)
        node.iter = self.filtered(node.iter, "_each", nodes.Const(LOOP_COST + size, lineno=node.lineno))
        return node

    def visit_List(self, node: nodes.List) -> nodes.Node:
        self.generic_visit(node)
        return self.filtered(node, "_made")

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        return node if node.ctx == "store" else self.filtered(node, "_made")

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        self.generic_visit(node)
        return self.filtered(node, "_made")

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        node.expr = self.filtered(node.expr, "_paid")
        for operand in node.ops:
            operand.expr = self.filtered(operand.expr, "_paid")
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            # Jinja cuts without asking the environment.
            node.node = self.filtered(node.node, "_paid")
        return node

    def visit_Const(self, node: nodes.Const) -> nodes.Node:
        if isinstance(node.value, float) and not isfinite(node.value):
            raise Refused("a number larger than any that can be stored")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        node.nodes = [self.filtered(n, "_text") for n in node.nodes]
        return node


@pass_context
def _each(context: Any, value: Any, cost: int) -> Iterator[Any]:
    if value is None:
        raise Null
    return _rounds(context.environment, value, cost)


def _rounds(environment: Sandbox, value: Iterable[Any], cost: int) -> Iterator[Any]:
    for item in value:
        environment.spend(cost)
        yield item


@pass_context
def _made(context: Any, value: Any) -> Any:
    return weigh(value, context.environment.spend)


@pass_context
def _paid(context: Any, value: Any) -> Any:
    return pay(value, context.environment.spend)


@pass_context
def _text(context: Any, value: Any) -> str:
    text: str = context.environment.text(value)
    return text


class Bundle(BaseLoader):
    """The texts that one template is made of: its parts and what they include, each under a key. Nothing is read from disk."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self.sources = sources

    def get_source(self, environment: Any, template: str) -> tuple[str, None, Callable[[], bool]]:
        return self.sources[template], None, lambda: True


class Sandbox(ImmutableSandboxedEnvironment):
    """Compiles and runs templates. ``includes`` says, for the key of a text, which key each name that it includes stands for."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self, sources: Mapping[str, str], includes: Mapping[str, Mapping[str, str]]) -> None:
        self.left = LARGEST
        self.total = sum(map(len, sources.values()))
        self.included = includes
        super().__init__(
            autoescape=False,
            # Constants are computed when a row pays for them, not while the template is compiled.
            optimized=False,
            # As in Jinja: one newline before the closing quotes, which stand on a line of their own, is no part of the text.
            keep_trailing_newline=False,
            undefined=StrictUndefined,
            finalize=self.text,
            loader=Bundle(sources),
            auto_reload=False,
            cache_size=-1,
        )
        self.globals = {"range": Method(_range)}
        self.filters = {**filter_table(self.spend), "_each": _each, "_text": _text, "_made": _made, "_paid": _paid}
        self.tests = test_table(self.spend)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = Costs(self).visit(super()._parse(source, name, filename))
        return tree

    def join_path(self, template: str, parent: str) -> str:
        return self.included[parent][template]

    def spend(self, amount: int) -> None:
        self.left -= amount
        if self.left < 0:
            raise Refused(f"rendering one row prints or loops too much: more than {LARGEST:,} characters, or about a million rounds")

    def text(self, value: Any) -> str:
        """A value as a template prints it."""
        kind = type(value)
        if kind is not str:
            if value is None:
                raise Null
            if isinstance(value, Undefined):
                return str(value)  # raises what is undefined
            if kind not in SCALARS and kind not in (list, tuple, dict, _GroupTuple):
                raise Refused("this has no text: only texts, numbers, truth values, lists and structs can be printed")
            value = str(value)
        self.left -= len(value)
        if self.left < 0:
            self.spend(0)
        made: str = value
        return made

    # What values have

    def getattr(self, obj: Any, attribute: str) -> Any:
        kind = type(obj)
        if kind is dict:
            if attribute in obj:
                return obj[attribute]
            if attribute in STRUCT_METHODS:
                return Method(getattr(obj, attribute))
        elif obj is None:
            return None  # as in SQL: a field of null is null
        elif kind is str and attribute in TEXT_METHODS:
            return Method(self.method(obj, attribute))
        elif kind is LoopContext and attribute in LOOP:
            return getattr(obj, attribute)
        elif kind is LoopContext and attribute in LOOP_METHODS:
            return Method(getattr(obj, attribute))
        elif kind is _GroupTuple and attribute in ("grouper", "list"):
            return getattr(obj, attribute)
        elif isinstance(obj, Undefined):
            return str(obj)  # raises what is undefined
        if attribute.startswith("_"):
            raise Refused(f"`{attribute}` reaches Python's insides")
        if kind is dict:
            return self.undefined(f"there is no field `{attribute}`; there are: {', '.join(map(str, obj))}", obj=obj, name=attribute)
        raise Refused(f"{described(obj)} has no `{attribute}`")

    def getitem(self, obj: Any, argument: Any) -> Any:
        if obj is None:
            return None
        if isinstance(argument, tuple):
            pay(argument, self.spend)
        if isinstance(argument, str) and type(obj) is not dict:
            return self.getattr(obj, argument)
        if isinstance(obj, Undefined) or isinstance(argument, Undefined):
            return str(obj) + str(argument)  # raises what is undefined
        if type(obj) not in (dict, list, tuple, str, range, _GroupTuple):
            raise Refused(f"{described(obj)} has no items")
        try:
            return obj[argument]
        except (KeyError, IndexError):
            if isinstance(argument, str) and argument.startswith("_"):
                raise Refused(f"`{argument}` reaches Python's insides") from None
            known = f"there are: {', '.join(map(str, obj))}" if type(obj) is dict else f"there are {len(obj)}, counted from 0"
            return self.undefined(f"there is no item {argument!r}; {known}", obj=obj)

    def method(self, text: str, name: str) -> Callable[..., Any]:
        self.spend(len(text))
        if name == "replace":
            return lambda old, new, count=None: replaced(text, old, new, count)
        if name == "join":
            return lambda items: self.filters["join"](self.eval_context, items, text)
        made: Callable[..., Any] = getattr(text, name)
        return made

    @property
    def eval_context(self) -> nodes.EvalContext:
        return nodes.EvalContext(self)

    def call(__self, __context: Any, __obj: Any, *args: Any, **named: Any) -> Any:
        __self.spend(CALL_COST)
        if type(__obj) is Method:
            # Jinja adds these inside loops and blocks, for functions that ask for the context.
            named.pop("_loop_vars", None)
            named.pop("_block_vars", None)
            return __obj.work(*args, **named)
        if type(__obj) is Macro:
            return __context.call(__obj, *args, **named)
        if isinstance(__obj, Undefined):
            return str(__obj)  # raises what is undefined
        raise Refused(f"{described(__obj)} cannot be called")

    # Arithmetic

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic on numbers, ``+`` on texts and lists, ``*`` that repeats them, all of bounded size. Null makes null."""
        if left is None or right is None:
            return None
        for side in (left, right):
            if isinstance(side, Undefined):
                str(side)  # raises what is undefined
        numbers = isinstance(left, SCALARS) and isinstance(right, SCALARS)
        if operator == "+" and isinstance(left, (str, list, tuple)) and type(left) is type(right):
            self.spend(len(left) + len(right))
        elif operator == "*" and isinstance(left, (str, list, tuple)) and isinstance(right, int):
            self.spend(len(left) * max(right, 0))
        elif operator == "*" and isinstance(right, (str, list, tuple)) and isinstance(left, int):
            self.spend(len(right) * max(left, 0))
        elif not numbers:
            hint = "; texts are joined with ~" if operator == "+" else ""
            raise Refused(f"`{operator}` between {described(left)} and {described(right)}{hint}")
        if numbers and operator in ("*", "**") and isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * max(right, 1) if operator == "**" else left.bit_length() + right.bit_length()
            if bits > MOST_BITS:
                raise Refused(f"`{operator}` makes a number of more than {MOST_BITS:,} bits")
        made = self.binop_table[operator](left, right)
        return weigh(made, self.spend) if isinstance(made, (list, tuple)) else made


def described(value: Any) -> str:
    match value:
        case None:
            return "null"
        case str():
            return "a text"
        case bool():
            return "a truth value"
        case int() | float():
            return "a number"
        case dict():
            return "a struct"
        case list() | tuple():
            return "a list"
        case LoopContext():
            return "`loop`"
    return "this"
