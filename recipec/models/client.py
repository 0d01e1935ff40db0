"""Asking a server that speaks the OpenAI protocol, as fast as it answers, paying for each answer once.

    with Ledger(folder) as ledger, Caller(call, ledger, api_key=key) as caller:
        for id, outcome in caller.answers(requests):
            match outcome:
                case Answer(): ...
                case Failure(): ...

**Guarantee.** An answer that reached the ledger is never asked again, by this process or another, whatever kills this one. Answers
that were on their way when a process was killed cannot be known, and are asked again: at most as many as were under way.

Errors that end the run (after what was under way has come and been written): :class:`ServerRefused`,
:class:`ServerUnreachable`, :class:`CannotScore`, :class:`BudgetExceeded`, :class:`LedgerError`.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from queue import Empty
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from recipec.models.asking import Asker, CallerError, CannotScore, Job, Notice, Notices, ServerRefused, ServerUnreachable
from recipec.models.budget import Account, Budget, BudgetExceeded, Prices, worst_case
from recipec.models.ledger import Ledger, LedgerError
from recipec.models.limits import Limits
from recipec.models.requests import Answer, Call, Failure, Keys, Request, near, private

if TYPE_CHECKING:
    from collections.abc import Callable

    from recipec.models.engine import Asks, Counts, Engine, Report
    from recipec.models.transport import Transport

PART = 8
"""Characters of a secret that are enough to be taken for it."""
SILENT = 30.0
"""Seconds without an answer after which it is said what is waited for,"""
TOLD_EVERY = 2.0
"""and again after so many."""
BATCH = 64
"""Requests handed to the loop at once: fewer hand-overs between threads."""


class Caller:
    """Answers the requests of one :class:`Call`.

    ``account`` holds budget and prices, and may be shared by callers of the same model; ``api_key`` is sent as a bearer token and, like
    the values of ``headers``, never written or shown. ``again`` says whether requests that failed in an earlier run are asked again
    (they are, unless turned off). ``transport`` stands in for HTTP. Raises ``ValueError`` where a budget in dollars is set for a server
    that is not on this machine or network and whose price is unknown: it could not be kept.
    """

    def __init__(
        self,
        call: Call,
        ledger: Ledger,
        limits: Limits | None = None,
        account: Account | None = None,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        again: bool = True,
        transport: Callable[[], Transport] | None = None,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.call = call
        self.ledger = ledger
        self.limits = limits or Limits()
        self.account = account or Account()
        self.notices = Notices()
        self._again = again
        self._headers = ({"authorization": f"Bearer {api_key}"} if api_key else {}) | dict(headers or {})
        self._secrets = _secrets(call.url, api_key, headers or {})
        self._make_transport = transport
        self._tell = tell
        self._keys = Keys(call)
        self._engine: Engine | None = None
        self._check_budget()

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Send nothing more; wait for answers that are on their way, up to ``limits.grace`` seconds, and write them."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.stop(self.limits.grace)

    def key(self, request: Request) -> bytes:
        return self._keys(request)

    def has(self, request: Request) -> bool:
        """Whether the ledger has the answer, so that asking costs nothing."""
        return self.ledger.has(self._keys(request))

    def worst(self, request: Request) -> tuple[int, int]:
        """The most tokens, in and out, that a request can cost."""
        return worst_case(request.size, request.turns, self.call.max_tokens, self.call.choices)

    @property
    def counts(self) -> Counts | None:
        """What was sent and what came of it, while requests are being answered."""
        return None if self._engine is None else self._engine.counts

    @property
    def concurrency(self) -> int:
        """Requests kept under way at the moment."""
        return 0 if self._engine is None else self._engine.adaptive.limit

    def answers(self, requests: Iterable[Request]) -> Iterator[tuple[str, Answer | Failure]]:
        """Every request's id with its answer or failure, in the order in which they are known.

        Requests are taken from the iterable in the calling thread, as they are needed: at most four times ``limits.concurrency`` are held.
        Two requests that ask the same are asked once. Leaving the loop early, or an exception in it, waits for what is
        on its way (:meth:`close`).
        """
        self.ledger.refresh()
        window = 4 * self.limits.concurrency + BATCH
        waiting: dict[bytes, list[str]] = {}
        pending = 0
        jobs: list[Job] = []
        source = iter(requests)
        more = True
        try:
            while more or pending:
                while more and pending < window:
                    request = next(source, None)
                    if request is None:
                        more = False
                        break
                    key = self._keys(request)
                    known = self._known(key)
                    if known is not None:
                        yield request.id, known
                    else:
                        pending += 1
                        ids = waiting.setdefault(key, [])
                        ids.append(request.id)
                        if len(ids) == 1:
                            jobs.append(Job(key, request, self.worst(request)))
                    if len(jobs) >= BATCH:
                        self._add(jobs)
                        jobs = []
                    if self._engine is not None and not self._engine.results.empty():
                        break
                if jobs:
                    self._add(jobs)
                    jobs = []
                if not pending:
                    continue
                report = self._next()
                if isinstance(report, BaseException):
                    raise report
                for key, outcome in report:
                    for place, id in enumerate(waiting.pop(key)):
                        pending -= 1
                        yield id, replace(outcome, cached=True) if place and isinstance(outcome, Answer) else outcome
        finally:
            self.close()

    def _next(self) -> Report:
        """What comes next from the engine. Where nothing does for :data:`SILENT` seconds, ``tell`` is told why, again and again."""
        assert self._engine is not None
        began = time.monotonic()
        while True:
            try:
                return self._engine.results.get(timeout=TOLD_EVERY)
            except Empty:
                silent = time.monotonic() - began
                if silent >= SILENT:
                    self._tell(self._engine.silence(silent))

    def _known(self, key: bytes) -> Answer | Failure | None:
        answer = self.ledger.get(key)
        if answer is None and not self._again:
            return self.ledger.failure(key)
        return answer

    def _add(self, jobs: list[Job]) -> None:
        if self._engine is None:
            from recipec.models.engine import Engine

            # What cannot be kept must not be paid for.
            self.ledger.ready()
            self._engine = Engine(self.call, self.ledger, self.limits, self.account, self._asker, self.notices, self.hide)
        self._engine.add(jobs)

    def _asker(self) -> tuple[Asks, Transport]:
        from recipec.models.scoring import Scorer
        from recipec.models.transport import HttpTransport

        transport = HttpTransport(self.call.url, self._headers) if self._make_transport is None else self._make_transport()
        if self.call.choices is not None:
            return Scorer(self.call, transport, self.notices, self.ledger), transport
        return Asker(self.call, transport, self.notices), transport

    def _check_budget(self) -> None:
        budget = self.account.budget
        if budget.usd is not None and not self.account.prices.known:
            host = urlsplit(self.call.url).hostname or ""
            if not near(host):
                raise ValueError(
                    f"a budget of ${budget.usd:g} cannot be kept: the price of `{self.call.model}` at {host} is unknown. "
                    "Give its price per million tokens, in and out"
                )
            self.notices.add(
                "budget-open",
                f"the budget of ${budget.usd:g} is not watched: the price of `{self.call.model}` at {host} is unknown (it may be 0: say so)",
            )
        if self.account.bounded and self.call.max_tokens is None and self.call.choices is None:
            self.notices.add(
                "answer-unbounded", "no max_tokens: the budget allows for the longest answer there could be, and so stops early"
            )

    def hide(self, message: str) -> str:
        """A message without secrets: some servers repeat the key they refuse."""
        for secret in self._secrets:
            message = message.replace(secret, "***")
            # A message that was cut may end in the middle of one.
            at = message.find(secret[:PART]) if len(secret) > PART else -1
            while at >= 0:
                end = at + PART
                while end < len(message) and end - at < len(secret) and message[end] == secret[end - at]:
                    end += 1
                message = f"{message[:at]}***{message[end:]}"
                at = message.find(secret[:PART], at + 3)
        return message


def _secrets(url: str, api_key: str | None, headers: Mapping[str, str]) -> list[str]:
    parts = urlsplit(url)
    found = {api_key or "", unquote(parts.password or ""), parts.password or "", parts.query, *headers.values(), *private(url)}
    if parts.username is not None:
        # As it is sent.
        found.add(b64encode(f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()).decode())
    return sorted((s for s in found if len(s) >= 4), key=len, reverse=True)


__all__ = [
    "Account",
    "Answer",
    "Budget",
    "BudgetExceeded",
    "Call",
    "Caller",
    "CallerError",
    "CannotScore",
    "Failure",
    "Ledger",
    "LedgerError",
    "Limits",
    "Notice",
    "Prices",
    "Request",
    "ServerRefused",
    "ServerUnreachable",
]
