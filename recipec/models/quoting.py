"""What calls will cost, before any is made: the ledger's answers counted, tokens guessed and bounded, prices applied.

Nothing here opens a connection or needs a key. Tokens in are expected at :data:`BYTES_PER_TOKEN` bytes of UTF-8 a token, or, where the
ledger has answers to prompts of the same kind, at what the server counted for those. Tokens out are expected at the mean of these
answers, else at ``max_tokens``, else they are unknown. The bounds are those that budgets are kept by
(:func:`recipec.models.budget.worst_case`); a request that has to be sent again because its answer was lost may be charged again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from recipec.api import DataError, Estimate, Json
from recipec.models.budget import Prices, dollars, worst_case
from recipec.models.requests import Call, Keys, Message, Request, near, way_key

if TYPE_CHECKING:
    from recipec.models._base import ModelSettings
    from recipec.models.ledger import Ledger
    from recipec.models.openai import OpenAIParams

BYTES_PER_TOKEN = 3.0
"""Bytes of UTF-8 a token, until a server has counted: English text has about 4, Chinese about 3, code less."""
LEARN = 256
"""Answers of the ledger that are read to learn from."""
SEEN = 1_000_000
"""Keys of new requests that are held to notice requests that ask the same; with more, equal ones may be counted twice."""


class Served:
    """What a recipe asks of a server: the call that a request is made under. Raises DataError where the address or an argument is wrong."""

    def __init__(self, name: str, params: OpenAIParams, url: str) -> None:
        self.name, self.params = name, params
        named = {"temperature": params.temperature, "top_p": params.top_p, "max_tokens": params.max_tokens, "seed": params.seed}
        values: dict[str, Any] = {k: v for k, v in named.items() if v is not None} | ({"stop": list(params.stop)} if params.stop else {})
        try:
            self.plain = Call("openai", url, params.model, values | dict(params.extra))
        except ValueError as error:
            raise DataError(f"`{name}`: {error}") from None

    def call(self, *, choices: tuple[str, ...] | None = None, schema: Json | None = None) -> Call:
        if choices is None:
            return self.plain if schema is None else replace(self.plain, schema=schema)
        # The generated text is not wanted, and what decides it does not decide the scores.
        kept = {k: v for k, v in self.plain.params.items() if k not in ("max_tokens", "stop", "seed", "temperature", "top_p")}
        return replace(self.plain, choices=choices, params=kept)

    def request(self, request: Request) -> Request:
        """A plain prompt as a user's message, which every server takes; unless the recipe asks for completions."""
        if request.prompt is None or self.params.mode == "completion":
            return request
        return replace(request, prompt=None, messages=(Message("user", request.prompt),))


class Count:
    """Calls of one model, counted: which the ledger answers, and how much the others may take."""

    def __init__(self, call: Call, model: str, prices: Prices, budget: float | None) -> None:
        self.model, self.prices, self.budget = model, prices, budget
        self.near = near(urlsplit(call.url).hostname or "")
        self.calls = self.in_ledger = 0
        self.worst_in = self.worst_out = 0
        self.open = False
        """Whether some answers have no bound."""
        self.new: set[bytes] = set()
        self.earlier: frozenset[bytes] | set[bytes] = frozenset()
        """Keys that steps before this one will ask for: their answers are in the ledger by then."""
        # Of answers in the ledger: how many were read, their tokens, and the bounds of their requests.
        self.known = self.known_in = self.known_out = self.known_worst = 0

    def add_new(self, key: bytes, worst_in: int, worst_out: int | None) -> None:
        if key in self.earlier:
            self.in_ledger += 1
            return
        if key in self.new:
            return
        if len(self.new) < SEEN:
            self.new.add(key)
        self.calls += 1
        self.worst_in += worst_in
        if worst_out is None:
            self.open = True
        else:
            self.worst_out += worst_out

    def learn(self, worst_in: int, tokens_in: int | None, tokens_out: int | None) -> None:
        """From an answer of the ledger."""
        if tokens_in is not None and tokens_out is not None:
            self.known += 1
            self.known_in += tokens_in
            self.known_out += tokens_out
            self.known_worst += worst_in

    def estimate(self, name: str, *, rows: int | None = None, of: int | None = None) -> Estimate:
        """What was counted. With ``rows`` and ``of``, it was counted on so many rows of so many."""
        scale = of / rows if rows and of else 1.0
        calls, kept = round(self.calls * scale), round(self.in_ledger * scale)
        sampled = rows if rows is not None and rows != of else None
        if not calls:
            return Estimate(name, self.model, 0, kept, 0, 0, 0.0, 0.0, sampled=sampled, near=self.near)
        ratio = self.known_worst / self.known_in if self.known_in else BYTES_PER_TOKEN
        tokens_in = self.worst_in * scale / ratio
        tokens_out: float | None = None
        if self.known:
            tokens_out = self.known_out / self.known * calls
        elif not self.open:
            tokens_out = self.worst_out * scale
        at_most = self.cost(self.worst_in * scale, None if self.open else self.worst_out * scale)
        usd = self.cost(tokens_in, tokens_out)
        if self.budget is not None and self.prices.known:
            # More than that is never spent.
            at_most = self.budget if at_most is None else min(at_most, self.budget)
        why = "" if usd is not None else "no `max_tokens` bounds the answers" if self.prices.known else f"`{self.model}` has no price"
        return Estimate(name, self.model, calls, kept, round(tokens_in), None if tokens_out is None else round(tokens_out), usd, at_most,
                        sampled=sampled, why=why, near=self.near)  # fmt: skip

    def cost(self, tokens_in: float, tokens_out: float | None) -> float | None:
        if tokens_out is None:
            return self.prices.cost(tokens_in, 0) if self.prices.per_million_out == 0 else None
        return self.prices.cost(tokens_in, tokens_out)


class Quote(Count):
    """Prompts for a served model, counted."""

    def __init__(self, served: Served, ledger: Ledger, prices: Prices, budget: float | None) -> None:
        super().__init__(served.plain, served.name, prices, budget)
        self.served, self.ledger = served, ledger
        self._keys: dict[Any, tuple[Call, Keys]] = {}

    def scores(self, choices: tuple[str, ...], *, chat: bool) -> bool:
        """Whether the choices will be scored: unless the server is known not to give log-probabilities."""
        fact: Mapping[str, Any] = self.ledger.fact(way_key(self.served.call(choices=choices), chat=chat)) or {}
        return fact.get("way") != "none"

    def add(self, requests: Iterable[Request], *, choices: tuple[str, ...] | None = None, schema: Json | None = None) -> None:
        """Count requests, as they would be asked by :meth:`Model.answers`, or with ``choices`` by :meth:`Model.scores`."""
        place = (choices, repr(schema))
        if place not in self._keys:
            call = self.served.call(choices=choices, schema=schema)
            self._keys[place] = call, Keys(call)
        call, keys = self._keys[place]
        bound = call.max_tokens
        for given in requests:
            request = given if choices is not None else self.served.request(given)
            key = keys(request)
            worst_in, worst_out = worst_case(request.size, request.turns, bound, choices)
            if not self.ledger.has(key):
                self.add_new(key, worst_in, None if bound is None and choices is None else worst_out)
                continue
            self.in_ledger += 1
            if self.known < LEARN and (answer := self.ledger.get(key)) is not None:
                self.learn(worst_in, answer.tokens_in, answer.tokens_out)


def quote(served: Served, ledger: Ledger, settings: ModelSettings) -> Quote:
    return Quote(served, ledger, Prices(settings.price_in, settings.price_out), settings.budget_usd)


__all__ = ["Count", "Quote", "Served", "dollars", "quote"]
