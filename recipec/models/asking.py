"""One attempt at one request: sent in the server's dialect, its reply read, and what is odd about the server noticed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recipec.models import wire
from recipec.models.requests import Answer, Call, Request
from recipec.models.transport import Reply, Transport

STOPPING = frozenset({401, 402, 403, 404, 405})
"""Statuses that every other request would get too."""
AGAIN = frozenset({408, 409, 425, 429})
"""Statuses, beside 5xx, after which the same request may succeed."""


class CallerError(Exception):
    """The run cannot go on; the message says why and what would be right. What was answered is kept."""


class ServerRefused(CallerError):
    """Every request would be refused: a wrong key, model or URL, no credit left."""


class ServerUnreachable(CallerError):
    """No connection was ever made."""


class CannotScore(CallerError):
    """This server gives no log-probabilities from which the choices can be scored; ask for text and parse it instead."""


class Refused(Exception):
    """A reply that is not an answer: its status and the server's words."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.status = reply.status
        super().__init__(f"{reply.status}: {wire.error_text(reply)}")


@dataclass
class Notice:
    """Something about the server that a person should know. ``count`` answers showed it; ``message`` tells of the first."""

    code: str
    message: str
    count: int = 1


class Notices(dict[str, Notice]):
    """Notices by code: ``logprobs-ignored``, ``response-format-ignored``, ``response-format-refused``, ``model-differs``,
    ``usage-missing``, ``budget-open``, ``answer-unbounded``, ``scored-in-chat``, ``choices-unseen``."""

    def add(self, code: str, message: str) -> None:
        if code in self:
            self[code].count += 1
        else:
            self[code] = Notice(code, message)


@dataclass
class Job:
    """A request under way, through all its attempts."""

    key: bytes
    request: Request
    worst: tuple[int, int]
    attempts: int = 0
    waits: int = 0
    first: float | None = None
    estimate: float = 0.0
    pieces: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Replies for single choices that came in an earlier attempt (see ``scoring.py``)."""


class Asker:
    """Asks one server what one call asks. Holds what was learnt about the server."""

    def __init__(self, call: Call, transport: Transport, notices: Notices) -> None:
        self.call = call
        self.transport = transport
        self.notices = notices
        self.dialect = wire.Dialect()
        self.answered = False
        """Whether anything but a web page has come."""

    @property
    def alone(self) -> bool:
        return False

    async def ask(self, job: Job) -> Answer:
        """The answer of a request. Raises :class:`Refused`, :class:`~recipec.models.wire.BadReply`, TransportError."""
        request = job.request
        chat = request.messages is not None
        while True:
            dialect = self.dialect
            reply = await self.transport.post(wire.path_of(request), wire.encode(wire.body(self.call, request, dialect)))
            if reply.status == 200:
                if not self.answered and is_page(reply):
                    raise no_api(self.call, wire.path_of(request))
                self.answered = True
                break
            # 500 is what llama-cpp-python answers to a field that it does not know.
            if reply.status in (400, 422, 500) and self._learn(dialect, reply, chat=chat):
                continue
            raise Refused(reply)
        answer = wire.answer(wire.envelope(reply), chat=chat, key=job.key)
        self._notice(answer)
        return answer

    def _learn(self, used: wire.Dialect, reply: Reply, *, chat: bool) -> bool:
        """Whether the request is worth sending again in another dialect."""
        if self.dialect != used:
            return True  # Another request has learnt already.
        learnt = used.after(wire.error_text(reply), self.call, chat=chat)
        if learnt is None:
            return False
        if learnt.schema == "none":
            self.notices.add(
                "response-format-refused", f"the server takes no JSON schema, so answers may not follow it: {wire.error_text(reply)}"
            )
        self.dialect = learnt
        return True

    def _notice(self, answer: Answer) -> None:
        call, notices = self.call, self.notices
        if call.logprobs is not None and answer.logprobs is None:
            notices.add("logprobs-ignored", "log-probabilities were asked for, and the server answers without them")
        if call.schema is not None and answer.finish not in ("length", "refusal") and not _is_json(answer.text):
            notices.add("response-format-ignored", f"an answer in JSON was asked for, and the server answers {answer.text[:80]!r}")
        self.notice_common(answer.model, answer.tokens_in, answer.tokens_out)

    def notice_common(self, model: str, tokens_in: int | None, tokens_out: int | None) -> None:
        if model and model != self.call.model:
            self.notices.add("model-differs", f"`{self.call.model}` was asked for, and `{model}` answers")
        if tokens_in is None or tokens_out is None:
            self.notices.add("usage-missing", "the server does not say how many tokens an answer took; budgets count the most it can be")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def is_page(reply: Reply) -> bool:
    """Whether a reply is a web page."""
    start = reply.body[:256].lstrip().lower()
    return start.startswith((b"<!doctype", b"<html"))


def no_api(call: Call, path: str) -> ServerRefused:
    return ServerRefused(f"{call.shown}{path} answers with a web page, so it is no server of models. The URL usually ends in /v1")


def explain(status: int, reply: Reply, call: Call, *, path: str) -> str:
    """The message of a status that ends the run."""
    words = wire.error_text(reply)
    match status:
        case 401:
            return f"{call.shown} does not accept the API key (401): {words}"
        case 402:
            return f"{call.shown} asks for payment (402): {words}"
        case 403:
            return f"{call.shown} does not allow this (403): {words}"
        case 404 | 405:
            return f"{call.shown}{path} is not there, or has no model `{call.model}` ({status}): {words}. The URL usually ends in /v1"
        case _:
            return f"{call.shown} answers {status}: {words}"


def facts(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
