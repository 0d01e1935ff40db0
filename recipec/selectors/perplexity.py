"""``by: perplexity(lm, text)``"""

from __future__ import annotations

import math
from typing import Literal

from recipec.api import Expression, Json, ModelRef, Schema, Settings, named, selector
from recipec.resolve.binder import StepBinder
from recipec.selectors._base import Selecting, Selector, need, text_of
from recipec.selectors._losses import losses
from recipec.syntax import tree


class PerplexityParams(Settings):
    model: ModelRef
    text: Expression | None = None
    prefer: Literal["low", "middle", "high"] = named("low")


@selector("perplexity")
class Perplexity(Selector):
    """Texts by how well a causal language model predicts them: exp of the mean of -log p over their tokens.

    ```recipe
    model lm = transformers("models/base")
    select fluent from web { take: 50%  by: perplexity(lm, text) }
    ```

    ``prefer: low`` (the default) takes the most predictable; ``middle`` those nearest to the median of the logarithm, which leaves out both
    boilerplate and noise; ``high`` the most surprising. A text longer than the model takes is judged by its beginning; one without a
    token has no score. The model runs on this machine. Wenzek et al., 2020, "CCNet"; Marion et al., 2023, "When less is more".
    """

    Params = PerplexityParams
    params: PerplexityParams

    def bind(self, bind: StepBinder, schema: Schema, call: tree.Expr) -> None:
        need(bind, self.params.model, "score", call)
        self.text = text_of(bind, schema, self.params.text, call, None)

    def meaning(self) -> Json:
        return self.text.meaning

    def score(self, given: Selecting) -> list[str]:
        import numpy as np

        model = given.ctx.model(self.params.model)
        places: list[int] = []
        logs: list[float] = []
        for rows, texts in given.blocks(self.text.sql):
            found = losses(model, str(self.params.model), [""] * len(texts), texts, given.progress)
            for row, loss in zip(rows, found, strict=True):
                if loss is not None:
                    places.append(row)
                    logs.append(round(loss[0] / loss[1], 5))
        log = np.array(logs)
        middle = float(np.median(log)) if len(log) else 0.0
        sort = {"low": -log, "high": log, "middle": -np.abs(log - middle)}[self.params.prefer]
        given.write(n=np.array(places, np.int64), score=np.array([round(math.exp(min(v, 700.0)), 4) for v in logs]), sort=sort)
        return []
