"""Trainers that read what is exported, each loaded as a user's configuration loads it; tests are skipped where they are not installed.

axolotl and LLaMA-Factory pin other versions of what recipec's tests use, so they go into a folder of their own, without their requirements:

    pip install --no-deps --target peers axolotl==0.19.0 llamafactory==0.9.5 setfit==1.2.0 label-studio-sdk==2.1.2 argilla==2.8.0 \\
        addict appdirs backoff colorama distro evaluate faker httpx ijson jsf jsonschema jsonschema-specifications llvmlite lxml nltk numba omegaconf \\
        pandas pillow posthog referencing rpds-py rstr smart-open termcolor ujson xmljson
    PYTHONPATH=peers pytest tests/formats

What they import on the way and do not use for text (audio) is stood in for here.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest

# Both would ask the network for a newer version or tell somebody of their use.
os.environ.update(HF_HUB_OFFLINE="1", AXOLOTL_DO_NOT_TRACK="1", DO_NOT_TRACK="1", DISABLE_VERSION_CHECK="1")

CHATML = """{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}\
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""


def need(name: str) -> Any:
    """The module ``name`` of a trainer, or a skip that says what is missing."""
    package = name.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    if package == "llamafactory" and importlib.util.find_spec("torchaudio") is None:
        # Imported at its head, called for sound alone.
        sound = types.ModuleType("torchaudio")
        sound.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
        sys.modules["torchaudio"] = sound
        try:
            return importlib.import_module(name)
        finally:
            del sys.modules["torchaudio"]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        pytest.skip(f"{package} is installed without {missing.name}")


def caches_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `datasets` keeps of the files it reads lies in ``folder``, not in the home of who runs the tests."""
    config = pytest.importorskip("datasets.config", reason="datasets is not installed")
    monkeypatch.setattr(config, "HF_DATASETS_CACHE", folder / "cache")


def chat_tokenizer(folder: Path) -> Any:
    """A tokenizer of single bytes with ChatML's marks, saved to ``folder``: every text is made of it, whatever the language."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    marks = ["<pad>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    bytes_of = Tokenizer(models.BPE({t: i for i, t in enumerate([*marks, *letters])}, []))
    bytes_of.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_of.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(
        tokenizer_object=bytes_of, pad_token="<pad>", eos_token="<|im_end|>", additional_special_tokens=marks[1:3]
    )
    made.chat_template = CHATML
    made.save_pretrained(folder)
    # axolotl asks the base what kind of model it is before it makes a tokenizer.
    LlamaConfig(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1).save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def trained(tokenizer: Any, row: dict[str, Any]) -> list[str]:
    """The runs of text that a row's labels train."""
    runs: list[list[int]] = [[]]
    for label in row["labels"]:
        if label != -100:
            runs[-1].append(label)
        elif runs[-1]:
            runs.append([])
    return [tokenizer.decode(run) for run in runs if run]
