"""An editor in small: starts ``recipec lsp`` as a process and speaks with it over its standard input and output."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 20.0
"""Seconds to wait for any one answer."""


class Client:
    """One session. ``root`` is the workspace's folder; ``program`` and ``environment`` are for servers that are watched."""

    def __init__(
        self,
        root: Path,
        program: Sequence[str] = (sys.executable, "-m", "recipec"),
        environment: Mapping[str, str] | None = None,
        **general: Any,
    ) -> None:
        self.root = root
        command = [*program, "lsp", "--stdio"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=root, env=environment
        )
        self.number = 0
        self.texts: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.inbox: queue.Queue[Any] = queue.Queue()
        self.kept: list[Any] = []
        threading.Thread(target=self.listen, daemon=True).start()
        capabilities = {"general": general, "workspace": {"workspaceFolders": True}}
        folders = [{"uri": root.as_uri(), "name": "work"}]
        self.abilities = self.ask("initialize", processId=None, rootUri=root.as_uri(), capabilities=capabilities, workspaceFolders=folders)[
            "capabilities"
        ]
        self.tell("initialized")

    # The wire

    def listen(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while header := stream.readline():
            length = 0
            while header.strip():
                name, _, value = header.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
                header = stream.readline()
            self.inbox.put(json.loads(stream.read(length)))
        self.inbox.put(None)

    def send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        stream = self.process.stdin
        assert stream is not None
        stream.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        stream.flush()

    def tell(self, method: str, **params: Any) -> None:
        self.send({"method": method, "params": params})

    def wait(self, wanted: Any) -> Any:
        """The first message, kept or yet to come, for which ``wanted`` is true."""
        for number, message in enumerate(self.kept):
            if wanted(message):
                return self.kept.pop(number)
        while True:
            message = self.inbox.get(timeout=PATIENCE)
            if message is None:
                assert self.process.stderr is not None
                raise AssertionError(f"the server is gone: {self.process.stderr.read().decode()}")
            if wanted(message):
                return message
            self.kept.append(message)

    def ask(self, method: str, **params: Any) -> Any:
        """The result of a request; raises AssertionError with the server's words when it refuses."""
        self.number += 1
        number = self.number
        self.send({"id": number, "method": method, "params": params or None})
        answer = self.wait(lambda m: m.get("id") == number and "method" not in m)
        if "error" in answer:
            raise AssertionError(answer["error"]["message"])
        return answer["result"]

    # An editor's acts

    def uri(self, name: str) -> str:
        return (self.root / name).as_uri()

    def open(self, name: str, text: str | None = None) -> list[Any]:
        """Open a file and return its first findings."""
        path = self.root / name
        self.texts[name] = path.read_text(encoding="utf-8") if text is None else text
        self.versions[name] = 1
        document = {"uri": self.uri(name), "languageId": "recipe", "version": 1, "text": self.texts[name]}
        self.tell("textDocument/didOpen", textDocument=document)
        return self.findings(name)

    def change(self, name: str, old: str, new: str) -> None:
        """Type ``new`` in the place of ``old``, which stands in the text once."""
        text = self.texts[name]
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        at = text.index(old)
        where = {"start": place(text, at), "end": place(text, at + len(old))}
        self.texts[name] = text[:at] + new + text[at + len(old) :]
        self.versions[name] += 1
        document = {"uri": self.uri(name), "version": self.versions[name]}
        self.tell("textDocument/didChange", textDocument=document, contentChanges=[{"range": where, "text": new}])

    def edit(self, name: str, old: str, new: str) -> list[Any]:
        """Type, and return the findings of the new text."""
        self.change(name, old, new)
        return self.findings(name)

    def findings(self, name: str) -> list[Any]:
        version = self.versions[name]

        def fits(message: Any) -> bool:
            params = message.get("params") or {}
            published = message.get("method") == "textDocument/publishDiagnostics"
            return bool(published and params["uri"] == self.uri(name) and params.get("version") == version)

        # Errors alone: lints look only when the person has paused, so they may be there or not.
        return [d for d in self.wait(fits)["params"]["diagnostics"] if d["severity"] == 1]

    def at(self, name: str, words: str) -> dict[str, Any]:
        """The parameters that name a place: where ``|`` stands in ``words``, a piece of the text that is there once."""
        before, _, after = words.partition("|")
        text = self.texts[name]
        assert text.count(before + after) == 1, f"{before + after!r} stands {text.count(before + after)} times in {name}"
        return {"textDocument": {"uri": self.uri(name)}, "position": place(text, text.index(before + after) + len(before))}

    def applied(self, name: str, edits: list[Any]) -> str:
        return applied(self.texts[name], edits)

    def close(self) -> int:
        """Say goodbye; the exit status of the server."""
        self.ask("shutdown")
        self.send({"method": "exit"})
        return self.process.wait(timeout=PATIENCE)


def place(text: str, offset: int) -> dict[str, int]:
    """A position as editors count: lines and UTF-16 units, from zero."""
    line = text.count("\n", 0, offset)
    return {"line": line, "character": len(text[text.rfind("\n", 0, offset) + 1 : offset].encode("utf-16-le")) // 2}


def applied(text: str, edits: list[Any]) -> str:
    """A text with the edits of an answer, whose places all mean the text as it is."""
    lines = [0]
    for line in text.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))

    def offset(position: Any) -> int:
        start = lines[position["line"]]
        units = text[start:].encode("utf-16-le")[: 2 * position["character"]]
        return start + len(units.decode("utf-16-le"))

    ordered = sorted(edits, key=lambda e: offset(e["range"]["start"]), reverse=True)
    for edit in ordered:
        text = text[: offset(edit["range"]["start"])] + edit["newText"] + text[offset(edit["range"]["end"]) :]
    return text


SHOP = '''# 一间小店 🏕 of messages
recipe "shop" { version: "1.0.0"  seed: 7 }

import "common.recipe" as common

param least: int = 5

def short(t) = length(t) < least

source mail = csv("mail.csv") { key: ticket }

# What people wrote, in order.
clean tidy from mail {
  body = body |> fix_unicode |> squeeze_space
  文本 = upper(body)
  drop where short(body) as "too short 🏕"
  drop where common.odd(body) as "odd"
  dedupe(body)
}

sql counted from tidy """
  select tidy.ticket, count(*) as n from tidy group by all
""" { key: ticket }

split final from tidy { train: 80%  test: 20% }

export out from final.train { to: "build/out"  format: jsonl() }
'''
COMMON = "def odd(t) = t like '%?%'\n".replace("'", '"')
USER = 'import "shop.recipe" as shop\n\nclean more from shop.tidy { n = length(body) }\n'
MAIL = "ticket,body\n1,How do I return this?\n2,My parcel is late\n3,Thanks\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A workspace of three recipes, of which one imports another, and their data."""
    pytest.importorskip("pygls", reason="the language server needs the extra `lsp`")
    for name, text in {"shop.recipe": SHOP, "common.recipe": COMMON, "user.recipe": USER, "mail.csv": MAIL}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def client(shop: Path) -> Iterator[Client]:
    made = Client(shop, positionEncodings=["utf-8", "utf-16"])
    yield made
    made.process.kill()
    made.process.wait()
    for stream in (made.process.stdin, made.process.stdout, made.process.stderr):
        assert stream is not None
        stream.close()
