"""One question to an HTTP server, and its answer: redirects, proxies, who asks, and failures in words."""

from __future__ import annotations

import base64
import http.client
import netrc
import os
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import IO, Any
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from recipec.api import DataError
from recipec.mirror._address import sendable, shown, token_variable
from recipec.mirror._base import NoEntry

TIMEOUT = 30.0
"""Seconds without a byte after which a server is given up."""
REDIRECTS = 10
REDIRECT = frozenset({301, 302, 303, 307, 308})
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may be others in a moment."""
NEAR = re.compile(r"^(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$")


class Passing(Exception):
    """A failure that may pass: ``error`` says it in words, ``wait`` how many seconds the server asks for (None: it does not say)."""

    def __init__(self, error: DataError, wait: float | None = None) -> None:
        super().__init__(error.message)
        self.error, self.wait = error, wait


@dataclass
class Answer:
    """``address`` is where the last redirect led. Close ``body``."""

    status: int
    headers: Any
    body: IO[bytes]
    address: str

    def header(self, name: str) -> str:
        return (self.headers.get(name) or "").strip()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are followed one by one, above: each host gets only what is its own."""

    def redirect_request(self, *_: Any) -> None:
        return None


def opener() -> urllib.request.OpenerDirector:
    """What opens addresses of the web, through the proxies that the environment names."""
    made = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPErrorProcessor,
        _NoRedirect,
        urllib.request.HTTPDefaultErrorHandler,
    ):
        made.add_handler(handler())
    return made


def ask(
    address: str,
    headers: Mapping[str, str],
    passes: Callable[[str], str | None] | None = None,
    explain: Callable[[int], DataError | None] = lambda status: None,
) -> Answer:
    """GET, through the proxies that the environment names. Answers are of the statuses 2xx, 304 and 416; others are errors: DataError, or
    :class:`Passing` where it may help to ask again. ``passes`` says who asks, for each address on the way (:func:`authorization`);
    ``explain`` what a status means where that is known better."""
    from recipec import __version__

    here = address
    for _ in range(REDIRECTS + 1):
        parts = urlsplit(here)
        host = parts.netloc.rpartition("@")[2]
        url = urlunsplit(
            (
                parts.scheme,
                host.encode("idna").decode() if not host.isascii() else host,
                sendable(parts.path) or "/",
                sendable(parts.query),
                "",
            )
        )
        sent = {"User-Agent": f"recipec/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity", **headers}
        if (pass_ := (passes or authorization)(here)) is not None:
            sent["Authorization"] = pass_
        try:
            found = opener().open(urllib.request.Request(url, headers=sent), timeout=TIMEOUT)
            return Answer(found.status, found.headers, found, here)
        except urllib.error.HTTPError as error:
            if error.code in (304, 416):
                return Answer(error.code, error.headers, error, here)
            if error.code not in REDIRECT:
                with error:
                    raise explain(error.code) or refused(error, address, here) from None
            with error:
                there = urljoin(here, error.headers.get("Location") or "")
        except (OSError, http.client.HTTPException) as error:
            raise unreachable(error, address) from None
        if urlsplit(there).scheme not in ("http", "https") or not urlsplit(there).netloc:
            raise DataError(f"{shown(address)} leads on to {shown(there) or 'nowhere'}, which is no address of the web")
        if parts.scheme == "https" and urlsplit(there).scheme == "http":
            raise DataError(
                f"{shown(address)} leads on to {shown(there)}, which is not encrypted", "name the address that it should be read from"
            )
        here = there
    raise DataError(f"{shown(address)} leads on and on ({REDIRECTS} redirects)", "look at it in a browser: is a login needed?")


def authorization(address: str) -> str | None:
    """Who asks, for a host: user and password of the address, a token from ``RECIPEC_TOKEN_<HOST>``, or what ``.netrc`` has. A token is sent
    encrypted or to this machine only."""
    parts = urlsplit(address)
    if parts.username is not None:
        return basic(unquote(parts.username), unquote(parts.password or ""))
    host = parts.hostname or ""
    token = os.environ.get(token_variable(host))
    if token and (parts.scheme == "https" or NEAR.match(host)):
        return f"Bearer {token}"
    try:
        found = netrc.netrc(os.environ.get("NETRC")).authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return None
    return basic(found[0], found[2] or "") if found is not None else None


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def refused(error: urllib.error.HTTPError, address: str, here: str) -> Exception:
    """A status that is no answer, in words."""
    host = urlsplit(here).hostname or ""
    name = shown(address) + (f" (at {host})" if host != urlsplit(address).hostname else "")
    token = token_variable(host)
    match error.code:
        case 401 | 407:
            return DataError(f"{name} wants to know who asks (401)", f"give a token in the variable {token}, or put the host into ~/.netrc")
        case 403:
            return DataError(
                f"{name} may not be read (403: forbidden)",
                f"has a signed address expired? A token goes into the variable {token} or ~/.netrc",
            )
        case 404 | 410:
            return DataError(f"there is no {name} ({error.code})", "is the address right? Look at it in a browser")
    made = DataError(f"{name} answered {error.code} {error.reason}".strip(), "try again later")
    return Passing(made, retry_after(error.headers.get("Retry-After"))) if error.code in PASSING else made


def retry_after(text: str | None) -> float | None:
    """Seconds, of a ``Retry-After`` that gives seconds or a date."""
    if not text:
        return None
    if text.strip().isdigit():
        return float(text)
    import datetime

    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.datetime.now(datetime.UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def unreachable(error: Exception, address: str) -> Exception:
    """Why there is no answer, in words."""
    name, host = shown(address), urlsplit(address).hostname or ""
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DataError(
            f"{name}: the server's certificate is not to be trusted: {reason.verify_message}",
            "is this the right host, and this machine's clock right?",
        )
    if isinstance(reason, ssl.SSLError):
        return DataError(f"{name}: no encrypted connection: {reason.reason or reason}", "does the server speak https at this port?")
    if isinstance(reason, socket.gaierror):
        return Passing(NoEntry(f"{name}: no host `{host}` is known", "is the name right, and this machine on the network?"))
    if isinstance(reason, TimeoutError):
        return Passing(DataError(f"{name}: the server said nothing for {TIMEOUT:.0f} s", "try again later"))
    if isinstance(reason, http.client.InvalidURL):
        return DataError(f"{name} is no address: {reason}")
    if isinstance(reason, ConnectionRefusedError):
        return Passing(
            NoEntry(f"{name} cannot be reached: nothing listens there (connection refused)", "is the address right, and the server up?")
        )
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return Passing(DataError(f"{name} cannot be reached: {words}", "is the address right, and the server up?"))
