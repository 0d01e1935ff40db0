"""Which faults there are to inject: every place that a run comes by, and every kind that there is for such a place."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping

from tests.faults.scene import Fault

STATEMENTS = ("kill", "kill after", "disk full", "broken disk", "out of memory", "memory error", "database gone")
WORKERS = ("worker killed", "worker killed soon", "worker memory", "memory error", "kill")
CALLS = ("kill", "cut", "nonsense", "empty", "500", "429", "refused", "no money")
WRITES = {
    "kill": {"action": "kill"},
    "kill in the middle of it": {"action": "tear"},
    "disk full": {"action": "fail", "error": errno.ENOSPC, "sticky": True},
    "disk full once": {"action": "fail", "error": errno.ENOSPC},
    "EIO": {"action": "fail", "error": errno.EIO},
    "EIO from then on": {"action": "fail", "error": errno.EIO, "sticky": True},
    "half written": {"action": "short"},
}
SYNCS = {k: WRITES[k] for k in ("kill", "EIO", "EIO from then on", "disk full once")}
NAMES = {
    "kill": WRITES["kill"],
    "permission denied": {"action": "fail", "error": errno.EACCES},
    "permission denied from then on": {"action": "fail", "error": errno.EACCES, "sticky": True},
    "EIO": WRITES["EIO"],
    "disk full": WRITES["disk full"],
}
BY_CALL = {"write": WRITES, "fsync": SYNCS, "rename": NAMES, "open": NAMES, "remove": NAMES, "make": NAMES, "cut": SYNCS}
EVERY = ("statement", "worker", "call", *BY_CALL)
PARTS = (0.0, 0.02, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.98)
AROUND = (
    *(Fault("truncated database", f"to {share:.1%}", damage=f"database {share}") for share in (0.001, 0.05, 0.995, *PARTS)),
    *(Fault("nonsense in the database's log", f"{size} bytes", damage=f"log {size}") for size in (1, 100, 5000)),
    *(Fault("corrupt source", f"{how} rows.parquet at {at:.0%}", damage=f"source rows.parquet {how} {at}") for how in ("cut", "flip") for at in PARTS),
    *(Fault("corrupt source", f"{how} extra.csv at {at:.0%}", damage=f"source extra.csv {how} {at}") for how in ("cut", "flip") for at in (0.0, 0.5)),
    *(Fault("corrupt source", f"{how} more.jsonl at {at:.0%}", damage=f"source more.jsonl {how} {at}") for how in ("cut", "flip") for at in (0.2, 0.5)),
)  # fmt: skip
MEANWHILE = {"second process": "second", "source changes": "change", "clock jumps back": ""}
"""What else happens while a run is at some place: nothing more for the clock, which jumps by itself."""


def around(points: Mapping[str, int]) -> Iterator[Fault]:
    """Faults between runs."""
    yield from (f for f in AROUND if "extra.csv" not in f.damage or points.get("call old"))


def meanwhile(points: Mapping[str, int]) -> Iterator[Fault]:
    """A second process, a source that changes and the clock, at moments of a run: statements, workers' jobs, calls of the model."""
    for start in ("old", "fresh"):
        for place, most in (("statement", 9), ("worker", 4), ("call", 6)):
            count = points.get(f"{place} {start}", 0)
            for at in sorted({max(1, round(count * (n + 0.5) / most)) for n in range(most)} if count else ()):
                for kind, what in MEANWHILE.items():
                    if place == "call":
                        yield Fault(kind, f"call {at}", server={"at": at, "do": "act"}, meanwhile=what, start=start)
                    else:
                        hook = {"place": place, "at": at, "do": "wait" if what else "clock"}
                        yield Fault(kind, f"{place} {at}", hook=hook, meanwhile=what, start=start)


def within(points: Mapping[str, int], start: str, which: tuple[str, ...]) -> Iterator[Fault]:
    """At every statement, worker's job, call and system call; each place meets the kinds in turn, those of which there are few all of them."""
    for place, kinds in (("statement", STATEMENTS), ("worker", WORKERS)):
        if place not in which:
            continue
        count = points.get(f"{place} {start}", 0)
        for at in range(1, count + 1):
            for kind in kinds if count < 20 else (kinds[at % len(kinds)],):
                yield Fault(kind, f"{place} {at}", hook={"place": place, "at": at, "do": kind}, start=start)
    if "call" in which:
        for at in range(1, points.get(f"call {start}", 0) + 1):
            kind = CALLS[at % len(CALLS)]
            yield Fault(kind, f"call {at}", server={"at": at, "do": kind}, start=start)
    for call, told in BY_CALL.items():
        if call not in which:
            continue
        count = points.get(f"{call} {start}", 0)
        kinds = tuple(told)
        for at in range(1, count + 1):
            chosen = kinds if count < 30 else (kinds[at % len(kinds)], kinds[(at + 3) % len(kinds)])
            for kind in chosen:
                more = told[kind]
                # The other calls are let pass until then: they are not counted, and fail afterwards.
                yield Fault(kind, f"{call} {at}", plan={"kinds": (call,), "target": at, **more}, start=start)


def every(points: Mapping[str, int], start: str, which: tuple[str, ...] = EVERY) -> list[Fault]:
    return list(within(points, start, which))
