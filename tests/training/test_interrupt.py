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


LOOP = """
source rows = jsonl("rows.jsonl") { key: id  columns: { id: int, text: text, label: text } }
split parts from rows { seeds: 30%  pool: 40%  dev: 30%  stratify: label }
train clf from parts.seeds { base: scratch(layers: 1, width: 64, heads: 2, vocab: 400, max_length: 64)  MODEL }
repeat 3 as round {
  label pseudo from parts.pool { vote classifier(clf, text: text)  accept: confidence >= 50%  into: guess }
  clean more from pseudo { label = guess  select(text, label) }
  train clf from parts.seeds, more { base: clf  MODEL }
  evaluate score from parts.dev { model: clf  metrics: [accuracy, f1] }
}
export out from score { to: "out.jsonl"  format: jsonl() }
export release from clf, score { to: "model"  format: transformers() }
""".replace(
    "MODEL",
    "task: classify(text => label)  steps: 60  batch_size: 8  checkpoint_every: 10",
)


def loop(folder: Path) -> Path:
    shop(folder, 1)
    (folder / "clf.recipe").write_text(LOOP, encoding="utf-8")
    return folder


def written(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in [folder / "out.jsonl", *sorted((folder / "model").iterdir())]}


def test_a_loop_killed_in_its_second_round_ends_at_the_same_bytes(tmp_path: Path) -> None:
    whole, cut = loop(tmp_path / "whole"), loop(tmp_path / "cut")
    done = subprocess.run(
        [sys.executable, "-m", "recipec", "run", "clf.recipe"], cwd=whole, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    process = start(cut)
    end = time.monotonic() + 240
    artifacts, checkpoints = cut / ".recipec" / "artifacts", cut / ".recipec" / "checkpoints"

    def second() -> bool:
        """Whether the first model and that of round 1 are finished, and a further one has a checkpoint."""
        made = {p.parent.name for p in artifacts.glob("*/config.json") if "." not in p.parent.name}
        return len(made) == 2 and any(p.parents[1].name not in made for p in checkpoints.glob("*/checkpoint-*/run.json"))

    while not second():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "no second round"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    again = subprocess.run([sys.executable, "-m", "recipec", "run", "clf.recipe", "--format", "json"], cwd=cut, capture_output=True, text=True, timeout=300, check=False)  # fmt: skip
    assert again.returncode == 0, again.stdout + again.stderr
    statuses = {s["name"]: s["status"] for s in json.loads(again.stdout)["steps"]}
    assert statuses["clf@0"] == statuses["clf@1"] == "reused"
    assert statuses["clf@2"] == "run"
    assert written(cut) == written(whole)
