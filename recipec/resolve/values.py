"""Constants: what settings, arguments and parameters are worth before anything runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from recipec.api import Secret
from recipec.diagnostics import Diagnostic
from recipec.resolve.problems import BadValue, NotConstant, TooLarge
from recipec.syntax import tree


class EnvText(str):
    """A text that came from the environment: fingerprints and reports show the variable, never the value."""

    variable: str

    def __new__(cls, value: str, variable: str) -> EnvText:
        made = super().__new__(cls, value)
        made.variable = variable
        return made


LONGEST = 1_000_000
"""Characters of a text that a constant makes, and parts of a list."""
LARGEST_BITS = 1_024
"""Bits of a whole number that a constant makes; none that is larger can be stored."""


class BrokenName(Exception):
    """A parameter whose own definition is wrong, which is reported there."""


class NotAConstant(Exception):
    """``diagnostic`` says where and why."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
}


def constant(node: tree.Expr, lookup: Callable[[tree.Name | tree.Field], Any], *, words: bool = False) -> Any:
    """The Python value of a constant expression. Raises NotAConstant, and what ``lookup`` raises beside KeyError.

    ``lookup`` gives a parameter's value or raises KeyError. With ``words``, a bare name that is no parameter is a word:
    its text (``assign: hash``). ``env("NAME")`` is an :class:`EnvText`; an unset variable is an error.
    """

    def value(node: tree.Expr) -> Any:
        match node:
            case tree.String() | tree.Number() | tree.Bool():
                return node.value
            case tree.Null():
                return None
            case tree.Name() | tree.Field():
                try:
                    return lookup(node)
                except KeyError:
                    if words and isinstance(node, tree.Name):
                        return node.id
                    raise refuse(node) from None
            case tree.ListExpr(items=items):
                return bounded([value(i) for i in items], node)
            case tree.StructExpr(items=pairs):
                return bounded({k.id: value(v) for k, v in pairs}, node)
            case tree.Unary(op="-", operand=inner) if isinstance(number := value(inner), (int, float)):
                return -number
            case tree.Unary(op="+", operand=inner):
                return value(inner)
            case tree.Unary(op="not", operand=inner):
                return not value(inner)
            case tree.Binary(op="||", left=left, right=right):
                return bounded(f"{value(left)}{value(right)}", node)
            case tree.Binary(op=op, left=left, right=right) if op in _ARITHMETIC:
                a, b = value(left), value(right)
                texts = isinstance(a, str) and isinstance(b, str) and op == "+"
                numbers = all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in (a, b))
                try:
                    if texts or numbers:
                        return bounded(_ARITHMETIC[op](a, b), node)
                except ArithmeticError:
                    # Divided by zero, or too large for a float: refused below, as what is no number is.
                    pass
                raise NotAConstant(BadValue(span=node.span, message=f"cannot compute {said(a)} {op} {said(b)}"))
            case tree.Call(func=tree.Name(id="env"), args=(tree.Arg(value=tree.String(value=variable)),)):
                if variable not in os.environ:
                    raise NotAConstant(
                        BadValue(
                            span=node.span,
                            message=f"environment variable `{variable}` is not set",
                            help=(f"set it before the command: {variable}=... recipec run",),
                        )
                    )
                return EnvText(os.environ[variable], variable)
            case _:
                raise refuse(node)

    def bounded(made: Any, node: tree.Expr) -> Any:
        """A parameter is made of parameters, each twice as large as the one before."""
        if (isinstance(made, str) and len(made) > LONGEST) or (isinstance(made, int) and made.bit_length() > LARGEST_BITS):
            what = f"text of more than {LONGEST:,} characters" if isinstance(made, str) else f"number of more than {LARGEST_BITS:,} bits"
            raise NotAConstant(TooLarge(span=node.span, message=f"this makes a {what}"))
        if isinstance(made, (list, dict)) and parts(made) > LONGEST:
            raise NotAConstant(TooLarge(span=node.span, message=f"this makes a list of more than {LONGEST:,} parts"))
        return made

    def refuse(node: tree.Expr) -> NotAConstant:
        return NotAConstant(
            NotConstant(
                span=node.span,
                message="this must be a constant",
                label="depends on the rows, or is not known",
                help=("write a literal, a list of them, or the name of a `param`",),
            )
        )

    return value(node)


def parts(value: Any) -> int:
    """How many values there are in a list of lists, and a little more than :data:`LONGEST` where there are more."""
    count, waiting = 0, [value]
    while waiting and count <= LONGEST:
        inner = waiting.pop()
        listed = list(inner.values()) if isinstance(inner, dict) else inner
        count += len(listed)
        waiting += [v for v in listed if isinstance(v, (list, dict))]
    return count


def secret(node: tree.Expr) -> Secret | None:
    """``env("NAME")`` kept unread, or a string; None for anything else."""
    match node:
        case tree.Call(func=tree.Name(id="env"), args=(tree.Arg(value=tree.String(value=variable)),)):
            return Secret(variable)
        case tree.String(value=value):
            return Secret(None, value)
        case _:
            return None


def meaning(value: Any) -> Any:
    """A constant as it enters a fingerprint: JSON-able, and an environment variable by its name alone."""
    match value:
        case EnvText():
            return f'env("{value.variable}")'
        case Secret():
            return value.shown if value.variable else "secret"
        case list() | tuple():
            return [meaning(v) for v in value]
        case dict():
            return {str(k): meaning(v) for k, v in value.items()}
        case _:
            return value


def said(value: Any) -> str:
    """A value as the recipe writes it, cut short."""
    if isinstance(value, EnvText):
        return f'env("{value.variable}")'
    if not isinstance(value, (str, int, float, list, tuple, dict, type(None))):
        return "that"
    text = json.dumps(value, ensure_ascii=False, default=lambda _: "...")
    return text if len(text) <= 40 else text[:39] + "…"
