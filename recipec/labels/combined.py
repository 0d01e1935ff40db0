"""What combining votes gives: probabilities by pattern, what is believed of each voter, and notes for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np
import numpy.typing as npt

from recipec.labels.patterns import TIE, Floats, Patterns, Votes, blank

Ties = Literal["abstain", "first", "random"]
_BY_CHANCE: Final = -2


@dataclass(frozen=True)
class Combined:
    """``probabilities[p, k]`` is how likely rows of pattern ``p`` are of class ``k``; rows sum to 1.

    ``decided[p]`` is the class chosen: -1 for none (nobody votes, or a tie abstains), ``BY_CHANCE`` for a tie that each row
    breaks by its key (:func:`recipec.labels.patterns.back` does). ``accuracy[j]`` is how often voter ``j`` is right when it
    votes, as estimated without looking at gold unless the method does; None for a voter that never votes.
    ``confusion[j, t, v]`` is how often voter ``j`` votes ``v`` on rows of class ``t`` where it votes; a row of it sums to 1, and
    is even where nothing is known. ``prior`` is the share of each class. ``fixed`` says that rows of known class keep it.
    """

    BY_CHANCE: ClassVar[int] = _BY_CHANCE

    combiner: str
    probabilities: Floats
    decided: Votes
    accuracy: tuple[float | None, ...]
    confusion: Floats
    prior: Floats
    iterations: int = 0
    converged: bool = True
    likelihood: float | None = None
    """Mean log-likelihood of a row's votes, for methods that have one."""
    fixed: bool = False
    notes: tuple[str, ...] = ()

    @property
    def by_chance(self) -> bool:
        """Whether any tie is left to the rows."""
        return bool((self.decided == _BY_CHANCE).any())


def decide(found: Patterns, probabilities: Floats, ties: Ties) -> Votes:
    """The class of each pattern: the most probable, none where nobody votes, and ties as ``ties`` says."""
    out: Votes = np.full(len(found), -1, np.int16)
    for block in found.blocks():
        p = probabilities[block]
        best = p.max(axis=1)
        alike = p >= best[:, None] - TIE
        # The first of equals, so that rounding does not choose.
        chosen = alike.argmax(axis=1).astype(np.int16)
        if ties != "first":
            chosen[alike.sum(axis=1) > 1] = -1 if ties == "abstain" else _BY_CHANCE
        chosen[found.voted[block] == 0] = -1
        out[block] = chosen
    return out


def expected(found: Patterns, probabilities: Floats) -> Floats:
    """How many rows voter ``j`` votes ``v`` on that are of class ``t``, if the probabilities are right: [m, t, v]."""
    m, classes = len(found.voters), found.classes
    out = np.zeros((m, classes, classes))
    for block in found.blocks():
        for j in range(m):
            vote = found.votes[block, j].astype(np.intp) + 1
            for t in range(classes):
                out[j, t] += np.bincount(vote, weights=probabilities[block, t] * found.counts[block], minlength=classes + 1)[1:]
    return out


def confusion_of(counts: Floats) -> Floats:
    """Shares by true class of counts [m, t, v]; even where there is nothing."""
    whole = counts.sum(axis=2, keepdims=True)
    return np.where(whole > 0, counts / np.where(whole > 0, whole, 1), 1 / counts.shape[2])


def accuracy_of(counts: Floats) -> tuple[float | None, ...]:
    """The share of a voter's votes that are right, of counts [m, t, v]."""
    out: list[float | None] = []
    for table in counts:
        whole = float(table.sum())
        out.append(min(1.0, float(np.trace(table)) / whole) if whole > 0 else None)
    return tuple(out)


def share_of(found: Patterns, probabilities: Floats) -> Floats:
    """The share of each class among the rows voted on; even where there are none."""
    classes = found.classes
    mass = np.zeros(classes)
    for block in found.blocks():
        weight = np.where(found.voted[block] > 0, found.counts[block], 0)
        mass += (probabilities[block] * weight[:, None]).sum(axis=0)
    return mass / mass.sum() if mass.sum() > 0 else np.full(classes, 1 / classes)


def normalised(found: Patterns, scores: npt.NDArray[np.float64], prior: Floats) -> Floats:
    """Scores that are not negative as probabilities, in place; ``prior`` where all are zero."""
    for block in found.blocks():
        part = scores[block]
        whole = part.sum(axis=1, keepdims=True)
        scores[block] = np.where(whole > 0, part / np.where(whole > 0, whole, 1), prior)
    return scores


def table(found: Patterns) -> Floats:
    """Zeros, [P, K]."""
    return blank((len(found), found.classes), np.float64, found.folder)


def remarks(found: Patterns, classes: Sequence[str]) -> list[str]:
    """What people should know of the votes themselves, whatever combines them."""
    notes: list[str] = []
    rows, tally = found.rows, found.tally
    if rows == 0:
        return ["there are no rows to label"]
    voting = [v for v, n in zip(found.voters, tally.sum(axis=1), strict=True) if n]
    silent = [v for v, n in zip(found.voters, tally.sum(axis=1), strict=True) if not n]
    if not voting:
        return ["no voter votes on any row: no row gets a label"]
    if silent:
        notes.append(f"never vote{'s' if len(silent) == 1 else ''}: {', '.join(silent)}")
    gold = found.gold.by_class(found.classes) if found.gold is not None else np.zeros(found.classes, np.int64)
    missing = [c for c, n, g in zip(classes, tally.sum(axis=0), gold, strict=True) if not n and not g]
    if missing:
        notes.append(f"nobody votes for {', '.join(missing)}: no row can get {'it' if len(missing) == 1 else 'them'}")
    if len(voting) == 1:
        notes.append(f"only {voting[0]} votes: nothing can be learned from agreement")
    if found.unlabelled:
        notes.append(f"nobody votes on {found.unlabelled:,} of {rows:,} rows")
    return notes
