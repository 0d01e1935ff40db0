"""A server that answers as the Hugging Face hub's documentation says, as far as data sets are concerned."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


class Repo:
    def __init__(self, private: bool = False) -> None:
        self.private = private
        self.commits: list[tuple[str, dict[str, bytes]]] = []
        self.commit({})

    def commit(self, files: dict[str, bytes]) -> str:
        sha = hashlib.sha1(json.dumps([len(self.commits), *sorted(files)]).encode() + b"".join(files.values())).hexdigest()
        self.commits.append((sha, dict(files)))
        return sha

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[-1][1]

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        if revision == "main":
            return self.commits[-1]
        return next(((sha, files) for sha, files in self.commits if sha == revision), None)


class Hub:
    """``repos`` by name. Files of 1,000 bytes and more lie on another host's address, as large files do."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.large: dict[str, bytes] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        self.token = ""
        self.page = 2
        self.fail: dict[str, int] = {}
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else b""
                if "chunked" in self.headers.get("Transfer-Encoding", ""):
                    while size := int(self.rfile.readline().split(b";")[0], 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                parts = urlsplit(self.path)
                hub.asked.append((self.command, unquote(parts.path), self.headers.get("Authorization")))
                status, answer, headers = hub.answer(self, unquote(parts.path), parts.query, body)
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_HEAD = any

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=lambda: self.server.serve_forever(0.02), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.elsewhere = f"http://localhost:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def read(self) -> list[str]:
        """The files whose contents were sent."""
        return [path.split("/resolve/")[1].partition("/")[2] for method, path, _ in self.asked if method == "GET" and "/resolve/" in path]

    def answer(self, h: Any, path: str, query: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        for part, status in self.fail.items():
            if part in path:
                return status, {"error": "as told"}, {}
        words = path.strip("/").split("/")
        if words[0] == "large":
            if h.command == "PUT":
                assert hashlib.sha256(body).hexdigest() == words[1]
                self.large[words[1]] = body
                return 200, b"", {}
            return 200, self.large[words[1]], {"Content-Type": "application/octet-stream", "ETag": f'"{words[1]}"'}
        allowed = not self.token or h.headers.get("Authorization") == f"Bearer {self.token}"
        if path == "/api/repos/create":
            if not allowed:
                return 401, {"error": "unauthorized"}, {}
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            if name in self.repos:
                return 409, {"error": "exists", "url": f"{self.url}/datasets/{name}"}, {}
            self.repos[name] = Repo(bool(asked.get("private")) or asked.get("visibility") == "private")
            return 200, {"url": f"{self.url}/datasets/{name}", "name": name}, {}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}, {}
        if path.endswith("/objects/batch"):
            made = []
            for item in json.loads(body)["objects"]:
                known = item["oid"] in self.large
                made.append({**item, **({} if known else {"actions": {"upload": {"href": f"{self.url}/large/{item['oid']}"}}})})
            return 200, {"transfer": "basic", "objects": made}, {}
        at = words.index("datasets") + 1 if "datasets" in words else 0
        name = "/".join(words[at : at + 2])
        repo = self.repos.get(name)
        if repo is None or (repo.private and not allowed):
            return 401, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        match words[at + 2 :]:
            case []:
                sha, files = repo.commits[-1]
                return 200, {"id": name, "sha": sha, "private": repo.private, "siblings": [{"rfilename": f} for f in files]}, {}
            case ["revision", revision]:
                found = repo.at(revision)
                if found is None:
                    return 404, {"error": "Revision not found"}, {"X-Error-Code": "RevisionNotFound"}
                return 200, {"id": name, "sha": found[0], "private": repo.private, "siblings": [{"rfilename": f} for f in found[1]]}, {}
            case ["tree", revision]:
                found = repo.at(revision)
                assert found is not None
                begin = int(query.partition("cursor=")[2] or 0)
                listed = sorted(found[1])[begin : begin + self.page]
                headers = (
                    {"Link": f'<{self.url}{path}?recursive=true&cursor={begin + self.page}>; rel="next"'}
                    if begin + self.page < len(found[1])
                    else {}
                )
                return 200, [self.entry(f, found[1][f]) for f in listed], headers
            case ["resolve", revision, *rest]:
                found = repo.at(revision)
                data = found[1].get("/".join(rest)) if found is not None else None
                if data is None:
                    return 404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"}
                if len(data) >= 1000:
                    oid = hashlib.sha256(data).hexdigest()
                    self.large[oid] = data
                    return 302, b"", {"Location": f"{self.elsewhere}/large/{oid}?X-Amz-Signature=secret"}
                return 200, data, {"Content-Type": "text/plain", "ETag": f'"{hashlib.sha1(data).hexdigest()}"'}
            case ["preupload", _]:
                asked = json.loads(body)["files"]
                return (
                    200,
                    {
                        "files": [
                            {"path": f["path"], "uploadMode": "lfs" if f["size"] >= 1000 else "regular", "shouldIgnore": False, "oid": None}
                            for f in asked
                        ]
                    },
                    {},
                )
            case ["commit", _]:
                if not allowed:
                    return 403, {"error": "forbidden"}, {}
                return 200, self.committed(repo, body, name), {}
        return 404, {"error": f"not modelled: {path}"}, {}

    @staticmethod
    def entry(path: str, data: bytes) -> dict[str, Any]:
        git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        large = {"lfs": {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}} if len(data) >= 1000 else {}
        return {"type": "file", "path": path, "size": len(data), "oid": git, **large}

    def committed(self, repo: Repo, body: bytes, name: str) -> dict[str, Any]:
        files = dict(repo.files)
        for line in body.splitlines():
            item = json.loads(line)
            value = item["value"]
            match item["key"]:
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.large[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        sha = repo.commit(files)
        return {"success": True, "commitOid": sha, "commitUrl": f"{self.url}/datasets/{name}/commit/{sha}", "hookOutput": ""}
