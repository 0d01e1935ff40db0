"""Which rows go together into a batch: a function of the seed, the epoch and the rows' lengths alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

WINDOW = 50
"""Batches that are sorted by length together: enough to leave little padding, few enough to keep batches mixed."""


class Batches:
    """Batches of places for a data loader. Every epoch shuffles anew, and nothing that torch drew before changes how.

    Shuffled rows are sorted by length within windows of some batches, cut, and the batches shuffled. With ``tokens``, the
    batches are cut where they would hold more tokens, padding counted; they are then the same in all epochs, in another
    order, since every epoch must have as many.
    """

    def __init__(self, lengths: np.ndarray[Any, Any], size: int, seed: int, *, tokens: int | None = None, by_length: bool = True) -> None:
        self.lengths, self.batch_size, self.seed, self.tokens, self.by_length = lengths, size, seed, tokens, by_length
        self.drop_last = False
        self.epoch = 0
        self._cut: list[list[int]] | None = self.cut(self.rng(-1)) if tokens is not None else None

    def rng(self, epoch: int) -> np.random.Generator:
        import numpy as np

        return np.random.Generator(np.random.PCG64([self.seed & 0xFFFFFFFF, epoch + 1, 0x7EC]))

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._cut) if self._cut is not None else -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        rng = self.rng(self.epoch)
        batches = self._cut if self._cut is not None else self.cut(rng)
        for i in rng.permutation(len(batches)) if self.by_length or self._cut is not None else range(len(batches)):
            yield batches[int(i)]

    def cut(self, rng: np.random.Generator) -> list[list[int]]:
        order = rng.permutation(len(self.lengths))
        if self.by_length:
            import numpy as np

            window = WINDOW * self.batch_size
            parts = [order[i : i + window] for i in range(0, len(order), window)]
            order = np.concatenate([p[np.argsort(-self.lengths[p], kind="stable")] for p in parts]) if parts else order
        if self.tokens is None:
            return [order[i : i + self.batch_size].tolist() for i in range(0, len(order), self.batch_size)]
        batches: list[list[int]] = []
        batch: list[int] = []
        longest = 0
        for place in order.tolist():
            longest = max(longest, int(self.lengths[place]))
            if batch and longest * (len(batch) + 1) > self.tokens:
                batches.append(batch)
                batch, longest = [], int(self.lengths[place])
            batch.append(place)
        return [*batches, batch] if batch else batches


def in_order(lengths: np.ndarray[Any, Any], size: int) -> list[list[int]]:
    """All places, the longest first, cut into batches: for evaluation and prediction."""
    import numpy as np

    order = np.argsort(-np.asarray(lengths), kind="stable").tolist()
    return [order[i : i + size] for i in range(0, len(order), size)]
