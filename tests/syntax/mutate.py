"""Recipes damaged at random, and what must hold of each: the recipes of this repository are the seeds,
and with them every step kind and every snippet of its documents.

``python tests/syntax/mutate.py --count 10000 --seed 1`` damages and looks at that many, says how many of them parsed, were
found fault with and could be mended, and lists every one that broke a promise. ``test_mutate.py`` looks at some at every
run of the tests.

The promises: no exception whatever the text; an answer within a second; every finding has words and lies in its file; what
parses is laid out, the layout of the layout is the same, and means the same; what ``--fix`` leaves is what ``--fix`` leaves of it.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PIECES = re.compile(r'"""|"(?:[^"\\\n]|\\.)*"|`[^`\n]*`|r/[^/\n]*/|#[^\n]*|[\w.]+|\s+|[^\w\s]')
ODD = [
    "\x00", "\ud800", "\u200b", "\ufeff", "\r", "。", "，", "：", "“", "”", "（", "😀", "𝒳", "`", '"', '"""', "'", "\\", "$$", "--", "/*", ";",
    "0x", "1e999", "%", "{", "}", "[", "]", "(", ")", "=", "==", "=>", "|>", "&&", "||", "!=", "<>", "and", "not", "in", "as", "from", "null",
]  # fmt: skip
DEEP = [("(", ")"), ("[", "]"), ("{", "}"), ("not ", ""), ("- ", ""), ("f(", ")"), ("a.", "b"), ("case when ", " end"), ("op() { ", " }")]
LIMIT = 1.0
"""Seconds of processor time within which every text gets its answer."""


@dataclass(frozen=True)
class Case:
    """A damaged recipe: its number, the file that it was, what was done to it, and its text."""

    number: int
    path: str
    acts: tuple[str, ...]
    text: str


def corpus() -> list[tuple[str, str]]:
    """(path, text) of every recipe and every snippet of one in the repository."""
    found: list[tuple[str, str]] = []
    for folder in ("recipes", "tests/recipes", "tests/bad"):
        found += [(str(p), p.read_text(encoding="utf-8")) for p in sorted((ROOT / folder).glob("*.recipe"))]
    for folder in (
        "tests/resolve",
        "tests/lints",
        "tests/syntax",
        "tests/templates",
        "tests/label",
        "tests/steps",
        ".",
        "../shared/design",
    ):
        for path in sorted((ROOT / folder).glob("*.md")):
            snippets = re.findall(r"^```recipe[^\n]*\n(.*?)^```$", path.read_text(encoding="utf-8"), re.M | re.S)
            found += [(f"{path.parent}/{path.stem}-{n}.recipe", body) for n, body in enumerate(snippets)]
    return found


def damaged(number: int, seed: int, seeds: list[tuple[str, str]], words: list[str]) -> Case:
    """The recipe of a number: the same for the same seed, whatever was made before."""
    random = Random(f"{seed}:{number}")
    path, text = random.choice(seeds)
    acts: list[str] = []
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        act, text = once(random, text, words, seeds)
        acts.append(act)
    return Case(number, path, tuple(acts), text)


def once(random: Random, text: str, words: list[str], seeds: list[tuple[str, str]]) -> tuple[str, str]:
    """One act of damage: its name and what it leaves."""
    pieces = PIECES.findall(text)
    solid = [i for i, p in enumerate(pieces) if not p.isspace()]
    if not solid:
        return "fill", text + random.choice(words)
    at, other = random.choice(solid), random.choice(solid)
    act = random.choice(("delete", "double", "swap", "word", "word", "odd", "bytes", "bytes", "deep", "huge", "cut", "lines", "graft"))
    match act:
        case "delete":
            pieces[at] = ""
        case "double":
            pieces[at] = f"{pieces[at]} {pieces[at]}"
        case "swap":
            pieces[at], pieces[other] = pieces[other], pieces[at]
        case "word":
            pieces[at] = random.choice(words)
        case "odd":
            pieces[at] = random.choice(("", pieces[at])) + random.choice(ODD)
        case "bytes":
            data = bytearray(text.encode("utf-8", "surrogatepass"))
            for _ in range(random.randint(1, 4)):
                data[random.randrange(len(data))] ^= 1 << random.randrange(8)
            return act, data.decode("utf-8", random.choice(("replace", "surrogateescape", "ignore")))
        case "deep":
            left, right = random.choice(DEEP)
            times = random.choice((3, 40, 300, 3_000))
            pieces[at] = left * times + pieces[at] + right * times
        case "huge":
            size = random.choice((300, 5_000, 60_000))
            pieces[at] = random.choice(
                ("9" * size, f'"{"x" * size}"', "n" * size, "1." + "0" * size, f"1e{size}", "文" * size, f"r/{'a|' * size}b/")
            )
        case "cut":
            return act, text[: random.randrange(len(text) + 1)]
        case "lines":
            rows = text.splitlines(keepends=True)
            random.shuffle(rows)
            return act, "".join(rows)
        case _:
            donor = random.choice(seeds)[1].splitlines(keepends=True)
            start = random.randrange(len(donor) + 1)
            pieces[at] += "\n" + "".join(donor[start : start + random.randint(1, 6)])
    return act, "".join(pieces)


@dataclass
class Report:
    """What was seen; ``broken`` are promises not kept, with the case."""

    counts: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, Case | None] = (0.0, None)
    broken: list[tuple[Case, str]] = field(default_factory=list)


class Inspector:
    """Looks at cases as ``recipec check --fix`` and ``recipec fmt`` do."""

    def __init__(self) -> None:
        os.environ["RECIPEC_NO_CACHE"] = "1"
        from recipec.cli.check import Check

        options = {"sets": [], "select": [], "ignore": [], "severity": "note", "offline": False, "stdin_name": "-"}
        self.check = Check(argparse.Namespace(files=["-"], fix=True, diff=False, unsafe_fixes=False, **options))
        self.unsafe = Check(argparse.Namespace(files=["-"], fix=True, diff=False, unsafe_fixes=True, **options))
        self.report = Report()
        self.looks = 0
        for check in (self.check, self.unsafe):
            check.analysed = self.counting(check.analysed)  # type: ignore[method-assign]

    def counting(self, analysed: Any) -> Any:
        def look(source: Any) -> Any:
            self.looks += 1
            return analysed(source)

        return look

    def look(self, case: Case) -> None:
        try:
            self.promises(case)
        except AssertionError as problem:
            self.report.broken.append((case, str(problem)))
        except Exception:  # the very thing that is looked for
            self.report.broken.append((case, traceback.format_exc()))

    def promises(self, case: Case) -> None:
        from recipec.cli.check import MOST_ROUNDS
        from recipec.diagnostics import Diagnostic
        from recipec.report.terminal import Terminal
        from recipec.report.text import finding
        from recipec.source import Source
        from recipec.syntax.format import NotFormatted, format_source

        counts = self.report.counts
        counts["looked at"] += 1
        source = Source(case.path, case.text)
        started = time.process_time()
        found: list[Diagnostic] = self.check.analysed(source)
        seconds = time.process_time() - started
        if seconds > self.report.slowest[0]:
            self.report.slowest = (seconds, case)
        assert seconds < LIMIT, f"took {seconds:.2f} s"
        for d in found:
            self.report.codes[d.name] += 1
            assert d.message.strip(), f"{d.name}: no words"
            for span in (d.span, *(label.span for label in d.also), *(e.span for f in d.fixes for e in f.edits)):
                assert 0 <= span.start <= span.end <= len(span.source.text), f"{d.name}: lies outside its file"
            finding(d, Terminal(sys.stdout, width=80))
        counts["without findings"] += not found
        parses = not any(d.code.startswith("E1") for d in found)
        counts["parse"] += parses
        try:
            laid_out = format_source(source)
        except NotFormatted:
            laid_out = ""
        if parses:
            assert laid_out or not case.text.strip(), "parses, but is not laid out"
        if laid_out:
            counts["laid out"] += 1
            assert format_source(Source(case.path, laid_out)) == laid_out, "laid out twice is not laid out once"
            if not any(d.severity == "error" for d in found):
                counts["mean the same laid out"] += 1
                assert keys(source) == keys(Source(case.path, laid_out)), "the layout means something else"
        for check, name in ((self.check, "mended"), (self.unsafe, "mended unsafely")):
            if any(f.safe or check is self.unsafe for d in found for f in d.fixes):
                before = self.looks
                mended, left = check.mend(source, found)
                counts[name] += mended.text != source.text
                if self.looks - before < MOST_ROUNDS:  # else there is more to mend than one command does
                    again, _ = check.mend(mended, left)
                    assert again.text == mended.text, f"{name} twice is not {name} once"


def keys(source: Any) -> dict[str, str]:
    """The fingerprint of every step of a recipe."""
    from recipec.plan.lock import static_keys
    from recipec.resolve.loading import load

    program = load(source, {})
    program.resolve()
    return static_keys(program)


def vocabulary(seeds: list[tuple[str, str]]) -> list[str]:
    return sorted({w for _, text in seeds for w in PIECES.findall(text) if not w.isspace()})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, nargs="*", help="the numbers of cases to look at again")
    parser.add_argument("--show", action="store_true", help="print the text of every case that broke a promise")
    args = parser.parse_args()
    seeds = corpus()
    words = vocabulary(seeds)
    inspector = Inspector()
    started = time.monotonic()
    for number in args.only or range(args.count):
        inspector.look(damaged(number, args.seed, seeds, words))
    report = inspector.report
    for case, problem in report.broken:
        print(f"\n--- case {case.number} of seed {args.seed}: {Path(case.path).name}, {' '.join(case.acts)}\n{problem.strip()}")
        if args.show:
            print(case.text[:4_000])
    print(f"\n{len(seeds)} seeds, {time.monotonic() - started:.0f} s, slowest {report.slowest[0]:.2f} s of processor time")
    print(", ".join(f"{name} {n:,}" for name, n in report.counts.items()))
    print(
        f"{sum(report.codes.values()):,} findings of {len(report.codes)} rules: "
        + ", ".join(f"{n} {c}" for n, c in report.codes.most_common(12))
    )
    print(f"{len(report.broken)} promises broken")
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
