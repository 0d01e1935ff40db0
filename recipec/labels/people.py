"""How far people agree who answered the same rows.

For classes the measures are those of :mod:`recipec.labels.agreement`: Cohen's kappa for two people, Fleiss' kappa and
Krippendorff's alpha for all. For several classes a row they are means over the classes, each a question of yes or no. For marked
tokens two people are compared by the F1 of their spans (G. Hripcsak and A. S. Rothschild, "Agreement, the F-measure, and
reliability in information retrieval", JAMIA 12, 2005: kappa needs a count of the negatives, which spans do not have), and alpha
is over the tokens' types.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, Protocol


class Answer(Protocol):
    """What a person said of a row: classes (None where the person could not say), or marked tokens."""

    @property
    def answers(self) -> tuple[str, ...] | None: ...
    @property
    def answer(self) -> str | None: ...
    @property
    def spans(self) -> tuple[tuple[int, int, str], ...] | None: ...
    def tags(self) -> list[str] | None: ...


Said = Mapping[Any, Mapping[str, Answer | None]]
"""By row and person; None where a person gave several different answers."""


def agreement(said: Said, mode: str, classes: Sequence[str]) -> dict[str, Any]:
    """``people``: answers by person; ``pairs``: two people, the rows that both answered, the ``measure``'s value, and how many rows differ;
    ``fleiss`` and ``alpha`` over ``rows``, those that two or more answered."""
    people: dict[str, int] = {}
    both: dict[tuple[str, str], list[tuple[Answer, Answer]]] = {}
    table: list[dict[str, Answer]] = []
    for who in said.values():
        given = {w: a for w, a in sorted(who.items()) if a is not None and (a.answers is not None or a.spans is not None)}
        for worker in given:
            people[worker] = people.get(worker, 0) + 1
        fitting = {w: a for w, a in given.items() if (a.spans is not None) == (mode == "tags")}
        if len(fitting) > 1:
            table.append(fitting)
            for a, b in combinations(fitting, 2):
                both.setdefault((a, b), []).append((fitting[a], fitting[b]))
    known = list(classes)
    if mode != "tags":
        # Answers that are none of the classes now were given, and count as they were.
        known += sorted({c for row in table for a in row.values() for c in a.answers or ()} - set(classes))
    pairs = []
    for (a, b), rows in sorted(both.items()):
        differ = sum(x.answers != y.answers if mode == "class" else set(content(x)) != set(content(y)) for x, y in rows)
        value = span_f1(rows) if mode == "tags" else mean(kappa(rows, c) for c in known) if mode == "many" else kappa(rows, None, known)
        pairs.append({"a": a, "b": b, "rows": len(rows), "value": value, "differ": differ})
    fleiss, alpha = overall(table, mode, known)
    measure = "F1 of spans" if mode == "tags" else "Cohen's kappa"
    return {"people": people, "pairs": pairs, "measure": measure, "fleiss": fleiss, "alpha": alpha, "rows": len(table)}


def content(answer: Answer) -> Sequence[Any]:
    return answer.spans if answer.spans is not None else answer.answers or ()


def mean(values: Iterable[float | None]) -> float | None:
    kept = [v for v in values if v is not None]
    return sum(kept) / len(kept) if kept else None


def kappa(rows: Sequence[tuple[Answer, Answer]], wanted: str | None, classes: Sequence[str] = ()) -> float | None:
    """Cohen's kappa of two people: over the classes, or over whether they gave the one ``wanted``."""
    from recipec.labels.agreement import cohen

    size = 2 if wanted is not None else len(classes)
    place = {c: i for i, c in enumerate(classes)}
    table = [[0] * size for _ in range(size)]
    for a, b in rows:
        if wanted is not None:
            table[wanted in (a.answers or ())][wanted in (b.answers or ())] += 1
        elif a.answer in place and b.answer in place:
            table[place[a.answer]][place[b.answer]] += 1
    return cohen(table)


def span_f1(rows: Sequence[tuple[Answer, Answer]]) -> float | None:
    """Twice the spans that both marked alike, over the spans of both; None where neither marked any."""
    same = sum(len(set(a.spans or ()) & set(b.spans or ())) for a, b in rows)
    every = sum(len(a.spans or ()) + len(b.spans or ()) for a, b in rows)
    return 2 * same / every if every else None


def overall(table: Sequence[Mapping[str, Answer]], mode: str, classes: Sequence[str]) -> tuple[float | None, float | None]:
    """(Fleiss' kappa, Krippendorff's alpha)."""
    import numpy as np

    from recipec.labels.agreement import Pairable

    def measured(votes: list[list[int]], width: int) -> tuple[float | None, float | None]:
        if not votes:
            return None, None
        sums = Pairable(width)
        sums.add(np.asarray(votes, np.int64), np.ones(len(votes), np.int64))
        return sums.fleiss(), sums.alpha()

    if mode == "class":
        return measured([[sum(a.answer == c for a in row.values()) for c in classes] for row in table], max(len(classes), 1))
    if mode == "many":
        each = []
        for c in classes:
            yes = [sum(c in (a.answers or ()) for a in row.values()) for row in table]
            each.append(measured([[n, len(row) - n] for n, row in zip(yes, table, strict=True)], 2))
        return mean(f for f, _ in each), mean(a for _, a in each)
    counts: list[list[int]] = []
    place = {c: i for i, c in enumerate(["O", *classes])}
    for row in table:
        tags = [a.tags() or [] for a in row.values()]
        for token in zip(*tags, strict=False):
            votes = [0] * (len(place) + 1)
            for tag in token:
                votes[place.get(tag.partition("-")[2] or "O", len(place))] += 1
            counts.append(votes)
    return None, measured(counts, len(place) + 1)[1]
