"""One process of trainings that several do together: ``python -m recipec.training._rank FOLDER RANK``, started by ``_together``.

From its standard input it reads ``job`` (the file of this name in the folder says what to train) and ``stop``; it ends at once where that
is closed: whoever started it is gone. What it has to say goes to its standard output, one JSON object a line: ``moment`` (of the first
process alone), and at the end ``done``, ``stopped``, ``refused`` (a DataError), ``lost`` (another process is gone) or ``broken`` (a fault of ours).
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import threading
import traceback
from dataclasses import asdict
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from recipec.api import DataError, Json
from recipec.training._quiet import quiet
from recipec.training._run import TrainResult, learn
from recipec.training._share import Share
from recipec.training._store import Store
from recipec.training._together import RESULT, Job, last_of
from recipec.training._trainer import Moment

WAITS = timedelta(hours=6)
"""How long one process may be busy with what the others wait for: writing a checkpoint, its part of a table. One that has died is noticed
at once, by whoever started them."""


class Line:
    """The two ways to whoever started this process."""

    def __init__(self) -> None:
        # What libraries print is not taken for what we say.
        self.out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self.stop = threading.Event()
        self.jobs: SimpleQueue[None] = SimpleQueue()
        self.saying = threading.Lock()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        for word in sys.stdin:
            if word.strip() == "stop":
                self.stop.set()
            else:
                self.stop.clear()
                self.jobs.put(None)
        os._exit(1)

    def say(self, what: str, **facts: Json) -> None:
        with self.saying:
            self.out.write(json.dumps({"is": what, **facts}) + "\n")
            self.out.flush()

    def moment(self, moment: Moment) -> None:
        self.say("moment", **asdict(moment))


def main(folder: Path, rank: int) -> None:
    line = Line()
    try:
        while True:
            line.jobs.get()
            with (folder / "job").open("rb") as file:
                job: Job = pickle.load(file)
            result = part(job, meeting(folder, rank, job), line)
            if result is not None:
                with (folder / RESULT).open("wb") as file:
                    pickle.dump(result, file)
            line.say("done")
    except KeyboardInterrupt as interruption:
        line.say("stopped", text=str(interruption.args[0]) if interruption.args else "")
    except DataError as error:
        line.say("refused", message=error.message, help=error.help)
    except Exception as error:
        # Told over there; here nobody reads.
        line.say("lost" if parted(error) else "broken", message=last_of(error), trace=traceback.format_exc())
    # Other processes may be gone: nothing is to be taken leave of.
    os._exit(0)


MET: list[Share] = []


def meeting(folder: Path, rank: int, job: Job) -> Share:
    """Find the other processes, once for all trainings."""
    import torch
    import torch.distributed as dist

    if not MET:
        count = int(job.env.spec.devices)
        graphics = torch.cuda.is_available()
        if graphics:
            torch.cuda.set_device(rank)
            known: Any = import_module("accelerate.utils")
            if not known.check_cuda_p2p_ib_support():
                # Cards that cannot speak to each other directly, and would hang: accelerate refuses to go on where this is not said.
                os.environ |= {"NCCL_P2P_DISABLE": "1", "NCCL_IB_DISABLE": "1"}
        # A file is where they meet: no port that another program may have.
        files: Any = dist
        store = files.FileStore(str(folder / "meeting"), count)
        dist.init_process_group("nccl" if graphics else "gloo", store=store, rank=rank, world_size=count, timeout=WAITS)
        MET.append(Share(rank, count, dist.new_group(backend="gloo", timeout=WAITS)))
    return MET[0]


def part(job: Job, share: Share, line: Line) -> TrainResult | None:
    """This process's part of the training; the result in the first."""
    from recipec.training._fit import settled

    env = job.env
    env.share = share
    notes = env.notes = list(env.notes)
    with quiet(notes), settled(env.spec):
        train, valid = (Store(f, env.task.main) if f is not None else None for f in (job.train, job.validation))
        assert train is not None
        tell = line.moment if share.first else lambda _: None
        result = learn(env, train, valid, job.folder, job.at, tell, line.stop.is_set, job.lineage, job.track)
    share.wait()
    return result


PARTED = ("connection closed by peer", "connection reset by peer", "nccl", "gloo", "socket", "broken pipe", "timed out")


def parted(error: BaseException) -> bool:
    """Whether this is how a library says that another process is gone."""
    import torch.distributed as dist

    backend: type[BaseException] = getattr(dist, "DistBackendError", RuntimeError)
    return isinstance(error, backend) or (isinstance(error, RuntimeError) and any(word in str(error).lower() for word in PARTED))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
