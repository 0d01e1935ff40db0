"""Types: the recipe's names for them and DuckDB's.

``text int float bool date timestamp time json blob decimal(p, s) [T] {a: T} map(K, V)`` and every DuckDB type name.
"""

from __future__ import annotations

import re

from recipec.api import REQUIRED, Function, Parameter, quote
from recipec.diagnostics import UnknownName
from recipec.source import Span
from recipec.syntax import tree

SIMPLE = {
    "text": "VARCHAR", "string": "VARCHAR", "str": "VARCHAR", "varchar": "VARCHAR",
    "int": "BIGINT", "integer": "INTEGER", "bigint": "BIGINT", "smallint": "SMALLINT", "tinyint": "TINYINT", "hugeint": "HUGEINT",
    "uint": "UBIGINT", "ubigint": "UBIGINT", "uinteger": "UINTEGER", "usmallint": "USMALLINT", "utinyint": "UTINYINT",
    "float": "DOUBLE", "double": "DOUBLE", "real": "FLOAT", "bool": "BOOLEAN", "boolean": "BOOLEAN",
    "date": "DATE", "time": "TIME", "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMP WITH TIME ZONE", "interval": "INTERVAL",
    "json": "JSON", "blob": "BLOB", "bytes": "BLOB", "uuid": "UUID", "decimal": "DECIMAL(18,3)",
}  # fmt: skip


ALIASES = {
    "number": "`int` for whole numbers, `float` for others", "numeric": "`int` for whole numbers, `float` for others",
    "char": "did you mean `text`?", "datetime": "did you mean `timestamp`?", "list": "a list of texts is `[text]`",
    "array": "a list of texts is `[text]`", "object": "a struct is `{a: int, b: text}`", "struct": "a struct is `{a: int, b: text}`",
    "dict": "a map is `map(text, int)`, a struct `{a: int}`",
}  # fmt: skip
"""Types of other languages, and what stands for them here."""


class UnknownType(UnknownName):
    """A type that does not exist.

    Types of columns, parameters and casts are ``text``, ``int``, ``float``, ``bool``, ``date``, ``timestamp``, ``json``,
    ``decimal(10, 2)``, lists ``[text]``, structs ``{a: int}``, ``map(text, int)``, and DuckDB's own names.

    Bad: ``columns: { n: number }``. Good: ``columns: { n: int }``.
    """

    name = "unknown-type"
    code = "E205"


class TypeProblem(Exception):
    """Not a type; ``diagnostic`` says why."""

    def __init__(self, span: Span, wanted: str) -> None:
        super().__init__(wanted)
        self.diagnostic = UnknownType(span=span, wanted=wanted, candidates=("text", "int", "float", "bool", "date", "timestamp", *SIMPLE))
        self.diagnostic.suggest(f"no type `{wanted}`")
        meant = ALIASES.get(wanted.lower())
        if meant is not None:
            self.diagnostic.put(label=meant, fixes=())
        elif wanted.lower().startswith("decimal("):
            self.diagnostic.put(label="first all digits, at most 38, then those of them behind the point", fixes=())
        self.diagnostic.put(help=("types: text, int, float, bool, date, timestamp, json, decimal(10, 2), [text], {a: int}",))


def duckdb_type(node: tree.Expr) -> str:
    """The DuckDB type that a type expression means. Raises TypeProblem."""
    match node:
        case tree.Name(id=name) if name.lower() in SIMPLE:
            return SIMPLE[name.lower()]
        case tree.ListExpr(items=(item,)):
            return duckdb_type(item) + "[]"
        case tree.StructExpr(items=items) if items:
            return "STRUCT(" + ", ".join(f"{quote(k.id)} {duckdb_type(v)}" for k, v in items) + ")"
        case tree.Call(
            func=tree.Name(id="decimal"), args=(tree.Arg(value=tree.Number(value=int(p))), tree.Arg(value=tree.Number(value=int(s))))
        ) if 0 < p <= 38 and 0 <= s <= p:
            return f"DECIMAL({p},{s})"
        case tree.Call(func=tree.Name(id="map"), args=(k, v)):
            return f"MAP({duckdb_type(k.value)}, {duckdb_type(v.value)})"
        case tree.Call(func=tree.Name(id="list"), args=(item,)):
            return duckdb_type(item.value) + "[]"
        case _:
            raise TypeProblem(node.span, " ".join(node.span.text.split())[:40])


INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}


def is_number(type: str) -> bool:
    return type in INTEGERS or type in ("FLOAT", "DOUBLE") or type.startswith("DECIMAL")


def accepts(expected: str, given: str) -> bool:
    """Whether a value of type ``given`` may stand where a function of ours expects ``expected``."""
    if expected == "ANY" or given in (expected, '"NULL"', "NULL"):
        return True
    if expected == "VARCHAR":
        return given.startswith("ENUM") or given == "JSON"
    if expected == "BIGINT":
        return given in INTEGERS or given.endswith("INTEGER_LITERAL")
    if expected == "DOUBLE":
        return is_number(given) or "LITERAL" in given
    if expected.endswith("[]"):
        return given.endswith("[]") and (given == '"NULL"[]' or accepts(expected[:-2], given[:-2]))
    if expected.startswith("STRUCT("):
        # Its fields, wherever they stand, and perhaps others beside them.
        wanted, there = struct_fields(expected), struct_fields(given)
        return all(name in there and accepts(type, there[name]) for name, type in wanted.items())
    return False


def struct_fields(type: str) -> dict[str, str]:
    """The fields of ``STRUCT(a BIGINT, "b c" VARCHAR[])``; none for other types."""
    if not type.startswith("STRUCT(") or not type.endswith(")"):
        return {}
    fields: dict[str, str] = {}
    begin, depth, quoted = 7, 0, False
    for at in range(7, len(type)):
        letter = type[at]
        if letter == '"':
            quoted = not quoted
        elif not quoted and ((letter == "," and depth == 0) or at == len(type) - 1):
            field = type[begin:at].strip()
            named = _FIELD.match(field)
            if named is not None:
                fields[named[1].replace('""', '"') if named[1] is not None else named[2]] = field[named.end() :]
            begin = at + 1
        elif not quoted:
            depth += (letter == "(") - (letter == ")")
    return fields


_FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|(\S+)) ')


def family(type: str) -> str:
    """What a type can be compared with: ``text``, ``number``, ``bool``, ``time``; empty for all others."""
    if type == "VARCHAR" or type.startswith("ENUM"):
        return "text"
    if is_number(type) or type.endswith("_LITERAL"):
        return "number"
    if type == "BOOLEAN":
        return "bool"
    return "time" if type.startswith(("DATE", "TIME")) else ""


def comparable(left: str, right: str) -> bool:
    """Whether two families may be compared: with themselves, and a written text with a date."""
    if not left or not right or left.removesuffix(" literal") == right.removesuffix(" literal"):
        return True
    return {left, right} == {"text literal", "time"}


_WORDS = {"VARCHAR": "text", "BIGINT": "int", "DOUBLE": "float", "BOOLEAN": "bool"}


def shown(type: str) -> str:
    """A DuckDB type in the recipe's words: ``text``, ``[int]``."""
    if type.endswith("[]"):
        return f"[{shown(type[:-2])}]"
    if type.startswith("STRUCT("):
        return "{" + ", ".join(f"{name}: {shown(t)}" for name, t in struct_fields(type).items()) + "}"
    return _WORDS.get(type, type.lower())


def form(own: Function) -> str:
    """How one of recipec's own functions is called, in the recipe's words: ``words(text: text) -> int``."""

    def one(p: Parameter) -> str:
        type = p.type if p.constant else "any" if p.type == "ANY" else shown(p.type)
        return f"{p.name}: {type}" + ("" if p.default is REQUIRED else f" = {p.default!r}")

    return f"{own.name}({', '.join(map(one, own.parameters))}) -> {shown(own.returns)}"
