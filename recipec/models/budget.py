"""What answers cost, and where to stop: prices, budgets, and the account that holds both."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

MILLION = 1_000_000
LONGEST_ANSWER = 32_768
"""Tokens assumed for an answer that no ``max_tokens`` bounds."""
TURN_TOKENS = 16
"""The most tokens that a chat template puts around one message, and around the whole."""


def dollars(value: float) -> str:
    """``$0.31``; ``$0.0042`` where two digits would say nothing; ``$0.00`` for nothing."""
    return f"${value:,.2f}" if value >= 0.01 or value == 0 else f"${value:.4f}" if value >= 0.0001 else "<$0.0001"


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars per million tokens, in and out. None is unknown, which is not 0: a server that costs nothing has the price 0."""

    per_million_in: float | None = None
    per_million_out: float | None = None

    def __post_init__(self) -> None:
        for price in (self.per_million_in, self.per_million_out):
            if price is not None and not 0 <= price < float("inf"):
                raise ValueError("a price is 0 or more")

    @property
    def known(self) -> bool:
        return self.per_million_in is not None and self.per_million_out is not None

    def cost(self, tokens_in: float, tokens_out: float) -> float | None:
        """Dollars, or None where a price is unknown."""
        if self.per_million_in is None or self.per_million_out is None:
            return None
        return (tokens_in * self.per_million_in + tokens_out * self.per_million_out) / MILLION


@dataclass(frozen=True, slots=True)
class Budget:
    """Hard stops: dollars, and tokens in and out together. None for no bound."""

    usd: float | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        for bound in (self.usd, self.tokens):
            if bound is not None and bound < 0:
                raise ValueError("a budget is 0 or more")


class BudgetExceeded(Exception):
    """The next request could cost more than is left. What was answered is kept, in the ledger.

    ``spent_usd`` is None where a price is unknown; ``next_usd`` and ``next_tokens`` are the most that the request not sent could cost.
    """

    def __init__(self, account: Account, next_in: int, next_out: int) -> None:
        self.budget = account.budget
        self.spent_tokens = account.tokens + account.unsure_tokens
        self.spent_usd = account.usd
        self.next_tokens = next_in + next_out
        self.next_usd = account.prices.cost(next_in, next_out)
        self.answers = account.answers
        super().__init__(self._message(account))

    def _message(self, account: Account) -> str:
        unsure = (
            f", of which {account.unsure_tokens:,} for answers that were lost on the way and may be charged"
            if account.unsure_tokens
            else ""
        )
        if account.over_usd(self.next_usd):
            assert self.spent_usd is not None
            assert self.next_usd is not None
            return (
                f"the budget of ${self.budget.usd:g} is used up: {dollars(self.spent_usd)} spent on {self.answers:,} answers{unsure}, "
                f"and the next could cost {dollars(self.next_usd)}"
            )
        return (
            f"the budget of {self.budget.tokens:,} tokens is used up: {self.spent_tokens:,} spent on {self.answers:,} answers{unsure}, "
            f"and the next could take {self.next_tokens:,}"
        )


class Account:
    """What one model has cost in this run. Several callers of the same model share one; safe for threads.

    What is sent is first reserved at its worst; what comes is booked at the server's count. A request that was sent but whose
    answer never came (timeout, broken connection) may be charged, so it stays booked at its worst, apart (``unsure_*``).
    """

    def __init__(self, budget: Budget | None = None, prices: Prices | None = None) -> None:
        self.budget = budget or Budget()
        self.prices = prices or Prices()
        self.answers = 0
        self.tokens_in = 0
        self.tokens_out = 0
        self.unsure_in = 0
        self.unsure_out = 0
        self._reserved_in = 0
        self._reserved_out = 0
        self._lock = Lock()

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out

    @property
    def unsure_tokens(self) -> int:
        return self.unsure_in + self.unsure_out

    @property
    def usd(self) -> float | None:
        """Dollars spent, with what may be charged at its worst; None where a price is unknown."""
        return self.prices.cost(self.tokens_in + self.unsure_in, self.tokens_out + self.unsure_out)

    @property
    def bounded(self) -> bool:
        """Whether there is a budget to keep."""
        return self.budget.tokens is not None or (self.budget.usd is not None and self.prices.known)

    def reserve(self, tokens_in: int, tokens_out: int) -> bool:
        """Set aside a request's worst case; False where it does not fit beside what is spent and reserved."""
        with self._lock:
            total_in = self.tokens_in + self.unsure_in + self._reserved_in + tokens_in
            total_out = self.tokens_out + self.unsure_out + self._reserved_out + tokens_out
            if self.budget.tokens is not None and total_in + total_out > self.budget.tokens:
                return False
            cost = self.prices.cost(total_in, total_out)
            if self.budget.usd is not None and cost is not None and cost > self.budget.usd:
                return False
            self._reserved_in += tokens_in
            self._reserved_out += tokens_out
            return True

    def release(self, tokens_in: int, tokens_out: int) -> None:
        """A request that was reserved cost nothing."""
        with self._lock:
            self._reserved_in -= tokens_in
            self._reserved_out -= tokens_out

    def book(self, tokens_in: int, tokens_out: int) -> None:
        """An answer came, with so many tokens."""
        with self._lock:
            self.answers += 1
            self.tokens_in += tokens_in
            self.tokens_out += tokens_out

    def book_unsure(self, tokens_in: int, tokens_out: int) -> None:
        with self._lock:
            self.unsure_in += tokens_in
            self.unsure_out += tokens_out

    def over_usd(self, next_usd: float | None) -> bool:
        spent = self.usd
        return self.budget.usd is not None and spent is not None and next_usd is not None and spent + next_usd > self.budget.usd


def worst_case(size: int, turns: int, max_tokens: int | None, choices: tuple[str, ...] | None) -> tuple[int, int]:
    """The most tokens, in and out, that a request of ``size`` bytes and ``turns`` messages can cost.

    A byte-level tokenizer makes at most one token of a byte; a chat template adds at most :data:`TURN_TOKENS` around each message and
    around the whole. Scoring sends the prompt once for each choice, each time for one token of answer.
    """
    around = TURN_TOKENS * (turns + 1)
    if choices is not None:
        return sum(size + len(c.encode()) + around for c in choices), len(choices)
    return size + around, LONGEST_ANSWER if max_tokens is None else max_tokens
