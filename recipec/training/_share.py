"""What one process has of a training that several do together: its rows of each batch, and the sums over all of them.

The batch of the recipe is that of all processes. Each takes every ``count``-th row of it, and its loss is its *share* of the batch's:
what its rows add, divided by what all rows count. The shares add up to the loss of one process, and so do their gradients.
With one process every method here gives back what it got.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from recipec.api import DataError

if TYPE_CHECKING:
    from recipec.training._base import Scores

IDLE = "_idle"
"""In a batch: its row is there only so that the process takes part; it counts nothing."""


@dataclass
class Share:
    """``rank`` is the process's number from 0, ``count`` how many there are; ``control`` is the group (gloo, on the processor) that what is no
    tensor of the model goes through."""

    rank: int = 0
    count: int = 1
    control: Any = None
    idle: bool = False
    """The batch at hand counts nothing (see :data:`IDLE`)."""
    apart: bool = False
    """Each process is looking at batches of its own: nothing is summed."""

    @property
    def first(self) -> bool:
        """Whether this is the process that reports, and writes to disk."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        return self.count == 1 or self.apart

    def total(self, number: Any) -> Any:
        """The sum of a tensor over all processes, without gradients."""
        number = number.detach()
        if self.alone:
            return number
        import torch.distributed as dist

        whole = number.new_zeros(number.shape) if self.idle else number.clone()
        dist.all_reduce(whole)
        return whole

    def whole(self, rows: Any) -> tuple[Any, int]:
        """(the rows of all processes one after another, the place of this one's first). Gradients come back to the process that a row is of."""
        if self.alone:
            return rows, 0
        gathered, begin = joining().apply(rows[:0] if self.idle else rows, self)
        return gathered, begin

    @contextmanager
    def separately(self) -> Iterator[None]:
        """Each process for itself, as in evaluation."""
        before, self.apart, self.idle = self.apart, True, False
        try:
            yield
        finally:
            self.apart = before

    def agreed(self, *said: bool) -> tuple[bool, ...]:
        """What the first process says, known to all."""
        if self.count == 1:
            return said
        import torch
        import torch.distributed as dist

        told = torch.tensor(said, dtype=torch.uint8)
        dist.broadcast(told, src=0, group=self.control)
        return tuple(bool(x) for x in told.tolist())

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            import torch.distributed as dist

            dist.barrier(group=self.control)

    def summed(self, array: Any) -> Any:
        """The sum of a numpy array over all processes."""
        if self.count == 1:
            return array
        import torch
        import torch.distributed as dist

        tensor = torch.from_numpy(array)
        dist.all_reduce(tensor, group=self.control)
        return tensor.numpy()

    def result(self, scores: Scores) -> dict[str, float]:
        """The scores over the rows of all processes, known to all."""
        if self.count == 1:
            return scores.result()
        import torch.distributed as dist

        every: list[Any] | None = [None] * self.count if self.first else None
        dist.gather_object(scores, every, dst=0, group=self.control)
        found: list[Any] = [None]
        if every is not None:
            for other in every[1:]:
                scores.join(other)
            found = [scores.result()]
        dist.broadcast_object_list(found, src=0, group=self.control)
        result: dict[str, float] = found[0]
        return result


@cache
def joining() -> Any:
    """The function of autograd behind :meth:`Share.whole`."""
    import torch
    import torch.distributed as dist

    function: Any = torch.autograd.Function

    class Joining(function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, rows: Any, share: Share) -> Any:
            sizes = [torch.zeros(1, dtype=torch.long) for _ in range(share.count)]
            dist.all_gather(sizes, torch.tensor([len(rows)]), group=share.control)
            counts = [int(s) for s in sizes]
            # Collectives want equal shapes.
            padded = rows.new_zeros((max(counts), *rows.shape[1:]))
            padded[: len(rows)] = rows
            parts = [torch.empty_like(padded) for _ in counts]
            dist.all_gather(parts, padded)
            ctx.begin, ctx.size = sum(counts[: share.rank]), len(rows)
            whole = torch.cat([part[:size] for part, size in zip(parts, counts, strict=True)])
            if not rows.is_floating_point():
                ctx.mark_non_differentiable(whole)
            return whole, ctx.begin

        @staticmethod
        def backward(ctx: Any, gradient: Any, _: Any) -> Any:
            summed = gradient.contiguous().clone()
            dist.all_reduce(summed)
            return summed[ctx.begin : ctx.begin + ctx.size], None

    return Joining


class Portions:
    """A process's rows of every batch, for a data loader. A process that a small batch has no row for gets one that does not count, as
    ``-1 - place`` (see :class:`Counted`)."""

    def __init__(self, batches: Any, share: Share) -> None:
        # By this name transformers finds whom to tell which epoch it is; with some batches passed over on resuming, it finds this object.
        self.batch_sampler, self.share = batches, share
        self.batch_size, self.drop_last = batches.batch_size, False

    def set_epoch(self, epoch: int) -> None:
        self.batch_sampler.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.batch_sampler:
            yield batch[self.share.rank :: self.share.count] or [-1 - batch[0]]


class Counted:
    """Rows by place; ``-1 - place`` is the row of that place, marked as one that does not count."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, Any]:
        row: dict[str, Any] = self.rows[place] if place >= 0 else {**self.rows[-1 - place], IDLE: True}
        return row


def processes(asked: int | str, cores: int) -> int:
    """How many processes ``devices:`` means on this machine: one a GPU, or where there is none so many on its processor as are asked for
    by number. DataError where it has fewer."""
    import torch

    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked == "auto":
        return max(1, there)
    count = int(asked)
    if count == 1:
        return 1
    if there and count > there:
        raise DataError(f"devices: {count} asks for {count} GPUs, and this machine has {there}", f"devices: {there}, or devices: auto")
    if not there and count > cores:
        raise DataError(
            f"devices: {count} asks for {count} processes, and this machine has no GPU and {cores} cores", "devices: 1, or devices: auto"
        )
    if not torch.distributed.is_available():
        raise DataError("this build of torch cannot train in several processes", "devices: 1, or another build of torch")
    return count
