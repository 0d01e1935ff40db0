"""Rendering: a template's state, which travels to a worker as one text, made into a function of a row's values.

The same state is the same template: its digest is what a fingerprint sees, and the worker compiles it once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from jinja2 import Template, TemplateError

from recipec.api import DataError
from recipec.templates.filters import Null, Refused
from recipec.templates.language import LARGEST
from recipec.templates.sandbox import Sandbox

if TYPE_CHECKING:
    import pyarrow as pa

FAULTS = (
    TemplateError, Refused, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RuntimeError, MemoryError, NameError,
    AssertionError,
)  # fmt: skip
"""What running a template may raise: its own mistakes, and Python's words for what values cannot do."""


class Renderer:
    """One template, compiled. ``roles`` is None for a plain one, else a role for each of its parts."""

    def __init__(self, state: str) -> None:
        given = json.loads(state)
        self.name: str = given["name"]
        self.params: list[tuple[str, str]] = [(name, kind) for name, kind in given["params"]]
        self.roles: list[str] | None = given["roles"]
        self.sandbox = Sandbox(given["sources"], given["includes"])
        try:
            self.parts = [self.sandbox.get_template(str(n)) for n in range(len(self.roles or [""]))]
        except (TemplateError, Refused, SyntaxError, RecursionError, MemoryError) as error:
            said = "it is nested too deeply" if isinstance(error, (SyntaxError, RecursionError, MemoryError)) else str(error)
            raise DataError(f"template `{self.name}`: {said}") from None
        # One context a part for all rows: making one costs more than rendering a short prompt.
        self.contexts = [part.new_context({}) for part in self.parts]

    def part(self, number: int, values: dict[str, Any]) -> str | None:
        """The text of one part for a row; None when it prints a null. Raises DataError, with the values."""
        sandbox, context, template = self.sandbox, self.contexts[number], self.parts[number]
        sandbox.left = LARGEST
        context.vars.clear()
        context.exported_vars.clear()
        context.parent = {**sandbox.globals, **values}
        try:
            return "".join(template.root_render_func(context))
        except Null:
            return None
        except FAULTS as error:
            raise self.failed(error, template, values) from None

    def failed(self, error: Exception, template: Template, values: dict[str, Any]) -> DataError:
        line = 0
        for frame, number in walk_tb(error.__traceback__):
            if frame.f_code.co_filename == template.filename or frame.f_globals.get("name") == template.name:
                line = template.get_corresponding_lineno(number)
        said = "it calls itself too often" if isinstance(error, RecursionError) else str(error) or type(error).__name__
        place = f", line {line} of its text" if line else ""
        if self.roles is not None:
            place += f" ({self.roles[int(template.name or 0)]})"
        shown = ", ".join(f"{k} = {brief(v)}" for k, v in values.items())
        return DataError(f"template `{self.name}`{place}: {said}", f"with {shown}" if shown else "")

    def text(self, values: dict[str, Any]) -> str | None:
        """A plain template for one row."""
        return self.part(0, values)

    def messages(self, values: dict[str, Any]) -> list[tuple[str, str]] | None:
        """A chat template for one row: (role, content). None when a part prints a null; a system part that is blank is left out,
        as ``conversation`` does."""
        out: list[tuple[str, str]] = []
        for number, role in enumerate(self.roles or []):
            text = self.part(number, values)
            if text is None:
                return None
            if role != "system" or text.strip():
                out.append((role, text))
        return out


def brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


@lru_cache(maxsize=256)
def renderer(state: str) -> Renderer:
    return Renderer(state)


def values(column: pa.Array, kind: str) -> Sequence[Any]:
    """A column as Python values. What is no plain text, number or truth value comes as JSON."""
    listed: list[Any] = column.to_pylist()
    if kind != "json":
        return listed
    made: list[Any] = json.loads(f"[{','.join('null' if v is None else v for v in listed)}]")
    return made


def run(state: str, *columns: pa.Array) -> pa.Array:
    """The kernel: a text, or a list of messages, for every row."""
    import numpy as np
    import pyarrow as pa

    made = renderer(state)
    names = [name for name, _ in made.params]
    given = [values(c, kind) for c, (_, kind) in zip(columns, made.params, strict=False)]
    rows = zip(*given, strict=True) if given else iter([()] * len(columns[0]))
    if made.roles is None:
        return pa.array([made.text(dict(zip(names, row, strict=True))) for row in rows], pa.string())
    counts: list[int] = []
    missing: list[bool] = []
    roles: list[str] = []
    contents: list[str] = []
    for row in rows:
        messages = made.messages(dict(zip(names, row, strict=True)))
        missing.append(messages is None)
        counts.append(len(messages or ()))
        for role, content in messages or ():
            roles.append(role)
            contents.append(content)
    starts = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=starts[1:])
    inner = pa.StructArray.from_arrays([pa.array(roles, pa.string()), pa.array(contents, pa.string())], ["role", "content"])
    return pa.ListArray.from_arrays(pa.array(starts), inner, mask=pa.array(missing))
