"""``generate``: a model learns to answer (supervised fine-tuning)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recipec.api import Arrows, ColumnName, DataError, Expression, Json, Schema, Settings, task
from recipec.resolve.problems import WrongArguments, WrongType
from recipec.resolve.types import shown, struct_fields
from recipec.source import Span
from recipec.syntax import tree
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
    from recipec.training._store import Store

NONE = -100
LOOKED_AT = 200
"""Rows whose prompts are tokenised alone, to see that they come out as in the whole."""


class GenerateParams(Settings):
    messages: ColumnName | None = None
    pairs: Arrows | None = None
    system: Expression | None = None


@task("generate")
class Generate(Task):
    """Teaches a model to answer: supervised fine-tuning on conversations, or on prompts and answers.

    ```recipe
    train tuned from chat {
      task: generate(messages)
      base: scratch(layers: 2, width: 128)
      loss_on: assistant
    }
    ```

    ``generate(messages)`` reads a list of ``{role, content}``; ``generate(question => answer)`` two texts (with ``system:`` a third),
    which become one exchange where the base has a chat template, and else are joined as they are.

    ``loss_on`` says which tokens are trained: ``assistant`` (the default) all answers of the assistant's, ``completion`` the last
    one, ``all`` everything. The token that ends an answer is trained with it, so that the model learns to stop. Prompts are
    tokenised so that they are what the model will see when asked: it is an error where a chat template writes an answer in
    another way than it opens it, where it begins a text twice, or where nothing ends an answer.

    Rows longer than ``max_length`` tokens are dropped and counted (``long: truncate`` cuts their end instead: they then teach
    no stop). ``packing: true`` puts several short rows into one line of a batch, none of which sees the others.
    """

    Params = GenerateParams
    shares = True

    def bind(self, bind: StepBinder, params: GenerateParams, schema: Schema, span: Span) -> TaskBound | None:
        if (params.messages is None) == (params.pairs is None):
            help = ("task: generate(messages)", "task: generate(question => answer)")
            bind.report(WrongArguments(span=span, message="`generate` wants messages, or one `prompt => answer`", help=help))
            return None
        if params.messages is not None:
            column = params.messages
            if not schema.unknown and not is_chat(column.type):
                bind.report(
                    WrongType(
                        span=column.span,
                        message=f"`{column.name}` is {shown(column.type)}, not a list of messages",
                        help=("a message is {role, content}: `messages = conversation(user: question, assistant: answer)`",),
                    )
                )
                return None
            if params.system is not None:
                bind.report(WrongArguments(span=span, message="`system` goes with `prompt => answer`; messages have their own"))
                return None
            named = frozenset({column.name})
            whole = Expression(tree.Name(column.name, span=column.span), column.sql, column.type, column.name, named)
            return TaskBound("messages", {"messages": whole}, named)
        pair = sides(bind, params.pairs, schema, span, "generate(question => answer)")
        if pair is None:
            return None
        roles: dict[str, Expression] = dict(zip(("prompt", "answer"), pair, strict=True))
        if params.system is not None:
            roles["system"] = params.system
        ok = all([typed(bind, e, is_text, "text", "cast it: cast(x as text)") for e in roles.values()])
        return TaskBound("pair", roles, frozenset(roles["answer"].columns)) if ok else None

    def defaults(self, spec: TrainSpec) -> Defaults:
        small = isinstance(spec.base, ScratchParams)
        return Defaults(1e-3 if small else 2e-5, 10 if small else 3, 8, 1024, "drop", head=False)

    # Rows

    def texts(self, batch: Any, spec: TrainSpec) -> Iterator[str]:
        for name in spec.roles:
            for value in batch.column(name).to_pylist():
                if isinstance(value, str):
                    yield value
                elif value:
                    yield from (m["content"] for m in value if m and m.get("content"))

    def survey(self, env: Env, rows: Rows) -> None:
        from recipec.training._chat import marked, template_of, tokens

        template = template_of(env)
        env.facts["template"] = template
        eos = env.tokenizer.eos_token_id
        if template is None:
            if eos is None:
                raise DataError("the base's tokenizer has no token that ends a text: the model would never stop", "take another base")
            env.facts["stops"], env.facts["add_stop"] = [eos], True
            return
        try:
            one = marked(env, template, [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])
        except Dropped as refused:
            raise DataError(f"{refused.reason}: even a plain exchange of two messages", "give another `template:`") from None
        ids, learned = tokens(env, [one])[0]
        last = max((i for i, on in enumerate(learned) if on), default=-1)
        stop = ids[last] if last >= 0 else None
        env.facts["add_stop"] = stop not in env.tokenizer.all_special_ids and stop not in env.tokenizer.added_tokens_decoder
        if env.facts["add_stop"]:
            if eos is None:
                raise DataError(
                    "nothing ends an answer: neither the chat template nor the tokenizer has a token for it",
                    "give a `template:` that ends with one",
                )
            stop = eos
        env.facts["stops"] = sorted({stop, eos} - {None})

    def start(self, env: Env) -> None:
        env.facts.update(seen=0, looked=0)

    def encode(self, env: Env, batch: Any) -> Iterator[Encoded | Dropped]:
        made = [self.one(env, row) for row in batch.to_pylist()]
        whole = self.tokens(env, [m for m in made if not isinstance(m, Dropped)])
        for m in made:
            yield m if isinstance(m, Dropped) else self.fitted(env, *next(whole))

    def one(self, env: Env, row: Mapping[str, Any]) -> Any:
        """A row as marked text, as (prompt, answer) where there is no template, or why it is dropped."""
        from recipec.training._chat import marked, message_list

        env.facts["seen"] = env.facts.get("seen", 0) + 1
        try:
            if env.spec.form == "messages":
                messages = message_list(row["messages"], f"row {env.facts['seen']:,}")
            elif not row["prompt"]:
                return Dropped("no prompt")
            elif not row["answer"]:
                return Dropped("no answer")
            elif env.facts["template"] is None:
                return (f"{row['system']}\n" if row.get("system") else "") + row["prompt"], row["answer"]
            else:
                messages = exchange(row["prompt"], row.get("system"), row["answer"])
            return marked(env, env.facts["template"], messages)
        except Dropped as dropped:
            return dropped

    def tokens(self, env: Env, made: Sequence[Any]) -> Iterator[tuple[list[int], list[bool]]]:
        from recipec.training._chat import tokens

        if env.facts["template"] is not None:
            for text, (ids, learned) in zip(made, tokens(env, made), strict=True):
                self.look(env, text, ids, learned)
                if env.facts["add_stop"]:
                    # The template leaves the end open; what it writes after the answer is cut with it.
                    end = max((i for i, on in enumerate(learned) if on), default=len(ids) - 1) + 1
                    ids, learned = [*ids[:end], env.tokenizer.eos_token_id], [*learned[:end], True]
                yield ids, learned
            return
        fast = env.fast()
        begin = opening(env)
        halves = fast.encode_batch([t for pair in made for t in pair], add_special_tokens=False)
        for prompt, answer in zip(halves[::2], halves[1::2], strict=True):
            ids = [*begin, *prompt.ids, *answer.ids, env.tokenizer.eos_token_id]
            first = 0 if env.spec.loss_on == "all" else len(begin) + len(prompt.ids)
            yield ids, [i >= first for i in range(len(ids))]

    def look(self, env: Env, text: Any, ids: Sequence[int], learned: Sequence[bool]) -> None:
        """What would make the model learn something else than it is asked. Looked at in the first rows."""
        bos = env.tokenizer.bos_token_id
        if bos is not None and list(ids[:2]) == [bos, bos]:
            raise DataError(
                "the text begins twice: the chat template and the messages both write the first token", "take it out of the messages"
            )
        if env.spec.loss_on == "all" or env.facts.get("looked", 0) >= LOOKED_AT:
            return
        env.facts["looked"] = env.facts.get("looked", 0) + 1
        begin = text.parts[-1][0]
        prompt = env.fast().encode(text.text[:begin], add_special_tokens=False).ids
        if list(ids[: len(prompt)]) != prompt or not learned[len(prompt) : len(prompt) + 1] == [True]:
            raise DataError(
                "the prompt is no prefix of the whole once both are tokens: the model would be asked something else than it learned",
                "give another `template:`, one that puts a token of its own before an answer",
            )

    def fitted(self, env: Env, ids: list[int], learned: list[bool]) -> Encoded | Dropped:
        most = env.max_length
        cut = len(ids) > most
        if cut and env.spec.long == "drop":
            return Dropped(f"longer than {most} tokens")
        ids, learned = ids[:most], learned[:most]
        labels = [i if on else NONE for i, on in zip(ids, learned, strict=True)]
        # The first token of a text is foretold by nothing.
        if not any(label != NONE for label in labels[1:]):
            return Dropped(f"nothing to learn within {most} tokens" if cut else "nothing to learn")
        return Encoded({"input_ids": ids, "labels": labels}, {}, "cut at the end, and so without its stop" if cut else "")

    def arranged(self, env: Env, store: Store) -> tuple[Any, Any]:
        if not env.spec.packing:
            return store, store.lengths
        from recipec.training._packs import Packs

        packs = Packs(store, env.max_length)
        return packs, packs.lengths

    def facts(self, env: Env) -> dict[str, Json]:
        return {name: env.facts[name] for name in ("template", "stops", "add_stop")}

    # The model

    def model(self, env: Env) -> Any:
        from recipec.training._bases import load

        env.facts["by_token"], env.facts["shift"] = True, 1
        model = load(env, "AutoModelForCausalLM")
        model.generation_config.eos_token_id = list(env.facts["stops"])
        model.generation_config.pad_token_id = env.tokenizer.pad_token_id
        return model

    def collate(self, env: Env, rows: list[dict[str, Any]]) -> dict[str, Any]:
        from recipec.training._tensors import filled, padded

        if "parts" in rows[0]:
            from recipec.training._packs import packed

            return packed(env, rows)
        return {**padded(env, [r["input_ids"] for r in rows]), "labels": filled([r["labels"] for r in rows], NONE)}

    def loss(self, env: Env, model: Any, inputs: dict[str, Any], items: Any) -> tuple[Any, Any]:
        from torch.nn import functional as F

        labels = inputs["labels"]
        outputs = model(**{n: t for n, t in inputs.items() if n != "labels"}, use_cache=False)
        logits = outputs.logits[:, -labels.shape[1] :][:, :-1]
        wanted = labels[:, 1:]
        there = wanted != NONE
        total = F.cross_entropy(logits[there].float(), wanted[there], reduction="sum", label_smoothing=env.spec.label_smoothing)
        return total / (items if items is not None else there.sum()).clamp_min(1), outputs

    def scores(self, env: Env) -> Scores:
        return _Scores()


def exchange(prompt: str, system: str | None, answer: str | None = None) -> list[dict[str, str]]:
    """One question (and its answer) as messages."""
    said = [{"role": "system", "content": system}] if system else []
    said.append({"role": "user", "content": prompt})
    return [*said, {"role": "assistant", "content": answer}] if answer is not None else said


def opening(env: Env) -> list[int]:
    """The token that the tokenizer puts before every text, where it does."""
    bos = env.tokenizer.bos_token_id
    if bos is None:
        return []
    return [bos] if env.fast().encode("a").ids[:1] == [bos] else []


def is_chat(type: str) -> bool:
    """A list of ``{role: text, content: text}``, whatever other fields there are."""
    fields = struct_fields(type[:-2]) if type.endswith("[]") else {}
    return all(is_text(fields.get(name, "")) for name in ("role", "content"))


class _Scores(Scores):
    gathers = ("loss", "tokens", "right")

    def __init__(self) -> None:
        self.loss = self.tokens = self.right = 0.0

    def add(self, inputs: Mapping[str, Any], outputs: Any, loss: float) -> None:
        wanted = inputs["labels"][:, 1:]
        there = wanted != NONE
        said = outputs.logits[:, -inputs["labels"].shape[1] :][:, :-1].argmax(-1)
        count = int(there.sum())
        self.loss += loss * count
        self.tokens += count
        self.right += int((said[there] == wanted[there]).sum())

    def result(self) -> dict[str, float]:
        mean = self.loss / max(1.0, self.tokens)
        return {"loss": mean, "perplexity": math.exp(min(mean, 700.0)), "accuracy": self.right / max(1.0, self.tokens)}
