"""Characters taken for others. A letter with marks of its own, and whatever joins into one emoji, is never taken apart."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from recipec.fast.augment import Seeds, about, bound, choose, draw, put, rewrite
from recipec.fast.augment_keys import Confusions, keyboard
from recipec.fast.text_arrow import Column, Flags, Places, Rows, constant_of


def typos(text: Column, seeds: Column, rate: Column, layout: Column) -> pa.Array:
    """Keys hit beside the one that was meant."""
    return confuse(text, seeds, constant_of(rate, 0.02), keyboard(constant_of(layout, "en")))


def confuse(text: Column, seeds: Column, rate: float, table: Confusions) -> pa.Array:
    """``rate`` of the characters that the table knows, at least one of them, taken for another."""
    mask = table.mask()

    def edit(rows: Rows, own: Seeds) -> Rows:
        values = rows.values
        # The mask has an entry for every byte; beyond its end nothing is known.
        fit = mask[values if values.dtype == np.uint8 else np.minimum(values, np.uint32(len(mask) - 1))]
        fit &= whole(rows)
        at, own_row, nth = some(rows, fit, rate, own, 0)
        if not at.size:
            return rows
        bits = draw(own[own_row], 1, nth)
        return Rows(put(rows.values, at, table.pick(rows.values[at].astype(np.uint32), bits)), rows.starts, None)

    return rewrite(text, seeds, edit)


def whole(rows: Rows) -> Flags:
    """Characters that stand by themselves: nothing joins them to what is before or behind."""
    if rows.values.dtype == np.uint8:
        return np.ones(len(rows.values), np.bool_)
    joins = bound(rows)
    out = ~joins
    out[:-1] &= ~joins[1:]
    return out


def some(rows: Rows, fit: Flags, rate: float, seeds: Seeds, lane: int) -> tuple[Places, Places, Places]:
    """Places of some of the characters that fit, their rows, and numbers that tell a row's draws apart."""
    places = np.flatnonzero(fit)
    first = np.searchsorted(places, rows.starts)
    counts = np.diff(first)
    chosen = choose(counts, about(rate, counts, seeds, lane + 100), seeds, lane)
    return places[first[:-1][chosen.row] + chosen.place], chosen.row, chosen.nth
