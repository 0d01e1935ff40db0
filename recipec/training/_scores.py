"""Scores on validation while training runs: enough to stop early and to draw a curve. (``evaluate`` has the full set.)"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def f1_of(right: float, said: float, there: float) -> float:
    """2 P R / (P + R) from counts; 0 where nothing was said or nothing is there."""
    return 2 * right / (said + there) if said + there else 0.0


def macro_f1(gold: np.ndarray[Any, Any], said: np.ndarray[Any, Any], classes: int) -> float:
    """The mean of the classes' F1, over the classes that are in either, as scikit-learn has it."""
    import numpy as np

    there, given = np.bincount(gold, minlength=classes), np.bincount(said, minlength=classes)
    right = np.bincount(gold[gold == said], minlength=classes)
    seen = (there + given) > 0
    return float(np.mean(2 * right[seen] / (there + given)[seen])) if seen.any() else 0.0


def spans(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """Entities of a sentence: (type, first, end). Tags ``B-`` and ``I-`` as seqeval reads them in its default mode (an
    ``I-`` that continues nothing begins an entity); tags without a prefix (IO) make one entity of each run."""
    out: set[tuple[str, int, int]] = set()
    kind, begin = "", 0
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, rest = tag.partition("-")
        known = bool(rest) and prefix in ("B", "I", "E", "S", "L", "U")
        label = "" if tag == "O" else rest if known else tag
        starts = known and prefix in ("B", "S", "U")
        if kind and (label != kind or starts):
            out.add((kind, begin, i))
            kind = ""
        if label and not kind:
            kind, begin = label, i
        if kind and known and prefix in ("E", "S", "L", "U"):
            out.add((kind, begin, i + 1))
            kind = ""
    return out


def entity_f1(gold: Iterable[Sequence[str]], said: Iterable[Sequence[str]]) -> float:
    """Micro F1 of whole entities, with their type."""
    right = given = there = 0
    for g, s in zip(gold, said, strict=True):
        a, b = spans(g), spans(s)
        right, there, given = right + len(a & b), there + len(a), given + len(b)
    return f1_of(right, given, there)
