"""Copy what sources read from elsewhere into the workspace.

Sources on servers, in object stores, in databases and on the web are copied into .recipec/mirror and read from there, by this
command and by `recipec run`; only what changed is copied again. STEP: only what it needs. Ctrl-C keeps what has been copied.
Exit status: 0 all is copied, 1 something could not be, 2 cannot run, 130 interrupted.

examples:
  recipec fetch
  recipec fetch packages.recipe reviews
  recipec fetch --format json
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from recipec.cli._bring import copied, failed
from recipec.cli._options import add_sets
from recipec.cli._parser import choice
from recipec.cli._project import add_workspace, is_recipe, program_of, workspace_folder
from recipec.cli.plan import chosen
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.mirror.refresh import Brought, One


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words", nargs="*", metavar="[FILE.recipe] STEP", help="the recipe (default: the only one in this folder), and steps"
    )
    add_sets(parser)
    add_workspace(parser)
    parser.add_argument("--format", type=choice("text", "json"), default="text", metavar="FORMAT", help="text or json")


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    from recipec.mirror.refresh import remote
    from recipec.report.progress import Progress
    from recipec.report.runs import name_column
    from recipec.workspace.lock import locked

    words = list(args.words)
    args.recipe = words.pop(0) if words and (is_recipe(words[0]) or words[0] == "-") else None
    program = program_of(args, err)
    if program is None:
        return 1
    path = program.root.source.path
    only = chosen(words, program)
    places = remote(program, only or None)
    screen = err if args.format == "json" else out
    found: list[Brought] = []
    if places:
        with locked(workspace_folder(args, path), "fetch"):
            try:
                found = copied(program, only, Progress(screen, name_column([step.name for step, _ in places])))
            except KeyboardInterrupt:
                screen.line(f"interrupted: what has been copied is kept; to go on: recipec fetch {path}")
                return 130
    if args.format == "json":
        out.line(json.dumps([data(one, step.step.name) for step in found for one in step.all], ensure_ascii=not out.unicode, indent=2))
    if failed(program, found, err, f"recipec run {path}"):
        return 1
    if not places:
        screen.line(f"nothing to fetch: all that {'these steps read' if only else f'`{path}` reads'} lies on this machine")
        return 0
    screen.line()
    screen.line(screen.paint("dim", f"recipec run {path}"))
    return 0


def data(one: One, step: str) -> dict[str, Any]:
    out: dict[str, Any] = {"step": step, "address": one.mirror.address}
    if one.error is not None:
        return out | {"status": "failed", "error": {"message": one.error.message, "help": one.error.help}}
    assert one.arrival is not None
    found = one.arrival
    return out | {
        "status": "changed" if found else "unchanged",
        "came": found.came,
        "bytes": found.came_bytes,
        "unchanged": found.same,
        "gone": found.gone,
        "facts": dict(found.snapshot.facts),
        "notes": list(one.notes),
    }
