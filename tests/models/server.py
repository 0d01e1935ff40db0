"""The test server: speaks the OpenAI protocol over the standard library's asyncio, and misbehaves as it is told.

Answers are a function of the request (:func:`answer_of`), so that a test knows them beforehand. ``python server.py
'{"latency": 0.02}'`` serves on a free port, prints it as the first line, and answers any ``GET`` with what it has counted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from threading import Thread
from typing import Any


@dataclass
class Behaviour:
    """What the server does. Shares are of requests, decided by their number, so that they are the same in every run."""

    latency: float = 0.0
    spread: float = 0.0
    """How far latencies differ: 0.8 for 0.2 to 1.8 of ``latency``, by the request's number."""
    slots: int = 0
    """Requests worked on at a time; others wait. 0 for no bound."""
    refuse_above: int = 0
    """429 where more requests than this are under way."""
    statuses: list[int] = field(default_factory=list)
    """Statuses of the first requests, one after the other; 200 for an answer."""
    retry_after: str | None = None
    cut: float = 0.0
    """Share of answers whose connection ends in the middle of the body."""
    broken: float = 0.0
    """Share of answers that are not JSON."""
    empty: float = 0.0
    fail: float = 0.0
    """Share of requests answered with 500."""
    limited: float = 0.0
    """Share of requests answered with 429."""
    truncated: float = 0.0
    """Share of answers with finish_reason length."""
    bad_words: str = ""
    """Requests with this in them are refused with 400."""
    ignore_logprobs: bool = False
    ignore_schema: bool = False
    refuse_json_schema: bool = False
    want_completion_tokens: bool = False
    model: str = ""
    usage: bool = True
    key: str = ""
    """The API key wanted; a refusal repeats the wrong one."""
    echo: bool = True
    lists: bool = True
    completions: bool = True
    chunked: bool = False
    close: bool = False
    """Ends every connection after its answer."""
    top: int = 20
    """The most alternatives there may be asked for."""
    prefer: str = " positive"
    """What the next word is likely to be."""
    bad_offsets: bool = False
    classes: list[str] = field(default_factory=list)
    """Chats are answered with one of these, by the words asked."""
    inputs: int = 0
    """The most texts of one request for vectors; 0 for no bound."""
    page: bool = False
    """Answers everything with a web page."""
    says: Callable[[dict[str, Any]], tuple[str, str]] | None = None
    """What chats are answered with, and the reason why the answer ends there (``stop``, ``length``, ``refusal``), by the whole request."""


def answer_of(text: str, seed: object = None) -> str:
    return f"answer {blake2b(f'{text}|{seed}'.encode(), digest_size=6).hexdigest()}"


def tokens_of(text: str) -> list[str]:
    """A toy tokenizer: a space begins a token."""
    out: list[str] = []
    for char in text:
        if out and char != " ":
            out[-1] += char
        else:
            out.append(char)
    return out


class Server:
    """Counts ``calls`` by prompt, ``delivered`` by prompt (whole answers written out), and how many were under way at most."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour or Behaviour()
        self.calls: Counter[str] = Counter()
        self.delivered: Counter[str] = Counter()
        self.inputs: Counter[str] = Counter()
        self.requests: deque[dict[str, Any]] = deque(maxlen=200)
        self.headers: dict[str, str] = {}
        self.times: deque[float] = deque(maxlen=100_000)
        self.number = 0
        self.flying = 0
        self.most = 0
        self.port = 0
        self._slots: asyncio.Semaphore | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def counted(self) -> dict[str, Any]:
        """What the process tells at ``GET``; ``seconds`` from the first request to the last."""
        seconds = self.times[-1] - self.times[0] if self.times else 0.0
        return {"calls": self.calls, "delivered": self.delivered, "number": self.number, "most": self.most, "seconds": seconds}

    async def start(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        self._slots = asyncio.Semaphore(self.behaviour.slots) if self.behaviour.slots else None
        server = await loop.create_server(lambda: Connection(self), "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def reply(self, path: str, body: bytes) -> tuple[int, bytes, str]:
        """Status, body and how to send it."""
        told = self.behaviour
        self.number += 1
        self.times.append(time.monotonic())
        number = self.number
        request = json.loads(body)
        self.requests.append(request)
        text = json.dumps(request["messages"]) if "messages" in request else str(request.get("prompt", request.get("input")))
        self.calls[text] += 1
        if "input" in request:
            self.inputs.update(request["input"])
        self.flying += 1
        self.most = max(self.most, self.flying)
        try:
            if told.refuse_above and self.flying > told.refuse_above:
                return 429, b'{"error":{"message":"too many"}}', ""
            latency = told.latency * (1 + told.spread * (2 * share_of(number, 0) - 1))
            if self._slots is not None:
                async with self._slots:
                    await asyncio.sleep(latency)
            elif latency:
                await asyncio.sleep(latency)
            return self.made(path, request, text, number)
        finally:
            self.flying -= 1

    def made(self, path: str, request: dict[str, Any], text: str, number: int) -> tuple[int, bytes, str]:
        told = self.behaviour
        if told.page:
            return 200, b"<!doctype html><html><body>Welcome</body></html>", ""
        if told.key and self.headers.get("authorization") != f"Bearer {told.key}":
            given = self.headers.get("authorization", "").removeprefix("Bearer ")
            return 401, json.dumps({"error": {"message": f"Incorrect API key provided: {given}"}}).encode(), ""
        if number <= len(told.statuses) and told.statuses[number - 1] != 200:
            return told.statuses[number - 1], b'{"error":{"message":"as told"}}', ""
        if lucky(number, told.fail, 1):
            return 500, b"oops", ""
        if lucky(number, told.limited, 2):
            return 429, b'{"error":{"message":"slow down"}}', ""
        if told.bad_words and told.bad_words in text:
            return 400, b'{"error":{"message":"bad words","param":"messages"}}', ""
        refusal = self.refusal(path, request)
        if refusal:
            return *refusal, ""
        if lucky(number, told.broken, 3):
            return 200, b'{"choices": [{"message"', ""
        if lucky(number, told.empty, 4):
            return 200, b"", ""
        if path.endswith("/v1/embeddings"):
            return 200, json.dumps(self.embeddings(request)).encode(), "cut" if lucky(number, told.cut, 5) else text
        made = self.completion(request, text, number) if path.endswith("/v1/completions") else self.chat(request, text, number)
        return 200, json.dumps(made).encode(), "cut" if lucky(number, told.cut, 5) else text

    def refusal(self, path: str, request: dict[str, Any]) -> tuple[int, bytes] | None:
        told = self.behaviour
        if not told.completions and path.endswith("/v1/completions"):
            return 404, b'{"detail":"Not Found"}'
        if told.inputs and len(request.get("input", ())) > told.inputs:
            return 413, b'{"error":{"message":"too many inputs"}}'
        if told.want_completion_tokens and "max_tokens" in request:
            return 400, b'{"error":{"message":"Unsupported parameter: use max_completion_tokens instead.","param":"max_tokens"}}'
        if told.refuse_json_schema and request.get("response_format", {}).get("type") == "json_schema":
            return 422, b'{"detail":[{"loc":["body","response_format","type"],"msg":"Input should be text or json_object"}]}'
        if request.get("echo") and not told.echo:
            return 400, b'{"error":{"message":"echo is not supported"}}'
        if isinstance(request.get("prompt"), list) and not told.lists:
            return 500, b'{"error":{"message":"internal"}}'
        asked = request.get("top_logprobs") or request.get("logprobs") or 0
        if asked > told.top:
            return 400, b'{"error":{"message":"logprobs must be at most %d"}}' % told.top
        return None

    def envelope(self, request: dict[str, Any], choices: list[dict[str, Any]], size: int, out: int) -> dict[str, Any]:
        made: dict[str, Any] = {"id": "x", "object": "completion", "model": self.behaviour.model or request["model"], "choices": choices}
        if self.behaviour.usage:
            made["usage"] = {"prompt_tokens": size, "completion_tokens": out, "total_tokens": size + out}
        return made

    def chat(self, request: dict[str, Any], text: str, number: int) -> dict[str, Any]:
        told = self.behaviour
        if told.says is not None:
            said, finish = told.says(request)
            field = "refusal" if finish == "refusal" else "content"
            made: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": None, field: said}, "finish_reason": finish}
            return self.envelope(request, [made], len(text) // 4 + 1, len(said) // 4 + 1)
        said = answer_of(text, request.get("seed"))
        if told.classes:
            said = told.classes[int(share_of(len(text), sum(text.encode())) * len(told.classes))]
        if "response_format" in request and not told.ignore_schema:
            said = json.dumps({"answer": said})
        choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        if lucky(number, told.truncated, 6):
            choice["finish_reason"] = "length"
            choice["message"]["content"] = said[:4]
        if request.get("logprobs") and not told.ignore_logprobs:
            top = self.alternatives(request.get("top_logprobs", 0))
            first = {"token": top[0][0] if top else said, "logprob": -0.1, "top_logprobs": [{"token": t, "logprob": p} for t, p in top]}
            choice["logprobs"] = {"content": [first]}
        return self.envelope(request, [choice], 5, 3)

    def embeddings(self, request: dict[str, Any]) -> dict[str, Any]:
        """Vectors of 4 numbers that begin with the counts of two letters, last first: the index says whose each is."""
        data = [
            {"index": i, "embedding": [1.0 + t.count("a"), 1.0 + t.count("e"), share_of(len(t), 7), 0.5]}
            for i, t in enumerate(request["input"])
        ]
        size = sum(len(t) // 4 + 1 for t in request["input"])
        return {"object": "list", "model": request["model"], "data": data[::-1], "usage": {"prompt_tokens": size, "total_tokens": size}}

    def alternatives(self, count: int) -> list[tuple[str, float]]:
        words = [(self.behaviour.prefer, -0.2), (" neg", -2.0), (" The", -3.0), ("\n", -4.0)]
        return words[:count]

    def completion(self, request: dict[str, Any], text: str, number: int) -> dict[str, Any]:
        prompts = request["prompt"] if isinstance(request["prompt"], list) else [request["prompt"]]
        choices = []
        for index, prompt in enumerate(prompts):
            said = " next" if request.get("echo") else answer_of(prompt, request.get("seed"))
            choice: dict[str, Any] = {
                "index": index,
                "text": (prompt if request.get("echo") else "") + said,
                "finish_reason": "stop",
                "logprobs": None,
            }
            if request.get("logprobs") is not None and not self.behaviour.ignore_logprobs:
                choice["logprobs"] = self.token_logprobs(request, choice["text"])
            choices.append(choice)
        return self.envelope(request, choices, 5 * len(prompts), len(prompts))

    def token_logprobs(self, request: dict[str, Any], text: str) -> dict[str, Any]:
        tokens = tokens_of(text)
        values: list[float | None] = [token_logprob(t, self.behaviour.prefer) for t in tokens]
        if request.get("echo"):
            values[0] = None
        at, offsets = 0, []
        for token in tokens:
            offsets.append(len(text[:at].encode()) if self.behaviour.bad_offsets else at)
            at += len(token)
        top = [dict(self.alternatives(request["logprobs"])) for _ in tokens]
        return {"tokens": tokens, "token_logprobs": values, "text_offset": offsets, "top_logprobs": top}


def token_logprob(token: str, prefer: str) -> float:
    return -0.25 if token == prefer else -1.0 - len(token) / 8


def lucky(number: int, share: float, salt: int) -> bool:
    return share > 0 and share_of(number, salt) < share


def share_of(number: int, salt: int) -> float:
    """A number below 1 that looks random."""
    return int.from_bytes(blake2b(f"{number}|{salt}".encode(), digest_size=4).digest(), "big") / 2**32


class Connection(asyncio.Protocol):
    """HTTP/1.1, as far as a test needs."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.buffer = bytearray()
        self.transport: Any = None
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = bytes(self.buffer[:end]).decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(self.buffer) < end + 4 + length:
            return
        body = bytes(self.buffer[end + 4 : end + 4 + length])
        self.buffer.clear()
        method, path, _ = first.split(" ")
        if method == "GET":
            self.send(200, json.dumps(self.server.counted()).encode(), "")
            return
        self.server.headers = headers
        self.task = asyncio.ensure_future(self.answer(path, body))

    async def answer(self, path: str, body: bytes) -> None:
        self.send(*await self.server.reply(path, body))

    def send(self, status: int, body: bytes, how: str) -> None:
        if self.transport is None:
            return
        told = self.server.behaviour
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n"
        if told.retry_after is not None and status in (429, 503):
            head += f"retry-after: {told.retry_after}\r\n"
        if told.close:
            head += "connection: close\r\n"
        if how == "cut":
            self.transport.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body[: len(body) // 2])
            self.transport.close()
            return
        if told.chunked:
            half = len(body) // 2
            sent = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part)
            self.transport.write(f"{head}transfer-encoding: chunked\r\n\r\n".encode() + sent + b"0\r\n\r\n")
        else:
            self.transport.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        if how:
            self.server.delivered[how] += 1
        if told.close:
            self.transport.close()


@contextmanager
def serving(behaviour: Behaviour | None = None, **told: Any) -> Iterator[Server]:
    """A server in a thread of this process."""
    server = Server(behaviour or Behaviour(**told))
    loop = asyncio.new_event_loop()

    def run() -> None:
        loop.run_forever()

    thread = Thread(target=run, daemon=True)
    thread.start()
    listening = asyncio.run_coroutine_threadsafe(server.start(), loop).result()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(listening.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def main() -> None:
    async def serve() -> None:
        server = Server(Behaviour(**json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}))
        await server.start()
        print(server.port, flush=True)
        await asyncio.Event().wait()

    asyncio.run(serve())


if __name__ == "__main__":
    main()


__all__ = ["Behaviour", "Server", "answer_of", "serving"]
