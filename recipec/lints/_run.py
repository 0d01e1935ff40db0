"""Running the lints over a resolved recipe."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

from recipec.diagnostics import Diagnostic
from recipec.lints._base import Lint
from recipec.lints._silence import RULES, silenced
from recipec.lints._view import View
from recipec.registry import find
from recipec.resolve.program import Program


@cache
def names() -> tuple[str, ...]:
    """Every lint, by the files of this folder: one file a rule, named after it."""
    files = sorted(p.stem for p in Path(__file__).parent.glob("*.py"))
    return tuple(f.replace("_", "-") for f in files if not f.startswith("_"))


def lints() -> Iterator[type[Lint]]:
    for name in names():
        import_module(f"{__package__}.{name.replace('-', '_')}")
        found: type[Lint] | None = find("lint", name, plugins=False)
        if found is not None:
            yield found


def lint(program: Program) -> list[Diagnostic]:
    """What the lints find in a program, silences applied. Nothing where the program has errors: what a recipe means is
    looked at when it means something."""
    if program.findings.errors:
        return []
    view = View(program)
    found = {d.order: d for rule in lints() for d in rule.find(view)}
    return silenced(program, list(found.values()), (*names(), *RULES))
