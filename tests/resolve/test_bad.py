"""The corpus of mistakes in tests/bad: every file says in its first lines what must be found, and nothing else may be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recipec.diagnostics import Diagnostic
from recipec.resolve.loading import load
from recipec.source import Source

FOLDER = Path(__file__).resolve().parents[1] / "bad"


def findings(path: Path) -> list[Diagnostic]:
    text = path.read_text(encoding="utf-8")
    sets = dict(s.split("=", 1) for line in re.findall(r"^# args: (.*)$", text, re.M) for s in re.findall(r"--set (\S+)", line))
    program = load(Source(str(path), text), sets)
    program.resolve()
    return program.findings.sorted


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.recipe")), ids=lambda p: p.stem)
def test_what_is_wrong_and_where(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECIPEC_TEST_NO_SUCH_VARIABLE", raising=False)
    text = path.read_text(encoding="utf-8")
    wanted = [f"{name} at {line}:{column}" for name, line, column in re.findall(r"^# expect: (\S+) at (\d+):(\d+)", text, re.M)]
    found = findings(path)
    assert sorted(f"{d.name} at {d.span.place[0]}:{d.span.place[1]}" for d in found) == sorted(wanted), [d.message for d in found]
    for d in found:
        assert d.message
        assert d.message[0] != " "
        assert "\n" not in d.message
        assert d.span.end > d.span.start or d.span.start in (0, len(d.span.source.text)) or d.name == "unexpected"
        assert not re.search(r"VARCHAR|BIGINT|_LITERAL|Traceback|\bNone\b", " ".join((d.message, d.label, *d.help))), d


def test_ten_mistakes_are_ten_findings() -> None:
    assert len(findings(FOLDER / "ten.recipe")) == 10


def test_a_fix_mends_what_it_was_offered_for() -> None:
    """Where one finding offers one safe fix, the recipe mended by it has no finding more."""
    tried = 0
    for path in sorted(FOLDER.glob("*.recipe")):
        found = findings(path)
        if len(found) != 1 or len(found[0].fixes) != 1 or not found[0].fixes[0].safe:
            continue
        text = path.read_text(encoding="utf-8")
        for edit in sorted(found[0].fixes[0].edits, key=lambda e: -e.span.start):
            text = text[: edit.span.start] + edit.text + text[edit.span.end :]
        program = load(Source(str(path), text))
        program.resolve()
        assert not program.findings.errors, (path.name, [d.message for d in program.findings])
        tried += 1
    assert tried >= 20
