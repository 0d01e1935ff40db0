"""Faults while people's answers are written (``annotate``): ``LD_PRELOAD=faults.so python -m tests.faults.people FOLDER`` suffers every one.

Some answers are put one after the other; each one that was acknowledged must be there afterwards, the file is always one of those that
an undisturbed writer leaves, and a writer after it ends with the same bytes and leaves nothing beside it. Prints a line of JSON for each fault.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipec.annotate.answers import Answer, Answers, prepare
from recipec.api import DataError
from tests.faults.faults import BY_CALL
from tests.faults.shim import KINDS, Plan, State

PUT = [Answer((str(n),), worker, (label,)) for n, worker, label in ((3, "ann", "a"), (1, "bo", "b"), (3, "ann", "b"), (2, "ann", "a"))]


def write(folder: Path, acknowledged: Path) -> int:
    """What is disturbed; 1 where it was refused."""
    try:
        prepare(folder / "people.jsonl")
        answers = Answers(folder / "people.jsonl")
        for n, answer in enumerate(PUT, 1):
            answers.put(answer)
            acknowledged.write_text(str(n))
    except DataError as error:
        return 1 if error.message and error.help else 2
    return 0


class People:
    def __init__(self, folder: Path) -> None:
        self.here, self.state, self.told = folder / "here", State(folder / "state"), folder / "told"
        self.wanted = [b""]
        self.points: Counter[str] = Counter()
        self.fresh(Plan(self.here))
        path = self.here / "people.jsonl"
        prepare(path)
        for answer in PUT:
            Answers(path).put(answer)
            self.wanted.append(path.read_bytes())
        self.fresh(Plan(self.here, log=folder / "log"))
        assert self.run() == 0
        names = {v: k for k, v in KINDS.items()}
        for line in (folder / "log").read_text().splitlines():
            self.points[names[int(line.split(" ", 2)[1])]] += 1

    def fresh(self, plan: Plan) -> None:
        shutil.rmtree(self.here, ignore_errors=True)
        self.here.mkdir()
        self.told.write_text("0")
        self.state.tell(plan)

    def run(self) -> int:
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                ctypes.CDLL(None).faults_open(str(self.state.path).encode())
                status = write(self.here, self.told)
            finally:
                os._exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def suffer(self, call: str, at: int, kind: str, facts: dict[str, Any]) -> dict[str, Any]:
        self.fresh(Plan(self.here, (call,), at, **facts))
        status, problems = self.run(), []
        path = self.here / "people.jsonl"
        found = path.read_bytes() if path.exists() else b""
        acknowledged = int(self.told.read_text())
        if status not in (0, 1) and not (status == -9 and facts["action"] in ("kill", "tear")):
            problems.append(f"it ended with {status}")
        if found not in self.wanted[acknowledged : acknowledged + 2]:
            problems.append(f"after {acknowledged} answers the file is another: {found!r}")
        met = self.state.hits > 0
        self.state.tell(Plan(self.here))
        if self.run() != 0 or path.read_bytes() != self.wanted[-1]:
            problems.append("the next writer ends with another file")
        beside = sorted(p.name for p in self.here.iterdir() if p.name not in ("people.jsonl", ".gitattributes"))
        if beside:
            problems.append(f"left beside it: {beside}")
        way = "not met" if not met else {0: "went on", -9: "killed"}.get(status, "message")
        return {"scene": "people", "fault": f"{kind} at {call} {at} (fresh)", "way": way, "problems": problems, "said": ""}

    def every(self) -> Iterator[dict[str, Any]]:
        for call, kinds in BY_CALL.items():
            for at in range(1, self.points[call] + 1):
                for kind, facts in kinds.items():
                    yield self.suffer(call, at, kind, facts)


if __name__ == "__main__":
    for outcome in People(Path(sys.argv[1])).every():
        print(json.dumps(outcome))
