"""Predictions of a trained model on a cluster: one actor for each graphics processor, or, where there is none, for each machine.

The rows are cut in the blocks that a run without a cluster asks about, in the same order, because a row's numbers can differ in their last
bits with its company. A block is asked of any actor; answers are written down in order, by the process that was started.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.api import DataError, Outcome
from recipec.engines.ray.cluster import LISTEN, RETRIES, Cluster
from recipec.engines.ray.tasks import Wrong

if TYPE_CHECKING:
    from recipec.engines.ray.runner import Floor
    from recipec.models.requests import Answer, Failure, Request

METHODS = {"classify": "classify", "several": "classify", "tag": "tag", "regress": "regress", "complete": "answers"}
"""What a trained model is asked, by what the step wants of it. Vectors stay where they are remembered."""
AHEAD = 2
"""Blocks handed out for each actor."""


class Predictor:
    """What an actor is: a trained model, loaded once."""

    def __init__(self, folder: str, name: str, facts: Any) -> None:
        from recipec.models.trained import TrainedModel

        self.model = TrainedModel(Path(folder), name, facts)

    def ask(self, method: str, given: Any) -> Any:
        try:
            found = getattr(self.model, method)(given)
            return list(found) if method == "answers" else found
        except DataError as error:
            return Wrong(error.message, error.help)


class Pool:
    """The trained model as the step knows it (:class:`recipec.models._base.Model`), its answers coming from actors, in the order in which
    blocks were handed out."""

    def __init__(self, cluster: Cluster, model: Any, method: str, check: Callable[[], None]) -> None:
        self.cluster, self.method, self.check = cluster, method, check
        self.name, self.facts = model.name, model.facts
        self.agree: Any = None
        self.allowed = 0
        ray = cluster.ray
        gpus = int(ray.cluster_resources().get("GPU", 0))
        able = sum(bool(n["Alive"]) and n["Resources"].get("CPU", 0) > 0 for n in ray.nodes())
        options = {"num_cpus": 1, "num_gpus": 1 if gpus else 0, "max_restarts": RETRIES, "max_task_retries": RETRIES}
        made = ray.remote(Predictor).options(scheduling_strategy="SPREAD", **options)
        self.actors = [made.remote(str(model.folder.resolve()), model.name, model.facts) for _ in range(max(1, gpus or able))]
        self.waiting: deque[Any] = deque()
        self.turn = 0

    def hand_out(self, given: Any) -> None:
        actor = self.actors[self.turn % len(self.actors)]
        self.turn += 1
        self.waiting.append(actor.ask.remote(self.method, given))

    def following(self) -> Any:
        """The answer to the block that was handed out first."""
        ref = self.waiting.popleft()
        ray = self.cluster.ray
        while not ray.wait([ref], timeout=LISTEN)[0]:
            self.check()
        try:
            found = ray.get(ref)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause if error.cause is not None else error
            raise DataError(f"the model `{self.name}` failed: {type(cause).__name__}: {cause}") from None
        except ray.exceptions.RayError:
            raise DataError(f"the process with the model `{self.name}` died", "it may have run out of memory: more --memory") from None
        if isinstance(found, Wrong):
            raise DataError(found.message, found.help)
        return found

    def classify(self, texts: Sequence[str], progress: Callable[[int], None] = lambda done: None) -> Any:
        return self.following()

    def tag(self, tokens: Sequence[Sequence[str]], progress: Callable[[int], None] = lambda done: None) -> Any:
        return self.following()

    def regress(self, texts: Sequence[str]) -> Any:
        return self.following()

    def answers(
        self, requests: Iterable[Request], *, schema: Any = None, progress: Callable[[int], None] = lambda done: None
    ) -> Iterator[tuple[str, Answer | Failure]]:
        yield from self.following()

    def spent(self) -> dict[str, Any]:
        return {}

    def telling(self) -> str:
        return ""

    def quote(self) -> None:
        return None

    def notices(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        for actor in self.actors:
            self.cluster.ray.kill(actor)
        self.actors = []


def handed_out(pool: Pool, blocks: Iterator[list[tuple[str, Any]]]) -> Iterator[list[tuple[str, Any]]]:
    """The blocks, each handed out some time before it is asked about."""
    from recipec.steps.predict import requests

    ahead: deque[list[tuple[str, Any]]] = deque()

    def more() -> None:
        block = next(blocks, None)
        if block is not None:
            ahead.append(block)
            pool.hand_out(list(requests(block)) if pool.method == "answers" else [x for _, x in block])

    for _ in range(AHEAD * len(pool.actors)):
        more()
    while ahead:
        yield ahead.popleft()
        more()


def predict(floor: Floor) -> Outcome:
    """The table of a ``predict`` step that asks a trained model."""
    from recipec.steps.predict import Predict

    class There(Predict):
        def pieces(self, ctx: Any, table: str, count: int) -> Iterator[list[tuple[str, Any]]]:  # type: ignore[override]
            return handed_out(pool, Predict.pieces(ctx, table, count))

    ctx = floor.ctx
    plan = ctx.step.bound.plan
    opened = ctx.shared.setdefault("models", {})
    here = ctx.model(plan.model)
    place = next(key for key, made in opened.items() if made is here)
    pool = Pool(floor.cluster, here, METHODS[plan.does], lambda: ctx.progress(None, ""))
    opened[place] = pool
    try:
        outcome = There().run(plan, ctx)
        floor.tally.tasks += pool.turn
        return outcome
    finally:
        opened[place] = here
        pool.close()
