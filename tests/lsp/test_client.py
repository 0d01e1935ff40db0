"""The server as an editor's own library drives it: pygls' client, over the standard input and output of a process.

Rules of data science among the findings, what ``pyproject.toml`` says of them, and the actions that mend or silence them.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pygls", reason="the language server needs the extra `lsp`")

from lsprotocol import types
from pygls.lsp.client import LanguageClient

PATIENCE = 20.0
RECIPE = """\
recipe "shop" { seed: 7 }
param never: int = 1
source rows = csv("rows.csv") { key: id }
clean tidy from rows { length = length(text) }
export out from tidy { to: "out"  format: jsonl() }
"""


class Editor:
    """An editor with one file open. ``shown`` are the findings published last."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "shop.recipe"
        self.uri = self.path.as_uri()
        self.client = LanguageClient("test", "1")
        self.version = 1
        self.shown: list[types.Diagnostic] = []
        self.news = asyncio.Event()

        @self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def published(params: types.PublishDiagnosticsParams) -> None:
            self.shown = list(params.diagnostics)
            self.news.set()

    async def __aenter__(self) -> Editor:
        await self.client.start_io(sys.executable, "-m", "recipec", "lsp")
        folder = types.WorkspaceFolder(uri=self.folder.as_uri(), name="shop")
        await self.client.initialize_async(types.InitializeParams(capabilities=types.ClientCapabilities(), workspace_folders=[folder]))
        self.client.initialized(types.InitializedParams())
        document = types.TextDocumentItem(self.uri, "recipe", self.version, self.path.read_text(encoding="utf-8"))
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(document))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.shutdown_async(None)
        self.client.exit(None)
        await self.client.stop()

    async def until(self, wanted: Callable[[list[types.Diagnostic]], bool]) -> list[types.Diagnostic]:
        """The findings, once they are as wanted."""
        async with asyncio.timeout(PATIENCE):
            while not wanted(self.shown):
                self.news.clear()
                await self.news.wait()
        return self.shown

    def write(self, text: str) -> None:
        self.version += 1
        document = types.VersionedTextDocumentIdentifier(version=self.version, uri=self.uri)
        change = types.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))

    async def actions(self, found: types.Diagnostic) -> dict[str, types.CodeAction]:
        context = types.CodeActionContext([found])
        params = types.CodeActionParams(types.TextDocumentIdentifier(self.uri), found.range, context)
        made: Any = await self.client.text_document_code_action_async(params)
        return {a.title: a for a in made or []}

    def changed(self, name: str) -> None:
        """A file of the workspace is other than it was."""
        event = types.FileEvent((self.folder / name).as_uri(), types.FileChangeType.Changed)
        self.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([event]))


def names(shown: list[types.Diagnostic]) -> list[str]:
    return sorted(str(d.code) for d in shown)


def drive(folder: Path, session: Callable[[Editor], Awaitable[None]], text: str = RECIPE) -> None:
    (folder / "rows.csv").write_text("id,text\n1,a\n2,b\n", encoding="utf-8")
    (folder / "shop.recipe").write_text(text, encoding="utf-8")

    async def run() -> None:
        async with Editor(folder) as editor:
            await session(editor)

    asyncio.run(run())


def test_rules_are_shown_and_silenced(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        (found,) = await editor.until(lambda shown: names(shown) == ["unused-name"])
        assert found.severity == types.DiagnosticSeverity.Warning
        assert found.source == "recipec"
        assert (found.range.start.line, found.range.start.character) == (1, 6)
        action = (await editor.actions(found))["Allow unused-name here, with a reason"]
        assert action.edit is not None
        assert action.edit.changes is not None
        (edit,) = action.edit.changes[editor.uri]
        assert edit.new_text == "# allow: unused-name because \n"
        editor.write(RECIPE.replace("param", edit.new_text + "param", 1))
        await editor.until(lambda shown: names(shown) == ["allow-without-reason"])
        editor.write(RECIPE.replace("param", "# allow: unused-name because the next release uses it\nparam", 1))
        assert await editor.until(lambda shown: not shown) == []

    drive(tmp_path, session)


def test_the_configuration_counts_and_may_change(tmp_path: Path) -> None:
    config = tmp_path / "pyproject.toml"
    config.write_text('[tool.recipec.severity]\nunused-name = "error"\n', encoding="utf-8")

    async def session(editor: Editor) -> None:
        (found,) = await editor.until(lambda shown: names(shown) == ["unused-name"])
        assert found.severity == types.DiagnosticSeverity.Error
        config.write_text('[tool.recipec]\nignore = ["unused-name"]\n', encoding="utf-8")
        editor.changed("pyproject.toml")
        await editor.until(lambda shown: not shown)
        config.write_text('[tool.recipec.recipes."shop.recipe".severity]\nunused-name = "note"\n', encoding="utf-8")
        editor.changed("pyproject.toml")
        (found,) = await editor.until(lambda shown: names(shown) == ["unused-name"])
        assert found.severity == types.DiagnosticSeverity.Information
        config.write_text('[tool.recipec]\nignor = ["unused-name"]\n', encoding="utf-8")
        editor.changed("pyproject.toml")
        shown = await editor.until(lambda shown: len(shown) == 2)
        assert "[tool.recipec] has no `ignor`; did you mean `ignore`?" in shown[1].message

    drive(tmp_path, session)


def test_a_fix_is_an_action(tmp_path: Path) -> None:
    async def session(editor: Editor) -> None:
        (found,) = await editor.until(lambda shown: names(shown) == ["unknown-function"])
        actions = await editor.actions(found)
        edits = actions["replace with `length`"].edit
        assert edits is not None
        assert edits.changes is not None
        assert [e.new_text for e in edits.changes[editor.uri]] == ["length"]
        assert "Apply every safe fix of recipec" in actions

    drive(tmp_path, session, RECIPE.replace("length(text)", "lenght(text)"))
