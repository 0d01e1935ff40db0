"""``bad.md``: broken recipes beside what is said about them, to be read as prose."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipec.diagnostics import Diagnostic, Edit
from recipec.source import Source
from recipec.syntax.parse import parse

PAGE = Path(__file__).with_name("bad.md")
PAIR = re.compile(r"```recipe\n(?P<recipe>.*?)```\n\n```text\n(?P<said>.*?)```", re.DOTALL)


def decode(shown: str) -> str:
    """A NUL cannot be seen on the page; its picture stands for it."""
    return shown.replace("␀", "\0")


def told(diagnostic: Diagnostic) -> Iterator[str]:
    line, column = diagnostic.span.place
    yield f"{line}:{column} {diagnostic.name}: {diagnostic.message}"
    if diagnostic.label:
        yield f"    ^ {diagnostic.label}"
    for also in diagnostic.also:
        line, column = also.span.place
        yield f"    {line}:{column} {also.text}"
    for help_ in diagnostic.help:
        yield f"    help: {help_}"
    for fix in diagnostic.fixes:
        edits = ", ".join(f"`{edit.span.text}` -> `{edit.text}`" for edit in fix.edits)
        yield f"    fix{'' if fix.safe else ' (unsafe)'}: {fix.title}: {edits}"


def report(recipe: str) -> str:
    _, diagnostics = parse(Source("bad.recipe", recipe))
    return "".join(line.replace("\0", "␀") + "\n" for diagnostic in diagnostics for line in told(diagnostic))


def cases() -> list[object]:
    if os.environ.get("RECIPEC_UPDATE"):
        page = PAGE.read_text(encoding="utf-8")
        page = PAIR.sub(lambda m: f"```recipe\n{m['recipe']}```\n\n```text\n{report(decode(m['recipe']))}```", page)
        PAGE.write_text(page, encoding="utf-8", newline="\n")
    page = PAGE.read_text(encoding="utf-8")
    return [pytest.param(m["recipe"], m["said"], id=f"line {page.count(chr(10), 0, m.start()) + 1}") for m in PAIR.finditer(page)]


@pytest.mark.parametrize(("recipe", "said"), cases())
def test_what_is_said(recipe: str, said: str) -> None:
    assert report(decode(recipe)) == said


def mended(recipe: str) -> str:
    """The recipe with all safe fixes applied, again until there are none."""
    for _ in range(4):
        _, diagnostics = parse(Source("bad.recipe", recipe))
        edits = [edit for d in diagnostics for fix in d.fixes[:1] if fix.safe for edit in fix.edits]
        if not edits:
            break
        done: list[Edit] = []
        for edit in sorted(edits, key=lambda e: e.span.start, reverse=True):
            if not done or edit.span.end <= done[-1].span.start:
                recipe = recipe[: edit.span.start] + edit.text + recipe[edit.span.end :]
                done.append(edit)
    return recipe


@pytest.mark.parametrize(("recipe", "said"), cases())
def test_safe_fixes_mend(recipe: str, said: str) -> None:
    """A finding with a safe fix is gone when the fix is applied, and nothing new comes of it."""
    _, before = parse(Source("bad.recipe", decode(recipe)))
    _, after = parse(Source("bad.recipe", mended(decode(recipe))))
    assert not [d for d in after if d.fixes and d.fixes[0].safe]
    assert len(after) <= len([d for d in before if not (d.fixes and d.fixes[0].safe)])
