"""What every metric owes its users: documentation, an example that parses, settings that a recipe can write, and no heavy imports."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from recipec.metrics._base import Metric
from recipec.registry import find, names
from recipec.source import Source
from recipec.syntax.parse import parse

ALL = [n for n in names("metric") if find("metric", n).__module__.startswith("recipec.metrics.")]


@pytest.mark.parametrize("name", ALL)
def test_a_metric_is_documented(name: str) -> None:
    cls = find("metric", name)
    assert issubclass(cls, Metric)
    assert cls.kinds
    assert cls().params is not None
    doc = cls.__doc__ or ""
    fences = re.findall(r"```recipe\n(.*?)```", doc, re.S)
    assert fences, "an example"
    for fence in fences:
        assert re.search(rf"\b{name}\b", fence)
        text = "\n".join(line.strip() for line in fence.splitlines())
        _, problems = parse(Source("example.recipe", text))
        assert problems == []
    assert max(map(len, doc.splitlines())) <= 150


def test_declarations_import_nothing_heavy() -> None:
    root = Path(__file__).resolve().parents[2]
    script = (
        f"import sys; sys.path.insert(0, {str(root)!r})\nfrom recipec.registry import find, names\n"
        "[find('metric', n, plugins=False) for n in names('metric')]\nprint(*sorted(m.split('.')[0] for m in sys.modules))\n"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert not {"numpy", "torch", "sklearn", "pyarrow", "pydantic", "duckdb"} & set(out.split())
