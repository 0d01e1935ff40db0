"""How many calls a second a model answers, over the last seconds."""

from __future__ import annotations

import time
from collections import deque

SPAN = 5.0
"""Seconds that are looked back."""


class Pace:
    """Told of each answer. Answers are counted by tenths of a second, so that it holds little, however many there are."""

    def __init__(self) -> None:
        self.began: float | None = None
        self.last: float = 0.0
        self.counts: deque[list[float]] = deque(maxlen=int(SPAN * 10))

    def one(self, count: int = 1) -> None:
        now = time.monotonic()
        if self.began is None or now - self.last > SPAN:
            # After a pause, in which other steps ran, it begins anew.
            self.began = now
            self.counts.clear()
        self.last = now
        if self.counts and now - self.counts[-1][0] < 0.1:
            self.counts[-1][1] += count
        else:
            self.counts.append([now, count])

    def per_second(self) -> float | None:
        """Calls a second; None while too few have been seen."""
        now = time.monotonic()
        if self.began is None or now - self.began < 0.5:
            return None
        recent = sum(count for at, count in self.counts if now - at <= SPAN)
        return recent / min(SPAN, now - self.began)
