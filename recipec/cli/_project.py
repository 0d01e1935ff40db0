"""A recipe and its workspace, as commands name them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.cli import _files
from recipec.cli._errors import CannotRun
from recipec.cli._options import sets_of
from recipec.diagnostics import nearest
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.resolve.program import Program
    from recipec.workspace.database import Built, Workspace

SUFFIX = ".recipe"
WORKSPACE = ".recipec"


def add_recipe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", nargs="?", metavar="FILE.recipe", help="the recipe (default: the only one in this folder)")


def add_workspace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workspace", metavar="DIR", help=f"where results are kept (default: {WORKSPACE} beside the recipe)")


def recipes_in(folder: str) -> list[str]:
    names = sorted(n for n in os.listdir(folder or ".") if n.endswith(SUFFIX))
    return [os.path.join(folder, n) if folder else n for n in names]


def find_recipe(argument: str | None) -> str:
    """The recipe that a command is about: the file named, or the only one of the folder. Raises CannotRun."""
    if argument is not None and not os.path.isdir(argument):
        if argument != _files.STDIN and not os.path.exists(argument):
            raise CannotRun(f"no file `{argument}`" + _files.near(argument))
        return argument
    found = recipes_in(argument or "")
    if len(found) == 1:
        return found[0]
    where = f"in `{argument}`" if argument else "in this folder"
    if not found:
        raise CannotRun(f"no .recipe file {where}", "name one, or write one to start from: recipec init")
    shown = ", ".join(os.path.basename(f) for f in found[:6]) + (f" (+{len(found) - 6})" if len(found) > 6 else "")
    raise CannotRun(f"several recipes {where}: {shown}", "name the one you mean")


def is_recipe(text: str) -> bool:
    """Whether a word of the command line is a recipe's file rather than a step."""
    return text.endswith(SUFFIX) or os.sep in text


def program_of(args: argparse.Namespace, err: Terminal, *, offline: bool = False, lints: bool = False) -> Program | None:
    """The recipe, resolved; None after showing its errors. Warnings are counted; with ``lints``, those of data science too.

    ``-`` is a recipe from standard input, as if it lay in the folder you are in.
    """
    from recipec.cli._analysis import add_lints, analyse
    from recipec.cli._config import configured
    from recipec.report.text import counted, finding, summary

    path = find_recipe(args.recipe)
    named = getattr(args, "workspace", None)
    program = analyse(_files.read(path), sets_of(args), offline=offline, workspace=Path(named) if named else None)
    if program.findings.errors:
        shown = [d for d in program.findings.sorted if d.severity == "error"]
        for d in shown:
            err.line(finding(d, err))
        err.line(f"{summary(shown)}; nothing was run")
        return None
    if lints:
        add_lints(program)
    found = configured(program.findings.sorted)
    listed = [
        err.paint(level, counted(number, level)) for level in ("error", "warning") if (number := sum(d.severity == level for d in found))
    ]
    if listed:
        err.line(f"{' and '.join(listed)}: recipec check {path}")
    return program


def workspace_folder(args: argparse.Namespace, recipe: str | None) -> Path:
    """``--workspace``, or ``.recipec`` beside the recipe."""
    if args.workspace:
        return Path(args.workspace)
    return Path(os.path.dirname(recipe) if recipe else "") / WORKSPACE


def again(args: argparse.Namespace, verb: str, *words: str) -> str:
    """A command to go on with, on what this one was about: with its workspace, and for ``run`` and ``plan`` with what decides what is run."""
    from shlex import quote

    said = ["--workspace", args.workspace] if args.workspace else []
    if verb in ("run", "plan"):
        said += [word for text in getattr(args, "sets", ()) for word in ("--set", text)]
        if getattr(args, "engine", "duckdb") != "duckdb":
            said += ["--engine", args.engine]
    if verb == "run" and getattr(args, "trust", False):
        said.append("--trust")
    return " ".join(["recipec", verb, *(quote(word) for word in [*words, *said])])


def opened(folder: Path, doing: str) -> AbstractContextManager[Workspace]:
    """The workspace for looking at what is built; raises DataError where nothing is."""
    from recipec.workspace.database import open_workspace

    return open_workspace(folder, doing=doing, create=False)


def step_name(
    wanted: str, known: Mapping[str, object] | Iterable[str], aliases: Mapping[str, str] | None = None, *, listing: str = "steps"
) -> str:
    """The global name of a step that a person names; ``aliases`` maps local names. Raises CannotRun with a suggestion, and what is known
    under the word ``listing``."""
    names = list(known)
    name = (aliases or {}).get(wanted, wanted)
    if name in names:
        return name
    rounds = [n for n in names if n.partition("@")[0] == wanted and "@" in n]
    if rounds:
        return max(rounds, key=lambda n: int(n.partition("@")[2]))
    guess = nearest(wanted, names)
    shown = ", ".join(names[:10]) + (f" (+{len(names) - 10})" if len(names) > 10 else "")
    raise CannotRun(f"no step `{wanted}`" + (f"; did you mean `{guess}`?" if guess else ""), f"{listing}: {shown}" if names else "")


class Results:
    """What the last runs of recipes left in a workspace, by recipe and step."""

    def __init__(self, workspace: Workspace, recipe: str | None) -> None:
        self.workspace = workspace
        rows = workspace.con.execute("SELECT recipe, step, run_key FROM recipec.current ORDER BY recipe, step").fetchall()
        wanted = os.path.basename(recipe) if recipe else None
        self.by_recipe: dict[str, dict[str, Built]] = {}
        for name, step, key in rows:
            if wanted in (None, name) and key in workspace.built:
                self.by_recipe.setdefault(name, {})[step] = workspace.built[key]
        if not self.by_recipe:
            raise CannotRun(f"nothing is built yet of {recipe or 'any recipe here'}", f"recipec run{' ' + recipe if recipe else ''}")

    def reference(self, recipe: str, text: str) -> tuple[Built, str | None] | None:
        """The step and part that a name like ``final.train`` in the journal means."""
        steps = self.by_recipe[recipe]
        if text in steps:
            return steps[text], None
        head, _, tail = text.rpartition(".")
        return (steps[head], tail) if head in steps else None

    def find(self, wanted: str) -> tuple[str, str, str | None]:
        """(recipe, step, part) for ``tidy`` or ``final.train``. Raises CannotRun."""
        candidates: list[tuple[str, str, str | None]] = []
        for recipe, steps in self.by_recipe.items():
            head, _, tail = wanted.rpartition(".")
            if wanted in steps or f"{wanted}@1" in steps:
                candidates.append((recipe, step_name(wanted, steps), None))
            elif head in steps and tail in steps[head].parts:
                candidates.append((recipe, head, tail))
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            shown = ", ".join(f"{c[0]}" for c in candidates)
            raise CannotRun(
                f"`{wanted}` is a step of several recipes: {shown}", f"name the recipe: recipec show {candidates[0][0]} {wanted}"
            )
        names = [n for steps in self.by_recipe.values() for s, b in steps.items() for n in (s, *(f"{s}.{p}" for p in b.parts if p))]
        # It may stand in the recipe, and have failed or not run yet.
        step_name(wanted, dict.fromkeys(names), listing="built so far")
        raise CannotRun(f"no step `{wanted}`")


def split_arguments(words: list[str], wanted: int, usage: str) -> tuple[str | None, list[str]]:
    """(recipe or None, the other words): the recipe may stand before them. Raises CannotRun when their number is wrong."""
    recipe, rest = (words[0], words[1:]) if words and is_recipe(words[0]) else (None, words)
    if len(rest) != wanted:
        raise CannotRun(f"{'too many' if len(rest) > wanted else 'too few'} arguments", usage)
    return (find_recipe(recipe) if recipe is not None else None), rest
