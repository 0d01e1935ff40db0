"""Let people label rows, on a page in the browser.

STEP is a label step: the page asks for the rows of which it is unsure, then those on which its voters fight, then those that nobody voted on.
Where it is not built yet, all rows of its input are asked for, in an order of chance. Any other step with a table does too, with --classes or --tags.

Answers are on disk before the page goes on, one line each, in the file that the recipe reads with `annotations(...)`, else in
labels/STEP.jsonl beside the recipe: commit it. The page shows no votes and no labels unless --show-votes, so that nobody is led. It is served
to this machine alone, under an address with a token.

examples:
  recipec annotate topic
  recipec annotate packages.recipe topic --all
  recipec annotate topic --sample 200                   a fair sample, to measure with
  recipec annotate topic --rows "topic_confidence < 0.6"
  recipec annotate topic --as ann --show description,section
  recipec annotate tidy --classes spam,ham              before there is a label step
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.cli._errors import CannotRun
from recipec.cli._options import add_sets
from recipec.cli._parser import number
from recipec.cli._project import Results, add_workspace, find_recipe, opened, program_of, split_arguments, step_name, workspace_folder
from recipec.diagnostics import nearest
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.annotate.rows import Queue
    from recipec.annotate.session import Mode, Session
    from recipec.resolve.program import Program, ResolvedStep
    from recipec.workspace.database import Built, Workspace

MOST = 2_000
"""Rows that are asked for at a time: more than anybody labels in a sitting."""


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="[FILE.recipe] STEP", help="a label step, or any step with rows")
    add_workspace(parser)
    add_sets(parser)
    parser.add_argument("--all", action="store_true", help="also rows on which the voters agree")
    parser.add_argument("--sample", type=number(1), metavar="N", help="so many rows, drawn by chance from all")
    parser.add_argument("--rows", metavar="SQL", help="only the rows for which this holds")
    parser.add_argument("--limit", type=number(0), default=MOST, metavar="N", help=f"rows at a time, 0 for all (default: {MOST:,})")
    parser.add_argument("--to", metavar="FILE", help="the file of answers (default: what the recipe reads, or labels/STEP.jsonl)")
    parser.add_argument("--as", dest="worker", metavar="NAME", help="who answers (default: git's user.name, or the login)")
    parser.add_argument("--show", metavar="A,B", help="the columns to show (default: all but labels and gold)")
    parser.add_argument("--classes", metavar="A,B", help="the classes (default: the step's)")
    parser.add_argument("--tags", metavar="A,B", help="mark tokens with these types (default: the step's)")
    parser.add_argument("--tokens", metavar="COLUMN", help="the column with the tokens to mark (default: tokens)")
    parser.add_argument("--show-votes", action="store_true", help="show what the voters said")
    parser.add_argument("--port", type=number(0, 65535), default=0, metavar="N", help="the port (default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    from recipec.annotate.server import Server

    session = prepared(args, err)
    if session is None:
        return 1
    try:
        server = Server(session, args.port)
    except OSError as error:
        raise CannotRun(f"cannot listen on port {args.port}: {error.strerror}", "leave --port out: a free one is taken") from None
    with server:
        introduce(session, out)
        out.line(server.address)
        out.line(out.paint("dim", "Ctrl-C ends; every answer is on disk as soon as it is given"))
        out.stream.flush()
        before = len(session.mine_done)
        if not args.no_browser:
            show(server.address)
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            # The way to end: what was answered is kept, so it is no failure.
            out.line()
        session.reread()
        farewell(session, len(session.mine_done) - before, args, out)
    return 0


def prepared(args: argparse.Namespace, err: Terminal) -> Session | None:
    """The session that the options ask for; None after showing the recipe's errors."""
    from recipec.annotate.answers import Answers, prepare
    from recipec.annotate.session import Session

    recipe, (wanted,) = split_arguments(args.words, 1, "recipec annotate [FILE.recipe] STEP")
    args.recipe = find_recipe(recipe)
    made_for(args.recipe, prepare)
    program = program_of(args, err)
    if program is None:
        return None
    name = step_name(wanted, [s.name for s in program.steps])
    step = next(s for s in program.steps if s.name == name)
    plan = step.bound.plan if step.kind.name == "label" else None
    mode, classes = asked(args, plan)
    path = Path(args.to) if args.to else file_of(program, step)
    with opened(workspace_folder(args, args.recipe), "annotate") as workspace:
        results = Results(workspace, args.recipe)
        built = results.by_recipe[next(iter(results.by_recipe))]
        if not classes and name in built:
            classes = tuple(built[name].extra.get("classes") or ())
        if not classes:
            raise CannotRun(f"`{name}` declares no classes", "--classes spam,ham, or --tags PER,LOC to mark tokens")
        queue = rows(args, program, step, plan, mode, workspace, built)
    if not len(queue):
        none = "no row is in doubt" if not args.rows else "no row is as --rows says"
        raise CannotRun(f"`{name}`: {none}", "ask for others: --all, or --sample 200")
    settings = getattr(plan, "settings", None)
    from inspect import cleandoc

    language = next(iter(program.header.language), "")
    prepare(path)
    return Session(
        name, os.path.basename(args.recipe), mode, classes, who(args.worker), queue, Answers(path),
        cleandoc(getattr(settings, "guidelines", "") or ""), language, args.show_votes,
    )  # fmt: skip


def asked(args: argparse.Namespace, plan: Any) -> tuple[Mode, tuple[str, ...]]:
    """What is asked, and the classes or types to choose from (none, where only a run tells)."""
    if args.classes and args.tags:
        raise CannotRun("--classes and --tags: one or the other")
    mode: Mode = "tags" if args.tags else "class" if args.classes else getattr(plan, "mode", "class")
    given = [c.strip() for c in (args.classes or args.tags or "").split(",") if c.strip()]
    if given and len(set(given)) < len(given):
        raise CannotRun("a class is listed twice")
    if mode == "class" and args.classes and len(given) < 2:
        raise CannotRun("--classes needs two at least", "--classes spam,ham")
    return mode, tuple(given) or tuple(c for c in getattr(plan, "classes", None) or () if c != "O" or mode != "tags")


# The file ---------------------------------------------------------------------------------------------------------------


def readers(node: Any) -> Iterator[str]:
    """The paths of the `annotations(...)` that a recipe's text reads."""
    from recipec.syntax import tree

    for found in tree.walk(node):
        if isinstance(found, tree.Call) and isinstance(found.func, tree.Name) and found.func.id == "annotations" and found.args:
            value = found.args[0].value
            for item in value.items if isinstance(value, tree.ListExpr) else [value]:
                if isinstance(item, tree.String):
                    yield item.value


def made_for(recipe: str, prepare: Any) -> None:
    """Make the files of answers that the recipe reads and that are not there yet: the first answers are to come. None outside the recipe's folder is."""
    from recipec.cli import _files
    from recipec.syntax.parse import parse

    source = _files.read(recipe)
    if "annotations" not in source.text:
        return
    for pattern in readers(parse(source)[0]):
        path = source.folder / pattern
        if not any(c in pattern for c in "*?[") and not path.exists() and inside(path, source.folder):
            prepare(path)


def inside(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def file_of(program: Program, step: ResolvedStep) -> Path:
    """Where a step's answers go: the file that it reads, or labels/STEP.jsonl. In a folder that the recipe reads by a glob, a file for each person."""
    folder = program.folder
    sources = [s.bound.plan.reader for s in program.above(p.step for p in step.parents) if s.kind.name == "source"]
    paths = [path for reader in sources if reader.name == "annotations" for path in reader.paths()]
    usual = folder / "labels" / f"{step.name.replace('@', '_')}.jsonl"
    if not paths:
        return guarded(usual, folder)
    if len(paths) == 1 and not any(c in paths[0] for c in "*?["):
        return guarded(folder / paths[0], folder)
    from fnmatch import fnmatch

    relative = usual.relative_to(folder).as_posix()
    if any(fnmatch(relative, p) for p in paths):
        return guarded(usual, folder)
    raise CannotRun(f"`{step.name}` reads answers from {', '.join(paths)}", "say which file to write: --to labels/ann.jsonl")


def guarded(path: Path, folder: Path) -> Path:
    """A path that the recipe chose: a link in its folder must not have answers written elsewhere."""
    if not inside(path, folder):
        raise CannotRun(f"{path} lies outside the recipe's folder", f"if it is meant, say so: --to {path}")
    return path


# The rows ---------------------------------------------------------------------------------------------------------------


def rows(
    args: argparse.Namespace, program: Program, step: ResolvedStep, plan: Any, mode: Mode, workspace: Workspace, built: dict[str, Built]
) -> Queue:  # fmt: skip
    """The rows to ask for, copied out of the workspace."""
    import duckdb

    from recipec.annotate.rows import Ask, take, visible

    column, hide = None, []
    if plan is not None and step.name in built:
        relation, column = workspace.table(built[step.name].run_key), plan.column
    elif plan is not None:
        ref = step.inputs[0]
        if ref.step not in built:
            raise CannotRun(f"neither `{step.name}` nor `{ref.step}` is built yet", f"recipec run {args.recipe} --only {ref.step}")
        relation = workspace.view(built[ref.step].run_key, ref.part)
    elif step.name in built and "" in step.bound.outputs:
        relation = workspace.view(built[step.name].run_key)
    else:
        raise CannotRun(f"`{step.name}` is not built yet, or has no rows of its own", f"recipec run {args.recipe} --only {step.name}")
    if plan is not None:
        gold = getattr(plan.settings, "gold", None)
        hide = [plan.column, f"{plan.column}_confidence", f"{plan.column}_votes", *([gold.name] if gold is not None else [])]
    types = {r[0]: r[1] for r in workspace.con.execute(f"DESCRIBE FROM {relation} AS r").fetchall()}
    tokens = None
    if mode == "tags":
        tokens = args.tokens or getattr(plan, "tokens", "") or "tokens"
        check(tokens, types)
        if not types[tokens].startswith("VARCHAR["):
            raise CannotRun(f"`{tokens}` is no list of tokens, but {types[tokens]}", "--tokens COLUMN")
    columns = [c.strip() for c in args.show.split(",") if c.strip()] if args.show else visible(types, hide)
    for name in columns:
        check(name, types)
    made = Ask(
        relation, columns, column, args.all, args.sample, args.limit or None, args.rows, tokens, keys(program, step, workspace, built),
        args.show_votes, program.header.seed, f"annotate {step.name}",
    )  # fmt: skip
    try:
        return take(workspace.con, made)
    except duckdb.Error as error:
        if not args.rows:
            raise
        text = str(error).splitlines()[0].partition("Error: ")[2] or str(error).splitlines()[0]
        raise CannotRun(f"--rows: {text}", f"columns: {', '.join(visible(types))}") from None


def check(name: str, types: dict[str, str]) -> None:
    if name not in types:
        guess = nearest(name, types)
        raise CannotRun(f"no column `{name}`" + (f"; did you mean `{guess}`?" if guess else ""), f"columns: {', '.join(types)}")


def keys(program: Program, step: ResolvedStep, workspace: Workspace, built: dict[str, Built]) -> list[str]:
    """For the sources with a declared key that a step's rows may come from: their rows' keys, as the source made them (:mod:`recipec.identity`)."""
    from recipec.api import quote
    from recipec.identity import text_of

    made = []
    for above in program.above([step.name]):
        if above.kind.name == "source" and above.bound.plan.key and above.name in built:
            listed = ", ".join(text_of(quote(k)) for k in above.bound.plan.key)
            made.append(f"SELECT _key, [{listed}] AS item FROM {workspace.view(built[above.name].run_key)}")
    return made


# People -----------------------------------------------------------------------------------------------------------------


def who(given: str | None) -> str:
    """Who answers: the option, git's user.name, or the login."""
    name = given
    if name is None:
        import subprocess

        try:
            name = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, timeout=5, check=False).stdout
        except (OSError, subprocess.SubprocessError):
            name = ""
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    if name:
        return name
    if given is not None:
        raise CannotRun("--as: who answers needs a name")
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise CannotRun("who answers?", "--as NAME") from None


def show(address: str) -> None:
    """Open the page, where there is a screen to open it on: a browser for terminals would take this one."""
    import webbrowser

    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(address)


def introduce(session: Session, out: Terminal) -> None:
    from recipec.report.cells import clean

    reasons = ", ".join(f"{n:,} {w}" for w, n in session.queue.reasons().items() if w)
    size, of = len(session.queue), session.queue.available
    more = f" of {of:,}" if of > size else ""
    done = f"; {len(session.mine_done):,} answered by {clean(session.worker)} already" if session.mine_done else ""
    out.line(
        f"{out.paint('bold', session.step)}: {size:,} row{'s' * (size != 1)}{more} to label" + (f" ({reasons})" if reasons else "") + done
    )
    out.line(f"answers: {session.answers.path}   by {clean(session.worker)}")


def farewell(session: Session, answered: int, args: argparse.Namespace, out: Terminal) -> None:
    """What was done, and what is wanted next."""
    path = session.answers.path
    out.line(f"{max(answered, 0):,} answered now, {len(session.mine_done):,} of {len(session.queue):,} in all; they are in {path}")
    recipe = f" {args.recipe}"
    text = Path(args.recipe).read_text(encoding="utf-8")
    if session.mode != "tags" and "annotations" not in text:
        name = os.path.relpath(path, os.path.dirname(args.recipe) or ".")
        out.line(out.paint("dim", f'use them: source people_said = annotations("{name}"), and in the label step: vote crowd(people_said)'))
    else:
        out.line(out.paint("dim", f"recipec run{recipe}"))
