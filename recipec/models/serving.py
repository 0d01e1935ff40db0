"""A model behind a server: the recipe's settings, the ledger and the client put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recipec.api import DataError, Json, ModelFacts
from recipec.models._base import Model, Opening
from recipec.models.asking import CallerError, CannotScore, ServerRefused
from recipec.models.budget import Account, Budget, BudgetExceeded, Prices
from recipec.models.client import Caller
from recipec.models.ledger import Ledger, LedgerError
from recipec.models.limits import Limits
from recipec.models.pace import Pace
from recipec.models.quoting import Quote, Served, dollars, quote
from recipec.models.requests import Answer, Call, Failure, Request

if TYPE_CHECKING:
    from recipec.models.openai import OpenAIParams


class ServedModel(Model):
    """A model of an OpenAI-compatible server. All its calls in a run share one budget."""

    def __init__(self, params: OpenAIParams, opening: Opening, url: str, key: str | None, facts: ModelFacts) -> None:
        given = opening.settings
        self.name, self.facts, self.params, self.key, self.opening = opening.name, facts, params, key, opening
        self.served = Served(opening.name, params, url)
        limits: dict[str, Any] = {"timeout": given.timeout, "retries": given.retries}
        limits |= {"requests_per_minute": given.requests_per_minute, "tokens_per_minute": given.tokens_per_minute}
        if given.concurrency is not None:
            limits |= {"concurrency": given.concurrency, "start": min(8, given.concurrency)}
        self.limits = Limits(**limits)
        self.account = Account(Budget(given.budget_usd, given.budget_tokens), Prices(given.price_in, given.price_out))
        self.ledger = self.guarded(lambda: Ledger(opening.ledger))
        self.told: dict[str, str] = {}
        self.calls = {"calls": 0, "reused": 0, "failed": 0}
        self.pace = Pace()

    def guarded(self, act: Callable[[], Any]) -> Any:
        """Do it; what the client raises comes as a message for people."""
        try:
            return act()
        except (BudgetExceeded, CallerError, LedgerError, ValueError) as error:
            raise self.told_of(error) from None

    def told_of(self, error: Exception) -> DataError:
        """What the client raised, for people: about this model, and what to do."""
        help = ""
        if isinstance(error, BudgetExceeded):
            help = "what is answered is kept: raise the budget and run again to go on"
        elif isinstance(error, (CallerError, LedgerError)):
            help = "what is answered is kept; run again to go on"
        if isinstance(error, ServerRefused) and "(401)" in str(error):
            variable = self.params.api_key.variable if self.params.api_key is not None else None
            help = f"is {variable} the right key?" if variable else 'give the key: api_key: env("NAME")' if self.key is None else help
        made = DataError(f"`{self.name}`: {error}", help)
        made.about = self.name
        return made

    def caller(self, call: Call) -> Caller:
        made: Caller = self.guarded(lambda: Caller(call, self.ledger, self.limits, self.account, api_key=self.key, tell=self.opening.tell))
        return made

    def answers(
        self, requests: Iterable[Request], *, schema: Json | None = None, progress: Callable[[int], None] = lambda done: None
    ) -> Iterator[tuple[str, Answer | Failure]]:
        yield from self.asked(self.caller(self.served.call(schema=schema)), (self.served.request(r) for r in requests), progress)

    def scores(
        self, requests: Iterable[Request], choices: Sequence[str], *, progress: Callable[[int], None] = lambda done: None
    ) -> Iterator[tuple[str, list[float] | Failure | None]]:
        call = self.served.call(choices=tuple(choices))
        try:
            for id, outcome in self.asked(self.caller(call), requests, progress, scoring=True):
                yield id, list(outcome.scores or ()) if isinstance(outcome, Answer) else outcome
        except CannotScore as error:
            self.told["cannot-score"] = f"{error}: the answers' words are read instead"
            yield "", None

    def asked(
        self, caller: Caller, requests: Iterable[Request], progress: Callable[[int], None], *, scoring: bool = False
    ) -> Iterator[tuple[str, Answer | Failure]]:
        done = 0
        try:
            for id, outcome in caller.answers(requests):
                done += 1
                what = "failed" if isinstance(outcome, Failure) else "reused" if outcome.cached else "calls"
                self.calls[what] += 1
                if what == "calls":
                    self.pace.one()
                if done % 16 == 0 or done < 16:
                    progress(done)
                yield id, outcome
        except CannotScore as error:
            if scoring:
                raise
            raise self.told_of(error) from None
        except (BudgetExceeded, CallerError, LedgerError) as error:
            raise self.told_of(error) from None
        finally:
            for code, notice in caller.notices.items():
                self.told[code] = caller.hide(notice.message)

    def spent(self) -> Mapping[str, Json]:
        return {**self.calls, "tokens_in": self.account.tokens_in, "tokens_out": self.account.tokens_out, "usd": self.account.usd}

    def telling(self) -> str:
        """``$0.21 of $5.00  84 calls/s``"""
        usd, budget = self.account.usd, self.account.budget
        said: list[str] = []
        if usd is not None:
            said.append(dollars(usd) + (f" of {dollars(budget.usd)}" if budget.usd is not None else ""))
        elif budget.tokens is not None:
            said.append(f"{self.account.tokens:,} of {budget.tokens:,} tokens")
        if (pace := self.pace.per_second()) is not None:
            said.append(f"{pace:,.0f} calls/s" if pace >= 10 else f"{pace:.1f} calls/s")
        return "  ".join(said)

    def quote(self) -> Quote:
        return quote(self.served, self.ledger, self.opening.settings)

    def notices(self) -> Sequence[str]:
        return list(self.told.values())

    def close(self) -> None:
        self.ledger.close()
