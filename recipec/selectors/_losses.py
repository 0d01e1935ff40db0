"""How probable texts are to a causal model on this machine: the summed log-probability of an answer's tokens, and how many they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from recipec.api import DataError

Loss = tuple[float, int]


def losses(model: Any, name: str, prompts: Sequence[str], answers: Sequence[str], progress: Callable[[float], None]) -> list[Loss | None]:
    """(-log p in nats, tokens) of each answer after its prompt (empty: the text by itself); None where there is no token or no room."""
    if hasattr(model, "joined") and hasattr(model, "tokenizer"):
        return _local(model, prompts, answers, progress)
    if hasattr(model, "predictor"):
        return _trained(model, name, prompts, answers, progress)
    help = 'model m = transformers("models/base"), or a `train` step with the task `generate`'
    raise DataError(f"`{name}` does not run on this machine: its answers come without the number of tokens", help)


def _local(model: Any, prompts: Sequence[str], answers: Sequence[str], progress: Callable[[float], None]) -> list[Loss | None]:
    from recipec.models.requests import Request

    out: list[Loss | None] = [None] * len(answers)
    rows: list[tuple[int, int, list[int], int]] = []
    for i, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        request = Request(str(i), prompt=prompt)
        start = model.ids(request)
        whole, begin = model.joined(request, start, answer)
        if not prompt and whole and whole[0] != model.start():
            # Without a token to begin with, the first could not be predicted.
            whole, begin = [model.start(), *whole], 1
        whole = whole[: model.longest]
        if len(whole) > begin:
            rows.append((i, 0, whole, begin))
    done = 0
    for part, values in model.measured(rows):
        for at, value in zip(part, values, strict=True):
            i, _, whole, begin = rows[at]
            out[i] = (-value, len(whole) - begin)
        done += len(part)
        progress(done / len(rows))
    return out


def _trained(model: Any, name: str, prompts: Sequence[str], answers: Sequence[str], progress: Callable[[float], None]) -> list[Loss | None]:
    roles = tuple(model.predictor.known["spec"]["roles"])
    if "prompt" not in roles or "answer" not in roles:
        raise DataError(f"`{name}` was trained on {', '.join(roles)}", "train it with task: generate(prompt => answer)")
    rows = {r: list(prompts) if r == "prompt" else list(answers) if r == "answer" else [None] * len(answers) for r in roles}
    found = model.predictor.logprobs(rows, lambda done, of: progress(done / max(of, 1)))
    return [None if f is None or not f[1] else (-float(f[0]), int(f[1])) for f in found]
