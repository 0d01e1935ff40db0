"""Bringing the copies of a recipe's sources up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from recipec.api import DataError
from recipec.mirror._base import Mirror

if TYPE_CHECKING:
    from recipec.resolve.program import Program, ResolvedStep


def remote(program: Program, only: Iterable[str] | None = None) -> list[tuple[ResolvedStep, Mirror]]:
    """The places elsewhere that the steps read (the named ones and what they need), each once."""
    found: dict[str, tuple[ResolvedStep, Mirror]] = {}
    for step in program.above(only) if only else program.steps:
        for mirror in step.bound.mirrors:
            found.setdefault(mirror.key, (step, mirror))
    return list(found.values())


def refresh(
    program: Program,
    only: Iterable[str] | None,
    progress: Callable[[ResolvedStep, int, int | None, str], None],
    note: Callable[[ResolvedStep, str], None],
) -> bool:
    """Copy what is not copied yet or has changed; the workspace's lock must be held. Returns whether anything changed: then the recipe
    must be resolved again, for its sources may have other columns. Raises DataError, its ``about`` naming the step."""
    changed = False
    for step, mirror in remote(program, only):

        def told(done: int, total: int | None, what: str, step: ResolvedStep = step) -> None:
            progress(step, done, total, what)

        def noted(text: str, step: ResolvedStep = step) -> None:
            note(step, text)

        try:
            changed |= program.catalog.refresh(mirror, told, noted)
        except DataError as error:
            error.about = step.name
            raise
    return changed
