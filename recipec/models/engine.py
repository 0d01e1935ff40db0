"""The event loop that asks: a thread of its own, so that callers stay synchronous and the server never waits for them.

    caller's thread                       this thread
    requests, keys, ledger look-ups ──▶ queue ─▶ attempts ─▶ commit (group: write, sync) ──▶ caller
                                            ▲         │
                                            └─ pause ─┘

An attempt is sent when the number under way, the buckets, the server's own pauses and the budget all allow it.
Answers wait for the sync of the batch they are in, and only then reach the caller.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from queue import SimpleQueue
from threading import Thread
from typing import Protocol

from recipec.models.asking import AGAIN, STOPPING, CallerError, Job, Notices, Refused, ServerRefused, ServerUnreachable, explain
from recipec.models.budget import Account, BudgetExceeded
from recipec.models.ledger import Ledger, LedgerError
from recipec.models.limits import Adaptive, Bucket, Limits, retry_after
from recipec.models.requests import Answer, Call, Failure, FailureKind
from recipec.models.transport import Transport, TransportError
from recipec.models.wire import BadReply, error_code, error_text, path_of

Outcome = tuple[bytes, Answer | Failure]
Report = list[Outcome] | BaseException


class Asks(Protocol):
    """What makes one attempt (:class:`recipec.models.asking.Asker`, or the scorer)."""

    @property
    def alone(self) -> bool:
        """Whether one request must be answered before others are sent, since its answer decides how they are asked."""
        ...

    async def ask(self, job: Job) -> Answer: ...


@dataclass
class Counts:
    """What was sent and what came of it."""

    sent: int = 0
    answered: int = 0
    failed: int = 0
    retried: int = 0
    limited: int = 0
    """Refusals for being too many."""
    trouble: str = ""
    """What the last attempt that gave no answer came to."""


class Engine:
    """Runs jobs until it is told to stop. Made and used by :class:`recipec.models.client.Caller`; see there."""

    def __init__(
        self,
        call: Call,
        ledger: Ledger,
        limits: Limits,
        account: Account,
        make_asker: Callable[[], tuple[Asks, Transport]],
        notices: Notices,
        hide: Callable[[str], str],
    ) -> None:
        self.results: SimpleQueue[Report] = SimpleQueue()
        self.counts = Counts()
        self.adaptive = Adaptive(limits, time.monotonic())
        self._call, self._ledger, self._limits, self._account, self._notices = call, ledger, limits, account, notices
        self._make_asker = make_asker
        self._hide = hide
        self._queue: deque[Job] = deque()
        self._later: list[tuple[float, int, Job]] = []
        self._sequence = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._flying = 0
        self._pause_until = 0.0
        self._commits: list[tuple[bytes, Answer | Failure]] = []
        self._commit_task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopping = False
        self._broken: BaseException | None = None
        self._lost = 0
        """Answers that came and could be kept nowhere."""
        self._bytes_per_token = 3.0
        self._mean_out: float | None = None
        self._answered_ever = False
        self._loop = asyncio.new_event_loop()
        self._done = asyncio.Event()
        self._begun = False
        """Whether there is something to ask with: jobs may come before."""
        self._thread = Thread(target=self._run, name="recipec-models", daemon=True)
        self._thread.start()

    # From the caller's thread.

    def add(self, jobs: Sequence[Job]) -> None:
        with suppress(RuntimeError):  # The loop has ended on an error, which is among the results.
            self._loop.call_soon_threadsafe(self._add, list(jobs))

    def silence(self, seconds: float) -> str:
        """What to say when no answer has come for so long."""
        counts, words = self.counts, f"no answer for {seconds:.0f} s"
        if not counts.trouble:
            return f"{words}: {self._flying:,} under way"
        tries = counts.limited + counts.retried
        again = (
            f"each request is tried for {self._limits.patience:.0f} s"
            if counts.limited
            else f"each is tried {self._limits.retries + 1} times"
        )
        return self._hide(f"{words}: {counts.trouble}, {tries:,} {'time' if tries == 1 else 'times'}; {again}")

    def stop(self, grace: float) -> None:
        """Send nothing more, wait up to ``grace`` seconds for what is under way, write it, and end."""
        if self._thread.is_alive():
            with suppress(RuntimeError):  # The loop ended in between.
                self._loop.call_soon_threadsafe(self._begin_stop, grace)
            self._thread.join()

    # In the loop's thread.

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        except BaseException as error:  # Whatever ends this thread, the caller must hear of it.
            self.results.put(error)
        finally:
            self._loop.close()

    async def _main(self) -> None:
        self._pool = ThreadPoolExecutor(1, "recipec-ledger")
        self._asker, transport = self._make_asker()
        now = self._loop.time()
        limits = self._limits
        self._requests = None if limits.requests_per_minute is None else Bucket(limits.requests_per_minute, now)
        self._tokens = None if limits.tokens_per_minute is None else Bucket(limits.tokens_per_minute, now)
        self._begun = True
        self._pump()
        try:
            await self._done.wait()
            for task in list(self._tasks):
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)
            while self._commit_task is not None:
                await asyncio.wait([self._commit_task])
        finally:
            transport.close()
            self._pool.shutdown()
            await asyncio.sleep(0)  # Connections close in the loop's next turn.

    def _begin_stop(self, grace: float) -> None:
        self._stopping = True
        if self._flying == 0:
            self._done.set()
        else:
            self._loop.call_later(grace, self._done.set)

    def _add(self, jobs: list[Job]) -> None:
        self._queue.extend(jobs)
        self._pump()

    def _pump(self) -> None:
        """Send what may be sent now; else see to it that this is called when it may."""
        if not self._begun:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._broken is not None:
            self._tell_broken()
            return
        if self._stopping:
            if self._flying == 0:
                self._done.set()
            return
        now = self._loop.time()
        while self._later and self._later[0][0] <= now:
            self._queue.appendleft(heapq.heappop(self._later)[2])
        wake = self._later[0][0] if self._later else None
        while self._queue and self._flying < self._limit():
            wait = self._wait(self._queue[0], now)
            if wait > 0:
                self.adaptive.starved()
                wake = now + wait if wake is None else min(wake, now + wait)
                break
            job = self._queue[0]
            if not self._account.reserve(*job.worst):
                if self._flying == 0:
                    self._break(BudgetExceeded(self._account, *job.worst))
                    return
                self.adaptive.starved()
                break  # What is under way will cost less than its worst; then there is room again.
            self._queue.popleft()
            self._send(job, now)
        else:
            if self._flying < self.adaptive.limit:
                self.adaptive.starved()
        if wake is not None and (self._flying < self._limit() or not self._queue):
            self._timer = self._loop.call_at(wake, self._pump)

    def _limit(self) -> int:
        return 1 if self._asker.alone else self.adaptive.limit

    def _wait(self, job: Job, now: float) -> float:
        wait = self._pause_until - now
        if self._requests is not None:
            wait = max(wait, self._requests.wait(1, now))
        if self._tokens is not None:
            wait = max(wait, self._tokens.wait(self._estimate(job), now))
        return wait

    def _estimate(self, job: Job) -> float:
        """Tokens a request will probably take, from the answers so far."""
        worst_in, worst_out = job.worst
        out = worst_out if self._mean_out is None else min(worst_out, self._mean_out)
        return worst_in / self._bytes_per_token + out

    def _send(self, job: Job, now: float) -> None:
        if job.first is None:
            job.first = now
        if self._requests is not None:
            self._requests.take(1, now)
        if self._tokens is not None:
            job.estimate = self._estimate(job)
            self._tokens.take(job.estimate, now)
        self._flying += 1
        self.counts.sent += 1
        task = self._loop.create_task(self._attempt(job))
        self._tasks.add(task)
        task.add_done_callback(self._attempted)

    def _attempted(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._flying -= 1
        if not task.cancelled() and (error := task.exception()) is not None:
            self._break(error)
        self._pump()

    async def _attempt(self, job: Job) -> None:
        charged = False
        try:
            try:
                async with asyncio.timeout(self._limits.timeout):
                    answer = await self._asker.ask(job)
            except TimeoutError:
                charged = True
                self._again(job, "timeout", f"no answer within {self._limits.timeout:g} s")
            except asyncio.CancelledError:
                charged = True
                raise
            except TransportError as error:
                charged = error.sent
                if not error.sent and not self._answered_ever and job.attempts >= self._limits.retries:
                    raise ServerUnreachable(f"{self._hide(str(error))}. Is the server running, and is this its URL?") from None
                self._again(job, "connection", str(error))
            except BadReply as error:
                charged = True
                if error.final:
                    self._failed(job, Failure("answer", str(error), job.attempts + 1))
                else:
                    self._again(job, "answer", str(error))
            except Refused as error:
                self._refused(job, error)
            else:
                self._answered(job, answer)
        finally:
            self._account.release(*job.worst)
            if charged:
                self._account.book_unsure(*job.worst)

    def _answered(self, job: Job, answer: Answer) -> None:
        now = self._loop.time()
        self._answered_ever = True
        self.counts.answered += 1
        self.adaptive.answered(now)
        worst_in, worst_out = job.worst
        tokens_in = worst_in if answer.tokens_in is None else answer.tokens_in
        tokens_out = worst_out if answer.tokens_out is None else answer.tokens_out
        self._account.book(tokens_in, tokens_out)
        if answer.tokens_in:
            self._bytes_per_token += 0.05 * (worst_in / answer.tokens_in - self._bytes_per_token)
        if answer.tokens_out is not None:
            self._mean_out = tokens_out if self._mean_out is None else self._mean_out + 0.05 * (tokens_out - self._mean_out)
        if self._tokens is not None:
            self._tokens.give_back(job.estimate - tokens_in - tokens_out)
        self._commit(job.key, answer)

    def _refused(self, job: Job, error: Refused) -> None:
        reply, status = error.reply, error.status
        code = error_code(reply)
        if self._tokens is not None:
            self._tokens.give_back(job.estimate)
        if status in STOPPING or code == "insufficient_quota":
            raise ServerRefused(self._hide(explain(status, reply, self._call, path=path_of(job.request))))
        if 300 <= status < 400:
            where = reply.headers.get("location", "elsewhere")
            raise ServerRefused(self._hide(f"{self._call.shown} sends requests on to {where} ({status}): give that URL"))
        if status not in AGAIN and status < 500:
            self._failed(job, Failure("refused", f"the server refuses this request ({error})", job.attempts + 1))
            return
        asked = retry_after(reply.headers.get("retry-after"), time.time())
        if status == 429 or (status == 503 and asked is not None):
            self._limited(job, asked, error)
        else:
            if status == 503:
                self.adaptive.refused()
            self._again(job, "server", f"the server fails ({error})", asked or 0.0)

    def _limited(self, job: Job, asked: float | None, error: Refused) -> None:
        """Too many: send fewer, all wait as long as the server asks, and this request tries again without losing a retry."""
        self.counts.limited += 1
        self.counts.trouble = f"too many requests ({error.status})"
        self.adaptive.refused()
        now = self._loop.time()
        assert job.first is not None
        job.waits += 1
        if asked is not None and asked > self._limits.patience:
            words = f"{self._call.shown} asks to wait {asked:,.0f} s ({error.status}): {error_text(error.reply)}"
            raise ServerRefused(self._hide(f"{words}. Run again then; what is answered is kept"))
        wait = (asked or 0.0) + self._limits.pause(min(job.waits, 8))
        if now + wait - job.first > self._limits.patience:
            message = f"still too many requests after {now - job.first:.0f} s ({error})"
            self._failed(job, Failure("rate", message, job.attempts + job.waits))
            return
        if asked is not None:
            self._pause_until = max(self._pause_until, now + asked)
        self._put_later(job, wait)

    def _again(self, job: Job, kind: FailureKind, message: str, at_least: float = 0.0) -> None:
        job.attempts += 1
        if job.attempts > self._limits.retries:
            self._failed(job, Failure(kind, message, job.attempts))
            return
        self.counts.retried += 1
        self.counts.trouble = message
        self._put_later(job, min(at_least, self._limits.patience) + self._limits.pause(job.attempts))

    def _put_later(self, job: Job, wait: float) -> None:
        self._sequence += 1
        heapq.heappush(self._later, (self._loop.time() + wait, self._sequence, job))

    def _failed(self, job: Job, failure: Failure) -> None:
        self.counts.failed += 1
        self._commit(job.key, replace(failure, message=self._hide(failure.message)))

    def _break(self, error: BaseException) -> None:
        """The run cannot go on: what is under way is still waited for, and then the caller is told."""
        if self._broken is None:
            self._broken = error
            self._queue.clear()
            self._later.clear()
        self._tell_broken()

    def _tell_broken(self) -> None:
        if self._broken is not None and self._flying == 0 and self._commit_task is None and not self._commits:
            if self._lost:
                count = f"{self._lost} answer{'s' * (self._lost != 1)}"
                self._broken = LedgerError(f"{self._broken}. {count} that came could not be kept anywhere: the next run asks again")
                self._lost = 0
            self.results.put(self._broken)
            self._stopping = True
            self._done.set()

    def _commit(self, key: bytes, outcome: Answer | Failure) -> None:
        self._commits.append((key, outcome))
        if self._commit_task is None:
            self._commit_task = self._loop.create_task(self._write())

    async def _write(self) -> None:
        """Write what has come, as often as something has; while one batch is synced the next gathers."""
        try:
            while self._commits:
                batch, self._commits = self._commits, []
                try:
                    await self._loop.run_in_executor(self._pool, self._keep, batch)
                    self.results.put(list(batch))
                except LedgerError as error:
                    # An answer that cannot be kept must not be paid for: nothing more is sent. What is under way still comes, and is kept
                    # where it can be.
                    self._broken = self._broken or error
                    self._lost += error.lost
                    self._queue.clear()
                    self._later.clear()
        finally:
            self._commit_task = None
            self._tell_broken()

    def _keep(self, batch: list[Outcome]) -> None:
        answers = [(key, outcome) for key, outcome in batch if isinstance(outcome, Answer)]
        if answers:
            self._ledger.append(answers)
        for key, outcome in batch:
            if isinstance(outcome, Failure):
                self._ledger.append_failure(key, outcome)


__all__ = ["CallerError", "Counts", "Engine", "Outcome"]
