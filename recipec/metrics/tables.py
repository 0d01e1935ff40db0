"""Tables of scores by class, label, entity type or tag, as scikit-learn's and seqeval's reports list them; how they are printed is in
``recipec.report.scores``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recipec.metrics import _counts
from recipec.metrics._base import Average
from recipec.metrics._data import ClassData, Floats, Ints, MultiLabelData, TagData, class_data
from recipec.metrics._entities import SchemeName, counts


@dataclass(frozen=True, slots=True)
class Line:
    """Precision, recall and F1 of a class or an average; ``support`` counts its gold rows (entities, tokens)."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Table:
    """``lines`` by class, ``averages`` below them; ``accuracy`` where rows have one class each."""

    lines: tuple[Line, ...]
    averages: tuple[Line, ...]
    accuracy: float | None = None
    notes: tuple[str, ...] = ()


def table_of(
    names: Sequence[str],
    right: Floats,
    predicted: Floats,
    gold: Floats,
    averages: Sequence[Average],
    accuracy: float | None,
    notes: Sequence[str],
    harmonic: bool = False,
) -> Table:
    def lines(of: Average, at: int = 0) -> tuple[float, float, float]:
        p, r, f = (
            float(_counts.averaged(w, of, right, predicted, gold, at, every=True, harmonic=harmonic)) for w in ("precision", "recall", "f1")
        )
        return p, r, f

    n = int(gold.sum())
    each = tuple(Line(name, *lines("binary", i), int(gold[i])) for i, name in enumerate(names))
    return Table(each, tuple(Line(f"{a} avg", *lines(a), n) for a in averages), accuracy, tuple(notes))


def class_table(data: ClassData) -> Table:
    """A line for each class that occurs in gold or in predictions, in the order of ``data.classes``; accuracy, macro and weighted averages."""
    table = _counts.confusion(data)
    k = len(data.classes)
    right, predicted, gold = np.diagonal(table).astype(np.float64), table.sum(axis=0)[:k], table.sum(axis=1)
    here = np.flatnonzero(predicted + gold > 0)
    accuracy = float(right.sum() / data.rows) if data.rows else None
    notes = (*data.notes, *_counts.occurrence(data.classes, predicted, gold, dropped=True))
    names = [data.classes[i] for i in here]
    return table_of(
        names, right[here], predicted[here].astype(np.float64), gold[here].astype(np.float64), ("macro", "weighted"), accuracy, notes
    )


def label_table(data: MultiLabelData) -> Table:
    """A line for each label; micro, macro and weighted averages, and that of rows (``samples``)."""
    right = data.gold & data.predicted
    of, predicted, gold = (x.sum(axis=0).astype(np.float64) for x in (right, data.predicted, data.gold))
    notes = (*data.notes, *_counts.occurrence(data.classes, predicted.astype(np.int64), gold.astype(np.int64), dropped=False))
    made = table_of(data.classes, of, predicted, gold, ("micro", "macro", "weighted"), None, notes)
    by_row = [x.sum(axis=1).astype(np.float64) for x in (right, data.predicted, data.gold)]
    means = [float(v.mean()) if data.rows else 0.0 for v in (_counts.ratio(by_row[0], by_row[1]), _counts.ratio(by_row[0], by_row[2]))]
    f1 = float(_counts.ratio(2 * by_row[0], by_row[1] + by_row[2]).mean()) if data.rows else 0.0
    samples = Line("samples avg", means[0], means[1], f1, int(gold.sum()))
    return Table(made.lines, (*made.averages, samples), None, made.notes)


def entity_table(data: TagData, strict: bool = False, scheme: SchemeName = "auto", suffix: bool = False) -> Table:
    """A line for each type of entity, sorted; micro, macro and weighted averages, as seqeval's report."""
    found = counts(data, strict, scheme, suffix)
    right, predicted, gold = found.counts.sum(axis=0)
    return table_of(found.types, right, predicted, gold, ("micro", "macro", "weighted"), None, found.notes, harmonic=True)


def tokens_as_classes(data: TagData) -> ClassData:
    """Each token as a row of its own, tags as classes."""
    return class_data([t for s in data.gold for t in s], [t for s in data.predicted for t in s])


def token_table(data: TagData, outside: bool = True) -> Table:
    """A line for each tag, tokens as rows, as scikit-learn's report of flattened tags; ``outside: false`` leaves ``O`` out."""
    rows = tokens_as_classes(data)
    if outside:
        return class_table(rows)
    table: Ints = _counts.confusion(rows)
    k = len(rows.classes)
    here = [i for i, c in enumerate(rows.classes) if c != "O"]
    right, predicted, gold = (x[here].astype(np.float64) for x in (np.diagonal(table), table.sum(axis=0)[:k], table.sum(axis=1)))
    names = [rows.classes[i] for i in here]
    return table_of(names, right, predicted, gold, ("micro", "macro", "weighted"), None, (*data.notes, "without the tag O"))


@dataclass(frozen=True)
class Confusion:
    """Counts of gold classes (rows) by predicted ones (columns); the last column, ``none``, where predictions are null or no class."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    none: tuple[int, ...]

    @property
    def rows(self) -> int:
        return sum(map(sum, self.counts)) + sum(self.none)


def confusion_matrix(data: ClassData) -> Confusion:
    """All of ``data.classes``, in their order, those too that never occur."""
    table = _counts.confusion(data)
    k = len(data.classes)
    return Confusion(data.classes, tuple(tuple(map(int, r[:k])) for r in table), tuple(int(r[k]) for r in table))
