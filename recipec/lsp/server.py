"""The protocol: from an editor's messages to the functions beside this file, and back (pygls)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method
from pygls.uris import from_fs_path, to_fs_path

from recipec import __version__
from recipec.cli._config import forget_configuration
from recipec.diagnostics import Diagnostic, Fix
from recipec.lsp import colours, complete, describe, names, outline
from recipec.lsp.analysis import Desk, Document, spot
from recipec.lsp.context import context
from recipec.registry import names as registry_names
from recipec.source import Source

QUIET = 0.04
"""Seconds without a keystroke before the findings are looked for."""
CALM = 0.3
"""Seconds without one before the steps are bound again that only depend on what changed."""
PAUSE = 1.0
"""Seconds without one before the lints look, which takes as long as a check."""
MOST_FINDINGS = 500
SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "note": types.DiagnosticSeverity.Information,
}


class Protocol(LanguageServerProtocol):
    @lsp_method(types.INITIALIZE)
    def lsp_initialize(self, params: types.InitializeParams) -> Generator[Any, Any, Any]:
        # Columns count UTF-16 units here, which every client must take; pygls would follow a client that prefers another.
        if params.capabilities.general is not None:
            params.capabilities.general.position_encodings = [types.PositionEncodingKind.Utf16]
        return (yield from super().lsp_initialize(params))


class Server(LanguageServer):
    """One editor's connection. ``desk`` holds its open recipes, by absolute path."""

    def __init__(self) -> None:
        super().__init__("recipec", __version__, protocol_cls=Protocol)
        self.desk = Desk()
        self.timers: dict[str, asyncio.TimerHandle] = {}
        self.shown: dict[str, list[Diagnostic]] = {}

    # Documents

    def path(self, uri: str) -> str:
        return str(Path(to_fs_path(uri) or uri).resolve())

    def uri(self, path: str) -> str:
        """The address under which the editor knows a file."""
        for uri in self.workspace.text_documents:
            if self.path(uri) == path:
                return str(uri)
        return from_fs_path(path) or path

    def document(self, uri: str) -> Document | None:
        return self.desk.documents.get(self.path(uri))

    def roots(self) -> list[str]:
        folders = [self.path(uri) for uri in self.workspace.folders]
        if not folders and self.workspace.root_path:
            folders = [self.workspace.root_path]
        return folders

    # Findings

    def soon(self, path: str, delay: float, quick: bool) -> None:
        if (timer := self.timers.pop(path, None)) is not None:
            timer.cancel()
        self.timers[path] = asyncio.get_running_loop().call_later(delay, self.look, path, quick)

    def look(self, path: str, quick: bool) -> None:
        """Find and publish; steps left out are looked at when the person pauses."""
        self.timers.pop(path, None)
        document = self.desk.documents.get(path)
        if document is None:
            return
        program = self.desk.program(document, quick=quick)
        found = self.desk.findings(document, program)[:MOST_FINDINGS]
        self.shown[path] = found
        uri = self.uri(path)
        items = [self.diagnostic(document, d) for d in found]
        if problem := self.desk.config(document)[1]:
            top = range_of(document.source, 0, 0)
            items.append(types.Diagnostic(top, problem, types.DiagnosticSeverity.Warning, source="recipec"))
        version = self.workspace.text_documents[uri].version if uri in self.workspace.text_documents else None
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, items, version))
        if program.partial:
            self.soon(path, CALM, False)
        elif document.linted != document.source.text and registry_names("lint") and not program.findings.errors:
            self.timers[path] = asyncio.get_running_loop().call_later(PAUSE, self.lint, path)

    def lint(self, path: str) -> None:
        document = self.desk.documents.get(path)
        if document is not None and not document.stale:
            self.desk.lint(document)
            self.look(path, False)

    def diagnostic(self, document: Document, found: Diagnostic) -> types.Diagnostic:
        place = self.desk.place(document, found.span)
        assert place is not None
        source, start, end = place
        message = found.message
        if found.label and found.label not in message:
            message += f"\n{found.label}"
        message += "".join(f"\n{line}" for line in found.help)
        related = [
            types.DiagnosticRelatedInformation(self.location(at), label.text or "here")
            for label in found.also
            if (at := self.desk.place(document, label.span)) is not None
        ]
        if source.path == document.path:
            where = range_of(source, start, end)
        else:
            # Told at the import that brings it in; its own file shows it in its place.
            where = self.import_range(document, source)
            related.insert(0, types.DiagnosticRelatedInformation(self.location(place), found.label or "here"))
            message = f"in {Path(source.path).name}: {message}"
        grave = SEVERITIES[self.desk.config(document)[0].grave(found)]
        return types.Diagnostic(where, message, severity=grave, code=found.name, source="recipec", related_information=related or None)

    def import_range(self, document: Document, source: Source) -> types.Range:
        wanted = Path(source.path).resolve()
        from recipec.syntax import tree

        for item in document.pieces.file.items:
            if isinstance(item, tree.Import) and (Path(document.path).parent / item.path.value).resolve() == wanted:
                place = self.desk.place(document, item.path.span)
                if place is not None:
                    return range_of(*place)
        return range_of(document.source, 0, 0)

    def location(self, place: tuple[Source, int, int]) -> types.Location:
        source, start, end = place
        return types.Location(self.uri(str(Path(source.path).resolve())), range_of(source, start, end))

    def edit(self, document: Document, fix: Fix) -> types.WorkspaceEdit | None:
        """A fix as the editor applies it; None when it speaks of a text that is gone."""
        changes: dict[str, list[types.TextEdit]] = {}
        for part in fix.edits:
            place = self.desk.place(document, part.span)
            if place is None:
                return None
            changes.setdefault(self.location(place).uri, []).append(types.TextEdit(range_of(*place), part.text))
        return types.WorkspaceEdit(changes)


def range_of(source: Source, start: int, end: int) -> types.Range:
    return types.Range(types.Position(*source.utf16(start)), types.Position(*source.utf16(end)))


def offset_of(document: Document, position: types.Position) -> int:
    return document.source.offset16(position.line, position.character)


def markdown(text: str) -> types.MarkupContent:
    return types.MarkupContent(types.MarkupKind.Markdown, text)


server = Server()


@server.feature(types.TEXT_DOCUMENT_DID_OPEN)
async def did_open(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
    path = ls.path(params.text_document.uri)
    ls.desk.open(path, params.text_document.text)
    ls.look(path, False)
    refresh_importers(ls, path)


@server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
async def did_change(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
    uri = params.text_document.uri
    path = ls.path(uri)
    if path in ls.desk.documents:
        ls.desk.change(path, ls.workspace.get_text_document(uri).source)
        ls.soon(path, QUIET, True)
        refresh_importers(ls, path)


def refresh_importers(ls: Server, path: str) -> None:
    for other in ls.desk.importers(path):
        other.stale = True
        ls.soon(other.path, CALM, False)


@server.feature(types.TEXT_DOCUMENT_DID_SAVE)
async def did_save(ls: Server, params: types.DidSaveTextDocumentParams) -> None:
    files_changed(ls)


@server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
async def did_change_files(ls: Server, params: types.DidChangeWatchedFilesParams) -> None:
    files_changed(ls)


def files_changed(ls: Server) -> None:
    """Data, imported files or the configuration may be other than they were."""
    forget_configuration()
    ls.desk.forget_files()
    for path in ls.desk.documents:
        ls.soon(path, QUIET, False)


@server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
async def did_close(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
    path = ls.path(params.text_document.uri)
    if (timer := ls.timers.pop(path, None)) is not None:
        timer.cancel()
    ls.desk.close(path)
    ls.shown.pop(path, None)
    ls.text_document_publish_diagnostics(types.PublishDiagnosticsParams(params.text_document.uri, []))
    refresh_importers(ls, path)


@server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=[".", ":", "("], resolve_provider=False))
async def completion(ls: Server, params: types.CompletionParams) -> types.CompletionList | None:
    document = ls.document(params.text_document.uri)
    if document is None:
        return None
    at = offset_of(document, params.position)
    offers, typed = complete.complete(ls.desk, spot(document, at))
    where = range_of(document.source, at - typed, at)
    items = []
    for offer in offers:
        kind = next(k for k in types.CompletionItemKind if k.name.lower() == offer.what)
        items.append(
            types.CompletionItem(
                offer.label,
                kind=kind,
                detail=offer.detail or None,
                documentation=markdown(offer.doc) if offer.doc else None,
                sort_text=f"{offer.rank}{offer.label}",
                filter_text=offer.label,
                insert_text_format=types.InsertTextFormat.Snippet if offer.snippet else types.InsertTextFormat.PlainText,
                text_edit=types.TextEdit(where, offer.snippet or offer.label),
            )
        )
    # Functions of DuckDB are offered from the second letter on, so a list for fewer is not all there is.
    return types.CompletionList(is_incomplete=typed < 2, items=items)


@server.feature(types.TEXT_DOCUMENT_HOVER)
async def hover(ls: Server, params: types.HoverParams) -> types.Hover | None:
    document = ls.document(params.text_document.uri)
    if document is None:
        return None
    found = describe.hover(ls.desk, spot(document, offset_of(document, params.position)))
    if found is None:
        return None
    place = ls.desk.place(document, found[1])
    return types.Hover(markdown(found[0]), range_of(*place) if place is not None else None)


@server.feature(types.TEXT_DOCUMENT_SIGNATURE_HELP, types.SignatureHelpOptions(trigger_characters=["(", ","]))
async def signature_help(ls: Server, params: types.SignatureHelpParams) -> types.SignatureHelp | None:
    document = ls.document(params.text_document.uri)
    if document is None:
        return None
    here = spot(document, offset_of(document, params.position))
    made = context(here.piece.source.text, here.inner)
    call = made.call
    if call is None or made.in_string:
        return None
    name, place, named, _ = call
    found = complete.Completer(ls.desk, here, made).callee(name)
    if found is None:
        return None
    parameters = [
        types.ParameterInformation(p.type.strip("[]") if p.name == "rest" else p.name, markdown(describe.parameter_line(p)))
        for p in found.params
    ]
    given = [p.name for p in found.params]
    at = min(place + made.piped, max(len(given) - 1, 0))
    active = given.index(named) if named in given else given.index("rest") if "rest" in given and given.index("rest") < at else at
    return types.SignatureHelp([types.SignatureInformation(found.signature, markdown(found.doc.split("\n\n")[0]), parameters)], 0, active)


@server.feature(types.TEXT_DOCUMENT_DEFINITION)
async def definition(ls: Server, params: types.DefinitionParams) -> list[types.Location] | None:
    document = ls.document(params.text_document.uri)
    if document is None:
        return None
    at = offset_of(document, params.position)
    found = names.at(ls.desk, document, at)
    if found is not None:
        hits = names.found_in(ls.desk, document).values()
        return [ls.location((f.source, f.start, f.end)) for f in hits if f.use.symbol == found.use.symbol and f.use.definition]
    place = names.column_definition(ls.desk, document, at)
    return [ls.location(place)] if place is not None else None


@server.feature(types.TEXT_DOCUMENT_REFERENCES)
async def references(ls: Server, params: types.ReferenceParams) -> list[types.Location] | None:
    document = ls.document(params.text_document.uri)
    if document is None:
        return None
    found = names.at(ls.desk, document, offset_of(document, params.position))
    if found is None:
        return None
    hits = names.everywhere(ls.desk, document, found.use.symbol, ls.roots())
    return [ls.location((f.source, f.start, f.end)) for f in hits if params.context.include_declaration or not f.use.definition]


@server.feature(types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
async def highlight(ls: Server, params: types.DocumentHighlightParams) -> list[types.DocumentHighlight] | None:
    document = ls.document(params.text_document.uri)
    if document is None:
        return None
    found = names.at(ls.desk, document, offset_of(document, params.position))
    if found is None:
        return None
    hits = names.found_in(ls.desk, document).items()
    return [
        types.DocumentHighlight(range_of(f.source, f.start, f.end))
        for (path, _, _), f in hits
        if path == document.path and f.use.symbol == found.use.symbol
    ]


@server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
async def prepare_rename(ls: Server, params: types.PrepareRenameParams) -> types.PrepareRenamePlaceholder | None:
    document = ls.document(params.text_document.uri)
    found = names.at(ls.desk, document, offset_of(document, params.position)) if document is not None else None
    if found is None:
        return None
    return types.PrepareRenamePlaceholder(range_of(found.source, found.start, found.end), found.use.symbol.name)


@server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
async def rename(ls: Server, params: types.RenameParams) -> types.WorkspaceEdit | None:
    from pygls.exceptions import JsonRpcInvalidParams

    document = ls.document(params.text_document.uri)
    if document is None:
        return None
    try:
        edits = names.rename(ls.desk, document, offset_of(document, params.position), params.new_name, ls.roots())
    except names.CannotRename as problem:
        raise JsonRpcInvalidParams(str(problem)) from None
    return types.WorkspaceEdit(
        {ls.uri(path): [types.TextEdit(range_of(f.source, f.start, f.end), text) for f, text in changes] for path, changes in edits.items()}
    )


@server.feature(types.TEXT_DOCUMENT_FORMATTING)
async def formatting(ls: Server, params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
    from recipec.syntax.format import NotFormatted, format_source

    document = ls.document(params.text_document.uri)
    if document is None:
        return None
    try:
        after = format_source(document.source)
    except NotFormatted:
        return None
    return line_edits(document.source, after)


def line_edits(source: Source, after: str) -> list[types.TextEdit]:
    """The lines that differ, so that cursors elsewhere stay where they are."""
    from difflib import SequenceMatcher

    old, new = source.text.splitlines(keepends=True), after.splitlines(keepends=True)
    starts = [0]
    for line in old:
        starts.append(starts[-1] + len(line))
    return [
        types.TextEdit(range_of(source, starts[a], starts[b]), "".join(new[c:d]))
        for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        if tag != "equal"
    ]


@server.feature(
    types.TEXT_DOCUMENT_CODE_ACTION,
    types.CodeActionOptions([types.CodeActionKind.QuickFix, types.CodeActionKind.SourceFixAll]),
)
async def code_action(ls: Server, params: types.CodeActionParams) -> list[types.CodeAction] | None:
    document = ls.document(params.text_document.uri)
    if document is None:
        return None
    if document.stale:
        ls.look(document.path, True)
    low, high = offset_of(document, params.range.start), offset_of(document, params.range.end)
    out: list[types.CodeAction] = []
    safe: list[types.TextEdit] = []
    uri = params.text_document.uri
    for found in ls.shown.get(document.path, []):
        place = ls.desk.place(document, found.span)
        if place is None:
            continue
        for fix in found.fixes:
            edit = ls.edit(document, fix)
            if edit is None or edit.changes is None:
                continue
            own = list(edit.changes.get(uri, []))
            if fix is found.fixes[0] and fix.safe and edit.changes.keys() == {uri} and not any(overlap(a, b) for a in own for b in safe):
                safe += own
            if place[0].path == document.path and place[1] <= high and low <= place[2]:
                title = fix.title if fix.safe else f"{fix.title} (look at it again)"
                diagnostic = ls.diagnostic(document, found)
                out.append(types.CodeAction(title, types.CodeActionKind.QuickFix, [diagnostic], fix.safe or None, edit=edit))
        if place[0].path == document.path and place[1] <= high and low <= place[2] and found.name in silenceable():
            out.append(silence(ls, document, found, place))
    wanted = params.context.only
    everything = types.CodeActionKind.SourceFixAll.value
    if safe and (wanted is None or any(everything.startswith(str(getattr(w, "value", w))) for w in wanted)):
        title = "Apply every safe fix of recipec"
        out.append(types.CodeAction(title, types.CodeActionKind.SourceFixAll, edit=types.WorkspaceEdit({uri: safe})))
    return out


def silenceable() -> frozenset[str]:
    """The rules that a comment can silence."""
    from recipec.lints._run import names

    return frozenset(names())


def silence(ls: Server, document: Document, found: Diagnostic, place: tuple[Source, int, int]) -> types.CodeAction:
    """The comment that says that a finding was looked at. Its reason is the person's to write: until then, that is a finding."""
    source, start, _ = place
    line, _ = source.place(start)
    text = source.line(line)
    at = source.starts[line - 1]
    where = range_of(source, at, at)
    comment = f"{text[: len(text) - len(text.lstrip())]}# allow: {found.name} because \n"
    edit = types.WorkspaceEdit({ls.uri(document.path): [types.TextEdit(where, comment)]})
    return types.CodeAction(
        f"Allow {found.name} here, with a reason", types.CodeActionKind.QuickFix, [ls.diagnostic(document, found)], edit=edit
    )


def overlap(a: types.TextEdit, b: types.TextEdit) -> bool:
    def key(p: types.Position) -> tuple[int, int]:
        return p.line, p.character

    return key(a.range.start) <= key(b.range.end) and key(b.range.start) <= key(a.range.end)


@server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
async def document_symbols(ls: Server, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol] | None:
    document = ls.document(params.text_document.uri)
    if document is None:
        return None

    def made(s: outline.Symbol) -> types.DocumentSymbol:
        kind = next(k for k in types.SymbolKind if k.name.lower() == s.what)
        whole, name = range_of(source, s.start, s.end), range_of(source, s.name_start, s.name_end)
        return types.DocumentSymbol(s.name, kind, whole, name, s.detail or None, children=[made(c) for c in s.children])

    source = document.source
    return [made(s) for s in outline.symbols(document)]


@server.feature(types.TEXT_DOCUMENT_FOLDING_RANGE)
async def folding(ls: Server, params: types.FoldingRangeParams) -> list[types.FoldingRange] | None:
    document = ls.document(params.text_document.uri)
    if document is None:
        return None
    out = []
    for start, end, kind in outline.folds(document):
        first, last = document.source.utf16(start)[0], document.source.utf16(end)[0]
        if kind == "comment":
            out.append(types.FoldingRange(first, last, kind=types.FoldingRangeKind.Comment))
        else:
            # The line of the closing bracket stays in sight.
            out.append(types.FoldingRange(first, max(first, last - 1)))
    return out


@server.feature(
    types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL,
    types.SemanticTokensLegend(token_types=list(colours.TYPES), token_modifiers=[]),
)
async def semantic_tokens(ls: Server, params: types.SemanticTokensParams) -> types.SemanticTokens | None:
    document = ls.document(params.text_document.uri)
    return types.SemanticTokens(colours.colours(document)) if document is not None else None


def serve() -> None:
    """Speak with an editor over standard input and output until it says goodbye. Nothing else may write there."""
    logging.basicConfig(level=logging.ERROR)
    server.start_io()
