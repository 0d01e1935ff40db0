"""``embed``: texts that belong together come to lie together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from recipec.api import DataError, Expression, Schema, Settings, task
from recipec.source import Span
from recipec.training._base import Defaults, Dropped, Encoded, Scores, ScratchParams, Task, TaskBound, TrainSpec, is_text, typed

if TYPE_CHECKING:
    from recipec.resolve.binder import StepBinder
    from recipec.training._env import Env

SCALE = 20.0
"""What cosines are multiplied with before the softmax: sentence-transformers' default, a temperature of 0.05."""


class EmbedParams(Settings):
    a: Expression
    b: Expression
    negative: Expression | None = None


@task("embed")
class Embed(Task):
    """Teaches a model to embed texts so that the two of a row lie near each other.

    ```recipe
    train near from pairs {
      task: embed(question, passage)
      base: scratch(layers: 2, width: 128)
    }
    ```

    Contrastive learning with the other rows of the batch as negatives (van den Oord et al. 2018; sentence-transformers'
    MultipleNegativesRankingLoss): each ``a`` must find its ``b`` among those of its batch, by cosine. A larger ``batch_size`` is a harder
    and better lesson. A ``b`` that stands in the batch twice is no negative of its twin. ``negative:`` adds a text that is known not to
    belong. Embeddings are the mean over the tokens, of length 1.
    """

    Params = EmbedParams
    main = "all"
    shares = True

    def bind(self, bind: StepBinder, params: EmbedParams, schema: Schema, span: Span) -> TaskBound | None:
        roles = {"a": params.a, "b": params.b, **({"negative": params.negative} if params.negative is not None else {})}
        ok = all([typed(bind, e, is_text, "text", "cast it: cast(x as text)") for e in roles.values()])
        return TaskBound("pairs" if params.negative is None else "triples", roles, frozenset(params.b.columns)) if ok else None

    def defaults(self, spec: TrainSpec) -> Defaults:
        small = isinstance(spec.base, ScratchParams)
        return Defaults(1e-3 if small else 5e-5, 10 if small else 1, 32, 256, "truncate", head=False)

    def texts(self, batch: Any, spec: TrainSpec) -> Iterator[str]:
        return (t for name in spec.roles for t in batch.column(name).to_pylist() if t)

    def encode(self, env: Env, batch: Any) -> Iterator[Encoded | Dropped]:
        fast = env.fast(env.max_length)
        columns = {name: batch.column(name).to_pylist() for name in env.spec.roles}
        encodings = {name: fast.encode_batch([t or "" for t in texts]) for name, texts in columns.items()}
        for n in range(batch.num_rows):
            if not all((texts[n] or "").strip() for texts in columns.values()):
                yield Dropped("no text")
                continue
            cut = any(e[n].overflowing for e in encodings.values())
            if cut and env.spec.long == "drop":
                yield Dropped(f"longer than {env.max_length} tokens")
                continue
            yield Encoded({name: e[n].ids for name, e in encodings.items()}, {}, "cut at the end" if cut else "")

    def check(self, env: Env, train: Any, validation: Any) -> None:
        if len(train) < 2:
            raise DataError("there is one pair to learn from: nothing to tell it from", "embedding needs at least two pairs")
        if env.spec.batch_size == 1 and env.spec.batch_tokens is None and "negative" not in env.spec.roles:
            raise DataError("batch_size is 1: a pair has no others in its batch to be told from", "batch_size: 32")

    def model(self, env: Env) -> Any:
        from recipec.training._bases import load

        return load(env, "AutoModel")

    def collate(self, env: Env, rows: list[dict[str, Any]]) -> dict[str, Any]:
        import numpy as np
        import torch

        from recipec.training._tensors import padded

        batch: dict[str, Any] = {}
        for name in env.spec.roles:
            for key, value in padded(env, [r[name] for r in rows]).items():
                batch[f"{name}.{key}"] = value
        # Which rows have the same b: they are no negatives of each other.
        digests = (blake2b(np.asarray(r["b"]).tobytes(), digest_size=8).digest() for r in rows)
        batch["_same"] = torch.tensor([int.from_bytes(d, "little", signed=True) for d in digests])
        return batch

    def loss(self, env: Env, model: Any, inputs: dict[str, Any], items: Any) -> tuple[Any, Any]:
        import torch
        from torch.nn import functional as F

        a, b, *more = (
            pooled(
                model(**{k.partition(".")[2]: v for k, v in inputs.items() if k.startswith(f"{name}.")}), inputs[f"{name}.attention_mask"]
            )
            for name in env.spec.roles
        )
        share, same = env.share, inputs["_same"]
        if share.idle:
            a, same = a[:0], same[:0]
        # The others of a batch are those of all processes.
        every, begin = share.whole(b)
        logits = SCALE * a @ torch.cat([every, *(share.whole(m)[0] for m in more)]).T
        own = torch.arange(begin, begin + len(a), device=a.device)
        twins = same[:, None] == share.whole(same)[0][None, :]
        twins[torch.arange(len(a), device=a.device), own] = False
        logits[:, : len(every)] = logits[:, : len(every)].masked_fill(twins, float("-inf"))
        total = F.cross_entropy(logits, own, label_smoothing=env.spec.label_smoothing, reduction="sum")
        return total / share.total(logits.new_ones(len(a)).sum()), logits

    def scores(self, env: Env) -> Scores:
        return _Scores()


def pooled(outputs: Any, mask: Any) -> Any:
    """The mean of the tokens' vectors, of length 1."""
    from torch.nn import functional as F

    hidden = outputs.last_hidden_state.float()
    # A prefix or a prompt adds places before the text.
    hidden = hidden[:, -mask.shape[1] :]
    weights = mask.unsqueeze(-1).float()
    return F.normalize((hidden * weights).sum(1) / weights.sum(1).clamp_min(1), dim=-1)


class _Scores(Scores):
    gathers = ("loss", "right", "rows")
    """``accuracy``: the share of rows whose b is the nearest of its batch."""

    def __init__(self) -> None:
        self.loss = self.right = self.rows = 0.0

    def add(self, inputs: Mapping[str, Any], outputs: Any, loss: float) -> None:
        import torch

        rows = len(outputs)
        self.loss += loss * rows
        self.rows += rows
        self.right += int((outputs.argmax(-1) == torch.arange(rows, device=outputs.device)).sum())

    def result(self) -> dict[str, float]:
        return {"loss": self.loss / self.rows, "accuracy": self.right / self.rows}
