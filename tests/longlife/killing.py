"""``kill -9`` of this process at a statement of DuckDB's."""

from __future__ import annotations

import os
import signal
from typing import Any


def kill_at(number: int) -> None:
    """Let the ``number``-th statement from now on be the last thing that this process does, before or after it is carried out."""
    import duckdb

    original = duckdb.DuckDBPyConnection.execute
    count = 0

    def counted(self: Any, *args: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if count == number and number % 2:
            os.kill(os.getpid(), signal.SIGKILL)
        made = original(self, *args, **options)
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return made

    duckdb.DuckDBPyConnection.execute = counted  # type: ignore[method-assign,assignment]
