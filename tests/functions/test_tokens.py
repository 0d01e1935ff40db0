from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from functions_harness import Calculator

from recipec.api import DataError
from recipec.fast import text_tokens

VOCABULARY = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "hello": 3, "world": 4, "你": 5, "好": 6}
TOKENIZER = {
    "version": "1.0",
    "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]},
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": VOCABULARY, "unk_token": "[UNK]"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tokenizer.json").write_text(json.dumps(TOKENIZER), encoding="utf-8")
    return tmp_path


def test_counts(calculator: Calculator, folder: Path) -> None:
    pytest.importorskip("tokenizers")
    for path in (folder, folder / "tokenizer.json"):
        query = calculator.call("tokens", "t", tokenizer=str(path))
        table = "(SELECT unnest(['hello world, you', '', NULL, '你好']) AS t)"
        assert calculator.rows(f"SELECT {query} FROM {table}") == [(4,), (0,), (None,), (1,)]
    query = calculator.call("tokens", "'hello'", tokenizer=str(folder), special=True)
    assert calculator.rows(f"SELECT {query}") == [(3,)]


def test_what_is_missing_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tokenizers")
    with pytest.raises(DataError, match="there is no"):
        text_tokens.tokenizer(str(folder / "nowhere"))
    for content in ("{}", "no json", "[1]"):
        (folder / "tokenizer.json").write_text(content, encoding="utf-8")
        with pytest.raises(DataError, match="is no tokenizer"):
            text_tokens.tokenizer(str(folder))
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(DataError, match="needs the package"):
        text_tokens.tokens(pa.array(["a"]), pa.array([str(folder)]), pa.array([False]))
