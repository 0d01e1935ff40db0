"""What TRL itself makes of the exported files: the trainers are given them by `load_dataset`, as a user would."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
trl = pytest.importorskip("trl", reason="TRL is not installed")
pytest.importorskip("torch", reason="training is an extra")
datasets = pytest.importorskip("datasets", reason="datasets is not installed")

CHATS = """SELECT unnest([
  [{'role': 'system', 'content': 'short'}, {'role': 'user', 'content': 'q1'}, {'role': 'assistant', 'content': 'a1'}],
  [{'role': 'user', 'content': '问'}, {'role': 'assistant', 'content': '答'}]
]::STRUCT(role VARCHAR, content VARCHAR)[][]) AS messages"""
PAIRS = "SELECT * FROM (VALUES ('q', 'good', 'bad'), ('问', '好', '坏')) t(prompt, chosen, rejected)"
GOOD_AND_BAD = "SELECT * FROM (VALUES ('q', 'a', true), ('q', 'b', false), ('问', '好', true), ('问', '坏', false)) t(prompt, answer, good)"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    """The folder of a small chat model, and its tokenizer."""
    import transformers

    from recipec.training._base import ScratchParams
    from recipec.training._bases import scratch_config, scratch_tokenizer

    shape = ScratchParams(layers=1, width=16, heads=2, vocab=300, max_length=64)
    tokenizer = scratch_tokenizer(["a question and an answer"] * 3, shape, decoder=True)
    folder = str(tmp_path_factory.mktemp("base"))
    transformers.AutoModelForCausalLM.from_config(scratch_config(shape, tokenizer, decoder=True)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder, tokenizer


def made(scratch: tuple[str, Any], place: Path, files: Path, trainer: str, **more: Any) -> Any:
    model, tokenizer = scratch
    # Some of its trainers stand in `experimental` in some versions.
    home = trl if hasattr(trl, trainer) else importlib.import_module(f"trl.experimental.{trainer.removesuffix('Trainer').lower()}")
    config = getattr(home, trainer.replace("Trainer", "Config"))(
        output_dir=str(place / "out"), use_cpu=True, bf16=False, report_to=[], per_device_train_batch_size=2, max_steps=1, disable_tqdm=True,
        save_strategy="no", **more,
    )  # fmt: skip
    rows = datasets.load_dataset("parquet", data_files=str(files / "train.parquet"), split="train", cache_dir=str(place / "cache"))
    return getattr(home, trainer)(model=model, args=config, train_dataset=rows, processing_class=tokenizer)


def test_sft_reads_messages(export: Any, scratch: Any, tmp_path: Path) -> None:
    trainer = made(scratch, tmp_path, export.make("messages", CHATS), "SFTTrainer")
    texts = [scratch[1].decode(row["input_ids"]) for row in trainer.train_dataset]
    assert texts[0].startswith("<|system|>short<|end|><|user|>q1<|end|><|assistant|>a1<|end|>")
    assert texts[1].startswith("<|user|>问<|end|><|assistant|>答<|end|>")
    assert trainer.train().training_loss > 0


def test_dpo_reads_preferences(export: Any, scratch: Any, tmp_path: Path) -> None:
    for shape in ("explicit", "implicit"):
        files = export.make("preference", PAIRS, shape=shape, folder=shape)
        trainer = made(scratch, tmp_path / shape, files, "DPOTrainer")
        assert len(trainer.train_dataset) == 2
        assert trainer.train().training_loss > 0


def test_kto_reads_answers_and_whether_they_are_good(export: Any, scratch: Any, tmp_path: Path) -> None:
    files = export.make("preference", GOOD_AND_BAD, completion="answer", label="good")
    trainer = made(scratch, tmp_path, files, "KTOTrainer")
    assert len(trainer.train_dataset) == 4
    assert trainer.train().training_loss > 0
