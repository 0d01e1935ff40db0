"""What is shown before the first step, and what a check may import."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from training_harness import spec_of, topic_rows

from recipec.training._base import LoraParams, Rows
from recipec.training._fit import fit
from recipec.training._preview import preview


def test_the_tokens_that_are_trained_are_marked() -> None:
    spec = spec_of("generate", "messages", "messages")
    said = [{"role": "user", "content": "2 + 2"}, {"role": "assistant", "content": "four"}]
    shown, _, filled, ledger = preview(spec, Rows.of({"messages": [said, said[:1], said]}), 2)
    assert ledger.json() == {"rows": 3, "kept": 2, "truncated": 0, "dropped": {"no answer of the assistant's": 1}}
    assert "".join(t for t, on in shown[0].tokens if on) == "four<|end|>"
    assert "".join(t for t, _ in shown[0].tokens) == "<|user|>2 + 2<|end|><|assistant|>four<|end|>"
    assert shown[1].dropped == "no answer of the assistant's"
    assert len(shown) == 2
    assert (filled.learning_rate, filled.max_length, filled.long) == (1e-3, 64, "drop")


def test_answers_are_shown() -> None:
    shown, *_ = preview(spec_of("classify", "single", "text", "label"), topic_rows(10), 2)
    assert [s.answer for s in shown] == ["animal", "money"]
    tags = Rows.of({"tokens": [["Oslo", "went"]] * 3, "tags": [["B-LOC", "O"]] * 3})
    assert preview(spec_of("tag", "tags", "tokens", "tags"), tags, 1).shown[0].answer == "B-LOC O"


def test_the_weights_are_counted_without_the_model(place: Path) -> None:
    for adapter in (None, LoraParams(rank=4)):
        spec = spec_of("classify", "single", "text", "label", epochs=1)
        spec = spec if adapter is None else replace(spec, adapter=adapter)
        memory = preview(spec, topic_rows(100)).memory
        made = fit(spec, topic_rows(100), place / "m")
        assert (memory.trained_parameters, memory.total_parameters) == (made.trained_parameters, made.total_parameters)
        assert memory.total > 4 * made.total_parameters + 12 * made.trained_parameters


def test_a_check_imports_nothing_heavy() -> None:
    code = """
import sys
from recipec.registry import find
for name in ("classify", "tag", "generate", "regress", "embed"):
    assert find("task", name) is not None, name
print([m for m in ("torch", "transformers", "pyarrow", "numpy", "tokenizers", "peft", "jinja2") if m in sys.modules])
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
