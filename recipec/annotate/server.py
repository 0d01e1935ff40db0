"""The page's server: this machine only, one person, no files but the page.

What keeps others out: it listens on 127.0.0.1; the address that is printed holds a token after ``#``, which browsers send to
nobody, and every request for data must carry it in a header of its own, which no other site's page can set without leave; a
request that names another host (DNS rebinding), comes from another origin, or is said by the browser to be another site's is
refused. There is no cookie, so no site can use the browser's. The page's policy lets only its own two blocks of style and script
run, by their digests, so that markup in data would be inert even if it were shown as such; it is shown as text. No path is a
file's name.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, urlsplit

from recipec.annotate.session import Refused, Session
from recipec.api import DataError

MOST_BYTES = 1 << 20
"""Of a request."""
HEADER = "X-Recipec-Token"


class Server(ThreadingHTTPServer):
    """Serves one session on 127.0.0.1. ``port`` 0 takes a free one."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, session: Session, port: int = 0) -> None:
        self.session = session
        self.token = token_urlsafe(24)
        self.page = files("recipec.annotate").joinpath("page.html").read_bytes()
        self.policy = policy(self.page.decode())
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def address(self) -> str:
        """What to open; the part after ``#`` is the token."""
        return f"http://127.0.0.1:{self.port}/#{self.token}"

    @property
    def hosts(self) -> tuple[str, ...]:
        return (f"127.0.0.1:{self.port}", f"localhost:{self.port}")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away in the middle is no news."""


def policy(page: str) -> str:
    """The page's Content-Security-Policy: nothing but its own script, style and requests to this server."""

    def digests(tag: str) -> str:
        return " ".join(
            f"'sha256-{b64encode(sha256(body.encode()).digest()).decode()}'" for body in re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
        )

    return (
        f"default-src 'none'; script-src {digests('script')}; style-src {digests('style')}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.0"
    # A connection for each request: on one machine it costs nothing, and when the server ends nobody is served still.
    server_version, sys_version = "recipec", ""
    timeout = 60

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        query = {k: v[0] for k, v in parse_qs(asked.query).items()}
        session = self.server.session
        match asked.path:
            case "/" if self.allowed(token=False):
                self.send(200, self.server.page, "text/html; charset=utf-8", {"Content-Security-Policy": self.server.policy})
            case "/":
                pass
            case "/api/state":
                self.told(session.state)
            case "/api/row":
                self.told(lambda: session.row(whole(query.get("n"))))
            case "/api/search":
                self.told(lambda: session.search(query.get("q", "")))
            case "/api/agreement":
                self.told(session.agreement)
            case _:
                self.refuse(404, "no such page")

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        session = self.server.session
        match path:
            case "/api/answer":
                self.told(lambda given: session.answer(whole(given.get("n")), given), body=True)
            case "/api/undo":
                self.told(lambda given: session.undo(), body=True)
            case _:
                self.refuse(404, "no such page")

    # Who may

    def allowed(self, *, token: bool) -> bool:
        """Whether to answer; else it is refused already."""
        headers, hosts = self.headers, self.server.hosts
        foreign = headers.get("Origin") is not None and headers["Origin"].lower() not in [f"http://{h}" for h in hosts]
        if (headers.get("Host") or "").lower() not in hosts:
            self.refuse(403, "this server is for 127.0.0.1")
        elif foreign or headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            self.refuse(403, "a request from another site")
        elif token and not compare_digest((headers.get(HEADER) or "").encode("utf-8", "replace"), self.server.token.encode()):
            self.refuse(403, "the token is missing or wrong: open the address that recipec annotate printed")
        else:
            return True
        return False

    # Answering

    def told(self, make: Callable[..., dict[str, Any]], *, body: bool = False) -> None:
        """Answer with what ``make`` gives; it gets the request's object where there is one."""
        if not self.allowed(token=True):
            return
        try:
            if body:
                given = self.given()
                if given is None:
                    return
                made = make(given)
            else:
                made = make()
        except Refused as problem:
            self.refuse(400, str(problem))
        except DataError as problem:
            self.refuse(409, f"{problem.message}. {problem.help}" if problem.help else problem.message)
        except OSError as problem:
            self.refuse(500, f"{problem.filename or 'the file'}: {problem.strerror or problem}")
        else:
            self.send(200, json.dumps(made, ensure_ascii=False).encode("utf-8", "replace"), "application/json; charset=utf-8")

    def given(self) -> dict[str, Any] | None:
        """The request's object; None after refusing."""
        if (self.headers.get("Content-Type") or "").split(";")[0].strip().lower() != "application/json":
            self.refuse(415, "application/json is wanted")
            return None
        length = self.headers.get("Content-Length") or ""
        if not (length.isascii() and length.isdigit()) or int(length) > MOST_BYTES:
            self.refuse(413, f"at most {MOST_BYTES:,} bytes, and said how many")
            return None
        try:
            found = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            self.refuse(400, "not a JSON object")
            return None
        return found

    def refuse(self, status: int, why: str) -> None:
        self.send(status, json.dumps({"error": why}, ensure_ascii=False).encode("utf-8", "replace"), "application/json; charset=utf-8")

    def send(self, status: int, body: bytes, type: str, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": type, "Content-Length": str(len(body)), "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin", **(more or {}),
        }  # fmt: skip
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal is for people."""


def whole(value: object) -> int:
    if isinstance(value, bool) or not (
        isinstance(value, int) or (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12)
    ):
        raise Refused("`n` must be a row's number")
    return int(value)
