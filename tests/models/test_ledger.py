"""The ledger on disk: torn lines, damage, two writers, a full disk, and what is found how fast."""

from __future__ import annotations

import json
import os
import random
from hashlib import blake2b
from pathlib import Path

import pytest

from recipec.models.index import KeyIndex
from recipec.models.ledger import Ledger, LedgerError
from recipec.models.requests import Answer, Call, Failure, Keys, Message, Request, Token, bare, canonical, shown


def key(number: int) -> bytes:
    return blake2b(str(number).encode(), digest_size=16).digest()


def answer(number: int, text: str | None = None) -> Answer:
    return Answer(f"text {number}\n中文 \u2028" if text is None else text, "stop", 7, number, None, "m", key(number).hex(), cached=True)


def fill(folder: Path, numbers: range) -> None:
    with Ledger(folder) as ledger:
        ledger.append([(key(n), answer(n)) for n in numbers])


def segment(folder: Path, number: int = 1) -> Path:
    return folder / f"answers-{number:04}.jsonl"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    full = Answer("a", "scored", None, None, (Token("t", -0.5, (("u", -1.0),)),), "m", key(0).hex(), True, (-1.0, -2.5), "echo")
    with Ledger(tmp_path) as ledger:
        ledger.append([(key(0), full)])
        assert ledger.get(key(0)) == full
        assert ledger.get(key(1)) is None
        assert not ledger.has(key(1))
    with Ledger(tmp_path) as ledger:
        assert ledger.get(key(0)) == full
        assert len(ledger) == 1


def test_looking_makes_nothing(tmp_path: Path) -> None:
    with Ledger(tmp_path / "none") as ledger:
        assert ledger.get(key(0)) is None
    assert not (tmp_path / "none").exists()


def test_a_line_torn_anywhere_is_a_missing_answer(tmp_path: Path) -> None:
    """Whatever byte the last line ends at, the others stay, and what is appended next is whole."""
    fill(tmp_path, range(3))
    path = segment(tmp_path)
    whole = path.read_bytes()
    start = whole[:-1].rindex(b"\n") + 1
    for cut in range(start, len(whole)):
        path.write_bytes(whole[:cut])
        with Ledger(tmp_path) as ledger:
            assert [ledger.get(key(n)) for n in range(3)] == [answer(0), answer(1), None], cut
            ledger.append([(key(9), answer(9))])
        with Ledger(tmp_path) as ledger:
            assert [ledger.get(key(n)) for n in (0, 1, 9)] == [answer(0), answer(1), answer(9)]
            assert ledger.damaged == 0
        assert all(json.loads(line) for line in path.read_bytes().split(b"\n")[:-1])


def test_damage_in_the_middle_is_counted_and_asked_again(tmp_path: Path) -> None:
    fill(tmp_path, range(5))
    path = segment(tmp_path)
    data = bytearray(path.read_bytes())
    at = data.index(b"text 2")
    data[at : at + 4] = bytes(4)
    path.write_bytes(data)
    with Ledger(tmp_path) as ledger:
        assert ledger.damaged == 1
        assert [n for n in range(5) if ledger.get(key(n)) is None] == [2]
        ledger.append([(key(2), answer(2))])
        assert ledger.get(key(2)) == answer(2)


def test_random_bytes_are_never_an_answer(tmp_path: Path) -> None:
    fill(tmp_path, range(40))
    path = segment(tmp_path)
    whole = path.read_bytes()
    rng = random.Random(7)
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 20)):
            data[rng.randrange(60, len(data))] = rng.randrange(256)
        path.write_bytes(data)
        with Ledger(tmp_path) as ledger:
            for n in range(40):
                assert ledger.get(key(n)) in (None, answer(n))


def test_two_writers_have_a_segment_each(tmp_path: Path) -> None:
    with Ledger(tmp_path) as one, Ledger(tmp_path) as two:
        one.append([(key(1), answer(1))])
        two.append([(key(2), answer(2))])
        one.append([(key(3), answer(3))])
        assert segment(tmp_path, 2).exists()
        assert two.get(key(1)) is None, "not seen yet"
        two.refresh()
        one.refresh()
        assert all(ledger.get(key(n)) == answer(n) for ledger in (one, two) for n in (1, 2, 3))
    with Ledger(tmp_path) as three:
        three.append([(key(4), answer(4))])
        assert all(three.has(key(n)) for n in (1, 2, 3, 4))
    assert not segment(tmp_path, 3).exists(), "a free segment is used again"


def test_many_processes(tmp_path: Path) -> None:
    """Forked processes that append at once: every answer is there."""
    children = []
    for child in range(4):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                with Ledger(tmp_path) as ledger:
                    for n in range(50):
                        ledger.append([(key(1000 * child + n), answer(n))])
                status = 0
            finally:
                os._exit(status)
        children.append(pid)
    assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
    with Ledger(tmp_path) as ledger:
        assert len(ledger) == 200
        assert ledger.damaged == 0


def test_a_full_disk_tears_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append([(key(0), answer(0))])
        real = os.write

        def full(descriptor: int, data: memoryview) -> int:
            if len(data) > 10:
                return real(descriptor, data[:10])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(LedgerError, match="No space left"):
            ledger.append([(key(1), answer(1, "x" * 50))])
        monkeypatch.undo()
        ledger.append([(key(2), answer(2))])
        assert [ledger.get(key(n)) for n in range(3)] == [answer(0), None, answer(2)]


def test_what_is_no_ledger(tmp_path: Path) -> None:
    segment(tmp_path).write_text("hello\nworld\n")
    with pytest.raises(LedgerError, match="is no ledger"):
        Ledger(tmp_path)
    segment(tmp_path).write_text('{"format":"recipec answers","version":9}\n')
    with pytest.raises(LedgerError, match="has version 9"):
        Ledger(tmp_path)


def test_a_torn_header_is_an_empty_ledger(tmp_path: Path) -> None:
    segment(tmp_path).write_text('{"format":"rec')
    fill(tmp_path, range(2))
    with Ledger(tmp_path) as ledger:
        assert ledger.has(key(1))


def test_long_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recipec.models.ledger.CHUNK", 300)
    texts = ["x" * size for size in (0, 100, 250, 299, 300, 301, 5000, 20_000, 3)]
    with Ledger(tmp_path) as ledger:
        ledger.append([(key(n), answer(n, text)) for n, text in enumerate(texts)])
    with Ledger(tmp_path) as ledger:
        assert [got.text for n in range(len(texts)) if (got := ledger.get(key(n)))] == texts


def test_failures_are_apart_and_answers_end_them(tmp_path: Path) -> None:
    failure = Failure("server", "oops", 3)
    with Ledger(tmp_path) as ledger:
        ledger.append_failure(key(1), failure)
        ledger.append_failure(key(2), failure)
        assert not ledger.has(key(1))
        ledger.append([(key(1), answer(1))])
        assert ledger.failures() == {key(2): failure}
    with Ledger(tmp_path) as ledger:
        assert ledger.failures() == {key(2): failure}
        assert ledger.failure(key(2)) == failure


def test_facts(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.keep_fact(key(1), {"way": "echo"})
    with Ledger(tmp_path) as ledger:
        assert ledger.fact(key(1)) == {"way": "echo"}
        assert ledger.fact(key(2)) is None


def test_index_against_a_dictionary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recipec.models.index.MERGE_AT", 50)
    rng = random.Random(1)
    index, plain = KeyIndex(), {}
    for segment_number in range(40):
        # Keys that share their upper half, and keys that come again.
        keys = [key(rng.randrange(2000))[:8] + key(rng.randrange(3))[:8] for _ in range(30)]
        places = [rng.randrange(1 << 47) for _ in keys]
        index.add(keys, segment_number, places)
        for k, place in zip(keys, places, strict=True):
            plain.setdefault(k, (segment_number, place))
    assert len(index) == len(plain)
    assert all(index.find(k) == place for k, place in plain.items())
    assert index.find(key(9999)) is None


CALL = Call("openai", "http://h:1/v1", "m", {"temperature": 0, "seed": 1})
REQUEST = Request("r", (Message("user", "hi"),))


def test_keys_never_change() -> None:
    """A key that changed would pay for every answer again."""
    assert Keys(CALL)(REQUEST).hex() == "28ab283187a53ef8653db8a150ecf930"
    assert Keys(CALL)(Request("r", prompt="你好")).hex() == "e6cd76ce14bbc4b82acd5a9a80e54575"


@pytest.mark.parametrize(
    ("call", "request_"),
    [
        (Call("other", "http://h:1/v1", "m", {"temperature": 0, "seed": 1}), REQUEST),
        (Call("openai", "http://h:2/v1", "m", {"temperature": 0, "seed": 1}), REQUEST),
        (Call("openai", "http://h:1/v1", "n", {"temperature": 0, "seed": 1}), REQUEST),
        (Call("openai", "http://h:1/v1", "m", {"temperature": 0.5, "seed": 1}), REQUEST),
        (Call("openai", "http://h:1/v1", "m", {"temperature": 0, "seed": 1}, schema={}), REQUEST),
        (Call("openai", "http://h:1/v1", "m", {"temperature": 0, "seed": 1}, logprobs=0), REQUEST),
        (Call("openai", "http://h:1/v1", "m", {"temperature": 0, "seed": 1}, choices=("a", "b")), REQUEST),
        (CALL, Request("r", (Message("system", "hi"),))),
        (CALL, Request("r", (Message("user", "hi!"),))),
        (CALL, Request("r", (Message("user", "hi"), Message("user", "")))),
        (CALL, Request("r", (Message("user", "hi"),), sample=1)),
        (CALL, Request("r", prompt="hi")),
    ],
)
def test_whatever_decides_the_answer_changes_the_key(call: Call, request_: Request) -> None:
    assert Keys(call)(request_) != Keys(CALL)(REQUEST)


def test_what_does_not_decide_the_answer() -> None:
    same = Call("openai", "HTTP://me:pw@H:1/v1/?token=x", "m", {"seed": 1, "temperature": 0.0})
    assert Keys(same)(Request("another id", (Message("user", "hi"),))) == Keys(CALL)(REQUEST)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://Host", "http://host/v1"),
        ("https://host:443/api/v1/", "https://host/api/v1"),
        ("http://u:p@host:8000/v1?x=y#z", "http://host:8000/v1"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
    ],
)
def test_one_spelling_of_a_url(url: str, expected: str) -> None:
    assert bare(url) == expected


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://user:word@Host/api/v1?key=x", "https://host/api/v1"),
        ("http://host:8000", "http://host:8000/v1"),
        ("https://host/t0ken/v1", "https://host/***/v1"),
        ("https://host/openai/deployments/mine/v1beta2/", "https://host/openai/***/***/v1beta2"),
    ],
)
def test_a_url_is_told_without_what_may_be_secret(url: str, told: str) -> None:
    assert shown(url) == told
    assert Call("openai", url, "m").shown == told


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"url": "host:80"}, "not a URL"),
        ({"params": {"n": 2}}, "`n` is not a parameter to give"),
        ({"choices": ("a",)}, "at least two"),
        ({"choices": ("a", "a")}, "all different"),
        ({"choices": ("a", " ")}, "not empty"),
        ({"logprobs": -1}, "0 or more"),
    ],
)
def test_wrong_calls(fields: dict[str, object], message: str) -> None:
    values: dict[str, object] = {"provider": "openai", "url": "http://h/v1", "model": "m"} | fields
    with pytest.raises(ValueError, match=message):
        Call(**values)  # type: ignore[arg-type]


def test_a_request_is_chat_or_prompt() -> None:
    for values in ({}, {"messages": (Message("user", "x"),), "prompt": "x"}, {"messages": ()}):
        with pytest.raises(ValueError, match=r"either|at least"):
            Request("r", **values)  # type: ignore[arg-type]


def test_canonical() -> None:
    assert canonical({"b": 1.0, "a": [True, None, 0.5, "é"]}) == '{"a":[true,null,0.5,"é"],"b":1}'.encode()
    with pytest.raises(ValueError, match="JSON"):
        canonical({"a": float("nan")})
