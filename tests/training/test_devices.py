"""Several processes that train one model (here on the processor): the steps of one, the same bytes again, and one message whatever becomes of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from training_harness import ANIMAL, spec_of, topic_rows, topics

from recipec.api import DataError
from recipec.training._artifact import hash_of
from recipec.training._base import LoraParams, Rows, TrainSpec
from recipec.training._fit import fit
from recipec.training._run import TrainResult, starving
from recipec.training._share import Counted, Portions, Share, processes
from recipec.training._together import Broken, Crew
from recipec.training._trainer import Moment

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

TEXTS, LABELS = topics(60)
PAIRS = Rows.of({"prompt": TEXTS, "answer": [f"it is {c} indeed" for c in LABELS]})
CHOICES = Rows.of({"prompt": TEXTS, "chosen": [f"{c} indeed" for c in LABELS], "rejected": ["no idea"] * 60})
JUDGED = Rows.of({"prompt": TEXTS, "chosen": [f"{c} indeed" for c in LABELS], "good": [i % 3 > 0 for i in range(60)]})
TRIPLES = Rows.of({"a": TEXTS, "b": [f"{c} number {i % 11}" for i, c in enumerate(LABELS)], "negative": TEXTS[1:] + TEXTS[:1]})
RATED = Rows.of({"text": TEXTS, "label": [float(i % 7) for i in range(60)], "weight": [1.0 + i % 3 for i in range(60)]})
TAGGED = Rows.of({"tokens": [t.split() for t in TEXTS], "tags": [["B-X" if w in ANIMAL else "O" for w in t.split()] for t in TEXTS]})
TOPICS, DEV = topic_rows(100), topic_rows(20, 2)
# A rate so small that what AdamW makes of a gradient of nearly nothing stays below the tolerance; batches that two cannot share evenly.
FEW: dict[str, Any] = {"steps": 9, "batch_size": 7, "dropout": 0.0, "learning_rate": 3e-5, "evaluate_every": 4}
CLASSIFY = spec_of("classify", "single", "text", "label", class_weights="balanced", accumulate=2, **FEW)
CASES: dict[str, tuple[TrainSpec, Rows, Rows]] = {
    "classify": (CLASSIFY, TOPICS, DEV),
    "packing": (spec_of("generate", "pair", "prompt", "answer", packing=True, **FEW), PAIRS, PAIRS),
    "dpo": (spec_of("prefer", "dpo", "prompt", "chosen", "rejected", **FEW), CHOICES, CHOICES),
}
MORE: dict[str, tuple[TrainSpec, Rows, Rows]] = {
    "tokens": (replace(spec_of("generate", "pair", "prompt", "answer", accumulate=2, **FEW), batch_tokens=120), PAIRS, PAIRS),
    "orpo": (spec_of("prefer", "orpo", "prompt", "chosen", "rejected", **FEW), CHOICES, CHOICES),
    "kto": (spec_of("prefer", "kto", "prompt", "chosen", "good", **FEW), JUDGED, JUDGED),
    "embed": (spec_of("embed", "triples", "a", "b", "negative", **FEW), TRIPLES, TRIPLES),
    "regress": (spec_of("regress", "number", "text", "label", "weight", **FEW), RATED, RATED),
    "tag": (spec_of("tag", "tags", "tokens", "tags", **FEW), TAGGED, TAGGED),
    "lora": (replace(CLASSIFY, adapter=LoraParams(rank=4)), TOPICS, DEV),
    "one row a batch": (replace(CLASSIFY, batch_size=1), TOPICS, DEV),
    "one triple a batch": (spec_of("embed", "triples", "a", "b", "negative", **{**FEW, "batch_size": 1}), TRIPLES, TRIPLES),
}


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    with Crew() as made:
        yield made


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return {f"{p.name} {k}": v for p in sorted(folder.rglob("*.safetensors")) for k, v in load_file(p).items()}


def both(case: tuple[TrainSpec, Rows, Rows], place: Path, crew: Crew) -> TrainResult:
    """Train in one process and in two, and hold the two against each other; that of the two."""
    import torch

    spec, rows, held = case
    one = fit(spec, rows, place / "one", validation=held, cache=place / "cache")
    two = fit(replace(spec, devices=2), rows, place / "two", validation=held, cache=place / "cache", crew=crew)
    ours, theirs = weights(place / "one"), weights(place / "two")
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        assert torch.allclose(weight, theirs[name], rtol=0, atol=1e-5), name
    assert two.metrics == pytest.approx(one.metrics, rel=1e-4, abs=1e-5)
    assert [e["loss"] for e in two.history if "loss" in e] == pytest.approx([e["loss"] for e in one.history if "loss" in e], rel=1e-4)
    assert (two.ledger.json(), two.steps, two.classes, two.notes) == (one.ledger.json(), one.steps, one.classes, one.notes)
    assert two.memory > one.memory
    assert two.key["devices"] == 2
    return two


def test_two_processes_take_the_steps_of_one(place: Path, crew: Crew) -> None:
    """Also: a rerun gives the same bytes, and a loss that is no number is told as ever."""
    made = {name: both(case, place / name, crew) for name, case in CASES.items()}
    spec, rows, held = CASES["packing"]
    again = fit(replace(spec, devices=2), rows, place / "again", validation=held, crew=crew)
    assert again.hash == made["packing"].hash
    assert crew.count == 2, "one crew served them all"
    with pytest.raises(DataError, match=r"the loss is not a number at step \d+ of 9"):
        fit(replace(CLASSIFY, devices=2, learning_rate=1e30, max_norm=0.0, weight_decay=0.0), rows=TOPICS, folder=place / "nan", crew=crew)
    assert crew.count == 0, "none is left"


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE)
def test_each_task_takes_the_steps_of_one(name: str, place: Path, crew: Crew) -> None:
    both(MORE[name], place, crew)


def test_batches_are_shared_out() -> None:
    class Three:
        batch_size = 3

        def __iter__(self) -> Iterator[list[int]]:
            yield from ([4, 2, 7], [1])

        def __len__(self) -> int:
            return 2

    first, second = (list(Portions(Three(), Share(rank, 2))) for rank in (0, 1))
    assert first == [[4, 7], [1]]
    assert second == [[2], [-2]], "a row that does not count, so that the second takes part"
    rows = Counted([{"n": i} for i in range(9)])
    assert rows[7] == {"n": 7}
    assert rows[-2] == {"n": 1, "_idle": True}


def test_how_many_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert processes("auto", 8) == 1
    assert processes(2, 8) == 2
    with pytest.raises(DataError, match="asks for 9 processes, and this machine has no GPU and 8 cores"):
        processes(9, 8)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert processes("auto", 8) == 4
    assert processes(1, 8) == 1
    with pytest.raises(DataError, match="asks for 5 GPUs, and this machine has 4") as found:
        processes(5, 8)
    assert found.value.help == "devices: 4, or devices: auto"


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (
            {0: {"is": "lost", "message": "closed"}, 1: {"is": "refused", "message": "the disk is full", "help": "make room"}},
            "the disk is full",
        ),
        ({0: {"is": "lost", "message": "closed"}, 1: {"is": "died", "code": -9}}, r"process 2 of 2 that trained was killed \(SIGKILL\)"),
        ({0: {"is": "lost", "message": "closed"}}, "the 2 processes that trained lost each other: closed"),
        ({1: {"is": "died", "code": 1}}, "process 2 of 2 that trained ended with status 1: cannot allocate"),
    ],
)
def test_the_reason_is_told_and_not_what_followed(ends: dict[int, dict[str, Any]], said: str, place: Path) -> None:
    crew = Crew()
    crew.made, crew.ends, crew.folder, crew.at = (2, 1), ends, place, place
    crew.log(1).write_text("...\ncannot allocate\n", encoding="utf-8")
    with pytest.raises(DataError, match=said):
        crew.judge()


def test_a_fault_of_ours_is_one() -> None:
    crew = Crew()
    crew.made, crew.ends = (2, 1), {1: {"is": "broken", "message": "KeyError: 'x'", "trace": "Traceback ..."}}
    with pytest.raises(Broken, match="process 2 of 2: KeyError: 'x'"):
        crew.judge()


def test_memory_that_ends_is_told() -> None:
    def full() -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")

    with pytest.raises(DataError, match="the training ran out of memory at step 3 of 9"), starving(lambda: "at step 3 of 9"):
        full()
    with pytest.raises(RuntimeError, match="shape"), starving(lambda: "at step 3 of 9"):
        raise RuntimeError("shape")


def interrupt(step: int) -> Any:
    def tell(moment: Moment) -> None:
        if moment.doing == "train" and moment.done == step:
            raise KeyboardInterrupt

    return tell


def test_a_checkpoint_of_another_number_is_refused(place: Path) -> None:
    spec = replace(CLASSIFY, accumulate=1, evaluate_every=None)
    with pytest.raises(KeyboardInterrupt):
        fit(spec, TOPICS, place / "m", progress=interrupt(3))
    with pytest.raises(DataError, match="made with another `devices`: 1, now 2"):
        fit(replace(spec, devices=2), TOPICS, place / "m")


@pytest.mark.slow
def test_interrupted_and_gone_on_with(place: Path, crew: Crew) -> None:
    spec = replace(CLASSIFY, devices=2, steps=400, dropout=0.1, checkpoint_every=7, batch_size=8)
    whole = fit(spec, TOPICS, place / "whole", validation=DEV, crew=crew)
    with pytest.raises(KeyboardInterrupt, match=r"its checkpoint of step \d+ of 400"):
        fit(spec, TOPICS, place / "cut", validation=DEV, progress=interrupt(20), crew=crew)
    assert fit(spec, TOPICS, place / "cut", validation=DEV, crew=crew).hash == whole.hash
    assert fit(replace(spec, devices=1), TOPICS, place / "alone", validation=DEV).hash != whole.hash


@pytest.mark.slow
def test_a_search_is_served_by_one_crew(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    began: list[int] = []
    begin = Crew.begin
    monkeypatch.setattr(Crew, "begin", lambda self, count, threads: (began.append(count), begin(self, count, threads))[1])
    shop(lab.folder, 6, "validation: parts.dev  search { learning_rate: [1e-3, 2e-3] }  ensemble: 2")
    ran = lab.run((lab.folder / "clf.recipe").read_text(encoding="utf-8"))
    assert began == [2]
    built = ran["clf"].built
    assert built is not None
    assert built.extra["devices"] == 2
    assert len(built.extra["members"]) == 2


# Through `recipec run` ------------------------------------------------------------------------------------------------

RECIPE = """
source rows = jsonl("rows.jsonl") { key: id  columns: { id: int, text: text, label: text } }
split parts from rows { train: 80%  dev: 20% }
train clf from parts.train {
  task: classify(text => label)
  base: scratch(layers: 1, width: 64, heads: 2, vocab: 400, max_length: 64)
  steps: STEPS
  batch_size: 8
  checkpoint_every: 10
  devices: 2
  MORE
}
"""


def shop(folder: Path, steps: int, more: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    lines = [json.dumps({"id": i, "text": t, "label": c}) for i, (t, c) in enumerate(zip(*topics(100), strict=True))]
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "clf.recipe").write_text(RECIPE.replace("STEPS", str(steps)).replace("MORE", more), encoding="utf-8")
    return folder


def test_wrong_numbers_are_told_by_check(lab: Any) -> None:
    shop(lab.folder, 5)
    text = (lab.folder / "clf.recipe").read_text(encoding="utf-8")
    for written, said in (("0", "must be at least 1"), ("9", "a batch of 8 cannot be shared by 9 devices"), ("many", "devices")):
        found = lab.check(text.replace("devices: 2", f"devices: {written}"))
        assert any(said in d.message for d in found if d.severity == "error"), written
    assert not [d for d in lab.check(text.replace("devices: 2", "devices: auto")) if d.severity == "error"]


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "recipec", "run", "clf.recipe"], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip


def finish(folder: Path) -> str:
    process = start(folder)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, out + err
    assert "in 2 processes (cpu)" in out
    (artifact,) = (folder / ".recipec" / "artifacts").iterdir()
    return hash_of(artifact)


def ranks(process: subprocess.Popen[str]) -> list[int]:
    """The processes that train."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == process.pid and b"recipec.training._rank" in command:
                found.append(int(entry.name))
    return sorted(found)


def wait_for(folder: Path, process: subprocess.Popen[str], step: int) -> None:
    """Until a checkpoint of that step, or a later one, is whole."""
    end = time.monotonic() + 400
    while not any(
        int(p.parent.name.partition("-")[2]) >= step for p in (folder / ".recipec" / "checkpoints").glob("*/checkpoint-*/run.json")
    ):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "no checkpoint"
        time.sleep(0.02)


def gone(pids: list[int]) -> bool:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if not any(Path(f"/proc/{p}").exists() for p in pids):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are found in /proc")
def test_whatever_ends_it_the_weights_are_the_same_in_the_end(tmp_path: Path) -> None:
    """One process is killed; Ctrl-C; everything is killed; each time the run goes on, and nothing is left running."""
    folder = shop(tmp_path / "cut", 600)
    process = start(folder)
    wait_for(folder, process, 20)
    two = ranks(process)
    assert len(two) == 2
    os.kill(two[1], signal.SIGKILL)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 1, out + err
    said = " ".join((out + err).split())
    assert "process 2 of 2 that trained was killed (SIGKILL)" in said
    assert "it goes on from its checkpoint of step" in said
    assert "Traceback" not in said
    assert gone(two)

    process = start(folder)
    wait_for(folder, process, 120)
    two = ranks(process)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 130, out + err
    assert "`clf` has its checkpoint of step" in out
    assert "Traceback" not in out + err
    assert gone(two)

    process = start(folder)
    wait_for(folder, process, 250)
    two = ranks(process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert gone(two), "those that trained end with whoever started them"
    assert finish(folder) == finish(shop(tmp_path / "whole", 600))
