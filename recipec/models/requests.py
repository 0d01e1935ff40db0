"""What is asked of a model and what comes back: plain values, and the key under which an answer is kept.

A :class:`Call` is what a batch shares, a :class:`Request` what one row asks. Together they decide an answer, so
:class:`Keys` hashes both; nothing else (neither timeouts, prices, secrets nor the row's id) is part of the key, and so a
row asked again under another id, another budget or another API key is answered from the ledger.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

KEY_BYTES = 16
KEY_FORMAT = 1
"""Changes only when the same call and request would get another key than before."""

OURS = frozenset({"model", "messages", "prompt", "n", "stream", "echo", "logprobs", "top_logprobs", "response_format", "stream_options"})
"""Fields of the protocol that this library sets itself: not to be given in :attr:`Call.params`."""

FailureKind = Literal["refused", "rate", "server", "connection", "timeout", "answer"]
Prompt = str | Sequence[Mapping[str, str]]
"""What a template makes of a row: a text, or the messages of a chat as ``{role, content}``."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat. ``role`` is ``system``, ``user`` or ``assistant`` (or what the server knows besides)."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """What one row asks: chat messages, or a plain prompt to be continued; exactly one of the two.

    ``id`` is the caller's own (a row's key) and comes back with the answer. ``sample`` numbers repeated askings of the same
    words, from 0: each is an answer of its own.
    """

    id: str
    messages: tuple[Message, ...] | None = None
    prompt: str | None = None
    sample: int = 0

    def __post_init__(self) -> None:
        if (self.messages is None) == (self.prompt is None):
            raise ValueError("a request has either messages or a prompt")
        if self.messages is not None and not self.messages:
            raise ValueError("a chat has at least one message")

    @classmethod
    def of(cls, id: str, prompt: Prompt, sample: int = 0) -> Request:
        """What a template's prompt asks: a text, or messages as ``{role, content}``."""
        if isinstance(prompt, str):
            return cls(id, prompt=prompt, sample=sample)
        return cls(id, messages=tuple(Message(m["role"], m["content"]) for m in prompt), sample=sample)

    @property
    def size(self) -> int:
        """UTF-8 bytes of the text sent: no byte-level tokenizer makes more tokens than this."""
        if self.prompt is not None:
            return len(self.prompt.encode())
        assert self.messages is not None
        return sum(len(m.content.encode()) for m in self.messages)

    @property
    def turns(self) -> int:
        return 1 if self.messages is None else len(self.messages)


@dataclass(frozen=True)
class Call:
    """What the requests of a batch share.

    ``url`` is the server's base, usually ending in ``/v1`` (added where the URL has no path). User, password and query of
    the URL are used to reach the server and never kept. ``params`` are the protocol's own (``temperature``, ``max_tokens``,
    ``top_p``, ``seed``, ``stop``, ...), sent as they are, except that ``seed`` becomes seed + sample. ``schema`` is a JSON
    schema the answer must follow. ``logprobs`` asks for the log-probability of each token and of that many alternatives.
    ``choices`` are continuations to score instead of asking for text (see ``scoring.py``): exactly as they would follow
    the prompt, so usually with a leading space.
    """

    provider: str
    url: str
    model: str
    params: Mapping[str, Any] = field(default_factory=dict)
    schema: Mapping[str, Any] | None = None
    logprobs: int | None = None
    choices: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not a URL of a server: {shown(self.url)!r} (http://host:port/v1 or https://...)")
        for name in self.params:
            if name in OURS:
                raise ValueError(f"`{name}` is not a parameter to give: it is set from the request itself")
        if self.logprobs is not None and self.logprobs < 0:
            raise ValueError("logprobs is a number of alternatives, 0 or more")
        if self.choices is not None:
            if len(self.choices) < 2 or len(set(self.choices)) < len(self.choices):
                raise ValueError("choices to score are at least two, all different")
            if not all(c.strip() for c in self.choices):
                raise ValueError("a choice to score is not empty")
            if self.schema is not None:
                raise ValueError("choices are scored, so no schema can be asked of the answer")

    @property
    def base(self) -> str:
        """The URL without user, password, query and fragment."""
        return bare(self.url)

    @property
    def shown(self) -> str:
        """The URL for people."""
        return shown(self.url)

    @property
    def max_tokens(self) -> int | None:
        """The most tokens an answer may have, where the parameters say so."""
        for name in ("max_tokens", "max_completion_tokens"):
            value = self.params.get(name)
            if isinstance(value, int):
                return value
        return None

    def about(self) -> dict[str, Any]:
        """All of the call that decides an answer."""
        return {
            "format": KEY_FORMAT,
            "provider": self.provider,
            "url": self.base,
            "model": self.model,
            "params": dict(self.params),
            "schema": None if self.schema is None else dict(self.schema),
            "logprobs": self.logprobs,
            "choices": None if self.choices is None else list(self.choices),
        }


def bare(url: str) -> str:
    """A server's base URL in one spelling: host in lower case, no user, query, fragment, default port or last slash;
    ``/v1`` where there is no path."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{host}]"
    if parts.port is not None and parts.port != {"http": 80, "https": 443}.get(parts.scheme):
        host = f"{host}:{parts.port}"
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/") or "/v1", "", ""))


COMMON = re.compile(
    r"v\d+(?:alpha|beta)?\d*|api|rest|openai|openai-compatible|compatible-mode|inference|models|engines|llm|paas|serverless", re.I
)
"""Parts of a path that many servers have, and that so can be no secret."""


def private(url: str) -> list[str]:
    """The parts of a URL's path that may be secret: some servers know their customers by a token in it. Any that is not common is taken
    for one."""
    return [part for part in urlsplit(url).path.split("/") if part and not COMMON.fullmatch(part)]


def shown(url: str) -> str:
    """A server's URL as it may be written and told: as :func:`bare`, with ``***`` for the parts of its path that may be secret."""
    parts = urlsplit(bare(url))
    hidden = set(private(url))
    return urlunsplit((parts.scheme, parts.netloc, "/".join("***" if p in hidden else p for p in parts.path.split("/")), "", ""))


def near(host: str) -> bool:
    """Whether a host is this machine or in a private network, where nobody charges by the token."""
    if (
        host == "localhost"
        or ("." not in host.strip("[]") and ":" not in host)
        or host.endswith((".local", ".internal", ".localhost", ".lan"))
    ):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_private or address.is_loopback or address.is_link_local


@dataclass(frozen=True, slots=True)
class Token:
    """One token of an answer: its text, its log-probability (natural), and the likeliest alternatives."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered.

    ``finish`` is the server's reason (``stop``, ``length`` for an answer cut off at ``max_tokens``, ``refusal`` ...), or
    ``scored`` where choices were scored: then ``scores`` gives each choice's log-probability in the order of
    :attr:`Call.choices`, ``way`` how it was found, and ``text`` is the best choice. ``tokens_in`` and ``tokens_out`` are
    the server's own counts, None where it gives none. ``model`` is the name the server answers under. ``key`` is the
    ledger's, in hexadecimal. ``cached`` says that this run did not pay for it.
    """

    text: str
    finish: str
    tokens_in: int | None
    tokens_out: int | None
    logprobs: tuple[Token, ...] | None
    model: str
    key: str
    cached: bool = False
    scores: tuple[float, ...] | None = None
    way: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A request without an answer: what kind of failure, in whose words, after how many attempts.

    ``refused``: the server will not take this request (400, 413, 422 ...); asking again is of no use. ``rate``: it kept saying that there
    are too many. ``server``: it kept failing (5xx). ``connection``: connections kept breaking. ``timeout``: no answer in
    time. ``answer``: what came was no answer (not JSON, empty, without a choice).
    """

    kind: FailureKind
    message: str
    attempts: int


def canonical(value: Any) -> bytes:
    """A JSON value in one spelling: sorted names, no spaces, whole numbers without a point. NaN and infinities are errors."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(
        "utf-8", "surrogatepass"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(v) for v in value]
    return value


class Keys:
    """Keys of the requests of one call: BLAKE2b of 16 bytes over the canonical JSON of call and request."""

    def __init__(self, call: Call) -> None:
        self._start = blake2b(canonical(call.about()) + b"\n", digest_size=KEY_BYTES)

    def __call__(self, request: Request) -> bytes:
        digest = self._start.copy()
        digest.update(
            json.dumps(
                [request.prompt, None if request.messages is None else [[m.role, m.content] for m in request.messages], request.sample],
                separators=(",", ":"),
                ensure_ascii=True,
            ).encode()
        )
        return digest.digest()


def fact_key(call: Call, about: str) -> bytes:
    """The key of something known about the server and model of a call (see :meth:`Ledger.fact`)."""
    return blake2b(canonical(["fact", about, call.provider, call.base, call.model]), digest_size=KEY_BYTES).digest()


def way_key(call: Call, *, chat: bool) -> bytes:
    """The key of the fact how a server scores a call's choices (see ``scoring.py``)."""
    choices = blake2b(canonical(list(call.choices or ())), digest_size=8).hexdigest()
    return fact_key(call, f"score {'chat' if chat else 'prompt'} {choices}")
