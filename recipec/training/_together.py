"""Several processes that train one model: started, listened to, and ended together.

The process that was asked to train starts one more for each device, and itself computes nothing: whatever happens to one of them, it is here
to say so. They need no launcher, no configuration and no port.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from recipec.api import DataError
from recipec.training._env import Env
from recipec.training._trainer import MARK, Moment, Progress

if TYPE_CHECKING:
    from recipec.training._run import TrainResult

RESULT = "result.pickle"
GRACE = 5.0
"""Seconds that the others get to say what they know, once one has ended otherwise than it should."""
OWN = ("ACCELERATE_", "FSDP_", "TORCHELASTIC_", "DEEPSPEED_", "PMI_", "OMPI_", "MV2_")
"""Beginnings of variables by which other launchers speak to accelerate: not to ours."""


@dataclass
class Job:
    """All that a process needs; it travels as a file. ``train`` and ``validation`` are folders of stores."""

    env: Env
    train: Path
    validation: Path | None
    folder: Path
    at: Path
    lineage: str | None
    track: Path | None


class Broken(Exception):
    """A fault of ours in one of the processes."""


class Crew:
    """The processes, by rank: started when first needed, kept for the next training of as many, gone with the ``with`` block."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[str]] = []
        self.made: tuple[int, int] = (0, 0)
        """(processes, threads of each)"""
        self.folder = Path()
        self.heard: SimpleQueue[tuple[int, dict[str, Any] | None]] = SimpleQueue()
        self.ends: dict[int, dict[str, Any]] = {}
        self.at = Path()
        self.stopping = False

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def count(self) -> int:
        return len(self.processes)

    def train(self, job: Job, tell: Progress, asked: Callable[[], bool]) -> TrainResult:
        """Train in ``job.env.spec.devices`` processes. Raises what one process alone would raise, and DataError where one has died."""
        wanted = int(job.env.spec.devices), job.env.spec.threads or 1
        if wanted != self.made:
            self.end()
        self.ends, self.stopping, self.at = {}, False, job.at
        fine = False
        try:
            if not self.processes:
                tell(Moment(f"starting {wanted[0]} processes", 0, 0))
                self.begin(*wanted)
            with (self.folder / "job").open("wb") as file:
                pickle.dump(job, file)
            for rank in range(self.count):
                self.send(rank, "job")
            self.watch(tell, asked)
            with (self.folder / RESULT).open("rb") as file:
                result: TrainResult = pickle.load(file)
            fine = True
        finally:
            if not fine:
                self.end()
        # What the processes noted is a note of this one.
        job.env.notes.extend(text for text in result.notes if text not in job.env.notes)
        result.notes = job.env.notes
        return result

    def begin(self, count: int, threads: int) -> None:
        self.folder, self.made, self.heard = Path(mkdtemp(prefix="recipec-")), (count, threads), SimpleQueue()
        variables = {k: v for k, v in os.environ.items() if not k.startswith(OWN)}
        variables |= {
            "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": str(threads),
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "TOKENIZERS_PARALLELISM": "false",
        }  # fmt: skip
        if os.path.isdir("/sys/class/net/lo"):
            # All are on this machine: names of hosts and firewalls have no say.
            variables.setdefault("GLOO_SOCKET_IFNAME", "lo")
        for rank in range(count):
            with self.log(rank).open("w", encoding="utf-8") as log:
                # `-P`: a file of the folder that it runs in is no module. A session of its own: Ctrl-C comes to this process, which tells them.
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "recipec.training._rank", str(self.folder), str(rank)], stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8", start_new_session=True,
                    env={**variables, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                )  # fmt: skip
            self.processes.append(process)
            threading.Thread(target=self.listen, args=(self.heard, rank, process), daemon=True).start()

    def send(self, rank: int, word: str) -> None:
        stdin = self.processes[rank].stdin
        assert stdin is not None
        # One that is gone is heard of otherwise.
        with suppress(OSError):
            stdin.write(f"{word}\n")
            stdin.flush()

    def log(self, rank: int) -> Path:
        return self.folder / f"process-{rank + 1}.log"

    @staticmethod
    def listen(heard: SimpleQueue[tuple[int, dict[str, Any] | None]], rank: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        # A pipe that is closed here while it is read: the process was ended.
        with suppress(ValueError, OSError):
            for line in process.stdout:
                heard.put((rank, json.loads(line)))
        heard.put((rank, None))

    def watch(self, tell: Progress, asked: Callable[[], bool]) -> None:
        """Until all have done their part; raises what ended them otherwise."""
        by = float("inf")
        while len(self.ends) < self.count and time.monotonic() < by:
            try:
                rank, said = self.heard.get(timeout=0.1)
            except Empty:
                rank, said = -1, {}
            if said is None:
                # It has nothing more to say: it has ended, whether it said how or not.
                self.ends.setdefault(rank, {"is": "died", "code": self.processes[rank].wait()})
            elif said.get("is") == "moment":
                try:
                    tell(Moment(**{k: v for k, v in said.items() if k != "is"}))
                except KeyboardInterrupt:
                    self.stop()
            elif said:
                self.ends[rank] = said
            if asked():
                self.stop()
            if by == float("inf") and any(e["is"] not in ("done", "stopped") for e in self.ends.values()):
                by = time.monotonic() + GRACE
                # Of one that only lost another, the reason is still to come.
                if any(e["is"] in ("refused", "broken", "died") for e in self.ends.values()):
                    by = time.monotonic() + GRACE / 10
        self.judge()

    def stop(self) -> None:
        """Ask the first process to write a checkpoint and end, and with it all."""
        if not self.stopping:
            self.stopping = True
            self.send(0, "stop")

    def judge(self) -> None:
        """Raise what ended the training, where it did not end as it should."""
        ends, count = sorted(self.ends.items()), self.made[0]
        for rank, end in ends:
            match end["is"]:
                case "refused":
                    raise DataError(end["message"], end["help"])
                case "broken":
                    error = Broken(f"process {rank + 1} of {count}: {end['message']}")
                    error.add_note(end["trace"])
                    raise error
        for rank, end in ends:
            if end["is"] == "died":
                raise DataError(f"process {rank + 1} of {count} that trained {self.manner(rank, end['code'])}", self.way_on(end["code"]))
        for _, end in ends:
            if end["is"] == "stopped":
                raise KeyboardInterrupt(*([end["text"]] if end["text"] else []))
        if len(ends) < count or any(end["is"] != "done" for _, end in ends):
            said = next((end["message"] for _, end in ends if end["is"] == "lost"), "no answer")
            raise DataError(f"the {count} processes that trained lost each other: {said}", self.way_on(0))

    def manner(self, rank: int, code: int) -> str:
        if code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"signal {-code}"
            return f"was killed ({name})"
        said = [line.strip() for line in self.log(rank).read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        return f"ended with status {code}" + (f": {said[-1][:200]}" if said else "")

    def way_on(self, code: int) -> str:
        steps = [int(p.parent.name.partition("-")[2]) for p in self.at.glob(f"checkpoint-*/{MARK}")]
        stands = f"run again: it goes on from its checkpoint of step {max(steps):,}" if steps else "run again: it had no checkpoint yet"
        hungry = "it may have run out of memory (a smaller batch_size or fewer devices want less); " if code == -9 else ""
        return f"the others were ended; {hungry}{stands}"

    def end(self) -> None:
        """No process outlives this."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
        for process in self.processes:
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
        if self.processes:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.processes, self.made = [], (0, 0)


def last_of(error: BaseException) -> str:
    """An error as one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
