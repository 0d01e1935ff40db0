"""Ctrl-C and kill -9 while ``recipec run`` trains: a checkpoint, a message, and the same weights in the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from training_harness import topics

from recipec.training._artifact import hash_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

RECIPE = """
source rows = jsonl("rows.jsonl") { key: id  columns: { id: int, text: text, label: text } }
train clf from rows {
  task: classify(text => label)
  base: scratch(layers: 1, width: 64, heads: 2, vocab: 400, max_length: 64)
  steps: STEPS
  batch_size: 8
  checkpoint_every: 10
}
"""


def shop(folder: Path, steps: int) -> Path:
    folder.mkdir()
    lines = [json.dumps({"id": i, "text": t, "label": c}) for i, (t, c) in enumerate(zip(*topics(100), strict=True))]
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "clf.recipe").write_text(RECIPE.replace("STEPS", str(steps)), encoding="utf-8")
    return folder


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "recipec", "run", "clf.recipe"], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip


def finish(folder: Path) -> str:
    """Run to the end; the weights' hash."""
    process = start(folder)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    (artifact,) = (folder / ".recipec" / "artifacts").iterdir()
    assert not list((folder / ".recipec" / "checkpoints").iterdir())
    return hash_of(artifact)


def steps_saved(folder: Path) -> list[int]:
    return sorted(int(p.parent.name.partition("-")[2]) for p in (folder / ".recipec" / "checkpoints").glob("*/checkpoint-*/run.json"))


def wait_for(folder: Path, process: subprocess.Popen[str], step: int) -> None:
    """Until a checkpoint of that step, or a later one, is whole."""
    end = time.monotonic() + 240
    while not any(s >= step for s in steps_saved(folder)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "no checkpoint"
        time.sleep(0.02)


def test_ctrl_c_writes_a_checkpoint_and_the_next_run_goes_on(tmp_path: Path) -> None:
    folder = shop(tmp_path / "cut", 120)
    process = start(folder)
    wait_for(folder, process, 10)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    assert "Traceback" not in out + err
    (stands,) = [s for s in steps_saved(folder) if f"`clf` has its checkpoint of step {s} of 120" in out]
    assert stands == steps_saved(folder)[-1]
    assert out.rstrip().endswith("to go on: recipec run clf.recipe")
    assert finish(folder) == finish(shop(tmp_path / "whole", 120))


@pytest.mark.slow
def test_killed_five_times_over(tmp_path: Path) -> None:
    folder = shop(tmp_path / "cut", 300)
    for step in (10, 50, 110, 160, 220):
        process = start(folder)
        wait_for(folder, process, step)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert steps_saved(folder)[-1] >= 220
    assert finish(folder) == finish(shop(tmp_path / "whole", 300))
