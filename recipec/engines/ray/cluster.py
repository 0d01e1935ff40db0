"""The cluster: joined or started, given tasks, and left.

``RAY_ADDRESS`` says where it is; without it a cluster that was started on this machine (``ray start --head``) is used, and where there is
none, one is started for the run and ended with it. Nothing of Ray's own is sent anywhere: its usage statistics and its dashboard are off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from recipec.api import DataError
from recipec.engines.ray import stores
from recipec.engines.ray.tasks import Done, Wrong, told

AHEAD = 3
"""Tasks handed out for each processor: enough that none waits, few enough that a failure does not wait for many."""
LISTEN = 0.2
"""Seconds between two looks at whether Ctrl-C was pressed."""
PATIENCE = 10.0
"""Seconds that a cluster has to answer."""
RETRIES = 4
"""How often a task is run again whose machine went away."""


def lacking() -> str | None:
    """Why there can be no cluster; None where there can."""
    from importlib.util import find_spec

    return None if find_spec("ray") is not None else "--engine ray needs Ray, which is not installed"


INSTALL = "pip install 'recipec[ray]'"


class Cluster:
    """A connection to a cluster. ``processors`` and ``machines`` are those that it has now."""

    def __init__(self, ray: Any) -> None:
        self.ray = ray
        self.remote, self.stored = ray.remote(told), ray.remote(stores.told)
        self.store: stores.Store | None = None
        """Where the files of tables lie, if not on a disk that all machines share."""

    @property
    def machines(self) -> int:
        return sum(bool(n["Alive"]) for n in self.ray.nodes())

    @property
    def processors(self) -> int:
        return max(1, int(self.ray.cluster_resources().get("CPU", 1)))

    def put(self, value: Any) -> Any:
        return self.ray.put(value)

    def map(
        self,
        task: Callable[..., Done],
        common: Sequence[Any],
        units: Sequence[Any],
        progress: Callable[[float | None, str], None],
        *,
        processors: float = 1,
        span: tuple[float, float] = (0.0, 1.0),
    ) -> list[Done]:
        """Run ``task(*common, unit)`` for every unit, anywhere. Answers are in the order of the units.

        Of several that fail, the first unit's error is raised. A task whose machine goes away is run again on another.
        """
        ray = self.ray
        remote = (self.remote if self.store is None else self.stored).options(
            num_cpus=processors, max_retries=RETRIES, scheduling_strategy="SPREAD", name=task.__name__, runtime_env=None
        )
        given = [task, *(c if isinstance(c, ray.ObjectRef) else self.put(c) for c in common)]
        if self.store is not None:
            given.insert(0, self.store)
            self.store.offer(stores.every_text([c for c in common if not isinstance(c, ray.ObjectRef)]))
        answers: dict[int, Done] = {}
        waiting: dict[Any, int] = {}
        failed: dict[int, DataError] = {}
        following = iter(range(len(units)))
        ahead = max(2, self.processors * AHEAD)
        try:
            while True:
                while len(waiting) < ahead and not failed and (number := next(following, None)) is not None:
                    if self.store is not None:
                        self.store.offer(stores.every_text(units[number]))
                    waiting[remote.remote(*given, units[number])] = number
                if not waiting:
                    break
                if failed and min(waiting.values()) > min(failed):
                    break
                done, _ = ray.wait(list(waiting), num_returns=1, timeout=LISTEN)
                progress(span[0] + (span[1] - span[0]) * len(answers) / len(units), "")
                for ref in done:
                    number = waiting.pop(ref)
                    answer = self.answer(ref)
                    if isinstance(answer, Done):
                        answers[number] = answer
                    else:
                        failed[number] = answer
        finally:
            for ref in waiting:
                ray.cancel(ref, force=False)
        if failed:
            raise failed[min(failed)]
        return [answers[n] for n in range(len(units))]

    def answer(self, ref: Any) -> Done | DataError:
        """A task's answer, or its failure in words."""
        exceptions = self.ray.exceptions
        try:
            found: Done | Wrong = self.ray.get(ref)
        except exceptions.OutOfMemoryError:
            return DataError("a task needed more memory than its machine has", "give tasks less to hold: more --memory, or more machines")
        except (exceptions.WorkerCrashedError, exceptions.NodeDiedError):
            return DataError("a worker process died", "it may have run out of memory: more --memory, or fewer processors to a machine")
        except exceptions.RayTaskError as error:
            return DataError(f"a task failed: {raised(error)}")
        except exceptions.RayError as error:
            return DataError(f"the cluster lost a task: {first_line(error)}", "is the cluster up? Run again")
        if isinstance(found, Done):
            return found
        return TypesDiffer(found.message) if found.types else DataError(found.message, found.help)


def first_line(error: BaseException) -> str:
    """What an error says, in one line; its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def raised(error: Any) -> str:
    """What the code of a task or an actor raised, by what Ray made of it (``RayTaskError``)."""
    cause = error.cause if error.cause is not None else error
    return f"{type(cause).__name__}: {first_line(cause) if str(cause).strip() else ''}".rstrip(": ")


class TypesDiffer(DataError):
    """A column in the middle of a chain has a type that no file holds."""


@contextmanager
def joined(*, processors: int | None = None, own: bool = False, object_memory: int = 256 << 20) -> Iterator[Cluster]:
    """The cluster, for as long as it is used; ``own``: one that is started for it. Raises DataError where there is none to be had."""
    problem = lacking()
    if problem is not None:
        raise DataError(problem, INSTALL)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray: Any = import_module("ray")
    mine = not ray.is_initialized()
    if mine:
        start(ray, None if own else os.environ.get("RAY_ADDRESS") or running(), processors, object_memory)
    try:
        yield Cluster(ray)
    finally:
        if mine:
            ray.shutdown()


def answering(address: str) -> None:
    """Raise ConnectionError where nobody listens: Ray itself waits for minutes."""
    import socket

    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE):
                return
        except OSError as error:
            raise ConnectionError(f"nobody answers ({error.strerror or error})") from None


def running() -> str | None:
    """The cluster that was started on this machine last (``ray start``), where it still answers."""
    record = Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster")
    try:
        address = record.read_text(encoding="utf-8").strip()
        answering(address)
    except OSError:
        return None
    return address


def start(ray: Any, address: str | None, processors: int | None, object_memory: int) -> None:
    quiet = {"log_to_driver": False, "logging_level": "FATAL", "configure_logging": True}
    try:
        if address:
            answering(address)
            ray.init(address=address, **quiet)
        else:
            ray.init(
                address="local", num_cpus=processors, object_store_memory=object_memory, include_dashboard=False,
                _node_ip_address="127.0.0.1", **quiet,
            )  # fmt: skip
    except (ConnectionError, RuntimeError, ValueError, OSError, TimeoutError) as error:
        where = f" at {address}" if address else ""
        said = str(error).strip().splitlines()
        raise DataError(
            f"no Ray cluster{where}: {said[0] if said else type(error).__name__}",
            "is it up? `ray status` says; RAY_ADDRESS says where it is",
        ) from None
