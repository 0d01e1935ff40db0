"""The client against real servers, each with a tiny model written on the spot.

``LLAMA_CPP_PYTHON`` and ``TRANSFORMERS_PYTHON`` name the Python interpreters that have ``llama-cpp-python[server]`` with ``gguf``,
and ``transformers[serving]``; without them this interpreter is tried, and a test skips where its server is not installed.

What they answer, as of llama-cpp-python 0.3.36: log-probabilities of an echoed prompt with ``--logits_all``; offsets by character, with the bytes of a
character as empty tokens at one place; 500 for a list of prompts and for ``json_schema`` (it takes a schema in ``json_object``).
transformers 5.23: ``logprobs``, ``echo`` and ``response_format`` are ignored, with status 200; the model's name comes back with ``@main``.
"""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import pytest

from recipec.models.client import Answer, Call, Caller, CannotScore, Ledger, Limits, Request
from recipec.models.requests import Message

pytestmark = pytest.mark.slow

WRITER = Path(__file__).with_name("tiny_models.py")
LIMITS = Limits(backoff=0.01, backoff_most=0.1, timeout=60)


def python_with(variable: str, modules: str) -> str:
    python = os.environ.get(variable, sys.executable)
    found = subprocess.run([python, "-c", f"import {modules}"], capture_output=True, check=False)
    if found.returncode != 0:
        pytest.skip(f"{python} has not all of {modules}; {variable} can name one that has")
    return python


@contextmanager
def served(command: Sequence[str], log: Path) -> Iterator[str]:
    """A server that is given ``--port`` and waited for."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    with log.open("wb") as out, subprocess.Popen([*command, "--port", str(port)], stdout=out, stderr=out, env=environment) as process:
        try:
            for _ in range(1200):
                try:
                    socket.create_connection(("localhost", port), 1).close()
                    break
                except OSError:
                    assert process.poll() is None, log.read_text()
                    time.sleep(0.05)
            yield f"http://localhost:{port}/v1"
        finally:
            process.kill()


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    python = python_with("LLAMA_CPP_PYTHON", "llama_cpp.server.app, gguf")
    folder = tmp_path_factory.mktemp("llama")
    subprocess.run([python, str(WRITER), "gguf", str(folder / "tiny.gguf")], check=True)
    command = [python, "-m", "llama_cpp.server", "--model", str(folder / "tiny.gguf"), "--logits_all", "true", "--n_ctx", "512"]
    with served(command, folder / "log") as url:
        yield url


@pytest.fixture(scope="module")
def transformers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    python = python_with("TRANSFORMERS_PYTHON", "torch, transformers, fastapi, uvicorn")
    folder = tmp_path_factory.mktemp("transformers")
    subprocess.run([python, str(WRITER), "transformers", str(folder / "tiny")], check=True, capture_output=True)
    return folder / "tiny"


@pytest.fixture(scope="module")
def transformers(transformers_folder: Path) -> Iterator[str]:
    python = python_with("TRANSFORMERS_PYTHON", "torch, transformers, fastapi, uvicorn")
    start = f"import sys; sys.argv = ['transformers', 'serve', {str(transformers_folder)!r}, *sys.argv[1:]]; from transformers.cli.transformers import main; main()"
    with served([python, "-c", start], transformers_folder.parent / "log") as url:
        yield url


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger") as made:
        yield made


def post(url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    request = HttpRequest(url + path, json.dumps(body).encode(), {"content-type": "application/json"})
    for _ in range(3):
        try:
            with urlopen(request) as reply:
                made: dict[str, Any] = json.load(reply)
                return made
        except URLError:
            time.sleep(0.05)
    raise AssertionError("no answer")


def stepwise(url: str, prompt: str, choice: str) -> float:
    """A choice's score by the definition, from sums over the whole text: log P(prompt + choice) - log P(prompt). Right where the
    choice begins with a token of its own."""

    def total(text: str) -> float:
        made = post(url, "/completions", {"model": "m", "prompt": text, "echo": True, "logprobs": 1, "max_tokens": 1})
        given = made["choices"][0]["logprobs"]
        return math.fsum(v for v, at in zip(given["token_logprobs"], given["text_offset"], strict=True) if v is not None and at < len(text))

    return total(prompt + choice) - total(prompt)


@pytest.mark.parametrize("choices", [(" positive", " negative"), (" good", " bad", " the"), ("好", "坏")])
@pytest.mark.parametrize("prompt", ["text {} label:", "评论 {}：", "a 🙂 {} b"])
def test_llama_scores_by_definition(llama: str, choices: tuple[str, ...], prompt: str, ledger: Ledger) -> None:
    requests = [Request(str(n), prompt=prompt.format(n)) for n in range(3)]
    with Caller(Call("openai", llama, "m", choices=choices), ledger, LIMITS) as caller:
        answers = dict(caller.answers(requests))
    for request in requests:
        outcome = answers[request.id]
        assert isinstance(outcome, Answer), outcome
        assert outcome.way == "echo"
        assert outcome.scores is not None
        expected = [stepwise(llama, str(request.prompt), choice) for choice in choices]
        differences = [a - b for a, b in zip(outcome.scores, expected, strict=True)]
        assert max(differences) - min(differences) < 1e-3, "up to a number that is the same for all choices"
        if prompt.isascii():
            assert outcome.scores == pytest.approx(expected, abs=1e-3)


def test_llama_follows_a_schema(llama: str, ledger: Ledger) -> None:
    schema = {"type": "object", "properties": {"answer": {"enum": ["good", "bad"]}}, "required": ["answer"], "additionalProperties": False}
    requests = [Request(str(n), (Message("user", f"row {n}"),)) for n in range(4)]
    with Caller(Call("openai", llama, "m", {"max_tokens": 40, "temperature": 0}, schema=schema), ledger, LIMITS) as caller:
        for _, outcome in caller.answers(requests):
            assert isinstance(outcome, Answer), outcome
            assert json.loads(outcome.text)["answer"] in ("good", "bad")
    assert not caller.notices


def test_llama_chat_and_completion(llama: str, ledger: Ledger) -> None:
    requests = [Request("chat", (Message("user", "hi"),)), Request("plain", prompt="hi")]
    with Caller(Call("openai", llama, "m", {"max_tokens": 4, "seed": 1}, logprobs=3), ledger, LIMITS) as caller:
        answers = dict(caller.answers(requests))
    assert not caller.notices
    for outcome in answers.values():
        assert isinstance(outcome, Answer)
        assert outcome.logprobs
        assert all(token.logprob <= 0 and len(token.top) <= 4 for token in outcome.logprobs)
        assert outcome.tokens_in


def test_transformers_ignores_and_is_noticed(transformers: str, transformers_folder: Path, ledger: Ledger) -> None:
    chat = [Request("r", (Message("user", "hi"),))]
    with Caller(
        Call("openai", transformers, str(transformers_folder), {"max_tokens": 4, "temperature": 0}, logprobs=2), ledger, LIMITS
    ) as caller:
        (outcome,) = [o for _, o in caller.answers(chat)]
    assert isinstance(outcome, Answer)
    assert outcome.finish == "length"
    assert set(caller.notices) == {"logprobs-ignored", "model-differs"}
    for requests in (chat, [Request("p", prompt="hi")]):
        with pytest.raises(CannotScore, match="no log-probabilities"):
            list(Caller(Call("openai", transformers, str(transformers_folder), choices=(" a", " b")), ledger, LIMITS).answers(requests))
