"""Exports on a cluster: every shard is a file that a task writes, byte for byte the one that would be written without a cluster.

Rows are put to the files that they belong in (:mod:`recipec.engines.ray.ordered`); a task sorts those of one file, writes it in the workspace
and tells its digest. The process that you started moves the files to their place, beside which their index is written as ever. What cannot
be written is told by that process, which looks at all rows: its words are those of a run without a cluster.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.api import DataError, ExportContext, ExportPart, Format, Outcome, Schema, SourceFile
from recipec.engines.order import selected, sorted_by
from recipec.engines.ray.ordered import runs_of
from recipec.engines.ray.shards import Rows
from recipec.engines.ray.stores import here
from recipec.engines.ray.tasks import Done, Setting, database, peak, placed

if TYPE_CHECKING:
    from recipec.engines.ray.runner import Floor
    from recipec.steps.export import ExportPlan


@dataclass(frozen=True)
class Writing:
    """What all tasks of an export have in common: the parts by name, with how many rows they have in all."""

    out: str
    format: Format
    parts: tuple[tuple[str, Schema], ...]
    shards: int


@dataclass(frozen=True)
class File:
    """One file to write: shard ``shard`` of part ``part``, and its ``count`` rows."""

    number: int
    part: int
    shard: int
    count: int
    rows: Rows


def write_file(setting: Setting, writing: Writing, file: File) -> Done:
    """Write one file; ``facts`` has its path within its folder, and its digest."""
    from recipec.plan.fingerprint import file_digest

    started = time.monotonic()
    name, schema = writing.parts[file.part]
    with database(setting) as (con, _, _folder), placed(writing.out, file.number) as (fresh, final):
        listed = ", ".join(selected(schema))
        if file.rows.files:
            con.execute(f"CREATE TEMP VIEW __rows AS SELECT {listed} FROM {file.rows.sql()}")
        else:
            empty = ", ".join(f"NULL::{t} AS {c}" for c, t in zip(selected(schema), types_of(schema), strict=True))
            con.execute(f"CREATE TEMP VIEW __rows AS SELECT {empty} WHERE false")
        con.execute("SET preserve_insertion_order = true")
        part = ExportPart(name, f"SELECT {listed} FROM __rows ORDER BY {', '.join(sorted_by(schema))}", schema, file.count)
        writing.format.write(ExportContext(con, fresh, None, (part,), writing.shards, {}, lambda done, total: None, shard=file.shard))
        (made,) = [f for f in fresh.rglob("*") if f.is_file()]
        path, size, digest = made.relative_to(fresh), made.stat().st_size, file_digest(SourceFile(made, ""))
    return Done(
        {0: (str(final / path),)},
        file.count,
        size,
        seconds=time.monotonic() - started,
        peak=peak(),
        facts={"path": str(path), "digest": digest},
    )


def types_of(schema: Schema) -> list[str]:
    """The types of what is :func:`selected`."""
    sort = {"_order": "BIGINT", "_key": "UUID"}
    return [*(c.type for c in schema.columns), *(sort[c] for c in sorted_by(schema) if c not in schema.names)]


def by_tasks(floor: Floor, plan: ExportPlan, made: ExportContext) -> dict[Path, str]:
    """Write the files; their digests."""
    digests: dict[Path, str] = {}
    files: list[File] = []
    for number, (part, (_, ref)) in enumerate(zip(made.parts, plan.parts, strict=True)):
        sizes = shard_sizes(part.rows, plan.shards)
        columns, by = ", ".join(selected(part.schema)), tuple(sorted_by(part.schema))
        found = runs_of(floor, f"export{number}", floor.rows_of(ref), columns, by, sizes, lambda share: floor.ctx.progress(share / 2, ""))
        files += [File(len(files) + i, number, i, size, rows) for i, (size, rows) in enumerate(zip(sizes, found, strict=True))]
    writing = Writing(str(floor.place("export")), plan.format, tuple((p.name, p.schema) for p in made.parts), plan.shards)
    done = floor.cluster.map(write_file, [floor.setting, writing], files, floor.ctx.progress, span=(0.5, 1.0))
    floor.tally.add(done, shuffled=False)
    for d in done:
        target = made.folder / d.facts["path"]
        target.parent.mkdir(parents=True, exist_ok=True)
        # A renaming, where the place is on the disk of the workspace.
        shutil.move(here(d.files[0])[0], target)
        digests[target] = d.facts["digest"]
    return digests


def shard_sizes(rows: int, shards: int) -> Sequence[int]:
    """Rows of each file of a part; see :func:`recipec.formats._stream.targets`."""
    each, more = divmod(rows, shards)
    return [each + (i < more) for i in range(shards)]


def export(floor: Floor) -> Outcome:
    """Write an export's files; see :class:`recipec.steps.export.Export`."""
    from recipec.steps.export import Export

    digests: dict[Path, str] = {}
    """Of files that lie where they were put: nobody need read them once more."""

    class There(Export):
        def write(self, plan: ExportPlan, made: ExportContext) -> None:
            try:
                digests.update(by_tasks(floor, plan, made))
            except DataError as error:
                # Whether rows cannot be written, and which, is told by who sees all of them.
                shutil.rmtree(made.folder)
                made.folder.mkdir()
                super().write(plan, made)
                floor.ctx.note(f"files were written here, not by tasks: {error.message}")

        def digest(self, path: Path) -> str:
            return digests.get(path) or super().digest(path)

    return There().run(floor.ctx.step.bound.plan, floor.ctx)


__all__ = ["export"]
