"""What a user reads about the formats, and what reading about them costs."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from recipec.registry import find, names
from recipec.source import Source
from recipec.syntax.parse import parse

FORMATS = [
    "alpaca", "argilla", "conll", "csv", "huggingface", "jsonl", "label_studio",
    "llama_factory", "messages", "openai", "parquet", "preference", "segments", "sharegpt",
]  # fmt: skip


def test_every_format_is_found():
    assert set(FORMATS) <= set(names("format"))


@pytest.mark.parametrize("name", FORMATS)
def test_the_examples_parse_and_every_argument_is_explained(name):
    cls = find("format", name)
    (example,) = re.findall(r"```recipe\n(.*?)```", cls.__doc__, re.S)
    file, problems = parse(Source(name, example))
    assert problems == []
    assert len(file.items) >= 1
    assert f"{name}(" in example
    table = re.sub(r"```.*?```", "", cls.__doc__, flags=re.S)
    for argument in cls.Params.model_fields:
        assert f"`{argument}`" in table, argument


def test_formats_load_no_arrow_and_no_database():
    code = "import sys; from recipec.registry import find, names; [find('format', n) for n in names('format')]; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pyarrow", "duckdb", "datasets", "numpy", "pandas"} & set(loaded)
