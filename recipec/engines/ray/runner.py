"""Running a plan on a cluster: the same planner, run keys and journal, with the work of a step done elsewhere where it can be."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import KERNELS, ORDER, Estimate, Outcome, TableRef, literal
from recipec.engines.context import RunContext
from recipec.engines.ray import stores
from recipec.engines.ray.calls import Spread
from recipec.engines.ray.chain import run_chain
from recipec.engines.ray.cluster import Cluster, TypesDiffer
from recipec.engines.ray.held import listed, portable
from recipec.engines.ray.shards import BUCKET, COMPRESSION, Rows, cast, described, size, view
from recipec.engines.ray.tasks import Done, Setting
from recipec.engines.ray.training import elsewhere, train
from recipec.engines.ray.ways import Going, going, reads_model
from recipec.engines.runner import Runner, RunResult, Silent, Watcher

if TYPE_CHECKING:
    from recipec.plan.planner import Plan, Planned
    from recipec.resolve.program import ResolvedStep
    from recipec.workspace.database import Built, Workspace

SHARD_BYTES = 64 << 20
"""Bytes of Parquet that a shard has at most, about, where a table is cut anew."""
MOST_FILES = 250_000
"""Files that a shuffle may write at once: one for each task and bucket. Where there were more, it goes in two rounds."""
SHARD_ROWS = 20_000
"""Rows that a shard has at least, where it is cut anew: a task for less costs more than it saves."""


@dataclass(frozen=True)
class Cutting:
    """How tables are cut. It decides no row of any result. ``memory`` is what a machine has, in bytes; None: not said."""

    shard_bytes: int = SHARD_BYTES
    shard_rows: int = SHARD_ROWS
    most_files: int = MOST_FILES
    memory: int | None = None


def run(
    plan: Plan,
    workspace: Workspace,
    cluster: Cluster,
    watcher: Watcher | None = None,
    agreed: Callable[[str, Estimate], None] | None = None,
    cutting: Cutting | None = None,
) -> RunResult:
    """Carry out a plan on a cluster; see :func:`recipec.engines.runner.run`."""
    import time

    runner = RayRunner(plan, workspace, watcher or Silent(), cluster, agreed, cutting or Cutting())
    started = time.monotonic()
    with stores.of_run(cluster, workspace):
        try:
            for planned in plan.steps:
                runner.step(planned)
        finally:
            runner.finish(complete=len(runner.result.steps) == len(plan.steps))
            runner.result.seconds = time.monotonic() - started
    return runner.result


@dataclass
class Tally:
    """What the tasks of a step did."""

    tasks: int = 0
    bytes: int = 0
    """Bytes of files written by tasks, beside those of the result: what was shuffled."""
    peak: int = 0
    seconds: float = 0.0

    def add(self, done: Sequence[Done], shuffled: bool) -> None:
        self.tasks += len(done)
        self.peak = max([self.peak, *(d.peak for d in done)])
        self.seconds += sum(d.seconds for d in done)
        if shuffled:
            self.bytes += sum(d.bytes for d in done)

    def data(self, way: str) -> dict[str, Any]:
        return {"way": way, "tasks": self.tasks, "shuffled": self.bytes, "peak": self.peak, "seconds": round(self.seconds, 3)}


@dataclass
class Floor:
    """What the ways of a step use: the cluster, what tasks have in common, where files go, and the tally."""

    cluster: Cluster
    setting: Any
    ctx: RunContext
    cutting: Cutting
    rows_of: Callable[[TableRef], list[Rows]]
    tally: Tally = field(default_factory=Tally)

    @property
    def final(self) -> Path:
        """Where the result's files are to lie: they go when the result goes."""
        return self.ctx.artifact.resolve() / "rows"

    def place(self, name: str) -> Path:
        """A folder for files that the step alone needs. All machines must see it."""
        return self.ctx.temporary.resolve() / name

    def buckets(self, rows: Sequence[Rows]) -> int:
        """How many buckets a table is cut into."""
        return self.pieces(sum(r.bytes for r in rows), max(len(rows), 1))

    def pieces(self, bytes: int, least: int = 1) -> int:
        return max(least, -(-bytes // self.cutting.shard_bytes))

    def coarse(self, tasks: int, buckets: int) -> int:
        """Into how many buckets tasks cut at first: as many as there are to be, or the root of it."""
        return buckets if tasks * buckets <= self.cutting.most_files else math.ceil(math.sqrt(buckets))

    def publish(self, done: Sequence[Done]) -> dict[str, str]:
        """Make the step's table a view over what tasks wrote; its columns' types."""
        files = [f for d in done for n, found in sorted(d.files.items()) if n >= 0 for f in found]
        empty = [f for d in done for f in d.files.get(-1, ())]
        types = dict(next(iter(d.types for d in done)))
        view(self.ctx.con, self.ctx.target, files or empty, types)
        return types

    def lying(self, done: Sequence[Done], types: Mapping[str, str]) -> dict[str, Any]:
        """Where the result's rows lie, for the journal: files by shard, as they are called in its folder."""
        empty = [f for d in done for f in d.files.get(-1, ())]
        shards = [list(found) for d in done for n, found in sorted(d.files.items()) if n >= 0 and found] or [empty]
        files = [[str(Path(f).relative_to(self.final)) for f in shard] for shard in shards]
        lie: dict[str, Any] = {"files": files, "types": dict(types), "workspace": str(self.ctx.store.resolve())}
        store = self.cluster.store
        if store is not None:
            sizes = store.settle(self.final, [f for shard in shards for f in shard])
            lie |= {"store": store.place, "bytes": [sum(sizes[f] for f in shard) for shard in shards]}
        return lie


class RayRunner(Runner):
    """A runner that gives to a cluster what can be cut. What cannot be is done here, by DuckDB, as without a cluster."""

    def __init__(
        self,
        plan: Plan,
        workspace: Workspace,
        watcher: Watcher,
        cluster: Cluster,
        agreed: Callable[[str, Estimate], None] | None,
        cutting: Cutting,
    ) -> None:
        super().__init__(plan, workspace, watcher, agreed)
        self.cluster, self.cutting = cluster, cutting
        self.exported: dict[tuple[str, str | None], list[Rows]] = {}
        self.setting: Any = None
        self.known = 0
        self.spread = self.shared["spread"] = Spread(cluster, lambda: watcher.progress(None, ""))

    def build(self, planned: Planned, key: str, files: dict[str, str], again: Built | None) -> None:
        try:
            super().build(planned, key, files, again)
        finally:
            self.spread.rest()

    def finish(self, complete: bool) -> None:
        self.spread.close()
        super().finish(complete)

    def record(self, planned: Planned, key: str, files: dict[str, str], outcome: Outcome, notes: list[str], seconds: float) -> Built:
        if self.spread.asked:
            way = "actors" if planned.step.kind.name == "predict" else "driver"
            outcome.extra["ray"] = {**outcome.extra.get("ray", {"way": way}), "asked": dict(self.spread.asked)}
        return super().record(planned, key, files, outcome, notes, seconds)

    def carry_out(self, step: ResolvedStep, context: RunContext) -> Outcome:
        way = going(step, reads_model(step, {s.name: s.kind for s in self.program.steps}))
        if step.kind.name == "train":
            self.spread.close()
        if step.kind.name == "train" and elsewhere(self.cluster):
            return train(self.cluster, context)
        if way.way in ("driver", "actors") or not all(self.can_lie_in_files(r) for r in step.parents):
            return super().carry_out(step, context)
        if self.setting is None or len(KERNELS) != self.known:
            self.known = len(KERNELS)
            kernels = {n: replace(k, processes=False) for n, k in KERNELS.items()}
            self.setting = self.cluster.put(Setting(kernels, self.share(), str(self.workspace.folder.resolve())))
        floor = Floor(self.cluster, self.setting, context, self.cutting, self.rows_of)
        shutil.rmtree(context.artifact, ignore_errors=True)
        try:
            outcome = self.distributed(step, way, floor)
        except TypesDiffer:
            # Only a run shows the types in the middle of a chain.
            shutil.rmtree(context.artifact, ignore_errors=True)
            self.drop_temporary(context.scratch)
            return super().carry_out(step, context)
        except BaseException:
            shutil.rmtree(context.artifact, ignore_errors=True)
            raise
        outcome.extra["ray"] = floor.tally.data(way.way)
        return outcome

    def distributed(self, step: ResolvedStep, way: Going, floor: Floor) -> Outcome:
        from recipec.engines.ray import others

        match step.kind.name:
            case "clean":
                return run_chain(floor, way.passes)
            case "source":
                from recipec.engines.ray.sources import source

                return source(floor)
            case "split":
                return others.split(floor)
            case "python" | "sql":
                from recipec.engines.ray import functions

                return functions.python(floor) if step.kind.name == "python" else functions.sql(floor)
            case "export":
                from recipec.engines.ray.exports import export

                return export(floor)
            case "label":
                from recipec.engines.ray.labels import label

                return label(floor)
            case "augment":
                from recipec.engines.ray.copies import augment

                return augment(floor)
            case "select":
                from recipec.engines.ray.selection import select

                return select(floor)
            case "mix" if way.way == "narrow":
                from recipec.engines.ray.mixtures import mixture

                return mixture(floor)
            case _:
                return others.mix(floor)

    def share(self) -> int | None:
        """A task's share of its machine's memory: what DuckDB may take of it."""
        if self.cutting.memory is None:
            return None
        from recipec.workspace.database import database_memory

        # One more for the process that was started, which may be on the machine too.
        tasks = 1 + self.cluster.processors // max(1, self.cluster.machines)
        return int(database_memory(f"{self.cutting.memory // tasks}B").removesuffix("KB")) * 1000

    # Rows in files

    def can_lie_in_files(self, ref: TableRef) -> bool:
        built = self.outputs[ref.step]
        if "files" in built.extra.get("rows", {}) or not built.parts:
            return True  # what has no parts is a model
        return all(portable(t) for t in described(self.con, self.relation(ref)).values())

    def rows_of(self, ref: TableRef) -> list[Rows]:
        """The kept rows of an earlier step, in files, by shard."""
        built = self.outputs[ref.step]
        folder = self.workspace.folder.resolve() / "artifacts" / built.run_key / "rows"
        kept = built.extra.get("rows")
        if kept is None or not ("store" in kept or folder.is_dir()):
            return self.export(ref, built.run_key)
        types: Mapping[str, str] = kept["types"]
        schema = ref.schema
        wanted = {n: types[n] for n in ["_key", "_parent", *([ORDER] if schema.ordered else []), *schema.names] if n in types}
        conditions = ["_why IS NULL"] if "_why" in types else []
        if ref.part is not None and "_part" in types:
            conditions.append(f"_part = {literal(ref.part)}")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        select = f"SELECT {cast(wanted)} FROM {{files}}{where}"
        sizes = kept.get("bytes") or [size(str(folder / f) for f in files) for files in kept["files"]]
        return [Rows(tuple(str(folder / f) for f in files), select, bytes) for files, bytes in zip(kept["files"], sizes, strict=True)]

    def export(self, ref: TableRef, key: str) -> list[Rows]:
        """Rows that lie in the database, written into files for this run."""
        made = self.exported.get((key, ref.part))
        if made is not None:
            return made
        relation = self.relation(ref)
        types = described(self.con, relation)
        folder = self.workspace.temporary.resolve() / "rows" / f"{key}_{len(self.exported)}"
        folder.mkdir(parents=True)
        count = int(self.con.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])
        pieces = max(1, min(self.cluster.processors * 2, count // max(self.cutting.shard_rows, 1)))
        select = f"SELECT {cast(types)} FROM {{files}}"
        if pieces == 1:
            file = folder / "rows.parquet"
            self.con.execute(
                f"COPY (SELECT {listed(types)} FROM {relation}) TO {literal(str(file))} (FORMAT parquet, COMPRESSION {COMPRESSION})"
            )
            made = [Rows((str(file),), select, file.stat().st_size)]
        else:
            bucketed = f"SELECT {listed(types)}, (hash(_key) % {pieces})::INTEGER AS {BUCKET} FROM {relation}"
            self.con.execute(
                f"COPY ({bucketed}) TO {literal(str(folder / 'b'))} (FORMAT parquet, COMPRESSION {COMPRESSION}, PARTITION_BY ({BUCKET}))"
            )
            made = []
            for inside in sorted((folder / "b").iterdir()):
                files = tuple(sorted(str(f) for f in inside.iterdir()))
                made.append(Rows(files, select, size(files)))
        self.exported[key, ref.part] = made
        return made


__all__ = ["Cutting", "Floor", "RayRunner", "Tally", "run"]
