"""Text to syntax tree: the public face of the stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.record import record
from recipec.source import Source
from recipec.syntax.build import Builder, steps_after_steps, steps_in_defs
from recipec.syntax.lexer import MAX_TOKENS, TRIVIA, scan
from recipec.syntax.machine import Stuck, Token, TooDeep, advance, expected, run
from recipec.syntax.tables import tables
from recipec.syntax.tree import Comment, File, Item, Repeat

if TYPE_CHECKING:
    from recipec.diagnostics import Diagnostic

MAX_CHARACTERS = 1_000_000
"""Of a file; see also ``MAX_TOKENS``."""


def parse(source: Source) -> tuple[File, list[Diagnostic]]:
    """The tree of a file and all its syntax errors, in the order of their places.

    The tree has the items that parsed; the names of the others are in ``broken``. Never raises on any text.
    """
    if len(source.text) > MAX_CHARACTERS:
        return _too_large(source, f"{MAX_CHARACTERS:,} characters")
    lexed = scan(source)
    if lexed.overflow:
        return _too_large(source, f"{MAX_TOKENS:,} words, signs and blanks")
    tokens = [token for token in lexed.tokens if token.kind not in TRIVIA]
    comments = _comments(source, lexed.tokens)
    if not (lexed.diagnostics or lexed.habits):
        items = _clean(source, tokens)
        if items is not None:
            return File(source, items, comments), []

    from recipec.syntax import errors
    from recipec.syntax.recover import Parser
    from recipec.syntax.slips import MAX_FINDINGS

    parser = Parser(source, tables(), lexed.diagnostics, lexed.fatal)
    items = parser.parse(tokens)
    unique = {diagnostic.order: diagnostic for diagnostic in reversed(parser.diagnostics)}
    found = sorted(unique.values(), key=lambda diagnostic: diagnostic.order)
    if len(found) > MAX_FINDINGS:
        found[MAX_FINDINGS:] = [errors.TooManyErrors(span=found[MAX_FINDINGS].span)]
    return File(source, items, comments, tuple(parser.broken)), found


def _clean(source: Source, tokens: Sequence[Token]) -> tuple[Item, ...] | None:
    """The items of a file without any mistake, or None: what knows about mistakes need not be imported for the former."""
    diagnostics: list[Diagnostic] = []
    builder = Builder(source, diagnostics)
    try:
        items: tuple[Item, ...] = run(tables(), tokens, "start", builder.actions(tables()))
    except (Stuck, TooDeep):
        return None
    builder.finish()
    lists = [items, *(i.items for i in items if isinstance(i, Repeat))]
    doubtful = any(any(steps_after_steps(source, listed)) or any(steps_in_defs(source, listed)) for listed in lists)
    return None if diagnostics or doubtful else items


def _too_large(source: Source, what: str) -> tuple[File, list[Diagnostic]]:
    from recipec.syntax import errors

    return File(source, (), ()), [errors.FileTooLarge(span=source.span(0, 0), what=what)]


def _comments(source: Source, everything: Sequence[Token]) -> tuple[Comment, ...]:
    result = []
    fresh = True  # nothing but blanks on this line so far
    for token in everything:
        if token.kind == "COMMENT":
            result.append(Comment(token.text, source.span(token.start, token.end), fresh))
        elif token.kind == "BLANK":
            fresh = fresh or token.start == 0 or "\n" in token.text or "\r" in token.text
        else:
            fresh = False
    return tuple(result)


def tokens(source: Source) -> list[Token]:
    """Every token of a text, comments and blanks too: joined together, their texts are the text."""
    return scan(source).tokens


@record(frozen=True)
class Accepted:
    """What can come next at a place."""

    words: tuple[str, ...]
    """Words of the language, those left out that would only be names here."""
    signs: tuple[str, ...]
    """Brackets, operators, separators."""
    name: bool
    """A name of any sort: of a new thing, a setting, a column, a function."""
    value: bool
    """The beginning of an expression."""
    string: bool
    """A string or block."""
    typed: str
    """The part of a word that stands before the place already."""


def accepts(source: Source, offset: int) -> Accepted:
    """What can come next at ``offset``, whatever comes after it: for completion.

    The half of a word before the place is not looked at; it is given back as ``typed``. In an item that is broken before
    the place nothing is known to come next, and the answer is empty.
    """
    before = [token for token in scan(Source(source.path, source.text[:offset])).tokens if token.kind not in TRIVIA]
    typed = ""
    if before and before[-1].kind == "NAME" and before[-1].end == offset:
        typed = before.pop().text
    table = tables()
    if before:
        from recipec.syntax.recover import column, pieces

        before = pieces(source, before, column(source, before[0]))[-1]
    states = [table.starts["start"]]
    for token in before:
        kind = token.word if token.word is not None and token.word in table.actions[states[-1]] else token.kind
        if not advance(table, states, kind):
            return Accepted((), (), False, False, False, typed)
    kinds = expected(table, states)
    as_names = ({"="}, _behind(states, "NAME")) if "NAME" in kinds else ()
    if "NUMBER" in kinds:
        as_names = ()  # where a value can begin, no word is taken for a name
    words = {terminal: word for word, (terminal, _) in table.keywords.items()}
    classes = {"NAME", "QUOTED", "STRING", "BLOCK", "NUMBER", "PERCENT", "UNIT", "REGEX"}
    return Accepted(
        words=tuple(sorted(words[kind] for kind in kinds if kind in words and _behind(states, kind) not in as_names)),
        signs=tuple(sorted(kind for kind in kinds if kind not in words and kind not in classes)),
        name="NAME" in kinds,
        value={"NAME", "NUMBER"} <= kinds,
        string="STRING" in kinds,
        typed=typed,
    )


def _behind(states: list[int], kind: str) -> set[str]:
    """What can come behind a terminal that comes next; nothing where it cannot."""
    stack = list(states)
    return expected(tables(), stack) if advance(tables(), stack, kind) else set()
