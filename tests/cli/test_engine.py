"""``--engine ray`` where Ray is not installed: said before anything starts."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from recipec.cli._errors import CannotRun
from recipec.cli.plan import engine_there


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def find(name: str, package: str | None = None) -> Any:
        return None if name == "ray" else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    engine_there("duckdb")
    with pytest.raises(CannotRun, match="--engine ray needs Ray, which is not installed") as stopped:
        engine_there("ray")
    assert stopped.value.help == "pip install 'recipec[ray]'"
