"""Tokens of a text by a tokenizer of one's own, from a local file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from recipec.fast.text_arrow import Column, constant_of, flat


@cache
def tokenizer(path: str) -> Any:
    """The tokenizer of a folder (its ``tokenizer.json``) or file, without truncation or padding. Raises DataError."""
    from recipec.api import DataError

    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise DataError("tokens() needs the package tokenizers", "pip install 'recipec[text]'") from None
    file = Path(path)
    if file.is_dir():
        file /= "tokenizer.json"
    if not file.is_file():
        raise DataError(f"tokens(): there is no `{file}`", "give the folder of a model that has a tokenizer.json, or that file")
    try:
        # Read by Python, because the library's own errors on reading and parsing are all of the bare class Exception.
        loaded = Tokenizer.from_str(_checked(file))
    except (ValueError, UnicodeDecodeError) as problem:
        raise DataError(f"tokens(): `{file}` is no tokenizer: {problem}") from None
    loaded.no_truncation()
    loaded.no_padding()
    return loaded


def _checked(file: Path) -> str:
    import json

    text = file.read_text(encoding="utf-8")
    content = json.loads(text)
    if not isinstance(content, dict) or "model" not in content:
        raise ValueError("it has no `model`")
    return text


def tokens(text: Column, path: Column, special: Column) -> pa.Array:
    array = flat(text)
    if array.null_count == len(array):
        return pa.nulls(len(array), pa.int64())
    texts = array.to_pylist()
    # The library works on all texts at once in threads of its own, without the interpreter's lock.
    encoded = tokenizer(constant_of(path, "")).encode_batch(
        ["" if one is None else one for one in texts], add_special_tokens=constant_of(special, False)
    )
    return pa.array([None if one is None else len(found.ids) for one, found in zip(texts, encoded, strict=True)], pa.int64())
