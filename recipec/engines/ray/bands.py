"""How many bands a threshold is cut in, without the arrays that the bands themselves need: for plans."""

from __future__ import annotations

import math

RECALL = 0.985
FUNCTIONS = 192


def bands(threshold: float) -> int:
    """As :meth:`recipec.fast.bands.Bands.for_threshold`, which loads numpy; a test holds the two together."""
    found = 1
    for rows in range(1, 17):
        agree = threshold**rows
        many = 1 if agree >= RECALL else math.ceil(math.log1p(-RECALL) / math.log1p(-agree))
        if rows > 1 and rows * many > FUNCTIONS:
            break
        found = many
    return found
