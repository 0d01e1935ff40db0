"""What was decided in one place, carried out in many: a query over named tables for each shard, and tables cut so that each shard has its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from recipec.api import literal, quote
from recipec.engines.ray.held import listed
from recipec.engines.ray.shards import BUCKET, COMPRESSION, EMPTY, Rows, described, partitioned, size, whole
from recipec.engines.ray.tasks import Done, Job, Setting, Unit, database, finish, moved, peak, placed

if TYPE_CHECKING:
    import duckdb

    from recipec.engines.ray.runner import Floor

ROWS: Final = "_rows"
"""What a query calls the shard's rows."""
SHARD: Final = "__shard"
"""The column that says which shard a row of a narrow table is of."""


@dataclass(frozen=True)
class Work:
    """What is to be done with each shard: statements ``before`` the ``query``, over the table :data:`ROWS` and those of the unit."""

    query: str
    before: tuple[str, ...] = ()


def views(con: duckdb.DuckDBPyConnection, unit: Unit) -> None:
    """Let a unit's rows and tables be known by their names."""
    for name, rows in {ROWS: unit.rows, **unit.others, **unit.tables}.items():
        con.execute(f"CREATE TEMP VIEW {quote(name)} AS SELECT * FROM {rows.sql()}")


def carry(setting: Setting, job: Job, work: Work, unit: Unit) -> Done:
    """Do the work with one shard."""

    started = time.monotonic()
    with database(setting) as (con, _, _):
        views(con, unit)
        for statement in work.before:
            con.execute(statement)
        return finish(con, job, unit, work.query, started)


def send(setting: Setting, job: Job, work: Work, unit: Unit) -> Done:
    """Do the work with one shard, and write the rows for the shards that they say, by :data:`SHARD`; under -1 an empty file."""
    started = time.monotonic()
    with database(setting) as (con, _, _folder):
        views(con, unit)
        types = described(con, f"({work.query})")
        columns = listed({n: t for n, t in types.items() if n != SHARD})
        with placed(job.out, unit.number) as (fresh, final):
            con.execute(f"COPY (SELECT {columns} FROM ({work.query}) LIMIT 0) TO {literal(str(fresh / EMPTY))} (FORMAT parquet)")
            found = partitioned(con, f"SELECT {columns}, {SHARD} AS {BUCKET} FROM ({work.query})", fresh)
            files = moved({-1: (str(fresh / EMPTY),), **found}, fresh, final)
            bytes = sum(Path(f).stat().st_size for names in found.values() for f in names)
    del types[SHARD]
    return Done(files, 0, bytes, {}, types, time.monotonic() - started, peak())


def sent(floor: Floor, name: str, work: Work, units: Sequence[Unit], shards: int) -> list[Rows]:
    """What tasks have for the shards, by shard."""
    done = floor.cluster.map(send, [floor.setting, Job(str(floor.place(name))), work], units, quietly(floor))
    floor.tally.add(done, shuffled=True)
    return [done[0].of([f for d in done for f in d.files.get(n, ())] or done[0].files[-1]) for n in range(shards)]


def narrow(floor: Floor, name: str, rows: Sequence[Rows], columns: str) -> Rows:
    """A few columns of all rows, in files: an SQL select list over a shard's rows, ``t``. :data:`SHARD` says which shard a row is of."""
    job = Job(str(floor.place(name)))
    units = [Unit(n, replace(r, select=f"SELECT {columns}, {n}::INTEGER AS {SHARD} FROM ({r.select}) AS t")) for n, r in enumerate(rows)]
    done = floor.cluster.map(carry, [floor.setting, job, Work(f"SELECT * FROM {ROWS}")], units, quietly(floor))
    floor.tally.add(done, shuffled=True)
    return whole([d.of(d.files[0], d.bytes) for d in done])


def quietly(floor: Floor) -> Callable[[float | None, str], None]:
    """Progress of a pass that is not the step's longest: whether it goes on is asked, nothing is shown."""
    return lambda share, text: floor.ctx.progress(None, text)


def by_shard(floor: Floor, name: str, query: str, shards: int) -> list[Rows]:
    """The rows of a query on the database here, which has a column :data:`SHARD`, in files of each shard's own."""
    con, folder = floor.ctx.con, floor.place(name)
    folder.mkdir(parents=True)
    table = floor.ctx.temp(f"cut_{name}")
    con.execute(f"CREATE TEMP TABLE {table} AS {query}")
    empty = folder / "empty.parquet"
    con.execute(f"COPY (SELECT * EXCLUDE ({SHARD}) FROM {table} LIMIT 0) TO {literal(str(empty))} (FORMAT parquet)")
    con.execute(
        f"COPY {table} TO {literal(str(folder / 'b'))} (FORMAT parquet, COMPRESSION {COMPRESSION}, PARTITION_BY ({SHARD}), OVERWRITE_OR_IGNORE)"
    )
    con.execute(f"DROP TABLE {table}")
    made = []
    for number in range(shards):
        inside = folder / "b" / f"{SHARD}={number}"
        files = tuple(sorted(str(f) for f in inside.iterdir())) if inside.is_dir() else (str(empty),)
        made.append(Rows(files, bytes=size(files)))
    floor.tally.bytes += sum(r.bytes for r in made)
    return made


def whole_file(floor: Floor, name: str, table: str) -> Rows:
    """A table of the database here in a file, for every task to read."""
    file = floor.place(f"{name}.parquet")
    file.parent.mkdir(parents=True, exist_ok=True)
    floor.ctx.con.execute(f"COPY (SELECT * FROM {table}) TO {literal(str(file))} (FORMAT parquet, COMPRESSION {COMPRESSION})")
    return Rows((str(file),), bytes=Path(file).stat().st_size)


def carried(floor: Floor, work: Work, rows: Sequence[Rows], tables: Sequence[Mapping[str, Rows]]) -> list[Done]:
    """Make the step's table: the work, done with every shard and its tables."""
    units = [Unit(n, r, tables=t) for n, (r, t) in enumerate(zip(rows, tables, strict=True))]
    done = floor.cluster.map(carry, [floor.setting, Job(str(floor.final)), work], units, floor.ctx.progress)
    floor.tally.add(done, shuffled=False)
    return done


__all__ = ["ROWS", "SHARD", "Work", "by_shard", "carried", "carry", "narrow", "quietly", "send", "sent", "views", "whole_file"]
