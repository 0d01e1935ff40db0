"""HTTP: whatever pieces a reply comes in, replies that are none, TLS, and proxies."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from recipec.models.transport import HttpTransport, Reply, TransportError

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next((int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length")), 0)
    return head, await reader.readexactly(length)


def replying(*pieces: bytes, heads: list[str] | None = None, end: bool = False) -> Handler:
    """Every request is answered with these pieces, each in a packet of its own."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head, _ = await read_request(reader)
                if heads is not None:
                    heads.append(head)
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if end:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return handle


async def ended(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


@contextmanager
def listening(handler: Handler, context: ssl.SSLContext | None = None) -> Iterator[int]:
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(handler, "127.0.0.1", 0, ssl=context), loop).result()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(ended(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def post(url: str, times: int = 1, headers: dict[str, str] | None = None) -> list[Reply]:
    async def ask() -> list[Reply]:
        transport = HttpTransport(url, headers or {})
        try:
            async with asyncio.timeout(5):
                return [await transport.post("/chat/completions", b'{"a":1}') for _ in range(times)]
        finally:
            transport.close()
            await asyncio.sleep(0)

    return asyncio.run(ask())


def whole(body: bytes = b"hello", head: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\n%scontent-length: %d\r\n\r\n%s" % (head, len(body), body)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n"


@pytest.mark.parametrize(
    "reply",
    [
        whole(),
        CHUNKED + b"\r\n",
        CHUNKED + b"trailer: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + whole(),
        whole(gzip.compress(b"hello", mtime=0), b"Content-Encoding: gzip\r\n"),
    ],
)
def test_a_reply_in_any_pieces(reply: bytes) -> None:
    for size in (1, 2, 7, len(reply)):
        with listening(replying(*(reply[at : at + size] for at in range(0, len(reply), size)))) as port:
            assert [r.body for r in post(f"http://127.0.0.1:{port}/v1", 3)] == [b"hello"] * 3


def test_a_body_that_ends_with_its_connection() -> None:
    with listening(replying(b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo", end=True)) as port:
        assert [r.body for r in post(f"http://127.0.0.1:{port}/v1", 2)] == [b"hello"] * 2


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -3\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "no HTTP"),
        (whole(b"not gzip", b"content-encoding: gzip\r\n"), "its gzip is broken"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhel", "in the middle of an answer"),
        (CHUNKED, "in the middle of an answer"),
        (b"", "before an answer"),
        (b"a" * 300_000, "no HTTP"),
    ],
)
def test_what_is_no_reply(reply: bytes, message: str) -> None:
    with listening(replying(reply, end=True)) as port, pytest.raises(TransportError, match=message) as raised:
        post(f"http://127.0.0.1:{port}/v1")
    assert raised.value.sent


def test_what_is_sent() -> None:
    heads: list[str] = []
    with listening(replying(whole(), heads=heads)) as port:
        post(f"http://me:p%40ss@127.0.0.1:{port}/base/?version=3")
        post(f"http://127.0.0.1:{port}", headers={"Authorization": "Bearer k", "api-key": "z"})
    assert heads[0].splitlines()[0] == "POST /base/chat/completions?version=3 HTTP/1.1"
    assert "authorization: Basic bWU6cEBzcw==" in heads[0]
    assert heads[1].splitlines()[0] == "POST /v1/chat/completions HTTP/1.1"
    assert "authorization: Bearer k\r\n" in heads[1]
    assert "api-key: z\r\n" in heads[1]
    with pytest.raises(ValueError, match="line break"):
        HttpTransport("http://h/v1", {"authorization": "Bearer k\r\nx: y"})


def test_a_plain_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[str] = []
    with listening(replying(whole(), heads=heads)) as port:
        monkeypatch.setenv("http_proxy", f"http://u:p@127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        assert post("http://far.example/v1")[0].body == b"hello"
    assert heads[0].splitlines()[0] == "POST http://far.example:80/v1/chat/completions HTTP/1.1"
    assert "proxy-authorization: Basic dTpw" in heads[0]
    assert "host: far.example\r\n" in heads[0]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
    ]
    try:
        subprocess.run([*command, "-keyout", path / "key.pem", "-out", path / "cert.pem"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("openssl makes no certificate here")
    return path


def secured(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


def test_tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(replying(whole()), secured(certificate)) as port:
        with pytest.raises(TransportError, match=r"(?i)certificate") as raised:
            post(f"https://localhost:{port}/v1")
        assert not raised.value.sent
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
        assert [r.body for r in post(f"https://localhost:{port}/v1", 2)] == [b"hello"] * 2


def test_tls_through_a_proxy(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[str] = []

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, _ = await read_request(reader)
        heads.append(head)
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(1000):
                target.write(data)
            target.close()

        await asyncio.gather(copy(reader, back), copy(there, writer), return_exceptions=True)

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    monkeypatch.delenv("no_proxy", raising=False)
    with listening(replying(whole()), secured(certificate)) as port, listening(tunnel) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy}")
        monkeypatch.setattr("urllib.request.proxy_bypass", lambda host: False)
        assert [r.body for r in post(f"https://localhost:{port}/v1", 2)] == [b"hello"] * 2
        assert heads[0].splitlines()[0] == f"CONNECT localhost:{port} HTTP/1.1"
    with listening(replying(b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n")) as refusing:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{refusing}")
        with pytest.raises(TransportError, match=r"the proxy 127.0.0.1 answers 407"):
            post("https://localhost:1/v1")
