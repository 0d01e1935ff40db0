"""From the parser's reductions to the nodes of :mod:`recipec.syntax.tree`: one method per rule of the grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from recipec.source import Source, Span
from recipec.syntax import literals
from recipec.syntax.machine import BALANCE, Action, Token
from recipec.syntax.tables import Tables
from recipec.syntax.tree import (
    Arg,
    Arrow,
    Assign,
    Between,
    Binary,
    BinaryOp,
    Bool,
    Call,
    Case,
    Cast,
    Def,
    Expect,
    Expr,
    Field,
    Filter,
    Header,
    Import,
    Index,
    IsNull,
    Item,
    Lambda,
    ListExpr,
    Name,
    Null,
    Number,
    Op,
    Param,
    Regex,
    Repeat,
    Round,
    Setting,
    Statement,
    Step,
    String,
    StructExpr,
    Template,
    TemplateParam,
    Unary,
    When,
)

if TYPE_CHECKING:
    from recipec.diagnostics import Diagnostic

Children = list[Any]

RESERVED = frozenset({
    "AND", "OR", "NOT", "IN", "IS", "LIKE", "ILIKE", "MATCHES", "BETWEEN", "AS", "CASE", "TRUE", "FALSE", "NULL", "LAMBDA",
})  # fmt: skip
"""Words that are no names, even where the parser could take them for one: the same recipe in another order could not be read."""


class Builder:
    """Makes the nodes of one source; what is wrong inside a token (an escape, a number) goes to ``diagnostics``."""

    def __init__(self, source: Source, diagnostics: list[Diagnostic]) -> None:
        self.source = source
        self.diagnostics = diagnostics
        self.reserved: dict[int, Diagnostic] = {}
        """By their starts: reserved words taken for names, until a point is seen before them."""

    def finish(self) -> None:
        """To be called when a parse has succeeded."""
        self.diagnostics.extend(self.reserved.values())
        self.reserved.clear()

    def actions(self, tables: Tables) -> Sequence[Action | None]:
        """The method of each rule; None where a rule only hands on."""
        return [None if rule.passes or rule.helper else getattr(self, rule.action) for rule in tables.rules]

    def span(self, start: int, end: int) -> Span:
        return Span(self.source, start, end)

    # Files and items ----------------------------------------------------------------------------------------------

    def start(self, c: Children, start: int, end: int) -> tuple[Item, ...]:
        return tuple(c)

    def header(self, c: Children, start: int, end: int) -> Header:
        return Header(self.string(c[1]), c[2] if len(c) > 2 else (), span=self.span(start, end))

    def import_(self, c: Children, start: int, end: int) -> Import:
        return Import(self.string(c[1]), c[3], span=self.span(start, end))

    def param(self, c: Children, start: int, end: int) -> Param:
        return Param(c[1], c[3], c[5] if len(c) > 5 else None, span=self.span(start, end))

    def def_(self, c: Children, start: int, end: int) -> Def:
        return Def(c[1], c[3] if isinstance(c[3], tuple) else (), c[-1], span=self.span(start, end))

    def template(self, c: Children, start: int, end: int) -> Template:
        params = tuple(x for x in c if isinstance(x, TemplateParam))
        plain = isinstance(c[-1], String)
        parts = ((None, c[-1]),) if plain else tuple(x for x in c if isinstance(x, tuple))
        return Template(c[1], params, parts, span=self.span(start, end))

    def template_param(self, c: Children, start: int, end: int) -> TemplateParam:
        return TemplateParam(c[0], c[2] if len(c) > 2 else None, span=self.span(start, end))

    def role(self, c: Children, start: int, end: int) -> tuple[Name, String]:
        return c[0], c[1]

    def step(self, c: Children, start: int, end: int) -> Step:
        kind, name = c[0], c[1]
        inputs: tuple[Expr, ...] = ()
        reader = body = string = None
        last: Span = name.span
        for child in c[2:]:
            if isinstance(child, list):
                inputs = tuple(child)
                last = child[-1].span
            elif isinstance(child, Call):
                reader, last = child, child.span
            elif isinstance(child, String):
                string = child
            elif isinstance(child, tuple):
                body = child
        head = self.span(start, last.end)
        return Step(kind, name, inputs, reader, string, body or (), head=head, span=self.span(start, end))

    def kind(self, c: Children, start: int, end: int) -> Name:
        return c[0] if isinstance(c[0], Name) else self.word(c[0])

    def title(self, c: Children, start: int, end: int) -> Name:
        return c[0] if isinstance(c[0], Name) else self.word(c[0])

    def inputs(self, c: Children, start: int, end: int) -> list[Expr]:
        return c[1::2]

    def input(self, c: Children, start: int, end: int) -> Expr:
        base: Expr = c[0]
        for mark, part in zip(c[1::2], c[2::2], strict=True):
            at = mark.kind == "@"
            base = Round(c[0], self.integer(part), span=self.span(start, part.end)) if at else self.member(base, part, start)
        return base

    def repeat(self, c: Children, start: int, end: int) -> Repeat:
        kinds = [x.kind if isinstance(x, Token) else "" for x in c]
        opened, closed = kinds.index("{"), kinds.index("}")
        variable = c[3] if opened > 2 else None
        return Repeat(
            c[1],
            variable,
            tuple(c[opened + 1 : closed]),
            c[-1] if closed < len(c) - 1 else None,
            span=self.span(start, end),
        )

    # Statements ---------------------------------------------------------------------------------------------------

    def block(self, c: Children, start: int, end: int) -> tuple[Statement, ...]:
        return tuple(x for x in c if not isinstance(x, Token))

    def setting(self, c: Children, start: int, end: int) -> Setting:
        return Setting(c[0], c[2], span=self.span(start, end))

    def assign(self, c: Children, start: int, end: int) -> Assign:
        return Assign(c[0], c[2], span=self.span(start, end))

    def column(self, c: Children, start: int, end: int) -> Name:
        return c[0] if isinstance(c[0], Name) else self.word(c[0])

    def filter(self, c: Children, start: int, end: int) -> Filter:
        reason = self.string(c[4]) if len(c) > 4 else None
        return Filter("keep" if c[0].word == "KEEP" else "drop", c[2], reason, span=self.span(start, end))

    def when(self, c: Children, start: int, end: int) -> When:
        return When(c[1], c[3], c[5] if len(c) > 5 else None, span=self.span(start, end))

    def expect(self, c: Children, start: int, end: int) -> Expect:
        warn = isinstance(c[1], Token)
        condition = c[2] if warn else c[1]
        name = self.string(c[-1]) if isinstance(c[-1], Token) else None
        return Expect(condition, warn, name, span=self.span(start, end))

    def op(self, c: Children, start: int, end: int) -> Op:
        vote = isinstance(c[0], Token)
        rest = c[1:] if vote else c
        name = next((x for x in rest[1:] if isinstance(x, Name)), None)
        body = rest[-1] if isinstance(rest[-1], tuple) else None
        return Op(rest[0], vote, name, body, span=self.span(start, end))

    def search(self, c: Children, start: int, end: int) -> Op:
        return Op(Call(c[0], (), span=c[0].span), False, None, c[1], span=self.span(start, end))

    # Expressions --------------------------------------------------------------------------------------------------

    def expr(self, c: Children, start: int, end: int) -> Expr:
        return self.chain("or", c, start, end)

    def both(self, c: Children, start: int, end: int) -> Expr:
        return self.chain("and", c, start, end)

    def concat(self, c: Children, start: int, end: int) -> Expr:
        return self.chain("||", c, start, end)

    def chain(self, op: BinaryOp, c: Children, start: int, end: int) -> Expr:
        """Operands and operators in turn: a left-leaning tree, or of a long chain a balanced one."""
        terms, marks = c[::2], c[1::2]

        def edge(number: int) -> tuple[int, int]:
            """Where operand ``number`` lies, parentheses around it included."""
            left = start if number == 0 else marks[number - 1].end
            right = end if number == len(marks) else marks[number].start
            piece = self.source.text[left:right]
            return left + len(piece) - len(piece.lstrip()), left + len(piece.rstrip())

        def join(first: int, last: int) -> Expr:
            if first == last:
                return cast(Expr, terms[first])
            middle = last if len(terms) < BALANCE else (first + last + 1) // 2
            mark = marks[middle - 1]
            return Binary(
                op,
                join(first, middle - 1),
                join(middle, last),
                op_span=self.span(mark.start, mark.end),
                span=self.span(edge(first)[0], edge(last)[1]),
            )

        return join(0, len(terms) - 1)

    def no(self, c: Children, start: int, end: int) -> Unary:
        return Unary("not", c[1], span=self.span(start, end))

    def sign(self, c: Children, start: int, end: int) -> Unary:
        return Unary(c[0].text, c[1], span=self.span(start, end))

    def binary(self, c: Children, start: int, end: int) -> Binary:
        mark = c[1]
        return Binary(mark.kind, c[0], c[2], op_span=self.span(mark.start, mark.end), span=self.span(start, end))

    def compare(self, c: Children, start: int, end: int) -> Binary:
        marks = c[1:-1]
        op = " ".join((mark.word or mark.kind).lower() for mark in marks)
        where = self.span(marks[0].start, marks[-1].end)
        return Binary(cast(BinaryOp, op), c[0], c[-1], op_span=where, span=self.span(start, end))

    def between(self, c: Children, start: int, end: int) -> Between:
        return Between(c[0], c[-3], c[-1], len(c) == 6, span=self.span(start, end))

    def is_null(self, c: Children, start: int, end: int) -> IsNull:
        return IsNull(c[0], len(c) == 4, span=self.span(start, end))

    def pipe(self, c: Children, start: int, end: int) -> Call:
        first = Arg(c[0], span=c[0].span)
        return Call(c[2], (first, *(c[3] if len(c) > 3 else ())), True, span=self.span(start, end))

    def field(self, c: Children, start: int, end: int) -> Field:
        return self.member(c[0], c[2], start)

    def member(self, base: Expr, name: Name, start: int) -> Field:
        self.reserved.pop(name.span.start, None)
        return Field(base, name, span=self.span(start, name.span.end))

    def index(self, c: Children, start: int, end: int) -> Index:
        return Index(c[0], c[2], span=self.span(start, end))

    def slice_(self, c: Children, start: int, end: int) -> Index:
        colon = next(i for i, x in enumerate(c) if isinstance(x, Token) and x.kind == ":")
        first = c[2] if colon > 2 else None
        last = c[colon + 1] if colon + 1 < len(c) - 1 else None
        return Index(c[0], first, last, True, span=self.span(start, end))

    def call(self, c: Children, start: int, end: int) -> Expr:
        func: Expr = c[0]
        base = func
        while isinstance(base, Field):
            base = base.base
        if not isinstance(base, Name) or not isinstance(func, Name | Field):
            from recipec.syntax.errors import NotCallable

            self.diagnostics.append(NotCallable(span=func.span, func=func))
            return func
        return Call(func, c[1], span=self.span(start, end))

    def called(self, c: Children, start: int, end: int) -> Call:
        return Call(c[0], c[1], span=self.span(start, end))

    def callee(self, c: Children, start: int, end: int) -> Name | Field:
        func: Name | Field = c[0]
        for part in c[2::2]:
            func = self.member(func, part, start)
        return func

    def args(self, c: Children, start: int, end: int) -> tuple[Arg, ...]:
        return tuple(x for x in c if isinstance(x, Arg))

    def arg(self, c: Children, start: int, end: int) -> Arg:
        return Arg(c[-1], c[0] if len(c) == 3 else None, span=self.span(start, end))

    def arrow(self, c: Children, start: int, end: int) -> Arrow:
        return Arrow(c[0], c[2], span=self.span(start, end))

    def lambda_(self, c: Children, start: int, end: int) -> Lambda:
        return Lambda(c[1], c[3], span=self.span(start, end))

    def names(self, c: Children, start: int, end: int) -> tuple[Name, ...]:
        return tuple(c[::2])

    def paren(self, c: Children, start: int, end: int) -> Expr:
        return cast(Expr, c[1])

    def list_(self, c: Children, start: int, end: int) -> ListExpr:
        return ListExpr(tuple(c[1:-1:2]), span=self.span(start, end))

    def struct(self, c: Children, start: int, end: int) -> StructExpr:
        return StructExpr(tuple(x for x in c if isinstance(x, tuple)), span=self.span(start, end))

    def pair(self, c: Children, start: int, end: int) -> tuple[Name, Expr]:
        key = c[0]
        if isinstance(key, Token):
            value = self.string(key)
            key = Name(value.value, True, span=value.span)
        return key, c[2]

    def case(self, c: Children, start: int, end: int) -> Case:
        subject = None if isinstance(c[1], tuple) else c[1]
        branches = tuple(x for x in c if isinstance(x, tuple))
        default = None if isinstance(c[-2], tuple) else c[-2]
        return Case(subject, branches, default, span=self.span(start, end))

    def branch(self, c: Children, start: int, end: int) -> tuple[Expr, Expr]:
        return c[1], c[3]

    def cast_(self, c: Children, start: int, end: int) -> Cast:
        return Cast(c[2], c[4], c[0].word == "TRY_CAST", span=self.span(start, end))

    # Tokens -------------------------------------------------------------------------------------------------------

    def word(self, token: Token) -> Name:
        return Name(token.text, span=self.span(token.start, token.end))

    def name(self, c: Children, start: int, end: int) -> Name:
        written: str = c[0].text
        if written.startswith("`"):
            return Name(written[1:-1].replace("``", "`"), True, span=self.span(start, end))
        if c[0].word in RESERVED:
            from recipec.syntax.errors import LooseLambda, ReservedWord

            where = self.span(start, end)
            self.reserved[start] = LooseLambda(span=where) if c[0].word == "LAMBDA" else ReservedWord(span=where)
        return Name(written, span=self.span(start, end))

    def round_(self, c: Children, start: int, end: int) -> Round:
        return Round(c[0], self.integer(c[2]), span=self.span(start, end))

    def integer(self, token: Token) -> int:
        """The number of a round."""
        value = self.number([token], token.start, token.end).value
        if isinstance(value, int) and value >= 0:
            return value
        from recipec.syntax.errors import BadRound

        self.diagnostics.append(BadRound(span=self.span(token.start, token.end)))
        return 1

    def text(self, c: Children, start: int, end: int) -> String:
        return self.string(c[0])

    def string(self, token: Token) -> String:
        where = self.span(token.start, token.end)
        if token.kind == "BLOCK":
            return String(literals.block_value(token.text), True, span=where)
        value, bad = literals.string_value(token.text)
        if bad:
            from recipec.syntax.token_errors import BadEscape

            for offset, length in bad:
                start = token.start + offset
                self.diagnostics.append(BadEscape(span=self.span(start, start + length)))
        return String(value, span=where)

    def number(self, c: Children, start: int, end: int) -> Number:
        token: Token = c[0]
        value = literals.number_value(token.text)
        if value is None:
            from recipec.syntax.token_errors import NumberTooLarge

            self.diagnostics.append(NumberTooLarge(span=self.span(start, end)))
            value = 0
        unit = token.text.split()[-1] if token.kind == "UNIT" else None
        return Number(value, token.kind == "PERCENT", unit, span=self.span(start, end))

    def regex(self, c: Children, start: int, end: int) -> Regex:
        pattern, _, flags = c[0].text[2:].rpartition("/")
        plain = re.sub(r"\\(.)", lambda m: "/" if m[1] == "/" else m[0], pattern)
        return Regex(plain, flags, span=self.span(start, end))

    def true(self, c: Children, start: int, end: int) -> Bool:
        return Bool(True, span=self.span(start, end))

    def false(self, c: Children, start: int, end: int) -> Bool:
        return Bool(False, span=self.span(start, end))

    def null(self, c: Children, start: int, end: int) -> Null:
        return Null(span=self.span(start, end))


def steps_in_defs(source: Source, items: Sequence[Item]) -> Iterator[Step]:
    """Steps of two words behind a ``def`` on its line: ``def says(t, w) = lower(t) contains w`` is no step."""
    for first, second in pairwise(items):
        bare = isinstance(second, Step) and second.span.end == second.name.span.end
        if isinstance(first, Def) and bare and "\n" not in source.text[first.span.end : second.span.start]:
            assert isinstance(second, Step)
            yield second


def steps_after_steps(source: Source, items: Sequence[Item]) -> Iterator[Step]:
    """Steps that stand on one line behind another that says nothing: most likely the two were meant as one. (Those of the
    items alone: a loop's own steps are asked for by themselves.)"""
    for first, second in pairwise(items):
        bare = isinstance(first, Step) and first.span.end == first.name.span.end
        if bare and isinstance(second, Step) and "\n" not in source.text[first.span.end : second.span.start]:
            yield second
