"""The concrete tree, in which every token is kept, and the comments with the tokens they belong to: what the formatter needs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any, TypeAlias

from recipec.record import record
from recipec.source import Source
from recipec.syntax.machine import Token, run
from recipec.syntax.tables import tables


@record
class Cst:
    """A rule's children, tokens and all."""

    rule: str
    children: list[Any]

    @property
    def first(self) -> Token:
        node: Cst | Token = self
        while isinstance(node, Cst):
            node = node.children[0]
        return node

    @property
    def last(self) -> Token:
        node: Cst | Token = self
        while isinstance(node, Cst):
            node = node.children[-1]
        return node


Tree: TypeAlias = Cst | Token


def concrete(tokens: Sequence[Token]) -> Cst:
    """The concrete tree of a file without syntax errors."""
    table = tables()
    actions = [None if rule.passes or rule.helper else _action(rule.action) for rule in table.rules]
    root: Cst = run(table, tokens, "start", actions)
    return root


def _action(rule: str) -> Callable[[list[Any], int, int], Cst]:
    return lambda children, start, end: Cst(rule, children)


def ends(node: Tree) -> tuple[Token, Token]:
    return (node, node) if isinstance(node, Token) else (node.first, node.last)


@record
class Note:
    """A comment, the start of the token it belongs to, and whether an empty line stands before it."""

    text: str
    token: int
    own_line: bool
    blank: bool
    taken: bool = False


@record
class Notes:
    """The comments of a file, each to be printed exactly once."""

    source: Source
    everything: Sequence[Token]
    end: Token
    notes: list[Note] = field(default_factory=list)
    blank_before: set[int] = field(default_factory=set)
    """Starts of the tokens before which (and before whose own comments' end) an empty line stands."""

    def __post_init__(self) -> None:
        waiting: list[tuple[str, bool]] = []
        last: Token | None = None  # the last token that is no blank or comment
        fresh, lines = True, 0  # at the beginning of a line; line ends since the last token or comment
        for token in [*self.everything, self.end]:
            if token.kind == "BLANK":
                count = token.text.replace("\r\n", "\n").replace("\r", "\n").count("\n")
                fresh, lines = fresh or count > 0, lines + count
            elif token.kind == "COMMENT":
                text = token.text.rstrip()
                if fresh or last is None:
                    waiting.append((text, lines > 1))
                else:
                    self.notes.append(Note(text, last.start, False, False))
                fresh, lines = False, 0
            else:
                self.notes.extend(Note(text, token.start, True, blank) for text, blank in waiting)
                waiting.clear()
                if lines > 1:
                    self.blank_before.add(token.start)
                last, fresh, lines = token, False, 0
        self.notes.sort(key=lambda note: (note.token, not note.own_line))
        self.places = [note.token for note in self.notes]

    def within(self, first: Token, last: Token) -> list[Note]:
        """The notes of the tokens from ``first`` to ``last`` that are not printed yet."""
        low, high = bisect_left(self.places, first.start), bisect_left(self.places, last.start + 1)
        return [note for note in self.notes[low:high] if not note.taken]

    def take(self, token: Token, *, own_line: bool) -> list[Note]:
        found = [note for note in self.within(token, token) if note.own_line is own_line]
        for note in found:
            note.taken = True
        return found
