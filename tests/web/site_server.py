"""A web site on this machine that counts what is asked of it."""

from __future__ import annotations

import gzip
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

Page = tuple[int, dict[str, str], bytes]

ENGLISH = (
    "The harbour was closed for three days because of the storm, and no ship could leave. On the fourth day the wind turned, "
    "and the pilots went out at dawn to bring in the vessels that had been waiting beyond the bar since Sunday evening."
)
CHINESE = "暴风雨来临，港口关闭了三天，没有一艘船能够离开。第四天风向转了，领航员在黎明时分出海，把从星期天晚上起就一直等候在沙洲外的船只带进港来。码头上的工人们从早到晚忙个不停，终于在天黑以前卸完了所有的货物。"


def article(n: int | str, text: str = ENGLISH, title: str = "", charset: str = "utf-8", head: str = "") -> bytes:
    """A page as sites make them: menus and notices around a text."""
    name = title or f"Report {n}"
    menu = "".join(f'<li><a href="/s/{i}">Section {i}</a></li>' for i in range(12))
    return f"""<!DOCTYPE html><html lang="en"><head><meta charset="{charset}"><title>{name} | The Harbour Post</title>
<meta property="og:site_name" content="The Harbour Post"><meta name="author" content="Ada Pilot">
<meta property="article:published_time" content="2024-03-05T08:00:00Z">{head}</head><body>
<header><nav><ul>{menu}</ul></nav></header><div class="cookie-banner">We use cookies to improve your experience. Accept all.</div>
<main><article><h1>{name}</h1><p>{text}</p><p>{text} ({n})</p></article></main>
<aside><h3>Related</h3><ul>{menu}</ul></aside><footer>Copyright 2024. All rights reserved. Privacy policy.</footer></body></html>""".encode(
        charset, "replace"
    )


class Site:
    def __init__(self) -> None:
        self.pages: dict[str, Page | Callable[[BaseHTTPRequestHandler], None]] = {}
        self.asked: Counter[str] = Counter()
        self.times: list[tuple[str, float]] = []
        self.lock = threading.Lock()
        self.headers: dict[str, dict[str, str]] = {}
        self.wait = 0.0
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version: ClassVar[str] = "HTTP/1.1"  # type: ignore[misc]

            def do_GET(self) -> None:
                with site.lock:
                    site.asked[self.path] += 1
                    site.times.append((self.path, time.monotonic()))
                    site.headers[self.path] = dict(self.headers)
                if site.wait:
                    time.sleep(site.wait)
                found = site.pages.get(self.path, (404, {}, b"nothing here"))
                if callable(found):
                    self.close_connection = True
                    return found(self)
                status, headers, body = found
                tag = headers.get("ETag")
                if tag and self.headers.get("If-None-Match") == tag:
                    status, body = 304, b""
                self.send_response(status)
                for name, value in ({"Content-Type": "text/html; charset=utf-8"} | headers).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                return

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def put(self, path: str, body: bytes, status: int = 200, **headers: str) -> str:
        self.pages[path] = (status, {n.replace("_", "-"): v for n, v in headers.items()}, body)
        return self.url + path

    def sitemap(self, path: str, urls: list[str], packed: bool = False, changed: str = "") -> str:
        mod = f"<lastmod>{changed}</lastmod>" if changed else ""
        body = "".join(f"<url><loc>{u}</loc>{mod}</url>" for u in urls)
        raw = f'<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{body}</urlset>'.encode()
        return self.put(path, gzip.compress(raw) if packed else raw, Content_Type="application/xml")


@contextmanager
def served() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.server.shutdown()
        site.server.server_close()
