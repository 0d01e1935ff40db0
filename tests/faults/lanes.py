"""What runs are forked from, and the model's server that they ask."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.models.server import Behaviour, Server

ROOT = Path(__file__).resolve().parents[2]


class Asked(Server):
    """A model's server that may misbehave at one request, or have the process that asks killed."""

    def __init__(self) -> None:
        super().__init__(Behaviour(says=lambda request: (("games", "sound")[len(str(request["messages"])) % 2], "stop")))
        self.at, self.do, self.victim = 0, "", 0
        self.act: Callable[[], None] = lambda: None
        """What else may happen at a request: a second process, the clock, a source that changes."""
        self.met = False

    def reset(self, at: int = 0, do: str = "") -> None:
        self.at, self.do, self.met = at, do, False
        self.number = 0
        self.calls.clear()
        self.delivered.clear()

    def made(self, path: str, request: dict[str, Any], text: str, number: int) -> tuple[int, bytes, str]:
        status, body, how = super().made(path, request, text, number)
        if number != self.at:
            return status, body, how
        self.met = True
        match self.do:
            case "kill":
                with suppress(ProcessLookupError):
                    os.kill(self.victim, signal.SIGKILL)
                return status, body, how
            case "act":
                self.act()
                return status, body, how
            case "cut":
                return status, body, "cut"
            case "nonsense":
                return 200, b'{"choices": [{"message"', ""
            case "empty":
                return 200, b"", ""
            case "refused":
                return 401, b'{"error":{"message":"no such key"}}', ""
            case "no money":
                return 429, b'{"error":{"message":"quota","code":"insufficient_quota"}}', ""
            case _:
                return int(self.do), b'{"error":{"message":"as told"}}', ""


class Lane:
    """A process to fork runs from."""

    def __init__(self, library: Path | None, heavy: bool) -> None:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        if library is not None:
            environment["LD_PRELOAD"] = str(library)
        words = [sys.executable, "-m", "tests.faults.zygote", *(["heavy"] if heavy else [])]
        self.process = subprocess.Popen(words, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.workers = int(json.loads(self.hear("ready"))["ready"])
        """The process that starts the workers of all runs."""

    def hear(self, wanted: str) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, f"the process to fork from has died before it said {wanted}"
        return line

    def start(self, told: dict[str, Any]) -> int:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(told) + "\n")
        self.process.stdin.flush()
        return int(json.loads(self.hear("pid"))["pid"])

    def status(self) -> int:
        return int(json.loads(self.hear("status"))["status"])

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def family(session: int, parent: int) -> list[int]:
    """The processes of a session, and the children of a process, that are alive."""
    alive = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if (int(fields[3]) == session or int(fields[1]) == parent) and fields[0] != "Z":
            alive.append(int(entry.parent.name))
    return alive


@contextmanager
def served(server: Asked) -> Iterator[None]:
    """The server in a thread of this process."""
    import asyncio
    from threading import Thread

    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    listening = asyncio.run_coroutine_threadsafe(server.start(), loop).result()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(listening.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
