"""A small engine for the functions of the expression language: DuckDB with every kernel registered as an Arrow function."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from recipec.api import KERNELS, REQUIRED, SQL, Function, Kernel, find_function, literal

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"


class Calculator:
    """Runs expressions written as Python calls: ``words("a b")``, ``upper(nfc("a"))``."""

    def __init__(self) -> None:
        self.con = duckdb.connect(config={"threads": "2"})
        self._known: set[str] = set()

    def value(self, expression: str) -> Any:
        return self.rows(f"SELECT {self.sql(expression)}")[0][0]

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        self._register()
        return self.con.execute(query, list(parameters)).fetchall()

    def sql(self, expression: str) -> str:
        # `name: value` of the language is `name=value` of Python.
        return self._lower(ast.parse(re.sub(r"([(,]\s*\w+): ", r"\1=", expression.strip()), mode="eval").body)

    def call(self, name: str, *args: str, **named: Any) -> str:
        """SQL of a function of the language: SQL texts for its SQL arguments, values for its constants."""
        own = find_function(name)
        assert own is not None, name
        values: dict[str, Any] = dict(zip((p.name for p in own.parameters), args, strict=False)) | named
        for parameter in own.parameters:
            if parameter.name not in values:
                assert parameter.default is not REQUIRED, f"{name} needs {parameter.name}"
                values[parameter.name] = parameter.default if parameter.constant else SQL(literal(parameter.default))
        return own.body(**{k: SQL(v) if isinstance(v, str) and not self._constant(own, k) else v for k, v in values.items()})

    @staticmethod
    def _constant(own: Function, name: str) -> bool:
        return next(p.constant for p in own.parameters if p.name == name)

    def _lower(self, node: ast.expr) -> str:
        match node:
            case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords):
                own = find_function(name)
                if own is None:
                    return f"{name}({', '.join(map(self._lower, args))})"
                given = dict(zip((p.name for p in own.parameters), args, strict=False)) | {k.arg: k.value for k in keywords if k.arg}
                return self.call(name, **{k: constant(v) if self._constant(own, k) else self._lower(v) for k, v in given.items()})
            case ast.List(elts=items):
                return f"[{', '.join(map(self._lower, items))}]"
            case ast.Name(id="null"):
                return "(NULL)"
            case ast.Name(id=name):
                return f'"{name}"'
            case _:
                return literal(ast.literal_eval(node))

    def _register(self) -> None:
        for name in sorted(KERNELS.keys() - self._known):
            self._known.add(name)
            kernel = KERNELS[name]
            self.con.create_function(
                kernel.sql_name, runner(kernel), [self.con.dtype(a) for a in kernel.args], self.con.dtype(kernel.returns),
                type="arrow", null_handling="special",
            )  # fmt: skip


def constant(node: ast.expr) -> Any:
    """The value of a constant argument; a bare name is a word."""
    if isinstance(node, ast.Name):
        return {"true": True, "false": False, "null": None}.get(node.id, node.id)
    return ast.literal_eval(node)


def runner(kernel: Kernel) -> Any:
    module, _, attribute = kernel.target.partition(":")
    target = getattr(import_module(module), attribute)

    def run(*columns: pa.ChunkedArray) -> pa.Array:
        return target(*(c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in columns))

    # DuckDB counts the parameters of what it is given.
    places = [Parameter(f"a{i}", Parameter.POSITIONAL_ONLY) for i in range(len(kernel.args))]
    run.__signature__ = Signature(places)  # type: ignore[attr-defined]
    return run


def examples(own: Function) -> Iterator[tuple[str, str]]:
    """``>>>`` expressions of a function's documentation with the line that follows each."""
    yield from re.findall(r"^ *>>> (.+)\n *(.+)$", own.doc, re.M)
