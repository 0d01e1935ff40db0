"""A run as it goes: a line a finished step, and on terminals a live line for the one at work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from recipec.report.cells import clip, pad
from recipec.report.runs import brought_line, done_line, offending, seconds
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.engines.runner import StepResult
    from recipec.mirror.refresh import Brought
    from recipec.resolve.program import ResolvedStep

T = TypeVar("T")
EVERY = 0.1
"""Seconds between two drawings of the live line."""
PLAIN_EVERY = 10.0
"""Seconds between two lines about a long step where nothing can be redrawn."""
BAR = 24
ENGINE_ENDS = 99.0
SPIN, SPIN_PLAIN = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"


class Progress:
    """A watcher of a run. Use it as a context: the live line is drawn by a thread of its own, so that a step which says
    nothing is still seen to be at work. ``engine`` asks the database how far its present query is, in percent, or
    gives a negative number."""

    def __init__(self, terminal: Terminal, column: int, engine: Callable[[], float] | None = None) -> None:
        self.terminal, self.column, self.engine = terminal, column, engine
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.step: ResolvedStep | None = None
        self.started = self.said = 0.0
        self.rows: int | None = None
        self.share: float | None = None
        self.text = ""
        self.drawn = self.cancelled = False
        self.frame = 0
        self.thread = threading.Thread(target=self.loop, name="progress", daemon=True)

    def __enter__(self) -> Progress:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join()
        with self.lock:
            self.erase()

    def cancel(self) -> None:
        """Make the runner stop when it next says something."""
        self.cancelled = True

    def check(self) -> None:
        if self.cancelled:
            raise KeyboardInterrupt

    # What the runner says

    def start(self, step: ResolvedStep, why: str, rows: int | None) -> None:
        self.check()
        with self.lock:
            self.step, self.rows, self.share, self.text = step, rows, None, ""
            self.started = self.said = time.monotonic()

    def progress(self, share: float | None, text: str) -> None:
        self.share, self.text = share, text
        self.check()

    def done(self, result: StepResult) -> None:
        with self.lock:
            self.erase()
            self.step = None
            self.terminal.write(done_line(result, self.column, self.terminal))
            self.terminal.write(offending(result, self.terminal))
            if not self.terminal.live:
                self.terminal.finish()
        self.check()

    def brought(self, one: Brought) -> None:
        """A place elsewhere is copied, or was not."""
        with self.lock:
            self.erase()
            self.step = None
            self.terminal.write(brought_line(one, self.column, self.terminal))
            if not self.terminal.live:
                self.terminal.finish()
        self.check()

    def quiet(self, act: Callable[[], T]) -> T:
        """Do something that needs the terminal for itself: a question."""
        with self.lock:
            self.erase()
            began = time.monotonic()
            try:
                return act()
            finally:
                # A person's time is not the step's.
                self.started += time.monotonic() - began
                self.said = time.monotonic()

    # The live line

    def loop(self) -> None:
        while not self.stopped.wait(EVERY):
            with self.lock:
                if self.step is None:
                    continue
                if self.terminal.live:
                    self.draw()
                elif time.monotonic() - self.said >= PLAIN_EVERY:
                    self.said = time.monotonic()
                    self.terminal.line(" ".join(self.words().split()))
                    self.terminal.finish()

    def erase(self) -> None:
        if self.drawn:
            self.terminal.write("\r\033[2K")
            self.drawn = False

    def draw(self) -> None:
        self.frame += 1
        line = clip(self.words(), self.terminal.width - 1, "")
        self.terminal.write("\r\033[2K" + line)
        self.drawn = True

    def words(self) -> str:
        assert self.step is not None
        took = time.monotonic() - self.started
        name = pad(clip(self.step.name, self.column), self.column)
        share = self.fraction()
        if share is None or self.cancelled:
            spin = SPIN if self.terminal.unicode else SPIN_PLAIN
            text = f" {name} {spin[self.frame % len(spin)]} {pad(seconds(took), 9)}"
            if self.rows:
                text += f" {self.rows:,} row{'s' * (self.rows != 1)}"
            return f"{text}   {'stopping' if self.cancelled else self.text}".rstrip()
        full = int(share * BAR)
        bar = self.terminal.draw("━" * full + ("╺" if full < BAR else "") + "─" * (BAR - full - 1))
        text = f" {name} {bar} {int(share * 100):3} %"
        if self.rows and not self.step.kind.model:  # a training goes through its rows many times, and tells its steps itself
            text += f"  {int(self.rows * share):,}/{self.rows:,}"
            if took > 0.5:
                text += f"  {self.rows * share / took:,.0f} rows/s"
        if share > 0.02 and took > 1:
            text += f"  eta {seconds(took / share * (1 - share))}"
        return f"{text}   {self.text}".rstrip()

    def fraction(self) -> float | None:
        """How far the step is: as it says itself, else as the database says of its query."""
        if self.share is not None:
            return min(max(self.share, 0.0), 1.0)
        percent = self.engine() if self.engine is not None else -1.0
        # The database's guess can be at its end long before the query is: then it says nothing any more.
        return percent / 100 if 0 < percent < ENGINE_ENDS else None
