"""What the votes of a label step look like, voter by voter and class by class, and where they fight.

Everything is counted on the vote patterns, so the cost does not grow with the rows. The measures of a rule are Snorkel's
(polarity, coverage, overlap, conflict).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from recipec.api import Json, literal, quote
from recipec.labels.agreement import Agreement, agreement
from recipec.labels.combined import Combined
from recipec.labels.patterns import TIE, Floats, Patterns
from recipec.labels.simple import accuracy_on_gold, majority

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class VoterFacts:
    """``polarity``: the classes it votes for. ``coverage``: the share of rows it votes on; ``overlap``: of rows where another votes
    too; ``conflict``: of rows where another votes otherwise. ``right`` of ``judged`` votes agree with gold; ``accuracy`` is
    their share, ``estimated`` what the combiner believes; both None where nothing is known."""

    name: str
    polarity: tuple[str, ...]
    votes: int
    coverage: float
    overlap: float
    conflict: float
    right: int
    judged: int
    accuracy: float | None
    estimated: float | None


@dataclass(frozen=True)
class ClassFacts:
    """``votes``: rows on which some voter votes for it; ``rows``: rows given the class, without those that ties leave to chance; ``share``: of
    all rows given one; ``expected``: rows of the class if the probabilities are right; ``gold``: rows known to be of it."""

    name: str
    votes: int
    rows: int
    share: float
    expected: float
    gold: int


@dataclass(frozen=True)
class Fight:
    """Rows with the same votes on which voters disagree: ``against`` of them would have to change their vote."""

    pattern: int
    rows: int
    against: int
    votes: tuple[tuple[str, str], ...]
    decided: str | None
    confidence: float


@dataclass(frozen=True)
class Score:
    """How often a way of combining is right on gold, over the rows of known class that someone votes on. A tie counts as the chance of
    drawing the right class; ``decided`` is the share of those rows without a tie."""

    combiner: str
    right: float
    rows: int
    decided: float

    @property
    def accuracy(self) -> float | None:
        return self.right / self.rows if self.rows else None


@dataclass(frozen=True)
class Analysis:
    rows: int
    patterns: int
    unlabelled: int
    """Rows nobody votes on."""
    undecided: int
    """Rows with votes and no label: ties that abstain."""
    voters: tuple[VoterFacts, ...]
    classes: tuple[ClassFacts, ...]
    fights: tuple[Fight, ...]
    agreement: Agreement
    scores: tuple[Score, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Json]:
        """Plain values, for a report."""
        out: dict[str, Json] = asdict(self)
        for written, score in zip(out["scores"], self.scores, strict=True):
            written["accuracy"] = score.accuracy
        return out


def analyse(
    found: Patterns, classes: Sequence[str], combined: Combined, *, refit: Callable[[Patterns], Combined] | None = None, fights: int = 10
) -> Analysis:
    """The facts. ``refit`` combines patterns as ``combined`` was made: where gold was fixed it combines once more without, so
    that the score on gold is earned. ``fights`` is how many patterns of disagreement to list."""
    rows, m, k = found.rows, len(found.voters), found.classes
    cover, overlap, conflict = np.zeros(m, np.int64), np.zeros(m, np.int64), np.zeros(m, np.int64)
    class_votes, given, hoped = np.zeros(k, np.int64), np.zeros(k, np.int64), np.zeros(k)
    undecided = 0
    worst: list[tuple[int, int, int]] = []
    for block in found.blocks():
        votes, counts, voted = found.votes[block], found.counts[block], found.voted[block]
        for_class = np.stack([(votes == t).sum(axis=1) for t in range(k)], axis=1)
        class_votes += ((for_class > 0) * counts[:, None]).sum(axis=0)
        cast = votes >= 0
        fought = voted > for_class.max(axis=1)
        cover += (cast * counts[:, None]).sum(axis=0)
        overlap += (cast & (voted > 1)[:, None]).T.astype(np.int64) @ counts
        # Two classes or more are voted for: whoever votes is contradicted by someone.
        conflict += (cast & fought[:, None]).T.astype(np.int64) @ counts
        decided = combined.decided[block]
        given += np.bincount(decided[decided >= 0], weights=counts[decided >= 0], minlength=k).astype(np.int64)
        undecided += int(counts[(decided == -1) & (voted > 0)].sum())
        hoped += (combined.probabilities[block] * np.where(voted > 0, counts, 0)[:, None]).sum(axis=0)
        at = np.flatnonzero(fought)
        against = (voted - for_class.max(axis=1))[at]
        order = np.lexsort((at, -counts[at], -against))[:fights]
        worst += [(int(against[o]), int(counts[at[o]]), int(at[o]) + block.start) for o in order]
    worst = sorted(worst, key=lambda w: (-w[0], -w[1], w[2]))[:fights]
    right, judged = accuracy_on_gold(found)
    tally = found.tally
    whole = max(rows, 1)
    # Where heads are counted, who votes alone is right by definition: nothing is learned of it.
    counted = combined.combiner in ("majority", "first")
    believed = [None if counted and not overlap[j] else a for j, a in enumerate(combined.accuracy)]
    facts = tuple(
        VoterFacts(
            name, tuple(c for c, n in zip(classes, tally[j], strict=True) if n), int(cover[j]), cover[j] / whole, overlap[j] / whole,
            conflict[j] / whole, int(right[j]), int(judged[j]), int(right[j]) / int(judged[j]) if judged[j] else None, believed[j],
        )
        for j, name in enumerate(found.voters)
    )  # fmt: skip
    known = found.gold.by_class(k) if found.gold is not None else np.zeros(k, np.int64)
    labelled = max(int(given.sum()), 1)
    by_class = tuple(
        ClassFacts(c, int(class_votes[t]), int(given[t]), int(given[t]) / labelled, float(hoped[t]), int(known[t]))
        for t, c in enumerate(classes)
    )
    fighting = tuple(
        Fight(
            p, n, a, tuple((v, classes[int(x)]) for v, x in zip(found.voters, found.votes[p], strict=True) if x >= 0),
            classes[int(combined.decided[p])] if combined.decided[p] >= 0 else None, float(combined.probabilities[p].max()),
        )
        for a, n, p in worst
    )  # fmt: skip
    scores, notes = compare(found, classes, combined, refit)
    return Analysis(
        rows, len(found), found.unlabelled, undecided, facts, by_class, fighting, agreement(found), scores, (*combined.notes, *notes)
    )


def score(found: Patterns, combined: Combined) -> Score:
    """How often ``combined`` is right on the rows of known class; what it was told of them in advance does not count."""
    gold = found.gold
    if gold is None or not gold.total:
        return Score(combined.combiner, 0.0, 0, 0.0)
    use = found.voted[gold.pattern] > 0
    credit, single = credits(combined.probabilities[gold.pattern[use]], gold.label[use])
    rows = gold.rows[use]
    n = int(rows.sum())
    return Score(combined.combiner, float((credit * rows).sum()), n, int(rows[single].sum()) / n if n else 0.0)


def credits(
    probabilities: Floats, label: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """(the chance that a label drawn from the most probable classes is right, whether there is only one)."""
    alike = probabilities >= probabilities.max(axis=1, keepdims=True) - TIE
    size = alike.sum(axis=1)
    return alike[np.arange(len(label)), label] / size, size == 1


def compare(
    found: Patterns, classes: Sequence[str], combined: Combined, refit: Callable[[Patterns], Combined] | None
) -> tuple[tuple[Score, ...], tuple[str, ...]]:
    """Majority and the combiner on gold, and what to say where the combiner is no better."""
    if found.gold is None or not found.gold.total:
        return (), ()
    plain = majority(found, classes)
    used = combined
    if combined.fixed and refit is not None:
        used = refit(found.without_gold())
    first = score(found, plain)
    if not first.rows:
        return (), ("nobody votes on a row of known class: nothing can be said of accuracy",)
    if combined.combiner == "majority":
        return (first,), ()
    second = score(found, used)
    notes: tuple[str, ...] = ()
    if first.right > second.right + 1e-9:
        gold = found.gold
        use = found.voted[gold.pattern] > 0
        a, _ = credits(plain.probabilities[gold.pattern[use]], gold.label[use])
        b, _ = credits(used.probabilities[gold.pattern[use]], gold.label[use])
        # The sign test on the rows on which they differ (McNemar).
        rows = gold.rows[use].astype(np.float64)
        better, worse = float((rows * np.maximum(a - b, 0)).sum()), float((rows * np.maximum(b - a, 0)).sum())
        chance = "" if better - worse > 1.96 * (better + worse) ** 0.5 else ", which may be chance"
        notes = (
            f"on gold plain majority is right more often than {combined.combiner}: {first.right / first.rows:.1%} to "
            f"{second.right / second.rows:.1%} of {first.rows:,} rows{chance}",
        )
    return (first, second), notes


def keys(con: duckdb.DuckDBPyConnection, found: Patterns, pattern: int, limit: int = 5) -> list[object]:
    """The keys of rows with a pattern, the least first."""
    if not found.table:
        return []
    on = " AND ".join(f"({code}) = p._code{g}" for g, code in enumerate(found.codes))
    query = f"SELECT r._key FROM {found.relation} AS r JOIN {found.table} AS p ON {on} WHERE p._pattern = {int(pattern)} ORDER BY 1 LIMIT {int(limit)}"
    return [k for (k,) in con.execute(query).fetchall()]


def yes_or_no(relation: str, voters: Sequence[str], label: int, *, exhaustive: Sequence[str] = (), gold: str | None = None) -> str:
    """One class of a multi-label step as a problem of two classes (0 no, 1 yes): a query in parentheses, for
    :func:`recipec.labels.patterns.patterns`.

    Voters' columns are lists of classes, null for an abstention. A voter among ``exhaustive`` (a classifier, a person) says no to
    the classes that it does not list; another (a rule) says nothing of them. Gold lists every class of its row.
    """

    def column(name: str, complete: bool) -> str:
        column = quote(name)
        no = "0" if complete else "NULL"
        return f"CASE WHEN {column} IS NULL THEN NULL WHEN list_contains({column}, {literal(int(label))}) THEN 1 ELSE {no} END::TINYINT AS {column}"

    told = [column(v, v in exhaustive) for v in voters]
    if gold is not None:
        told.append(column(gold, True))
    return f"(SELECT _key, {', '.join(told)} FROM {relation} AS m)"
