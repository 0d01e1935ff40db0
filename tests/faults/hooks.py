"""Faults at what has no system call of its own: DuckDB's statements and worker processes. Used inside the process that is disturbed.

A place is counted whenever the run comes by; at number ``at`` what is told by ``do`` happens.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from threading import Lock
from typing import Any

PLACES = ("statement", "worker")
COUNTED: Counter[str] = Counter()
_lock = Lock()


def install(hook: dict[str, Any], facts: str) -> None:
    """Count all places; disturb ``hook["place"]`` at its number ``hook["at"]`` by ``hook["do"]``."""
    import duckdb

    from recipec.engines import batches
    from recipec.engines.batches import Worker
    from recipec.workspace import database

    # A few rows are worth a worker, so that every thread has one.
    batches.SMALLEST_CUT = 4

    opened: list[bool] = []

    def passed(place: str) -> str:
        """What to do here, now: mostly nothing."""
        with _lock:
            COUNTED[place] += 1
            now = COUNTED[place]
        Path(facts).write_text(json.dumps(COUNTED))
        return hook.get("do", "") if hook.get("place") == place and now == hook.get("at") else ""

    def statements(name: str) -> None:
        original = getattr(duckdb.DuckDBPyConnection, name)

        def disturbed(self: Any, *args: Any, **options: Any) -> Any:
            if not opened:
                # Checking a recipe asks a database of its own, in memory.
                return original(self, *args, **options)
            do = passed("statement")
            if do != "kill after":
                disturb(do)
            try:
                return original(self, *args, **options)
            finally:
                if do == "kill after":
                    die()

        setattr(duckdb.DuckDBPyConnection, name, disturbed)

    connect = database.connect

    def connected(*args: Any) -> Any:
        opened.append(True)
        return connect(*args)

    database.connect = connected
    for name in ("execute", "executemany", "sql"):
        statements(name)
    send = Worker.send

    def sent(self: Any, *args: Any) -> None:
        do = passed("worker")
        if do == "worker killed":
            self.process.kill()
            self.process.join()
        elif do == "worker memory":
            import resource

            # What it has it keeps; what it asks for now it does not get.
            resource.prlimit(self.process.pid, resource.RLIMIT_AS, (1 << 20, 1 << 20))
        elif do == "worker killed soon":
            send(self, *args)
            self.process.kill()
            return
        else:
            disturb(do)
        send(self, *args)

    Worker.send = sent  # type: ignore[method-assign]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def disturb(do: str) -> None:
    import duckdb

    match do:
        case "kill":
            die()
        case "disk full":
            raise duckdb.IOException('IO Error: Could not write file "work.duckdb": No space left on device')
        case "broken disk":
            raise duckdb.IOException('IO Error: Could not read from file "work.duckdb": Input/output error')
        case "out of memory":
            raise duckdb.OutOfMemoryException("Out of Memory Error: could not allocate block of size 256.0 KiB (1.8 GiB/1.8 GiB used)")
        case "memory error":
            raise MemoryError
        case "database gone":
            raise duckdb.FatalException("FATAL Error: Failed: database has been invalidated because of a previous fatal error.")
        case "wait":
            here, go = os.environ["FAULTS_WAIT"], os.environ["FAULTS_GO"]
            Path(here).touch()
            end = time.monotonic() + 60
            while not os.path.exists(go) and time.monotonic() < end:
                time.sleep(0.01)
        case "":
            return
        case "clock":
            from tests.faults.scene import BACK
            from tests.faults.shim import State

            State(Path(os.environ["FAULTS_STATE"])).jump(BACK)
