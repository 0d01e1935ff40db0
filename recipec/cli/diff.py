"""Say what a change of a recipe does to its steps and rows.

What changed in meaning, which steps run again, and where both versions are built which rows came, went or changed.
OLD is a git revision or a recipe's file; without it, the last commit. The level of a change says how far it reaches:
metadata, model, split (rows move between parts), labels, rows. With --fail-on LEVEL the exit status is 1 when a change
reaches that far or farther, for CI.

examples:
  recipec diff packages.recipe
  recipec diff main packages.recipe
  recipec diff old.recipe new.recipe --format json
  recipec diff main packages.recipe --fail-on labels
  git config diff.recipe.command "recipec diff --driver" && echo "*.recipe diff=recipe" >> .gitattributes
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.cli import _files
from recipec.cli._errors import CannotRun
from recipec.cli._parser import choice
from recipec.cli._project import add_workspace, find_recipe, is_recipe, workspace_folder
from recipec.cli.plan import looked_at
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.resolve.program import Program


LEVELS = ("metadata", "model", "split", "labels", "rows")
"""How far a change reaches, the farthest last."""


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="[OLD] FILE.recipe", help="a revision or a recipe, and a recipe")
    add_workspace(parser)
    parser.add_argument("--fail-on", type=choice(*LEVELS), metavar="LEVEL", help=f"exit status 1 from this level on: {', '.join(LEVELS)}")
    parser.add_argument("--driver", action="store_true", help="for git to call as a diff driver: see the examples")
    parser.add_argument("--format", type=choice("text", "json"), default="text", metavar="FORMAT", help="text or json")


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    from recipec.plan.diff import add_rows, at_revision, compare
    from recipec.report.diff_text import diff_data, diff_text
    from recipec.resolve.loading import load

    words: list[str] = args.words
    if args.driver:
        from recipec.cli._driver import drive

        return drive(words, out)
    if len(words) > 2:
        raise CannotRun("too many arguments", "recipec diff [OLD] FILE.recipe")
    path = find_recipe(words[-1] if words and (len(words) == 2 or is_recipe(words[0])) else None)
    first = words[0] if words and (len(words) == 2 or not is_recipe(words[0])) else "HEAD"
    new = load(_files.read(path))
    old = load(_files.read(find_recipe(first))) if is_recipe(first) and Path(first).exists() else at_revision(first, Path(path))
    for name, program in ((first, old), (path, new)):
        program.resolve()
        if broken(program, name, err):
            return 1
    found = compare(old, new)
    with looked_at(workspace_folder(args, path)) as workspace:
        add_rows(found, old, new, workspace)
    if args.format == "json":
        out.line(json.dumps(diff_data(found), ensure_ascii=not out.unicode, indent=2))
    else:
        out.write(diff_text(found, out))
    return int(args.fail_on is not None and found.level in LEVELS[LEVELS.index(args.fail_on) :])


def broken(program: Program, name: str, err: Terminal) -> bool:
    """Whether a version has errors; they are shown."""
    from recipec.report.text import finding, summary

    errors = [d for d in program.findings.sorted if d.severity == "error"]
    for d in errors:
        err.line(finding(d, err))
    if errors:
        err.line(f"{name}: {summary(errors)}; only recipes without errors can be compared")
    return bool(errors)
