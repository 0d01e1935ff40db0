"""How fast to ask: requests at a time, requests and tokens per minute, and how long to wait after a failure."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds a recipe sets on asking one server.

    ``concurrency``: the most requests at a time, 128 by default; as many as pay are used (:class:`Adaptive`). ``start``: how
    many to begin with. ``requests_per_minute``, ``tokens_per_minute``: None for no bound. ``timeout``: seconds until an
    attempt counts as failed. ``retries``: how often a failed request is sent again. ``patience``: how many seconds in all
    a request may wait because the server says that there are too many (429, or 503 with Retry-After), which is not counted
    among the retries. ``backoff`` and ``backoff_most``: seconds of the first and of the longest pause between attempts.
    ``grace``: how many seconds after Ctrl-C to wait for answers that are on their way, since they are paid for.
    """

    concurrency: int = 128
    start: int = 8
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout: float = 600.0
    retries: int = 5
    patience: float = 600.0
    backoff: float = 0.5
    backoff_most: float = 30.0
    grace: float = 30.0

    def __post_init__(self) -> None:
        if self.concurrency < 1 or self.start < 1:
            raise ValueError("concurrency is 1 or more")
        if self.retries < 0:
            raise ValueError("retries are 0 or more")
        for name in ("requests_per_minute", "tokens_per_minute", "timeout"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is more than 0")

    def pause(self, attempt: int) -> float:
        """Seconds to wait after the failed attempt number ``attempt`` (from 1): full jitter, that is, anything between none
        and a bound that doubles with each attempt, so that requests that failed together do not come again together
        (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015)."""
        return random.uniform(0, min(self.backoff_most, self.backoff * 2 ** (attempt - 1)))


class Bucket:
    """A token bucket that lets through at most ``per_minute`` units in any sixty seconds.

    It holds a second's worth (at least one unit) and refills at the rate that keeps bucket and refill together within the
    bound. Debt is possible: what turned out to be more than was taken is paid back by waiting.
    """

    def __init__(self, per_minute: float, now: float) -> None:
        self.most = min(per_minute, max(1.0, per_minute / 60))
        # A bound of one a minute leaves nothing to refill within the minute: then the bucket fills once a minute.
        self.rate = max(per_minute - self.most, per_minute / 2) / 60 if per_minute > 1 else per_minute / 60
        self.level = self.most
        self.at = now

    def wait(self, units: float, now: float) -> float:
        """Seconds until ``units`` may be taken; 0 when now. More than the bucket holds goes through when it is full."""
        self._fill(now)
        missing = min(units, self.most) - self.level
        return 0.0 if missing <= 1e-9 else missing / self.rate

    def take(self, units: float, now: float) -> None:
        self._fill(now)
        self.level -= units

    def give_back(self, units: float) -> None:
        """Correct what was taken: positive when it was too much."""
        self.level = min(self.most, self.level + units)

    def _fill(self, now: float) -> None:
        self.level = min(self.most, self.level + (now - self.at) * self.rate)
        self.at = now


class Adaptive:
    """How many requests to keep under way, found by watching the server.

    At first every answer makes room for one request more, so their number doubles in each round trip, until two rounds have
    not given a tenth more answers a second than the best before (slow start: Jacobson, "Congestion Avoidance and Control",
    1988). Then rounds of four times that number are timed, and every ``HOLD`` rounds another number is tried, since servers
    change: by turns a fifth fewer, kept where nothing is lost (they only waited in the server's queue), and a quarter more,
    kept where it pays. A refusal for being too many (429, 503) takes away three tenths at once, at most once a round.
    Throughput is the measure because a server that queues never refuses and only gets slower.
    """

    HOLD = 6
    DOUBLING_PAYS = 1.10
    GROWING_PAYS = 1.10
    LOWERING_KEEPS = 0.97

    def __init__(self, limits: Limits, now: float) -> None:
        """``now``: seconds, when the first request is sent."""
        self.most = limits.concurrency
        self.limit = min(limits.start, limits.concurrency)
        self._doubling = self.limit < self.most
        self._in_vain = 0
        """Rounds of doubling, one after the other, that did not pay: one may be chance."""
        self._lower = False
        self._paid: tuple[int, float] | None = None
        """The number that paid last, and its answers a second."""
        self._hold = 0
        self._skip = 0
        """Answers still to come from requests sent before the number changed."""
        self._count = 0
        self._began = now
        self._round = self.limit
        self._starved = False
        self._braked = 0

    def starved(self) -> None:
        """Fewer requests are under way than could be: this round says nothing about the server."""
        self._starved = True

    def answered(self, now: float) -> None:
        """An answer came at ``now``."""
        if self._braked > 0:
            self._braked -= 1
        if self._skip > 0:
            self._skip -= 1
            if self._skip == 0:
                self._begin(now)
            return
        self._count += 1
        if self._doubling and not self._starved:
            self.limit = min(self.limit + 1, self.most)
        if self._count >= self._round:
            rate = self._count / max(now - self._began, 1e-6)
            starved = self._starved
            started = self._round
            self._begin(now)
            if starved:
                return
            if self._doubling:
                self._judge_doubling(started, rate)
            else:
                self._judge(rate)

    def refused(self) -> None:
        """The server said that there are too many."""
        if self._braked > 0:
            self._braked -= 1
            return
        self._braked = self.limit
        self._doubling = False
        self._paid = None
        self._hold = self.HOLD
        self._set(max(1, int(self.limit * 0.7)))

    def _begin(self, now: float) -> None:
        # Answers come in waves; once the number is about right, a longer round tells more.
        self._round = self.limit if self._doubling else max(4 * self.limit, 160)
        self._began, self._count, self._starved = now, 0, False

    def _judge_doubling(self, started: int, rate: float) -> None:
        """A round that began with ``started`` requests under way has ended."""
        if self._paid is None or rate >= self._paid[1] * self.DOUBLING_PAYS:
            self._paid = (started, rate)
            self._in_vain = 0
        else:
            self._in_vain += 1
        if self._in_vain == 2 or self.limit == self.most:
            # What the last rounds added did not pay. A little more than what did keeps the server's queue from running dry.
            self._doubling = False
            self._hold = 1
            if self._in_vain == 2:
                self._set(2 * self._paid[0] + self._paid[0] // 2)

    def _judge(self, rate: float) -> None:
        if self._hold > 0:
            self._hold -= 1
            if self._hold == 0:
                self._paid = (self.limit, rate)
                self._lower = not self._lower
                self._try()
            return
        if self._paid is None or self.limit == self._paid[0]:
            self._paid = (self.limit, rate)
            self._try()
            return
        limit, before = self._paid
        if self.limit < limit and rate >= before * self.LOWERING_KEEPS:
            self._paid = (self.limit, max(rate, before))
            self._try()
        elif self.limit > limit and rate >= before * self.GROWING_PAYS:
            self._paid = (self.limit, rate)
            self._try()
        else:
            self._hold = self.HOLD
            self._set(limit)

    def _try(self) -> None:
        """Another number of requests: what it gives is judged after the next round."""
        wanted = self.limit - self.limit // 5 if self._lower else self.limit + max(1, self.limit // 4)
        if min(wanted, self.most) == self.limit:
            self._hold = self.HOLD
        self._set(wanted)

    def _set(self, limit: int) -> None:
        limit = min(limit, self.most)
        if limit != self.limit:
            self._skip = max(self.limit, limit)
            self.limit = limit


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks to wait, from its two forms (RFC 9110, 10.2.3): seconds, or a date.

    ``now`` is the time in seconds since 1970. None where there is no header, or none that can be read.
    """
    if value is None:
        return None
    value = value.strip()
    try:
        seconds = float(value)
    except ValueError:
        from email.utils import parsedate_to_datetime

        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, TypeError):
            return None
    if seconds != seconds or seconds == float("inf"):
        return None
    return max(0.0, seconds)
