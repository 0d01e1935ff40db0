"""One mistake at a time in recipes that are right: how many errors are told, and how far from the place.

``python tests/syntax/slip.py`` misspells each sort of word and leaves out each sort of sign, in each recipe of ``recipes/`` and
``tests/recipes/``, and says for each sort of mistake: in how many recipes it was made, how many it leaves right (a comma too
few may be right), the median number of errors and the share of exactly one, the share whose error lies on the line of the
mistake or beside it, and the worst. ``test_slip.py`` holds the figures.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median

from recipec.resolve.loading import load
from recipec.source import Source
from recipec.syntax.lexer import scan

ROOT = Path(__file__).resolve().parents[2]
SIGNS = {":", ",", "{", "}", "(", ")", "[", "]", "=", "==", "=>", "|>", ".", "%"}


@dataclass(frozen=True)
class Slip:
    """A recipe with one mistake: what sort, in what file, at what offset, and the text."""

    sort: str
    path: str
    at: int
    text: str


@dataclass(frozen=True)
class Seen:
    """What was said of a slip: how many errors, and over how many lines the nearest and the first lie from it."""

    slip: Slip
    errors: int
    nearest: int
    said: str


def misspelt(word: str, random: Random) -> str:
    """Two letters swapped, one left out, or one doubled."""
    at = random.randrange(len(word) - 1)
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    options = [swapped, word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:]]
    return random.choice([o for o in options if o != word and len(o) > 1] or [word + word[-1]])


def slips(path: str, text: str, each: int, seed: int) -> Iterator[Slip]:
    """The slips of one recipe: of each sort up to ``each``."""
    tokens = [t for t in scan(Source(path, text)).tokens if t.kind not in ("BLANK", "COMMENT")]
    places: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    random = Random(f"{seed}:{Path(path).name}")
    heads = True
    for before, token in zip([None, *tokens], tokens, strict=False):
        start_of_line = token.start == 0 or text[token.start - 1] == "\n"
        if token.word is not None:
            if len(token.text) > 1:
                places[f"misspelt {token.text}"].append((token.start, token.end, misspelt(token.text, random)))
            places[f"missing {token.text}"].append((token.start, token.end + (text[token.end : token.end + 1] == " "), ""))
        elif token.kind == "NAME" and start_of_line and heads:
            places["misspelt kind"].append((token.start, token.end, misspelt(token.text, random)))
        elif token.kind == "NAME" and len(token.text) > 3:
            places["misspelt name"].append((token.start, token.end, misspelt(token.text, random)))
        elif token.text in SIGNS and before is not None:
            places[f"missing {token.text}"].append((token.start, token.end, ""))
        elif token.kind == "STRING":
            places['missing opening "'].append((token.start, token.start + 1, ""))
            places['missing closing "'].append((token.end - 1, token.end, ""))
        elif token.kind == "BLOCK":
            places['missing """'].append((token.end - 3, token.end, ""))
        elif token.kind == "REGEX":
            places["missing r"].append((token.start, token.start + 1, ""))
    for sort, found in sorted(places.items()):
        for start, end, instead in random.sample(found, min(each, len(found))):
            yield Slip(sort, path, start, text[:start] + instead + text[end:])


def look(slip: Slip) -> Seen:
    source = Source(slip.path, slip.text)
    program = load(source)
    program.resolve()
    found = [d for d in program.findings.sorted if d.severity == "error"]
    line = source.place(min(slip.at, len(slip.text)))[0]
    nearest = min((abs(d.span.place[0] - line) if d.span.source is source else 99 for d in found), default=0)
    said = "; ".join(f"{d.span.place[0]}:{d.span.place[1]} {d.message} [{d.label}]" for d in found[:6])
    return Seen(slip, len(found), nearest, said)


def corpus() -> list[tuple[str, str]]:
    folders = ("recipes", "tests/recipes")
    found = [(str(p), p.read_text(encoding="utf-8")) for f in folders for p in sorted((ROOT / f).glob("*.recipe"))]
    return [(path, text) for path, text in found if not look(Slip("", path, 0, text)).errors]


def seen(each: int, seed: int, only: str = "", files: int | None = None) -> dict[str, list[Seen]]:
    by_sort: dict[str, list[Seen]] = defaultdict(list)
    for path, text in corpus()[:files]:
        for slip in slips(path, text, each, seed):
            if only in slip.sort:
                by_sort[slip.sort].append(look(slip))
    return by_sort


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--each", type=int, default=2, help="slips of each sort in each recipe")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="sorts of slips that have this in their name")
    parser.add_argument("--worst", type=int, default=25)
    args = parser.parse_args()
    os.environ["RECIPEC_NO_CACHE"] = "1"
    by_sort = seen(args.each, args.seed, args.only)
    print(f"{'mistake':22} {'made':>5} {'right':>6} {'median':>7} {'one':>6} {'near':>6} {'most':>5}")
    every = [s for found in by_sort.values() for s in found]
    for sort, found in [*sorted(by_sort.items()), ("all", every)]:
        told = [s for s in found if s.errors]
        if told:
            one = sum(s.errors == 1 for s in told) / len(told)
            near = sum(s.nearest <= 1 for s in told) / len(told)
            most = max(s.errors for s in told)
            right = len(found) - len(told)
            print(f"{sort:22} {len(found):5} {right:6} {median(s.errors for s in told):7.1f} {one:6.0%} {near:6.0%} {most:5}")
    for s in sorted(every, key=lambda s: (-s.errors, -s.nearest))[: args.worst]:
        line = Source("", s.slip.text).place(min(s.slip.at, len(s.slip.text)))[0]
        print(f"\n{s.errors} errors, {s.nearest} lines away: {s.slip.sort} in {Path(s.slip.path).name}:{line}")
        print("    " + s.slip.text.split("\n")[line - 1].strip()[:150])
        print("    " + s.said[:700])
    return 0


if __name__ == "__main__":
    sys.exit(main())
