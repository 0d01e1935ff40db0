"""A text cut into its items, so that a keystroke lexes and parses the item it falls in and no other.

Each piece is a :class:`Source` of its own, which begins at the start of a line: the spans of its tree count from there and
stay true when the piece moves. Where a piece begins in the document is known to :class:`Pieces` alone; see ``place``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from recipec.diagnostics import Diagnostic
from recipec.source import Source
from recipec.syntax import tree
from recipec.syntax.errors import StepAfterStep
from recipec.syntax.lexer import TRIVIA, scan
from recipec.syntax.machine import Token
from recipec.syntax.parse import MAX_CHARACTERS, parse
from recipec.syntax.recover import Parser, column, pieces
from recipec.syntax.tables import tables


@dataclass(eq=False)
class Piece:
    """One item, or what stands where one should be; the comments right above it belong to it."""

    source: Source
    last: bool
    file: tree.File = field(init=False)
    diagnostics: list[Diagnostic] = field(init=False)

    def __post_init__(self) -> None:
        self.file, self.diagnostics = parse(self.source)
        if self.diagnostics and not self.last:
            # Read again as what it is, an item before others: the messages about what is missing differ.
            lexed = scan(self.source)
            parser = Parser(self.source, tables(), lexed.diagnostics, lexed.fatal)
            tokens = [t for t in lexed.tokens if t.kind not in TRIVIA]
            items: tuple[tree.Item, ...] = ()
            for group in pieces(self.source, tokens, column(self.source, tokens[0])) if tokens else ():
                items += parser.check(parser.piece(group, "step"))
            unique = {d.order: d for d in reversed(parser.diagnostics)}
            self.diagnostics = sorted(unique.values(), key=lambda d: d.order)
            self.file = tree.File(self.source, items, self.file.comments, tuple(parser.broken))


@dataclass(eq=False)
class Pieces:
    """A document's text and its pieces, in order. ``whole`` when the layout is such that it cannot be cut."""

    source: Source
    pieces: tuple[Piece, ...]
    whole: bool = False

    def __post_init__(self) -> None:
        self.starts: list[int] = []
        self.at: dict[int, int] = {}
        offset = 0
        for piece in self.pieces:
            self.starts.append(offset)
            self.at[id(piece.source)] = offset
            offset += len(piece.source.text)

    @property
    def file(self) -> tree.File:
        files = [p.file for p in self.pieces]
        return tree.File(
            self.source,
            tuple(i for f in files for i in f.items),
            tuple(c for f in files for c in f.comments),
            tuple(n for f in files for n in f.broken),
        )

    @property
    def diagnostics(self) -> list[Diagnostic]:
        return [d for p in self.pieces for d in p.diagnostics]

    def offset(self, source: Source, offset: int) -> int | None:
        """The document's offset of a piece's offset; None for another file's."""
        if source is self.source:
            return offset
        start = self.at.get(id(source))
        return None if start is None else start + offset

    def piece_at(self, offset: int) -> tuple[Piece, int]:
        """The piece that an offset of the document falls in, and the offset inside it; at a seam, the later one unless it is
        the document's end."""
        from bisect import bisect_right

        number = max(bisect_right(self.starts, offset) - 1, 0)
        return self.pieces[number], offset - self.starts[number]


def cut(source: Source, kept: Sequence[Piece] = ()) -> Pieces:
    """All pieces of a text; those of ``kept`` are used again whose text is there still."""
    texts = [] if len(source.text) > MAX_CHARACTERS else split(source.text)[0]
    if not texts:
        return Pieces(source, (Piece(Source(source.path, source.text), True),), True)
    return checked(source, made(source, texts, kept, True))


def made(source: Source, texts: Sequence[str], kept: Sequence[Piece], ends: bool) -> tuple[Piece, ...]:
    """The pieces of texts, taken from ``kept`` where they are there; ``ends`` when the last is the document's last."""
    known: dict[tuple[str, bool], list[Piece]] = {}
    for piece in reversed(kept):
        known.setdefault((piece.source.text, piece.last), []).append(piece)
    out: list[Piece] = []
    for number, text in enumerate(texts):
        last = ends and number == len(texts) - 1
        same = known.get((text, last))
        out.append(same.pop() if same else Piece(Source(source.path, text), last))
    return tuple(out)


def recut(old: Pieces, text: str) -> Pieces:
    """The pieces of a changed text; those are kept that the change did not touch.

    What changed is cut anew together with one piece before and one behind, because an edit at a seam may join or part
    them. Where that does not settle it (an open block of text, a piece behind that is no piece any more), everything is.
    """
    source, kept = Source(old.source.path, text), old.pieces
    if old.whole or len(text) > MAX_CHARACTERS:
        return cut(source)
    first, start = 0, 0
    while first < len(kept) and text.startswith(kept[first].source.text, start):
        start += len(kept[first].source.text)
        first += 1
    last, end = len(kept), len(text)
    while last > first and end - len(kept[last - 1].source.text) >= start and text.endswith(kept[last - 1].source.text, start, end):
        last -= 1
        end -= len(kept[last].source.text)
    if first == last and start == end:
        return Pieces(source, kept)
    before, behind = max(first - 1, 0), min(last + 1, len(kept))
    start -= sum(len(p.source.text) for p in kept[before:first])
    end += sum(len(p.source.text) for p in kept[last:behind])
    texts, settled = split(text[start:end], margin=None if before == 0 else 0)
    if not settled or not texts or (behind < len(kept) and texts[-1] != kept[behind - 1].source.text):
        return cut(source, kept)
    return checked(source, (*kept[:before], *made(source, texts, kept[before:behind], behind == len(kept)), *kept[behind:]))


def checked(source: Source, found: tuple[Piece, ...]) -> Pieces:
    """The pieces, or the whole text as one where it parses though several of them do not: items inside a ``repeat`` may
    stand at the margin."""
    if sum(bool(p.diagnostics) for p in found) > 1:
        whole = Piece(Source(source.path, source.text), True)
        if all(isinstance(d, StepAfterStep) for d in whole.diagnostics):
            return Pieces(source, (whole,), True)
    return Pieces(source, found)


def split(text: str, margin: int | None = None) -> tuple[list[str], bool]:
    """The texts of the pieces (none when the text cannot be cut), and whether what follows the text cannot matter to them:
    a quotation that is open at its end does.

    ``margin`` is the column at which items begin, that of the first token by default.
    """
    source = Source("", text)
    lexed = scan(source)
    tokens = [t for t in lexed.tokens if t.kind not in TRIVIA]
    if not tokens or lexed.overflow:
        return [], False
    groups = pieces(source, tokens, column(source, tokens[0]) if margin is None else margin)
    seams: list[int] = []
    for group, following in pairwise(groups):
        seam = head_start(source, group[-1].end, following[0].start)
        if seam > (seams[-1] if seams else 0):
            seams.append(seam)
    ends = [*seams, len(text)]
    return [text[a:b] for a, b in zip([0, *seams], ends, strict=True)], not any(map(is_open, lexed.tokens))


def is_open(token: Token) -> bool:
    """Whether a block of text lacks its end."""
    if token.kind == "UNKNOWN":
        return '"""' in token.text
    return token.kind == "BLOCK" and not (len(token.text) >= 6 and token.text.endswith('"""'))


def head_start(source: Source, end: int, head: int) -> int:
    """Where the piece of a head begins: at its line, or at the first of the comment lines right above it."""
    line = source.place(head)[0]
    least = source.place(end)[0] + 1
    while line > least and source.line(line - 1).lstrip().startswith("#"):
        line -= 1
    return source.starts[line - 1]
