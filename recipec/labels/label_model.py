"""The label model of Snorkel: how right each voter is, from how often voters agree.

A. Ratner, B. Hancock, J. Dunnmon, F. Sala, S. Pandey, C. Ré, "Training complex models with multi-task weak supervision", AAAI
2019 (arXiv 1810.02840), voters taken to be independent given the class. With O the shares of rows on which vote a and vote
b come together, P the classes' shares on a diagonal and mu[a, y] how often vote a is cast on rows of class y, it minimises ::

    || O - mu P mu' ||^2 between different voters  +  || mu P 1 - diag O ||^2  +  l2^2 || mu - start ||^2

by gradient descent with momentum from a start at which every voter is right with the given accuracy. The steps are those of
the reference implementation; its start is scaled by a random number, ours is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recipec.labels.assignment import assignment
from recipec.labels.patterns import Floats, Patterns, blank


@dataclass(frozen=True)
class Learned:
    """``mu[j, v, y]``: how often voter ``j`` votes ``v`` on rows of class ``y``, abstentions counted."""

    probabilities: Floats
    mu: Floats
    prior: Floats
    accuracy: tuple[float | None, ...]
    epochs: int
    converged: bool
    loss: float
    notes: tuple[str, ...] = ()


def together(found: Patterns) -> Floats:
    """The share of rows on which vote ``v`` of voter ``i`` and vote ``w`` of voter ``j`` come together: [m * K, m * K]."""
    m, classes = len(found.voters), found.classes
    out = np.zeros((m * classes, m * classes))
    # Of many voters and classes few patterns at a time, so that a part has 32 MiB.
    step = max(1, (1 << 22) // max(m * classes, 1))
    for start in range(0, len(found), step):
        part = slice(start, min(start + step, len(found)))
        ones = np.zeros((part.stop - part.start, m, classes))
        for j in range(m):
            vote = found.votes[part, j].astype(np.intp)
            at = np.flatnonzero(vote >= 0)
            ones[at, j, vote[at]] = 1
        flat = ones.reshape(len(ones), -1)
        # Sums of whole numbers are exact in whatever order threads take them.
        out += (flat * found.counts[part, None].astype(np.float64)).T @ flat
    return out / max(found.rows, 1)


def learn(
    found: Patterns,
    prior: Floats,
    *,
    epochs: int = 500,
    rate: float = 0.01,
    momentum: float = 0.9,
    accuracy: float = 0.7,
    l2: float = 0.0,
    tolerance: float = 0.0,
) -> Learned:
    """Fit the model and give each pattern its probabilities, P(y) times mu[j, vote, y] over the voters that vote.

    ``prior`` holds the classes' shares, all above 0. Stops early when the loss falls by less than ``tolerance``. Where the loss
    rises without end, it starts again at half the rate and says so.
    """
    m, classes = len(found.voters), found.classes
    observed = together(found)
    cast = observed.diagonal().copy()
    start = np.zeros((m, classes, classes))
    own = np.arange(classes)
    start[:, own, own] = np.clip(cast.reshape(m, classes) * accuracy / prior, 0, 1)
    begin = start.reshape(m * classes, classes)
    apart = (np.arange(m * classes)[:, None] // classes != np.arange(m * classes)[None, :] // classes).astype(np.float64)
    notes: list[str] = []
    mu, loss, done, converged = begin, 0.0, 0, False
    for _ in range(20):
        mu, loss, done, converged = descend(observed, cast, apart, begin, prior, epochs, rate, momentum, l2, tolerance)
        if np.isfinite(loss):
            break
        rate /= 2
    else:
        mu, loss = begin, 0.0
    if not converged and done < epochs:
        notes.append("the label model did not settle; the voters are taken to be equally good")
    least = min(0.01, 10.0 ** -np.ceil(np.log10(max(found.rows, 1)))) if found.rows else 0.01
    mu = np.clip(mu, least, 1 - least)
    mu = matched(mu, prior, m)
    tables = mu.reshape(m, classes, classes)
    probabilities = apply(found, tables, prior)
    covered = cast.reshape(m, classes).sum(axis=1)
    right = np.einsum("jyy,y->j", tables, prior)
    believed = tuple(float(np.clip(r / c, 1e-6, 1)) if c > 0 else None for r, c in zip(right, covered, strict=True))
    return Learned(probabilities, tables, prior, believed, done, converged, loss, tuple(notes))


def apply(found: Patterns, mu: Floats, prior: Floats) -> Floats:
    """The probabilities of patterns under a learned ``mu``; they may be of other rows than it was learned from."""
    out: Floats = blank((len(found), found.classes), np.float64, found.folder)
    logs, log_prior = np.log(mu), np.log(prior)
    for block in found.blocks():
        row = np.tile(log_prior, (block.stop - block.start, 1))
        for j in range(len(found.voters)):
            vote = found.votes[block, j].astype(np.intp)
            row += np.where(vote[:, None] >= 0, logs[j][vote], 0)
        row -= row.max(axis=1, keepdims=True)
        np.exp(row, out=row)
        out[block] = row / row.sum(axis=1, keepdims=True)
    return out


def descend(
    observed: Floats, cast: Floats, apart: Floats, begin: Floats, prior: Floats,
    epochs: int, rate: float, momentum: float, l2: float, tolerance: float,
) -> tuple[Floats, float, int, bool]:  # fmt: skip
    """(mu, loss, epochs done, whether it settled); the loss is infinite where it ran away."""
    mu, speed = begin.copy(), np.zeros_like(begin)
    before, loss, done = np.inf, np.inf, 0
    first = np.inf
    with np.errstate(over="ignore", invalid="ignore"):
        for done in range(1, epochs + 1):
            off = (np.einsum("ay,by->ab", mu * prior, mu) - observed) * apart
            short = (mu * prior).sum(axis=1) - cast
            drawn = mu - begin
            loss = float((off**2).sum() + (short**2).sum() + l2**2 * (drawn**2).sum())
            first = loss if done == 1 else first
            if not np.isfinite(loss) or loss > 1e3 * max(first, 1.0):
                return begin, float("inf"), done, False
            if before - loss < tolerance and before >= loss and tolerance:
                return mu, loss, done, True
            before = loss
            # off is symmetric: each pair of votes counts twice, and each side of it is a factor.
            slope = 4 * np.einsum("ab,by->ay", off, mu) * prior + 2 * short[:, None] * prior + 2 * l2**2 * drawn
            speed = momentum * speed + slope
            mu = mu - rate * speed
    return mu, loss, done, done == epochs


def matched(mu: Floats, prior: Floats, voters: int) -> Floats:
    """Classes of equal share are told apart by the votes alone, up to their names: choose the names that trust the voters most."""
    classes = len(prior)
    trust = mu.reshape(voters, classes, classes).sum(axis=0) * prior
    """[v, y]: how often votes for ``v`` are cast on what the model calls ``y``."""
    out = mu.copy()
    alike = np.round(prior, 3)
    for share in np.unique(alike):
        group = np.flatnonzero(alike == share)
        if len(group) < 2:
            continue
        for i, j in enumerate(assignment(trust[np.ix_(group, group)])):
            out[:, group[i]] = mu[:, group[j]]
    return out
