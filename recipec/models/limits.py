"""How fast to ask: requests at a time, requests and tokens per minute, and how long to wait after a failure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from email.utils import parsedate_to_datetime


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

    Rounds of as many answers as are under way are timed. While a round with more requests gives more answers a second, their
    number doubles, later grows by a quarter; where it does not, it goes back to the last number that paid and stays for
    ``HOLD`` rounds before it tries again, since servers change: by turns a fifth fewer, kept where nothing is lost (they only
    waited in the server's queue), and a quarter more. A refusal for being too many (429, 503) takes away three
    tenths at once, at most once a round: additive increase and multiplicative decrease (Chiu and Jain, 1989) with
    the throughput as a second brake, because a server that queues never refuses and only gets slower.
    """

    HOLD = 8
    DOUBLING_PAYS = 1.10
    GROWING_PAYS = 1.04
    LOWERING_KEEPS = 0.98

    def __init__(self, limits: Limits) -> None:
        self.most = limits.concurrency
        self.limit = min(limits.start, limits.concurrency)
        self._doubling = True
        self._lower = False
        self._paid: tuple[int, float] | None = None
        """The last number that paid, and its answers a second."""
        self._hold = 0
        self._skip = self.limit
        """Answers still to come from requests sent before the number changed."""
        self._count = 0
        self._began: float | None = None
        self._starved = False
        self._braked = 0

    def starved(self) -> None:
        """Fewer requests are under way than could be: this round says nothing about the server."""
        self._starved = True

    def answered(self, now: float) -> None:
        """An answer came at ``now`` (seconds)."""
        if self._braked > 0:
            self._braked -= 1
        if self._skip > 0:
            self._skip -= 1
            if self._skip == 0:
                self._began, self._count, self._starved = now, 0, False
            return
        if self._began is None:
            self._began = now
        self._count += 1
        # Answers come in waves; once the number is about right, a longer round tells more.
        if self._count >= (max(self.limit, 16) if self._doubling else max(4 * self.limit, 64)):
            rate = self._count / max(now - self._began, 1e-6)
            if not self._starved:
                self._judge(rate)
            self._began, self._count, self._starved = now, 0, False

    def refused(self) -> None:
        """The server said that there are too many."""
        if self._braked > 0:
            self._braked -= 1
            return
        self._braked = self.limit
        self._doubling = False
        self._paid = None
        self._set(max(1, int(self.limit * 0.7)))
        self._hold = self.HOLD

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
        needed = self.LOWERING_KEEPS if self.limit < limit else self.DOUBLING_PAYS if self._doubling else self.GROWING_PAYS
        if rate >= before * needed:
            self._paid = (self.limit, max(rate, before) if self.limit < limit else rate)
            self._try()
            return
        # No gain. After doubling, a little more than what paid: the step was long.
        back = limit + limit // 4 if self._doubling else limit
        self._doubling = False
        self._hold = self.HOLD
        self._set(min(self.limit, back) if self.limit > limit else back)

    def _try(self) -> None:
        """Another number of requests: what it gives is judged after the next round."""
        if self._lower:
            wanted = self.limit - self.limit // 5
        else:
            wanted = self.limit * 2 if self._doubling else self.limit + max(1, self.limit // 4)
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
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, TypeError):
            return None
    if seconds != seconds or seconds == float("inf"):
        return None
    return max(0.0, seconds)
