"""Training on a cluster: one task trains, on a machine that has what it asks for, and the process that was started tells how far it is.

The rows are written into the workspace, in the order of a run without a cluster; checkpoints and the model lie there too. A task whose machine
goes away is begun again on another, from its last checkpoint: the weights are the same bytes on like processors, whatever happened. Several
processes (``devices``) are all on one machine. Where the cluster is this machine alone and has no graphics processor nothing is gained,
and the process that was started trains.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import DataError, Outcome
from recipec.engines.ray.cluster import LISTEN, RETRIES, Cluster, first_line, raised
from recipec.engines.ray.tasks import Wrong

if TYPE_CHECKING:
    from recipec.engines.context import RunContext
    from recipec.training._base import Rows
    from recipec.training.here import TrainJob

STOPPING = 300.0
"""Seconds that a training has to write its checkpoint once Ctrl-C was pressed."""
BATCH = 10_000
"""Rows that are read at a time, as in a run without a cluster."""


@dataclass(frozen=True)
class Stopped:
    """A training that was interrupted: what is told of where it stands."""

    told: tuple[str, ...]


class Desk:
    """Where a training says how far it is, and hears whether to stop: an actor beside the process that was started."""

    def __init__(self) -> None:
        self.moment: tuple[Any, ...] | None = None
        self.stop = False

    def told(self, moment: tuple[Any, ...]) -> bool:
        self.moment = moment
        return self.stop

    def last(self) -> tuple[Any, ...] | None:
        return self.moment

    def end(self) -> None:
        self.stop = True


@dataclass(frozen=True)
class Stored:
    """Rows in a file of Arrow's, read batch by batch."""

    path: str

    def __call__(self) -> Iterator[Any]:
        import pyarrow as pa

        with pa.memory_map(self.path) as source, pa.ipc.open_stream(source) as reader:
            yield from reader


def stored(rows: Rows, path: Path) -> Rows:
    """The same rows, in a file that every machine sees."""
    import pyarrow as pa

    path.parent.mkdir(parents=True, exist_ok=True)
    writer: Any = None
    with path.open("wb") as file:
        for batch in rows.read():
            if writer is None:
                writer = pa.ipc.new_stream(file, batch.schema)
            writer.write_batch(batch)
        if writer is None:
            return rows
        writer.close()
    return replace(rows, read=Stored(str(path)))


def trained(job: TrainJob, desk: Any) -> Any:
    """What the task does."""
    from recipec.training.here import train_here

    ray: Any = import_module("ray")
    said = 0.0

    def tell(*moment: Any) -> None:
        nonlocal said
        if time.monotonic() - said < LISTEN:
            return
        said = time.monotonic()
        try:
            stop = ray.get(desk.told.remote(moment))
        except ray.exceptions.RayError:
            # Nobody listens any more: what is trained is kept all the same.
            return
        if stop:
            raise KeyboardInterrupt

    try:
        return train_here(job, tell)
    except DataError as error:
        return Wrong(error.message, error.help)
    except KeyboardInterrupt as interruption:
        return Stopped(tuple(map(str, interruption.args)))


def elsewhere(cluster: Cluster) -> bool:
    """Whether the cluster has more than this machine's processors."""
    return cluster.machines > 1 or graphics(cluster) > 0


def graphics(cluster: Cluster) -> int:
    """The most graphics processors that a machine has."""
    return max((int(n["Resources"].get("GPU", 0)) for n in cluster.ray.nodes() if n["Alive"]), default=0)


def wanted(cluster: Cluster, devices: int | str) -> int:
    """How many graphics processors a training asks for."""
    there = graphics(cluster)
    return there if devices == "auto" else min(there, int(devices))


def train(cluster: Cluster, ctx: RunContext) -> Outcome:
    """The model of a ``train`` step."""
    from recipec.steps.train import Train, leaks, progress

    ray, plan = cluster.ray, ctx.step.bound.plan
    same = leaks(ctx, plan)
    job: TrainJob = Train.job(plan, ctx)
    place = job.place
    rows = ctx.temporary.resolve()
    job = replace(
        job,
        rows=stored(job.rows, rows / "training.arrow"),
        validation=stored(job.validation, rows / "validation.arrow") if job.validation is not None else None,
        place=replace(
            place, folder=place.folder.resolve(), work=place.work.resolve(), cache=place.cache.resolve(), known=place.known.resolve(),
            logs=place.logs.resolve() if place.logs is not None else None,
        ),
    )  # fmt: skip
    beside = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    desk = ray.remote(Desk).options(num_cpus=0, scheduling_strategy=beside).remote()
    gpus = wanted(cluster, job.spec.devices)
    task = ray.remote(trained).options(num_cpus=1, num_gpus=gpus, max_retries=RETRIES, scheduling_strategy="SPREAD", name="train")
    ref = task.remote(job, desk)
    try:
        shown = None
        while not ray.wait([ref], timeout=LISTEN)[0]:
            moment = ray.get(desk.last.remote())
            if moment is not None and moment != shown:
                shown = moment
                ctx.progress(*progress(*moment))
        made = answer(cluster, ref)
    except KeyboardInterrupt:
        desk.end.remote()
        ray.wait([ref], timeout=STOPPING)
        stopped = answer(cluster, ref) if ray.wait([ref], timeout=0)[0] else None
        told = stopped.told if isinstance(stopped, Stopped) else ()
        raise KeyboardInterrupt(*(f"`{ctx.step.name}` has {text}" for text in told)) from None
    finally:
        ray.cancel(ref, force=True)
        ray.kill(desk)
    if isinstance(made, Stopped):
        raise KeyboardInterrupt(*(f"`{ctx.step.name}` has {text}" for text in made.told))
    outcome = Train.outcome(plan, ctx, made, same)
    outcome.extra["ray"] = {"way": "actors", "tasks": 1, "gpus": gpus}
    return outcome


def answer(cluster: Cluster, ref: Any) -> Any:
    """What became of a training. Raises DataError where it could not be."""
    ray = cluster.ray
    try:
        found = ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        raise DataError(f"training failed: {raised(error)}") from None
    except ray.exceptions.RayError as error:
        raise DataError(
            f"the machine that trained was lost: {first_line(error)}",
            "its checkpoint is kept: run again; it may have run out of memory",
        ) from None
    if isinstance(found, Wrong):
        raise DataError(found.message, found.help)
    return found


__all__ = ["elsewhere", "train"]
