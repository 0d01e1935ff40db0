"""Twenty runs with random edits between them against builds from nothing; as many as ``RECIPEC_SOAK`` says (500: ten minutes)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.longlife.soak import soak

RUNS = int(os.environ.get("RECIPEC_SOAK", "20"))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads its own memory in /proc")
def test_edits_and_runs(tmp_path: Path) -> None:
    figures = soak(tmp_path, RUNS, seed=3, compare=1 if RUNS > 20 else 4)
    assert figures["steps"]["reused"] > figures["steps"]["run"] / 4
    # Old results go, and the room that they took is used again; DuckDB gives it back to the disk only at the end of its file.
    assert max(figures["disk"]) < 10 * figures["fresh"]
    if RUNS >= 200:
        half = figures["memory"][RUNS // 2 :]
        assert max(half) < 1.15 * figures["memory"][RUNS // 4], "memory grows with the runs"
