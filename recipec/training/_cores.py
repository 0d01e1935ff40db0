"""How many cores a training has, and may keep busy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path


@cache
def threads() -> int:
    """The cores that this process was started with. That they are bounded later (:func:`within`) changes no sum."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def within(cores: int) -> Iterator[None]:
    """Keep all threads of this process, and the processes that it starts, on so many of its cores. How sums are cut among threads stays as it
    is, and with it every weight. Where the system cannot (only Linux can), nothing is bounded."""
    whole = threads()
    if not hasattr(os, "sched_setaffinity") or cores >= whole:
        yield
        return
    before = os.sched_getaffinity(0)
    fewer = set(sorted(before)[: max(1, cores)])
    try:
        put(fewer)
        yield
    finally:
        put(before)


def put(cores: set[int]) -> None:
    """All threads that there are onto these cores; those that they start later inherit it."""
    for thread in Path("/proc/self/task").iterdir():
        # One may end while they are listed.
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), cores)
