"""A small masked language model, made on the spot."""

from __future__ import annotations

from pathlib import Path

import pytest

WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "number",
    "jumps",
    "over",
    "lazy",
    "dog",
    "by",
    "river",
    "cat",
    "runs",
    "under",
    "small",
    "tree",
    "hello",
    "a",
    "今",
    "天",
    "气",
    "很",
    "好",
    "我",
    "们",
    "去",
    "公",
    "园",
    "玩",
    "吧",
    "山",
    "水",
    "人",
]


def masked_model(folder: Path) -> Path:
    """A folder with a BERT of one layer that knows a few words, pieces and characters, and nothing else."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "##s", "##ing", "##天", ",", "，", "!", *(str(i) for i in range(10))]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    transformers.logging.set_verbosity_error()
    tokenizer = transformers.BertTokenizerFast(vocab={p: i for i, p in enumerate(pieces)}, do_lower_case=True)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(pieces),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=512,
    )
    transformers.BertForMaskedLM(config).save_pretrained(folder)
    return folder


def classifier_model(folder: Path, classes: list[str]) -> Path:
    """A folder with a classifier of texts that was taught nothing."""
    masked_model(folder)
    import torch
    import transformers

    torch.manual_seed(1)
    config = transformers.BertConfig(
        vocab_size=200, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_position_embeddings=512,
        id2label=dict(enumerate(classes)), label2id={c: i for i, c in enumerate(classes)},
    )  # fmt: skip
    made = transformers.BertForSequenceClassification(config)
    with torch.no_grad():
        made.classifier.weight.mul_(40)
    made.save_pretrained(folder)
    return folder
