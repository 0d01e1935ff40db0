"""Sources on a cluster: a task for each file, or archive.

Where columns are not declared, they are what is inferred from a sample of all files, in every task from the same one; where a value of some
file does not fit them, all is read by the process that you started, which says so in the words of a run without a cluster.

Under ``repeated: drop`` keys are counted where you started, 16 bytes a row; it looks at the rows whose key another has, and tasks write the
shards of those anew that are left out.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.api import DataError, Outcome, ReadContext, Reader, SourceFile, literal, quote
from recipec.engines.ray.held import parse
from recipec.engines.ray.shards import Rows, cast, described, scan
from recipec.engines.ray.tasks import Done, Job, Setting, Unit, database, finish, segment

if TYPE_CHECKING:
    from recipec.engines.context import RunContext
    from recipec.engines.ray.runner import Floor
    from recipec.steps.source import SourcePlan


@dataclass(frozen=True)
class Reading:
    """What all tasks of a source have in common. ``select`` makes its rows of the relation ``{raw}``; ``types`` are those of columns that are
    not declared; ``among`` are files that stand for all; ``several``: there are others beside each."""

    reader: Reader
    declared: Mapping[str, str] | None
    types: Mapping[str, str]
    encoding: str
    select: str
    among: tuple[SourceFile, ...] = ()
    several: bool = False


@dataclass(frozen=True)
class FileUnit:
    """One file to read."""

    number: int
    file: SourceFile


def read(setting: Setting, job: Job, reading: Reading, unit: FileUnit) -> Done:
    """Read a source's file; bad rows go with the answer."""
    import duckdb

    from recipec.readers._archives import read_through

    started = time.monotonic()
    opens = [str(f.path) for f in (unit.file, *reading.among)]
    with database(setting, opens) as (con, _, folder), read_through(reading.reader, (unit.file,), folder) as files:
        con.execute("CREATE TEMP TABLE __bad (file VARCHAR, row BIGINT, reason VARCHAR, text VARCHAR)")
        # Archives are not gone through for columns that are known.
        among = reading.among or (files[:1] if reading.several else ())
        context = ReadContext(con, files, reading.declared, reading.encoding, "__raw", "__bad", lambda done, total: None, folder, among)
        reading.reader.load(context)
        alike(described(con, "__raw"), reading.types)
        try:
            done = finish(con, job, Unit(unit.number, Rows(())), reading.select.replace("{raw}", "__raw"), started)
        except duckdb.IOException as error:
            explain = getattr(reading.reader, "explain", None)
            raise explain(con, files, error) if explain is not None else error from None
        bad = con.execute("SELECT file, row, reason, text FROM __bad").fetchall()
    return replace(done, facts={"bad": bad})


def alike(found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Raise DataError where a file's columns are not those of all: another name, or a nested type, which casts might change."""
    own = {n: t for n, t in found.items() if n not in ("_file", "_row")}
    if wanted and (set(own) != set(wanted) or any(own[n] != t and (parse(t).inside or parse(own[n]).inside) for n, t in wanted.items())):
        raise DataError("the files have different columns")


def source(floor: Floor) -> Outcome:
    """The table of a source; see :class:`recipec.steps.source.Source`."""
    from recipec.steps.source import Source

    class There(Source):
        def drop_repeated(self, plan: SourcePlan, ctx: RunContext) -> None:
            drop_repeated(floor, done, plan, ctx)

    ctx = floor.ctx
    plan: SourcePlan = ctx.step.bound.plan
    guessed = plan.declared is None and len(plan.files) > 1
    try:
        done = by_file(floor, plan, guessed)
    except DataError:
        if not guessed:
            raise
        shutil.rmtree(floor.final, ignore_errors=True)
        return Source().run(plan, ctx)
    floor.tally.add(done, shuffled=False)
    types = floor.publish(done)
    bad = f"{ctx.scratch}bad"
    ctx.con.execute(f"CREATE TEMP TABLE {quote(bad)} (file VARCHAR, row BIGINT, reason VARCHAR, text VARCHAR)")
    found = [list(row) for d in done for row in d.facts["bad"]]
    if found:
        ctx.con.executemany(f"INSERT INTO {quote(bad)} VALUES (?, ?, ?, ?)", found)
    outcome = There().accept(plan, ctx, bad)
    outcome.extra["rows"] = floor.lying(done, types)
    return outcome


def by_file(floor: Floor, plan: SourcePlan, guessed: bool) -> list[Done]:
    from recipec.identity import position_key, source_key
    from recipec.readers._archives import ArchiveFile
    from recipec.readers._files import sample_files

    types: Mapping[str, str] = {}
    if guessed and plan.reader.columns_from == "sample":
        # As the database would see all files; those that are only alike differ in types that casts make one.
        types = plan.reader.header(floor.ctx.con, plan.files, plan.encoding)
    columns = ", ".join(f"{quote(c)}::{types[c]} AS {quote(c)}" if c in types else quote(c) for c in plan.schema.names)
    key = source_key([quote(k) for k in plan.key]) if plan.key else position_key("_file", "_row")
    select = f"SELECT {key} AS _key, NULL::UUID AS _parent, {columns} FROM {{raw}}"
    several, archives = len(plan.files) > 1, any(isinstance(f, ArchiveFile) for f in plan.files)
    among = tuple(map(resolved, sample_files(plan.files))) if several and not archives else ()
    reading = Reading(plan.reader, plan.declared, types, plan.encoding, select, among, several)
    sizes = [f.path.stat().st_size for f in plan.files]
    pieces = floor.pieces(-(-sum(sizes) // len(sizes)))
    enough = floor.cluster.processors
    if len(plan.files) < enough and sum(sizes) > floor.cutting.shard_bytes // 8:
        # Too few files to keep all busy after this step: each becomes several shards.
        pieces = max(pieces, -(-enough // len(plan.files)))
    job = Job(str(floor.final), by="_key" if pieces > 1 else None, buckets=pieces)
    units = [FileUnit(n, resolved(f)) for n, f in enumerate(plan.files)]
    return floor.cluster.map(read, [floor.setting, job, reading], units, floor.ctx.progress)


def resolved(file: SourceFile) -> SourceFile:
    """A file under the path that all machines see."""
    return replace(file, path=file.path.resolve())


def drop_repeated(floor: Floor, done: list[Done], plan: SourcePlan, ctx: RunContext) -> None:
    """As :meth:`recipec.steps.source.Source.drop_repeated`, of rows that tasks have written; ``done`` is told of the files that change."""
    from recipec.steps.source import digest_of, put_aside

    con, types = ctx.con, done[0].types
    shards = [(place, n, found) for place, d in enumerate(done) for n, found in sorted(d.files.items()) if n >= 0]
    files = [f for _, _, found in shards for f in found]
    twice = f"SELECT _key FROM {ctx.target} GROUP BY _key HAVING count(*) > 1"
    numbered = f"row_number() OVER (PARTITION BY _key ORDER BY {digest_of(plan)}, __f, __n)"
    gone = ctx.temp("gone")
    con.execute(
        f"CREATE TEMP TABLE {gone} AS SELECT * EXCLUDE (__i) FROM (SELECT *, {numbered} AS __i FROM ({placed(types, files, 0)}) "
        f"WHERE _key IN ({twice})) WHERE __i > 1"
    )
    put_aside(plan, ctx, f"FROM {gone}")
    told = floor.place("gone")
    told.mkdir(parents=True)
    table = told / "gone.parquet"
    con.execute(f"COPY (SELECT __f, __n FROM {gone}) TO {literal(str(table))} (FORMAT parquet)")
    touched = {int(r[0]) for r in con.execute(f"SELECT DISTINCT __f FROM {gone}").fetchall()}
    units: list[Unit] = []
    anew: list[tuple[int, int]] = []
    first = 0
    for place, n, own in shards:
        if touched & set(range(first, first + len(own))):
            left = "NOT EXISTS (SELECT 1 FROM __gone AS g WHERE g.__f = t.__f AND g.__n = t.__n)"
            query = f"SELECT * EXCLUDE (__f, __n) FROM ({placed(types, None, first)}) AS t WHERE {left}"
            units.append(Unit(len(units), Rows(own, query), tables={"__gone": Rows((str(table),))}))
            anew.append((place, n))
        first += len(own)
    job = Job(str(floor.final / "left"))
    again = floor.cluster.map(segment, [floor.setting, job], units, lambda share, text: ctx.progress(None, text))
    floor.tally.add(again, shuffled=False)
    for (place, n), made in zip(anew, again, strict=True):
        old = done[place]
        for file in old.files[n]:
            Path(file).unlink(missing_ok=True)
        done[place] = replace(old, files={**old.files, n: made.files[0]})
    floor.publish(done)


def placed(types: Mapping[str, str], files: Sequence[str] | None, first: int) -> str:
    """SQL for the rows of files (``{files}`` where None), with where each stands: the number of its file, the first of which is ``first``,
    and its own there."""
    return f"SELECT {cast(types)}, file_index::BIGINT + {first} AS __f, file_row_number AS __n FROM {'{files}' if files is None else scan(files)}"


__all__ = ["source"]
