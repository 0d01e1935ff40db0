"""Models of this machine on a cluster: one actor for each graphics processor, or, where there is none, for each machine.

Whoever asks stays the process that was started: it cuts texts into tokens and these into batches, the same that a run without a cluster
makes, hands a batch to whichever actor is free, and takes the answers in the order of the batches. So the numbers are the same on like
processors, and what is kept (vectors, and the texts that language models write) is written by one process, before it is used, each once: an
actor that goes away with its machine has written nothing, and what it was asked is asked of another.

Models behind servers are asked by the process that was started, as without a cluster: it waits for the server, not the server for it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recipec.api import DataError
from recipec.engines.ray.cluster import LISTEN, RETRIES, Cluster, raised
from recipec.engines.ray.tasks import Wrong

if TYPE_CHECKING:
    from recipec.models._base import Model

Unit = tuple[Any, ...]
AHEAD = 2
"""Units handed out for each actor."""
WAITING = 16
"""Units for each actor that may be done before an earlier one is: so many answers are held."""


class Asked:
    """What an actor has: the models of a step, each of which loads its weights when it is first asked."""

    def __init__(self, threads: int | None) -> None:
        self.models: dict[str, Any] = {}
        if threads is not None:
            # Ray gives a process one thread for each processor that it asked for.
            os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)

    def ready(self) -> None:
        """Answers when the actor is there."""

    def forget(self) -> None:
        """Let go of all models: the step is over."""
        self.models = {}

    def ask(self, name: str, shell: Any, method: str, unit: Unit) -> Any:
        from operator import attrgetter

        try:
            return attrgetter(method)(self.models.setdefault(name, shell))(*unit)
        except DataError as error:
            return Wrong(error.message, error.help)


@dataclass
class Handed:
    """A unit on its way: its number, what it is, who is asked, and how many died of it or with it."""

    number: int
    unit: Unit
    actor: Any
    died: int = 0


class Pool:
    """The actors of a run. ``busy`` counts the units that each has been handed."""

    def __init__(self, cluster: Cluster, check: Callable[[], None]) -> None:
        self.cluster, self.check = cluster, check
        self.busy: dict[Any, int] = {}
        self.starting: dict[Any, Any] = {}
        """Actors that have not said that they are there, by what will say so."""
        self.asked: dict[str, int] = {}
        self.shells: dict[str, Any] = {}

    def start(self) -> None:
        """Make the actors: as many as there are graphics processors, or machines."""
        ray = self.cluster.ray
        beside = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        nodes = [(n["NodeID"], n["Resources"]) for n in ray.nodes() if n["Alive"]]
        graphic = any(r.get("GPU", 0) >= 1 for _, r in nodes)
        for node, has in nodes:
            for _ in range(int(has.get("GPU", 0)) if graphic else int(has.get("CPU", 0) > 0)):
                # No processor is set aside for them: they rest while tasks work.
                options = {"num_cpus": 0, "num_gpus": int(graphic), "max_restarts": 0, "scheduling_strategy": beside(node, soft=False)}
                actor = ray.remote(Asked).options(**options).remote(None if graphic else int(has["CPU"]))
                self.starting[actor.ready.remote()] = actor
        if not self.starting:
            raise DataError("no machine of the cluster is left that could be asked", "is the cluster up? Run again")

    def free(self, at_least: bool) -> Any:
        """The actor with least to do; None where all have enough, unless ``at_least`` one is wanted."""
        actor = min(self.busy, key=lambda a: self.busy[a], default=None)
        return actor if actor is not None and (at_least or self.busy[actor] < AHEAD) else None

    def each(self, model: Model, method: str, units: Iterable[Unit]) -> Iterator[Any]:
        """What the model makes of each unit, in their order."""
        ray, name = self.cluster.ray, model.name
        shell = self.shells.get(name)
        if shell is None:
            shell = self.shells[name] = self.cluster.put(model)
        following = ((n, u, 0) for n, u in enumerate(units))
        going: dict[Any, Handed] = {}
        again: deque[tuple[int, Unit, int]] = deque()
        answers: dict[int, Any] = {}
        wanted, more = 0, True
        try:
            while True:
                while wanted in answers:
                    yield answers.pop(wanted)
                    wanted += 1
                while again or (more and len(answers) + len(going) < WAITING * max(1, len(self.busy))):
                    if not self.busy and not self.starting:
                        self.start()
                    actor = self.free(not going)
                    if actor is None:
                        break
                    taken = again.popleft() if again else next(following, None)
                    if taken is None:
                        more = False
                        break
                    number, unit, died = taken
                    self.busy[actor] += 1
                    self.asked[name] = self.asked.get(name, 0) + (not died)
                    going[actor.ask.remote(name, shell, method, unit)] = Handed(number, unit, actor, died)
                if not going and not again and not more:
                    return
                done, _ = ray.wait([*going, *self.starting], num_returns=1, timeout=LISTEN)
                if not done:
                    self.check()
                for ref in done:
                    if ref in self.starting:
                        self.there(ref)
                        continue
                    one = going.pop(ref)
                    answer = self.answer(ref, one.actor, name)
                    if answer is not None:
                        answers[one.number] = answer
                    elif one.died < RETRIES:
                        again.append((one.number, one.unit, one.died + 1))
                    else:
                        raise DataError(f"the process with the model `{name}` died", "it may have run out of memory: more --memory")
        finally:
            for ref, one in going.items():
                if one.actor in self.busy:
                    self.busy[one.actor] -= 1
                ray.cancel(ref, force=False)

    def there(self, ref: Any) -> None:
        """An actor is there, or has died before it was."""
        actor = self.starting.pop(ref)
        try:
            self.cluster.ray.get(ref)
        except self.cluster.ray.exceptions.RayError:
            return
        self.busy[actor] = 0

    def answer(self, ref: Any, actor: Any, name: str) -> Any:
        """What an actor answered; None where it is gone. Raises DataError for what it could not."""
        exceptions = self.cluster.ray.exceptions
        if actor in self.busy:
            self.busy[actor] -= 1
        try:
            found = self.cluster.ray.get(ref)
        except exceptions.RayTaskError as error:
            raise DataError(f"the model `{name}` failed: {raised(error)}") from None
        except exceptions.RayError:
            self.busy.pop(actor, None)
            return None
        if isinstance(found, Wrong):
            raise DataError(found.message, found.help)
        return found

    def rest(self) -> None:
        """Between two steps the actors stay, without models: a process that has loaded its libraries is worth some seconds."""
        for actor in self.busy:
            actor.forget.remote()
        self.asked, self.shells = {}, {}

    def close(self) -> None:
        for actor in (*self.busy, *self.starting.values()):
            self.cluster.ray.kill(actor)
        self.busy, self.starting = {}, {}


class Spread:
    """Who does the work of models, for a run. Called with an opened model, gives what does its units."""

    def __init__(self, cluster: Cluster, check: Callable[[], None]) -> None:
        self.cluster, self.check = cluster, check
        self.pool: Pool | None = None

    def __call__(self, model: Model) -> Callable[[str, Iterable[Unit]], Iterator[Any]]:
        def each(method: str, units: Iterable[Unit]) -> Iterator[Any]:
            if self.pool is None:
                self.pool = Pool(self.cluster, self.check)
            return self.pool.each(model, method, units)

        return each

    @property
    def asked(self) -> dict[str, int]:
        """How many units each model was asked in this step."""
        return {} if self.pool is None else self.pool.asked

    def rest(self) -> None:
        """The end of a step."""
        if self.pool is not None:
            self.pool.rest()

    def close(self) -> None:
        """Let the actors go: graphics processors are wanted by others, or the run is over."""
        if self.pool is not None:
            self.pool.close()
            self.pool = None


__all__ = ["Spread"]
