"""How fast to ask, in simulated time: how many requests at once, and how many a minute."""

from __future__ import annotations

import heapq
import random

import pytest

from recipec.models.limits import Adaptive, Bucket, Limits


def simulate(
    limits: Limits,
    *,
    slots: int,
    latency: float = 0.05,
    spread: float = 0.0,
    overhead: float = 0.0,
    refuse_above: int = 0,
    count: int = 6000,
) -> tuple[Adaptive, float, int, int]:
    """A server of ``slots`` workers that take ``latency`` seconds, more with each request under way by ``overhead``.

    Gives the share of its best throughput over the last half, the most requests under way then, and refusals.
    """
    rng = random.Random(5)
    adaptive = Adaptive(limits, 0.0)
    now, answered, refused, most = 0.0, 0, 0, 0
    flying: list[tuple[float, int, bool]] = []
    workers = [0.0] * slots
    heapq.heapify(workers)
    half = (0.0, 0)
    number = 0
    while answered < count:
        while len(flying) < adaptive.limit:
            number += 1
            if refuse_above and len(flying) >= refuse_above:
                heapq.heappush(flying, (now + 0.001, number, False))
                continue
            start = max(now, heapq.heappop(workers))
            done = start + latency * (1 + rng.uniform(-spread, spread)) + overhead * len(flying)
            heapq.heappush(workers, done)
            heapq.heappush(flying, (done, number, True))
        now, _, good = heapq.heappop(flying)
        if good:
            answered += 1
            adaptive.answered(now)
        else:
            refused += 1
            adaptive.refused()
        if answered == count // 2 and half[1] == 0:
            half, most = (now, answered), 0
        most = max(most, adaptive.limit)
    best = min(slots, refuse_above or slots) / latency
    return adaptive, (answered - half[1]) / (now - half[0]) / best, most, refused


@pytest.mark.parametrize("slots", [1, 2, 8, 13, 32, 100])
@pytest.mark.parametrize("spread", [0.1, 0.3, 0.8])
def test_finds_what_the_server_has(slots: int, spread: float) -> None:
    _, share, most, _ = simulate(Limits(concurrency=512), slots=slots, spread=spread)
    assert share >= 0.95
    assert most <= max(8 * slots, 40)


def test_stays_below_the_ceiling() -> None:
    _, _, most, _ = simulate(Limits(concurrency=10), slots=100)
    assert most == 10


@pytest.mark.parametrize("room", [4, 20, 60])
def test_refusals_are_few(room: int) -> None:
    _, share, most, refused = simulate(Limits(concurrency=512), slots=200, refuse_above=room)
    assert share >= 0.7
    assert most <= 2 * room
    assert refused <= 6000 * 0.1


def test_a_starved_round_teaches_nothing() -> None:
    adaptive = Adaptive(Limits(start=8), 0.0)
    for n in range(500):
        adaptive.starved()
        adaptive.answered(n * 0.01)
    assert adaptive.limit == 8


@pytest.mark.parametrize("per_minute", [1, 2, 30, 90, 600, 6000])
def test_no_minute_has_more_than_its_bound(per_minute: float) -> None:
    bucket = Bucket(per_minute, 0.0)
    now, times = 0.0, []
    while now < 200:
        wait = bucket.wait(1, now)
        if wait > 0:
            now += wait + 1e-9
            continue
        bucket.take(1, now)
        times.append(now)
    first = 0
    for last, time in enumerate(times):
        while times[first] <= time - 60:
            first += 1
        assert last - first + 1 <= per_minute
    assert len(times) >= bucket.rate * 200 * 0.95


def test_debt_is_paid_back() -> None:
    bucket = Bucket(6000, 0.0)
    bucket.take(50, 0.0)
    bucket.give_back(-150)  # It took 150 more than thought.
    assert bucket.wait(50, 0.0) == pytest.approx(150 / bucket.rate)
    assert bucket.wait(1e6, 0.0) > 0
    assert bucket.wait(1e6, 10.0) == 0, "more than it holds goes when it is full"


def test_jitter_is_full_and_bounded() -> None:
    limits = Limits(backoff=0.5, backoff_most=4)
    assert all(0 <= limits.pause(1) <= 0.5 for _ in range(100))
    assert all(0 <= limits.pause(50) <= 4 for _ in range(100))
    assert min(limits.pause(4) for _ in range(200)) < 1 < 3 < max(limits.pause(4) for _ in range(200))


@pytest.mark.parametrize("fields", [{"concurrency": 0}, {"retries": -1}, {"timeout": 0}, {"requests_per_minute": -1}])
def test_wrong_limits(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="more"):
        Limits(**fields)  # type: ignore[arg-type]
