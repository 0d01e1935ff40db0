"""Draw the graph of a recipe: its steps and what each reads.

Nothing but the recipe and what it imports is read, so it works before there is any data.

examples:
  recipec graph
  recipec graph packages.recipe --format mermaid
  recipec graph --format dot | dot -Tsvg > graph.svg
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from recipec.cli import _files
from recipec.cli._options import add_sets, sets_of
from recipec.cli._parser import choice
from recipec.cli._project import add_recipe, find_recipe
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.report.graph import Node
    from recipec.resolve.modules import Entry
    from recipec.resolve.program import Program


def options(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    add_sets(parser)
    parser.add_argument(
        "--format", type=choice("text", "mermaid", "dot", "json"), default="text", metavar="FORMAT", help="text, mermaid, dot or json"
    )


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    from recipec.report import graph
    from recipec.report.text import finding
    from recipec.resolve.loading import load

    program = load(_files.read(find_recipe(args.recipe)), sets_of(args), offline=True)
    for diagnostic in program.findings.sorted:
        err.line(finding(diagnostic, err))
    status = 1 if program.findings.errors else 0
    # Settings name steps too; which of their words do is known once they are bound. What is wrong there is for `check` to say.
    program.resolve()
    nodes = [node(program, program.entries[name]) for name in inputs_first(program)]
    match args.format:
        case "mermaid":
            out.write(graph.mermaid(nodes))
        case "dot":
            out.write(graph.dot(nodes, program.recipe))
        case "json":
            out.write(graph.as_json(nodes, ascii=not out.unicode))
        case _:
            out.write(graph.text(nodes, out))
    return status


def inputs_first(program: Program) -> list[str]:
    """The root file's steps and all that they read, inputs first."""
    order: list[str] = []
    seen: set[str] = set()

    def visit(start: str) -> None:
        stack = [(start, iter(edges(program, program.entries[start])))]
        seen.add(start)
        while stack:
            name, rest = stack[-1]
            following = next((step for step, _ in rest if step in program.entries and step not in seen), None)
            if following is None:
                stack.pop()
                order.append(name)
            else:
                seen.add(following)
                stack.append((following, iter(edges(program, program.entries[following]))))

    for name, entry in program.entries.items():
        if not entry.module.prefix and name not in seen:
            visit(name)
    return order


def edges(program: Program, entry: Entry) -> list[tuple[str, str | None]]:
    """(step, part) of what a step reads: as resolved, or where that failed its inputs as written."""
    resolved = program.resolved.get(entry.name)
    if resolved is not None:
        return [(ref.step, ref.part) for ref in resolved.parents]
    return list(dict.fromkeys(edge for item in entry.node.inputs if (edge := named(entry, item.span.text)) is not None))


def node(program: Program, entry: Entry) -> Node:
    from recipec.report.graph import Node
    from recipec.syntax import tree

    step = entry.node
    detail = " ".join(step.reader.span.text.split()) if step.reader is not None else ""
    to = next((s.value.span.text for s in step.body if isinstance(s, tree.Setting) and s.key.id == "to"), "")
    return Node(entry.name, step.kind.id, tuple(edges(program, entry)), detail or (f"to {to}" if to else ""))


def named(entry: Entry, text: str) -> tuple[str, str | None] | None:
    """The step, and part, that an input names where it stands; None for a name that is no step."""
    steps = dict(entry.module.steps)
    for alias, module in entry.module.imports.items():
        steps |= {f"{alias}.{local}": name for local, name in module.steps.items()}
    text = "".join(text.replace("`", "").split())
    head, _, tail = text.rpartition(".")
    if text in steps:
        return steps[text], None
    if head in steps:
        return steps[head], tail
    prefixed = f"{entry.module.prefix}{text}"
    return (prefixed, None) if "@" in text else None
