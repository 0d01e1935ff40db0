"""The library of faults at system calls (``shim.c``): built where there is a compiler, told what to do through a file."""

from __future__ import annotations

import errno
import mmap
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
KINDS = {"write": 1, "fsync": 2, "rename": 4, "open": 8, "remove": 16, "make": 32, "cut": 64, "read": 128}
ACTIONS = {"": 0, "kill": 1, "fail": 2, "tear": 3, "short": 4}
LAYOUT = struct.Struct("=qqqqqiiiiii512s512s")
CLOCK = 24
"""Where the clock's jump stands in the file."""


@dataclass(frozen=True)
class Plan:
    """Calls of ``kinds`` below ``folder`` are counted; number ``target`` (0: none) is disturbed, with ``sticky`` all that follow too."""

    folder: Path
    kinds: tuple[str, ...] = tuple(KINDS)
    target: int = 0
    action: str = ""
    error: int = errno.EIO
    sticky: bool = False
    log: Path | None = None
    """Where every counted call is listed: its number, kind and path."""


class State:
    """The file that holds the plan and the counts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def tell(self, plan: Plan) -> None:
        kinds = sum(KINDS[k] for k in plan.kinds)
        listed = plan.log is not None
        log = str(plan.log).encode() if plan.log is not None else b""
        facts = (0, plan.target, 0, 0, 0, kinds, ACTIONS[plan.action], plan.error, plan.sticky, listed, 0, str(plan.folder).encode(), log)
        self.path.write_bytes(LAYOUT.pack(*facts))

    @property
    def count(self) -> int:
        return int(LAYOUT.unpack(self.path.read_bytes())[0])

    @property
    def hits(self) -> int:
        return int(LAYOUT.unpack(self.path.read_bytes())[2])

    def jump(self, seconds: int) -> None:
        """Set the clock of the day by so much, from now on."""
        with self.path.open("r+b") as file, mmap.mmap(file.fileno(), LAYOUT.size) as view:
            struct.pack_into("=q", view, CLOCK, seconds * 10**9)


def build(folder: Path) -> Path | None:
    """The library; None where there is no compiler, or it does not run here."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    made = folder / "faults.so"
    done = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(SOURCE), "-ldl"], capture_output=True, text=True, check=False
    )
    return made if done.returncode == 0 else None
