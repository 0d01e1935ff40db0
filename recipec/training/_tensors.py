"""Batches of numbers as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recipec.training._env import Env


def filled(rows: Sequence[Any], value: int, *, left: bool = False) -> Any:
    """Rows of whole numbers as one tensor, the short ones filled up."""
    import numpy as np
    import torch

    width = max(len(r) for r in rows)
    out = np.full((len(rows), width), value, dtype=np.int64)
    for line, row in zip(out, rows, strict=True):
        if left:
            line[width - len(row) :] = row
        else:
            line[: len(row)] = row
    return torch.from_numpy(out)


def padded(env: Env, rows: Sequence[Any], *, left: bool = False) -> dict[str, Any]:
    """``input_ids`` and ``attention_mask`` of rows of tokens."""
    import numpy as np

    return {
        "input_ids": filled(rows, env.tokenizer.pad_token_id or 0, left=left),
        "attention_mask": filled([np.ones(len(r), dtype=np.int64) for r in rows], 0, left=left),
    }
