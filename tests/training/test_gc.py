"""What trainings leave in the workspace goes with the results that rest on it; and how many threads it uses."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from training_harness import topics

from recipec.cli import main

BASE = "base: scratch(layers: 1, width: 32, heads: 2, vocab: 400, max_length: 64)  batch_size: 8"


def recipe(lab: Any, settings: str) -> str:
    rows = [{"id": i, "text": t, "label": c} for i, (t, c) in enumerate(zip(*topics(40), strict=True))]
    lab.write("rows.jsonl", "\n".join(map(json.dumps, rows)))
    return (
        'source rows = jsonl("rows.jsonl") { key: id }\nsplit parts from rows { train: 80%  dev: 20% }\n'
        f"train clf from parts.train {{ task: classify(text => label)  {BASE}  steps: 3  validation: parts.dev  {settings} }}"
    )


def left(lab: Any) -> dict[str, set[str]]:
    return {n: {p.name for p in (lab.workspace / n).glob("*")} for n in ("tokens", "trials", "artifacts")}


def test_caches_of_what_is_gone_go_and_the_others_stay(lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lab.run(recipe(lab, "max_length: 16  search { learning_rate: [1e-3, 2e-3] }"))
    first = left(lab)
    assert (len(first["tokens"]), len(first["trials"])) == (3, 2), "rows, rows of validation, the tokenizer; two trials"
    text = recipe(lab, "max_length: 24  search { learning_rate: [1e-3, 3e-3] }")
    lab.run(text)
    both = left(lab)
    assert main(["gc", "--workspace", str(lab.workspace)]) == 0
    kept = left(lab)
    assert len(kept["artifacts"]) == 1
    assert len(kept["trials"]) == 2
    assert kept["trials"] == both["trials"] - first["trials"]
    assert kept["tokens"] == (both["tokens"] - first["tokens"]) | {n for n in first["tokens"] if n.startswith("tokenizer-")}
    assert lab.run(text).statuses["clf"] == "reused"


def test_what_the_database_may_use_does_not_decide_weights(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of floats depend on how many threads share them: `run --threads` is not for trainings and predictions."""
    import torch

    from recipec.training._cores import threads

    seen: list[int] = []
    real = torch.set_num_threads
    before = torch.get_num_threads()
    monkeypatch.setattr(torch, "set_num_threads", lambda n: (seen.append(n), real(n))[1])
    lab.run(recipe(lab, "") + "\npredict guess from parts.dev { model: clf }", threads=1)
    assert threads() in seen
    assert set(seen) <= {threads(), before}


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2, reason="one core, or a system that binds no threads"
)
def test_threads_bound_the_cores_of_a_training(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its threads, those of torch too, on one core; afterwards on all."""
    from recipec.training import here
    from recipec.training._trials import train

    cores: list[set[int]] = []

    def seen() -> set[int]:
        return {len(os.sched_getaffinity(int(t.name))) for t in Path("/proc/self/task").iterdir()}

    def watched(*args: Any, **more: Any) -> Any:
        made = train(*args, **more)
        cores.append(seen())
        return made

    monkeypatch.setattr(here, "train", watched)
    whole = len(os.sched_getaffinity(0))
    lab.run(recipe(lab, ""), threads=1)
    assert cores == [{1}]
    assert seen() == {whole}
