"""Long work in a thread of its own, so that Ctrl-C is always heard.

Python hears signals in its main thread only, between two of its instructions: a main thread that is inside a long query
hears nothing until the query ends, and one that is inside a function called by the database breaks that function instead.
So the main thread does nothing but wait, and on Ctrl-C asks the database to stop.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Generic, TypeVar

T = TypeVar("T")

LISTEN = 0.1
"""Seconds between two looks at whether Ctrl-C was pressed."""
ASK_AGAIN = 2.0
"""Seconds after which the database is asked once more: a request that comes between two queries is not heard."""
SAME_PRESS = 0.5
"""Signals closer than this are one: some senders (timeout, a terminal with its job's group) send two."""


class Supervised(Generic[T]):
    """``work`` in a thread. ``stop`` makes it end soon, by raising KeyboardInterrupt in it."""

    def __init__(self, work: Callable[[], T], stop: Callable[[], None]) -> None:
        self.work, self.stop = work, stop
        self.outcome: list[T] = []
        self.error: BaseException | None = None
        self.pressed = 0.0
        self.thread = threading.Thread(target=self.run, name="run", daemon=True)

    def run(self) -> None:
        try:
            self.outcome.append(self.work())
        except BaseException as error:  # raised again in the main thread
            self.error = error

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-C: note it; the second time end the process at once."""
        now = time.monotonic()
        if not self.pressed:
            self.pressed = now
        elif now - self.pressed > SAME_PRESS:
            os._exit(130)

    def result(self) -> T:
        """What the work returned; what it raised is raised here."""
        old = signal.signal(signal.SIGINT, self.hear)
        try:
            self.thread.start()
            self.wait()
        finally:
            signal.signal(signal.SIGINT, old)
        if self.error is not None:
            raise self.error
        return self.outcome[0]

    def wait(self) -> None:
        asked = 0.0
        while self.thread.is_alive():
            self.thread.join(LISTEN)
            now = time.monotonic()
            if self.pressed and now - asked > ASK_AGAIN:
                asked = now
                self.stop()
