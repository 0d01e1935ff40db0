"""Texts in batches whose memory is bounded: many short ones together, long ones a few at a time.

DuckDB hands out rows by the thousand. A thousand documents of 50 MB are not to be had at once, so long ones are fetched by their place in
the table, as many as are :data:`AT_WORK` bytes together, or one; and work on them does not overlap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

ROWS: Final = 4096
"""Rows of a batch."""
LONG: Final = 1 << 15
"""Bytes of a text from which on it is no part of a batch."""
AT_WORK: Final = 1 << 24
"""Bytes of long texts that are worked on at a time."""
FACTOR: Final = 20
"""About how many bytes of memory a byte of a long text takes meanwhile: more where it is all words of a letter or two."""


def groups(long: Iterable[tuple[int, int]]) -> Iterator[str]:
    """Of long texts (place, bytes) the places to fetch together, as an SQL list."""
    group: list[int] = []
    together = 0
    for place, size in long:
        if group and together + size > AT_WORK:
            yield ", ".join(map(str, group))
            group, together = [], 0
        group.append(place)
        together += size
    if group:
        yield ", ".join(map(str, group))


def in_order(work: Callable[[Any], Any], batches: Iterable[Any], threads: int) -> Iterator[Any]:
    """``work`` over batches on some threads, the answers in order; of batches of long texts no more at once than :data:`AT_WORK` says."""
    waiting: deque[tuple[Future[Any], int]] = deque()
    pool = ThreadPoolExecutor(max(1, threads))
    try:
        for batch in batches:
            # Rows by the thousand are short; what is few may be long.
            size = batch.nbytes if batch.num_rows < ROWS // 8 else 0
            while waiting and (len(waiting) > threads or size + sum(s for _, s in waiting) > 2 * AT_WORK):
                yield waiting.popleft()[0].result()
            waiting.append((pool.submit(work, batch), size))
            del batch
        while waiting:
            yield waiting.popleft()[0].result()
    finally:
        pool.shutdown(cancel_futures=True)


__all__ = ["AT_WORK", "FACTOR", "LONG", "ROWS", "groups", "in_order"]
