"""All faults, one run each: ``python -m tests.faults.run [--share 1/3] [--scene shop] [--only statement] [--out FILE]``.

Prints a table of kind, place and outcome, and every fault after which something did not hold; exits with 1 where there is one.
Takes three seconds or so for each of about four thousand faults: ``--share 1/8`` is an eighth, of all kinds.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults import shim
from tests.faults.faults import BY_CALL, EVERY, around, every, meanwhile
from tests.faults.scene import Fault, Outcome, Scene, scene


def chosen(made: Scene, only: str) -> list[Fault]:
    """What one scene goes through."""
    files = ("write", "fsync", "rename", "make", "remove", "open")
    faults = every(made.points, "old") + every(made.points, "fresh", {"shop": EVERY, "shelf": ("worker", *files)}.get(made.name, files))
    if made.name != "model":
        faults += [*meanwhile(made.points), *around(made.points)]
    if made.library is None:
        faults = [f for f in faults if not f.plan and f.kind != "clock jumps back"]
    if only:
        faults = [f for f in faults if re.search(only, f"{f.kind} at {f.place} ({f.start})")]
    return faults


def family_of(place: str) -> str:
    word = place.split(" ")[0]
    return word if word in (*BY_CALL, "statement", "worker", "call") else "around"


def table(outcomes: list[Outcome]) -> str:
    """Kind by place, with how such runs ended."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for o in outcomes:
        counts[family_of(o.fault.place), o.fault.kind, o.way] += 1
    ways = ["went on", "message", "killed", "not met"]
    lines = [f"{'place':<10} {'kind':<32} {'faults':>6} " + " ".join(f"{w:>8}" for w in ways) + f" {'problems':>8}"]
    for place, kind in dict.fromkeys((p, k) for p, k, _ in sorted(counts)):
        row = [counts[place, kind, w] for w in ways]
        wrong = sum(bool(o.problems) for o in outcomes if o.fault.kind == kind and family_of(o.fault.place) == place)
        lines.append(f"{place:<10} {kind:<32} {sum(row):>6} " + " ".join(f"{n or '':>8}" for n in row) + f" {wrong or '':>8}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", default="1/1", help="1/3: every third fault, from the first")
    parser.add_argument("--scene", default="", help="shop, shelf or model; all by default")
    parser.add_argument("--only", default="", help="a regular expression: kind at place (start)")
    parser.add_argument("--most", type=int, default=0, help="the most faults of a scene")
    parser.add_argument("--out", type=Path, help="where every outcome is added as a line of JSON")
    args = parser.parse_args()
    part, parts = map(int, args.share.split("/"))
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        library = shim.build(Path(folder))
        for name in [args.scene] if args.scene else ["shop", "shelf", "model"]:
            with scene(name, library, Path(folder) / name) as made:
                made.undisturbed()
                print(f"{name}: {json.dumps(made.points)}", flush=True)
                faults = chosen(made, args.only)
                # In another order, so that a part of them is of all kinds.
                random.Random(1).shuffle(faults)
                faults = faults[part - 1 :: parts]
                for fault in faults[: args.most or None]:
                    outcome = made.suffer(fault)
                    outcomes.append(outcome)
                    if args.out:
                        record = {"scene": name, "fault": str(fault), "way": outcome.way, "problems": outcome.problems, "said": outcome.said[-1200:], "seconds": round(outcome.seconds, 2)}  # fmt: skip
                        with args.out.open("a", encoding="utf-8") as file:
                            file.write(json.dumps(record) + "\n")
                    for problem in outcome.problems:
                        print(f"{name}: {fault}: {problem[:600]}", flush=True)
    print(table(outcomes))
    bad = sum(bool(o.problems) for o in outcomes)
    print(f"{len(outcomes)} faults, {sum(o.met for o in outcomes)} met, {bad} with problems, {time.process_time():.0f} s of this process")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
