"""What the client for OpenAI-compatible servers gets out of a server, beside a bare load generator and other clients.

    python tests/benchmarks/llm_client.py [--peer PYTHON] [--requests N]

The tests' server works on 64 requests at a time, in a process of its own; every client has one too, asks the same prompts of the
same server, and is timed from its first request to its last answer (imports, and the reading of what it returns, are not counted).

* ``bare``: prepared bytes on raw connections, a new request the moment an answer is there; the best of three numbers of connections.
  Nothing is parsed or kept. What the server can do.
* ``recipec``: requests built, answers parsed, written to the ledger and synced, ramping up from 8 at a time.
* ``aiohttp``, ``httpx``: the same number of workers as the bare generator's best, over these libraries; JSON parsed, nothing kept. Why the client
  brings its own transport.
* ``distilabel``: ``OpenAILLM`` in a pipeline with a ``TextGeneration`` task, batches of 50 (its default), its cache off. Timed by the server,
  from first request to last, so that its start does not count.

``--peer`` names a Python in which peers are installed; those that are not there are left out, and said so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

SERVERS = {
    "64 at a time, 20 ms each": {"latency": 0.02, "slots": 64},
    "64 at a time, 100 ms, 0.2 to 1.8 of it": {"latency": 0.1, "slots": 64, "spread": 0.8},
}


def prompt(number: int) -> str:
    return f"Classify the following review as positive or negative. Review number {number}: " + "it was quite good, all in all. " * 8


def run_bare(port: int, count: int, connections: int) -> float:
    class Raw(asyncio.Protocol):
        def __init__(self) -> None:
            self.buffer = b""

        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            self.ask()

        def ask(self) -> None:
            if not bodies:
                state["open"] -= 1
                if state["open"] == 0:
                    done.set()
                return
            self.transport.write(bodies.pop())

        def data_received(self, data: bytes) -> None:
            self.buffer += data
            head = self.buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            at = self.buffer.index(b"content-length: ") + 16
            length = int(self.buffer[at : self.buffer.index(b"\r\n", at)])
            if len(self.buffer) >= head + 4 + length:
                self.buffer = b""
                self.ask()

    bodies = []
    for n in range(count):
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": prompt(n)}], "max_tokens": 20}).encode()
        bodies.append(b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
    state = {"open": connections}
    done = asyncio.Event()

    async def main() -> float:
        began = time.perf_counter()
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(Raw, "127.0.0.1", port)
        await done.wait()
        return time.perf_counter() - began

    return asyncio.run(main())


def run_recipec(port: int, count: int, _: int) -> float:
    sys.path.insert(0, str(ROOT))
    from recipec.models.client import Answer, Call, Caller, Ledger, Request
    from recipec.models.requests import Message

    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder)) as ledger:
        caller = Caller(Call("openai", f"http://127.0.0.1:{port}/v1", "m", {"max_tokens": 20}), ledger)
        began = time.perf_counter()
        answered = sum(
            isinstance(o, Answer) for _, o in caller.answers(Request(str(n), (Message("user", prompt(n)),)) for n in range(count))
        )
        seconds = time.perf_counter() - began
        assert answered == len(ledger) == count
        return seconds


def run_workers(post: Any, count: int, connections: int) -> Any:
    numbers = iter(range(count))

    async def worker() -> None:
        for n in numbers:
            made = await post({"model": "m", "messages": [{"role": "user", "content": prompt(n)}], "max_tokens": 20})
            assert made["choices"]

    return asyncio.gather(*(worker() for _ in range(connections)))


def run_aiohttp(port: int, count: int, connections: int) -> float:
    import aiohttp

    async def main() -> float:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:

            async def post(body: dict[str, Any]) -> Any:
                async with session.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body) as reply:
                    return await reply.json()

            began = time.perf_counter()
            await run_workers(post, count, connections)
            return time.perf_counter() - began

    return asyncio.run(main())


def run_httpx(port: int, count: int, connections: int) -> float:
    import httpx

    async def main() -> float:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=connections), timeout=60) as session:

            async def post(body: dict[str, Any]) -> Any:
                return (await session.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body)).json()

            began = time.perf_counter()
            await run_workers(post, count, connections)
            return time.perf_counter() - began

    return asyncio.run(main())


def run_distilabel(port: int, count: int, _: int) -> float:
    from distilabel.models import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    with Pipeline(name="bench") as pipeline:
        load = LoadDataFromDicts(data=[{"instruction": prompt(n)} for n in range(count)])
        llm = OpenAILLM(model="m", base_url=f"http://127.0.0.1:{port}/v1", api_key="none", generation_kwargs={"max_new_tokens": 20})
        task = TextGeneration(llm=llm)
        load >> task
    distiset = pipeline.run(use_cache=False)
    rows = distiset["default"]["train"]
    assert len(rows) == count
    assert all(rows["generation"])
    return -1.0  # Timed by the server.


CLIENTS = {"bare": run_bare, "recipec": run_recipec, "aiohttp": run_aiohttp, "httpx": run_httpx, "distilabel": run_distilabel}


def measured(python: str, client: str, told: dict[str, Any], count: int, connections: int) -> tuple[float, float] | str:
    """Requests a second and processor milliseconds a request of a client in a process of its own; or why there are none."""
    import resource
    from urllib.request import urlopen

    server = subprocess.Popen([sys.executable, str(ROOT / "tests/models/server.py"), json.dumps(told)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [python, __file__, "--client", client, str(port), str(count), str(connections)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=600)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if ran.returncode != 0:
            last = (ran.stderr.strip().splitlines() or ["no message"])[-1]
            return "not installed" if "ModuleNotFoundError" in last else last[:100]
        seconds = float(ran.stdout.strip().splitlines()[-1])
        with urlopen(f"http://127.0.0.1:{port}/") as reply:
            counted = json.load(reply)
        assert counted["number"] == count, f"{client} sent {counted['number']} requests for {count} rows"
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return count / (counted["seconds"] if seconds < 0 else seconds), processor / count * 1000
    finally:
        server.kill()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=sys.executable, help="a Python with aiohttp, httpx, distilabel")
    parser.add_argument("--requests", type=int, default=15_000)
    parser.add_argument("--runs", type=int, default=2, help="the best of so many")
    parser.add_argument("--client", nargs=4, metavar=("NAME", "PORT", "COUNT", "CONNECTIONS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        name, port, count, connections = options.client
        print(CLIENTS[name](int(port), int(count), int(connections)))
        return
    print(f"{'server':40} {'client':12} {'requests/s':>10} {'of bare':>8} {'recipec is':>11} {'CPU ms each':>12}")
    for name, told in SERVERS.items():
        count = options.requests if told["latency"] < 0.05 else options.requests // 2
        results: dict[str, tuple[float, float]] = {}
        connections = 64
        for tried in (64, 96, 128):
            for _ in range(options.runs):
                made = measured(sys.executable, "bare", told, count, tried)
                assert not isinstance(made, str), made
                if "bare" not in results or made > results["bare"]:
                    results["bare"], connections = made, tried
        for client in list(CLIENTS)[1:]:
            python = sys.executable if client == "recipec" else options.peer
            # A slow peer is not waited for longer than it takes to see how slow it is.
            rows = count if client in ("recipec", "aiohttp") else count // 5
            for _ in range(options.runs):
                made = measured(python, client, told, rows, connections)
                if isinstance(made, str):
                    print(f"{name:40} {client:12} {made}")
                    break
                results[client] = max(made, results.get(client, made))
        for client, (rate, processor) in results.items():
            against = f"{results['recipec'][0] / rate:10.1f}x"
            print(f"{name:40} {client:12} {rate:10,.0f} {rate / results['bare'][0]:8.1%} {against:>11} {processor:12.2f}", flush=True)


if __name__ == "__main__":
    main()
