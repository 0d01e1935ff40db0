"""Bringing the copies of a recipe's sources up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from recipec.api import DataError
from recipec.mirror._base import Mirror

if TYPE_CHECKING:
    from recipec.mirror.catalog import Arrival
    from recipec.resolve.program import Program, ResolvedStep


@dataclass(frozen=True)
class Brought:
    """What became of one place: what came, or why it could not be copied."""

    step: ResolvedStep
    mirror: Mirror
    arrival: Arrival | None
    notes: tuple[str, ...] = ()
    error: DataError | None = None

    @property
    def copied(self) -> bool:
        """Whether there is a copy, if only an earlier one."""
        return self.arrival is not None or self.kept

    kept: bool = False
    """Whether an earlier copy is there, where the place could not be reached."""


class Listener(Protocol):
    """Told how far the copying is; ``progress`` raises KeyboardInterrupt to stop it."""

    def start(self, step: ResolvedStep, why: str, rows: int | None) -> None: ...

    def progress(self, share: float | None, text: str) -> None: ...

    def brought(self, one: Brought) -> None: ...


def remote(program: Program, only: Iterable[str] | None = None) -> list[tuple[ResolvedStep, Mirror]]:
    """The places elsewhere that the steps read (the named ones and what they need), each once."""
    found: dict[str, tuple[ResolvedStep, Mirror]] = {}
    for step in program.above(only) if only else program.steps:
        for mirror in step.bound.mirrors:
            found.setdefault(mirror.key, (step, mirror))
    return list(found.values())


def refresh(program: Program, only: Iterable[str] | None, listener: Listener | None = None, *, again: bool = True) -> list[Brought]:
    """Copy what is not copied yet or has changed (without ``again``: only what is not copied yet); the workspace's lock must be held.

    Where anything changed, the recipe must be resolved again, for its sources may have other columns. A place that cannot be reached
    does not keep the others from being copied.
    """
    from recipec.plan.planner import program_id

    catalog = program.catalog
    places = [(step, mirror) for step, mirror in remote(program, only) if again or catalog.snapshot(mirror) is None]
    if not places:
        return []
    reads = {
        step.name: [m.key for m in step.bound.mirrors] for step in (program.above(only) if only else program.steps) if step.bound.mirrors
    }
    catalog.claim(program_id(program), reads, [s.name for s in program.steps])
    out: list[Brought] = []
    for step, mirror in places:
        notes: list[str] = []
        if listener is not None:
            listener.start(step, "", None)
            listener.progress(None, f"asking {mirror.address}")
        try:
            one = Brought(step, mirror, catalog.refresh(mirror, told(listener), notes.append), tuple(notes))
        except DataError as error:
            one = Brought(step, mirror, None, tuple(notes), error, kept=catalog.snapshot(mirror) is not None)
        out.append(one)
        if listener is not None:
            listener.brought(one)
    return out


def told(listener: Listener | None) -> Callable[[int, int | None, str], None]:
    def progress(done: int, total: int | None, what: str) -> None:
        if listener is not None:
            listener.progress(done / total if total else None, what)

    return progress


def changes(program: Program, only: Iterable[str] | None = None) -> dict[str, str]:
    """What the places say has changed since the last copies, by step, in words. Nothing is copied. Raises DataError, its ``about`` naming
    the step, where one cannot be reached."""
    out: dict[str, str] = {}
    for step, mirror in remote(program, only):
        try:
            news = program.catalog.news(mirror)
        except DataError as error:
            error.about = step.name
            raise
        if news is not None:
            for other in program.steps:
                if any(m.key == mirror.key for m in other.bound.mirrors):
                    out.setdefault(other.name, f"{news} at {mirror.address}")
    return out
