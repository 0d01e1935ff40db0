"""A model behind a server: the recipe's settings, the ledger and the client put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from recipec.api import DataError, Json, ModelFacts
from recipec.models._base import Model, Opening
from recipec.models.asking import CallerError, CannotScore
from recipec.models.budget import Account, Budget, BudgetExceeded, Prices
from recipec.models.client import Caller
from recipec.models.ledger import Ledger, LedgerError
from recipec.models.limits import Limits
from recipec.models.requests import Answer, Call, Failure, Message, Request

if TYPE_CHECKING:
    from recipec.models.openai import OpenAIParams


class ServedModel(Model):
    """A model of an OpenAI-compatible server. All its calls in a run share one budget."""

    def __init__(self, params: OpenAIParams, opening: Opening, url: str, key: str | None, facts: ModelFacts) -> None:
        given = opening.settings
        self.name, self.facts, self.params, self.key = opening.name, facts, params, key
        named = {"temperature": params.temperature, "top_p": params.top_p, "max_tokens": params.max_tokens, "seed": params.seed}
        values: dict[str, Any] = {k: v for k, v in named.items() if v is not None} | ({"stop": list(params.stop)} if params.stop else {})
        try:
            self.call = Call("openai", url, params.model, values | dict(params.extra))
        except ValueError as error:
            raise DataError(f"`{opening.name}`: {error}") from None
        limits: dict[str, Any] = {"timeout": given.timeout, "retries": given.retries}
        limits |= {"requests_per_minute": given.requests_per_minute, "tokens_per_minute": given.tokens_per_minute}
        if given.concurrency is not None:
            limits |= {"concurrency": given.concurrency, "start": min(8, given.concurrency)}
        self.limits = Limits(**limits)
        self.account = Account(Budget(given.budget_usd, given.budget_tokens), Prices(given.price_in, given.price_out))
        self.ledger = self.guarded(lambda: Ledger(opening.ledger))
        self.told: dict[str, str] = {}
        self.calls = {"calls": 0, "reused": 0, "failed": 0}

    def guarded(self, act: Callable[[], Any]) -> Any:
        """Do it; what the client raises comes as a message for people."""
        try:
            return act()
        except BudgetExceeded as error:
            raise DataError(f"`{self.name}`: {error}", "what is answered is kept: raise the budget and run again to go on") from None
        except (CallerError, LedgerError, ValueError) as error:
            raise DataError(f"`{self.name}`: {error}") from None

    def caller(self, call: Call) -> Caller:
        made: Caller = self.guarded(lambda: Caller(call, self.ledger, self.limits, self.account, api_key=self.key))
        return made

    def request(self, request: Request) -> Request:
        """A plain prompt as a user's message, which every server takes; unless the recipe asks for completions."""
        if request.prompt is None or self.params.mode == "completion":
            return request
        return replace(request, prompt=None, messages=(Message("user", request.prompt),))

    def answers(
        self, requests: Iterable[Request], *, schema: Json | None = None, progress: Callable[[int], None] = lambda done: None
    ) -> Iterator[tuple[str, Answer | Failure]]:
        call = self.call if schema is None else replace(self.call, schema=schema)
        yield from self.asked(self.caller(call), (self.request(r) for r in requests), progress)

    def scores(
        self, requests: Iterable[Request], choices: Sequence[str], *, progress: Callable[[int], None] = lambda done: None
    ) -> Iterator[tuple[str, list[float] | Failure | None]]:
        # The generated text is not wanted, and what decides it does not decide the scores.
        kept = {k: v for k, v in self.call.params.items() if k not in ("max_tokens", "stop", "seed", "temperature", "top_p")}
        call = replace(self.call, choices=tuple(choices), params=kept)
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
                if done % 16 == 0 or done < 16:
                    progress(done)
                yield id, outcome
        except CannotScore as error:
            if scoring:
                raise
            raise DataError(f"`{self.name}`: {error}") from None
        except BudgetExceeded as error:
            raise DataError(f"`{self.name}`: {error}", "what is answered is kept: raise the budget and run again to go on") from None
        except (CallerError, LedgerError) as error:
            raise DataError(f"`{self.name}`: {error}", "what is answered is kept; run again to go on") from None
        finally:
            for code, notice in caller.notices.items():
                self.told[code] = notice.message

    def spent(self) -> Mapping[str, Json]:
        return {**self.calls, "tokens_in": self.account.tokens_in, "tokens_out": self.account.tokens_out, "usd": self.account.usd}

    def notices(self) -> Sequence[str]:
        return list(self.told.values())

    def close(self) -> None:
        self.ledger.close()
