"""Bringing the copies of a recipe's sources up to date."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from recipec.api import DataError
from recipec.mirror._base import Mirror, NoEntry
from recipec.mirror._threads import each

if TYPE_CHECKING:
    from recipec.mirror.catalog import Arrival, Catalog
    from recipec.resolve.program import Program, ResolvedStep

AT_ONCE = 8
"""Places that are asked at the same time, of those that allow it."""


@dataclass(frozen=True)
class One:
    """What became of one place: what came, or why it could not be copied."""

    mirror: Mirror
    arrival: Arrival | None
    notes: tuple[str, ...] = ()
    error: DataError | None = None
    kept: bool = False
    """Whether an earlier copy is there, where the place could not be reached."""


@dataclass(frozen=True)
class Brought:
    """What became of the places that a step reads; those that another step was told about are not told again."""

    step: ResolvedStep
    all: tuple[One, ...]

    @property
    def changed(self) -> bool:
        return any(one.arrival for one in self.all)

    @property
    def arrivals(self) -> list[Arrival]:
        return [one.arrival for one in self.all if one.arrival is not None]

    @property
    def failed(self) -> list[One]:
        return [one for one in self.all if one.error is not None]

    @property
    def error(self) -> DataError | None:
        """Why something could not be copied; of several reasons the first, which says how many more there are."""
        found = self.failed
        if not found or found[0].error is None:
            return None
        more = f" (and {len(found) - 1} more of {len(self.all)} could not be copied)" if len(found) > 1 else ""
        return DataError(f"{found[0].error.message}{more}", found[0].error.help)

    @property
    def kept(self) -> bool:
        """Whether all that could not be copied has an earlier copy."""
        return all(one.kept for one in self.failed)

    @property
    def address(self) -> str:
        more = f" (+{len(self.all) - 1} more)" if len(self.all) > 1 else ""
        return f"{self.all[0].mirror.address}{more}"


class Listener(Protocol):
    """Told how far the copying is; ``progress`` raises KeyboardInterrupt to stop it."""

    def start(self, step: ResolvedStep, why: str, rows: int | None) -> None: ...

    def progress(self, share: float | None, text: str) -> None: ...

    def brought(self, one: Brought) -> None: ...


class Silent:
    """A listener that says nothing."""

    def start(self, step: ResolvedStep, why: str, rows: int | None) -> None:
        pass

    def progress(self, share: float | None, text: str) -> None:
        pass

    def brought(self, one: Brought) -> None:
        pass


def remote(program: Program, only: Iterable[str] | None = None) -> list[tuple[ResolvedStep, list[Mirror]]]:
    """The steps that read from elsewhere (the named ones and what they need), and their places, each once."""
    seen: set[str] = set()
    found: list[tuple[ResolvedStep, list[Mirror]]] = []
    for step in program.above(only) if only else program.steps:
        mirrors = [m for m in {m.key: m for m in step.bound.mirrors}.values() if m.key not in seen]
        seen |= {m.key for m in mirrors}
        if mirrors:
            found.append((step, mirrors))
    return found


def refresh(program: Program, only: Iterable[str] | None, listener: Listener | None = None, *, again: bool = True) -> list[Brought]:
    """Copy what is not copied yet or has changed (without ``again``: only what is not copied yet); the workspace's lock must be held.

    Where anything changed, the recipe must be resolved again, for its sources may have other columns. A place that cannot be reached
    does not keep the others from being copied.
    """
    from recipec.plan.planner import program_id

    catalog, listener = program.catalog, listener or Silent()
    out: list[Brought] = []
    places = remote(program, only)
    closed: dict[str, str] = {}
    if places:
        reads = {s.name: [m.key for m in s.bound.mirrors] for s in (program.above(only) if only else program.steps) if s.bound.mirrors}
        catalog.claim(program_id(program), reads, [s.name for s in program.steps])
    for step, mirrors in places:
        wanted = mirrors if again else [m for m in mirrors if catalog.snapshot(m) is None]
        if wanted:
            listener.start(step, "", None)
            out.append(Brought(step, Copying(catalog, wanted, listener, step.name, closed).copied()))
            listener.brought(out[-1])
    return out


class Copying:
    """The copying of a step's places: threads of their own do it, and this one says how far they are."""

    def __init__(self, catalog: Catalog, mirrors: list[Mirror], listener: Listener, step: str, closed: dict[str, str]) -> None:
        """``closed`` has the servers that let nobody in, with the step that was told so; what is found is added."""
        self.catalog, self.mirrors, self.listener, self.step, self.closed = catalog, mirrors, listener, step, closed
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.states: dict[str, tuple[int, int | None, str]] = {}
        self.finished = 0

    def copied(self) -> tuple[One, ...]:
        """Raises KeyboardInterrupt where the listener does."""
        found: dict[str, One] = {}
        together = [m for m in self.mirrors if m.parallel]
        for group, width in (([m for m in self.mirrors if not m.parallel], 1), (together, min(AT_ONCE, len(together)))):
            for one in each(group, self.one, width, self.tick, self.stopped.set):
                found[one.mirror.key] = one
                self.finished += 1
        return tuple(found[m.key] for m in self.mirrors)

    def one(self, mirror: Mirror) -> One:
        notes: list[str] = []
        kept = self.catalog.snapshot(mirror) is not None
        if mirror.server in self.closed:
            told = self.closed[mirror.server]
            where = "its server" if told == self.step else f"its server, which `{told}` reads from too"
            return One(mirror, None, (), DataError(f"{mirror.address} was not tried: {where}, could not be had"), kept=kept)

        def progress(done: int, total: int | None, what: str) -> None:
            if self.stopped.is_set():
                raise KeyboardInterrupt
            with self.lock:
                self.states[mirror.key] = (done, total, what)

        try:
            return One(mirror, self.catalog.refresh(mirror, progress, notes.append), tuple(notes))
        except DataError as error:
            if isinstance(error, NoEntry) and mirror.server:
                self.closed.setdefault(mirror.server, self.step)
            return One(mirror, None, tuple(notes), error, kept=kept)

    def tick(self) -> None:
        with self.lock:
            states = dict(self.states)
        if len(self.mirrors) == 1:
            done, total, what = next(iter(states.values()), (0, None, f"asking {self.mirrors[0].address}"))
            self.listener.progress(done / total if total else None, what)
        else:
            what = f"{self.finished:,} of {len(self.mirrors):,}"
            self.listener.progress(self.finished / len(self.mirrors), what)


def changes(program: Program, only: Iterable[str] | None = None) -> dict[str, str]:
    """What the places say has changed since the last copies, by step, in words. Nothing is copied. Raises DataError, its ``about`` naming
    the step, where one cannot be reached."""
    told: dict[str, str] = {}
    for step, mirrors in remote(program, only):
        try:
            for key, news in each(mirrors, lambda m: (m.key, program.catalog.news(m)), AT_ONCE, lambda: None):
                if news is not None:
                    told[key] = news
        except DataError as error:
            error.about = step.name
            raise
    out: dict[str, str] = {}
    for step in program.above(only) if only else program.steps:
        found = [m for m in step.bound.mirrors if m.key in told]
        if found:
            more = f" (+{len(found) - 1} more)" if len(found) > 1 else ""
            out[step.name] = f"{told[found[0].key]} at {found[0].address}{more}"
    return out
