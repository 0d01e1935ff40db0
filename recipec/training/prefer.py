"""``prefer``: of two answers, the better one becomes likelier (DPO, ORPO), or good ones likelier and bad ones less so (KTO)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from recipec.api import DataError, Expression, Json, Schema, Settings, task
from recipec.resolve.problems import WrongArguments
from recipec.source import Span
from recipec.training._base import Defaults, Dropped, Encoded, Scores, ScratchParams, Task, TaskBound, TrainSpec, is_text, typed
from recipec.training.generate import NONE, Generate, exchange, is_chat

if TYPE_CHECKING:
    from recipec.resolve.binder import StepBinder
    from recipec.training._env import Env
    from recipec.training._store import Store


class PreferParams(Settings):
    prompt: Expression
    chosen: Expression
    rejected: Expression | None = None
    good: Expression | None = None
    method: Literal["dpo", "orpo", "kto"] | None = None


@task("prefer")
class Prefer(Task):
    """Teaches a model which answers are preferred.

    ```recipe
    train tuned from judged {
      task: prefer(prompt, chosen, rejected)
      base: scratch(layers: 2, width: 128)
    }
    ```

    Prompts are texts or lists of messages, answers texts or messages (the last one counts). Three methods:

    ``dpo`` (the default; Rafailov et al. 2023) makes the chosen answer likelier than the rejected one, measured against the model as it was
    before; ``beta`` (0.1) holds it near that model.

    ``orpo`` (Hong et al. 2024) learns the chosen answer and the odds between both at once, with no model to compare with.

    ``kto`` (Ethayarajh et al. 2024) needs no pairs: ``prefer(prompt, answer, good: liked, method: kto)``, where ``liked`` is true or false.

    The score ``accuracy`` is the share of pairs where the chosen answer gained more than the rejected one (for ``kto``, of rows
    that moved the right way). Rows of which an answer has no room within ``max_length`` are dropped and counted.
    """

    Params = PreferParams
    shares = True
    main = "all"

    def bind(self, bind: StepBinder, params: PreferParams, schema: Schema, span: Span) -> TaskBound | None:
        method = params.method or ("kto" if params.good is not None and params.rejected is None else "dpo")
        wanted, other = ("good", "rejected") if method == "kto" else ("rejected", "good")
        if getattr(params, wanted) is None or getattr(params, other) is not None:
            example = "prefer(prompt, answer, good: liked, method: kto)" if method == "kto" else "prefer(prompt, chosen, rejected)"
            bind.report(WrongArguments(span=span, message=f"`{method}` wants `{wanted}` and no `{other}`", help=(f"task: {example}",)))
            return None
        roles: dict[str, Expression] = {"prompt": params.prompt, "chosen": params.chosen}
        ok = True
        if params.rejected is not None:
            roles["rejected"] = params.rejected
        for e in roles.values():
            ok &= typed(bind, e, lambda t: is_text(t) or is_chat(t) or is_chat(f"{t}[]"), "text or messages")
        if params.good is not None:
            ok &= typed(bind, params.good, lambda t: t == "BOOLEAN", "true or false", "compare it: rating >= 4")
            roles["good"] = params.good
        answers = frozenset(c for name, e in roles.items() if name != "prompt" for c in e.columns)
        return TaskBound(method, roles, answers) if ok else None

    def defaults(self, spec: TrainSpec) -> Defaults:
        small = isinstance(spec.base, ScratchParams)
        return Defaults(1e-3 if small else 1e-6, 3 if small else 1, 8, 1024, "drop", head=False)

    # Rows: each answer is one of ``generate``'s, the prompt not trained.

    def texts(self, batch: Any, spec: TrainSpec) -> Iterator[str]:
        for name in spec.roles:
            if name != "good":
                for value in batch.column(name).to_pylist():
                    yield from (m["content"] for m in as_messages(value, "user"))

    def survey(self, env: Env, rows: Any) -> None:
        Generate().survey(env, rows)

    def start(self, env: Env) -> None:
        env.facts.update(seen=0, looked=0, before=None)

    def facts(self, env: Env) -> dict[str, Json]:
        return Generate().facts(env)

    def encode(self, env: Env, batch: Any) -> Iterator[Encoded | Dropped]:
        for row in batch.to_pylist():
            env.facts["seen"] += 1
            try:
                yield self.one(env, row)
            except Dropped as dropped:
                yield dropped

    def one(self, env: Env, row: Mapping[str, Any]) -> Encoded:
        prompt = as_messages(row["prompt"], "user")
        if not prompt:
            raise Dropped("no prompt")
        answers = {}
        for name in ("chosen", "rejected"):
            if name in row:
                said = as_messages(row[name], "assistant")
                if not said or not said[-1]["content"]:
                    raise Dropped(f"no {name} answer")
                answers[name] = said[-1]["content"]
        fixed = {}
        if env.spec.form == "kto":
            if row["good"] is None:
                raise Dropped("neither good nor bad")
            fixed["good"] = float(row["good"])
            # How far the model has moved in general is measured on an answer to another question: the row before's.
            answers["other"] = env.facts["before"] or answers["chosen"]
            env.facts["before"] = answers["chosen"]
        elif answers["chosen"] == answers["rejected"]:
            raise Dropped("both answers are the same")
        ragged: dict[str, Any] = {}
        for name, answer in answers.items():
            ragged[name], ragged[f"{name}_labels"] = self.tokens(env, prompt, answer)
        return Encoded(ragged, fixed)

    def tokens(self, env: Env, prompt: list[dict[str, str]], answer: str) -> tuple[list[int], list[int]]:
        from recipec.training._chat import marked, message_list

        if env.facts["template"] is None:
            made: Any = ("\n".join(m["content"] for m in prompt), answer)
        else:
            messages = [*message_list(prompt, f"row {env.facts['seen']:,}"), {"role": "assistant", "content": answer}]
            made = marked(env, env.facts["template"], messages, "completion")
        ids, learned = next(Generate().tokens(env, [made]))
        if len(ids) > env.max_length:
            raise Dropped(f"longer than {env.max_length} tokens")
        return ids, [i if on else NONE for i, on in zip(ids, learned, strict=True)]

    # The model

    def model(self, env: Env) -> Any:
        made = Generate().model(env)
        env.facts["by_token"] = False
        return made

    def begin(self, env: Env, model: Any, stores: list[Store]) -> None:
        """What the model says before it is trained, of every answer: kept beside the rows."""
        import numpy as np
        import torch

        from recipec.training._batches import in_order

        if env.spec.form == "orpo":
            return
        assert env.spec.batch_size is not None
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(env.spec.precision)
        model.to(device).eval()
        for store in stores:
            found = np.zeros((len(store), 2), dtype=np.float32)
            with torch.no_grad(), torch.autocast(device.type, dtype=kind, enabled=kind is not None):
                for places in in_order(store.lengths, env.spec.batch_size)[env.share.rank :: env.share.count]:
                    inputs = {k: v.to(device) for k, v in self.collate(env, [store[p] for p in places]).items()}
                    said, _ = likelihoods(model, inputs)
                    found[places] = said.reshape(2, -1).T.float().cpu().numpy()
            store.fixed["reference"] = env.share.summed(found)
        model.train()

    def collate(self, env: Env, rows: list[dict[str, Any]]) -> dict[str, Any]:
        import numpy as np
        import torch

        from recipec.training._tensors import filled, padded

        names = ("chosen", "other" if env.spec.form == "kto" else "rejected")
        batch = padded(env, [r[n] for n in names for r in rows])
        batch["_labels"] = filled([r[f"{n}_labels"] for n in names for r in rows], NONE)
        for name in ("good", "reference"):
            if name in rows[0]:
                batch[f"_{name}"] = torch.from_numpy(np.stack([r[name] for r in rows]))
        return batch

    def loss(self, env: Env, model: Any, inputs: dict[str, Any], items: Any) -> tuple[Any, Any]:
        import torch
        from torch.nn import functional as F

        said, counts = likelihoods(model, inputs)
        first, second = said.chunk(2)
        beta = env.spec.beta
        if env.spec.form == "orpo":
            a, b = first / counts.chunk(2)[0], second / counts.chunk(2)[1]
            odds = (a - b) - (torch.log1p(-torch.exp(a).clamp_max(1 - 1e-6)) - torch.log1p(-torch.exp(b).clamp_max(1 - 1e-6)))
            # What is learned of the chosen answers is the mean over their tokens, as in `generate`.
            learned, rows = env.share.total(counts.chunk(2)[0].sum()), env.share.total(odds.new_ones(len(odds)).sum())
            return -first.sum() / learned - beta * F.logsigmoid(odds).sum() / rows, odds
        gained, other = first - inputs["_reference"][:, 0], second - inputs["_reference"][:, 1]
        rows = env.share.total(gained.new_ones(len(gained)).sum())
        if env.spec.form == "dpo":
            margin = gained - other
            smooth = env.spec.label_smoothing
            return (-(1 - smooth) * F.logsigmoid(beta * margin) - smooth * F.logsigmoid(-beta * margin)).sum() / rows, margin
        moved = (env.share.total(other.sum()) / rows).clamp_min(0)
        sign = inputs["_good"] * 2 - 1
        margin = sign * (gained - moved)
        return (1 - torch.sigmoid(beta * margin)).sum() / rows, margin

    def check(self, env: Env, train: Any, validation: Any) -> None:
        if env.spec.form == "kto":
            share = float(train.fixed["good"].mean())
            if share in (0.0, 1.0):
                raise DataError(
                    f"every answer is {'good' if share else 'bad'}: there is nothing to prefer", "kto needs good answers and bad ones"
                )

    def scores(self, env: Env) -> Scores:
        return _Scores()


def as_messages(value: Any, role: str) -> list[dict[str, str]]:
    """A text, a message or a list of messages, as messages."""
    if not value:
        return []
    if isinstance(value, str):
        return exchange(value, None) if role == "user" else [{"role": role, "content": value}]
    return [m for m in (value if isinstance(value, list) else [value]) if m and m.get("content") is not None]


def likelihoods(model: Any, inputs: Mapping[str, Any]) -> tuple[Any, Any]:
    """(log-probability of each line's trained tokens, their number)."""
    from torch.nn import functional as F

    outputs = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False)
    labels = inputs["_labels"]
    logits = outputs.logits[:, -labels.shape[1] :][:, :-1].float()
    wanted = labels[:, 1:]
    each = F.cross_entropy(logits.transpose(1, 2), wanted, ignore_index=NONE, reduction="none")
    return -each.sum(1), (wanted != NONE).sum(1).clamp_min(1)


class _Scores(Scores):
    gathers = ("loss", "right", "rows", "margin")

    def __init__(self) -> None:
        self.loss = self.right = self.rows = self.margin = 0.0

    def add(self, inputs: Mapping[str, Any], outputs: Any, loss: float) -> None:
        rows = len(outputs)
        self.loss += loss * rows
        self.rows += rows
        self.right += int((outputs > 0).sum())
        self.margin += float(outputs.sum())

    def result(self) -> dict[str, float]:
        return {"loss": self.loss / self.rows, "accuracy": self.right / self.rows, "margin": self.margin / self.rows}
