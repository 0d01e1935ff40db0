"""The long run of the fuzzers: ``python tests/fuzz/run.py --minutes 60 [TARGET...]``.

With atheris installed (``pip install atheris``; CPython 3.11 to 3.13 on Linux) inputs are found by coverage of recipec's own code, each target in a process of its own.
Without it they are damaged at random from the same seeds. What a target raises is written once for each place that raised it, and the run
goes on. At the end it says for each target how many inputs it took, what they covered, and what was found.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))


def where(error: BaseException) -> str:
    """What tells one finding from another: the kind of the exception, and the innermost line of recipec's (or of the target) that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "/recipec/" in f.filename] or [f for f in frames if "fuzz" in f.filename]
    last = own[-1] if own else frames[-1]
    said = f" {error}" if isinstance(error, AssertionError) else ""
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}{said}"[:160]


class Watch:
    """Runs a target and writes what it raises, once for each place."""

    def __init__(self, name: str, target: Any, out: Path) -> None:
        self.name, self.target, self.out = name, target, out
        self.inputs = 0
        self.slowest = 0.0
        self.slow = b""
        self.found: dict[str, int] = {}
        self.told = 0.0

    def __call__(self, data: bytes) -> None:
        self.inputs += 1
        began = time.process_time()
        try:
            self.target(data)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever it is, it is what is looked for
            place = where(error)
            if place not in self.found:
                stem = re.sub(r"\W+", "-", f"{self.name}-{place}")[:100]
                (self.out / f"{stem}.input").write_bytes(data)
                (self.out / f"{stem}.txt").write_text("".join(traceback.format_exception(error)), encoding="utf-8", errors="replace")
            self.found[place] = self.found.get(place, 0) + 1
        took = time.process_time() - began
        if took > self.slowest:
            self.slowest = took
            if took > 2:
                (self.out / f"{self.name}-slow.input").write_bytes(data)
        if time.monotonic() - self.told > 1:  # the process is ended without another word
            self.tell()

    def tell(self) -> None:
        self.told = time.monotonic()
        told = {"inputs": self.inputs, "slowest": round(self.slowest, 2), "found": self.found}
        (self.out / f"{self.name}-{os.getpid()}.json").write_text(json.dumps(told), encoding="utf-8")


def damaged(data: bytes, others: list[bytes], words: list[bytes], random: Random) -> bytes:
    """Bytes with pieces gone, doubled, from another input, or from the dictionary."""
    made = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(made) + 1)
        to = min(len(made), at + random.choice((1, 1, 4, 16, 64)))
        match random.randrange(6):
            case 0:
                del made[at:to]
            case 1:
                made[at:at] = made[at:to] * random.choice((1, 1, 30))
            case 2:
                other = random.choice(others)
                start = random.randrange(len(other) + 1)
                made[at:to] = other[start : start + random.choice((4, 16, 64))]
            case 3 | 4:
                made[at : at + random.choice((0, 1, 4))] = random.choice(words)
            case _:
                made[at:to] = random.randbytes(random.choice((1, 2, 4)))
    return bytes(made[:20_000])


def one(name: str, seconds: int, out: Path, corpus: Path) -> None:
    """One target for some time, in this process."""
    try:
        import atheris
    except ImportError:
        atheris = None
    if atheris is None:
        import targets

        watch = Watch(name, targets.TARGETS[name], out)
        seeds, words, random = targets.seeds(name), targets.words(name), Random(name)
        until = time.monotonic() + seconds
        for seed in seeds:
            watch(seed)
        while time.monotonic() < until:
            watch(damaged(random.choice(seeds), seeds, words, random))
        watch.tell()
        return
    with atheris.instrument_imports(include=["recipec"]):
        import targets

        # Nearly everything is imported where it is first needed: let the seeds do it, so that it is instrumented.
        for seed in targets.seeds(name)[:30]:
            try:
                targets.TARGETS[name](seed)
            except Exception:  # found again, and written, below
                traceback.print_exc()
    watch = Watch(name, targets.TARGETS[name], out)
    dictionary = out / f"{name}.dict"
    listed = ("".join(f"\\x{b:02x}" for b in w) for w in targets.words(name) if w)
    dictionary.write_text("".join(f'"{w}"\n' for w in listed), encoding="ascii")
    atheris.Setup(
        [sys.argv[0], str(corpus), f"-max_total_time={seconds}", "-timeout=60", "-rss_limit_mb=4000", "-max_len=8000", f"-dict={dictionary}",
         f"-artifact_prefix={out}/{name}-killed-", "-print_final_stats=1", "-reload=0"],
        watch,
    )  # fmt: skip
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--minutes", type=float, default=60.0, help="for all targets together")
    parser.add_argument("--out", type=Path, default=Path("fuzz-out"), help="where findings are written")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=int, default=60, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.one:
        one(args.one, args.seconds, args.out, args.out / f"corpus-{args.one}")
        return 0
    import targets

    names = args.targets or list(targets.TARGETS)
    share = args.minutes * 60 / len(names)
    report = []
    for name in names:
        corpus = args.out / f"corpus-{name}"
        corpus.mkdir(exist_ok=True)
        for number, seed in enumerate(targets.seeds(name)):
            (corpus / f"seed-{number:03}").write_bytes(seed[:8000])
        until, log = time.monotonic() + share, b""
        while (left := until - time.monotonic()) > 3:
            command = [sys.executable, __file__, "--one", name, "--seconds", str(int(left)), "--out", str(args.out)]
            done = subprocess.run(command, capture_output=True, check=False)
            log += done.stdout + done.stderr
            if done.returncode == 0:
                break
        (args.out / f"{name}.log").write_bytes(log)
        told = [json.loads(p.read_text(encoding="utf-8")) for p in sorted(args.out.glob(f"{name}-[0-9]*.json"))]
        covered = [int(n) for n in re.findall(rb"cov: (\d+)", log)]
        found: dict[str, int] = {}
        for t in told:
            for place, times in t["found"].items():
                found[place] = found.get(place, 0) + times
        killed = sorted(p.name for p in args.out.glob(f"{name}-killed-*"))
        line = {
            "target": name, "seconds": round(share), "inputs": sum(t["inputs"] for t in told), "edges": max(covered, default=None),
            "slowest": max((t["slowest"] for t in told), default=0), "found": found, "killed": killed,
        }  # fmt: skip
        report.append(line)
        print(json.dumps(line), flush=True)
        (args.out / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    return 1 if any(r["found"] or r["killed"] for r in report) else 0


if __name__ == "__main__":
    sys.exit(main())
