"""Vote patterns: rows with the same votes are one row with a count.

A label model sees a row only by its votes. A thousand million rows voted on by ten rules of two classes have at most 3**10
patterns, so what is learned from the patterns costs the same however many the rows are. DuckDB finds the patterns in one
pass: the votes of a row are the digits of one number (several, where one of 62 bits is too small), 0 for an abstention and
``class + 1`` otherwise, so that grouping and joining work on whole numbers.

Where nearly every row has a pattern of its own nothing is saved, but nothing breaks: what is learned reads the patterns block
by block, and arrays above 256 MiB live in files.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from recipec.api import DataError, quote
from recipec.rand import unit

if TYPE_CHECKING:
    import duckdb

    from recipec.labels.combined import Combined

Votes = npt.NDArray[np.int16]
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BLOCK: Final = 1 << 16
"""Patterns that are looked at together: 64 Ki rows of a dozen columns stay in a core's cache."""
FILED: Final = 1 << 28
"""Bytes from which an array lives in a file."""
_FETCH: Final = 1 << 20
_CODE: Final = 1 << 62
_FEW: Final = 1 << 20
"""So many possible patterns are counted in an array of all of them."""
TIE: Final = 1e-9
"""Probabilities that differ by less are equal: they came about by sums in another order."""


def blank(shape: tuple[int, ...], dtype: npt.DTypeLike, folder: Path | None = None) -> npt.NDArray[Any]:
    """An array of zeros; in an anonymous file under ``folder`` (None: the system's) when it is larger than ``FILED``."""
    if int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize <= FILED:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, dtype=dtype, mode="w+", shape=shape)


@dataclass(frozen=True)
class Gold:
    """Known classes, as counts: ``rows[i]`` rows of pattern ``pattern[i]`` are of class ``label[i]``. Sorted by both."""

    pattern: Counts
    label: Counts
    rows: Counts

    @cached_property
    def total(self) -> int:
        """Rows whose class is known."""
        return int(self.rows.sum())

    def by_class(self, classes: int) -> Counts:
        """Rows of each class."""
        return np.bincount(self.label, weights=self.rows, minlength=classes).astype(np.int64)

    def by_pattern(self, patterns: int) -> Counts:
        """Rows of each pattern whose class is known."""
        return np.bincount(self.pattern, weights=self.rows, minlength=patterns).astype(np.int64)


@dataclass(frozen=True)
class Patterns:
    """The distinct votes of a table. ``votes[p, j]`` is voter ``j``'s class in pattern ``p``, or -1 where it abstains;
    ``counts[p]`` is how many rows have the pattern. Patterns are in order of their votes, the last voter's first.

    ``table`` and ``codes`` say how DuckDB finds a row's pattern (see :func:`back`); a Patterns made from arrays has none.
    """

    voters: tuple[str, ...]
    classes: int
    votes: Votes
    counts: Counts
    gold: Gold | None = None
    table: str = ""
    codes: tuple[str, ...] = ()
    relation: str = ""
    gold_sql: str = ""
    folder: Path | None = field(default=None, compare=False)
    place: Counts | None = field(default=None, compare=False, repr=False)
    """The pattern of each row, where the rows were in memory: ``probabilities[place]`` are the rows'."""

    @property
    def rows(self) -> int:
        return int(self.counts.sum())

    def __len__(self) -> int:
        return len(self.counts)

    def blocks(self) -> Iterator[slice]:
        """The patterns in stretches of ``BLOCK``."""
        for start in range(0, len(self.counts), BLOCK):
            yield slice(start, min(start + BLOCK, len(self.counts)))

    @cached_property
    def voted(self) -> npt.NDArray[np.int32]:
        """How many voters vote, by pattern."""
        out: npt.NDArray[np.int32] = np.zeros(len(self.counts), np.int32)
        for block in self.blocks():
            out[block] = (self.votes[block] >= 0).sum(axis=1)
        return out

    @cached_property
    def tally(self) -> Counts:
        """Rows by voter and class voted for, [m, K]."""
        out = np.zeros((len(self.voters), self.classes), np.int64)
        for block in self.blocks():
            for j in range(len(self.voters)):
                found = np.bincount(self.votes[block, j].astype(np.intp) + 1, weights=self.counts[block], minlength=self.classes + 1)
                out[j] += found[1:].astype(np.int64)
        return out

    @property
    def unlabelled(self) -> int:
        """Rows that nobody votes on."""
        return int(self.counts[self.voted == 0].sum())

    def without_gold(self) -> Patterns:
        """The same votes with no class known, to learn as if there were no gold."""
        return Patterns(
            self.voters, self.classes, self.votes, self.counts, None, self.table, self.codes, self.relation, "", self.folder, self.place
        )


def from_votes(
    votes: npt.ArrayLike, classes: int, *, voters: Sequence[str] = (), gold: npt.ArrayLike | None = None, distinct: bool = True
) -> Patterns:
    """Patterns of votes that are in memory, [n, m] with -1 for an abstention; ``gold`` [n] with -1 for unknown.

    ``distinct: False`` leaves every row a pattern of its own, in its place. The result has no table to join back to.
    """
    given = np.asarray(votes, dtype=np.int16)
    if given.ndim != 2:
        raise ValueError("votes are a table: rows by voters")
    if given.size and (given.max() >= classes or given.min() < -1):
        raise ValueError(f"votes must be -1 to {classes - 1}")
    names = tuple(voters) or tuple(f"voter_{j}" for j in range(given.shape[1]))
    if distinct and len(given):
        table, place, counts = _distinct(given, classes)
    else:
        table, place, counts = given, np.arange(len(given)), np.ones(len(given), np.int64)
    known: Gold | None = None
    if gold is not None:
        truth = np.asarray(gold, dtype=np.int64)
        if truth.size and (truth.max() >= classes or truth.min() < -1):
            raise ValueError(f"gold must be -1 to {classes - 1}")
        at = truth >= 0
        cells, rows = np.unique(place[at].astype(np.int64) * classes + truth[at], return_counts=True)
        known = Gold(cells // classes, cells % classes, rows.astype(np.int64))
    return Patterns(names, classes, table, counts.astype(np.int64), known, place=place)


def _distinct(given: Votes, classes: int) -> tuple[Votes, Counts, Counts]:
    """(patterns, each row's place in them, rows of each), in the order of DuckDB's codes: the last voter's vote decides first."""
    base, m = classes + 1, given.shape[1]
    if base**m >= _CODE:
        flipped, inverse, counts = np.unique(given[:, ::-1], axis=0, return_inverse=True, return_counts=True)
        return np.ascontiguousarray(flipped[:, ::-1]), inverse.reshape(-1), counts
    code = np.zeros(len(given), np.int64)
    for j in range(m):
        code += (given[:, j].astype(np.int64) + 1) * base**j
    if base**m <= max(_FEW, len(given)):
        every = np.bincount(code, minlength=1)
        codes = np.flatnonzero(every)
        counts = every[codes]
        number = np.zeros(len(every), np.int64)
        number[codes] = np.arange(len(codes))
        place: Counts = number.take(code)
    else:
        codes, inverse, counts = np.unique(code, return_inverse=True, return_counts=True)
        place = inverse.reshape(-1)
    table: Votes = np.empty((len(codes), m), np.int16)
    for j in range(m):
        codes, digit = np.divmod(codes, base)
        table[:, j] = digit - 1
    return table, place, counts


def patterns(
    con: duckdb.DuckDBPyConnection,
    relation: str,
    voters: Sequence[str],
    classes: int,
    *,
    gold: str | None = None,
    scratch: str = "",
    folder: Path | None = None,
) -> Patterns:
    """The distinct votes of ``relation`` (a table's SQL name, or a query in parentheses).

    ``voters`` are names of integer columns: a class from 0 to ``classes`` - 1, or null where the voter abstains. ``gold`` is
    such a column with the known classes. ``scratch`` begins the names of the temporary tables made, which
    :func:`back` reads; ``folder`` takes arrays too large for memory.

    Raises :class:`DataError` for a class that is not there.
    """
    if not voters:
        raise ValueError("patterns need a voter")
    columns = [*voters, *([gold] if gold is not None else [])]
    bounds = con.execute(
        "SELECT " + ", ".join(f"min({quote(c)})::BIGINT, max({quote(c)})::BIGINT" for c in columns) + f" FROM {relation} AS r"
    ).fetchall()[0]
    for i, column in enumerate(columns):
        low, high = bounds[2 * i], bounds[2 * i + 1]
        if low is not None and (low < 0 or high >= classes):
            wrong = low if low < 0 else high
            who = "gold" if i == len(voters) else f"voter `{column}`"
            raise DataError(f"{who} has class {wrong}; there are classes 0 to {classes - 1}")
    base, per = classes + 1, 1
    while base ** (per + 1) < _CODE:
        per += 1
    groups = [list(voters[i : i + per]) for i in range(0, len(voters), per)]
    codes = tuple(" + ".join(f"coalesce({quote(v)}::BIGINT + 1, 0) * {base**i}" for i, v in enumerate(group)) for group in groups)
    names = [f"_code{g}" for g in range(len(codes))]
    table = quote(f"{scratch}patterns")
    selected = ", ".join(f"{code} AS {name}" for code, name in zip(codes, names, strict=True))
    order = ", ".join(reversed(names))
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT (row_number() OVER (ORDER BY {order}) - 1)::BIGINT AS _pattern, {', '.join(names)}, "
        f"_rows FROM (SELECT {', '.join(names)}, count(*) AS _rows FROM (SELECT {selected} FROM {relation} AS r) AS c GROUP BY ALL) AS g "
        f"ORDER BY {order}"
    )
    count = int(con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])
    votes = blank((count, len(voters)), np.int16, folder)
    counts = blank((count,), np.int64, folder)
    for start in range(0, count, _FETCH):
        part = con.execute(f"SELECT * FROM {table} WHERE _pattern BETWEEN {start} AND {start + _FETCH - 1} ORDER BY _pattern").fetchnumpy()
        stop = start + len(part["_pattern"])
        counts[start:stop] = part["_rows"]
        for g, group in enumerate(groups):
            code = np.asarray(part[names[g]], np.int64)
            for i in range(len(group)):
                code, digit = np.divmod(code, base)
                votes[start:stop, g * per + i] = digit - 1
    known: Gold | None = None
    if gold is not None:
        found = con.execute(
            f"SELECT p._pattern, c._gold, count(*) AS _rows FROM (SELECT {selected}, {quote(gold)}::BIGINT AS _gold FROM {relation} AS r "
            f"WHERE {quote(gold)} IS NOT NULL) AS c JOIN {table} AS p USING ({', '.join(names)}) GROUP BY ALL ORDER BY 1, 2"
        ).fetchnumpy()
        known = Gold(*(np.asarray(found[c], np.int64) for c in ("_pattern", "_gold", "_rows")))
    return Patterns(tuple(voters), classes, votes, counts, known, table, codes, relation, quote(gold) if gold is not None else "", folder)


def back(
    con: duckdb.DuckDBPyConnection, found: Patterns, combined: Combined, *, scratch: str = "", seed: int = 0, salt: str = "label"
) -> str:
    """A SELECT that gives every row of the relation its label, by its pattern.

    ================== =========== =====================================================================================
    ``_key``           as there    the row
    ``_label``         SMALLINT    its class; null where nobody votes on it, or a tie abstains
    ``_confidence``    DOUBLE      the greatest of its probabilities, 0 to 1; also where the label is null
    ``_probabilities`` DOUBLE[]    by class; the classes' prior where nobody votes
    ``_fixed``         BOOLEAN     the label is the row's gold (``combined.fixed``), not an estimate
    ``_pattern``       BIGINT      its place in ``found``
    ================== =========== =====================================================================================

    Ties that are to be broken by chance are broken here, by the row's key: the same row always falls to the same side.
    The query reads a temporary table named ``scratch`` + ``labels``, made now.
    """
    if not found.table:
        raise ValueError("these patterns were not made from a table")
    classes = found.classes
    table = quote(f"{scratch}labels")
    listed = "[" + ", ".join(f"_p{k}" for k in range(classes)) + "]"
    tied = f"list_filter(range({classes}), lambda k: {listed}[k + 1] >= list_max({listed}) - {TIE!r})"
    names = [f"_code{g}" for g in range(len(found.codes))]
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} (_pattern BIGINT, {', '.join(f'{n} BIGINT' for n in names)}, _label SMALLINT, _confidence DOUBLE, "
        "_probabilities DOUBLE[], _tied BIGINT[])"
    )
    for start in range(0, len(found), _FETCH):
        part = slice(start, min(start + _FETCH, len(found)))
        columns: dict[str, npt.NDArray[Any]] = {
            "_pattern": np.arange(part.start, part.stop, dtype=np.int64), "_label": np.ascontiguousarray(combined.decided[part])
        }  # fmt: skip
        columns |= {f"_p{k}": np.ascontiguousarray(combined.probabilities[part, k]) for k in range(classes)}
        con.register("_labels_of_patterns", columns)
        try:
            con.execute(
                f"INSERT INTO {table} SELECT p._pattern, {', '.join(f'p.{n}' for n in names)}, CASE WHEN _label >= 0 THEN _label END, "
                f"list_max({listed}), {listed}, CASE WHEN _label = {combined.BY_CHANCE} THEN {tied} END "
                f"FROM _labels_of_patterns AS l JOIN {found.table} AS p USING (_pattern)"
            )
        finally:
            con.unregister("_labels_of_patterns")
    label = "t._label"
    if combined.by_chance:
        label = f"coalesce(t._label, t._tied[1 + floor({unit(seed, f'{salt}:ties', 'r._key')} * len(t._tied))::BIGINT])"
    confidence, probabilities, fixed = "t._confidence", "t._probabilities", "false"
    if combined.fixed and found.gold_sql:
        gold = f"r.{found.gold_sql}"
        label, confidence = f"coalesce({gold}, {label})", f"CASE WHEN {gold} IS NULL THEN {confidence} ELSE 1 END"
        probabilities = (
            f"CASE WHEN {gold} IS NULL THEN {probabilities} ELSE list_transform(range({classes}), lambda k: (k = {gold})::INT::DOUBLE) END"
        )
        fixed = f"{gold} IS NOT NULL"
    on = " AND ".join(f"({code}) = t.{name}" for code, name in zip(found.codes, names, strict=True))
    return (
        f"SELECT r._key, ({label})::SMALLINT AS _label, ({confidence})::DOUBLE AS _confidence, {probabilities} AS _probabilities, "
        f"{fixed} AS _fixed, t._pattern FROM {found.relation} AS r JOIN {table} AS t ON {on}"
    )
