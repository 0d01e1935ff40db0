"""Slots of templates filled."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from recipec.fast.augment import Seeds, below, choose, draw, seeds_of
from recipec.fast.text_arrow import Column, constant_of, flat

SLOT: Final = r"\{\s*([\p{L}_][\p{L}\p{M}\p{N}_]*)\s*\}"
"""A name in braces, as RE2 reads it."""
_SLOT: Final = re.compile(r"\{\s*([^\W\d]\w*)\s*\}")


@lru_cache(4)
def _values(path: str, changed: int) -> dict[str, list[str]]:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    out: dict[str, list[str]] = {}
    for slot, value in zip(table.column(0).to_pylist(), table.column(1).to_pylist(), strict=True):
        out.setdefault(slot, []).append(value)
    return out


def fill_slots(text: Column, seeds: Column, path: Column) -> pa.Array:
    if not len(text):
        return pa.array([], pa.string())
    file = Path(constant_of(path, ""))
    values = _values(str(file), file.stat().st_mtime_ns)
    rows = zip(flat(text).to_pylist(), seeds_of(seeds), strict=True)
    return pa.array([None if t is None else filled(t, np.array([s], np.uint64), values) for t, s in rows], pa.string())


def filled(text: str, seed: Seeds, values: dict[str, list[str]]) -> str:
    """A template with values in its slots. What a value brings along in braces is no slot."""
    slots = list(_SLOT.finditer(text))
    chosen: dict[int, str] = {}
    for lane, name in enumerate(dict.fromkeys(s[1] for s in slots)):
        own = [i for i, s in enumerate(slots) if s[1] == name]
        given = values.get(name)
        if not given:
            continue
        several = list(dict.fromkeys(given)) if len(own) > 1 else given
        if len(own) == 1:
            chosen[own[0]] = several[int(below(draw(seed, 2 * lane), len(several))[0])]
            continue
        # Different ones as far as they go, in an order of chance.
        for start in range(0, len(own), len(several)):
            part = own[start : start + len(several)]
            places = choose(np.array([len(several)]), np.array([len(part)]), draw(seed, 2 * lane, start), 0).place
            order = np.argsort(draw(np.repeat(seed, len(part)), 2 * lane + 1, places + start * len(several)), kind="stable")
            for i, place in zip(part, places[order].tolist(), strict=True):
                chosen[i] = several[place]
    out, at = [], 0
    for i, slot in enumerate(slots):
        if i in chosen:
            out += [text[at : slot.start()], chosen[i]]
            at = slot.end()
    return "".join([*out, text[at:]])
