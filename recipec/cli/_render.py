"""``show STEP --render TEMPLATE``: the prompts that a template makes of a step's rows."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.api import DataError, quote
from recipec.cli._errors import CannotRun
from recipec.diagnostics import nearest
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.cli.show import Selection
    from recipec.resolve.modules import Module
    from recipec.resolve.prompts import Prompt


def find(module: Module, wanted: str) -> Prompt:
    """The template of a name, which may be dotted. Raises CannotRun."""
    known = {**module.prompts, **{f"{alias}.{n}": p for alias, inner in module.imports.items() for n, p in inner.prompts.items()}}
    if wanted not in known:
        guess = nearest(wanted, known)
        said = f"no template `{wanted}`" + (f"; did you mean `{guess}`?" if guess else "")
        raise CannotRun(said, f"templates: {', '.join(known)}" if known else "the recipe has no templates")
    return known[wanted]


def render(args: argparse.Namespace, selection: Selection, prompt: Prompt, out: Terminal) -> int:
    """Print the prompts of the rows chosen. Every parameter is the column of its name."""
    from recipec.resolve.types import accepts, shown
    from recipec.templates.render import Renderer

    columns: list[str] = []
    for name, declared in prompt.params:
        given = selection.types.get(name)
        if given is None:
            listed = ", ".join(selection.types)
            raise CannotRun(
                f"`{prompt.form}`: the rows have no column `{name}`",
                f"its parameters are read from columns of their names; columns: {listed}",
            )
        if declared is not None and not accepts(declared, given):
            raise CannotRun(f"`{prompt.form}`: the column `{name}` is {shown(given)}")
        direct = prompt.kind(declared) != "json"
        columns.append(f"{quote(name)}::{declared}" if direct else f"to_json({quote(name)})::VARCHAR")
    rows = selection.checked(selection.rendering(columns))
    renderer = Renderer(prompt.state)
    kinds = [kind for _, kind in renderer.params]
    made: list[tuple[str, object]] = []
    for key, *given_values in rows:
        values = {
            name: json.loads(v) if kind == "json" and v is not None else v
            for (name, _), kind, v in zip(prompt.params, kinds, given_values, strict=True)
        }
        try:
            result: object = renderer.text(values) if prompt.roles is None else renderer.messages(values)
        except DataError as error:
            raise CannotRun(error.message, error.help) from None
        made.append((str(key), messages(result) if isinstance(result, list) else result))
    return printed(args, prompt.name, made, out)


def printed(args: argparse.Namespace, name: str, made: Sequence[tuple[str, object]], out: Terminal) -> int:
    """The prompts, as a text or as messages (``role``, ``content``), with the key of the row that each is made of."""
    if args.format == "json":
        listed_rows = [{"_key": k, name: r} for k, r in made]
        out.line(json.dumps(listed_rows, ensure_ascii=not out.unicode, indent=2))
        return 0
    for number, (key, result) in enumerate(made, 1):
        out.line(out.paint("dim", f"{number}  {key}"))
        if result is None:
            out.line(out.paint("dim", "null: it prints a null"))
        elif isinstance(result, list):
            for message in result:
                out.line(out.paint("bold", f"{message['role']}:"))
                out.line(message["content"])
        else:
            out.line(str(result))
        out.line()
    return 0


def messages(listed: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in listed]
