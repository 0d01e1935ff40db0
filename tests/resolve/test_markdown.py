"""The Markdown files beside this one: recipes, and in comments what must be found in them.

A fence ```` ```recipe ```` is a recipe; it is checked together with the file's ```` ```recipe prelude ````, which comes after it so that
lines count from the snippet's own first. In it ``# NAME at LINE:COL: words`` asks for a finding of that name at that place
whose message, label or help has the words. What is not asked for must not be found. Further fences: ```` ```recipe file=a/b.recipe ````
writes a file beside it, ```` ```sets ```` gives ``--set`` values, one a line, and ```` ```types STEP ```` the columns that a step must have.
``offline`` after ``recipe`` checks without files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
FENCE = re.compile(r"^```(\S+)([^\n]*)\n(.*?)^```$", re.M | re.S)
WANTED = re.compile(r"^\s*# ([a-z][a-z-]+) at (\d+):(\d+): (.*)$", re.M)


@dataclass
class Case:
    name: str
    text: str
    prelude: str
    offline: bool = False
    files: dict[str, str] = field(default_factory=dict)
    sets: dict[str, str] = field(default_factory=dict)
    types: dict[str, dict[str, str]] = field(default_factory=dict)


def cases(path: Path) -> Iterator[Case]:
    prelude = ""
    for section in re.split(r"^(?=## )", path.read_text(encoding="utf-8"), flags=re.M):
        title = section.split("\n")[0].strip("# ") or path.stem
        files: dict[str, str] = {}
        sets: dict[str, str] = {}
        made: list[Case] = []
        for kind, info, body in FENCE.findall(section):
            words = info.split()
            if kind == "sets":
                sets.update(line.split("=", 1) for line in body.splitlines())
            elif kind == "types":
                made[-1].types[words[0]] = dict(line.split(": ", 1) for line in body.splitlines())
            elif kind == "recipe" and words == ["prelude"]:
                prelude = body
            elif kind == "recipe" and words and words[0].startswith("file="):
                files[words[0][5:]] = body
            elif kind == "recipe":
                made.append(Case(f"{path.stem}: {title}", body, prelude, "offline" in words, files, sets))
        yield from made


CASES = [c for path in sorted(HERE.glob("*.md")) for c in cases(path)]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_snippet(case: Case, lab: Any) -> None:
    for name, text in case.files.items():
        lab.write(name, text)
    program = lab.program(f"{case.text}\n{case.prelude}", sets=case.sets, offline=case.offline)
    wanted = sorted((int(line), int(column), name, words) for name, line, column, words in WANTED.findall(case.text))
    found = [(*d.span.place, d.name, " | ".join((d.message, d.label, *d.help))) for d in program.findings.sorted]
    shown = "\n".join(f"# {n} at {line}:{c}: {said}" for line, c, n, said in found)
    assert [w[:3] for w in wanted] == sorted(f[:3] for f in found), shown
    for want, got in zip(wanted, sorted(found), strict=True):
        assert want[3] in got[3]
    for step, types in case.types.items():
        made = program.resolved[step]
        assert made is not None
        assert made.bound.outputs[""].types == types
