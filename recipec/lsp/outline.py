"""The shape of a file: its items for the outline, and what can be folded."""

from __future__ import annotations

from dataclasses import dataclass

from recipec.lsp.analysis import Document
from recipec.lsp.pieces import Piece
from recipec.syntax import tree
from recipec.syntax.lexer import scan


@dataclass(frozen=True)
class Symbol:
    """A name of the outline; offsets count in the document."""

    name: str
    what: str
    detail: str
    start: int
    end: int
    name_start: int
    name_end: int
    children: tuple[Symbol, ...] = ()


def symbols(document: Document) -> list[Symbol]:
    out: list[Symbol] = []
    for piece, start in zip(document.pieces.pieces, document.pieces.starts, strict=True):
        for item in piece.file.items:
            made = symbol(item, start)
            if made is not None:
                out.append(made)
        if not piece.file.items:
            out += [
                Symbol(n.id, "null", "has errors", start + n.span.start, start + n.span.end, start + n.span.start, start + n.span.end)
                for n in piece.file.broken
            ]
    return out


def symbol(item: tree.Item, base: int) -> Symbol | None:
    def made(name: tree.Name | tree.String, text: str, what: str, detail: str, children: tuple[Symbol, ...] = ()) -> Symbol:
        whole, own = item.span, name.span
        return Symbol(text, what, detail, base + whole.start, base + whole.end, base + own.start, base + own.end, children)

    match item:
        case tree.Header(name=title):
            return made(title, title.value or "recipe", "file", "recipe")
        case tree.Import(alias=name):
            return made(name, name.id, "module", item.path.value)
        case tree.Param(name=name):
            return made(name, name.id, "constant", "param")
        case tree.Def(name=name):
            return made(name, name.id, "function", f"def ({', '.join(p.id for p in item.params)})")
        case tree.Template(name=name):
            return made(name, name.id, "function", f"template ({', '.join(p.name.id for p in item.params)})")
        case tree.Step(name=name):
            columns = [s for s in item.body if isinstance(s, tree.Assign)]
            return made(name, name.id, "class", item.kind.id, tuple(column(s, base) for s in columns))
        case tree.Repeat():
            inner = tuple(s for i in item.items if (s := symbol(i, base)) is not None)
            start, end = base + item.span.start, base + item.span.end
            return Symbol(f"repeat {item.count.span.text}", "namespace", "", start, end, start, min(start + len("repeat"), end), inner)


def column(statement: tree.Assign, base: int) -> Symbol:
    span, name = statement.span, statement.column
    return Symbol(name.id, "field", "", base + span.start, base + span.end, base + name.span.start, base + name.span.end)


def folds(document: Document) -> list[tuple[int, int, str]]:
    """(start, end, kind) of what takes more than one line: braces, brackets, blocks of text, runs of comments."""
    out: list[tuple[int, int, str]] = []
    for piece, start in zip(document.pieces.pieces, document.pieces.starts, strict=True):
        out += [(start + a, start + b, kind) for a, b, kind in piece_folds(piece)]
    return out


def piece_folds(piece: Piece) -> list[tuple[int, int, str]]:
    out: list[tuple[int, int, str]] = []
    stack: list[int] = []
    comment: tuple[int, int] | None = None
    for token in scan(piece.source).tokens:
        if token.kind == "COMMENT":
            comment = (comment[0] if comment else token.start, token.end)
            continue
        if token.kind == "BLANK":
            continue
        if comment is not None:
            out.append((*comment, "comment"))
            comment = None
        if token.kind in ("{", "[", "("):
            stack.append(token.start)
        elif token.kind in ("}", "]", ")") and stack:
            out.append((stack.pop(), token.end, "region"))
        elif token.kind == "BLOCK":
            out.append((token.start, token.end, "region"))
    if comment is not None:
        out.append((*comment, "comment"))
    text = piece.source.text
    return [(a, b, kind) for a, b, kind in out if "\n" in text[a:b]]
