"""The syntax tree: frozen nodes, each with its span.

Spans do not take part in equality, so two trees are equal when they say the same. Steps, operators and functions are
plain names here; what they mean is for ``resolve`` to find out. ``children`` walks any node generically.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import field, fields, replace
from operator import attrgetter
from typing import Any, Literal, TypeAlias, TypeVar

from recipec.record import record
from recipec.source import Source, Span


@record(frozen=True, kw_only=True, eq=False, repr=False)
class Node:
    """Base of all nodes. Equality, hash and repr are written once here, not generated for each class: that is a third of
    the time that importing this module takes."""

    span: Span = field(compare=False, repr=False)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        values = _values(type(self))
        return bool(values(self) == values(other))

    def __hash__(self) -> int:
        return hash((type(self), _values(type(self))(self)))

    def __repr__(self) -> str:
        parts = (f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.repr)
        return f"{type(self).__name__}({', '.join(parts)})"


def _values(kind: type[Any]) -> attrgetter[Any]:
    """What takes part in equality: all fields but spans."""
    values = _VALUES.get(kind)
    if values is None:
        values = _VALUES[kind] = attrgetter("__class__", *(f.name for f in fields(kind) if f.compare))
    return values


_VALUES: dict[type[Any], attrgetter[Any]] = {}


N = TypeVar("N", bound=Node)


# Expressions ----------------------------------------------------------------------------------------------------------


@record(frozen=True, eq=False, repr=False)
class String(Node):
    """``"..."`` with its escapes resolved, or a block ``\"\"\"...\"\"\"`` (dedented, without its first empty line)."""

    value: str
    block: bool = False


@record(frozen=True, eq=False, repr=False)
class Number(Node):
    """``1_000``, ``0.5``, ``1e-5``, ``80%`` (value 0.8), ``2_000_000 tokens`` (unit ``tokens``).

    ``value`` is an int when the text has neither point, exponent nor percent sign.
    """

    value: int | float
    percent: bool = False
    unit: str | None = None


@record(frozen=True, eq=False, repr=False)
class Bool(Node):
    value: bool


@record(frozen=True, eq=False, repr=False)
class Null(Node):
    pass


@record(frozen=True, eq=False, repr=False)
class Regex(Node):
    """``r/.../flags``; ``\\/`` inside stands for a slash."""

    pattern: str
    flags: str = ""


@record(frozen=True, eq=False, repr=False)
class Name(Node):
    """A column, step, parameter, template or type. ``quoted`` when written in backticks."""

    id: str
    quoted: bool = False


@record(frozen=True, eq=False, repr=False)
class Field(Node):
    """``base.name``: a struct's field, a split's part, a step's column, an import's member."""

    base: Expr
    name: Name


@record(frozen=True, eq=False, repr=False)
class Round(Node):
    """``clf@2``: the step of that name in round 2 of a ``repeat``."""

    base: Name
    number: int


@record(frozen=True, eq=False, repr=False)
class Index(Node):
    """``xs[1]`` and ``xs[1:3]`` as in DuckDB (one-based). ``stop`` is None for a single element."""

    base: Expr
    start: Expr | None
    stop: Expr | None = None
    slice: bool = False


@record(frozen=True, eq=False, repr=False)
class Arg(Node):
    """An argument; ``name`` is None for one given by position."""

    value: Expr
    name: Name | None = None


@record(frozen=True, eq=False, repr=False)
class Call(Node):
    """``f(a, b: 1)``. ``x |> f(a)`` is ``f(x, a)`` with ``piped`` set; ``x |> f`` too. ``func`` may be dotted (``common.f``)."""

    func: Name | Field
    args: tuple[Arg, ...]
    piped: bool = False


@record(frozen=True, eq=False, repr=False)
class Arrow(Node):
    """``old => new`` in an argument: ``rename(a => b)``, ``classify(text => label)``. ``left`` may be a tuple of names as a list."""

    left: Expr
    right: Expr


@record(frozen=True, eq=False, repr=False)
class Lambda(Node):
    """``lambda x, i: expr``, as an argument of DuckDB's list functions."""

    params: tuple[Name, ...]
    body: Expr


@record(frozen=True, eq=False, repr=False)
class Unary(Node):
    op: Literal["-", "+", "not"]
    operand: Expr


BinaryOp: TypeAlias = Literal[
    "or", "and", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "//", "%", "**", "||",
    "in", "not in", "like", "not like", "ilike", "not ilike", "matches", "not matches",
]  # fmt: skip


@record(frozen=True, eq=False, repr=False)
class Binary(Node):
    """A binary operator. ``op_span`` is the operator's own place."""

    op: BinaryOp
    left: Expr
    right: Expr
    op_span: Span = field(compare=False, repr=False, kw_only=True)


@record(frozen=True, eq=False, repr=False)
class Between(Node):
    value: Expr
    low: Expr
    high: Expr
    negated: bool = False


@record(frozen=True, eq=False, repr=False)
class IsNull(Node):
    value: Expr
    negated: bool = False


@record(frozen=True, eq=False, repr=False)
class Case(Node):
    """``case when a then b ... else c end`` (``subject`` None) and ``case x when 1 then b ... end``."""

    subject: Expr | None
    branches: tuple[tuple[Expr, Expr], ...]
    default: Expr | None


@record(frozen=True, eq=False, repr=False)
class Cast(Node):
    """``cast(x as int)``, ``try_cast(x as int)``. The type is an expression: ``int``, ``[text]``, ``{a: int}``, ``decimal(10, 2)``."""

    value: Expr
    type: Expr
    attempt: bool = False


@record(frozen=True, eq=False, repr=False)
class ListExpr(Node):
    items: tuple[Expr, ...]


@record(frozen=True, eq=False, repr=False)
class StructExpr(Node):
    """``{a: 1, "odd key": 2}``; also the form of settings such as ``columns: { text: text }``."""

    items: tuple[tuple[Name, Expr], ...]


Expr: TypeAlias = (
    String | Number | Bool | Null | Regex | Name | Field | Round | Index | Call | Arrow | Lambda | Unary | Binary
    | Between | IsNull | Case | Cast | ListExpr | StructExpr
)  # fmt: skip


# Statements -----------------------------------------------------------------------------------------------------------


@record(frozen=True, eq=False, repr=False)
class Setting(Node):
    """``key: value``"""

    key: Name
    value: Expr


@record(frozen=True, eq=False, repr=False)
class Assign(Node):
    """``column = expr``"""

    column: Name
    value: Expr


@record(frozen=True, eq=False, repr=False)
class Filter(Node):
    """``keep where expr [as "reason"]``, ``drop where expr [as "reason"]``"""

    action: Literal["keep", "drop"]
    condition: Expr
    reason: String | None = None


@record(frozen=True, eq=False, repr=False)
class When(Node):
    """``when expr => "label" [as name]``"""

    condition: Expr
    label: Expr
    name: Name | None = None


@record(frozen=True, eq=False, repr=False)
class Expect(Node):
    """``expect [warn] expr [as "name"]``"""

    condition: Expr
    warn: bool = False
    name: String | None = None


@record(frozen=True, eq=False, repr=False)
class Op(Node):
    """``[vote] op(args) [as name] [{ ... }]``, and ``search { ... }`` (a call without arguments)."""

    call: Call
    vote: bool = False
    name: Name | None = None
    body: tuple[Statement, ...] | None = None


Statement: TypeAlias = Setting | Assign | Filter | When | Expect | Op


# Items of a file ------------------------------------------------------------------------------------------------------


@record(frozen=True, eq=False, repr=False)
class Header(Node):
    """``recipe "name" { version: "1.0.0" }``"""

    name: String
    body: tuple[Statement, ...]


@record(frozen=True, eq=False, repr=False)
class Import(Node):
    """``import "common.recipe" as common``"""

    path: String
    alias: Name


@record(frozen=True, eq=False, repr=False)
class Param(Node):
    """``param min_words: int = 5``; without a default it must be given by ``--set``."""

    name: Name
    type: Expr
    default: Expr | None


@record(frozen=True, eq=False, repr=False)
class Def(Node):
    """``def shouting(t) = upper(t) == t``"""

    name: Name
    params: tuple[Name, ...]
    body: Expr


@record(frozen=True, eq=False, repr=False)
class TemplateParam(Node):
    name: Name
    type: Expr | None = None


@record(frozen=True, eq=False, repr=False)
class Template(Node):
    """``template ask(text) \"\"\"...\"\"\"``, or one string per chat role: ``{ system \"\"\"..\"\"\" user \"\"\"..\"\"\" }``.

    A plain template has the one role None.
    """

    name: Name
    params: tuple[TemplateParam, ...]
    parts: tuple[tuple[Name | None, String], ...]


@record(frozen=True, eq=False, repr=False)
class Step(Node):
    """``KIND name [from a, b] [= reader(...)] [\"\"\"text\"\"\"] [{ statements }]``

    ``inputs`` are names, parts (``final.train``), rounds, or members of imports. ``head`` is the span of the part before
    the block: kind, name, inputs and reader.
    """

    kind: Name
    name: Name
    inputs: tuple[Expr, ...]
    reader: Call | None
    text: String | None
    body: tuple[Statement, ...]
    head: Span = field(compare=False, repr=False, kw_only=True)


@record(frozen=True, eq=False, repr=False)
class Repeat(Node):
    """``repeat 3 as round { steps } until CONDITION``"""

    count: Expr
    variable: Name | None
    items: tuple[Item, ...]
    until: Expr | None


Item: TypeAlias = Header | Import | Param | Def | Template | Step | Repeat


@record(frozen=True)
class Comment:
    """``# text`` with the text's place; ``own_line`` when nothing but blanks stands before it."""

    text: str
    span: Span
    own_line: bool


@record(frozen=True)
class File:
    """A parsed file: the items that parsed, in order, and every comment."""

    source: Source
    items: tuple[Item, ...]
    comments: tuple[Comment, ...]
    broken: tuple[Name, ...] = ()
    """Names that items would have given which did not parse: they are not unknown, only not to be known yet."""

    @property
    def header(self) -> Header | None:
        return next((i for i in self.items if isinstance(i, Header)), None)


_FIELDS: dict[type, tuple[str, ...]] = {}
_LEAF = re.compile(r"(?:str|int|float|bool|Span|None|Literal\[[^\]]*\]|[ |])+")
"""Types of fields that hold no node."""


def held(kind: type[Node]) -> tuple[str, ...]:
    """The fields of a kind of node that can hold nodes."""
    names = _FIELDS.get(kind)
    if names is None:
        # Which fields can hold nodes: asked once for each kind of node, because trees are walked often.
        names = _FIELDS[kind] = tuple(f.name for f in fields(kind) if not _LEAF.fullmatch(str(f.type)))
    return names


def children(node: Node) -> list[Node]:
    """The nodes directly below ``node``, in the order of their fields."""
    out: list[Node] = []
    for name in held(type(node)):
        value = getattr(node, name)
        if isinstance(value, Node):
            out.append(value)
        elif isinstance(value, tuple):
            gather(value, out)
    return out


def gather(values: tuple[object, ...], out: list[Node]) -> None:
    for value in values:
        if isinstance(value, Node):
            out.append(value)
        elif isinstance(value, tuple):
            gather(value, out)


def replaced(node: N, change: Callable[[Any], Any]) -> N:
    """``node`` with every node directly below it replaced by what ``change`` makes of it; itself where nothing changes."""

    def inside(value: object) -> object:
        if isinstance(value, Node):
            return change(value)
        if isinstance(value, tuple):
            made = tuple(inside(v) for v in value)
            return value if all(a is b for a, b in zip(made, value, strict=True)) else made
        return value

    changes: dict[str, Any] = {}
    for name in held(type(node)):
        old = getattr(node, name)
        if (new := inside(old)) is not old:
            changes[name] = new
    return replace(node, **changes) if changes else node


def walk(node: Node) -> Iterator[Node]:
    """``node`` and everything below it, depth first."""
    stack = [node]
    while stack:
        top = stack.pop()
        yield top
        stack.extend(reversed(children(top)))
