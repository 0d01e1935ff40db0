"""The pages of the lints: their bad recipes are found, their good ones are not, and their silences silence."""

from __future__ import annotations

import inspect
import re

import pytest

from recipec.diagnostics import Diagnostic
from recipec.lints._run import lint, names
from recipec.registry import find
from recipec.resolve.loading import load
from recipec.source import Source

_FENCE = re.compile(r"^```recipe\n(.*?)^```$", re.M | re.S)
WIDEST = 76
"""Characters of a line of an example: with its indent it fits a terminal of 80."""


def page(name: str) -> tuple[list[str], list[str], str]:
    """The bad and the good recipes of a page, and its silence."""
    rule = find("lint", name, plugins=False)
    assert rule is not None
    doc = inspect.cleandoc(rule.__doc__ or "")
    before, bad, after = doc.partition("\nBad:")
    between, good, rest = after.partition("\nGood:")
    assert bad
    assert good, "after Bad:"
    assert re.search(r"\b(19|20)\d\d\b|CWE-\d+", before), "the evidence"
    silence = re.search(rf"^Silence: ``(# allow: {name} because [^`]+)``", rest, re.M)
    assert silence is not None
    return _FENCE.findall(between), _FENCE.findall(rest), silence[1]


def findings(text: str) -> list[Diagnostic]:
    program = load(Source("page.recipe", text), offline=True)
    program.resolve()
    assert not program.findings.items, [(d.span.place, d.message) for d in program.findings]
    return lint(program)


@pytest.mark.parametrize("name", names())
def test_a_page_holds(name: str) -> None:
    bad, good, silence = page(name)
    assert bad
    assert good
    for text in (*bad, *good):
        assert max(map(len, text.splitlines())) <= WIDEST
    for text in bad:
        found = findings(text)
        assert [d.name for d in found] == [name] * len(found), [(d.name, d.span.place, d.message) for d in found]
        assert found
        lines = text.splitlines()
        at = found[0].span.place[0] - 1
        if text[: found[0].span.start].count('"""') % 2:
            # Nothing can be silenced within a query: above its step.
            at = max(i for i in range(at) if lines[i][:1].isalpha())
        lines.insert(at, silence)
        assert len(findings("\n".join(lines) + "\n")) == len(found) - 1
    for text in good:
        assert findings(text) == []
