"""Copying what a recipe reads from elsewhere, before a run and by ``recipec fetch``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from recipec.api import DataError
from recipec.cli._analysis import add_lints, analyse
from recipec.cli._options import sets_of
from recipec.cli._supervise import Supervised
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.mirror.refresh import Brought
    from recipec.report.progress import Progress
    from recipec.resolve.program import Program, ResolvedStep


def copied(program: Program, only: list[str], watcher: Progress, *, again: bool = True) -> list[Brought]:
    """Bring the copies up to date under a live line; ``again``: also those that are there already. Raises KeyboardInterrupt after Ctrl-C."""
    from recipec.mirror.refresh import refresh

    with watcher:
        return Supervised(lambda: refresh(program, only or None, watcher, again=again), watcher.cancel).result()


def failed(program: Program, brought: list[Brought], err: Terminal, retry: str) -> bool:
    """Print, at its place in the recipe, why something could not be copied; whether there was any such."""
    problems = [one for one in brought if one.error is not None]
    for one in problems:
        assert one.error is not None
        help = f"go on with the last copy: {retry} --no-fetch" if one.kept else one.error.help
        show(program, one.step, DataError(one.error.message, help), err)
    return bool(problems)


def absent(program: Program, only: list[str], err: Terminal) -> bool:
    """Print which places have not been copied yet; whether there was any such."""
    from recipec.mirror.refresh import remote

    path = program.root.source.path
    missing = [(step, [m for m in mirrors if program.catalog.snapshot(m) is None]) for step, mirrors in remote(program, only or None)]
    missing = [(step, mirrors) for step, mirrors in missing if mirrors]
    for step, mirrors in missing:
        show(program, step, DataError(f"{mirrors[0].address} has not been copied yet", f"copy it: recipec fetch {path}"), err)
    return bool(missing)


def show(program: Program, step: ResolvedStep, error: DataError, err: Terminal) -> None:
    from recipec.engines.runner import StepResult
    from recipec.report.failures import StepFailure
    from recipec.report.text import finding

    err.line()
    err.write(finding(StepFailure.of(program, StepResult(step.name, step.kind.name, "failed", error=error)), err))


def resolved_again(program: Program, args: argparse.Namespace, err: Terminal) -> Program | None:
    """The recipe with the columns that the new copies have; None after showing its errors."""
    from recipec.report.text import finding, summary

    fresh = analyse(program.root.source, sets_of(args), offline=False, workspace=program.workspace)
    shown = [d for d in fresh.findings.sorted if d.severity == "error"]
    for d in shown:
        err.line(finding(d, err))
    if shown:
        err.line(f"{summary(shown)}; nothing was run")
        return None
    add_lints(fresh)
    return fresh


def brought_up_to_date(
    program: Program,
    only: list[str],
    args: argparse.Namespace,
    watcher: Callable[[list[str]], Progress],
    err: Terminal,
    *,
    again: bool = True,
) -> Program | None:
    """The recipe to run, after copying what it reads from elsewhere; None after showing what is wrong."""
    from recipec.mirror.refresh import remote

    places = remote(program, only or None)
    if not places:
        return program
    if args.locked:
        pin(program)
    if args.no_fetch:
        return None if absent(program, only, err) else program
    found = copied(program, only, watcher([step.name for step, _ in places]), again=again)
    if failed(program, found, err, f"recipec run {program.root.source.path}"):
        return None
    fresh = resolved_again(program, args, err) if any(one.changed for one in found) else program
    if fresh is not None and args.locked:
        pin(fresh)
    return fresh


def pin(program: Program) -> None:
    """Let places that keep what they had give what the lock says. Raises DataError where there is no lock."""
    from recipec.plan.lock import key, lock_path, read

    facts = read(lock_path(program.root.source.path))
    for step in program.steps:
        locked = facts.get(f"sources.{key(step.name)}", {})
        for mirror in step.bound.mirrors:
            ending = f" of {mirror.address}"
            mirror.pin({name.removesuffix(ending): value for name, value in locked.items() if name.endswith(ending)})
