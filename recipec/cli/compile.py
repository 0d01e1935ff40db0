"""Print the SQL of a recipe's steps, or the recipe resolved.

Steps that are no SQL (readers, splits, exports) are named in comments. Functions that begin with two underscores are
recipec's own and run beside the database. --format resolved writes the recipe with every name bound, every table's
columns and all that decides a step's result, as JSON for other programs: `recipec docs --format schema` is its schema.

examples:
  recipec compile
  recipec compile packages.recipe --only tidy
  recipec compile --format resolved > packages.json
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from recipec.cli._options import add_sets
from recipec.cli._parser import choice
from recipec.cli._project import add_recipe, program_of
from recipec.cli.plan import add_only, chosen
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.resolve.program import ResolvedStep


def options(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    add_sets(parser)
    add_only(parser)
    parser.add_argument("--offline", action="store_true", help="read no source files: columns as declared only")
    parser.add_argument(
        "--format", type=choice("text", "json", "resolved"), default="text", metavar="FORMAT", help="text, json (the SQL) or resolved"
    )


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    from recipec.report.sql_text import pretty

    program = program_of(args, err, offline=args.offline)
    if program is None:
        return 1
    only = chosen(args.only, program)
    steps = [s for s in program.steps if not only or s.name in only]
    if args.format == "resolved":
        from recipec.editors.schema import document

        out.line(json.dumps(document(program, only), ensure_ascii=not out.unicode, indent=2))
        return 0
    if args.format == "json":
        out.line(
            json.dumps([{"name": s.name, "kind": s.kind.name, "sql": statements(s)} for s in steps], ensure_ascii=not out.unicode, indent=2)
        )
        return 0
    for number, step in enumerate(steps):
        if number:
            out.line()
        found = statements(step)
        inputs = ", ".join(map(str, step.parents))
        note = "" if found else ": done by recipec, not by SQL"
        out.line(out.paint("dim", f"-- {step.name}: {step.kind.name}{f' from {inputs}' if inputs else ''}{note}"))
        for sql in found:
            out.line(pretty(sql) + ";")
    return 0


def statements(step: ResolvedStep) -> list[str]:
    """The statements of one step, its inputs under their own names."""
    from recipec.api import quote

    return step.kind.sql(step.bound.plan, step.name, [f"{quote(r.step)}.{quote(r.part)}" if r.part else quote(r.step) for r in step.inputs])
