"""The same bytes again: rerun, interrupted, killed and gone on. What does not fit is refused."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from training_harness import spec_of, topic_rows

from recipec.api import DataError
from recipec.training._artifact import hash_of
from recipec.training._base import EarlyParams, LoraParams, TrainSpec
from recipec.training._fit import fit
from recipec.training._run import TrainResult
from recipec.training._trainer import Moment

SPEC = spec_of("classify", "single", "text", "label", epochs=3, batch_size=8, learning_rate=3e-3, accumulate=2, checkpoint_every=4)
KINDS = {
    "full": SPEC,
    "lora": replace(SPEC, adapter=LoraParams(rank=4, dropout=0.1)),
    "by tokens": replace(SPEC, batch_tokens=120, accumulate=1),
    "early": replace(SPEC, stop=EarlyParams(patience=1, on="loss"), evaluate_every=5, learning_rate=1e-2),
}


def train(spec: TrainSpec, place: Path, name: str = "m", **more: Any) -> TrainResult:
    return fit(spec, topic_rows(100), place / name, validation=topic_rows(20, 2), **more)


def at_step(n: int, do: Callable[[], None]) -> Callable[[Moment], None]:
    def tell(moment: Moment) -> None:
        if moment.doing == "train" and moment.done == n:
            do()

    return tell


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("kind", KINDS)
def test_a_rerun_and_one_that_was_interrupted_give_equal_weights(kind: str, place: Path) -> None:
    spec = KINDS[kind]
    whole = train(spec, place, "whole")
    assert train(spec, place, "again").hash == whole.hash
    for step in (3, 9):
        with pytest.raises(KeyboardInterrupt):
            train(spec, place, "cut", progress=at_step(step, interrupt))
    assert not (place / "cut").exists()
    gone_on = train(spec, place, "cut")
    assert gone_on.hash == whole.hash == hash_of(place / "cut")
    assert gone_on.metrics == whole.metrics
    assert gone_on.steps == whole.steps
    assert not (place / "cut.work").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.append(sys.argv[1])
import test_resume as t
t.train(t.SPEC, Path(sys.argv[2]), "cut", progress=t.at_step(int(sys.argv[3]), lambda: os.kill(os.getpid(), signal.SIGKILL)))
"""


@pytest.mark.slow
def test_killed_five_times(place: Path) -> None:
    whole = train(SPEC, place, "whole")
    here = str(Path(__file__).parent)
    for step in (2, 6, 9, 13, 18):
        done = subprocess.run([sys.executable, "-c", KILLED, here, str(place), str(step)], check=False, capture_output=True, text=True)
        assert done.returncode == -signal.SIGKILL, done.stderr
    assert (place / "cut.work" / "checkpoint-16" / "run.json").exists()
    assert train(SPEC, place, "cut").hash == whole.hash


def test_asked_to_stop(place: Path) -> None:
    asked = iter([False] * 5 + [True] * 100)
    with pytest.raises(KeyboardInterrupt):
        train(SPEC, place, interrupted=lambda: next(asked))
    assert (place / "m.work" / "checkpoint-6" / "run.json").exists()
    assert train(SPEC, place).hash == train(SPEC, place, "n").hash


def test_interrupted_at_the_last_step_it_is_done(place: Path) -> None:
    spec = replace(SPEC, epochs=None, steps=10, checkpoint_every=5)
    made = train(spec, place, progress=at_step(10, interrupt))
    assert made.steps == 10
    assert made.hash == train(spec, place, "n").hash


def test_interrupted_in_an_evaluation(place: Path) -> None:
    spec = KINDS["early"]
    seen = 0

    def tell(moment: Moment) -> None:
        nonlocal seen
        seen += moment.doing == "evaluate"
        if seen == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(spec, place, progress=tell)
    assert (place / "m.work" / "checkpoint-10" / "run.json").exists()
    assert train(spec, place).hash == train(spec, place, "n").hash


def test_ctrl_c_writes_a_checkpoint(place: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(SPEC, place, progress=at_step(5, lambda: os.kill(os.getpid(), signal.SIGINT)))
    assert any((place / "m.work").glob("checkpoint-*/run.json"))
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("values", "field"),
    [({"learning_rate": 1e-3}, "learning_rate"), ({"seed": 5}, "seed"), ({"epochs": 4}, "epochs"), ({"threads": 2}, "threads")],
)
def test_a_checkpoint_of_something_else_is_refused(values: dict[str, Any], field: str, place: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(SPEC, place, progress=at_step(6, interrupt))
    with pytest.raises(DataError, match=f"made with another `{field}`"):
        train(replace(SPEC, **values), place)
    assert train(SPEC, place).steps == 21


def test_other_rows_are_refused_and_a_fresh_start_is_not(place: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(SPEC, place, progress=at_step(6, interrupt))
    with pytest.raises(DataError, match="made with another `rows`"):
        fit(SPEC, topic_rows(102), place / "m", validation=topic_rows(20, 2))
    assert fit(SPEC, topic_rows(102), place / "m", resume=False).ledger.kept == 102


def test_a_checkpoint_cut_off_is_passed_over(place: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(SPEC, place, progress=at_step(9, interrupt))
    (place / "m.work" / "checkpoint-9" / "run.json").unlink()
    (place / "m.work" / "checkpoint-9" / "model.safetensors").write_bytes(b"half")
    assert train(SPEC, place).hash == train(SPEC, place, "n").hash


def test_evaluations_change_no_weight(place: Path) -> None:
    often = train(replace(SPEC, evaluate_every=1), place, "often")
    assert fit(SPEC, topic_rows(100), place / "never").hash == often.hash
    assert len([e for e in often.history if "eval_loss" in e]) == often.steps


def test_early_stopping_keeps_the_best(place: Path) -> None:
    spec = replace(SPEC, stop=EarlyParams(patience=2, on="loss"), evaluate_every=1, learning_rate=0.2, epochs=20)
    made = train(spec, place)
    losses = [e["eval_loss"] for e in made.history if "eval_loss" in e]
    assert made.stopped == "early"
    assert made.steps == len(losses)
    assert made.metrics["loss"] == min(losses)
    assert made.best_step == losses.index(min(losses)) + 1 == made.steps - 2


def test_rows_are_tokenised_once(place: Path) -> None:
    seen: list[str] = []
    train(SPEC, place, "a", cache=place / "cache", progress=lambda m: seen.append(m.doing))
    assert "tokenise" in seen
    seen.clear()
    train(replace(SPEC, learning_rate=1e-3, seed=3), place, "b", cache=place / "cache", progress=lambda m: seen.append(m.doing))
    assert "tokenise" not in seen
    train(replace(SPEC, max_length=32), place, "c", cache=place / "cache", progress=lambda m: seen.append(m.doing))
    assert "tokenise" in seen


def test_the_batches_of_the_reader_do_not_matter(place: Path) -> None:
    rows = topic_rows(100)
    import pyarrow as pa

    table = pa.Table.from_batches(rows.read())
    small = replace(rows, read=lambda: iter(table.to_batches(max_chunksize=7)))
    assert small.content() == rows.content()
    assert fit(SPEC, small, place / "a").hash == fit(SPEC, rows, place / "b").hash


def test_a_full_disk(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(transformers.Trainer, "_save_optimizer_and_scheduler", full)
        with pytest.raises(DataError, match="the disk is full"):
            train(SPEC, place)
    assert not (place / "m").exists()
    assert train(SPEC, place).hash == train(SPEC, place, "n").hash


def test_too_little_room_is_said_before(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    from types import SimpleNamespace

    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(DataError, match="and the disk has 0 MB left"):
        train(SPEC, place)


def test_nothing_is_printed(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = train(SPEC, place)
    assert capfd.readouterr() == ("", "")
    assert made.notes == []


def test_what_the_folder_says(place: Path) -> None:
    made = train(SPEC, place, lineage="abc")
    said = json.loads((place / "m" / "recipec.json").read_text(encoding="utf-8"))
    assert said["lineage"] == "abc"
    assert said["classes"] == ["animal", "money"]
    assert said["metrics"] == made.metrics
    assert said["spec"]["learning_rate"] == 3e-3
    assert said["versions"]["torch"]
    from transformers import pipeline

    plain = pipeline("text-classification", model=str(place / "m"))
    assert plain("the cat purred on the mat")[0]["label"] == "animal"


def test_what_is_half_removed_is_not_gone_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed while it clears up, at whatever file, leaves no checkpoint that looks whole."""
    from recipec.training import _run
    from recipec.training._run import let_go, resumable
    from recipec.training._trainer import MARK

    for step in (2, 4):
        (tmp_path / "work" / f"checkpoint-{step}").mkdir(parents=True)
        (tmp_path / "work" / f"checkpoint-{step}" / MARK).write_text("{}", encoding="utf-8")

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_run.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            let_go(tmp_path / "work")
    assert resumable(tmp_path / "work", {}) is None
    let_go(tmp_path / "work")
    assert not (tmp_path / "work").exists()
    let_go(tmp_path / "work")
