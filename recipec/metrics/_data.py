"""What metrics measure: gold values beside predictions, checked once and held as arrays.

Each kind of data has a maker (:func:`class_data`, :func:`tag_data`, ...) that takes plain Python values, leaves out and counts the rows
that cannot be measured, and numbers classes; and ``take``, for slices and resamples. ``left_out`` maps a reason to its count of rows,
``kept`` holds the places in the input of the rows that stayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from recipec.api import DataError
from recipec.diagnostics import nearest

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]

NULL_GOLD = "gold is null"
SUM_TOLERANCE = 1e-3
"""How far from 1 the probabilities of a row may add up without a note: what 16-bit and 32-bit softmaxes leave."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What all data have: what the maker left out, and its rows, of which parts can be taken."""

    by_row: ClassVar[tuple[str, ...]]
    """The fields that hold something for each row, which is what ``take`` cuts; the first is never None."""

    left_out: Mapping[str, int] = field(default_factory=dict)
    kept: Ints | None = None
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return len(getattr(self, self.by_row[0]))

    def take(self, rows: Ints | Bools) -> Self:
        """These rows alone, by their places (one may come again) or by a mask."""
        cut: dict[str, Any] = {}
        places: list[int] | None = None
        for name in (*self.by_row, "kept"):
            whole = getattr(self, name)
            if isinstance(whole, list):
                places = np.arange(self.rows)[rows].tolist() if places is None else places
                cut[name] = [whole[i] for i in places]
            elif whole is not None:
                cut[name] = whole[rows]
        return replace(self, **cut)


@dataclass(frozen=True)
class ClassData(Rows):
    """One class a row. ``gold`` holds numbers of ``classes``; ``predicted`` too, or ``len(classes)`` for a row whose prediction is null or
    no class at all. ``probabilities`` has a column a class; a row of NaN stands for one without usable probabilities."""

    by_row = ("gold", "predicted", "probabilities")

    gold: Ints
    predicted: Ints
    classes: tuple[str, ...]
    probabilities: Floats | None = None

    def number(self, name: str) -> int:
        """The number of the class ``name``."""
        if name not in self.classes:
            raise unknown_class(name, self.classes)
        return self.classes.index(name)


@dataclass(frozen=True)
class MultiLabelData(Rows):
    """A set of classes a row, as rows of booleans over ``classes``; ``probabilities`` are independent, one a class."""

    by_row = ("gold", "predicted", "probabilities")

    gold: Bools
    predicted: Bools
    classes: tuple[str, ...]
    probabilities: Floats | None = None


@dataclass(frozen=True)
class TagData(Rows):
    """A tag a token: lists as long as each other, row by row."""

    by_row = ("gold", "predicted")

    gold: list[list[str]]
    predicted: list[list[str]]


@dataclass(frozen=True)
class TextData(Rows):
    """A text a row; ``gold`` holds each row's references, at least one."""

    by_row = ("gold", "predicted")

    gold: list[list[str]]
    predicted: list[str]


@dataclass(frozen=True)
class NumberData(Rows):
    """A number a row."""

    by_row = ("gold", "predicted")

    gold: Floats
    predicted: Floats


@dataclass(frozen=True)
class LossData(Rows):
    """What a language model gave to each row: the sum of its tokens' natural log-probabilities, and how many tokens were scored."""

    by_row = ("log_probability", "tokens")

    log_probability: Floats
    tokens: Floats


Data: TypeAlias = ClassData | MultiLabelData | TagData | TextData | NumberData | LossData


# Makers ---------------------------------------------------------------------------------------------------------------


def unknown_class(name: str, classes: Sequence[str]) -> DataError:
    guess = nearest(name, classes)
    return DataError(
        f"no class {name!r}", (f"did you mean {guess!r}? " if guess else "") + f"the classes are {', '.join(map(repr, classes))}"
    )


def count(items: Mapping[str, int]) -> dict[str, int]:
    return {k: n for k, n in items.items() if n}


def class_data(
    gold: Sequence[str | None],
    predicted: Sequence[str | None],
    probabilities: npt.ArrayLike | None = None,
    classes: Sequence[str] | None = None,
) -> ClassData:
    """One class a row. Without ``classes`` they are all that occur, sorted by code point; with ``probabilities`` (a column a class) they must be
    given. A gold value that is none of ``classes`` is an error; such a prediction is a wrong one.
    """
    same_length(gold, predicted)
    if classes is None:
        if probabilities is not None:
            raise DataError("probabilities came without the classes that their columns stand for")
        classes = sorted({v for v in gold if v is not None} | {v for v in predicted if v is not None})
    if len(set(classes)) < len(classes):
        raise DataError("a class is listed twice", f"the classes are {', '.join(map(repr, classes))}")
    k = len(classes)
    numbers: dict[Any, int] = {c: i for i, c in enumerate(classes)}
    look = numbers.get
    codes = np.fromiter((-1 if v is None else look(v, k) for v in gold), np.int64, len(gold))
    if (codes == k).any():
        strange = sorted({str(v) for v in gold if v is not None and v not in numbers})
        problem = unknown_class(strange[0], classes)
        raise DataError(f"gold holds {', '.join(map(repr, strange[:5]))}, which the classes do not list", problem.help)
    guesses = np.fromiter((look(v, k) for v in predicted), np.int64, len(predicted))
    keep = np.asarray(codes >= 0)
    notes: list[str] = []
    unanswered = sum(1 for v, kept in zip(predicted, keep, strict=True) if v is None and kept)
    other = int((guesses[keep] == k).sum()) - unanswered
    if unanswered:
        notes.append(f"{rows_of(unanswered)} without a prediction: counted as wrong")
    if other:
        notes.append(f"{rows_of(other)} predicted as none of the classes: counted as wrong")
    p = None
    if probabilities is not None:
        p, said = usable(np.asarray(probabilities, dtype=np.float64), len(gold), k)
        p = p[keep]
        notes += said
    return ClassData(
        codes[keep],
        guesses[keep],
        tuple(classes),
        p,
        left_out=count({NULL_GOLD: int((~keep).sum())}),
        kept=np.flatnonzero(keep),
        notes=tuple(notes),
    )


def usable(p: Floats, rows: int, k: int) -> tuple[Floats, list[str]]:
    """Probabilities that add up to 1; rows with NaN, infinite or negative ones, or nothing but zeros, become NaN."""
    if p.shape != (rows, k):
        raise DataError(f"probabilities have the shape {p.shape}, not {rows} rows of {k} classes")
    sums = p.sum(axis=1)
    with np.errstate(invalid="ignore"):
        bad = ~np.isfinite(sums) | (p < 0).any(axis=1) | (sums <= 0)
        off = ~bad & (np.abs(sums - 1) > SUM_TOLERANCE)
    notes = []
    if bad.any():
        notes.append(f"{rows_of(int(bad.sum()))} with missing, infinite or negative probabilities: left out of what needs them")
    if off.any():
        notes.append(f"{rows_of(int(off.sum()))} whose probabilities do not add up to 1: divided by their sum")
    # A sum that is off by rounding alone is left as it is, so that scores are those of the numbers given.
    scale = np.where(off, sums, 1.0)
    made = p / scale[:, None]
    made[bad] = np.nan
    return made, notes


def multilabel_data(
    gold: Sequence[Iterable[str] | None],
    predicted: Sequence[Iterable[str] | None],
    classes: Sequence[str] | None = None,
    probabilities: npt.ArrayLike | None = None,
) -> MultiLabelData:
    """A set of classes a row; a null prediction is the empty set."""
    same_length(gold, predicted)
    truth = [None if g is None else set(g) for g in gold]
    guess = [set(p) if p is not None else set() for p in predicted]
    if classes is None:
        if probabilities is not None:
            raise DataError("probabilities came without the classes that their columns stand for")
        classes = sorted(set().union(*(t for t in truth if t is not None), *guess))
    numbers = {c: i for i, c in enumerate(classes)}
    keep = np.array([t is not None for t in truth], dtype=bool)
    y, z = np.zeros((len(gold), len(classes)), dtype=bool), np.zeros((len(gold), len(classes)), dtype=bool)
    strange = 0
    for i, (t, g) in enumerate(zip(truth, guess, strict=True)):
        for name in t or ():
            if name not in numbers:
                raise unknown_class(name, classes)
            y[i, numbers[name]] = True
        for name in g:
            if name in numbers:
                z[i, numbers[name]] = True
            else:
                strange += t is not None
    notes: tuple[str, ...] = (f"{strange} predicted labels are none of the classes: not counted",) if strange else ()
    p = None
    if probabilities is not None:
        p = np.asarray(probabilities, dtype=np.float64)
        if p.shape != y.shape:
            raise DataError(f"probabilities have the shape {p.shape}, not {len(gold)} rows of {len(classes)} classes")
        bad: Bools = np.asarray(~np.isfinite(p).all(axis=1))
        if bad.any():
            notes = (*notes, f"{rows_of(int(bad.sum()))} with missing probabilities: left out of what needs them")
        p = np.where(bad[:, None], np.nan, p)[keep]
    left = count({NULL_GOLD: int((~keep).sum())})
    return MultiLabelData(y[keep], z[keep], tuple(classes), p, left_out=left, kept=np.flatnonzero(keep), notes=notes)


def tag_data(gold: Sequence[Sequence[str | None] | None], predicted: Sequence[Sequence[str | None] | None]) -> TagData:
    """A tag a token. A null tag is ``O``. A prediction shorter than its row (the model cut it) goes on with ``O``; a longer one is cut."""
    same_length(gold, predicted)
    kept: list[int] = []
    truth: list[list[str]] = []
    guess: list[list[str]] = []
    short = long = empty = 0
    for i, (g, p) in enumerate(zip(gold, predicted, strict=True)):
        if g is None:
            continue
        one = [t or "O" for t in g]
        other = [t or "O" for t in p or ()]
        empty += sum(not t for t in g)
        short += len(other) < len(one)
        long += len(other) > len(one)
        kept.append(i)
        truth.append(one)
        guess.append(other[: len(one)] + ["O"] * (len(one) - len(other)))
    notes = []
    if short:
        notes.append(f"{rows_of(short)} with fewer predicted tags than tokens: the rest counts as O")
    if long:
        notes.append(f"{rows_of(long)} with more predicted tags than tokens: what is over is not counted")
    if empty:
        notes.append(f"{empty} gold tags are null or empty: taken for O")
    left = count({NULL_GOLD: len(gold) - len(kept)})
    return TagData(truth, guess, left_out=left, kept=np.array(kept, dtype=np.int64), notes=tuple(notes))


def text_data(gold: Sequence[str | Sequence[str] | None], predicted: Sequence[str | None]) -> TextData:
    """A text a row; gold is one reference or several. No reference leaves the row out; a null prediction is the empty text."""
    same_length(gold, predicted)
    kept: list[int] = []
    truth: list[list[str]] = []
    for i, g in enumerate(gold):
        references = [g] if isinstance(g, str) else [r for r in g or () if r is not None]
        if references:
            kept.append(i)
            truth.append(references)
    guess = [predicted[i] for i in kept]
    silent = sum(p is None for p in guess)
    notes = (f"{rows_of(silent)} without a prediction: taken for empty texts",) if silent else ()
    left = count({NULL_GOLD: len(gold) - len(kept)})
    return TextData(truth, [p or "" for p in guess], left_out=left, kept=np.array(kept, dtype=np.int64), notes=notes)


def number_data(gold: npt.ArrayLike, predicted: npt.ArrayLike) -> NumberData:
    """A number a row; rows where either is null, NaN or infinite are left out."""
    y, z = np.asarray(gold, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    same_length(y, z)
    known: Bools = np.asarray(np.isfinite(y))
    keep: Bools = np.asarray(known & np.isfinite(z))
    left = count({NULL_GOLD: int((~known).sum()), "prediction is null": int((known & ~keep).sum())})
    return NumberData(y[keep], z[keep], left_out=left, kept=np.flatnonzero(keep))


def loss_data(log_probability: npt.ArrayLike, tokens: npt.ArrayLike) -> LossData:
    """Summed natural log-probabilities and token counts; rows where either is null, or no token was scored, are left out."""
    s, n = np.asarray(log_probability, dtype=np.float64), np.asarray(tokens, dtype=np.float64)
    same_length(s, n)
    known: Bools = np.asarray(~np.isnan(s) & np.isfinite(n))
    keep = np.asarray(known & (n > 0))
    left = count({"no log-probability": int((~known).sum()), "no token scored": int((known & ~keep).sum())})
    return LossData(s[keep], n[keep], left_out=left, kept=np.flatnonzero(keep))


def same_length(gold: Any, predicted: Any) -> None:
    if len(gold) != len(predicted):
        raise DataError(f"{len(gold)} gold values beside {len(predicted)} predictions", "both must come from the same rows")


def rows_of(n: int) -> str:
    return "1 row" if n == 1 else f"{n:,} rows"
