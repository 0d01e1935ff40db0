"""HTTP/1.1 over asyncio, as much as asking a model needs: POST, kept connections, TLS, proxies.

Written on :class:`asyncio.Protocol` because the client libraries cost more processor time a request than a local server does
(``tests/benchmarks/llm_client.py`` has the figures), and because nothing of cookies, redirects or streaming is wanted here.
A redirect is an answer like any other and ends in the message that the URL is wrong.
"""

from __future__ import annotations

import asyncio
import zlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    import ssl

MOST_BODY = 256 << 20
MOST_HEAD = 256 << 10
CONNECT_TIMEOUT = 15.0


class TransportError(Exception):
    """No reply. ``sent`` says whether the request may have reached the server (and may be charged)."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply: status, headers by lower-case name, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """What the client needs of HTTP; tests and other libraries can stand in. Used from one event loop."""

    async def post(self, path: str, body: bytes) -> Reply:
        """Send JSON to a path below the base URL. Raises :class:`TransportError`."""
        ...

    def close(self) -> None: ...


class HttpTransport:
    """Connections to one server, kept and used again.

    ``url`` is the base; its user and password become basic authentication unless ``headers`` say otherwise, its query is
    sent with every request. Proxies are those of the environment (``https_proxy``, ``no_proxy`` ...).
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._host = parts.hostname
        self._tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._base = parts.path.rstrip("/") or "/v1"
        self._query = f"?{parts.query}" if parts.query else ""
        self._proxy = _proxy(parts.scheme, parts.hostname)
        self._idle: list[_Connection] = []
        self._all: set[_Connection] = set()
        self._context: ssl.SSLContext | None = None
        name = f"[{self._host}]" if ":" in self._host else self._host
        self._authority = f"{name}:{self._port}"
        lines = {
            "host": name if self._port == (443 if self._tls else 80) else self._authority,
            "content-type": "application/json",
            "accept": "application/json",
            "user-agent": "recipec",
        }
        if parts.username is not None:
            lines["authorization"] = _basic(parts.username, parts.password)
        lines |= {k.lower(): v for k, v in headers.items()}
        origin = ""
        if self._proxy is not None and not self._tls:
            # A plain request goes to the proxy whole, with the server's name in its target.
            origin = f"http://{self._authority}"
            proxy = urlsplit(self._proxy)
            if proxy.username is not None:
                lines["proxy-authorization"] = _basic(proxy.username, proxy.password)
        for name, value in lines.items():
            if any(c in name + value for c in "\r\n\0"):
                raise ValueError(f"the header {name} holds a line break")
        self._head = "".join(f"{k}: {v}\r\n" for k, v in lines.items()).encode("latin-1", "replace")
        self._heads: dict[str, bytes] = {}
        self._origin = origin

    async def post(self, path: str, body: bytes) -> Reply:
        head = self._heads.get(path)
        if head is None:
            target = f"{self._origin}{self._base}{path}{self._query}"
            head = self._heads[path] = b"POST %s HTTP/1.1\r\n%scontent-length: " % (target.encode("ascii"), self._head)
        connection = self._idle.pop() if self._idle else await self._connect()
        try:
            reply = await connection.ask(b"%s%d\r\n\r\n%s" % (head, len(body), body))
        except BaseException:
            connection.close()
            raise
        if connection.open:
            self._idle.append(connection)
        return reply

    def close(self) -> None:
        for connection in list(self._all):
            connection.close()

    async def _connect(self) -> _Connection:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                return await self._open()
        except TimeoutError:
            raise TransportError(f"no connection to {self._authority} within {CONNECT_TIMEOUT:g} s", sent=False) from None
        except OSError as error:
            raise TransportError(f"cannot connect to {self._authority}: {_reason(error)}", sent=False) from None

    async def _open(self) -> _Connection:
        loop = asyncio.get_running_loop()

        def make() -> _Connection:
            return _Connection(self)

        if self._proxy is None:
            _, connection = await loop.create_connection(make, self._host, self._port, ssl=self._tls_context())
            return connection
        proxy = urlsplit(self._proxy)
        transport, connection = await loop.create_connection(make, proxy.hostname or "", proxy.port or 80)
        if self._tls:
            secret = "" if proxy.username is None else f"proxy-authorization: {_basic(proxy.username, proxy.password)}\r\n"
            request = f"CONNECT {self._authority} HTTP/1.1\r\nhost: {self._authority}\r\n{secret}\r\n"
            reply = await connection.ask(request.encode("latin-1"), tunnel=True)
            if reply.status != 200:
                connection.close()
                raise TransportError(f"the proxy {proxy.hostname} answers {reply.status} to a connection to {self._authority}", sent=False)
            context = self._tls_context()
            assert context is not None
            secured = await loop.start_tls(transport, connection, context, server_hostname=self._host)
            assert secured is not None
            connection.connection_made(secured)
        return connection

    def _tls_context(self) -> ssl.SSLContext | None:
        if self._tls and self._context is None:
            import ssl

            self._context = ssl.create_default_context()
        return self._context

    def lost(self, connection: _Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def made(self, connection: _Connection) -> None:
        self._all.add(connection)


class _Connection(asyncio.Protocol):
    """One connection: one request at a time, its reply put together from what comes."""

    def __init__(self, owner: HttpTransport) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Reply] | None = None
        self._tunnel = False
        self._buffer = bytearray()
        self._status = 0
        self._headers: dict[str, str] = {}
        self._in_body = False
        self._length: int | None = None
        self._chunked = False
        self._body = bytearray()
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._owner.made(self)

    async def ask(self, data: bytes, *, tunnel: bool = False) -> Reply:
        if not self.open or self._transport is None:
            raise TransportError("the connection was closed", sent=False)
        self._waiting = asyncio.get_running_loop().create_future()
        self._tunnel = tunnel
        self._buffer.clear()
        self._in_body = False
        self._transport.write(data)
        return await self._waiting

    def close(self) -> None:
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._waiting is None or self._waiting.done():
            self.close()  # A server that talks without being asked.
            return
        self._buffer += data
        try:
            self._parse()
        except ValueError as error:
            self._fail(f"the reply is no HTTP: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        self._owner.lost(self)
        waiting = self._waiting
        if waiting is None or waiting.done():
            return
        if self._in_body and self._length is None and not self._chunked and error is None:
            self._finish(bytes(self._buffer))  # A body without a length ends with its connection.
            return
        where = "in the middle of an answer" if self._in_body or self._buffer else "before an answer"
        self._fail(f"the connection broke {where}{'' if error is None else f': {_reason(error)}'}")

    def _fail(self, message: str) -> None:
        self.open = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(TransportError(message, sent=True))
        if self._transport is not None:
            self._transport.abort()

    def _parse(self) -> None:
        while not self._in_body:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > MOST_HEAD:
                    raise ValueError("headers without an end")
                return
            self._read_head(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
        if self._chunked:
            self._read_chunks()
        elif self._length is not None:
            if len(self._buffer) >= self._length:
                self._finish(bytes(self._buffer[: self._length]))
        elif len(self._buffer) > MOST_BODY:
            raise ValueError("an answer without an end")

    def _read_head(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
            raise ValueError(f"it begins with {first[:40]!r}")
        self._status = int(rest[:3])
        if 100 <= self._status < 200:
            return  # Interim; the real head follows.
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if colon:
                headers[name.strip().lower()] = value.strip()
        self._headers = headers
        self._chunked = headers.get("transfer-encoding", "").lower().endswith("chunked")
        self._length = None
        if (self._tunnel and self._status == 200) or self._status in (204, 304):
            self._length = 0
        elif not self._chunked and "content-length" in headers:
            self._length = int(headers["content-length"])
            if not 0 <= self._length <= MOST_BODY:
                raise ValueError(f"a body of {self._length} bytes")
        if headers.get("connection", "").lower() == "close" or version == "HTTP/1.0":
            self.open = False
        self._in_body = True
        self._body.clear()

    def _read_chunks(self) -> None:
        buffer = self._buffer
        while True:
            line = buffer.find(b"\r\n")
            if line < 0:
                return
            size = int(bytes(buffer[:line]).split(b";")[0], 16)
            if size < 0 or len(self._body) + size > MOST_BODY:
                raise ValueError("a chunk of a wrong size")
            if size == 0:
                # Trailers, if any, end with an empty line.
                if buffer[line : line + 4] == b"\r\n\r\n" or buffer.find(b"\r\n\r\n", line) >= 0:
                    self._finish(bytes(self._body))
                return
            if len(buffer) < line + 2 + size + 2:
                return
            self._body += buffer[line + 2 : line + 2 + size]
            del buffer[: line + 2 + size + 2]

    def _finish(self, body: bytes) -> None:
        encoding = self._headers.get("content-encoding", "identity").lower()
        if encoding in ("gzip", "deflate") and body:
            try:
                body = zlib.decompress(body, zlib.MAX_WBITS | 32)
            except zlib.error as error:
                raise ValueError(f"its {encoding} is broken ({error})") from None
        self._in_body = False
        assert self._waiting is not None
        self._waiting.set_result(Reply(self._status, self._headers, body))
        if not self.open and self._transport is not None:
            self._transport.close()


def _basic(user: str, password: str | None) -> str:
    return "Basic " + b64encode(f"{unquote(user)}:{unquote(password or '')}".encode()).decode()


def _reason(error: BaseException) -> str:
    """A short reason, without the addresses that asyncio puts into its messages."""
    import os

    errno = getattr(error, "errno", None)
    if isinstance(error, OSError) and isinstance(errno, int) and errno > 0 and type(error).__module__ == "builtins":
        return os.strerror(errno).lower()
    return str(error) or type(error).__name__


def _proxy(scheme: str, host: str) -> str | None:
    from urllib.request import getproxies, proxy_bypass

    proxy = getproxies().get(scheme)
    if not proxy or proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
