"""One request to a web server, bounded in time and size, and kept from addresses that the recipe does not name.

A page, a sitemap or a redirect may name any address, also one of the network that this machine stands in. Those are asked only where the
recipe itself names their host; the address that is checked is the one that is connected to, so a name cannot mean another in between.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import urllib.request
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from recipec.mirror._address import sendable


class Failed(Exception):
    """Why there is no page. ``again``: it may be there another time. ``silent``: the server did not answer at all."""

    def __init__(self, why: str, *, again: bool = False, silent: bool = False, wait: float | None = None) -> None:
        super().__init__(why)
        self.why, self.again, self.silent, self.wait = why, again, silent, wait


@dataclass(frozen=True)
class Reply:
    """An answer. ``head`` are its header lines as they came, ``body`` its bytes as they were sent, put together where they came in chunks."""

    status: int
    reason: str
    head: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        return next((v.strip() for n, v in self.head if n.lower() == name), "")

    def plain(self, limit: int) -> bytes:
        """The body unpacked. Raises Failed where it is longer than ``limit``."""
        if self.header("content-encoding").lower() not in ("gzip", "x-gzip") and self.body[:2] != b"\x1f\x8b":
            return self.body
        unzip = zlib.decompressobj(47)
        try:
            out = unzip.decompress(self.body, limit + 1)
        except zlib.error:
            raise Failed("it cannot be unpacked") from None
        if len(out) > limit:
            raise Failed(f"it is larger than {limit:,} bytes")
        return out


class _Connection(http.client.HTTPConnection):
    """``near`` are the hosts that may be on this machine's own network; ``tls`` is how to encrypt, where that is wanted."""

    def __init__(self, host: str, port: int, timeout: float, near: frozenset[str], tls: ssl.SSLContext | None) -> None:
        super().__init__(host, port, timeout=timeout)
        self.near, self.tls = near, tls

    def connect(self) -> None:
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        places = [f[4] for f in found if self.host.lower() in self.near or is_public(str(f[4][0]))]
        if not places:
            raise Failed(f"{self.host} is on this machine's own network, and the recipe does not name it")
        error: OSError | None = None
        for place in places:
            try:
                self.sock = socket.create_connection((str(place[0]), self.port), self.timeout)
                break
            except OSError as own:
                error = own
        else:
            assert error is not None
            raise error
        if self._tunnel_host:  # type: ignore[attr-defined]
            self._tunnel()  # type: ignore[attr-defined]
        if self.tls is not None:
            self.sock = self.tls.wrap_socket(self.sock, server_hostname=self._tunnel_host or self.host)  # type: ignore[attr-defined]


def is_public(address: str) -> bool:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_global and not found.is_multicast


_TLS: list[ssl.SSLContext] = []


def tls() -> ssl.SSLContext:
    if not _TLS:
        _TLS.append(ssl.create_default_context())
    return _TLS[0]


def get(url: str, headers: Mapping[str, str], *, limit: int, seconds: float, near: frozenset[str]) -> Reply:
    """GET, without following anything. Raises Failed."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode() if not (parts.hostname or "").isascii() else parts.hostname or ""
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
    except (ValueError, UnicodeError):
        raise Failed("it is no address of the web") from None
    if parts.scheme not in ("http", "https") or not host:
        raise Failed("it is no address of the web")
    path = urlunsplit(("", "", sendable(parts.path) or "/", sendable(parts.query), ""))
    proxy = urllib.request.getproxies().get(parts.scheme) if not urllib.request.proxy_bypass(host) else None
    if proxy:
        to = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        if not is_public(host) and host.replace(".", "").isdigit() and host not in near:
            raise Failed(f"{host} is on this machine's own network, and the recipe does not name it")
        connection = _Connection(to.hostname or "", to.port or 80, seconds, near | {to.hostname or ""}, tls() if secure else None)
        if secure:
            connection.set_tunnel(host, port)
        else:
            path = url
    else:
        connection = _Connection(host, port, seconds, near, tls() if secure else None)
    shown = host if port == (443 if secure else 80) else f"{host}:{port}"
    end = time.monotonic() + seconds

    def cut() -> None:
        with suppress(OSError, AttributeError):
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    late = Failed(f"it did not come within {seconds:g} s", again=True, silent=True)
    try:
        connection.request("GET", path, headers={"Host": shown, **headers})
        answer = connection.getresponse()
        pieces: list[bytes] = []
        size = 0
        while piece := answer.read1(1 << 16):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise Failed(f"it is larger than {limit:,} bytes")
            if time.monotonic() > end:
                raise late
        length = answer.headers.get("Content-Length", "")
        if length.isdigit() and size < int(length) and "chunked" not in answer.headers.get("Transfer-Encoding", ""):
            raise late if time.monotonic() >= end else Failed("the connection broke in the middle of it", again=True)
        return Reply(answer.status, answer.reason, tuple(answer.headers.items()), b"".join(pieces))
    except http.client.HTTPException as error:
        raise (late if time.monotonic() >= end else Failed(f"the server's answer is broken ({type(error).__name__})", again=True)) from None
    except ssl.SSLCertVerificationError as error:
        raise Failed(f"the server's certificate is not to be trusted: {error.verify_message}") from None
    except TimeoutError:
        raise late from None
    except socket.gaierror:
        raise Failed(f"no host `{host}` is known", again=True, silent=True) from None
    except (OSError, AttributeError) as error:  # the socket may be cut just when it is made
        if time.monotonic() >= end:
            raise late from None
        words: Any = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Failed(f"{host} cannot be reached: {words}", again=True, silent=True) from None
    except (ValueError, UnicodeError):
        raise Failed("it is no address of the web") from None
    finally:
        timer.cancel()
        connection.close()
