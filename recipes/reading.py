"""How long a text takes to read: the function of `python_step.recipe`."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

LETTERS_A_MINUTE = 900
"""What a reader manages, letters and Chinese characters alike: an even, round number for an example."""


def reading_time(batch: pa.RecordBatch) -> pa.RecordBatch:
    """`batch` with the columns ``letters`` and ``minutes`` added."""
    letters = pc.utf8_length(batch["text"])
    minutes = pc.round(pc.divide(pc.cast(letters, pa.float64()), LETTERS_A_MINUTE), 2)
    return batch.append_column("letters", letters).append_column("minutes", minutes)
