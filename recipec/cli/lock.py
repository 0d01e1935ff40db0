"""Write down what a recipe is built from, in a lock file.

The lock is NAME.lock beside the recipe, to be kept in git. It holds the digests of the files read, the models, the
parameters, the versions of what the recipe uses, and what each step means, field by field. `recipec run --locked`
refuses to run when something differs, and says what. Exit status of --check: 0 as locked, 1 not, 2 no lock.

examples:
  recipec lock packages.recipe
  recipec lock --check
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.cli import _files
from recipec.cli._errors import CannotRun
from recipec.cli._options import add_sets
from recipec.cli._parser import choice
from recipec.cli._project import add_recipe, add_workspace, program_of, workspace_folder
from recipec.cli.plan import looked_at
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.plan.lock import Drift
    from recipec.resolve.program import Program
    from recipec.workspace.database import Workspace


def options(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    add_sets(parser)
    add_workspace(parser)
    parser.add_argument("--check", action="store_true", help="write nothing; say what is not as the lock has it")
    parser.add_argument("--format", type=choice("text", "json"), default="text", metavar="FORMAT", help="text or json (of --check)")


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    from recipec.plan.lock import gather, lock_path, render

    if args.recipe == _files.STDIN:
        raise CannotRun("a lock lies beside its recipe: standard input has no place for one", "recipec lock packages.recipe")
    program = program_of(args, err)
    if program is None:
        return 1
    path = lock_path(program.root.source.path)
    unknown = next((step for step in program.steps if not step.bound.fetched), None)
    if unknown is not None:
        address = unknown.bound.mirrors[0].address
        raise CannotRun(f"{address} has not been copied yet, so what it holds is not known", f"recipec fetch {program.root.source.path}")
    with looked_at(workspace_folder(args, program.root.source.path)) as workspace:
        if args.check:
            found = drifts(program, workspace)
        else:
            text = render(gather(program, workspace))
    if not args.check:
        _files.write(str(path), text)
        out.line(f"wrote {path}")
        return 0
    if args.format == "json":
        records = [{"section": d.section, "name": d.name, "locked": d.locked, "found": d.found} for d in found]
        out.line(json.dumps(records, ensure_ascii=not out.unicode, indent=2))
    else:
        report(found, str(path), out)
        if not found:
            out.line(f"everything is as {path} has it")
    return 1 if found else 0


def drifts(program: Program, workspace: Workspace) -> list[Drift]:
    """What is not as the recipe's lock has it. Raises DataError when there is no lock."""
    from recipec.plan.lock import drift, gather, lock_path, read

    return drift(read(lock_path(program.root.source.path)), gather(program, workspace))


def report(found: Sequence[Drift | str], path: str, out: Terminal) -> None:
    from recipec.report.cells import clean

    for d in found:
        out.line(f"{out.paint('changed', '~')} {clean(str(d))}")
    if found:
        out.line(f"{len(found)} thing{'s' * (len(found) != 1)} not as {path} has it; if that is meant: recipec lock")
