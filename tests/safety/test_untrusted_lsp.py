"""The language server over somebody else's recipes: an editor opens, looks at, completes, formats and changes each, and nothing of them runs."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.lsp.conftest import Client
from tests.safety.test_bombs import BOMBS
from tests.safety.test_untrusted import LINKS, ROOT, WATCHED, nothing_happened

pytest.importorskip("pygls", reason="the language server needs the extra `lsp`")
LARGE = ("many words", "a large file", "unions", "rounds of many steps", "stars without end", "dots", "an endless file")
"""Bombs that take a while, or are known from the others."""
QUESTIONS = ("hover", "completion", "signatureHelp", "definition", "references", "documentHighlight", "prepareRename")


def look(client: Client, name: str, text: str | None = None) -> None:
    """All that an editor asks of a file when somebody reads it."""
    client.open(name, text)
    document = {"textDocument": {"uri": client.uri(name)}}
    for what in ("documentSymbol", "foldingRange", "semanticTokens/full"):
        client.ask(f"textDocument/{what}", **document)
    client.ask("textDocument/formatting", **document, options={"tabSize": 2, "insertSpaces": True})
    lines = client.texts[name].split("\n")
    everything = {"start": {"line": 0, "character": 0}, "end": {"line": len(lines), "character": 0}}
    client.ask("textDocument/codeAction", **document, range=everything, context={"diagnostics": []})
    for line, words in list(enumerate(lines))[:25]:
        # In the last text of the line: a path, a function of a module, the name of a model.
        at = words[:300].rfind('"')
        for place in {0, max(0, at), max(0, at - 2), len(words[:300]) // 2}:
            for what in QUESTIONS:
                more = {"context": {"includeDeclaration": True}} if what == "references" else {}
                client.ask(f"textDocument/{what}", **document, position={"line": line, "character": place}, **more)


def test_an_editor_runs_nothing_and_asks_nobody(hostile: Any) -> None:
    log = hostile.folder.parent / "log"
    for n, (what, (text, name)) in enumerate(LINKS.items()):
        path = hostile.folder / name
        path.parent.mkdir(exist_ok=True)
        path.symlink_to("/etc" if name == "away" else str(hostile.folder.parent) if name == "linked" else str(hostile.secret))
        hostile.write(f"link{n}.recipe", f'source x = csv("data/x.csv") {{ columns: {{ id: text, text: text }} }}\n# {what}\n{text}')
    for n, (what, (text, _)) in enumerate(BOMBS.items()):
        if what not in LARGE:
            hostile.write(f"bomb{n}.recipe", text)
    client = Client(hostile.folder, (sys.executable, "-P", WATCHED, str(log)), hostile.environment(PYTHONPATH=str(ROOT)))
    names = sorted(p.name for p in hostile.folder.glob("*.recipe") if not p.is_symlink())
    assert len(names) > 25
    said = []
    for name in names:
        if name.startswith("bomb"):
            client.open(name)
        else:
            look(client, name)
    client.edit("t.recipe", "seed: 1", "seed: 2")
    hostile.write("data/x.csv", "id,text,label\n1,hello,a\n")
    client.tell("workspace/didChangeWatchedFiles", changes=[{"uri": client.uri("data/x.csv"), "type": 2}])
    look(client, "t.recipe", client.texts["t.recipe"] + 'source z = csv("../../../../etc/")\n')
    said = [str(m) for m in client.kept]
    assert client.close() == 0
    assert client.process.stderr is not None
    said.append(client.process.stderr.read().decode())
    assert nothing_happened(hostile, log)
    assert not any("s3cret" in s or "SECRETWORD" in s for s in said)


def test_the_watch_sees_what_is_done(hostile: Any) -> None:
    """It is not blind: the same process tells of a file outside, and of a socket."""
    log = hostile.folder.parent / "log"
    code = f"import sys, runpy; sys.argv = ['watched', {str(log)!r}, 'explain', 'unused-step']; runpy.run_path({WATCHED!r}, run_name='x')['main']()"
    what = {"a file": "open('/etc/hostname').close()", "a socket": "import socket; socket.socket()"}
    assert hostile.go("-P", "-c", code, PYTHONPATH=str(ROOT)).returncode == 0
    assert nothing_happened(hostile, log)
    for more in what.values():
        log.unlink()
        assert hostile.go("-P", "-c", f"{code}\n{more}", PYTHONPATH=str(ROOT)).returncode == 0
        with pytest.raises(AssertionError):
            nothing_happened(hostile, log)
