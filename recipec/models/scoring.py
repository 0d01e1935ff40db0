"""Scoring given continuations: how likely each choice is to follow a prompt, in log-probabilities.

Definition: the score of a choice *c* after a prompt *p* is the sum of log P(t | what precedes t) over the tokens t of the
model's own tokenization of p + c that overlap c, natural logarithm, not divided by length. (A token that straddles the border
counts whole, for each choice alike.) A softmax over the choices' scores is the model's distribution among them, and the
argmax the in-context label.

Three ways, tried in this order on the first request and then kept for the server, in the ledger too:

``echo``
    ``/v1/completions`` with ``echo``, ``logprobs`` and one token to be generated (``max_tokens: 0`` means "without end" to some servers):
    the server repeats the prompt with each token's log-probability. One request a choice, or one for all where the server takes a list
    (``echo-list``). The definition above, exactly; vLLM, and llama-cpp-python with ``logits_all``.
``first-token``
    One token is generated, with the likeliest alternatives. A choice's score is then the log of the summed probability of
    the tokens that begin it and no other choice, without regard to case and leading space: P(first token) in place of
    P(whole choice), for choices that differ in their first token. A choice that none of the tokens begins gets a bound: the
    least likely alternative shown, or all probability not shown, whichever is less. Where no choice is seen at all, the
    answer has ``scores`` None. Chat requests can be scored only so; a plain prompt to a server that has only chat is sent as
    one user's message (``first-token-chat``, noticed as ``scored-in-chat``).
none
    :class:`~recipec.models.asking.CannotScore`: ask for text and parse it.

The log-probabilities are those the server reports; whether they are before or after temperature is the server's affair
(vLLM and llama.cpp: before).
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

from recipec.models import wire
from recipec.models.asking import Asker, CannotScore, Job, Notices, Refused, facts, is_page, no_api
from recipec.models.ledger import Ledger
from recipec.models.requests import Answer, Call, Message, Request, way_key
from recipec.models.transport import Transport

Way = Literal["echo-list", "echo", "first-token", "first-token-chat"]

MOST_TOP = 20
FEW_TOP = 5
"""Alternatives to ask for: most servers allow 20, some only 5."""


SURE = 3
"""Requests refused in every way until it is the server that cannot, and not the requests that are wrong (too long, say)."""


class _NotSo(wire.BadReply):
    """This way does not work with this server, or, once it has, with this request; the message says why."""

    def __init__(self, message: str) -> None:
        super().__init__(message, final=True)


class Scorer:
    """Asks for the scores of a call's choices."""

    def __init__(self, call: Call, transport: Transport, notices: Notices, ledger: Ledger) -> None:
        assert call.choices is not None
        self.call = call
        self.choices = call.choices
        self.ledger = ledger
        self.notices = notices
        self._asker = Asker(call, transport, notices)
        self._transport = transport
        self._way: dict[bool, Way] = {}
        self._reasons: dict[Way, str] = {}
        """Why a way does not work here."""
        self._refused_rows = 0
        """Requests that were refused in every way: it may be they that are wrong."""
        self._doubtful: set[Way] = set()
        """Ways at which the server failed once (5xx): it may have been chance."""
        self._top = call.logprobs or MOST_TOP
        params = {k: v for k, v in call.params.items() if k not in ("max_tokens", "max_completion_tokens", "stop")}
        self._one = replace(call, choices=None, logprobs=self._top, params={**params, "max_tokens": 1})

    @property
    def alone(self) -> bool:
        return not self._way

    async def ask(self, job: Job) -> Answer:
        chat = job.request.messages is not None
        way = self._way.get(chat)
        if way is None:
            return await self._find(job, chat)
        return await self._by(way)(job)

    def _by(self, way: Way) -> Callable[[Job], Awaitable[Answer]]:
        return {"echo-list": self._echo_list, "echo": self._echo, "first-token": self._first, "first-token-chat": self._first_chat}[way]

    async def _find(self, job: Job, chat: bool) -> Answer:
        """Find a way with this request, whose answer counts."""
        key = way_key(self.call, chat=chat)
        known = facts(self.ledger.fact(key)).get("way")
        if known in get_args(Way):
            answer = await self._by(cast("Way", known))(job)
            self._way[chat] = cast("Way", known)
            return answer
        if known == "none":
            raise CannotScore(self._cannot("as found in an earlier run"))
        ways: tuple[Way, ...] = ("first-token",) if chat else ("echo-list", "echo", "first-token", "first-token-chat")
        refused: Refused | None = None
        for way in ways:
            if way in self._reasons:
                continue
            try:
                answer = await self._by(way)(job)
                if answer.scores is None:
                    raise _NotSo(f"the answer begins with {answer.text[:40]!r}, which begins none of the choices")
            except _NotSo as error:
                self._reasons[way] = str(error)
                self._refused_rows = SURE
            except Refused as error:
                if not _about_the_way(error.status):
                    raise
                if error.status >= 500 and way not in self._doubtful:
                    self._doubtful.add(way)
                    raise
                self._reasons[way] = str(error)
                refused = error
            else:
                self._way[chat] = way
                self.ledger.keep_fact(key, {"way": way})
                return answer
        self._refused_rows += 1
        if refused is not None and self._refused_rows < SURE:
            self._reasons.clear()
            if refused.status in (400, 413, 422):
                raise refused
            raise wire.BadReply(f"the server refuses this request ({refused})", final=True)
        self.ledger.keep_fact(key, {"way": "none"})
        raise CannotScore(self._cannot("; ".join(f"{way}: {reason}" for way, reason in self._reasons.items())))

    def _cannot(self, reasons: str) -> str:
        return f"{self.call.shown} gives no log-probabilities to score choices by ({reasons})"

    async def _post(self, path: str, made: Mapping[str, Any]) -> dict[str, Any]:
        reply = await self._transport.post(path, wire.encode(made))
        if reply.status != 200:
            raise Refused(reply)
        if not self._way and is_page(reply):
            raise no_api(self.call, path)
        return wire.envelope(reply)

    def _echo_body(self, prompt: str | list[str]) -> dict[str, Any]:
        made = {k: v for k, v in self._one.params.items() if k not in ("presence_penalty", "frequency_penalty")}
        return {**made, "model": self.call.model, "prompt": prompt, "echo": True, "logprobs": self.call.logprobs or 1}

    async def _echo_list(self, job: Job) -> Answer:
        """All choices in one request."""
        prompt = job.request.prompt
        assert prompt is not None
        made = await self._post(wire.COMPLETIONS, self._echo_body([prompt + c for c in self.choices]))
        found = made["choices"]
        if len(found) != len(self.choices):
            raise _NotSo(f"{len(self.choices)} prompts in one request get {len(found)} answers")
        ordered = sorted(found, key=lambda c: c.get("index") if isinstance(c.get("index"), int) else 0)
        tokens_in, tokens_out = wire.usage(made)
        return self._scored(job, [ordered], tokens_in, tokens_out, str(made.get("model") or ""), "echo-list")

    async def _echo(self, job: Job) -> Answer:
        """One request a choice. Those that were answered before an attempt failed are not asked again."""
        prompt = job.request.prompt
        assert prompt is not None
        for at, choice in enumerate(self.choices):
            if at not in job.pieces:
                job.pieces[at] = await self._post(wire.COMPLETIONS, self._echo_body(prompt + choice))
                read_echo(job.pieces[at]["choices"][0], prompt + choice)  # Whether it echoes at all, before more is paid for.
        pieces = [job.pieces[at] for at in range(len(self.choices))]
        counts = [wire.usage(made) for made in pieces]
        tokens_in = None if any(i is None for i, _ in counts) else sum(i or 0 for i, _ in counts)
        tokens_out = None if any(o is None for _, o in counts) else sum(o or 0 for _, o in counts)
        return self._scored(job, [made["choices"][:1] for made in pieces], tokens_in, tokens_out, str(pieces[0].get("model") or ""), "echo")

    def _scored(
        self, job: Job, groups: Sequence[Sequence[Mapping[str, Any]]], tokens_in: int | None, tokens_out: int | None, model: str, way: Way
    ) -> Answer:
        prompt = job.request.prompt
        assert prompt is not None
        echoes = [read_echo(c, prompt + text) for c, text in zip([c for g in groups for c in g], self.choices, strict=True)]
        return self._made(job, echo_scores(echoes, prompt, self.choices), tokens_in, tokens_out, wire.clean(model), way)

    async def _first(self, job: Job) -> Answer:
        return await self._first_of(job, job.request, "first-token")

    async def _first_chat(self, job: Job) -> Answer:
        prompt = job.request.prompt
        assert prompt is not None
        answer = await self._first_of(
            job, Request(job.request.id, (Message("user", prompt),), sample=job.request.sample), "first-token-chat"
        )
        self.notices.add(
            "scored-in-chat", "the server scores no plain prompts: they are sent as a user's message, and the answer's first token counts"
        )
        return answer

    async def _first_of(self, job: Job, request: Request, way: Way) -> Answer:
        asker = self._asker
        try:
            asker.call = replace(self._one, logprobs=self._top)
            answer = await asker.ask(replace(job, request=request))
        except Refused as error:
            if self._top <= FEW_TOP or error.status not in (400, 422) or "logprobs" not in str(error):
                raise
            self._top = FEW_TOP
            asker.call = replace(self._one, logprobs=self._top)
            answer = await asker.ask(replace(job, request=request))
        if not answer.logprobs or not answer.logprobs[0].top:
            raise _NotSo("the answer has no log-probabilities")
        scores = first_token_scores(answer.logprobs[0].top, self.choices)
        if scores is None:
            self.notices.add(
                "choices-unseen", f"none of the choices is among the likeliest beginnings of an answer; it begins with {answer.text[:40]!r}"
            )
            return replace(answer, logprobs=None, way=way)
        return self._made(job, scores, answer.tokens_in, answer.tokens_out, answer.model, way)

    def _made(self, job: Job, scores: Sequence[float], tokens_in: int | None, tokens_out: int | None, model: str, way: Way) -> Answer:
        self._asker.notice_common(model, tokens_in, tokens_out)
        best = max(range(len(scores)), key=lambda at: (scores[at], -at))
        return Answer(self.choices[best], "scored", tokens_in, tokens_out, None, model, job.key.hex(), scores=tuple(scores), way=way)


def _about_the_way(status: int) -> bool:
    """Whether a refusal says that the server cannot be asked so, rather than that it is busy or keeps us out."""
    return status in (400, 404, 405, 415, 422, 500, 501)


@dataclass(frozen=True, slots=True)
class Echo:
    """A prompt as the server repeats it: tokens, their log-probabilities (None for the first), and where each begins in ``text``.

    The last ``generated`` tokens are not the prompt's.
    """

    text: str
    tokens: Sequence[str]
    values: Sequence[float | None]
    offsets: Sequence[int] | None
    generated: int = 1


def read_echo(choice: Mapping[str, Any], full: str) -> Echo:
    """The echo of ``full`` in a choice of a completion. Raises where the server did not repeat it with log-probabilities."""
    text, given = choice.get("text"), choice.get("logprobs")
    if not isinstance(text, str) or not text.startswith(full):
        raise _NotSo("the prompt is not repeated")
    if not isinstance(given, dict):
        raise _NotSo("the answer has no log-probabilities")
    tokens, values, offsets = given.get("tokens"), given.get("token_logprobs"), given.get("text_offset")
    if not isinstance(tokens, list) or not isinstance(values, list) or len(tokens) != len(values) or len(tokens) < 2:
        raise _NotSo("the prompt's tokens have no log-probabilities")
    numbers = [wire.logprob(v) for v in values]
    if not isinstance(offsets, list) or len(offsets) != len(tokens) or not all(isinstance(o, int) for o in offsets):
        offsets = None
    generated = _generated(text, full, choice.get("finish_reason"), offsets)
    return Echo(text, [str(t) for t in tokens], numbers, offsets, generated)


def echo_scores(echoes: Sequence[Echo], prompt: str, choices: Sequence[str]) -> list[float]:
    """The score of each choice from the echo of prompt + choice.

    By the tokens' offsets where these are right. Servers get them wrong for characters of several tokens (Chinese, emoji); then the tokens
    that all echoes begin with are left out, and the rest is summed: that differs from the definition by the same number for every choice, so
    neither argmax nor softmax changes.
    """
    scores = [_by_offsets(echo, len(prompt), len(prompt) + len(choice)) for echo, choice in zip(echoes, choices, strict=True)]
    if all(score is not None for score in scores):
        return cast("list[float]", scores)
    shared = 0
    shortest = min(len(echo.tokens) for echo in echoes)
    while shared < shortest and len({echo.tokens[shared] for echo in echoes}) == 1:
        shared += 1
    tails = [echo.values[shared : len(echo.tokens) - echo.generated] for echo in echoes]
    if any(not tail or None in tail for tail in tails):
        raise _NotSo("the tokens of the choices cannot be told from the prompt's")
    return [math.fsum(cast("Sequence[float]", tail)) for tail in tails]


def _generated(text: str, full: str, finish: object, offsets: Sequence[int] | None) -> int:
    """How many of the last tokens were generated: one or, where the text ended there, none. Its text may be empty (half a character)."""
    if offsets is not None:
        stop = len(full) if offsets[-1] <= len(text) else len(full.encode())
        return sum(offset >= stop for offset in offsets)
    return 1 if len(text) > len(full) or finish == "length" else 0


def _by_offsets(echo: Echo, start: int, stop: int) -> float | None:
    """The sum over the tokens between two places of the text; None where the offsets cannot be right."""
    if echo.offsets is None:
        return None
    offsets = list(echo.offsets)
    # A token for the beginning of the text is not in the text, but some servers count it.
    if len(offsets) > 1 and not echo.text.startswith(echo.tokens[0]) and offsets[1] == offsets[0] + len(echo.tokens[0]):
        offsets = [offsets[0], *(o - len(echo.tokens[0]) for o in offsets[1:])]
    ends = [*offsets[1:], max(len(echo.text), offsets[-1])]
    if offsets[0] != 0 or any(a > b for a, b in zip(offsets, ends, strict=True)) or offsets[-1] > len(echo.text):
        return None
    if stop not in offsets and stop != len(echo.text):
        return None
    for token, begin, end in zip(echo.tokens, offsets, ends, strict=True):
        # Where the server's tokens are not the text at their places, it counts them otherwise than in characters.
        if begin >= start and end <= stop and echo.text[begin:end] != token:
            return None
    chosen = [
        value for value, begin, end in zip(echo.values, offsets, ends, strict=True) if begin < stop and (end > start or begin >= start)
    ]
    if not chosen or None in chosen:
        return None
    return math.fsum(cast("list[float]", chosen))


def first_token_scores(top: Sequence[tuple[str, float]], choices: Sequence[str]) -> list[float] | None:
    """Scores of choices from the alternatives of the first token (see above); None where no choice, or not one alone, is seen."""
    heads = [c.strip().casefold() for c in choices]
    found: list[list[float]] = [[] for _ in choices]
    unclear = -math.inf
    for text, value in top:
        # Some servers show a tokenizer's own spelling of a leading space.
        token = text.replace("▁", " ").replace("Ġ", " ").strip().casefold()
        begun = [at for at, head in enumerate(heads) if token and head.startswith(token)]
        if len(begun) == 1:
            found[begun[0]].append(value)
        elif begun:
            unclear = max(unclear, value)
    seen = [_log_sum(values) if values else None for values in found]
    best = max((s for s in seen if s is not None), default=None)
    if best is None or unclear > best:
        return None
    rest = 1 - math.fsum(math.exp(value) for _, value in top)
    bound = min(min(value for _, value in top), math.log(max(rest, 1e-12)))
    return [bound if s is None else s for s in seen]


def _log_sum(values: Sequence[float]) -> float:
    most = max(values)
    return most + math.log(math.fsum(math.exp(v - most) for v in values))
