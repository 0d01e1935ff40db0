"""The OpenAI protocol's JSON: bodies of requests, what replies hold, and the dialects in which servers differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from recipec.models.requests import Answer, Call, Request, Token
from recipec.models.transport import Reply

CHAT = "/chat/completions"
COMPLETIONS = "/completions"

SchemaForm = Literal["json_schema", "json_object", "none"]


class BadReply(Exception):
    """A reply with status 200 that is no answer: not JSON, empty, without choices. May have been charged.

    ``final``: asking again would give the same.
    """

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


@dataclass(frozen=True, slots=True)
class Dialect:
    """How this server wants to be asked. Learnt from its refusals, which cost nothing.

    ``schema``: OpenAI and vLLM take ``json_schema``; llama-cpp-python takes the schema inside ``json_object``; ``none`` where a server
    refuses both. ``limit``: newer OpenAI models take the bound of an answer's length by another name only.
    """

    schema: SchemaForm = "json_schema"
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"

    def after(self, refusal: str, call: Call, *, chat: bool) -> Dialect | None:
        """The dialect to try after this refusal; None where it is not about dialect."""
        if chat and self.limit == "max_tokens" and "max_tokens" in call.params and "max_completion_tokens" in refusal:
            return replace(self, limit="max_completion_tokens")
        if call.schema is not None and self.schema != "none" and ("response_format" in refusal or "json_schema" in refusal):
            return replace(self, schema="json_object" if self.schema == "json_schema" else "none")
        return None


def path_of(request: Request) -> str:
    return COMPLETIONS if request.messages is None else CHAT


def body(call: Call, request: Request, dialect: Dialect) -> dict[str, Any]:
    """The JSON that asks for one answer."""
    made: dict[str, Any] = {"model": call.model}
    if request.messages is None:
        made["prompt"] = request.prompt
    else:
        made["messages"] = [{"role": m.role, "content": m.content} for m in request.messages]
    for name, value in call.params.items():
        if name == "max_tokens" and request.messages is not None:
            made[dialect.limit] = value
        elif name == "seed" and isinstance(value, int):
            made["seed"] = value + request.sample
        else:
            made[name] = value
    if call.logprobs is not None:
        if request.messages is None:
            made["logprobs"] = call.logprobs
        else:
            made["logprobs"] = True
            made["top_logprobs"] = call.logprobs
    if call.schema is not None and dialect.schema != "none":
        made["response_format"] = (
            {"type": "json_schema", "json_schema": {"name": "answer", "schema": call.schema, "strict": True}}
            if dialect.schema == "json_schema"
            else {"type": "json_object", "schema": call.schema}
        )
    return made


def encode(made: Mapping[str, Any]) -> bytes:
    # ASCII: half a surrogate pair in a text is then still valid JSON.
    return json.dumps(made, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def envelope(reply: Reply) -> dict[str, Any]:
    """The JSON of a reply with status 200, which has at least one choice. Raises :class:`BadReply`."""
    if not reply.body.strip():
        raise BadReply("the answer is empty")
    try:
        made = json.loads(reply.body)
    except ValueError as error:
        raise BadReply(f"the answer is not JSON ({error}): {excerpt(reply.body)}") from None
    if not isinstance(made, dict):
        raise BadReply(f"the answer is not an object: {excerpt(reply.body)}")
    if made.get("error"):
        raise BadReply(f"the server answers with an error: {error_text(reply)}")
    choices = made.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise BadReply(f"the answer has no choices: {excerpt(reply.body)}")
    return made


def answer(made: Mapping[str, Any], *, chat: bool, key: bytes) -> Answer:
    """The first choice of an envelope."""
    choice = made["choices"][0]
    finish = choice.get("finish_reason")
    if chat:
        message = choice.get("message")
        if not isinstance(message, dict):
            raise BadReply(f"the answer has no message: {excerpt(json.dumps(made).encode())}")
        text = _content(message.get("content"))
        if text is None:
            refusal = message.get("refusal")
            text, finish = (refusal, "refusal") if isinstance(refusal, str) else ("", finish)
    else:
        text = choice.get("text")
        if not isinstance(text, str):
            raise BadReply(f"the answer has no text: {excerpt(json.dumps(made).encode())}")
    tokens_in, tokens_out = usage(made)
    model = made.get("model")
    return Answer(
        text=clean(text),
        finish=clean(finish) if isinstance(finish, str) else "unknown",
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        logprobs=logprobs(choice, chat=chat),
        model=clean(model) if isinstance(model, str) else "",
        key=key.hex(),
    )


def usage(made: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Tokens in and out, as the server counts them; None where it does not."""
    counts = made.get("usage")
    if not isinstance(counts, dict):
        return None, None
    tokens_in, tokens_out = counts.get("prompt_tokens"), counts.get("completion_tokens")
    return (tokens_in if isinstance(tokens_in, int) else None, tokens_out if isinstance(tokens_out, int) else None)


def logprobs(choice: Mapping[str, Any], *, chat: bool) -> tuple[Token, ...] | None:
    """The tokens of a choice with their log-probabilities; None where the server gives none."""
    given = choice.get("logprobs")
    if not isinstance(given, dict):
        return None
    found: list[Token] = []
    if isinstance(given.get("content"), list):
        for item in given["content"]:
            value = logprob(item.get("logprob")) if isinstance(item, dict) else None
            if value is None:
                return None
            others = [o for o in item.get("top_logprobs") or () if isinstance(o, dict)]
            top = tuple((clean(str(o.get("token", ""))), p) for o in others if (p := logprob(o.get("logprob"))) is not None)
            found.append(Token(clean(str(item.get("token", ""))), value, top))
        return tuple(found) or None
    tokens, values, tops = given.get("tokens"), given.get("token_logprobs"), given.get("top_logprobs")
    if not isinstance(tokens, list) or not isinstance(values, list) or len(tokens) != len(values):
        return None
    for at, (text, given_value) in enumerate(zip(tokens, values, strict=True)):
        best = tops[at] if isinstance(tops, list) and at < len(tops) else None
        alternatives = best.items() if isinstance(best, dict) else ()
        top = tuple((clean(str(t)), p) for t, given_p in alternatives if (p := logprob(given_p)) is not None)
        number = logprob(given_value)
        if number is not None:
            found.append(Token(clean(str(text)), number, top))
    return tuple(found) or None


def error_text(reply: Reply) -> str:
    """What a server says is wrong, in its own words, as far as it says anything."""
    try:
        made = json.loads(reply.body)
    except ValueError:
        return excerpt(reply.body) or "no reason given"
    found = made
    if isinstance(found, dict):
        found = found.get("error") or found.get("detail") or found.get("message") or found
    if isinstance(found, dict):
        # The parameter's name is what dialects are told by.
        found = " ".join(str(found[name]) for name in ("message", "param") if found.get(name)) or found
    words = clean(found if isinstance(found, str) else json.dumps(found, ensure_ascii=False))
    return " ".join(words.split())[:600] or "no reason given"


def error_code(reply: Reply) -> str:
    try:
        made = json.loads(reply.body)
    except ValueError:
        return ""
    found = made.get("error") if isinstance(made, dict) else None
    return str(found.get("code") or found.get("type") or "") if isinstance(found, dict) else ""


def excerpt(data: bytes) -> str:
    return clean(data[:200].decode("utf-8", "replace")).strip()


def clean(text: str) -> str:
    """A text that UTF-8 can hold: halves of surrogate pairs become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _content(content: Any) -> str | None:
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content)


def logprob(value: Any) -> float | None:
    """A log-probability as a number that JSON can hold: minus infinity becomes -9999, as OpenAI writes it. None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    return max(float(value), -9999.0)
