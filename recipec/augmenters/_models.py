"""Asking a language model for the words of copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from recipec.api import ModelRef
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue

if TYPE_CHECKING:
    from recipec.engines.context import RunContext
    from recipec.models.requests import Prompt, Request

CHUNK = 20_000
"""Prompts held in memory at a time."""


def check_model(bind: StepBinder, model: ModelRef) -> None:
    if not model.can("complete"):
        span = model.span or bind.node.head
        bind.report(
            BadValue(span=span, message=f"`{model}` does not complete prompts", help=("use a language model: model lm = openai(...)",))
        )


def ask(ctx: RunContext, ref: ModelRef, prompts: Sequence[tuple[str, int, Prompt]]) -> tuple[dict[str, str], list[str]]:
    """The answers by key, and what is to be said of those that did not come. A prompt is (key, sample, text or messages); two askings
    of the same words are kept apart by their sample."""
    from recipec.models.requests import Failure, Request

    def requests(part: Sequence[tuple[str, int, Prompt]]) -> Iterator[Request]:
        return (Request.of(key, prompt, sample) for key, sample, prompt in part)

    model: Any = ctx.model(ref)
    expected = ctx.quote(model)
    if expected is not None:
        expected.add(requests(prompts))
        ctx.agree(expected.estimate(""))
    said: dict[str, str] = {}
    failed, cut, why = 0, 0, ""
    for start in range(0, len(prompts), CHUNK):

        def progress(done: int, before: int = start) -> None:
            ctx.progress((before + done) / len(prompts), "  ".join(filter(None, (str(ref), model.telling()))))

        for key, answer in model.answers(requests(prompts[start : start + CHUNK]), progress=progress):
            if isinstance(answer, Failure):
                failed += 1
                why = why or answer.message
            elif answer.finish == "length":
                cut += 1
            elif answer.text.strip():
                said[key] = answer.text.strip()
    notes = [f"{ref}: {n}" for n in model.notices()]
    if failed:
        notes.append(f"`{ref}` did not answer for {failed:,} cop{'y' if failed == 1 else 'ies'} ({why})")
    if cut:
        notes.append(
            f"{cut:,} answer{'s' * (cut != 1)} of `{ref}` {'was' if cut == 1 else 'were'} cut off and not used: raise `max_tokens`"
        )
    return said, notes


def write(ctx: RunContext, said: dict[str, str], out: str) -> None:
    """Answers as the table that the step joins."""
    import pyarrow as pa

    keys = sorted(said)
    table = pa.table({"k": pa.array(keys, pa.string()), "made": pa.array([said[k] for k in keys], pa.string())})
    ctx.con.register("__answers", table)
    ctx.con.execute(f"CREATE TEMP TABLE {out} AS SELECT k::UUID AS _key, made FROM __answers")
    ctx.con.unregister("__answers")


def user(text: str) -> list[dict[str, str]]:
    """A chat of one question."""
    return [{"role": "user", "content": text}]
