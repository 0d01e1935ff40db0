"""Combining without learning from agreement: majority, weights, the first voter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recipec.labels.combined import Combined, Ties, accuracy_of, confusion_of, decide, expected, normalised, remarks, share_of, table
from recipec.labels.patterns import Floats, Patterns


def finish(
    name: str, found: Patterns, classes: Sequence[str], probabilities: Floats, ties: Ties, prior: Floats | None, notes: Sequence[str] = ()
) -> Combined:
    """What is believed of the voters when the probabilities are: their votes against them."""
    share = share_of(found, probabilities) if prior is None else prior
    silent = found.voted == 0
    if silent.any():
        probabilities[silent] = share
    against = (
        expected(found, np.where(silent[:, None], 0, probabilities)) if len(found) else np.zeros((len(found.voters), *share.shape * 2))
    )
    return Combined(
        name, probabilities, decide(found, probabilities, ties), accuracy_of(against), confusion_of(against), share,
        notes=(*remarks(found, classes), *notes),
    )  # fmt: skip


def weighted_shares(found: Patterns, weights: Floats) -> Floats:
    """The sum of the weights of the voters that vote for a class, [P, K]."""
    out = table(found)
    for block in found.blocks():
        part = out[block]
        for j, weight in enumerate(weights):
            vote = found.votes[block, j].astype(np.intp)
            at = np.flatnonzero(vote >= 0)
            part[at, vote[at]] += weight
        out[block] = part
    return out


def majority(found: Patterns, classes: Sequence[str], *, ties: Ties = "abstain", prior: Sequence[float] | None = None) -> Combined:
    """Each class's share of the votes."""
    shares = weighted_shares(found, np.ones(len(found.voters)))
    even = np.full(found.classes, 1 / found.classes)
    return finish("majority", found, classes, normalised(found, shares, even), ties, as_prior(prior))


def weighted(
    found: Patterns, classes: Sequence[str], weights: Sequence[float], *, ties: Ties = "abstain", prior: Sequence[float] | None = None
) -> Combined:
    """Each class's share of the votes' weights. Weights are not negative; a pattern of weight 0 in all is undecided."""
    shares = weighted_shares(found, np.asarray(weights, np.float64))
    nothing = shares.sum(axis=1) <= 0
    even = np.full(found.classes, 1 / found.classes)
    made = finish("weighted", found, classes, normalised(found, shares, even), ties, as_prior(prior))
    made.decided[nothing] = -1
    return made


def accuracy_on_gold(found: Patterns) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(right, votes) of each voter on rows of known class."""
    m = len(found.voters)
    right, cast = np.zeros(m, np.int64), np.zeros(m, np.int64)
    if found.gold is not None:
        votes = found.votes[found.gold.pattern]
        for j in range(m):
            right[j] = found.gold.rows[votes[:, j] == found.gold.label].sum()
            cast[j] = found.gold.rows[votes[:, j] >= 0].sum()
    return right, cast


def weighted_by_gold(found: Patterns, classes: Sequence[str], *, ties: Ties = "abstain", prior: Sequence[float] | None = None) -> Combined:
    """Votes weigh by the log-odds of their voter being right, as its accuracy on gold tells.

    These are the weights of the best vote of independent voters (S. Nitzan and J. Paroush, "Optimal decision rules in uncertain dichotomous
    choice situations", International Economic Review 23, 1982). Accuracies are smoothed by one right vote and as many wrong
    ones as there are other classes, so that a voter without gold weighs nothing.
    """
    right, cast = accuracy_on_gold(found)
    accuracy = (right + 1) / (cast + found.classes)
    weights = np.log(accuracy * max(found.classes - 1, 1) / (1 - accuracy)) if found.classes > 1 else np.ones(len(right))
    scores = weighted_shares(found, weights)
    share = as_prior(prior)
    if share is not None:
        scores += np.log(share)
    for block in found.blocks():
        part = scores[block]
        part = np.exp(part - part.max(axis=1, keepdims=True))
        scores[block] = part / part.sum(axis=1, keepdims=True)
    unknown = [v for v, n in zip(found.voters, cast, strict=True) if not n]
    who, one = ", ".join(unknown), len(unknown) == 1
    notes = (
        [f"there is no gold where {who} {'votes' if one else 'vote'}: {'its vote weighs' if one else 'their votes weigh'} nothing"]
        if unknown
        else []
    )
    return finish("weighted", found, classes, scores, ties, share, notes)


def first(found: Patterns, classes: Sequence[str], *, prior: Sequence[float] | None = None) -> Combined:
    """The vote of the first voter that votes. How sure: 1, or, where gold is known, the voter's smoothed accuracy on it."""
    right, cast = accuracy_on_gold(found)
    sure = (right + 1) / (cast + found.classes) if cast.any() and found.classes > 1 else np.ones(len(right))
    # Less sure than chance would turn the label into another; the order says that it stands.
    sure = np.where(cast > 0, np.minimum(np.maximum(sure, 1 / found.classes + 1e-6), 1.0), 1.0)
    out = table(found)
    for block in found.blocks():
        votes = found.votes[block]
        who = (votes >= 0).argmax(axis=1)
        vote = votes[np.arange(len(votes)), who].astype(np.intp)
        at = np.flatnonzero(vote >= 0)
        part = out[block]
        part[at] = ((1 - sure[who[at]]) / max(found.classes - 1, 1))[:, None]
        part[at, vote[at]] = sure[who[at]]
        out[block] = part
    return finish("first", found, classes, out, "first", as_prior(prior))


def as_prior(prior: Sequence[float] | None) -> Floats | None:
    return None if prior is None else np.asarray(prior, np.float64)
