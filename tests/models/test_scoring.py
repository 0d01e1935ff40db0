"""Scores of given continuations: each way, how the ways are found, and when there is none."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recipec.models.client import Answer, Call, Caller, CannotScore, Failure, Ledger, Limits, Request
from recipec.models.requests import Message
from recipec.models.scoring import Echo, echo_scores, first_token_scores, read_echo
from tests.models.server import Server, serving, token_logprob, tokens_of

FAST = Limits(backoff=0.001, backoff_most=0.004, timeout=5)
CHOICES = (" positive", " negative feeling", " mixed")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger") as made:
        yield made


def rows(count: int) -> list[Request]:
    return [Request(f"r{n}", prompt=f"text {n} label:") for n in range(count)]


def chats(count: int) -> list[Request]:
    return [Request(f"r{n}", (Message("user", f"text {n} label:"),)) for n in range(count)]


def score(server: Server, ledger: Ledger, requests: list[Request], **more: Any) -> tuple[dict[str, Answer | Failure], Caller]:
    with Caller(Call("openai", server.url, "m", choices=CHOICES, **more), ledger, FAST) as caller:
        return dict(caller.answers(requests)), caller


def by_definition(choice: str) -> float:
    return sum(token_logprob(t, " positive") for t in tokens_of(choice))


@pytest.mark.parametrize(("lists", "calls"), [(True, 20), (False, 2 + 60)])
@pytest.mark.parametrize("bad_offsets", [False, True])
def test_echo(lists: bool, calls: int, bad_offsets: bool, ledger: Ledger) -> None:
    with serving(lists=lists, bad_offsets=bad_offsets) as server:
        answers, _ = score(server, ledger, rows(20))
        assert server.number == calls, "a list in one request, or two that were refused and one a choice"
        for outcome in answers.values():
            assert isinstance(outcome, Answer)
            assert outcome.scores == pytest.approx([by_definition(c) for c in CHOICES])
            assert (outcome.text, outcome.finish, outcome.way) == (" positive", "scored", "echo-list" if lists else "echo")
            assert (outcome.tokens_in, outcome.tokens_out) == (15, 3)
        again, _ = score(server, ledger, rows(21))
        assert server.number == calls + (1 if lists else 3), "the way is remembered, and so are the answers"
        assert all(isinstance(o, Answer) and o.cached for id, o in again.items() if id != "r20")


def test_first_token_of_a_completion(ledger: Ledger) -> None:
    with serving(echo=False) as server:
        answers, _ = score(server, ledger, rows(5))
        assert server.number == 2 + 5, "two ways refused"
        assert server.requests[-1]["max_tokens"] == 1
    outcome = answers["r0"]
    assert isinstance(outcome, Answer)
    shown = sum(math.exp(p) for p in (-0.2, -2.0, -3.0, -4.0))
    assert shown > 0.99
    assert outcome.scores == pytest.approx((-0.2, -2.0, math.log(max(1 - shown, 1e-12))))
    assert (outcome.way, outcome.text) == ("first-token", " positive")


@pytest.mark.parametrize(
    ("told", "requests", "way"), [({"completions": False}, rows(4), "first-token-chat"), ({}, chats(4), "first-token")]
)
def test_first_token_of_a_chat(told: dict[str, Any], requests: list[Request], way: str, ledger: Ledger) -> None:
    with serving(top=5, **told) as server:
        answers, caller = score(server, ledger, requests, params={"max_tokens": 50, "stop": ["x"], "temperature": 0})
        sent = server.requests[-1]
        assert (sent["max_tokens"], sent["top_logprobs"], sent.get("stop"), sent["temperature"]) == (1, 5, None, 0)
        assert {o.way for o in answers.values() if isinstance(o, Answer)} == {way}
        assert ("scored-in-chat" in caller.notices) == (way == "first-token-chat")


@pytest.mark.parametrize("told", [{"ignore_logprobs": True}, {"prefer": " Sure"}])
def test_no_way(told: dict[str, Any], ledger: Ledger) -> None:
    with serving(echo=False, **told) as server:
        choices = (" good", " bad") if "prefer" in told else CHOICES
        with pytest.raises(CannotScore, match="gives no log-probabilities"):
            list(Caller(Call("openai", server.url, "m", choices=choices), ledger, FAST).answers(rows(50)))
        asked = server.number
        assert asked == 4, "one row, each way once"
        with pytest.raises(CannotScore, match="an earlier run"):
            list(Caller(Call("openai", server.url, "m", choices=choices), ledger, FAST).answers(rows(50)))
        assert server.number == asked


def test_a_row_that_is_refused_decides_nothing(ledger: Ledger) -> None:
    with serving(bad_words="text 0 ") as server:
        answers, _ = score(server, ledger, rows(5))
    assert isinstance(answers["r0"], Failure)
    assert "bad words" in answers["r0"].message
    assert {o.way for o in answers.values() if isinstance(o, Answer)} == {"echo-list"}
    with serving(bad_words="text") as server, pytest.raises(CannotScore, match="bad words"):
        score(server, ledger, rows(50))


def test_trouble_decides_nothing(ledger: Ledger) -> None:
    """A 500 and a 429 while the way is being found."""
    with serving(statuses=[500, 429, 503]) as server:
        answers, _ = score(server, ledger, rows(5))
        assert {o.way for o in answers.values() if isinstance(o, Answer)} == {"echo-list"}


def test_choices_answered_are_not_asked_again_after_trouble(ledger: Ledger) -> None:
    with serving(lists=False, cut=0.2) as server:
        answers, _ = score(server, ledger, rows(20))
        assert all(isinstance(o, Answer) for o in answers.values())
        assert all(count == 1 for text, count in server.delivered.items() if not text.startswith("["))


def echo(tokens: list[str], values: list[float | None], offsets: list[int] | None, text: str | None = None) -> Echo:
    return Echo("".join(tokens) if text is None else text, tokens, values, offsets)


def test_a_token_across_the_border_counts_whole() -> None:
    one = echo(["a", "b c", "d", "!"], [None, -1.0, -2.0, -8.0], [0, 1, 4, 5])
    two = echo(["a", "b", " e", "!"], [None, -0.5, -4.0, -8.0], [0, 1, 2, 4])
    assert echo_scores([one, two], "ab", [" cd", " e"]) == [-3.0, -4.0]


def test_a_beginning_that_is_not_in_the_text() -> None:
    """Some servers count the length of ``<s>`` in the offsets, though the text does not have it."""
    one = echo(["<s>", "ab", " c", "!"], [None, -1.0, -2.0, -8.0], [0, 3, 5, 7], "ab c!")
    two = echo(["<s>", "ab", " d", "?"], [None, -1.0, -3.0, -9.0], [0, 3, 5, 7], "ab d?")
    assert echo_scores([one, two], "ab", [" c", " d"]) == [-2.0, -3.0]


def test_wrong_offsets_of_chinese() -> None:
    """Offsets in bytes: what the echoes share is left out instead, which moves every score by the same number."""
    shared = ["评论", "：", "很"]
    one = echo([*shared, "好", "。"], [None, -1.0, -0.5, -2.0, -9.0], [0, 6, 9, 12, 15])
    two = echo([*shared, "坏", "。"], [None, -1.0, -0.5, -3.0, -9.0], [0, 6, 9, 12, 15])
    assert echo_scores([one, two], "评论：", ["很好", "很坏"]) == [-2.0, -3.0]
    assert echo_scores([replace(one, offsets=None), replace(two, offsets=None)], "评论：", ["很好", "很坏"]) == [-2.0, -3.0]


def test_a_generated_token_may_have_no_text() -> None:
    """Half a character is generated; or nothing, where the text ends at once."""
    given = {"tokens": ["a", " b", ""], "token_logprobs": [None, -1.0, -7.0], "text_offset": [0, 1, 3]}
    assert read_echo({"text": "a b", "finish_reason": "length", "logprobs": given}, "a b").generated == 1
    assert read_echo({"text": "a b", "finish_reason": "length", "logprobs": given | {"text_offset": None}}, "a b").generated == 1
    ended = {"tokens": ["a", " b"], "token_logprobs": [None, -1.0], "text_offset": [0, 1]}
    assert read_echo({"text": "a b", "finish_reason": "stop", "logprobs": ended}, "a b").generated == 0
    assert read_echo({"text": "a b", "finish_reason": "stop", "logprobs": ended | {"text_offset": None}}, "a b").generated == 0


def test_first_token_scores() -> None:
    top = [(" Pos", -0.5), ("positive", -2.0), ("▁neg", -1.5), ("\n", -3.0)]
    scores = first_token_scores(top, [" positive", " negative"])
    assert scores is not None
    assert scores[0] == pytest.approx(math.log(math.exp(-0.5) + math.exp(-2.0)))
    assert scores[1] == -1.5
    assert first_token_scores([("The", -0.1)], ["a", "b"]) is None
    assert first_token_scores([(" no", -0.1), (" not b", -3.0)], [" not a", " not b"]) is None, "what begins both decides nothing"
    bounded = first_token_scores([(" a", math.log(0.7)), (" x", math.log(0.2))], [" a", " b"])
    assert bounded == pytest.approx([math.log(0.7), math.log(0.1)]), "b cannot be likelier than all that is not shown"
