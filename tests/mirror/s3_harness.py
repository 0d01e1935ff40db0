"""A server that speaks S3, on this machine, behind a door that counts, delays and fails."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@cache
def client_of(address: str) -> Any:
    import botocore.session

    return botocore.session.Session().create_client(
        "s3", region_name="us-east-1", endpoint_url=address, aws_access_key_id="key", aws_secret_access_key="secret"
    )


class Bucket:
    """``bucket`` of a moto server; its objects are put and read with botocore, past the door."""

    def __init__(self, inner: str, name: str = "bucket") -> None:
        self.name, self.inner, self.client = name, inner, client_of(inner)
        urllib.request.urlopen(urllib.request.Request(f"{inner}/moto-api/reset", method="POST")).close()
        self.client.create_bucket(Bucket=name)
        self.door = Door(inner)

    def put(self, key: str, body: bytes | str) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=body)

    def keys(self) -> list[str]:
        out: list[str] = []
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name):
            out += [o["Key"] for o in page.get("Contents", [])]
        return out

    def read(self, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return body

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=key)


class Door:
    """Passes requests on to the server; ``before`` may do something first, and answer by returning a status."""

    def __init__(self, inner: str) -> None:
        self.asked: list[tuple[str, str]] = []
        self.before: Callable[[str, str], int | None] = lambda method, path: None
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else b""
                if "chunked" in self.headers.get("Transfer-Encoding", ""):
                    while size := int(self.rfile.readline().split(b";")[0], 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    while self.rfile.readline().strip():
                        pass
                door.asked.append((self.command, self.path))
                status = door.before(self.command, self.path)
                if status is not None:
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                headers = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "transfer-encoding", "content-length")}
                # Without one, urllib would call it a form.
                headers.setdefault("Content-Type", "application/octet-stream")
                request = urllib.request.Request(inner + self.path, data=body or None, headers=headers, method=self.command)
                try:
                    answer = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
                except urllib.error.HTTPError as error:
                    answer = error
                with answer:
                    data = answer.read()
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        if name.lower() not in ("transfer-encoding", "connection", "content-length", "server", "date"):
                            self.send_header(name, value)
                    self.send_header("Content-Length", answer.headers.get("Content-Length") or str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=lambda: self.server.serve_forever(0.02), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def gets(self) -> list[str]:
        """The objects that were read, one entry a request."""
        return [
            p.partition("?")[0].removeprefix("/bucket/") for m, p in self.asked if m == "GET" and "list-type" not in p and p.count("/") > 1
        ]

    def puts(self) -> list[str]:
        return [p.partition("?")[0].removeprefix("/bucket/") for m, p in self.asked if m == "PUT"]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def wait(until: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not until() and time.monotonic() < end:
        time.sleep(0.02)
