"""A web server on this machine that misbehaves as told."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Page:
    """What lies at a path. ``cut`` ends the first answers after so many bytes; ``fail`` are statuses given before the page is."""

    body: bytes
    type: str = "text/plain"
    etag: str | None = "auto"
    modified: str | None = None
    ranges: bool = True
    cut: list[int] = field(default_factory=list)
    fail: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    to: str = ""
    wants: str = ""
    chunked: bool = False


class Site:
    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.sent: list[int] = []
        self.answer: Callable[[Any], bool] = lambda handler: False
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                site.serve(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=lambda: self.server.serve_forever(0.02), daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def put(self, path: str, body: bytes | str, **how: Any) -> Page:
        self.pages[path] = Page(body.encode() if isinstance(body, str) else body, **how)
        return self.pages[path]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def paths(self) -> list[str]:
        return [p for p, _ in self.asked]

    def serve(self, h: Any) -> None:
        self.asked.append((h.path, dict(h.headers)))
        page = self.pages.get(h.path)
        h.close_connection = True
        if self.answer(h):
            return
        if page is None:
            return self.status(h, 404)
        if page.wants and h.headers.get("Authorization") != page.wants:
            return self.status(h, 401)
        if page.fail:
            return self.status(h, page.fail.pop(0), page.headers)
        if page.to:
            return self.status(h, 302, {"Location": page.to})
        etag = f'"{hashlib.md5(page.body).hexdigest()}"' if page.etag == "auto" else page.etag
        if etag and h.headers.get("If-None-Match") == etag:
            return self.status(h, 304, {"ETag": etag})
        if page.modified and h.headers.get("If-Modified-Since") == page.modified:
            return self.status(h, 304)
        start = 0
        wanted = h.headers.get("Range")
        if wanted and page.ranges and h.headers.get("If-Range") in (None, etag, page.modified):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(page.body):
                return self.status(h, 416, {"Content-Range": f"bytes */{len(page.body)}"})
        body = page.body[start:]
        h.send_response(206 if start else 200)
        h.send_header("Content-Type", page.type)
        if etag:
            h.send_header("ETag", etag)
        if page.modified:
            h.send_header("Last-Modified", page.modified)
        if start:
            h.send_header("Content-Range", f"bytes {start}-{len(page.body) - 1}/{len(page.body)}")
        if page.chunked:
            h.send_header("Transfer-Encoding", "chunked")
        elif page.length != -1:
            h.send_header("Content-Length", str(page.length if page.length is not None else len(body)))
        for name, value in page.headers.items():
            h.send_header(name, value)
        h.end_headers()
        if page.cut:
            body = body[: page.cut.pop(0)]
        self.sent.append(len(body))
        h.wfile.write(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n" if page.chunked else body)

    @staticmethod
    def status(h: Any, code: int, headers: dict[str, str] | None = None) -> None:
        h.send_response(code)
        for name, value in (headers or {}).items():
            h.send_header(name, value)
        h.send_header("Content-Length", "0")
        h.end_headers()
