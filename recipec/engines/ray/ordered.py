"""A table cut into runs of so many rows, that follow each other in the order of keys: what an export's files are, and a function's batches.

1. The keys go to the process that you started, which finds the first key of each run: 16 bytes a row, on disk where they do not fit.
2. A task for each shard puts every row to its run. Where there would be too many files, runs are put together first, and parted then.

A run is then some files, whose rows stand in no order: who takes it sorts it, which is a small part of the table.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from recipec.api import literal, quote
from recipec.engines.ray.held import listed
from recipec.engines.ray.shards import BUCKET, Rows, described, partitioned, scan, whole
from recipec.engines.ray.tasks import Done, Setting, Unit, database, moved, peak, placed

if TYPE_CHECKING:
    from recipec.engines.ray.runner import Floor


@dataclass(frozen=True)
class Cuts:
    """How rows are put to runs: ``file`` has the first key of each (``__c0`` ..., ``__run``), ``by`` are the columns that they are compared
    with. ``groups``: so many runs of runs, instead of ``runs``."""

    out: str
    file: str
    by: tuple[str, ...]
    columns: str
    runs: int
    groups: int | None = None


def compared(columns: Sequence[str]) -> str:
    """SQL for what rows are sorted by, as one value; in it nulls are last, as in a sort."""
    return columns[0] if len(columns) == 1 else f"row({', '.join(columns)})"


def put_to_runs(setting: Setting, cuts: Cuts, unit: Unit) -> Done:
    """Write a part's rows by run."""
    started = time.monotonic()
    with database(setting) as (con, _, _folder), placed(cuts.out, unit.number) as (fresh, final):
        con.execute(f"CREATE TEMP VIEW __rows AS SELECT {cuts.columns} FROM {unit.rows.sql()}")
        types = described(con, "__rows")
        mine, theirs = [
            [f"{t}.{n}" for n in names] for t, names in (("t", map(quote, cuts.by)), ("c", (f"__c{i}" for i in range(len(cuts.by)))))
        ]
        number = "c.__run" if cuts.groups is None else f"(c.__run * {cuts.groups}) // {cuts.runs}"
        found = partitioned(
            con,
            f"SELECT {listed(types)}, {number}::INTEGER AS {BUCKET} FROM __rows AS t "
            f"ASOF JOIN {scan([cuts.file])} AS c ON {compared(mine)} >= {compared(theirs)}",
            fresh,
        )
        rows = int(con.execute("SELECT count(*) FROM __rows").fetchall()[0][0])
        size = sum(f.stat().st_size for f in fresh.rglob("*.parquet"))
        files = moved(found, fresh, final)
    return Done(files, rows, size, types=types, seconds=time.monotonic() - started, peak=peak())


def runs_of(
    floor: Floor,
    name: str,
    rows: Sequence[Rows],
    columns: str,
    by: tuple[str, ...],
    sizes: Sequence[int],
    progress: Callable[[float], None],
) -> list[Rows]:
    """``columns`` of a table's rows in runs of these ``sizes`` (in all the table's), in the order of ``by``, which parts all rows. A run of
    no rows has no files."""
    starts = [0, *accumulate(sizes)][:-1]
    filled = [i for i, size in enumerate(sizes) if size]
    every = whole(rows)
    if len(filled) <= 1:
        one = Rows(every.files, f"SELECT {columns} FROM ({every.select})", every.bytes)
        return [one if size else Rows(()) for size in sizes]
    place = floor.place(name)
    place.mkdir(parents=True)
    file = place / "cuts.parquet"
    keys = ", ".join(f"{quote(n)} AS __c{i}" for i, n in enumerate(by))
    order = ", ".join(map(quote, by))
    floor.ctx.con.execute(
        f"COPY (SELECT k.* EXCLUDE (__n), s.__run FROM (SELECT {keys}, row_number() OVER (ORDER BY {order}) - 1 AS __n FROM {every.sql()}) AS k "
        f"JOIN (SELECT unnest({[starts[i] for i in filled]}::BIGINT[]) AS __n, unnest({filled}::INTEGER[]) AS __run) AS s ON k.__n = s.__n) "
        f"TO {literal(str(file))} (FORMAT parquet)"
    )
    many = len(rows) * len(filled) > floor.cutting.most_files
    groups = math.ceil(math.sqrt(len(sizes))) if many else None
    done = scattered(floor, Cuts(str(place / "runs"), str(file), by, columns, len(sizes), groups), rows, lambda s: progress(s / (1 + many)))
    found = by_number(done)
    if many:
        units = []
        for number in sorted(found):
            # As many tasks for a group as wrote it, shared among the groups.
            parts = min(len(found[number]), -(-len(rows) // len(found)))
            units += [done[0].of(found[number][p::parts]) for p in range(parts)]
        done = scattered(floor, Cuts(str(place / "again"), str(file), by, "*", len(sizes)), units, lambda s: progress(0.5 + s / 2))
        found = by_number(done)
    return [done[0].of(found[n]) if n in found else Rows(()) for n in range(len(sizes))]


def scattered(floor: Floor, cuts: Cuts, rows: Sequence[Rows], progress: Callable[[float], None]) -> list[Done]:
    units = [Unit(n, r) for n, r in enumerate(rows)]
    done = floor.cluster.map(put_to_runs, [floor.setting, cuts], units, lambda share, text: progress(share or 0.0))
    floor.tally.add(done, shuffled=True)
    return done


def by_number(done: Sequence[Done]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for d in done:
        for number, files in d.files.items():
            found.setdefault(number, []).extend(files)
    return found


__all__ = ["runs_of"]
