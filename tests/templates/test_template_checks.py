"""``checks.md`` beside this file: recipes with templates, and what must be found in them (as ``tests/resolve`` does it)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def runner() -> Any:
    spec = importlib.util.spec_from_file_location("literate_resolve", HERE.parent / "resolve" / "test_markdown.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


LITERATE = runner()
CASES = list(LITERATE.cases(HERE / "checks.md"))


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_snippet(case: Any, lab: Any) -> None:
    LITERATE.test_snippet(case, lab)
