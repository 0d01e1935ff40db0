"""The lints on snippets: ``# finds: RULE`` at the end of a line says what must be found there, and nothing else may be.

Snippets without it are silent twins. Headers without a seed get one, so that each file speaks of its own rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipec.lints._run import lint, names
from recipec.registry import find
from recipec.resolve.loading import load
from recipec.resolve.program import Program
from recipec.source import Source

FOLDER = Path(__file__).parent
REPOSITORY = FOLDER.parents[1]
COMMON = 'param least: int = 5\nsource rows = csv("c.csv") { columns: { id: text } }\n'
_BLOCK = re.compile(r"^```recipe(.*?)\n(.*?)^```$", re.M | re.S)
_FINDS = re.compile(r"\s*# finds(?:: (.*))?$")


def snippets(path: Path) -> Iterator[tuple[int, str, str]]:
    text = path.read_text(encoding="utf-8")
    for block in _BLOCK.finditer(text):
        yield text.count("\n", 0, block.start()) + 2, block[1], block[2]


SNIPPETS = [
    pytest.param(path, options, text, id=f"{path.stem}:{line}")
    for path in sorted(FOLDER.glob("*.md"))
    for line, options, text in snippets(path)
]


def resolved(text: str) -> Program:
    program = load(Source("test.recipe", text), offline=True, read=lambda path: COMMON)
    program.resolve()
    assert not program.findings.items, [(d.span.place, d.message) for d in program.findings]
    return program


@pytest.mark.parametrize(("path", "options", "text"), SNIPPETS)
def test_what_is_found_and_what_not(path: Path, options: str, text: str) -> None:
    wanted: list[tuple[int, str]] = []
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _FINDS.search(line)
        wanted += [(number, rule) for rule in ((match[1] or path.stem).split() if match else [])]
        lines.append(_FINDS.sub("", line))
    found = lint(resolved("\n".join(lines) + "\n"))
    if "seeded: no" not in options:
        found = [d for d in found if d.name != "unseeded-randomness"]
    assert sorted((d.span.place[0], d.name) for d in found) == sorted(wanted), [(d.span.place, d.name, d.message) for d in found]
    for d in found:
        assert d.message
        assert d.span.end > d.span.start


@pytest.mark.parametrize("name", names())
def test_every_lint_has_findings_and_silent_twins(name: str) -> None:
    found = [f"# finds: {name}" in t or re.search(r"# finds$", t, re.M) is not None for _, _, t in snippets(FOLDER / f"{name}.md")]
    assert any(found)
    assert not all(found)


@pytest.mark.parametrize("name", names())
def test_every_page_says_what_why_bad_good_and_how_to_silence(name: str) -> None:
    rule = find("lint", name, plugins=False)
    assert rule is not None
    assert rule.__dict__["name"] == name
    for part in ("Bad:", "Good", f"# allow: {name} because "):
        assert part in rule.__doc__
    assert re.search(r"\b(19|20)\d\d\b|CWE-\d+", rule.__doc__), "the evidence"


RECIPES = [*sorted((REPOSITORY / "recipes").glob("*.recipe")), *sorted((REPOSITORY / "tests" / "recipes").glob("*.recipe"))]


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_nothing_is_found_in_correct_recipes(path: Path) -> None:
    program = load(Source(str(path), path.read_text(encoding="utf-8")))
    program.resolve()
    if any(d.name == "missing-file" for d in program.findings):
        pytest.skip("the shared data is not there")
    assert not program.findings.items
    assert [(d.span.place, d.name, d.message) for d in lint(program)] == []


def test_recipes_of_the_design_are_not_blamed() -> None:
    """But for the fifth, in which no voter can find a place: that is so."""
    text = (REPOSITORY / "tests" / "syntax" / "good.md").read_text(encoding="utf-8")
    for block in re.findall(r"```recipe\n(.*?)```", text, re.S):
        program = load(Source("good.recipe", block), offline=True)
        program.resolve()
        assert [d.message for d in lint(program)] in ([], ['no voter can vote for "LOC"'])
