"""Combining by what agreement tells of the voters: Dawid-Skene, one-coin, the label model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from recipec.labels.combined import Combined, Ties, accuracy_of, decide, remarks
from recipec.labels.em import Model, em, shares
from recipec.labels.label_model import learn
from recipec.labels.patterns import Floats, Patterns
from recipec.labels.simple import as_prior, finish


def by_em(
    name: str, found: Patterns, classes: Sequence[str], model: Model, *,
    iterations: int, tolerance: float, silence: bool, ties: Ties, gold: bool, prior: Sequence[float] | None,
) -> Combined:  # fmt: skip
    """EM on the patterns, with the rows of known class fixed where ``gold`` says so."""
    seen = found if gold else found.without_gold()
    fitted = em(seen, model, iterations=iterations, tolerance=tolerance, prior=as_prior(prior), silence=silence)
    notes = remarks(found, classes)
    voting = int((found.tally.sum(axis=1) > 0).sum())
    if fitted.silence and voting > 1:
        who, one = ", ".join(found.voters[j] for j in fitted.silence), len(fitted.silence) == 1
        it, its = ("it", "it is") if one else ("them", "they are")
        notes.append(
            f"{who} {'votes' if one else 'vote'} for one class only: nothing can be learned of {it} but from when {its} silent, so silence counts too"
        )
    if voting == 2:
        notes.append("two voters: which of them errs cannot be learned from their votes alone")
    if not fitted.converged:
        notes.append(f"still changing after {fitted.iterations} iterations")
    lost = [c for c, share, votes in zip(classes, fitted.prior, found.tally.sum(axis=0), strict=True) if votes and share * found.rows < 0.5]
    if lost:
        notes.append(f"no row is left for {', '.join(lost)}, though there are votes: compare with majority")
    return Combined(
        name, fitted.probabilities, decide(found, fitted.probabilities, ties), accuracy_of(fitted.counts), fitted.theta, fitted.prior,
        fitted.iterations, fitted.converged, fitted.likelihood, bool(gold and found.gold is not None and found.gold.total), tuple(notes),
    )  # fmt: skip


def dawid_skene(
    found: Patterns, classes: Sequence[str], *, iterations: int = 100, tolerance: float = 1e-5, smoothing: float = 0.01,
    silence: bool = True, ties: Ties = "abstain", gold: bool = True, prior: Sequence[float] | None = None,
) -> Combined:  # fmt: skip
    """Dawid and Skene's model of observers, each with a table of its own; see :mod:`recipec.labels.em`."""
    return by_em(
        "dawid_skene", found, classes, Model(smoothing), iterations=iterations, tolerance=tolerance, silence=silence,
        ties=ties, gold=gold, prior=prior,
    )  # fmt: skip


def one_coin_model(
    found: Patterns, classes: Sequence[str], *, iterations: int = 100, tolerance: float = 1e-5, smoothing: float = 0.01,
    silence: bool = True, ties: Ties = "abstain", gold: bool = True, prior: Sequence[float] | None = None,
) -> Combined:  # fmt: skip
    """Dawid-Skene with one number a voter: how often it is right."""
    return by_em(
        "one_coin", found, classes, Model(smoothing, pooled=True), iterations=iterations, tolerance=tolerance, silence=silence,
        ties=ties, gold=gold, prior=prior,
    )  # fmt: skip


def mace(
    found: Patterns, classes: Sequence[str], *, iterations: int = 100, tolerance: float = 1e-5, smoothing: float = 0.01,
    silence: bool = True, ties: Ties = "abstain", gold: bool = True, prior: Sequence[float] | None = None,
) -> Combined:  # fmt: skip
    """A voter knows the class, or votes by habit; see :meth:`recipec.labels.em.Model.copied`. Classes are equally frequent unless ``prior`` says."""
    share = prior if prior is not None else [1 / found.classes] * found.classes
    return by_em(
        "mace", found, classes, Model(smoothing, copying=True), iterations=iterations, tolerance=tolerance, silence=silence,
        ties=ties, gold=gold, prior=share,
    )  # fmt: skip


def label_model(
    found: Patterns, classes: Sequence[str], *, epochs: int = 500, rate: float = 0.01, momentum: float = 0.9, accuracy: float = 0.7,
    l2: float = 0.0, ties: Ties = "abstain", prior: Sequence[float] | None = None,
) -> Combined:  # fmt: skip
    """Snorkel's label model; see :mod:`recipec.labels.label_model`. Without ``prior`` gold gives the classes' shares, else they are even."""
    notes = remarks(found, classes)
    share = as_prior(prior)
    if share is None:
        share = np.full(found.classes, 1 / found.classes)
        if found.gold is not None and found.gold.total:
            # One row of each class, so that a class without gold can still be a label.
            share = (found.gold.by_class(found.classes) + 1.0) / (found.gold.total + found.classes)
            if found.gold.total < 30:
                notes.append(f"the classes' shares come from {found.gold.total} rows of gold only")
    # A class that nobody votes for takes no part.
    known = found.gold.by_class(found.classes) if found.gold is not None else np.zeros(found.classes)
    possible = (found.tally.sum(axis=0) > 0) | (known > 0)
    if possible.any() and not possible.all():
        share = np.where(possible, share, 1e-12)
        share = share / share.sum()
    voting = int((found.tally.sum(axis=1) > 0).sum())
    if voting < 3:
        if voting:
            notes.append(
                f"the label model needs three voters that vote, not {voting}: each is taken to be right {accuracy:.0%} of the time"
            )
        return replace(alike(found, classes, accuracy, share, ties), notes=tuple(notes))
    learned = learn(found, share, epochs=epochs, rate=rate, momentum=momentum, accuracy=accuracy, l2=l2)
    notes += learned.notes
    theta = np.swapaxes(learned.mu, 1, 2)
    return Combined(
        "label_model", learned.probabilities, decide(found, learned.probabilities, ties), learned.accuracy, shares(theta), share,
        learned.epochs, learned.converged, None, False, tuple(notes),
    )  # fmt: skip


def alike(found: Patterns, classes: Sequence[str], accuracy: float, share: Floats, ties: Ties) -> Combined:
    """Every voter is right with the same probability and errs evenly: nothing is learned."""
    k = found.classes
    odds = np.log(accuracy * max(k - 1, 1) / (1 - accuracy)) if k > 1 else 1.0
    probabilities = np.zeros((len(found), k))
    for block in found.blocks():
        scores = np.stack([(found.votes[block] == t).sum(axis=1) * odds for t in range(k)], axis=1) + np.log(share)
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities[block] = scores / scores.sum(axis=1, keepdims=True)
    return finish("label_model", found, classes, probabilities, ties, share)
