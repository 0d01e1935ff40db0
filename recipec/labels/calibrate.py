"""Confidence that means what it says: of the rows given 90 %, nine in ten are right, as far as gold can tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from recipec.labels.combined import Combined
from recipec.labels.patterns import Floats, Patterns, blank

FEW = 30


def calibrated(found: Patterns, combined: Combined, method: Literal["temperature", "isotonic"] = "temperature") -> Combined:
    """The same labels with other confidences, fitted on the rows of known class.

    ``temperature`` raises all probabilities to one power (C. Guo and others, "On calibration of modern neural networks", ICML 2017). ``isotonic``
    maps the greatest probability to the share that is right, never falling as it rises (B. Zadrozny and C. Elkan, KDD 2002).
    One row of every class is added to the gold, so that a few right rows do not make certainty. Without gold nothing
    changes, and a note says so; also where there is little of it.
    """
    gold = found.gold
    voted = found.voted[gold.pattern] > 0 if gold is not None else np.zeros(0, bool)
    if gold is None or not voted.any():
        return replace(combined, notes=(*combined.notes, "confidence is not calibrated: no gold on rows with votes"))
    pattern, label, rows = gold.pattern[voted], gold.label[voted], gold.rows[voted].astype(np.float64)
    notes = combined.notes
    if rows.sum() < FEW:
        notes = (*notes, f"confidence is calibrated on {int(rows.sum())} rows of gold only")
    p = combined.probabilities[pattern]
    new: Floats = blank(combined.probabilities.shape, np.float64, found.folder)
    if method == "temperature":
        power = best_power(np.log(np.maximum(p, 1e-12)), label, rows)
        for block in found.blocks():
            scaled = np.log(np.maximum(combined.probabilities[block], 1e-12)) * power
            scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
            new[block] = scaled / scaled.sum(axis=1, keepdims=True)
    else:
        best = p.max(axis=1)
        right = (p.argmax(axis=1) == label) * rows
        at, share = isotonic(best, right, rows, found.classes)
        for block in found.blocks():
            part = combined.probabilities[block].copy()
            top, column = part.max(axis=1), part.argmax(axis=1)
            others = part.copy()
            others[np.arange(len(part)), column] = -1
            second = np.maximum(others.max(axis=1), 0)
            rest = np.maximum(1 - top, 1e-12)
            # The label stays the most probable class: no lower than where the second would overtake it.
            sure = np.maximum(np.interp(top, at, share), second / (second + rest))
            spread = np.where((top < 1 - 1e-12)[:, None], part / rest[:, None], 1 / max(found.classes - 1, 1))
            part = spread * (1 - sure)[:, None]
            part[np.arange(len(part)), column] = sure
            new[block] = part
    silent = found.voted == 0
    if silent.any():
        new[silent] = combined.probabilities[silent]
    return replace(combined, probabilities=new, notes=notes)


def best_power(logs: Floats, label: np.ndarray[tuple[int], np.dtype[np.int64]], rows: Floats) -> float:
    """The power of the probabilities under which the labels are most likely, by golden section over its logarithm."""
    classes = logs.shape[1]
    target = np.repeat((rows / rows.sum())[:, None], classes, axis=1)
    np.add.at(target, (np.arange(len(rows)), label), rows)

    def loss(power: float) -> float:
        scaled = logs * power
        best = scaled.max(axis=1, keepdims=True)
        return float((target * (best + np.log(np.exp(scaled - best).sum(axis=1, keepdims=True)) - scaled)).sum())

    low, high, part = np.log(0.01), np.log(100.0), (np.sqrt(5) - 1) / 2
    a, b = high - part * (high - low), low + part * (high - low)
    of_a, of_b = loss(np.exp(a)), loss(np.exp(b))
    for _ in range(60):
        if of_a <= of_b:
            high, b, of_b = b, a, of_a
            a = high - part * (high - low)
            of_a = loss(np.exp(a))
        else:
            low, a, of_a = a, b, of_b
            b = low + part * (high - low)
            of_b = loss(np.exp(b))
    return float(np.exp((low + high) / 2))


def isotonic(score: Floats, right: Floats, rows: Floats, classes: int) -> tuple[Floats, Floats]:
    """(scores, shares that are right), rising together, for interpolation: pools neighbours that fall (weighted PAV).

    The rows added to the gold are spread like the gold; of each ``classes`` of them one is right.
    """
    extra = rows / rows.sum()
    # Rows of one score are one point, right and wrong together.
    values, place = np.unique(np.round(score, 12), return_inverse=True)
    right, rows, extra = (np.bincount(place.reshape(-1), weights=w, minlength=len(values)).astype(np.float64) for w in (right, rows, extra))
    at: list[float] = []
    good: list[float] = []
    whole: list[float] = []
    for i in range(len(values)):
        at.append(float(values[i] * rows[i]))
        good.append(float(right[i] + extra[i]))
        whole.append(float(rows[i] + extra[i] * classes))
        while len(good) > 1 and good[-2] * whole[-1] >= good[-1] * whole[-2]:
            for stack in (at, good, whole):
                last = stack.pop()
                stack[-1] += last
    scale = 1 + classes / rows.sum()
    sizes = np.array(whole)
    return np.array(at) / (sizes / scale), np.array(good) / sizes
