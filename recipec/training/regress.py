"""``regress``: a text gets a number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from recipec.api import Arrows, DataError, Expression, Json, Schema, Settings, task
from recipec.resolve.types import is_number
from recipec.source import Span
from recipec.training._base import (
    Defaults,
    Dropped,
    Encoded,
    Rows,
    Scores,
    ScratchParams,
    Task,
    TaskBound,
    TrainSpec,
    is_text,
    sides,
    typed,
)

if TYPE_CHECKING:
    from recipec.resolve.binder import StepBinder
    from recipec.training._env import Env


class RegressParams(Settings):
    pairs: Arrows | None = None
    weight: Expression | None = None


@task("regress")
class Regress(Task):
    """Teaches a model to tell a number of a text: a rating, a score of quality.

    ```recipe
    train stars from reviews.train {
      task: regress(text => rating)
      base: scratch(layers: 2, width: 128)
      validation: reviews.validation
    }
    ```

    The numbers are brought to mean 0 and deviation 1 for training (both measured on the training rows), and back in prediction. The
    loss is the mean squared error on that scale. Rows without text or with no finite number are dropped and counted. ``weight: w``
    lets a row count more or less.
    """

    Params = RegressParams
    metrics = ("loss",)
    shares = True

    def bind(self, bind: StepBinder, params: RegressParams, schema: Schema, span: Span) -> TaskBound | None:
        pair = sides(bind, params.pairs, schema, span, "regress(text => rating)")
        if pair is None:
            return None
        roles: dict[str, Expression] = dict(zip(("text", "label"), pair, strict=True))
        ok = typed(bind, roles["text"], is_text, "text", "cast it: cast(x as text)")
        ok &= typed(bind, roles["label"], is_number, "a number", "cast it: cast(x as float)")
        if params.weight is not None:
            ok &= typed(bind, params.weight, is_number, "a number")
            roles["weight"] = params.weight
        return TaskBound("number", roles, frozenset(roles["label"].columns)) if ok else None

    def defaults(self, spec: TrainSpec) -> Defaults:
        small = isinstance(spec.base, ScratchParams)
        return Defaults(1e-3 if small else 1e-4, 10 if small else 3, 16, 256, "truncate")

    def texts(self, batch: Any, spec: TrainSpec) -> Iterator[str]:
        return (t for t in batch.column("text").to_pylist() if t)

    def survey(self, env: Env, rows: Rows) -> None:
        """Mean and deviation, in one pass (Welford 1962)."""
        count, mean, squares = 0, 0.0, 0.0
        for batch in rows.read():
            for value in batch.column("label").to_pylist():
                if value is not None and math.isfinite(value):
                    count += 1
                    off = float(value) - mean
                    mean += off / count
                    squares += off * (float(value) - mean)
        env.facts["mean"], env.facts["deviation"] = mean, math.sqrt(squares / count) if count else 0.0

    def encode(self, env: Env, batch: Any) -> Iterator[Encoded | Dropped]:
        texts, labels = batch.column("text").to_pylist(), batch.column("label").to_pylist()
        weighted = "weight" in batch.schema.names
        weights = batch.column("weight").to_pylist() if weighted else [1.0] * len(texts)
        encodings = env.fast(env.max_length).encode_batch([t or "" for t in texts])
        for text, label, weight, e in zip(texts, labels, weights, encodings, strict=True):
            if not text or not text.strip():
                yield Dropped("no text")
            elif label is None or not math.isfinite(label):
                yield Dropped("no finite number")
            elif weight is None or not 0 <= weight < math.inf:
                yield Dropped("no weight")
            elif e.overflowing and env.spec.long == "drop":
                yield Dropped(f"longer than {env.max_length} tokens")
            else:
                fixed = {"target": float(label), **({"weight": float(weight)} if weighted else {})}
                yield Encoded({"input_ids": e.ids}, fixed, "cut at the end" if e.overflowing else "")

    def check(self, env: Env, train: Any, validation: Any) -> None:
        if not env.facts["deviation"] > 0:
            raise DataError(
                f"every training row has the number {env.facts['mean']:g}: there is nothing to learn", "regression needs different numbers"
            )

    def facts(self, env: Env) -> dict[str, Json]:
        return {name: env.facts[name] for name in ("mean", "deviation")}

    def model(self, env: Env) -> Any:
        from recipec.training._bases import load

        return load(env, "AutoModelForSequenceClassification", num_labels=1, problem_type="regression")

    def collate(self, env: Env, rows: list[dict[str, Any]]) -> dict[str, Any]:
        import numpy as np
        import torch

        from recipec.training._tensors import padded

        batch = padded(env, [r["input_ids"] for r in rows])
        for name in ("target", "weight"):
            if name in rows[0]:
                batch[f"_{name}"] = torch.from_numpy(np.stack([r[name] for r in rows]))
        return batch

    def loss(self, env: Env, model: Any, inputs: dict[str, Any], items: Any) -> tuple[Any, Any]:
        outputs = model(**{n: t for n, t in inputs.items() if not n.startswith("_")})
        wanted = (inputs["_target"] - env.facts["mean"]) / env.facts["deviation"]
        each = (outputs.logits[:, 0].float() - wanted) ** 2
        size = inputs["_weight"] if "_weight" in inputs else each.new_ones(len(each))
        return (each * size).sum() / env.share.total(size.sum()).clamp_min(1e-8), outputs

    def scores(self, env: Env) -> Scores:
        return _Scores(env.facts["mean"], env.facts["deviation"])


class _Scores(Scores):
    gathers = ("loss", "gold", "said")

    def __init__(self, mean: float, deviation: float) -> None:
        self.mean, self.deviation = mean, deviation
        self.loss = 0.0
        self.gold: list[Any] = []
        self.said: list[Any] = []

    def add(self, inputs: Mapping[str, Any], outputs: Any, loss: float) -> None:
        self.said.append(outputs.logits[:, 0].float().cpu().numpy() * self.deviation + self.mean)
        self.gold.append(inputs["_target"].cpu().numpy())
        self.loss += loss * len(self.gold[-1])

    def result(self) -> dict[str, float]:
        import numpy as np

        gold, said = np.concatenate(self.gold).astype(np.float64), np.concatenate(self.said).astype(np.float64)
        error = float(((gold - said) ** 2).mean())
        spread = float(gold.var())
        return {
            "loss": self.loss / len(gold),
            "rmse": math.sqrt(error),
            "mae": float(np.abs(gold - said).mean()),
            "r2": 1 - error / spread if spread else 0.0,
        }
