"""Expectation and maximisation over vote patterns, for Dawid-Skene and the one-coin model.

A. P. Dawid and A. M. Skene, "Maximum likelihood estimation of observer error-rates using the EM algorithm", Applied
Statistics 28 (1979). An abstention is a missing observation: it says nothing of the row's class.

That leaves nothing to be learned of a rule that only ever votes for one class: whatever the truth, all its votes are for that
class. For such voters, and only for them, abstaining is the other answer that they give: the rule is judged by how often it
fires on rows of each class (a latent class model, as in the same paper). Otherwise rules would get the prior as their labels.

Each pattern weighs as many rows as have it, so the result is that of EM on the rows. Voters are taken in groups whose
joint votes have at most 4,096 values: the log-likelihood of a group's votes is then one look-up and the counts of the maximisation one
histogram, instead of one for each voter. No matrix product is used: their sums depend on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from recipec.labels.patterns import Floats, Patterns, blank

LEAST: Final = 1e-10
"""No probability is taken to be smaller: one row must not make a class impossible for ever."""
NEVER: Final = -700.0
"""The log of the share of a class that no row can be of; exp of it is still above zero."""
_JOINT: Final = 4096


@dataclass(frozen=True)
class Fitted:
    """``theta[j, t, v]``: how often voter ``j`` votes ``v`` on a row of class ``t``, where it votes."""

    probabilities: Floats
    theta: Floats
    prior: Floats
    counts: Floats
    """Expected votes [m, t, v] under the last probabilities."""
    silence: tuple[int, ...]
    """The voters whose abstentions count."""
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
        """For each group, [K, codes]: the sum over its voters of ``values[j, t, v]``, where ``v`` is 0 for an abstention, else the vote + 1."""
        out = []
        for group in self.groups:
            table = np.zeros((self.classes, 1))
            for j in group:
                # A later voter's vote is a higher digit of the code.
                table = (values[j][:, :, None] + table[:, None, :]).reshape(self.classes, -1)
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
        """Counts [m, t, v] from the groups' histograms, ``v`` being 0 for an abstention, else the vote + 1."""
        out = np.zeros((self.voters, self.classes, self.classes + 1))
        base = self.classes + 1
        for group, table in zip(self.groups, histogram, strict=True):
            cube = table.reshape(self.classes, *[base] * len(group))
            for i, j in enumerate(group):
                axis = len(group) - i
                out[j] = cube.sum(axis=tuple(a for a in range(1, len(group) + 1) if a != axis))
        return out


@dataclass(frozen=True)
class Model:
    """How votes depend on the class. ``pooled`` is the one-coin model: a voter is right equally often whatever the class, and errs
    evenly. ``copying`` is MACE: a voter knows the class or votes by habit. Else every voter has a table of its own. ``smoothing`` is added
    to every count of a table."""

    smoothing: float = 0.0
    pooled: bool = False
    copying: bool = False

    def tables(self, counts: Floats, before: Floats | None = None) -> Floats:
        """theta [m, t, v] from counts [m, t, v] of votes; even where nothing is known. ``before`` is the last theta (copying alone
        reads it)."""
        classes = counts.shape[1]
        if self.copying:
            return self.copied(counts, before)
        if not self.pooled:
            return shares(counts + self.smoothing)
        right = np.einsum("jtt->j", counts) + self.smoothing
        whole = counts.sum(axis=(1, 2)) + self.smoothing * classes
        accuracy = np.where(whole > 0, right / np.where(whole > 0, whole, 1), 1 / classes)
        theta = np.repeat(((1 - accuracy) / max(classes - 1, 1))[:, None, None], classes, axis=1).repeat(classes, axis=2)
        theta[:, np.arange(classes), np.arange(classes)] = accuracy[:, None]
        return theta

    def copied(self, counts: Floats, before: Floats | None) -> Floats:
        """theta [m, t, v] = knows * (t is v) + (1 - knows) * habit[v]: D. Hovy, T. Berg-Kirkpatrick, A. Vaswani, E. Hovy, "Learning whom to
        trust with MACE", NAACL 2013. Starts with every voter knowing half the time and no habit."""
        m, classes, _ = counts.shape
        own = np.arange(classes)
        if before is None:
            before = np.full((m, classes, classes), 0.5 / classes)
            before[:, own, own] += 0.5
        right = np.einsum("jtt->jt", before)
        # A vote that is right was known, or came by habit, which shows on rows of another class.
        habit = before[:, (own + 1) % classes, own]
        known = np.einsum("jtt->jt", counts) * np.clip((right - habit) / np.maximum(right, LEAST), 0, 1)
        by_habit = counts.sum(axis=1) - known + self.smoothing
        knows = known.sum(axis=1) + self.smoothing
        whole = knows + by_habit.sum(axis=1)
        share = np.where(whole > 0, knows / np.where(whole > 0, whole, 1), 0.0)
        theta = np.repeat((shares(by_habit[:, None, :])[:, 0] * (1 - share)[:, None])[:, None, :], classes, axis=1)
        theta[:, own, own] += share[:, None]
        return theta

    def firing(self, counts: Floats) -> Floats:
        """theta [n, t, 0 or vote + 1] of voters for one class only, whose abstentions are counted too."""
        classes = counts.shape[1]
        if self.pooled or self.copying:
            pooled = np.empty_like(counts)
            for j, table in enumerate(counts):
                own = int(table[:, 1:].sum(axis=0).argmax())
                others = np.arange(classes) != own
                pooled[j, own], pooled[j, others] = table[own], table[others].sum(axis=0)
            counts = pooled
        # The votes that it never casts are not smoothed: it cannot cast them.
        cast = counts.sum(axis=1, keepdims=True) > 0
        cast[:, :, 0] = True
        return shares(counts + self.smoothing * cast)


def shares(counts: Floats) -> Floats:
    """Counts as shares along the last axis; even where there are none."""
    whole = counts.sum(axis=2, keepdims=True)
    return np.where(whole > 0, counts / np.where(whole > 0, whole, 1), 1 / counts.shape[2])


def em(
    found: Patterns,
    model: Model,
    *,
    iterations: int = 100,
    tolerance: float = 1e-5,
    prior: Floats | None = None,
    silence: bool = True,
) -> Fitted:
    """Run EM from the shares of votes. ``prior`` holds the classes' shares still; else they are learned.

    Stops when the mean log-likelihood of a row rises by less than ``tolerance``. Rows of known class count as that class
    throughout. Rows nobody votes on get the prior. A class that nobody votes for, and that no known row has, is no row's. ``silence``
    lets the abstentions of voters for one class count (see above).
    """
    classes, m = found.classes, len(found.voters)
    coded, tally = Coded(found), found.tally
    quiet = np.flatnonzero((tally > 0).sum(axis=1) == 1) if silence and classes > 1 else np.zeros(0, np.int64)
    weight = found.counts if len(quiet) else np.where(found.voted > 0, found.counts, 0)
    fixed_counts, fixed_classes = coded.histogram(), np.zeros(classes)
    if found.gold is not None and found.gold.total:
        gold = found.gold
        weight = np.maximum(weight - gold.by_pattern(len(found)), 0)
        one_hot = np.zeros((classes, len(gold.rows)))
        one_hot[gold.label, np.arange(len(gold.rows))] = gold.rows
        coded.add(fixed_counts, one_hot, gold.pattern)
        fixed_classes = one_hot.sum(axis=1)
    fixed = coded.by_voter(fixed_counts)
    rows = float(weight.sum()) + float(fixed_classes.sum())
    possible = (tally.sum(axis=0) > 0) | (fixed_classes > 0)
    if not possible.any():
        possible[:] = True

    def shared(mass: Floats) -> Floats:
        # A little of every class, as of every vote: a class must be able to come back.
        mass = np.where(possible, mass + model.smoothing if prior is None else prior, 0.0)
        if not mass.sum() > 0:
            mass = possible.astype(np.float64)
        out: Floats = mass / mass.sum()
        return out

    def maximised(histogram: list[Floats], mass: Floats, before: Floats | None) -> tuple[Floats, Floats, Floats]:
        counts = coded.by_voter(histogram) + fixed
        last = before[:, :, 1:] if before is not None else None
        theta = np.concatenate([np.ones((m, classes, 1)), model.tables(counts[:, :, 1:], last)], axis=2)
        theta[quiet] = model.firing(counts[quiet])
        return counts, theta, shared(mass + fixed_classes)

    def logs(theta: Floats, share: Floats) -> tuple[Floats, Floats]:
        return np.log(np.maximum(theta, LEAST)), np.where(possible, np.log(np.maximum(share, LEAST)), NEVER)

    histogram, mass = coded.histogram(), np.zeros(classes)
    said = np.zeros((m, classes, classes + 1))
    said[:, np.arange(classes), np.arange(classes) + 1] = 1
    said_tables = coded.tables(said)
    for block in found.blocks():
        votes = coded.look_up(said_tables, block)
        votes[:, found.voted[block] == 0] = possible[:, None]
        q = votes * (weight[block] / votes.sum(axis=0))
        coded.add(histogram, q, block)
        mass += q.sum(axis=1)
    counts, theta, share = maximised(histogram, mass, None)

    before, likelihood, done, converged = -np.inf, 0.0, 0, rows == 0
    while done < iterations and not converged:
        log_theta, log_share = logs(theta, share)
        tables = coded.tables(log_theta)
        # Rows of known class: their votes given the class.
        likelihood = float((fixed * log_theta).sum() + (fixed_classes * log_share).sum())
        histogram, mass = coded.histogram(), np.zeros(classes)
        for block in found.blocks():
            q, log_row = posterior(coded.look_up(tables, block), log_share)
            likelihood += float((log_row * weight[block]).sum())
            q *= weight[block]
            coded.add(histogram, q, block)
            mass += q.sum(axis=1)
        counts, theta, share = maximised(histogram, mass, theta)
        likelihood /= rows
        done += 1
        converged = abs(likelihood - before) < tolerance
        before = likelihood
    probabilities = blank((len(found), classes), np.float64, found.folder)
    log_theta, log_share = logs(theta, share)
    tables = coded.tables(log_theta)
    for block in found.blocks():
        q, _ = posterior(coded.look_up(tables, block), log_share)
        q[:, found.voted[block] == 0] = share[:, None]
        probabilities[block] = q.T
    return Fitted(
        probabilities, shares(theta[:, :, 1:]), share, counts[:, :, 1:], tuple(quiet.tolist()), done, converged, likelihood if rows else None
    )  # fmt: skip


def posterior(log_votes: Floats, log_share: Floats) -> tuple[Floats, Floats]:
    """Probabilities [K, n] and the log of their sum [n], from log-likelihoods [K, n], which are overwritten."""
    log_votes += log_share[:, None]
    best = log_votes.max(axis=0)
    log_votes -= best
    np.exp(log_votes, out=log_votes)
    whole = log_votes.sum(axis=0)
    log_votes /= whole
    return log_votes, best + np.log(whole)
