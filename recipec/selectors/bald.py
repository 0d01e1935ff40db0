"""``by: bald(clf)``"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from recipec.api import DataError, Expression, Json, ModelRef, Schema, Settings, Traits, named, selector
from recipec.resolve.binder import StepBinder
from recipec.selectors._base import Selecting, Selector, need, rounded, text_of
from recipec.selectors._uncertain import entropies
from recipec.settings import Field
from recipec.syntax import tree


class BaldParams(Settings):
    model: ModelRef
    passes: int = Field(10, ge=2, le=1000)
    text: Expression | None = named(None)


@selector("bald")
class Bald(Selector):
    """What a classifier could learn most from: where its answers, with neurons left out by chance, are each sure but disagree.

    ```recipe
    select ask_people from pool { take: 500  by: bald(clf) }
    ```

    The score is H(mean p) - mean H(p) over ``passes`` (10) passes with the model's own dropout switched on, in nats. The model must have
    dropout, and run on this machine. Chance depends on the seed and, since neurons are left out for a batch at a time, on which rows there
    are, never on their order. Houlsby et al., 2011; Gal, Islam and Ghahramani, 2017, "Deep Bayesian active learning with image data".
    """

    Params = BaldParams
    params: BaldParams
    what = "mutual information"
    traits = Traits(random=True)

    def bind(self, bind: StepBinder, schema: Schema, call: tree.Expr) -> None:
        need(bind, self.params.model, "classify", call)
        self.text = text_of(bind, schema, self.params.text, call, self.params.model)

    def meaning(self) -> Json:
        return self.text.meaning

    def score(self, given: Selecting) -> list[str]:
        import numpy as np

        from recipec.rand import rank64_of

        model = given.ctx.model(self.params.model)
        places: list[int] = []
        parts = [np.zeros(0)]
        for block, (rows, texts) in enumerate(given.blocks(self.text.sql)):
            if not rows:
                continue
            mean: Any = 0.0
            doubt: Any = 0.0
            for n in range(self.params.passes):
                with dropout(model, str(self.params.model), rank64_of(given.seed, given.salt, f"{block}/{n}") >> 1):
                    p = np.asarray(model.classify(texts)[1], np.float64)
                mean, doubt = mean + p, doubt + entropies(p)
            places += rows
            parts.append(np.maximum(rounded(entropies(mean / self.params.passes) - doubt / self.params.passes), 0.0))
        given.write(n=np.array(places, np.int64), score=np.concatenate(parts))
        return []


@contextmanager
def dropout(model: Any, name: str, seed: int) -> Iterator[None]:
    """The model's layers of dropout at work, with chance of their own, in this process; afterwards all is as it was."""
    network = getattr(getattr(model, "predictor", model), "model", None)
    if network is None or not hasattr(network, "modules"):
        raise DataError(f"`{name}` does not run on this machine", "bald needs a `train` step's model, or a folder with a classifier")
    import torch

    layers = [m for m in network.modules() if isinstance(m, torch.nn.modules.dropout._DropoutNd) and m.p > 0]
    if not layers:
        raise DataError(f"`{name}` has no dropout", "train it with dropout: 10%, or choose by `entropy`")
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        for layer in layers:
            layer.train()
        spread, model.spread = model.spread, None
        try:
            yield
        finally:
            model.spread = spread
            for layer in layers:
                layer.eval()
