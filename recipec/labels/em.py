"""Expectation and maximisation over vote patterns, for Dawid-Skene and the one-coin model.

A. P. Dawid and A. M. Skene, "Maximum likelihood estimation of observer error-rates using the EM algorithm", Applied
Statistics 28 (1979). An abstention is a missing observation: it says nothing of the row's class.

Each pattern weighs as many rows as have it, so the result is that of EM on the rows. Voters are taken in groups whose
joint votes have at most 4,096 values: the log-likelihood of a group's votes is then one look-up and the counts of the maximisation one
histogram, instead of one for each voter. No matrix product is used: their sums depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from recipec.labels.patterns import Floats, Patterns, blank

LEAST: Final = 1e-10
"""No probability is taken to be smaller: one row must not make a class impossible for ever."""
_JOINT: Final = 4096


@dataclass(frozen=True)
class Fitted:
    """``theta[j, t, v]``: how often voter ``j`` votes ``v`` on a row of class ``t``, where it votes."""

    probabilities: Floats
    theta: Floats
    prior: Floats
    counts: Floats
    """Expected votes [m, t, v] under the last probabilities."""
    iterations: int
    converged: bool
    likelihood: float | None


class Coded:
    """The votes of patterns, several voters to a code."""

    def __init__(self, found: Patterns) -> None:
        self.found, self.classes, self.voters = found, found.classes, len(found.voters)
        base = self.classes + 1
        size = 1
        while base ** (size + 1) <= _JOINT:
            size += 1
        self.groups = [range(i, min(i + size, self.voters)) for i in range(0, self.voters, size)]
        self.codes: npt.NDArray[np.int32] = blank((len(self.groups), len(found)), np.int32, found.folder)
        for block in found.blocks():
            for g, group in enumerate(self.groups):
                code = np.zeros(block.stop - block.start, np.int32)
                for i, j in enumerate(group):
                    code += (found.votes[block, j].astype(np.int32) + 1) * base**i
                self.codes[g, block] = code

    def tables(self, values: Floats) -> list[Floats]:
        """For each group, [K, codes]: the sum over its voters of ``values[j, t, v]``, an abstention giving 0."""
        out = []
        for group in self.groups:
            table = np.zeros((self.classes, 1))
            for j in group:
                own = np.concatenate([np.zeros((self.classes, 1)), values[j]], axis=1)
                # A later voter's vote is a higher digit of the code.
                table = (own[:, :, None] + table[:, None, :]).reshape(self.classes, -1)
            out.append(table)
        return out

    def look_up(self, tables: list[Floats], block: slice) -> Floats:
        """The sum of the groups' table entries, [K, patterns of the block]."""
        out = np.zeros((self.classes, block.stop - block.start))
        for g, table in enumerate(tables):
            code = self.codes[g, block]
            for t in range(self.classes):
                out[t] += table[t].take(code)
        return out

    def histogram(self) -> list[Floats]:
        return [np.zeros((self.classes, (self.classes + 1) ** len(g))) for g in self.groups]

    def add(self, histogram: list[Floats], weights: Floats, where: slice | npt.NDArray[np.int64]) -> None:
        """Count the patterns ``where``, each with weights [K, patterns], by their codes."""
        for g, table in enumerate(histogram):
            code = self.codes[g, where]
            for t in range(self.classes):
                table[t] += np.bincount(code, weights=weights[t], minlength=table.shape[1])

    def by_voter(self, histogram: list[Floats]) -> Floats:
        """Counts [m, t, v] from the groups' histograms."""
        out = np.zeros((self.voters, self.classes, self.classes))
        base = self.classes + 1
        for group, table in zip(self.groups, histogram, strict=True):
            cube = table.reshape(self.classes, *[base] * len(group))
            for i, j in enumerate(group):
                axis = len(group) - i
                out[j] = cube.sum(axis=tuple(a for a in range(1, len(group) + 1) if a != axis))[:, 1:]
        return out


Maximise = Callable[[Floats], Floats]
"""From counts [m, t, v] to theta [m, t, v]."""


def em(
    found: Patterns,
    maximise: Maximise,
    *,
    iterations: int = 100,
    tolerance: float = 1e-5,
    prior: Floats | None = None,
    smoothing: float = 0.0,
) -> Fitted:
    """Run EM from the shares of votes. ``prior`` holds the classes' shares still; else they are learned.

    Stops when the mean log-likelihood of a row rises by less than ``tolerance``. Rows of known class count as that class
    throughout. Rows nobody votes on are left out and get the prior.
    """
    classes, m = found.classes, len(found.voters)
    coded = Coded(found)
    weight = np.where(found.voted > 0, found.counts, 0)
    fixed_counts, fixed_classes = coded.histogram(), np.zeros(classes)
    if found.gold is not None and found.gold.total:
        gold = found.gold
        weight = np.where(found.voted > 0, found.counts - gold.by_pattern(len(found)), 0)
        one_hot = np.zeros((classes, len(gold.rows)))
        one_hot[gold.label, np.arange(len(gold.rows))] = gold.rows
        coded.add(fixed_counts, one_hot, gold.pattern)
        fixed_classes = one_hot.sum(axis=1)
    fixed = coded.by_voter(fixed_counts)
    rows = float(weight.sum()) + float(fixed_classes.sum())

    def shares(mass: Floats) -> Floats:
        if prior is not None:
            return prior
        # A little of every class, as of every vote: a class must be able to come back.
        mass = mass + smoothing
        return mass / mass.sum() if mass.sum() > 0 else np.full(classes, 1 / classes)

    def maximised(histogram: list[Floats], mass: Floats) -> tuple[Floats, Floats, Floats]:
        counts = coded.by_voter(histogram) + fixed
        return counts, maximise(counts), shares(mass + fixed_classes)

    histogram, mass = coded.histogram(), np.zeros(classes)
    said = coded.tables(np.broadcast_to(np.eye(classes), (m, classes, classes)))
    for block in found.blocks():
        votes = coded.look_up(said, block)
        q = votes * (weight[block] / np.maximum(votes.sum(axis=0), 1))
        coded.add(histogram, q, block)
        mass += q.sum(axis=1)
    counts, theta, share = maximised(histogram, mass)

    before, likelihood, done, converged = -np.inf, 0.0, 0, rows == 0
    while done < iterations and not converged:
        logs = np.log(np.maximum(theta, LEAST))
        tables, log_share = coded.tables(logs), np.log(np.maximum(share, LEAST))
        # Rows of known class: their votes given the class.
        likelihood = float((fixed * logs).sum() + (fixed_classes * log_share).sum())
        histogram, mass = coded.histogram(), np.zeros(classes)
        for block in found.blocks():
            q, log_row = posterior(coded.look_up(tables, block), log_share)
            likelihood += float((log_row * weight[block]).sum())
            q *= weight[block]
            coded.add(histogram, q, block)
            mass += q.sum(axis=1)
        counts, theta, share = maximised(histogram, mass)
        likelihood /= rows
        done += 1
        converged = abs(likelihood - before) < tolerance
        before = likelihood
    probabilities = blank((len(found), classes), np.float64, found.folder)
    tables, log_share = coded.tables(np.log(np.maximum(theta, LEAST))), np.log(np.maximum(share, LEAST))
    for block in found.blocks():
        q, _ = posterior(coded.look_up(tables, block), log_share)
        probabilities[block] = q.T
    silent = found.voted == 0
    if silent.any():
        probabilities[silent] = share
    return Fitted(probabilities, theta, share, counts, done, converged, likelihood if rows else None)


def posterior(log_votes: Floats, log_share: Floats) -> tuple[Floats, Floats]:
    """Probabilities [K, n] and the log of their sum [n], from log-likelihoods [K, n], which are overwritten."""
    log_votes += log_share[:, None]
    best = log_votes.max(axis=0)
    log_votes -= best
    np.exp(log_votes, out=log_votes)
    whole = log_votes.sum(axis=0)
    log_votes /= whole
    return log_votes, best + np.log(whole)


def full(smoothing: float) -> Maximise:
    """Every voter has a table of its own: Dawid and Skene's model. ``smoothing`` is added to every cell."""

    def maximise(counts: Floats) -> Floats:
        cells = counts + smoothing
        whole = cells.sum(axis=2, keepdims=True)
        return np.where(whole > 0, cells / np.where(whole > 0, whole, 1), 1 / counts.shape[2])

    return maximise


def one_coin(smoothing: float) -> Maximise:
    """Every voter is right equally often, whatever the class, and errs evenly."""

    def maximise(counts: Floats) -> Floats:
        classes = counts.shape[1]
        right = np.einsum("jtt->j", counts) + smoothing
        whole = counts.sum(axis=(1, 2)) + smoothing * classes
        accuracy = np.where(whole > 0, right / np.where(whole > 0, whole, 1), 1 / classes)
        theta = np.repeat(((1 - accuracy) / max(classes - 1, 1))[:, None, None], classes, axis=1).repeat(classes, axis=2)
        theta[:, np.arange(classes), np.arange(classes)] = accuracy[:, None]
        return theta

    return maximise
