"""Waiting for several servers at once, without becoming deaf to Ctrl-C."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

LISTEN = 0.2
"""Seconds between two calls of ``tick`` while nothing comes."""
LEAVE = 2.0
"""Seconds that work under way is given to notice that it is no longer wanted."""


@dataclass(frozen=True)
class _Failed:
    error: BaseException


class _End:
    """Behind a thread's last result."""


def each(
    items: Iterable[T], work: Callable[[T], R], width: int, tick: Callable[[], None], stop: Callable[[], None] = lambda: None
) -> Iterator[R]:
    """``work`` of every item, ``width`` at a time, in the order of completion.

    ``tick`` is called five times a second and may raise. After an error, of ``tick`` or of ``work``, no further item is begun, ``stop`` is
    called, and what is under way is waited for only briefly: the threads are daemons, so a server that never answers keeps nobody.
    """
    waiting = iter(items)
    taking = threading.Lock()
    done: queue.SimpleQueue[R | _Failed | _End] = queue.SimpleQueue()
    ended = threading.Event()

    def worker() -> None:
        try:
            while not ended.is_set():
                with taking:
                    try:
                        item = next(waiting)
                    except StopIteration:
                        return
                done.put(work(item))
        except BaseException as error:  # raised again by who waits
            done.put(_Failed(error))
        finally:
            done.put(_End())

    # A marker behind each thread's last result says that it has ended.
    threads = [threading.Thread(target=worker, name="copying", daemon=True) for _ in range(max(1, width))]
    for thread in threads:
        thread.start()
    left = len(threads)
    try:
        while left:
            try:
                result = done.get(timeout=LISTEN)
            except queue.Empty:
                tick()
                continue
            if isinstance(result, _Failed):
                raise result.error
            if isinstance(result, _End):
                left -= 1
                continue
            yield result
            tick()
    finally:
        ended.set()
        if left:
            stop()
            for thread in threads:
                thread.join(LEAVE / len(threads))
