"""Pseudo-labels by in-context learning, as a recipe: the class of greatest log-probability after the examples nearest to a text, from a model taught
on the spot, in this process and behind a real server with real log-probabilities. Both must give the same labels, and be right.

``LLAMA_CPP_PYTHON`` names the interpreter that has ``llama-cpp-python[server]`` and ``gguf``; see ``test_real_servers.py``.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Lab
from tests.models.taught_model import texts
from tests.models.test_real_servers import python_with, served

pytestmark = pytest.mark.slow
WRITER = Path(__file__).with_name("taught_model.py")
ROWS = 400
RECIPE = """
recipe "seeds" { seed: 7 }
source seeds = csv("seeds.csv") { columns: { text: text, label: text } }
source pool = csv("pool.csv") { key: id  columns: { id: int, text: text, gold: text } }
model lm = MODEL
template ask(text, examples) \"""{% for e in examples %}{{ e.text }} [SEP] The label of the above text is {{ e.label }}
{% endfor %}{{ text }} [SEP] The label of the above text is\"""
label feeling from pool {
  classes: ["positive", "negative"]
  vote llm(lm, ask(text), examples: nearest(seeds, k: 2))
  into: label
  unsure: keep
}
"""


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="training is an extra")
    pytest.importorskip("transformers", reason="training is an extra")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from tests.models.taught_model import teach

    # A folder that a run before has left saves a minute.
    given = os.environ.get("TAUGHT_MODEL")
    folder = Path(given) if given else tmp_path_factory.mktemp("taught") / "tiny"
    if not (folder / "weights.npz").exists():
        assert teach(folder) < 0.2
    return folder


def labelled(lab: Lab, model: str) -> list[tuple[int, str, float, str]]:
    """(id, label, confidence, gold) of every row."""
    ran = lab.run(RECIPE.replace("MODEL", model))
    assert [n for n in ran["feeling"].built.notes if "words are read" in n] == [], "log-probabilities are what decides"  # type: ignore[union-attr]
    found: list[tuple[int, str, float, str]] = ran.rows("select id, label, label_confidence, gold from feeling order by id")
    assert len(found) == ROWS
    return found


def write(lab: Lab, taught: Path) -> None:
    for name, head, made in (
        ("seeds.csv", ["text", "label"], texts(60, seed=1)),
        ("pool.csv", ["id", "text", "gold"], [(n, *t) for n, t in enumerate(texts(ROWS, seed=2))]),
    ):
        with (lab.folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([head, *made])
    shutil.copytree(taught, lab.folder / "tiny")


def test_in_process_it_is_right(lab: Lab, taught: Path) -> None:
    write(lab, taught)
    found = labelled(lab, 'transformers("tiny")')
    right = sum(label == gold for _, label, _, gold in found)
    print(f"in process: {right} of {ROWS} right")
    assert right >= 0.9 * ROWS


def test_a_server_gives_the_same_labels(
    lab: Lab, taught: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = python_with("LLAMA_CPP_PYTHON", "llama_cpp.server.app, gguf")
    folder = tmp_path_factory.mktemp("gguf")
    subprocess.run([python, str(WRITER), str(taught), str(folder / "tiny.gguf")], check=True)
    write(lab, taught)
    here = labelled(lab, 'transformers("tiny")')
    command = [python, "-m", "llama_cpp.server", "--model", str(folder / "tiny.gguf"), "--logits_all", "true", "--n_ctx", "512"]
    with served(command, folder / "log") as url:
        monkeypatch.setenv("LLM_URL", url)
        there = labelled(lab, 'openai("tiny", base_url: env("LLM_URL"))')
    assert [(n, label) for n, label, _, _ in here] == [(n, label) for n, label, _, _ in there]
    apart = max(abs(a[2] - b[2]) for a, b in zip(here, there, strict=True))
    right = sum(label == gold for _, label, _, gold in there)
    print(f"served: {right} of {ROWS} right, the same labels as in process; confidences at most {apart:.4f} apart")
    assert right >= 0.9 * ROWS
    assert apart < 0.01
