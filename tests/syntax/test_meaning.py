"""What `fmt` lays out means what it meant: every step's fingerprint before and after, on every recipe and snippet without errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from mutate import corpus

from recipec.plan.lock import static_keys
from recipec.resolve.loading import load
from recipec.resolve.program import Program
from recipec.source import Source
from recipec.syntax.format import format_source


def resolved(path: str, text: str) -> Program:
    program = load(Source(path, text), {})
    program.resolve()
    return program


@pytest.mark.parametrize("part", range(6))
def test_a_layout_keeps_every_fingerprint(part: int) -> None:
    compared = 0
    for path, text in corpus()[part::6]:
        program = resolved(path, text)
        if program.findings.errors or not program.steps:
            continue
        laid_out = format_source(Source(path, text))
        keys = static_keys(program)
        assert static_keys(resolved(path, laid_out)) == keys, Path(path).name
        compared += 1
    assert compared > 3
