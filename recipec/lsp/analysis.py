"""Recipes as they stand in the editor: their findings, and what every place in them means."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from recipec.cli._config import NONE, Config, config_for
from recipec.cli._errors import CannotRun
from recipec.diagnostics import Diagnostic
from recipec.lsp.live import LiveProgram, Memory, resolve
from recipec.lsp.pieces import Piece, Pieces, cut, recut
from recipec.registry import names as registry_names
from recipec.resolve.modules import Module
from recipec.source import Source, Span
from recipec.syntax import tree

MOST_RECIPES = 300
"""Recipes of a workspace that are looked through for uses of a name."""


@dataclass
class Document:
    """An open recipe. ``memory`` is what its last resolutions left, ``program`` the latest of them."""

    path: str
    pieces: Pieces
    memory: Memory = field(default_factory=Memory)
    program: LiveProgram | None = None
    stale: bool = True
    """Whether the text is newer than the program."""
    lints: tuple[Diagnostic, ...] = ()
    """What the lints found when they last looked."""
    linted: str | None = None
    """The text that they looked at."""

    @property
    def source(self) -> Source:
        return self.pieces.source


class Desk:
    """All open recipes and the files they import. Paths are absolute, in the system's own form."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.cuts: dict[str, Pieces] = {}
        """By path as an import spells it: the pieces of files that open recipes import."""

    # Texts

    def open(self, path: str, text: str) -> Document:
        document = Document(path, cut(Source(path, text)))
        self.documents[path] = document
        return document

    def change(self, path: str, text: str) -> Document:
        document = self.documents[path]
        if text != document.source.text:
            document.pieces = recut(document.pieces, text)
        document.stale = True
        return document

    def close(self, path: str) -> None:
        self.documents.pop(path, None)

    def read(self, path: Path) -> str:
        """The text of an imported file: what the editor shows, else what the disk holds."""
        document = self.documents.get(str(path))
        return document.source.text if document is not None else path.read_text(encoding="utf-8")

    def document(self, path: str) -> Document | None:
        """The open recipe, or the one on disk; None when that cannot be read."""
        if path not in self.documents:
            try:
                text = Path(path).read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError):
                return None
            return Document(path, cut(Source(path, text)))
        return self.documents[path]

    # Programs

    def program(self, document: Document, *, quick: bool = False) -> LiveProgram:
        """The recipe resolved. ``quick`` leaves steps out whose own text did not change; they are resolved when asked for."""
        known = document.program
        if known is not None and not document.stale and (quick or not known.partial):
            return known

        def parsed(source: Source) -> tuple[tree.File, list[Diagnostic]]:
            found = document.pieces if source.path == document.path else self.imported(source)
            return found.file, found.diagnostics

        document.program = resolve(document.source, document.memory, parsed, self.read, quick=quick)
        document.stale = False
        return document.program

    def imported(self, source: Source) -> Pieces:
        old = self.cuts.get(source.path)
        if old is None:
            self.cuts[source.path] = cut(source)
        elif old.source.text != source.text:
            self.cuts[source.path] = recut(old, source.text)
        return self.cuts[source.path]

    def importers(self, path: str) -> list[Document]:
        """Open recipes whose program read ``path``, other than it."""
        return [d for d in self.documents.values() if d.path != path and d.program is not None and path in files(d.program)]

    def forget_files(self) -> None:
        for document in self.documents.values():
            document.memory.forget_files()
            document.stale = True

    # Places

    def place(self, document: Document, span: Span) -> tuple[Source, int, int] | None:
        """A span as (whole source, start, end); None for one of a text that is gone."""
        path = span.source.path
        pieces = document.pieces if path == document.path else self.cuts.get(path)
        if pieces is None:
            return None
        start, end = pieces.offset(span.source, span.start), pieces.offset(span.source, span.end)
        if start is None or end is None:
            if span.start == span.end == 0:  # a place that speaks of the file as a whole
                return pieces.source, 0, 0
            moved = shifted(span.source.text, pieces.source.text, span.start, span.end) if document.linted == span.source.text else None
            if moved is None:
                return None
            start, end = moved
        return pieces.source, start, end

    def findings(self, document: Document, program: LiveProgram) -> list[Diagnostic]:
        """Everything found, each once, by place."""
        unique: dict[tuple[object, ...], Diagnostic] = {}
        for found in (*program.findings, *document.lints):
            place = self.place(document, found.span)
            if place is not None:
                unique.setdefault((place[0].path, place[1], place[2], found.code, found.message), found)
        config = self.config(document)[0]
        return [found for key in sorted(unique) if config.lets(found := unique[key])]

    @staticmethod
    def config(document: Document) -> tuple[Config, str]:
        """What ``pyproject.toml`` says of the recipe, as for ``recipec check``; where it is wrong, nothing, and the words for it."""
        try:
            return config_for(document.path), ""
        except CannotRun as problem:
            return NONE, f"{problem.message}\n{problem.help}".rstrip()

    def lint(self, document: Document) -> None:
        """Let the lints look, as ``recipec check`` does: at a recipe without errors, resolved from its whole text, because a
        comment that silences a finding may stand anywhere."""
        if document.linted == document.source.text or not registry_names("lint"):
            return
        from recipec.lints._run import lint
        from recipec.resolve.loading import load

        source = Source(document.path, document.source.text)
        program = load(source, read=self.read)
        program.resolve()
        document.lints = tuple(d for d in lint(program) if d.span.source.path == document.path)
        document.linted = source.text

    def recipes(self, roots: list[str]) -> Iterator[str]:
        """Recipes open or below the folders of the workspace, a bounded number of them."""
        seen = dict.fromkeys(self.documents)
        for root in roots:
            for place, folders, names in os.walk(root):
                folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "node_modules")
                for name in sorted(names):
                    if name.endswith(".recipe"):
                        seen[os.path.join(place, name)] = None
                if len(seen) >= MOST_RECIPES:
                    break
        yield from seen


def shifted(old: str, new: str, start: int, end: int) -> tuple[int, int] | None:
    """Where a range of an old text is in the new one; None when the change touched it."""
    if old == new:
        return start, end
    if new.startswith(old[:end]):
        return start, end
    if new.endswith(old[start:]):
        return start + len(new) - len(old), end + len(new) - len(old)
    return None


def files(program: LiveProgram) -> set[str]:
    """Absolute paths of a program's own file and of what it imports."""
    return {str(Path(path).resolve()) for path in program.sources}


def modules(program: LiveProgram) -> Iterator[Module]:
    """The root file and everything it imports, each file once for every alias."""
    queue = [program.root]
    while queue:
        module = queue.pop()
        yield module
        queue.extend(module.imports.values())


@dataclass(frozen=True)
class Spot:
    """A place in a document: the piece of text around it and the offset there."""

    document: Document
    offset: int
    piece: Piece
    inner: int

    @property
    def item(self) -> tree.Item | None:
        """The item that the place is in."""
        found: tree.Item | None = None
        for item in self.piece.file.items:
            if item.span.start <= self.inner <= item.span.end:
                found = item
        if isinstance(found, tree.Repeat):
            found = next((i for i in found.items if i.span.start <= self.inner <= i.span.end), found)
        return found

    def path(self) -> list[tree.Node]:
        """The nodes around the place, outermost first; empty between items."""
        item = self.item
        out: list[tree.Node] = []
        node: tree.Node | None = item
        while node is not None:
            out.append(node)
            node = next((c for c in tree.children(node) if c.span.start <= self.inner <= c.span.end), None)
        return out


def spot(document: Document, offset: int) -> Spot:
    piece, inner = document.pieces.piece_at(offset)
    return Spot(document, offset, piece, inner)
