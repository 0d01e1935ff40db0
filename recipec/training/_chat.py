"""Conversations as tokens, with those marked that are trained: where the masks come from.

A conversation is rendered whole by the base's chat template. For each answer of the assistant that is to be learned, the
conversation up to it is rendered too, with the template's opening of an answer: what the whole has beyond that is the answer,
up to and with the token that ends it. So what is trained is exactly what the model will be asked to write after exactly that prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from recipec.api import DataError
from recipec.training._base import Dropped

if TYPE_CHECKING:
    from recipec.training._env import Env

ROLES = ("system", "user", "assistant", "tool")
RAW = "none"
"""``template: "none"``: a prompt and its answer, joined as they are."""
PLAIN = (
    "{% for m in messages %}{{ m['role'] | capitalize }}: {{ m['content'] }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""``template: "plain"``: for bases that have none."""

Message = Mapping[str, str]


@dataclass(frozen=True)
class Marked:
    """Text, and the parts of it [begin, end) that are trained. ``joints`` are where tokens must not cross: each part's begin."""

    text: str
    parts: tuple[tuple[int, int], ...]


def template_of(env: Env) -> str | None:
    """The chat template in use; None where prompts and answers are joined as they are."""
    asked = env.spec.template
    own = getattr(env.tokenizer, "chat_template", None)
    if isinstance(own, dict):
        own = own.get("default") or next(iter(own.values()))
    if asked == RAW:
        chosen = None
    elif asked is not None:
        chosen = PLAIN if asked == "plain" else asked
    else:
        chosen = own
    if chosen is None and env.spec.form == "messages":
        raise DataError(
            "the base has no chat template: it does not say how messages become text",
            'take a base that was trained to chat, or give a template: `template: "plain"`',
        )
    return chosen


@lru_cache(maxsize=8)
def compiled(template: str) -> Any:
    """A template as transformers compiles it. The date is kept out of it (a prompt must be the same tomorrow)."""
    import json

    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise jinja2.exceptions.TemplateError(message)

    sandbox = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    sandbox.filters["tojson"] = lambda x, **more: json.dumps(x, ensure_ascii=False, **more)
    sandbox.globals["raise_exception"] = refuse
    try:
        return sandbox.from_string(template)
    except jinja2.exceptions.TemplateSyntaxError as error:
        raise DataError(f"the chat template is not right: {error.message} (line {error.lineno})") from None


def render(env: Env, template: str, messages: Sequence[Message], *, opening: bool = False) -> str:
    import jinja2

    special = {k: v for k, v in env.tokenizer.special_tokens_map.items() if isinstance(v, str)}
    try:
        text: str = compiled(template).render(messages=list(messages), add_generation_prompt=opening, **special)
    except jinja2.exceptions.TemplateError as error:
        raise Dropped(f"the chat template refuses it: {error}") from None
    return text


def marked(env: Env, template: str, messages: Sequence[Message], loss_on: str | None = None) -> Marked:
    """A conversation rendered, its answers marked (those of ``loss_on``, the specification's by default). Raises Dropped for one with nothing to learn."""
    answers = [i for i, m in enumerate(messages) if m["role"] == "assistant"]
    if not answers:
        raise Dropped("no answer of the assistant's")
    last = answers[-1]
    messages = messages[: last + 1]
    whole = render(env, template, messages)
    loss_on = loss_on or env.spec.loss_on
    if loss_on == "all":
        return Marked(whole, ((0, len(whole)),))
    parts = []
    for i in answers if loss_on == "assistant" else [last]:
        before = render(env, template, messages[:i], opening=True)
        upto = whole if i == last else render(env, template, messages[: i + 1])
        if not whole.startswith(before) or not whole.startswith(upto.rstrip()) or len(upto.rstrip()) < len(before):
            raise DataError(
                f"the chat template writes message {i + 1} of {len(messages)} in another way than it opens it: what comes before the answer is no "
                "prefix of the whole",
                "the model would learn what it is never asked; `loss_on: completion` learns the last answer alone, or give another `template:`",
            )
        parts.append((len(before), len(upto.rstrip())))
    return Marked(whole, tuple(parts))


def message_list(value: Any, place: str) -> list[dict[str, str]]:
    """A row's messages, role and content alone. Raises DataError for an unknown role."""
    if not value:
        raise Dropped("no messages")
    out = []
    for message in value:
        role, content = (message or {}).get("role"), (message or {}).get("content")
        if role is None or content is None:
            raise Dropped("a message without role or content")
        if role not in ROLES:
            raise DataError(
                f"{place} has a message of the role `{role}`; the roles are {', '.join(ROLES)}",
                "rename it before: `messages = list_transform(messages, lambda m: {role: ..., content: m.content})`",
            )
        out.append({"role": role, "content": content})
    if any(m["role"] == "system" for m in out[1:]):
        raise Dropped("a system message that is not the first")
    return out


def tokens(env: Env, texts: Sequence[Marked]) -> list[tuple[list[int], list[bool]]]:
    """Token ids of each text, and which are trained. Where a token would cross from prompt to answer, the text is cut there
    first: a prompt alone never has such a token."""
    fast = env.fast()
    out: list[tuple[list[int], list[bool]]] = []
    for text, e in zip(texts, fast.encode_batch([t.text for t in texts], add_special_tokens=False), strict=True):
        offsets = e.offsets
        joints = [begin for begin, _ in text.parts if begin]
        if any(s < j < end for j in joints for s, end in offsets):
            out.append(in_pieces(fast, text))
        else:
            out.append((e.ids, [any(b <= s < t for b, t in text.parts) for s, _ in offsets]))
    return out


def in_pieces(fast: Any, text: Marked) -> tuple[list[int], list[bool]]:
    ids: list[int] = []
    trained: list[bool] = []
    at = 0
    for begin, end in (*text.parts, (len(text.text), len(text.text))):
        for a, b, learned in ((at, begin, False), (begin, end, True)):
            if b > a:
                made = fast.encode(text.text[a:b], add_special_tokens=False).ids
                ids += made
                trained += [learned] * len(made)
        at = end
    return ids, trained
