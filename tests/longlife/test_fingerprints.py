"""Fingerprints are those of the golden file; neither the version of recipec nor that of DuckDB is in them."""

from __future__ import annotations

import os

import pytest

from tests.longlife.fingerprints import ENVIRONMENT, ROOT, changes, keys_of, read, seal

WAYS = 'a fingerprint changed. If the meaning did: python -m tests.longlife.fingerprints --bless "WHAT MEANS SOMETHING ELSE NOW", and say it in CHANGELOG.md'


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def test_fingerprints_are_what_they_were() -> None:
    from tests.longlife.fingerprints import found

    golden, now = read()["keys"], found()
    assert len(now) >= 20
    assert changes(golden, now) == [], WAYS


def test_every_change_has_a_reason() -> None:
    golden = read()
    assert golden["reasons"][-1]["seal"] == seal(golden["keys"]), WAYS
    assert all(len(r["why"]) >= 15 for r in golden["reasons"])


def test_changes_are_told() -> None:
    golden = {"recipes/quickstart.recipe": {"a": ["1", "2"], "b": ["3", "4"], "c": ["5", "6"]}, "recipes/none.recipe": {}}
    now = {"recipes/quickstart.recipe": {"a": ["9", "9"], "b": ["3", "9"], "d": ["5", "6"]}}
    assert [line.partition(": ")[2].partition(":")[0] for line in changes(golden, now)] == [
        "", "`a` means something else, or a step above it", "`b` has other files", "`c` is gone", "`d` is new",
    ]  # fmt: skip


def test_versions_are_in_no_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    import duckdb

    import recipec

    path = ROOT / "recipes" / "quickstart.recipe"
    before = keys_of(path)
    for module in (duckdb, recipec):
        monkeypatch.setattr(module, "__version__", "9.9.9")
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert keys_of(path) == before is not None
