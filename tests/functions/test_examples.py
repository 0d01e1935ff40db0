"""What holds for every function of the language: its examples, nulls, and what importing it costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from functions_harness import Calculator, examples

from recipec.api import REQUIRED, Function, find_function
from recipec.registry import names

FOLDER = Path(__file__).resolve().parents[2] / "recipec" / "functions"


def mine() -> list[Function]:
    found = [find_function(name) for name in names("function")]
    return [f for f in found if f is not None and Path(f.body.__code__.co_filename).parent == FOLDER]


@pytest.mark.parametrize("own", mine(), ids=lambda f: f.name)
def test_has_examples(own: Function) -> None:
    assert list(examples(own)) or "```recipe" in own.doc, f"{own.name} has no example"
    assert own.doc.count(">>>") == len(list(examples(own)))


@pytest.mark.parametrize(("expression", "expected"), [e for f in mine() for e in examples(f)])
def test_example(calculator: Calculator, expression: str, expected: str) -> None:
    assert calculator.value(expression) == ast.literal_eval(expected)


def on_nulls(calculator: Calculator, own: Function) -> str:
    """A call of the function with null for every SQL argument."""
    plain = {"str": "x", "int": 1, "list[str]": ["x"]}
    constants: dict[str, Any] = {p.name: plain[p.pytype] for p in own.parameters if p.constant and p.default is REQUIRED}
    nulls = {p.name: f"NULL::{p.type.replace('ANY', 'VARCHAR')}" for p in own.parameters if not p.constant}
    return calculator.call(own.name, **nulls, **constants)


@pytest.mark.parametrize("own", mine(), ids=lambda f: f.name)
def test_null_gives_null_of_the_declared_type(calculator: Calculator, own: Function) -> None:
    query = on_nulls(calculator, own)
    assert calculator.rows(f"SELECT {query}, typeof({query})") == [(None, own.returns)]


def test_names_do_not_hide_functions_of_duckdb(calculator: Calculator) -> None:
    known = {r[0] for r in calculator.rows("SELECT function_name FROM duckdb_functions() WHERE function_type IN ('scalar', 'macro')")}
    assert sorted(known & {f.name for f in mine()}) == []


def test_importing_functions_is_cheap() -> None:
    heavy = ("pyarrow", "numpy", "ftfy", "duckdb", "fasttext", "opencc", "tokenizers")
    code = (
        "import sys; from recipec.registry import names, find\n"
        "for n in names('function'): find('function', n)\n"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=FOLDER.parents[1], check=True)
    assert done.stdout.strip() == "[]"
