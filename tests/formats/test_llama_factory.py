"""What LLaMA-Factory itself makes of the exported folders: found by the `dataset_info.json` written beside the data, converted, rendered and
masked by its own code, for all of its stages."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.formats.readers import caches_in, chat_tokenizer, need, trained

pytest.importorskip("transformers", reason="training is an extra")

CHATS = """SELECT * FROM (VALUES
  ([{'role': 'system', 'content': 'Be short.'}, {'role': 'user', 'content': 'q1'}, {'role': 'assistant', 'content': 'a1'},
    {'role': 'user', 'content': 'q2'}, {'role': 'assistant', 'content': 'a2'}]::STRUCT(role VARCHAR, content VARCHAR)[], true),
  ([{'role': 'user', 'content': '邮费多少?'}, {'role': 'assistant', 'content': '十元。'}], false)
) t(messages, good)"""
PAIRS = "SELECT * FROM (VALUES ('q', 'good', 'bad'), ('问', '好', '坏')) t(prompt, chosen, rejected)"


@pytest.fixture(autouse=True)
def _caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caches_in(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    need("llamafactory")
    return chat_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def read(tokenizer: Any, place: Path, folder: Path, stage: str, dataset: str = "train", **more: Any) -> Any:
    """The data sets of a folder as LLaMA-Factory would train on them at ``stage``."""
    data = need("llamafactory.data")
    arguments = need("llamafactory.hparams")
    data_args = arguments.DataArguments(
        template="chatml", dataset_dir=str(folder), dataset=dataset, cutoff_len=256, preprocessing_num_workers=None, **more
    )
    training = SimpleNamespace(
        seed=1, local_process_index=0, should_log=False, predict_with_generate=False, do_train=True,
        main_process_first=lambda **_: nullcontext(),
    )  # fmt: skip
    model = SimpleNamespace(cache_dir=str(place / "cache"), hf_hub_token=None)
    template = data.get_template_and_fix_tokenizer(tokenizer, data_args)
    return data.get_dataset(template, model, data_args, training, stage, tokenizer=tokenizer)


TEXTS = [
    "<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nq1<|im_end|>\n<|im_start|>assistant\na1<|im_end|>\n"
    "<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\na2<|im_end|>\n",
    "<|im_start|>user\n邮费多少?<|im_end|>\n<|im_start|>assistant\n十元。<|im_end|>\n",
]


@pytest.mark.parametrize("more", [{}, {"file": "parquet"}, {"shards": 2}, {"shards": 2, "file": "parquet"}], ids=str)
def test_messages(export: Any, tokenizer: Any, tmp_path: Path, more: dict[str, Any]) -> None:
    folder = export.make("llama_factory", CHATS, **more)
    made = sorted(read(tokenizer, tmp_path, folder, "sft")["train_dataset"], key=lambda r: -len(r["input_ids"]))
    assert [tokenizer.decode(r["input_ids"]) for r in made] == TEXTS, "no system prompt of its own is added"
    # It trains the line break after the token that ends an answer too: its template's way, not the data's.
    assert [trained(tokenizer, r) for r in made] == [["a1<|im_end|>\n", "a2<|im_end|>\n"], ["十元。<|im_end|>\n"]]


def test_parts_are_the_data_sets_of_its_configuration(export: Any, tokenizer: Any, tmp_path: Path) -> None:
    folder = export.make("llama_factory", {"train": CHATS, "validation": f"{CHATS} LIMIT 1"})
    made = read(tokenizer, tmp_path, folder, "sft", eval_dataset="validation")
    assert (len(made["train_dataset"]), len(made["eval_dataset"])) == (2, 1)


def test_preferences(export: Any, tokenizer: Any, tmp_path: Path) -> None:
    made = read(tokenizer, tmp_path, export.make("llama_factory", PAIRS, prompt="prompt", chosen="chosen", rejected="rejected"), "rm")[
        "train_dataset"
    ]
    texts = [[tokenizer.decode(r[f"{side}_input_ids"]) for side in ("chosen", "rejected")] for r in made]
    ask = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n{}<|im_end|>\n"
    assert texts == [[ask.format("q", "good"), ask.format("q", "bad")], [ask.format("问", "好"), ask.format("问", "坏")]]


def test_answers_and_whether_they_are_good(export: Any, tokenizer: Any, tmp_path: Path) -> None:
    made = read(tokenizer, tmp_path, export.make("llama_factory", CHATS, label="good"), "kto")["train_dataset"]
    assert [(tokenizer.decode(r["input_ids"]), r["kto_tags"]) for r in made] == [(TEXTS[0], True), (TEXTS[1], False)]


def test_alpaca_with_the_entry_that_its_page_says(export: Any, tokenizer: Any, tmp_path: Path) -> None:
    rows = """SELECT * FROM (VALUES ('Add.', '2 2', '4', 'Be short.', [['q1', 'a1']]), ('翻译', NULL, 'yes', NULL, NULL))
      t(instruction, input, output, system, history)"""
    folder = export.make("alpaca", rows)
    info = {"train": {"file_name": "train.jsonl", "columns": {"prompt": "instruction", "query": "input", "response": "output"}}}
    info["train"]["columns"] |= {"system": "system", "history": "history"}  # type: ignore[operator]
    (folder / "dataset_info.json").write_text(json.dumps(info), encoding="ascii")
    made = [tokenizer.decode(r["input_ids"]) for r in read(tokenizer, tmp_path, folder, "sft")["train_dataset"]]
    head = "<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nq1<|im_end|>\n<|im_start|>assistant\na1<|im_end|>\n"
    assert made[0] == f"{head}<|im_start|>user\nAdd.\n2 2<|im_end|>\n<|im_start|>assistant\n4<|im_end|>\n"
    assert made[1].endswith("<|im_start|>user\n翻译<|im_end|>\n<|im_start|>assistant\nyes<|im_end|>\n")


def test_sharegpt_with_the_entry_that_its_page_says(export: Any, tokenizer: Any, tmp_path: Path) -> None:
    folder = export.make("sharegpt", f"SELECT messages FROM ({CHATS})")
    info = {"train": {"file_name": "train.jsonl", "formatting": "sharegpt"}}
    (folder / "dataset_info.json").write_text(json.dumps(info), encoding="ascii")
    made = [tokenizer.decode(r["input_ids"]) for r in read(tokenizer, tmp_path, folder, "sft")["train_dataset"]]
    assert made[1].endswith(TEXTS[1])
    assert made[0] == TEXTS[0]
