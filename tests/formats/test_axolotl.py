"""What axolotl itself makes of the exported files: loaded, rendered and masked by its own code, from the configuration that our pages tell
its users to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.formats.readers import caches_in, chat_tokenizer, need, trained

pytest.importorskip("transformers", reason="training is an extra")

CHATS = """SELECT unnest([
  [{'role': 'system', 'content': 'Be short.'}, {'role': 'user', 'content': 'q1'}, {'role': 'assistant', 'content': 'a1'},
   {'role': 'user', 'content': 'q2'}, {'role': 'assistant', 'content': 'a2'}],
  [{'role': 'user', 'content': '邮费多少?'}, {'role': 'assistant', 'content': '十元。'}]
]::STRUCT(role VARCHAR, content VARCHAR)[][]) AS messages"""


@pytest.fixture(autouse=True)
def _caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caches_in(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    need("axolotl")
    return chat_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def read(tokenizer: Any, place: Path, file: Path, kind: str, **more: Any) -> list[dict[str, Any]]:
    """The rows of a file as axolotl would train on them, of a data set of type ``kind``."""
    sft = need("axolotl.utils.data.sft")
    dicts = need("axolotl.utils.dict")
    cfg = dicts.DictDefault(
        datasets=[{"path": str(file), "ds_type": "parquet" if file.suffix == ".parquet" else "json", "type": kind, "split": "train", **more}],
        dataset_prepared_path=str(place / "prepared"), sequence_len=512, train_on_inputs=False, val_set_size=0, seed=1, is_preprocess=True,
        chat_template="tokenizer_default", excess_length_strategy="raise", min_sample_len=2, dataset_num_proc=1, shuffle_merged_datasets=False,
    )  # fmt: skip
    rows, _ = sft._load_tokenized_prepared_datasets(tokenizer, cfg)
    return list(rows)


def test_messages_by_its_chat_template(export: Any, tokenizer: Any, tmp_path: Path) -> None:
    file = export.make("messages", CHATS) / "train.parquet"
    first, second = read(tokenizer, tmp_path, file, "chat_template")
    start, end = "<|im_start|>", "<|im_end|>\n"
    assert tokenizer.decode(first["input_ids"]) == (
        f"{start}system\nBe short.{end}{start}user\nq1{end}{start}assistant\na1{end}{start}user\nq2{end}{start}assistant\na2{end}"
    )
    assert trained(tokenizer, first) == ["a1<|im_end|>", "a2<|im_end|>"]
    assert trained(tokenizer, second) == ["十元。<|im_end|>"]


def test_sharegpt_with_the_mapping_that_its_page_says(export: Any, tokenizer: Any, tmp_path: Path) -> None:
    file = export.make("sharegpt", CHATS) / "train.jsonl"
    more = {"field_messages": "conversations", "message_property_mappings": {"role": "from", "content": "value"}}
    rows = read(tokenizer, tmp_path, file, "chat_template", **more)
    assert rows == read(tokenizer, tmp_path / "same", export.make("messages", CHATS, folder="same") / "train.parquet", "chat_template")


@pytest.mark.parametrize("train", [["assistant"], ["user", "assistant"]], ids=" ".join)
def test_segments_are_the_tokens_and_labels_of_its_own_chat_template(export: Any, tokenizer: Any, tmp_path: Path, train: list[str]) -> None:
    masked = export.make("segments", CHATS, train=train) / "train.parquet"
    plain = export.make("messages", CHATS, folder="plain") / "train.parquet"
    theirs = read(tokenizer, tmp_path / "theirs", plain, "chat_template", roles_to_train=train)
    ours = read(tokenizer, tmp_path / "ours", masked, "input_output")
    fields = ("input_ids", "labels", "attention_mask")
    assert [{f: list(r[f]) for f in fields} for r in ours] == [{f: list(r[f]) for f in fields} for r in theirs]


def test_segments_of_a_prompt_and_its_completion(export: Any, tokenizer: Any, tmp_path: Path) -> None:
    sql = "SELECT * FROM (VALUES ('2 + 2 =', ' 4'), ('问:', '答')) t(q, a)"
    for file in ("parquet", "jsonl"):
        made = export.make("segments", sql, prompt="q", completion="a", begin="<|endoftext|>", end="<|im_end|>", file=file, folder=file)
        rows = read(tokenizer, tmp_path / file, made / f"train.{file}", "input_output")
        assert [tokenizer.decode(r["input_ids"]) for r in rows] == ["<|endoftext|>2 + 2 = 4<|im_end|>", "<|endoftext|>问:答<|im_end|>"]
        assert [trained(tokenizer, r) for r in rows] == [[" 4<|im_end|>"], ["答<|im_end|>"]]


def test_alpaca(export: Any, tokenizer: Any, tmp_path: Path) -> None:
    sql = "SELECT * FROM (VALUES ('Add.', '2 2', '4'), ('翻译', NULL, 'yes')) t(instruction, input, output)"
    rows = read(tokenizer, tmp_path, export.make("alpaca", sql) / "train.jsonl", "alpaca")
    assert [trained(tokenizer, r) for r in rows] == [["4<|im_end|>"], ["yes<|im_end|>"]]
    first, second = (tokenizer.decode(r["input_ids"]) for r in rows)
    assert "### Instruction:\nAdd.\n\n### Input:\n2 2\n" in first
    assert "翻译" in second
    assert "### Input" not in second


def test_text_for_pretraining(export: Any, tokenizer: Any, tmp_path: Path) -> None:
    rows = read(tokenizer, tmp_path, export.make("parquet", "SELECT unnest(['one', '二']) AS text") / "train.parquet", "completion")
    assert [tokenizer.decode(r["input_ids"]) for r in rows] == ["one<|im_end|>", "二<|im_end|>"]
    assert all(list(r["labels"]) == list(r["input_ids"]) for r in rows)


def test_preferences(export: Any, tokenizer: Any, tmp_path: Path) -> None:
    rl = need("axolotl.utils.data.rl")
    dicts = need("axolotl.utils.dict")
    sql = "SELECT * FROM (VALUES ('q', 'good', 'bad'), ('问', '好', '坏')) t(prompt, chosen, rejected)"
    file = export.make("preference", sql, shape="implicit") / "train.parquet"
    cfg = dicts.DictDefault(
        datasets=[{"path": str(file), "ds_type": "parquet", "type": "chat_template.argilla_chat", "split": "train"}], rl="dpo",
        tokenizer_config=tokenizer.name_or_path, base_model=tokenizer.name_or_path, chat_template="tokenizer_default",
        dataset_prepared_path=str(tmp_path / "prepared"), sequence_len=512, seed=1, skip_prepare_dataset=True, dataset_num_proc=1,
    )  # fmt: skip
    rows = list(rl._load_split(cfg, "train"))
    assert [(r["chosen"], r["rejected"]) for r in rows] == [("good<|im_end|>", "bad<|im_end|>"), ("好<|im_end|>", "坏<|im_end|>")]
    assert rows[0]["prompt"] == "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n"
