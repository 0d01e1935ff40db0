"""What a plan will cost on a cluster, told before anything runs and without Ray: tasks, bytes that move, memory of a task.

The model, in the order in which it is worked out:

* **Rows and bytes of a table** are those of its last build where there was one. Else a source has the rows of its Parquet footers, or those
  that the start of its text files lets expect, and bytes as Parquet keeps them (a third of a text file's); a later step has at most what its
  inputs have.
* **Tasks**: one for each file of a source, for each shard of a table, for each bucket; see :mod:`recipec.engines.ray.ways`.
* **Bytes shuffled** are those that tasks write for other tasks, beside the result. Every pass but the last writes the table once.
  Near-dedupe writes, for each row, 8 bytes a word and a band, and 60 more. A split writes 24 bytes a row. An export into shards, and a
  function's batches, write the table once, or twice where there would be too many files at once.
* **Memory of a task** is 270 MB for Python and the libraries, and five times its shard unpacked (a shard unpacks to 4 times its bytes): its
  rows, its result and what is being written. A bucket is a shard's size. Beyond its share DuckDB goes to disk.
* **Memory here**, of the process that was started: 100 bytes a row where near-duplicates are linked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import Alike, Meeting
from recipec.engines.ray.narrow import augment_cost, label_cost, made_of, mix_cost, mixed_rows, select_cost
from recipec.engines.ray.rest import export_cost, function_cost
from recipec.engines.ray.ways import Going, Way, going, reads_model

if TYPE_CHECKING:
    from recipec.plan.planner import Plan, Planned
    from recipec.workspace.database import Workspace

SHARD = 64 << 20
"""Bytes of Parquet that a shard has at most: :data:`recipec.engines.ray.runner.SHARD_BYTES`."""
MOST_FILES = 250_000
"""As :data:`recipec.engines.ray.runner.MOST_FILES`."""
BROADCAST = 32 << 20
"""As :data:`recipec.engines.ray.chain.SMALL`."""
PACKED = 3
"""Bytes of a text file for one as Parquet keeps them."""
UNPACKED = 4.0
"""Bytes in memory for one of Parquet."""
COPIES = 5
"""How often a task holds its rows: as read, as made, and as written."""
PYTHON = 260 << 20
WORD = 7
"""Bytes of a word of text, with its space."""
ROW_OF_SKETCH, ROW_OF_SPLIT, ROW_LINKED = 60, 24, 100
LOOKED_AT = 1 << 18
"""Bytes of a text file that are looked at, to know how many lines it has."""


@dataclass(frozen=True)
class Table:
    """A table's rows, its bytes as Parquet, and how many shards it lies in. ``known``: it was built so."""

    rows: int
    bytes: int
    shards: int
    known: bool = False


@dataclass(frozen=True)
class Cost:
    """What a step takes on a cluster. ``memory`` is of its greatest task, ``here`` of the process that was started, in bytes."""

    step: str
    way: Way
    why: str
    rows: int
    tasks: int = 0
    shuffled: int = 0
    memory: int = 0
    here: int = 0
    asked: tuple[str, ...] = ()
    """Models of these machines, which actors hold."""

    def data(self) -> dict[str, Any]:
        return {
            "way": self.way, "why": self.why, "rows": self.rows, "tasks": self.tasks, "shuffled": self.shuffled, "memory": self.memory,
            "memory_here": self.here, "asked": list(self.asked),
        }  # fmt: skip


@dataclass
class Model:
    """The costs of a plan's steps, in their order. ``nodes`` and ``memory`` (bytes of each) say what there is; None: not said."""

    nodes: int
    memory: int | None
    costs: dict[str, Cost] = field(default_factory=dict)

    @property
    def shuffled(self) -> int:
        return sum(c.shuffled for c in self.costs.values())

    @property
    def largest(self) -> Cost | None:
        """The step with the task that needs most memory."""
        return max((c for c in self.costs.values() if c.tasks), key=lambda c: c.memory, default=None)

    def at_once(self) -> int | None:
        """How many of the largest tasks a node's memory holds side by side."""
        if self.memory is None or self.largest is None:
            return None
        return self.memory // self.largest.memory

    def limits(self) -> list[str]:
        """What there is too little of, in words."""
        if self.memory is None:
            return []
        gone = []
        for cost in self.costs.values():
            if cost.tasks and cost.memory > self.memory:
                gone.append(f"`{cost.step}`: a task wants {size(cost.memory)}, a node has {size(self.memory)}; it goes to disk")
            if cost.here > self.memory:
                gone.append(f"`{cost.step}`: this process wants {size(cost.here)} to link near-duplicates; it cannot do with less")
        return gone


def model_of(plan: Plan, workspace: Workspace, nodes: int, memory: int | None) -> Model:
    """The cost of every step that a plan would run."""
    model = Model(nodes, memory)
    tables: dict[str, Table] = {}
    kinds = {s.name: s.kind for s in plan.program.steps}
    for planned in plan.steps:
        before = built_size(planned, workspace)
        inputs = [tables[r.step] for r in planned.step.parents if r.step in tables]
        way = going(planned.step, reads_model(planned.step, kinds))
        made, cost = cost_of(planned, way, inputs, tables, workspace, nodes)
        tables[planned.name] = before if before is not None and (planned.status == "reuse" or before.known) else made
        if planned.status == "run":
            model.costs[planned.name] = replace(cost, asked=asked_of(planned, plan))
    return model


def asked_of(planned: Planned, plan: Plan) -> tuple[str, ...]:
    """The models that a step asks and that run on the cluster's machines."""
    if planned.step.kind.name in ("train", "export"):
        return ()
    found = {r.step: plan.program.resolved[r.step] for r in planned.step.parents}
    return tuple(n for n, s in found.items() if s is not None and s.bound.model is not None and not s.bound.model.external)


def built_size(planned: Planned, workspace: Workspace) -> Table | None:
    """What the last build of a step was like."""
    built = planned.built or planned.previous
    if built is None:
        return None
    files = built.extra.get("rows", {}).get("files")
    if files:
        folder = workspace.folder / "artifacts" / built.run_key / "rows"
        total = sum(built.extra["rows"].get("bytes", ())) or sum(
            (folder / f).stat().st_size for shard in files for f in shard if (folder / f).exists()
        )
        return Table(built.rows_out, total, len(files), True)
    return Table(built.rows_out, 0, 1) if planned.status == "reuse" else None


def cost_of(
    planned: Planned, way: Going, inputs: Sequence[Table], tables: Mapping[str, Table], workspace: Workspace, nodes: int
) -> tuple[Table, Cost]:
    """The table that a step makes, and what that takes."""
    step = planned.step
    plan = step.bound.plan
    if step.kind.name == "source":
        made = source_size(plan, workspace, nodes)
        tasks = len(plan.files) if way.way != "driver" else 0
        each = made.bytes // max(tasks, 1)
        return made, Cost(step.name, way.way, way.why, made.rows, tasks, 0, memory_of(each) if tasks else 0)
    rows, bytes = sum(t.rows for t in inputs), sum(t.bytes for t in inputs)
    main = tables.get(step.inputs[0].step) if step.inputs else None
    if main is None or way.way in ("driver", "actors"):
        shards = 1
        table = (
            Table(rows, bytes, shards) if step.kind.name in ("mix", "sql") else Table(main.rows, main.bytes, 1) if main else Table(0, 0, 1)
        )
        return table, Cost(step.name, way.way, way.why, table.rows)
    if step.kind.name == "mix":
        shards = sum(t.shards for t in inputs)
        if way.way == "narrow":
            return Table(mixed_rows(plan, rows), bytes, shards), Cost(step.name, way.way, way.why, rows, *mix_cost(plan, inputs))
        return Table(rows, bytes, shards), Cost(step.name, way.way, way.why, rows, shards, 0, memory_of(bytes // max(shards, 1)))
    if step.kind.name == "sql":
        return Table(rows, bytes, main.shards), Cost(step.name, way.way, way.why, rows, 1, 0, memory_of(bytes))
    if step.kind.name == "python":
        return main, Cost(step.name, way.way, way.why, main.rows, *function_cost(plan, main))
    if step.kind.name == "export":
        return main, Cost(step.name, way.way, way.why, rows, *export_cost(step, tables))
    if step.kind.name == "split":
        cost = split_cost(plan, main)
        return main, Cost(step.name, way.way, way.why, main.rows, *cost)
    if step.kind.name == "label":
        return main, Cost(step.name, way.way, way.why, main.rows, *label_cost(plan, main))
    if step.kind.name == "augment":
        copies = made_of(plan, main)
        originals = plan.settings.originals
        both = Table(copies.rows + originals * main.rows, copies.bytes + originals * main.bytes, main.shards)
        return both, Cost(step.name, way.way, way.why, main.rows, *augment_cost(plan, main))
    if step.kind.name == "select":
        return main, Cost(step.name, way.way, way.why, main.rows, *select_cost(plan, main, tables))
    cost = chain_cost(way, main, {str(r): tables[r.step] for r in step.parents if r.step in tables})
    return main, Cost(step.name, way.way, way.why, main.rows, *cost)


def memory_of(bytes: int) -> int:
    """Of a task that has so many bytes of Parquet."""
    return int(PYTHON + bytes * UNPACKED * COPIES)


def sketch_bytes(table: Table, threshold: float) -> int:
    """What near-dedupe writes of a table."""
    from recipec.engines.ray.bands import bands

    return int(table.bytes * UNPACKED / WORD * 8 + table.rows * (8 * bands(threshold) + ROW_OF_SKETCH))


def split_cost(plan: Any, table: Table) -> tuple[int, int, int, int]:
    """(tasks, bytes shuffled, memory of a task, memory here)"""
    from recipec.resolve.arguments import Inner

    near = plan.settings.group.params if isinstance(plan.settings.group, Inner) else None
    moved = ROW_OF_SPLIT * table.rows + (sketch_bytes(table, near.near) if near is not None else 0)
    tasks = table.shards * (3 if near is not None else 2)
    return tasks, moved, memory_of(table.bytes // table.shards), table.rows * (ROW_LINKED if near is not None else ROW_OF_SPLIT)


def chain_cost(way: Going, table: Table, others: Mapping[str, Table]) -> tuple[int, int, int, int]:
    """(tasks, bytes shuffled, memory of a task, memory here)"""
    passes = list(way.passes)
    if len(passes) > 1 and not passes[0].stages and passes[1].way != "keys":
        passes.pop(0)
    buckets = max(table.shards, -(-table.bytes // SHARD))
    parts, tasks, shuffled, here, greatest = table.shards, 0, 0, 0, 0
    for number, this in enumerate(passes):
        beside = 0
        match this.meeting:
            case Alike() as alike:
                shuffled += sketch_bytes(table, alike.threshold)
                tasks += parts
                here = max(here, table.rows * ROW_LINKED)
            case Meeting() as meeting:
                beside = sum(others[r].bytes for r in meeting.others)
                if meeting.rows or beside > BROADCAST:
                    parts = buckets
                    shuffled += beside
                    tasks += sum(others[r].shards for r in meeting.others)
                    beside //= buckets
            case _:
                if this.way == "one":
                    parts = 1
        tasks += parts
        greatest = max(greatest, table.bytes // parts + beside)
        if this.way == "one":
            parts = buckets
        if number < len(passes) - 1:
            met = isinstance(passes[number + 1].meeting, Meeting)
            shuffled += table.bytes * (2 if met and parts * buckets > MOST_FILES else 1)
    return tasks, shuffled, memory_of(greatest), here


def source_size(plan: Any, workspace: Workspace, nodes: int) -> Table:
    """Rows and bytes of a source, by its files' footers or their first lines."""
    from recipec.api import literal

    sizes = []
    for file in plan.files:
        try:
            sizes.append(file.path.stat().st_size)
        except OSError:
            sizes.append(0)
    total = sum(sizes)
    if plan.reader.name == "parquet" and plan.files:
        import duckdb

        listed = ", ".join(literal(str(f.path)) for f in plan.files)
        try:
            ((rows,),) = workspace.con.execute(f"SELECT sum(num_rows) FROM parquet_file_metadata([{listed}])").fetchall()
        except duckdb.Error:
            rows = 0
        bytes = total
    else:
        rows, bytes = lines_of([f.path for f in plan.files], sizes), total // PACKED
    count = max(len(plan.files), 1)
    pieces = max(1, -(-(total // count) // SHARD))
    if count < nodes and total > SHARD // 8:
        pieces = max(pieces, -(-nodes // count))
    return Table(int(rows or 0), bytes, count * pieces)


def lines_of(files: Sequence[Path], sizes: Sequence[int]) -> int:
    """How many lines files have, going by the start of the largest."""
    if not files:
        return 0
    largest = files[list(sizes).index(max(sizes))]
    try:
        with largest.open("rb") as file:
            start = file.read(LOOKED_AT)
    except OSError:
        return 0
    return round(sum(sizes) * start.count(b"\n") / max(len(start), 1))


def size(count: float) -> str:
    from recipec.report.runs import size as shown

    return shown(count)


def loaded(cost: Cost, model: Model) -> str:
    """Where the models are that a step asks."""
    named = ", ".join(f"`{name}`" for name in cost.asked) or "the model"
    return f"{named} {'are' if len(cost.asked) > 1 else 'is'} loaded on {model.nodes:,} node{'s' * (model.nodes != 1)}"


def text(model: Model, column: int) -> list[str]:
    """The model as lines for people."""
    machines = f"{model.nodes} node{'s' * (model.nodes != 1)}" + (f" of {size(model.memory)}" if model.memory is not None else "")
    lines = [f"on a cluster of {machines}: {size(model.shuffled)} shuffled in all"]
    largest = model.largest
    if largest is not None:
        held = model.at_once()
        many = f"; a node holds {held:,} such tasks at once" if held else ""
        lines[0] += f", {size(largest.memory)} in the largest task (`{largest.step}`){many}"
    for cost in model.costs.values():
        why = f" ({cost.why})" if cost.why else ""
        if cost.way == "actors":
            lines.append(f"  {cost.step:{column}}   actors: {cost.why or loaded(cost, model)}")
            continue
        if cost.way == "driver":
            lines.append(f"  {cost.step:{column}}   here, by DuckDB{why}" + (f"; {loaded(cost, model)}" if cost.asked else ""))
            continue
        here = f", {size(cost.here)} here" if cost.here > 1 << 20 else ""
        lines.append(
            f"  {cost.step:{column}}   {cost.way}{why}: {cost.tasks:,} task{'s' * (cost.tasks != 1)} of {size(cost.memory)}, "
            f"{size(cost.shuffled)} shuffled{here}"
        )
    return lines + [f"  {limit}" for limit in model.limits()]


__all__ = ["Cost", "Model", "model_of", "text"]
