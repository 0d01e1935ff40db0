"""Dividing a table into parts: by shares or counts, stratified, grouped, by time, in folds.

:func:`partition` reads a relation with ``_key UUID`` and makes a table ``(_key, part)``, one line a row, ``part`` null for
rows left out of every part. Which part a row gets depends on the rows, the seed and the salt, never on their order or on
threads. What is guaranteed:

**Exact, by rows** (no group). Let part p want the share q of all N rows. Of every stratum with n rows it gets q*n rows
rounded down or up, and of the table q*N rounded down or up: both are off by less than one row. This is controlled
rounding of a two-way table, which always has an answer (Cox 1987, "A constructive procedure for unbiased controlled
rounding", JASA 82); his choice by chance keeps it unbiased: over seeds, every row of every stratum has the chance q of
being in p. It also decides who gets the rows of a stratum too small for every part. Without strata the largest remainders
are rounded up, equal ones in the order of the parts. A part given by its count gets exactly that count.

**Grouped.** The rows of a group share a part (a null group is a row of its own). Groups go from large to small by
powers of two, by chance within one; groups alike in their rows per stratum go together. Each goes where it brings
the parts nearest to the wanted rows of what has been placed so far: the sum over parts and strata of squared deviations,
each over the stratum's size, which is what balances every stratum and the whole at once. Without strata no part gets as
much as one largest group too many; with them there is no bound, and the report says what was reached.

**By time.** Parts follow each other in the order given, the first the earliest, and a cut never falls between rows of
one instant: every row of a part is earlier than every row of the next. The cut is the one nearest to the wanted rows (the
earlier of two). With groups, a group stands at its latest row, so no row of a part is later than the cut after it, while
a later part can hold earlier rows. With strata each stratum is cut for itself, and time is in order within it only. Rows left
out are the latest.

**Hash.** The part depends on the key (or on the group's value) alone: adding rows moves none. Shares hold up to chance,
with a standard deviation of sqrt(N*q*(1-q)) rows.

Strata and groups may be of any type. A null stratum is a stratum. But under ``hash``, other names for the same strata and
groups change nothing, for they are known by the least key in them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from math import floor, lcm
from typing import TYPE_CHECKING, Any, Literal

from recipec.api import DataError, literal
from recipec.rand import Share, apportion, exact, rank64, rank64_of, unit

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Part:
    """A part and what it wants: a ``share`` of all rows, or a ``count`` of rows, or, with neither, the rest."""

    name: str
    share: Share | None = None
    count: int | None = None


def folds(k: int) -> tuple[Part, ...]:
    """``fold_1`` to ``fold_k``, of equal size."""
    return tuple(Part(f"fold_{i}", Fraction(1, k)) for i in range(1, k + 1))


@dataclass(frozen=True, slots=True)
class Filled:
    """A part's rows: ``wanted`` (exactly, so not always a whole number) and ``got``."""

    name: str
    wanted: float
    got: int


@dataclass(frozen=True)
class Report:
    """What :func:`partition` did. ``left_out`` rows are in no part. ``strata`` and ``groups`` are counts, 0 where there
    are none; a row with a null group counts as one. ``off`` is the greatest difference in rows between what a part wants
    of a stratum or of all and what it got (0 under ``hash``). ``notes`` are sentences for people.
    """

    rows: int
    parts: tuple[Filled, ...]
    left_out: int = 0
    strata: int = 0
    groups: int = 0
    largest_group: int = 0
    off: float = 0.0
    notes: tuple[str, ...] = field(default=())


def quotas(parts: Sequence[Part], rows: int) -> tuple[Fraction, ...]:
    """The share of all rows of every part, and, last, of the rows left out (0 for none): they sum to 1.

    Shares that sum to 1 within 1e-9 (three times 33.3333333333 %) are taken to sum to 1.
    Raises :class:`DataError` when the parts ask for more than there is.
    """
    if not parts or len({p.name for p in parts}) < len(parts):
        raise ValueError("parts need names, each its own")
    rest = [p for p in parts if p.share is None and p.count is None]
    if len(rest) > 1:
        raise DataError(f"`{rest[0].name}` and `{rest[1].name}` both ask for the rest", "give one of them a share or a count")
    for p in parts:
        if (p.share is not None and p.count is not None) or (p.share is not None and not 0 < exact(p.share) <= 1) or (p.count or 0) < 0:
            raise ValueError(f"part {p.name!r} needs a share above 0 and up to 1, or a count")
    counted = sum(p.count or 0 for p in parts)
    shares = [Fraction(0) if p.share is None else exact(p.share) for p in parts]
    given = sum(shares, Fraction(0))
    if all(p.share is not None for p in parts) and abs(1 - given) <= Fraction(1, 10**9):
        shares = [s / given for s in shares]
    if counted > rows:
        raise DataError(f"the parts ask for {counted:,} rows of {rows:,}", "lower the counts")
    if rows:
        shares = [s if p.count is None else Fraction(p.count, rows) for p, s in zip(parts, shares, strict=True)]
    left = 1 - sum(shares, Fraction(0))
    if left < 0:
        asked = " + ".join(f"{float(s):.6g}" for s in shares)
        raise DataError(f"the parts ask for more than all rows: {asked} = {float(1 - left):.6g}", "lower a share or a count")
    if rest:
        shares = [left if p is rest[0] else s for p, s in zip(parts, shares, strict=True)]
        left = Fraction(0)
    return (*shares, left)


def hash_part(parts: Sequence[Part], *, seed: int, salt: str, key: str = "_key", group: str | None = None) -> str:
    """SQL for the part's name (null: left out) as a function of the key, or of the group's value where it has one.

    A group is known by its text. Raises :class:`DataError` for parts given by counts, which no single row can tell.
    """
    for p in parts:
        if p.count is not None:
            raise DataError(f"`{p.name}` asks for {p.count:,} rows, and `assign: hash` looks at one row at a time", "give it a share")
    number = unit(seed, salt, key if group is None else f"coalesce(({group})::VARCHAR, ({key})::VARCHAR)")
    shares = quotas(parts, 0)
    ends = [end for end in _running(shares[:-1]) if end < 1]
    return _pick([p.name for p in parts], [f"{number} >= {literal(float(end))}" for end in ends])


def _pick(names: Sequence[str], passed: Sequence[str]) -> str:
    """SQL for the name at the place given by how many conditions hold; past the last name there is null.

    Unlike a CASE this evaluates a costly operand that the conditions share only once.
    """
    return f"({literal(list(names))})[1{''.join(f' + ({condition})::INTEGER' for condition in passed)}]"


def _running(numbers: Sequence[Fraction]) -> list[Fraction]:
    return list(accumulate(numbers))


# Rounding of a table of strata by parts -------------------------------------------------------------------------------


def controlled_rounding(sizes: Sequence[int], names: Sequence[str], shares: Sequence[Fraction], *, seed: int, salt: str) -> list[list[int]]:
    """Rows of each stratum for each part: whole, each ``size * share`` rounded down or up, and so is each part's total.

    ``shares`` sum to 1, so a stratum's numbers sum to its size. ``names`` identify the strata for the draws by chance,
    which leave the expectation of every number at ``size * share``. Cox (1987): cells that are not whole are edges between
    a stratum and a part; along a cycle as much can be added to every second edge as is taken from the others until one
    is whole. Strata come one at a time, so that fewer of them are open than there are parts; at the end a
    stratum that fills every part's total up to a whole number leaves nothing open.
    """
    unit_ = lcm(*(s.denominator for s in shares))
    weights = [int(s * unit_) for s in shares]
    table = [[size * w // unit_ for w in weights] for size in sizes]
    open_: dict[int, dict[int, int]] = {}
    total = sum(sizes)
    for row, size in enumerate((*sizes, -total)):
        # Fractions in units of 1/unit_; those of the last, filling row come from -total: up to the next whole number.
        cells = {p: f for p, w in enumerate(weights) if (f := size * w % unit_)}
        if not cells:
            continue
        open_[row] = cells
        step = 0
        while row in open_ and (cycle := _cycle(open_, row)):
            up, down = cycle[::2], cycle[1::2]
            more = min(*(unit_ - open_[r][p] for r, p in up), *(open_[r][p] for r, p in down))
            less = min(*(open_[r][p] for r, p in up), *(unit_ - open_[r][p] for r, p in down))
            name = names[row] if row < len(sizes) else "total"
            chance = rank64_of(seed, salt, f"{name}:{step}")
            change = more if chance * (more + less) < less << 64 else -less
            step += 1
            for edges, sign in ((up, 1), (down, -1)):
                for r, p in edges:
                    value = open_[r][p] + sign * change
                    open_[r][p] = value
                    if value in (0, unit_):
                        del open_[r][p]
                        if value and r < len(sizes):
                            table[r][p] += 1
                        if not open_[r]:
                            del open_[r]
    return table


def _cycle(open_: dict[int, dict[int, int]], row: int) -> list[tuple[int, int]]:
    """Edges of a cycle through ``row``, each sharing its stratum or its part with the next; empty when there is none."""
    for start in open_[row]:
        stack: list[tuple[int, list[tuple[int, int]]]] = [(start, [(row, start)])]
        used = {row}
        while stack:
            part, path = stack.pop()
            for other, cells in open_.items():
                if other in used or part not in cells:
                    continue
                used.add(other)
                for following in cells:
                    if following == part:
                        continue
                    longer = [*path, (other, part), (other, following)]
                    if following in open_[row] and following != start:
                        return [*longer, (row, following)]
                    stack.append((following, longer))
    return []


# Whole groups ---------------------------------------------------------------------------------------------------------


class _Balance:
    """Where groups go. ``off`` has, for every stratum and part, the rows placed less the rows wanted of all placed so far;
    its last line is for the whole table. ``final`` says how many rows of each stratum each part should have in the end.
    """

    def __init__(self, sizes: Sequence[int], shares: Sequence[Fraction], final: Sequence[Sequence[int]], *, seed: int, salt: str) -> None:
        self.sizes, self.shares, self.final, self.seed, self.salt = sizes, [float(s) for s in shares], final, seed, salt
        self.off = [[0.0] * len(shares) for _ in range(len(sizes) + 1)]

    def place(self, number: int, groups: int, rows: Sequence[tuple[int, int]]) -> list[int]:
        """How many of ``groups`` groups, alike in having ``n`` rows of stratum ``s`` for ``(s, n)`` in ``rows``, go to each part.

        With x groups to a part the deviation there is off + (x - share*groups)*n. The sum of its squares, each over the
        stratum's size, is least at x = share*groups - sum(n*off/size) / sum(n*n/size), or, where that is below zero
        for a part, at the nearest point at which it is not. Groups of one row come last and fill up to ``final``.
        """
        parts = range(len(self.shares))
        x = self._filling(groups, rows[0][0]) if len(rows) == 1 and rows[0][1] == 1 else self._balancing(groups, rows)
        if min(x) < 0:
            x = _onto_simplex(x, groups)
        counts = [floor(v + 1e-9) for v in x]
        total, size = self.off[-1], sum(n for _, n in rows)
        if missing := groups - sum(counts):
            # Rounded up is where the remainder is large and the part, over all strata, has too little.
            turn = rank64_of(self.seed, self.salt, number) % len(x)
            need = [x[p] - counts[p] - total[p] / size - (counts[p] - self.shares[p] * groups) for p in parts]
            takers = [p for p in parts if self.shares[p]]
            for p in sorted(takers, key=lambda p: (-round(need[p], 9), (p - turn) % len(x)))[:missing]:
                counts[p] += 1
        for s, n in (*rows, (-1, size)):
            off = self.off[s]
            for p in parts:
                off[p] += (counts[p] - self.shares[p] * groups) * n
        return counts

    def _balancing(self, groups: int, rows: Sequence[tuple[int, int]]) -> list[float]:
        square = sum(n * n / self.sizes[s] for s, n in rows)
        x = [share * groups for share in self.shares]
        for s, n in rows:
            factor, off = n / self.sizes[s] / square, self.off[s]
            x = [v - factor * o for v, o in zip(x, off, strict=True)]
        return x

    def _filling(self, groups: int, stratum: int) -> list[float]:
        before = self.sizes[stratum] - groups
        return [
            float(final - round(off + share * before))
            for final, off, share in zip(self.final[stratum], self.off[stratum], self.shares, strict=True)
        ]


def _onto_simplex(x: Sequence[float], total: int) -> list[float]:
    """The point with no number below zero and sum ``total`` that is nearest to ``x``."""
    so_far, shift = 0.0, 0.0
    for i, value in enumerate(sorted(x, reverse=True), 1):
        so_far += value
        if value - (so_far - total) / i > 0:
            shift = (so_far - total) / i
    return [max(0.0, v - shift) for v in x]


# The tables -----------------------------------------------------------------------------------------------------------


def partition(
    con: duckdb.DuckDBPyConnection,
    relation: str,
    *,
    parts: Sequence[Part],
    out: str,
    seed: int,
    salt: str,
    stratify: Sequence[str] = (),
    group: str | None = None,
    time: str | None = None,
    assign: Literal["exact", "hash"] = "exact",
) -> Report:
    """Make the temporary table ``out`` with ``_key UUID, part VARCHAR``, one line for each row of ``relation``, in no order.

    ``relation`` is a table's name or a query in parentheses, read once; ``out`` is the new table as SQL writes it;
    ``stratify``, ``group`` and ``time`` are SQL expressions over the relation's columns. The module says what is
    guaranteed. Temporary tables named ``__part_*`` are used and dropped.

    Raises :class:`DataError` when parts ask for more rows than there are, when a time is null, and for what cannot go
    together: ``hash`` with counts or time; time with both strata and groups.
    """
    if assign == "hash":
        if time is not None:
            raise DataError("`assign: hash` looks at one row at a time and cannot put rows in order of time", "leave out one of the two")
        pick = hash_part(parts, seed=seed, salt=salt, group=group)
        con.execute(f"CREATE OR REPLACE TEMP TABLE {out} AS SELECT _key, {pick} AS part FROM {relation} AS t")
        notes = ["`stratify` changes nothing under `assign: hash`: every stratum has its shares up to chance"] if stratify else []
        return _report(con, out, quotas(parts, 0), parts, notes)
    if time is not None and stratify and group is not None:
        raise DataError("by time, rows can be stratified or grouped, not both", "leave out `stratify` or `group`")
    work = _Work(con, parts, out, seed, salt, strata=len(stratify), grouped=group is not None)
    try:
        work.read(relation, stratify, group, time)
        if time is not None:
            return work.by_time()
        return work.by_group() if group is not None else work.by_row()
    finally:
        import duckdb

        # Where a statement failed its transaction takes no other; the tables go with it.
        with suppress(duckdb.TransactionException):
            for table in ("rows", "strata", "units", "alike", "ends", "bounds"):
                con.execute(f"DROP TABLE IF EXISTS __part_{table}")


class _Work:
    """One exact partition. Tables: ``rows`` (_key, strata s0.., group g and own, time t), ``strata`` (values, id, n)."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, parts: Sequence[Part], out: str, seed: int, salt: str, *, strata: int, grouped: bool
    ) -> None:
        self.con, self.parts, self.out, self.seed, self.salt, self.grouped = con, parts, out, seed, salt, grouped
        self.columns = [f"s{i}" for i in range(strata)]
        self.names = [p.name for p in parts]
        self.shares: tuple[Fraction, ...] = ()
        self.sizes: list[int] = []
        self.firsts: list[str] = []

    def make(self, table: str, query: str) -> None:
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE __part_{table} AS {query}")

    def read(self, relation: str, stratify: Sequence[str], group: str | None, time: str | None) -> None:
        """The narrow copy of the relation, its strata, and the exact shares."""
        columns = ["_key", *(f"({e}) AS s{i}" for i, e in enumerate(stratify))]
        columns += [f"({e}) AS {name}" for e, name in ((group, "g"), (time, "t")) if e is not None]
        query = f"SELECT {', '.join(columns)} FROM {relation} AS t"
        if group is not None:
            query = f"SELECT *, CASE WHEN g IS NULL THEN _key END AS own FROM ({query})"
        self.make("rows", query)
        rows = self.one("SELECT count(*) FROM __part_rows")[0]
        if time is not None and (without := self.one("SELECT count(*) FROM __part_rows WHERE t IS NULL")[0]):
            raise DataError(f"{without:,} of {rows:,} rows have no time", "drop them, or give them a time")
        self.shares = quotas(self.parts, rows)
        if self.columns:
            listed = ", ".join(self.columns)
            self.make(
                "strata",
                "SELECT *, row_number() OVER (ORDER BY first) - 1 AS id"
                f" FROM (SELECT {listed}, min(_key) AS first, count(*) AS n FROM __part_rows GROUP BY {listed})",
            )
            found = self.con.execute("SELECT n, first::VARCHAR FROM __part_strata ORDER BY id").fetchall()
            self.sizes, self.firsts = [n for n, _ in found], [first for _, first in found]
        else:
            self.sizes = [rows] if rows else []

    def one(self, query: str) -> tuple[Any, ...]:
        row = self.con.execute(query).fetchone()
        assert row is not None
        return row

    @property
    def labelled(self) -> str:
        """The rows with the number of their stratum, ``id``."""
        if not self.columns:
            return "(SELECT *, 0 AS id FROM __part_rows)"
        return f"(SELECT r.*, s.id FROM __part_rows AS r JOIN __part_strata AS s ON {_same('r', 's', self.columns)})"

    def bounds(self, counts: Sequence[Sequence[int]]) -> None:
        """Make the table of (id, b0, b1, ...): for each line of ``counts`` the running sums over the parts."""
        columns = [array("q") for _ in self.parts]
        for line in counts:
            for column, end in zip(columns, accumulate(line), strict=False):
                column.append(end)
        listed = ", ".join(f"unnest(?::BIGINT[]) AS b{i}" for i in range(len(columns)))
        query = f"CREATE OR REPLACE TEMP TABLE __part_bounds AS SELECT unnest(range(?)) AS id, {listed}"
        self.con.execute(query, [len(counts), *(column.tolist() for column in columns)])

    def pick(self, place: str) -> str:
        """SQL for the part of what stands at the one-based ``place`` among its like, beside the columns of the bounds."""
        return _pick(self.names, [f"{place} > b{i}" for i in range(len(self.parts))])

    def finish(self, query: str, notes: Sequence[str], **facts: Any) -> Report:
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {self.out} AS {query}")
        return _report(self.con, self.out, self.shares, self.parts, notes, strata=len(self.sizes) if self.columns else 0, **facts)

    def rank(self, key: str) -> str:
        return rank64(self.seed, self.salt, key)

    def wanted(self) -> list[list[int]]:
        """Whole numbers of rows for each stratum and part."""
        if self.columns:
            return controlled_rounding(self.sizes, self.firsts, self.shares, seed=self.seed, salt=self.salt)
        return [apportion(n, [s * n for s in self.shares]) for n in self.sizes]

    # By rows

    def by_row(self) -> Report:
        rows = sum(self.sizes)
        table = self.wanted()
        self.bounds(table)
        place = f"row_number() OVER (PARTITION BY id ORDER BY {self.rank('_key')}, _key)"
        ranked = f"SELECT _key, id, {place} AS i FROM {self.labelled}"
        notes = []
        if self.columns:
            wanted = sum(1 for s in self.shares if s)
            short = sum(1 for line in table if sum(1 for c in line if c) < wanted)
            if short:
                notes.append(f"strata too small to reach every part: {short:,} of {len(table):,}; chance decides which they reach")
            if 2 * len(table) > rows:
                notes.append(f"{rows:,} rows fall into {len(table):,} strata, so stratifying does little")
        cells = ((c, n, s) for n, line in zip(self.sizes, table, strict=False) for c, s in zip(line, self.shares, strict=True))
        off = max((abs(float(c - n * s)) for c, n, s in cells), default=0.0)
        return self.finish(f"SELECT _key, {self.pick('i')} AS part FROM ({ranked}) JOIN __part_bounds USING (id)", notes, off=off)

    # By groups

    def by_group(self) -> Report:
        """Groups alike in size and rows per stratum are placed together: what Python sees grows with the kinds of groups."""
        if self.columns:
            cells = f"SELECT g, own, id, min(_key) AS first, count(*) AS n FROM {self.labelled} GROUP BY g, own, id"
            like = "list_sort(list({'id': id, 'n': n}))"
        else:
            cells = "SELECT g, own, min(_key) AS first, count(*) AS n FROM __part_rows GROUP BY g, own"
            like = "[{'id': 0, 'n': sum(n)::BIGINT}]"
        size = "sum(n)::BIGINT"
        self.make("units", f"SELECT g, own, min(first) AS first, {size} AS size, {like} AS alike FROM ({cells}) GROUP BY g, own")
        self.make(
            "alike",
            "SELECT *, row_number() OVER (ORDER BY length(bin(size)) DESC, least, first) - 1 AS id FROM"
            f" (SELECT alike, size, count(*) AS units, min({self.rank('first')}) AS least, min(first) AS first"
            " FROM __part_units GROUP BY alike, size)",
        )
        balance = _Balance(self.sizes, self.shares, self.wanted(), seed=self.seed, salt=self.salt)
        table = [balance.place(number, units, rows) for number, (units, rows) in enumerate(self.kinds())]
        self.bounds(table)
        placed = (
            f"SELECT g, own, {self.pick('i')} AS part FROM (SELECT u.g, u.own, a.id,"
            f" row_number() OVER (PARTITION BY a.id ORDER BY {self.rank('u.first')}, u.first) AS i"
            " FROM __part_units AS u JOIN __part_alike AS a ON u.alike = a.alike) JOIN __part_bounds USING (id)"
        )
        groups, largest = self.one("SELECT count(*), coalesce(max(size), 0) FROM __part_units")
        off = max((abs(v) for line in balance.off for v in line), default=0.0)
        return self.finish(
            f"SELECT r._key, p.part FROM __part_rows AS r JOIN ({placed}) AS p ON {_same('r', 'p', ['g', 'own'])}",
            self.about_groups(largest, off),
            groups=groups,
            largest_group=largest,
            off=off,
        )

    def kinds(self) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """Kinds of groups in the order of placing: how many, and their rows per stratum."""
        found = self.con.execute("SELECT units, [x.id for x in alike], [x.n for x in alike] FROM __part_alike ORDER BY id")
        while block := found.fetchmany(10_000):
            for units, ids, counts in block:
                yield units, list(zip(ids, counts, strict=True))

    def about_groups(self, largest: int, off: float) -> list[str]:
        rows = sum(self.sizes)
        notes = []
        small = [n for n, s in zip(self.names, self.shares, strict=False) if s * rows < largest]
        if small and largest > 1:
            notes.append(f"the largest group has {largest:,} rows, more than is wanted for {', '.join(f'`{n}`' for n in small)}")
        if off >= 1:
            notes.append(f"groups stay whole; the greatest difference from what a part wants is {off:,.1f} rows")
        return notes

    # By time

    def by_time(self) -> Report:
        """Instants with their rows; each stratum's cuts at the ends of instants nearest to the wanted running sums."""
        keys, groups, largest = ["id", "t"], 0, 0
        rows = self.labelled
        if self.grouped:
            self.make("units", "SELECT g, own, max(t) AS t, count(*) AS n, 0 AS id FROM __part_rows GROUP BY g, own")
            groups, largest = self.one("SELECT count(*), coalesce(max(n), 0) FROM __part_units")
            rows = f"(SELECT r._key, u.t, u.id FROM __part_rows AS r JOIN __part_units AS u ON {_same('r', 'u', ['g', 'own'])})"
        self.make(
            "ends",
            "SELECT id, t, sum(n) OVER (PARTITION BY id ORDER BY t ROWS UNBOUNDED PRECEDING)::BIGINT AS e"
            f" FROM (SELECT id, t, count(*) AS n FROM {rows} GROUP BY id, t)",
        )
        ends = _running(self.shares[:-1])
        whole = lcm(*(e.denominator for e in ends))
        if whole > 10**18:
            whole = 10**18
        scaled = [round(e * whole) for e in ends]
        nearest = ", ".join(
            f"min({{'d': abs(e::HUGEINT * {whole} - total::HUGEINT * {w}), 'e': e}}).e AS b{i}" for i, w in enumerate(scaled)
        )
        self.make(
            "bounds",
            f"SELECT id, total, {nearest} FROM (SELECT id, e, max(e) OVER (PARTITION BY id) AS total FROM"
            " (SELECT id, e FROM __part_ends UNION ALL SELECT DISTINCT id, 0 FROM __part_ends)) GROUP BY id, total",
        )
        off = 0.0
        for _, total, *cuts in self.con.execute("SELECT * FROM __part_bounds").fetchall():
            for low, high, share in zip([0, *cuts], cuts, self.shares, strict=False):
                off = max(off, abs(float(high - low - total * share)))
        notes = (
            [f"rows of one instant stay together; the greatest difference from what a part wants is {off:,.1f} rows"] if off >= 1 else []
        )
        placed = f"SELECT {', '.join(keys)}, {self.pick('e')} AS part FROM __part_ends JOIN __part_bounds USING (id)"
        query = f"SELECT r._key, p.part FROM {rows} AS r JOIN ({placed}) AS p ON {_same('r', 'p', keys)}"
        return self.finish(query, notes, off=off, groups=groups, largest_group=largest)


def _same(left: str, right: str, columns: Sequence[str]) -> str:
    return " AND ".join(f"{left}.{c} IS NOT DISTINCT FROM {right}.{c}" for c in columns)


def _report(
    con: duckdb.DuckDBPyConnection, out: str, shares: Sequence[Fraction], parts: Sequence[Part], notes: Sequence[str], **facts: Any
) -> Report:
    """Count what was made."""
    got: dict[str | None, int] = dict(con.execute(f"SELECT part, count(*) FROM {out} GROUP BY part").fetchall())
    rows = sum(got.values())
    found = tuple(Filled(p.name, float(s * rows), got.get(p.name, 0)) for p, s in zip(parts, shares, strict=False))
    empty = [f"part `{o.name}` is empty" for o in found if not o.got and rows]
    return Report(rows, found, got.get(None, 0), notes=(*empty, *notes), **facts)
