"""The truth from many people's answers: a table of worker, item and answer.

Thousands of workers each answer a few items, so there is no column a worker: votes are triplets, and a step of EM is a few
histograms over them. The models are those of :mod:`recipec.labels.em`. A worker who answers an item several times counts
several times, as observer 1 of Dawid and Skene's table does, who examined every patient three times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from recipec.api import literal, quote
from recipec.labels.agreement import Agreement, Pairable
from recipec.labels.combined import Ties
from recipec.labels.em import LEAST, Model, posterior
from recipec.labels.patterns import TIE, Floats, Votes

if TYPE_CHECKING:
    import duckdb

Method = Literal["majority", "dawid_skene", "one_coin"]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """``count[i]`` times worker ``worker[i]`` gave item ``item[i]`` the class ``label[i]``. All number from 0.

    ``gold[item]`` is the item's known class or -1. ``table`` is the temporary table (``_item`` BIGINT, ``item``) of the items, where there
    is one. ``strange`` answers were for no class, ``empty`` ones lacked worker, item or answer.
    """

    items: int
    workers: tuple[str, ...]
    classes: int
    item: Ints
    worker: Ints
    label: Ints
    count: Ints
    gold: Ints
    table: str = ""
    strange: int = 0
    empty: int = 0


@dataclass(frozen=True)
class Crowd:
    """What the answers say: for items as :class:`recipec.labels.combined.Combined` for patterns, and for workers.

    ``skill[w]`` is how often the worker is right, as estimated; ``confusion[w, t, v]`` how often it answers ``v`` on items of
    class ``t``; ``on_gold[w]`` is (right, answers) on items of known class.
    """

    probabilities: Floats
    decided: Votes
    skill: Floats
    confusion: Floats
    prior: Floats
    on_gold: tuple[tuple[int, int], ...]
    agreement: Agreement
    iterations: int = 0
    converged: bool = True
    likelihood: float | None = None
    tied: tuple[int, ...] = field(default=(), repr=False)
    """Items whose best classes are equally likely, where ties are left to chance: their label is -2 here, for the caller to draw."""
    notes: tuple[str, ...] = ()


def from_triplets(
    worker: npt.ArrayLike, item: npt.ArrayLike, label: npt.ArrayLike, classes: int,
    *, items: int | None = None, workers: Sequence[str] = (), gold: npt.ArrayLike | None = None,
) -> Answers:  # fmt: skip
    """Answers in memory, numbered from 0; the same triplet again counts again."""
    w, i, a = (np.asarray(x, np.int64) for x in (worker, item, label))
    if a.size and (a.min() < 0 or a.max() >= classes):
        raise ValueError(f"answers must be 0 to {classes - 1}")
    size = items if items is not None else int(i.max()) + 1 if i.size else 0
    names = tuple(workers) or tuple(f"worker_{n}" for n in range(int(w.max()) + 1 if w.size else 0))
    known = np.full(size, -1, np.int64) if gold is None else np.asarray(gold, np.int64)
    return Answers(size, names, classes, i, w, a, np.ones(len(a), np.int64), known)


def answers(
    con: duckdb.DuckDBPyConnection, relation: str, *, item: str, worker: str, answer: str, classes: Sequence[str],
    gold: str | None = None, scratch: str = "",
) -> Answers:  # fmt: skip
    """The answers in ``relation`` (a table's SQL name or a query in parentheses), by the columns named.

    ``gold`` is a column with the item's known class, null where it is not; of contradicting ones the least in the order of ``classes`` holds.
    Items and workers are numbered in the order of their values, so rows may come in any order.
    """
    names = literal([str(c) for c in classes])
    base, table, crew = quote(f"{scratch}answers"), quote(f"{scratch}items"), quote(f"{scratch}workers")
    known = f"list_position({names}, {quote(gold)}::VARCHAR)" if gold is not None else "NULL::INT"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {base} AS SELECT {quote(item)} AS item, {quote(worker)}::VARCHAR AS worker, "
        f"{quote(answer)} IS NULL AS blank, list_position({names}, {quote(answer)}::VARCHAR) - 1 AS label, min({known}) - 1 AS gold, "
        f"count(*) AS n FROM {relation} AS r GROUP BY ALL"
    )
    empty, strange = con.execute(
        "SELECT coalesce(sum(n) FILTER (item IS NULL OR worker IS NULL OR blank), 0)::BIGINT, coalesce(sum(n) FILTER "
        f"(item IS NOT NULL AND worker IS NOT NULL AND NOT blank AND label IS NULL), 0)::BIGINT FROM {base}"
    ).fetchall()[0]
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT (row_number() OVER (ORDER BY item) - 1)::BIGINT AS _item, item, gold "
        f"FROM (SELECT item, min(gold) AS gold FROM {base} WHERE item IS NOT NULL GROUP BY item) AS i"
    )
    use = "item IS NOT NULL AND worker IS NOT NULL AND label IS NOT NULL"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {crew} AS SELECT (row_number() OVER (ORDER BY worker) - 1)::BIGINT AS _worker, worker "
        f"FROM (SELECT DISTINCT worker FROM {base} WHERE {use}) AS w"
    )
    got = con.execute(
        f"SELECT i._item, w._worker, b.label, sum(b.n)::BIGINT AS n FROM {base} AS b JOIN {table} AS i USING (item) "
        f"JOIN {crew} AS w USING (worker) WHERE b.label IS NOT NULL GROUP BY ALL ORDER BY 1, 2, 3"
    ).fetchnumpy()
    truth = con.execute(f"SELECT coalesce(gold, -1)::BIGINT AS gold FROM {table} ORDER BY _item").fetchnumpy()["gold"]
    people = tuple(w for (w,) in con.execute(f"SELECT worker FROM {crew} ORDER BY _worker").fetchall())
    of_item, of_worker, label, count = (np.asarray(got[c], np.int64) for c in ("_item", "_worker", "label", "n"))
    con.execute(f"DROP TABLE {base}")
    return Answers(
        len(truth), people, len(classes), of_item, of_worker, label, count, np.asarray(truth, np.int64), table, int(strange), int(empty)
    )  # fmt: skip


def combine(
    found: Answers, *, method: Method = "dawid_skene", iterations: int = 100, tolerance: float = 1e-5, smoothing: float = 0.01,
    prior: Sequence[float] | None = None, ties: Ties = "abstain",
) -> Crowd:  # fmt: skip
    """The items' classes and the workers' skill.

    ``majority`` takes each class's share of the answers; ``dawid_skene`` learns a table for each worker, ``one_coin`` one number
    (see :mod:`recipec.labels.em` for the sources). Items of known class are that class, and teach the workers' tables. ``tolerance``
    is the least rise of an item's mean log-likelihood that goes on.
    """
    classes, crew = found.classes, len(found.workers)
    answered = np.bincount(found.item, weights=found.count, minlength=found.items) > 0
    known = found.gold >= 0
    counts = np.stack([np.bincount(found.item, weights=found.count * (found.label == t), minlength=found.items) for t in range(classes)])
    q = counts / np.maximum(counts.sum(axis=0), 1)
    one_hot = (found.gold[None, known] == np.arange(classes)[:, None]).astype(np.float64)
    q[:, known] = one_hot
    use = (answered | known).astype(np.float64)
    rows = float(use.sum())
    share_given = None if prior is None else np.asarray(prior, np.float64)
    cell = found.worker * classes + found.label

    def tables(q: Floats) -> Floats:
        """Answers by worker, class and answer, if the items are of each class so likely."""
        out: Floats = np.stack(
            [np.bincount(cell, weights=q[t, found.item] * found.count, minlength=crew * classes) for t in range(classes)]
        )
        return out.reshape(classes, crew, classes).swapaxes(0, 1)

    def shares(q: Floats) -> Floats:
        if share_given is not None:
            return share_given
        mass = (q * use).sum(axis=1) + (smoothing if method != "majority" else 0.0)
        return mass / mass.sum() if mass.sum() > 0 else np.full(classes, 1 / classes)

    maximise = Model(0.0 if method == "majority" else smoothing, pooled=method == "one_coin").tables
    done, converged, likelihood = 0, True, None
    if method != "majority" and rows:
        before, converged = -np.inf, False
        while done < iterations and not converged:
            log_theta = np.log(np.maximum(maximise(tables(q)), LEAST)).swapaxes(0, 1).reshape(classes, -1)
            log_share = np.log(np.maximum(shares(q), LEAST))
            votes: Floats = np.stack(
                [np.bincount(found.item, weights=log_theta[t].take(cell) * found.count, minlength=found.items) for t in range(classes)]
            )
            of_gold = votes[found.gold[known], known] + log_share[found.gold[known]]
            q, log_row = posterior(votes, log_share)
            total = float(log_row[answered & ~known].sum()) + float(of_gold.sum())
            q[:, known] = one_hot
            done += 1
            likelihood = total / rows
            converged = abs(likelihood - before) < tolerance
            before = likelihood
    share, table = shares(q), tables(q)
    silent = ~answered & ~known
    q[:, silent] = share[:, None]
    best = q.max(axis=0)
    alike = q >= best - TIE
    decided = alike.argmax(axis=0).astype(np.int16)
    tie = alike.sum(axis=0) > 1
    if ties != "first":
        decided[tie] = -1 if ties == "abstain" else -2
    decided[silent] = -1
    right = np.bincount(found.worker, weights=found.count * ((found.gold[found.item] == found.label) & known[found.item]), minlength=crew)
    judged = np.bincount(found.worker, weights=found.count * known[found.item], minlength=crew)
    given = table.sum(axis=(1, 2))
    sums = Pairable(classes)
    sums.add(counts.T, np.ones(found.items, np.int64))
    notes = remarks(found, answered)
    if not converged:
        notes.append(f"still changing after {done} iterations")
    return Crowd(
        np.ascontiguousarray(q.T), decided, np.einsum("wtt->w", table) / np.maximum(given, LEAST), maximise(table), share,
        tuple((int(r), int(n)) for r, n in zip(right, judged, strict=True)), Agreement(sums.fleiss(), sums.alpha(), (), int(sums.rows)),
        done, converged, likelihood, tuple(np.flatnonzero(tie & ~silent).tolist()) if ties == "random" else (), tuple(notes),
    )  # fmt: skip


def remarks(found: Answers, answered: npt.NDArray[np.bool_]) -> list[str]:
    """What people should know of the answers."""
    notes: list[str] = []
    if found.empty:
        notes.append(f"{found.empty:,} {'answer lacks its' if found.empty == 1 else 'answers lack their'} worker, item or answer")
    if found.strange:
        notes.append(f"{found.strange:,} {'answer is' if found.strange == 1 else 'answers are'} none of the classes")
    if not len(found.label):
        return [*notes, "there are no answers: no item gets a label"]
    if len(found.workers) == 1:
        notes.append(f"only worker {found.workers[0]} answers: nothing can be learned from agreement")
    elif int(np.bincount(found.item, weights=found.count).max()) == 1:
        notes.append("every item has one answer: nothing can be learned from agreement")
    silent = int((~answered & (found.gold < 0)).sum())
    if silent:
        notes.append(f"{silent:,} of {found.items:,} items {'has' if silent == 1 else 'have'} no answer")
    return notes
