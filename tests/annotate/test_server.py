"""Who is served, and who is not."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from recipec.annotate.server import MOST_BYTES, Server


@pytest.fixture
def server(begin: Any, mail: str, serve: Any) -> Iterator[Server]:
    with serve(begin(mail, "topic")) as made:
        yield made


def ask(
    server: Server, path: str, *, method: str = "GET", body: Any = None, token: str | None = "", **headers: str
) -> tuple[int, Any, Any]:
    """(status, headers, object); with the right token unless another, or None, is given."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    sent = {k.replace("_", "-"): v for k, v in headers.items()}
    if token is not None:
        sent["X-Recipec-Token"] = token or server.token
    if body is not None:
        sent.setdefault("Content-Type", "application/json")
    connection.request(method, path, body if body is None or isinstance(body, (str, bytes)) else json.dumps(body), sent)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, answer.headers, json.loads(text) if "json" in answer.headers.get("Content-Type", "") else text


PATHS = [
    ("GET", "/api/state"),
    ("GET", "/api/row?n=0"),
    ("GET", "/api/search?q=a"),
    ("GET", "/api/agreement"),
    ("POST", "/api/answer"),
    ("POST", "/api/undo"),
]


def test_it_listens_to_this_machine_alone(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert len(server.token) >= 32


def test_nothing_without_the_token(server: Server) -> None:
    for method, path in PATHS:
        for token in (None, "x", "Ã©"):
            status, _, found = ask(
                server, path, method=method, body={"n": 0, "answers": ["ham"]} if method == "POST" else None, token=token
            )
            assert (status, list(found)) == (403, ["error"]), (path, token)
    assert server.session.answers.path.read_text() == ""


def test_the_token_counts_in_its_header_only(server: Server) -> None:
    for place in ("?token={}", "?X-Recipec-Token={}", "#{}"):
        assert ask(server, "/api/state" + place.format(server.token), token=None)[0] in (403, 404)
    assert ask(server, "/api/state", token=None, Cookie=f"recipec={server.token}")[0] == 403


def test_other_hosts_and_sites_are_refused(server: Server) -> None:
    for headers in (
        {"Host": "evil.example"}, {"Host": f"evil.example:{server.port}"}, {"Host": "127.0.0.1"}, {"Host": f"127.0.0.1:{server.port + 1}"},
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": f"https://127.0.0.1:{server.port}"}, {"Origin": "http://127.0.0.1"},
        {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"},
    ):  # fmt: skip
        for method, path in [*PATHS, ("GET", "/")]:
            body = {"n": 0, "answers": ["ham"]} if method == "POST" else None
            assert ask(server, path, method=method, body=body, **headers)[0] == 403, (path, headers)
    assert server.session.answers.path.read_text() == ""


def test_the_page_itself_is_served(server: Server) -> None:
    for headers in (
        {},
        {"Host": f"localhost:{server.port}"},
        {"Origin": f"http://127.0.0.1:{server.port}", "Sec_Fetch_Site": "same-origin"},
    ):
        assert ask(server, "/", token=None, **headers)[0] == 200
    status, headers_sent, text = ask(server, "/", token=None)
    assert status == 200
    # No data and no token in it: it is the same page for everybody.
    assert server.token.encode() not in text
    assert text == server.page
    policy = headers_sent["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "Access-Control-Allow-Origin" not in headers_sent
    assert headers_sent["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in headers_sent
    assert b"//" not in text.replace(b"// ", b"").replace(b"//\n", b"")


def test_no_path_is_a_file(server: Server) -> None:
    for path in [
        "/../test.recipe",
        "/%2e%2e/test.recipe",
        "/..%2ftest.recipe",
        "/page.html",
        "/labels/topic.jsonl",
        "/etc/passwd",
        "//etc/passwd",
        "/api",
        "/api/",
        "/api/row/../state",
        "/.git/config",
        "/\\..\\test.recipe",
        "/favicon.ico",
    ]:
        status, _, found = ask(server, path)
        assert (status, found) == (404, {"error": "no such page"}), path


def test_other_methods_and_bodies_are_refused(server: Server) -> None:
    for method in ("PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"):
        assert ask(server, "/api/state", method=method)[0] == 501
    assert ask(server, "/api/answer", method="GET")[0] == 404
    assert ask(server, "/api/answer", method="POST", body='{"n": 0, "answers": ["ham"]}', Content_Type="text/plain")[0] == 415
    assert ask(server, "/api/answer", method="POST", body="n=0&answers=ham", Content_Type="application/x-www-form-urlencoded")[0] == 415
    for body in ("", "[]", "{", "[" * 100_000, b"\xff"):
        assert ask(server, "/api/answer", method="POST", body=body)[0] == 400
    for n in (-1, 99, True, None, "x", 1.5, "1" * 5000, [0]):
        assert ask(server, "/api/answer", method="POST", body={"n": n, "answers": ["ham"]})[0] == 400, n
    assert ask(server, "/api/answer", method="POST", body={"n": 0, "answers": ["\ud800"]})[0] == 400
    assert server.session.answers.path.read_text() == ""


def test_a_request_too_large_is_not_read(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        head = f"POST /api/answer HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nX-Recipec-Token: {server.token}\r\nContent-Type: application/json\r\n"
        raw.sendall(f"{head}Content-Length: {MOST_BYTES + 1}\r\n\r\n".encode())
        assert raw.recv(100).startswith(b"HTTP/1.0 413")


def test_answers_by_request(server: Server) -> None:
    status, headers, found = ask(server, "/api/answer", method="POST", body={"n": 0, "answers": ["ham"]})
    assert (status, found["next"], found["answered"]) == (200, 1, 1)
    assert headers["Cache-Control"] == "no-store"
    assert '"answer": "ham"' in server.session.answers.path.read_text()
    assert ask(server, "/api/undo", method="POST", body={})[2]["undone"] == 0
    assert ask(server, "/api/undo", method="POST", body={})[0] == 400


def test_what_cannot_be_written_is_said(server: Server) -> None:
    server.session.answers.path.write_text("<<<<<<< HEAD\n")
    status, _, found = ask(server, "/api/answer", method="POST", body={"n": 0, "answers": ["ham"]})
    assert status == 409
    assert "git left a conflict here" in found["error"]
    assert server.session.answers.path.read_text() == "<<<<<<< HEAD\n"
