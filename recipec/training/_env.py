"""What a task sees while it trains or predicts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipec.training._base import Task, TrainSpec
from recipec.training._share import Share


@dataclass
class Env:
    """``spec`` has all its defaults filled in. ``encoder`` is a copy of the tokenizer's fast half (``tokenizers.Tokenizer``)
    that truncates to ``spec.max_length``; ``plain`` one that does not truncate. ``facts`` belongs to the task."""

    spec: TrainSpec
    task: Task
    tokenizer: Any
    config: Any
    base: Path | None
    """The folder of the base; None for scratch."""
    folder: Path
    """For the task's own files while it trains."""
    classes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    share: Share = field(default_factory=Share)
    """What this process has of the training."""

    def fast(self, max_length: int | None = None) -> Any:
        """The tokenizer's fast half, truncating to so many tokens, or not at all."""
        from tokenizers import Tokenizer

        name = f"fast {max_length}"
        if name not in self.facts:
            made = Tokenizer.from_str(self.tokenizer.backend_tokenizer.to_str())
            made.no_padding()
            made.no_truncation()
            if max_length is not None:
                made.enable_truncation(max_length)
            self.facts[name] = made
        return self.facts[name]

    @property
    def max_length(self) -> int:
        assert self.spec.max_length is not None
        return self.spec.max_length

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
