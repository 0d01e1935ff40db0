"""The client against the project's own server: what is asked, retried, kept, paid and said."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recipec.models.client import (
    Account,
    Answer,
    Budget,
    BudgetExceeded,
    Call,
    Caller,
    Failure,
    Ledger,
    Limits,
    Prices,
    Request,
    ServerRefused,
    ServerUnreachable,
)
from recipec.models.limits import retry_after
from recipec.models.requests import Message
from tests.models.server import Server, answer_of, serving

FAST = Limits(backoff=0.001, backoff_most=0.004, timeout=5, grace=5)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger") as made:
        yield made


def chats(count: int, start: int = 0) -> list[Request]:
    return [Request(f"r{n}", (Message("system", "short"), Message("user", f"row {n}"))) for n in range(start, start + count)]


def prompts(count: int) -> list[Request]:
    return [Request(f"r{n}", prompt=f"row {n}") for n in range(count)]


def expected(request: Request, seed: object = None) -> str:
    if request.messages is None:
        return answer_of(str(request.prompt), seed)
    return answer_of(json.dumps([{"role": m.role, "content": m.content} for m in request.messages]), seed)


def call(server: Server, **more: Any) -> Call:
    return Call("openai", server.url, "m", **({"params": {"max_tokens": 20}} | more))


def ask(server: Server, ledger: Ledger, requests: list[Request], limits: Limits = FAST, **more: Any) -> dict[str, Answer | Failure]:
    with Caller(call(server, **more), ledger, limits) as caller:
        return dict(caller.answers(requests))


def text(outcome: Answer | Failure) -> str:
    assert isinstance(outcome, Answer), outcome
    return outcome.text


@pytest.mark.parametrize("make", [chats, prompts])
@pytest.mark.parametrize("told", [{}, {"chunked": True}, {"close": True}])
def test_every_row_is_answered_and_paid_once(make: Callable[[int], list[Request]], told: dict[str, Any], ledger: Ledger) -> None:
    requests = make(50)
    with serving(**told) as server:
        first = ask(server, ledger, requests)
        assert {i: text(o) for i, o in first.items()} == {r.id: expected(r) for r in requests}
        assert server.number == 50
        second = ask(server, ledger, make(60))
        assert server.number == 60
    assert {i: replace(o, cached=False) for i, o in second.items() if isinstance(o, Answer) and o.cached} == first


def test_trouble_is_ridden_out(ledger: Ledger) -> None:
    """Connections cut, broken JSON, empty bodies, 500 and 429: every row is answered, and right."""
    requests = chats(150)
    with serving(cut=0.05, broken=0.05, empty=0.03, fail=0.05, limited=0.05) as server:
        answers = ask(server, ledger, requests, replace(FAST, retries=8))
        assert {i: text(o) for i, o in answers.items()} == {r.id: expected(r) for r in requests}
        assert set(server.delivered.values()) == {1}, "an answer that came whole is never asked again"


def test_the_same_question_is_asked_once(ledger: Ledger) -> None:
    requests = [replace(r, id=f"{r.id}-{copy}") for copy in range(3) for r in chats(5)]
    with serving() as server:
        answers = ask(server, ledger, requests)
        assert server.number == 5
    assert len(answers) == 15
    assert sum(isinstance(o, Answer) and not o.cached for o in answers.values()) == 5


def test_a_cut_off_answer_is_kept(ledger: Ledger) -> None:
    with serving(truncated=1.0) as server:
        answers = ask(server, ledger, chats(5))
        assert {o.finish for o in answers.values() if isinstance(o, Answer)} == {"length"}
        ask(server, ledger, chats(5))
        assert server.number == 5


@pytest.mark.parametrize("status", [408, 409, 425, 500, 502, 503, 504, 429])
def test_what_is_retried(status: int, ledger: Ledger) -> None:
    with serving(statuses=[status, status]) as server:
        assert isinstance(ask(server, ledger, chats(1))["r0"], Answer)
        assert server.number == 3


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_fails_alone(status: int, ledger: Ledger) -> None:
    with serving(statuses=[status]) as server:
        answers = ask(server, ledger, chats(4), replace(FAST, start=1, concurrency=1))
        assert server.number == 4
    assert answers["r0"] == Failure("refused", f"the server refuses this request ({status}: as told)", 1)
    assert all(isinstance(answers[f"r{n}"], Answer) for n in (1, 2, 3))


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_what_stops_the_run(status: int, ledger: Ledger) -> None:
    with serving(statuses=[200, 200, status]) as server:
        with pytest.raises(ServerRefused, match=str(status)):
            ask(server, ledger, chats(500), replace(FAST, start=1, concurrency=1))
        assert server.number == 3
        assert len(ledger) == 2


def test_the_end_comes_whatever_else_fails(ledger: Ledger) -> None:
    """A 401 while others are about to be retried."""
    for share in (0.3, 0.9):
        with serving(latency=0.002, statuses=[200] * 30 + [401], cut=share) as server, pytest.raises(ServerRefused, match="401"):
            ask(server, ledger, chats(500, start=int(share * 10000)), replace(FAST, retries=50))


def test_tokens_per_minute(ledger: Ledger) -> None:
    """What was thought is corrected by the server's count: 8 tokens an answer, 100 a second."""
    with serving() as server:
        began = time.monotonic()
        ask(server, ledger, chats(26), replace(FAST, tokens_per_minute=6000, start=1, concurrency=2))
        assert time.monotonic() - began >= (26 * 8 - 100 - 2 * 30) / 100


def test_no_server(ledger: Ledger) -> None:
    with serving() as server:
        url = server.url
    with pytest.raises(ServerUnreachable, match="connection refused"):
        list(Caller(Call("openai", url, "m"), ledger, replace(FAST, retries=1)).answers(chats(3)))


def test_retries_end(ledger: Ledger) -> None:
    with serving(fail=1.0) as server:
        answers = ask(server, ledger, chats(2), replace(FAST, retries=2))
        assert server.number == 6
        assert answers["r0"] == Failure("server", "the server fails (500: oops)", 3)
        assert len(ledger.failures()) == 2
        server.behaviour.fail = 0
        assert not server.calls.keys() & set(answers)
        with Caller(call(server), ledger, FAST, again=False) as caller:
            assert dict(caller.answers(chats(2))) == answers
        assert server.number == 6
        assert isinstance(ask(server, ledger, chats(2))["r1"], Answer), "asked again on demand"
        assert not ledger.failures()


def test_a_timeout_is_a_failure(ledger: Ledger) -> None:
    with serving(latency=0.5) as server:
        answers = ask(server, ledger, chats(1), replace(FAST, retries=1, timeout=0.02))
    assert answers["r0"] == Failure("timeout", "no answer within 0.02 s", 2)


def test_retry_after_is_honoured(ledger: Ledger) -> None:
    # The test server can only say whole seconds or a date, so a fraction of a second stands for both forms here.
    with serving(statuses=[429], retry_after="0.04") as server:
        began = time.monotonic()
        ask(server, ledger, chats(1))
        assert time.monotonic() - began >= 0.04
    with serving(statuses=[429], retry_after="3600") as server, pytest.raises(ServerRefused, match="asks to wait 3,600 s"):
        ask(server, ledger, chats(1, 10))


def test_retry_after_forms() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert retry_after("7", now.timestamp()) == 7
    assert retry_after((now + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT"), now.timestamp()) == 90
    assert retry_after((now - timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT"), now.timestamp()) == 0
    assert retry_after("soon", 0) is retry_after(None, 0) is retry_after("nan", 0) is None


def test_samples_are_answers_of_their_own(ledger: Ledger) -> None:
    requests = [Request(f"s{sample}", (Message("user", "x"),), sample=sample) for sample in range(3)]
    with serving() as server:
        answers = ask(server, ledger, requests, params={"max_tokens": 9, "seed": 40})
        assert sorted(r["seed"] for r in server.requests) == [40, 41, 42]
        assert len({text(o) for o in answers.values()}) == 3


def test_what_is_sent(ledger: Ledger) -> None:
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    with serving() as server:
        answers = ask(server, ledger, chats(1), params={"max_tokens": 9, "temperature": 0, "stop": ["\n"]}, schema=schema, logprobs=3)
        sent = dict(server.requests[0])
        assert sent.pop("messages")[1] == {"role": "user", "content": "row 0"}
        assert sent == {
            "model": "m",
            "max_tokens": 9,
            "temperature": 0,
            "stop": ["\n"],
            "logprobs": True,
            "top_logprobs": 3,
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}},
        }
    outcome = answers["r0"]
    assert isinstance(outcome, Answer)
    assert outcome.logprobs is not None
    assert [t for t, _ in outcome.logprobs[0].top] == [" positive", " neg", " The"]
    assert (outcome.tokens_in, outcome.tokens_out, outcome.model) == (5, 3, "m")
    assert ledger.get(bytes.fromhex(outcome.key)) == replace(outcome, cached=True)


def test_dialects_are_learnt(ledger: Ledger) -> None:
    with serving(refuse_json_schema=True, want_completion_tokens=True) as server:
        answers = ask(server, ledger, chats(20), schema={"type": "object"})
        assert all(isinstance(o, Answer) and json.loads(o.text) for o in answers.values())
        assert server.requests[-1]["response_format"] == {"type": "json_object", "schema": {"type": "object"}}
        assert server.requests[-1]["max_completion_tokens"] == 20


def test_what_the_server_ignores_is_noticed(ledger: Ledger) -> None:
    with serving(ignore_logprobs=True, ignore_schema=True, model="other", usage=False) as server:
        with Caller(call(server, logprobs=2, schema={"type": "object"}), ledger, FAST) as caller:
            list(caller.answers(chats(3)))
        assert {code: notice.count for code, notice in caller.notices.items()} == {
            "logprobs-ignored": 3,
            "response-format-ignored": 3,
            "model-differs": 3,
            "usage-missing": 3,
        }
        assert caller.notices["model-differs"].message == "`m` was asked for, and `other` answers"


def test_budget_in_dollars_is_a_hard_stop(ledger: Ledger) -> None:
    """5 tokens in at $1, 3 out at $2 per million: $0.000011 an answer."""
    account = Account(Budget(usd=0.001), Prices(1.0, 2.0))
    with serving(latency=0.001) as server:
        with pytest.raises(BudgetExceeded, match=r"the budget of \$0.001 is used up: \$0.000\d spent on \d+ answers") as raised:
            list(Caller(call(server), ledger, FAST, account).answers(chats(1000)))
        assert account.usd == pytest.approx(len(ledger) * 11e-6)
        assert account.usd <= 0.001
        # The worst case of one request ($0.000099) more would not have fitted.
        assert account.usd + 99e-6 + 2e-6 > 0.001
        assert raised.value.answers == server.number == len(ledger)


def test_budget_in_tokens(ledger: Ledger) -> None:
    account = Account(Budget(tokens=500))
    with serving() as server, pytest.raises(BudgetExceeded, match="the budget of 500 tokens is used up: 4"):
        list(Caller(call(server), ledger, FAST, account).answers(chats(1000)))
    assert 400 < account.tokens <= 500
    assert account.usd is None, "an unknown price is not 0"


def test_lost_answers_may_be_charged(ledger: Ledger) -> None:
    account = Account()
    with serving(broken=1.0) as server:
        list(Caller(call(server), ledger, replace(FAST, retries=1), account).answers(chats(1)))
    assert account.tokens == 0
    assert account.unsure_tokens == 2 * (len("short" + "row 0") + 3 * 16 + 20)


def test_a_budget_that_cannot_be_kept(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match=r"the price of `m` at api.example.com is unknown"):
        Caller(Call("openai", "https://api.example.com/v1", "m"), ledger, account=Account(Budget(usd=5)))
    near = Caller(Call("openai", "http://192.168.0.7:8000/v1", "m"), ledger, account=Account(Budget(usd=5)))
    assert "budget-open" in near.notices


def test_secrets_are_neither_written_nor_said(ledger: Ledger) -> None:
    secret = "sk-very-secret-key"
    with serving(key="another") as server, pytest.raises(ServerRefused, match=r"\*\*\*") as raised:
        list(Caller(call(server), ledger, FAST, api_key=secret).answers(chats(1)))
    assert secret not in str(raised.value)
    with serving(key=secret) as server:
        url = server.url.replace("http://", "http://me:hidden-password@") + "?token=hidden-query"
        list(Caller(Call("openai", url, "m"), ledger, FAST, api_key=secret).answers(chats(3)))
        assert len(ledger) == 3
        again = ask(server, ledger, chats(3), params={})
        assert all(isinstance(o, Answer) and o.cached for o in again.values()), "neither is part of the key"
    written = b"".join(p.read_bytes() for p in ledger.folder.iterdir())
    for hidden in (secret, "hidden-password", "hidden-query"):
        assert hidden.encode() not in written


def test_429_lowers_what_is_sent_at_once(ledger: Ledger) -> None:
    with serving(latency=0.003, refuse_above=6) as server, Caller(call(server), ledger, replace(FAST, concurrency=64)) as caller:
        stream = caller.answers(chats(400))
        outcomes = [next(stream)[1] for _ in range(390)]
        assert caller.concurrency <= 12
        assert caller.counts is not None
        assert caller.counts.limited > 0
        outcomes += [o for _, o in stream]
    assert all(isinstance(o, Answer) for o in outcomes)


def test_concurrency_grows_to_its_ceiling(ledger: Ledger) -> None:
    """How far below that it stays is a matter of time, and tested in simulated time."""
    with serving(latency=0.01) as server:
        ask(server, ledger, chats(200), replace(FAST, start=2, concurrency=12))
        assert 2 < server.most <= 12


def test_requests_per_minute(ledger: Ledger) -> None:
    with serving() as server:
        began = time.monotonic()
        ask(server, ledger, chats(60), replace(FAST, requests_per_minute=3000))
        # A second's worth at once (50), and 10 more at 49.17 a second.
        assert time.monotonic() - began >= 10 / 50 * 0.9


def test_requests_are_pulled_as_needed(ledger: Ledger) -> None:
    pulled = 0

    def source() -> Iterator[Request]:
        nonlocal pulled
        for request in chats(2000):
            pulled += 1
            yield request

    with serving() as server:
        limits = replace(FAST, concurrency=4)
        stream = Caller(call(server), ledger, limits).answers(source())
        for count in range(300):
            next(stream)
            assert pulled <= count + 2 * (4 * 4 + 64)
        stream.close()
        sent = server.number
        assert sent == len(ledger), "what was on its way is written"


def test_an_exception_in_the_loop_loses_nothing(ledger: Ledger) -> None:
    with serving(latency=0.005) as server:
        with pytest.raises(KeyboardInterrupt), Caller(call(server), ledger, FAST) as caller:  # noqa: PT012
            for number, _ in enumerate(caller.answers(chats(500))):
                if number == 20:
                    raise KeyboardInterrupt
        assert server.number == len(ledger) < 500
        ask(server, ledger, chats(500))
        assert server.number == 500


def test_it_is_said_what_is_waited_for(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    from recipec.models import client

    monkeypatch.setattr(client, "SILENT", 0.1)
    monkeypatch.setattr(client, "TOLD_EVERY", 0.05)
    said: list[str] = []
    limits = replace(FAST, patience=0.6)
    with serving(statuses=[429] * 500) as server, Caller(Call("openai", server.url, "m"), ledger, limits, tell=said.append) as caller:
        ((_, outcome),) = caller.answers(prompts(1))
    assert isinstance(outcome, Failure)
    assert outcome.kind == "rate"
    assert any(re.fullmatch(r"no answer for 0 s: too many requests \(429\), \d+ times?; each request is tried for 1 s", s) for s in said), (
        said
    )
    said.clear()
    with serving(latency=0.4) as server, Caller(Call("openai", server.url, "n"), ledger, FAST, tell=said.append) as caller:
        list(caller.answers(prompts(1)))
    assert "no answer for 0 s: 1 under way" in said
