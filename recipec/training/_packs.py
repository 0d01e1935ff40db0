"""Several short rows in one line of a batch, isolated from each other.

The lines have no attention mask; positions that begin anew at every row tell transformers where rows end, and attention stops
there. A row's first token is foretold by nothing, so it is not trained; what fills a line up is a row of its own, not trained.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recipec.training._env import Env
    from recipec.training._store import Store

NONE = -100


class Packs:
    """Rows by the line that they are in: best fit, the longest first, so that few lines have room left."""

    def __init__(self, store: Store, size: int) -> None:
        import numpy as np

        self.store = store
        lengths = store.lengths
        lines: list[list[int]] = []
        room: list[tuple[int, int]] = []
        """(room left, line), ascending."""
        for place in np.argsort(-lengths, kind="stable").tolist():
            need = int(lengths[place])
            at = bisect_left(room, (need, -1))
            if at == len(room):
                lines.append([place])
                left, line = size - need, len(lines) - 1
            else:
                left, line = room.pop(at)
                lines[line].append(place)
                left -= need
            if left > 0:
                insort(room, (left, line))
        self.lines = lines
        self.lengths = np.array([int(lengths[line].sum()) for line in lines], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return {"parts": [self.store[p] for p in self.lines[place]]}


def packed(env: Env, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A batch of lines as tensors."""
    import numpy as np
    import torch

    width = max(sum(len(p["input_ids"]) for p in row["parts"]) for row in rows)
    ids = np.full((len(rows), width), env.tokenizer.pad_token_id or 0, dtype=np.int64)
    labels = np.full((len(rows), width), NONE, dtype=np.int64)
    positions = np.zeros((len(rows), width), dtype=np.int64)
    for n, row in enumerate(rows):
        at = 0
        for part in row["parts"]:
            size = len(part["input_ids"])
            ids[n, at : at + size] = part["input_ids"]
            labels[n, at + 1 : at + size] = part["labels"][1:]
            positions[n, at : at + size] = np.arange(size)
            at += size
        positions[n, at:] = np.arange(width - at)
    return {"input_ids": torch.from_numpy(ids), "labels": torch.from_numpy(labels), "position_ids": torch.from_numpy(positions)}
