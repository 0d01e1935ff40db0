"""What is being written at a place, as far as the tokens before it tell: the text there is usually half done."""

from __future__ import annotations

from dataclasses import dataclass, field

from recipec.source import Source
from recipec.syntax.lexer import TRIVIA, scan
from recipec.syntax.machine import Token

CLOSERS = {")": "(", "]": "[", "}": "{"}

QUOTATIONS = frozenset({"STRING", "BLOCK", "COMMENT", "UNKNOWN", "REGEX", "QUOTED"})


@dataclass
class Bracket:
    """An open bracket. ``name`` is what is called, or the setting whose value it begins; ``at`` the index of its token."""

    sign: str
    at: int
    name: Token | None = None


@dataclass
class Context:
    """The tokens of the item before the place (``typed``, the half of a word right before it, apart), and where they lead.

    ``kind`` is the step's kind, ``block`` whether the place is inside its braces, ``statement`` the tokens of the present
    statement there. ``calls`` are the calls around the place, the innermost last, with the number of the argument, its
    name if it was given, and the names given before.
    """

    tokens: list[Token]
    typed: str
    start: int
    """Where the half-typed word begins."""
    kind: str = ""
    block: bool = False
    statement: list[Token] = field(default_factory=list)
    statement_start: int = 0
    """Offset in the text at which the present statement begins."""
    stack: list[Bracket] = field(default_factory=list)
    in_string: bool = False

    @property
    def last(self) -> str:
        return self.tokens[-1].text if self.tokens else ""

    @property
    def inner(self) -> Token | None:
        """What the block within the step's block is called: ``search`` of ``search { ... }``, ``lines`` of ``lines(text) { ... }``."""
        if not self.block or len(self.stack) < 2 or self.stack[1].sign != "{" or not self.statement:
            return None
        before = self.tokens[self.stack[1].at - 1]
        first = self.statement[0]
        return first if first.kind == "NAME" and (before is first or before.kind == ")") else None

    @property
    def inside(self) -> list[Token]:
        """The tokens within that block, from the last key there on."""
        tokens = self.tokens[self.stack[1].at + 1 :]
        depth, begin = 0, 0
        for number, token in enumerate(tokens):
            depth += (token.kind in ("(", "[", "{")) - (token.kind in CLOSERS)
            if depth == 0 and token.kind == ":" and number:
                begin = number - 1
        whole = depth == 0 and len(tokens) > begin + 2 and (complete(tokens[-1]) or tokens[-1].kind == ",")
        return [] if whole else tokens[begin:]

    @property
    def setting(self) -> str | None:
        """The key of the setting whose value is being written."""
        s = self.statement
        if self.block and len(s) >= 2 and s[1].kind == ":" and s[0].kind in ("NAME", "QUOTED"):
            return s[0].text
        return None

    @property
    def call(self) -> tuple[str, int, str | None, list[str]] | None:
        """(what is called, place of the argument, its name if written, names before it) of the innermost call."""
        bracket = next((b for b in reversed(self.stack) if b.sign == "(" and b.name is not None), None)
        if bracket is None or bracket is not next((b for b in reversed(self.stack) if b.sign in "({"), None):
            return None
        assert bracket.name is not None
        place, depth, named, names = 0, 0, None, []
        inside = self.tokens[bracket.at + 1 :]
        for number, token in enumerate(inside):
            if token.kind in "([{":
                depth += 1
            elif token.kind in CLOSERS:
                depth -= 1
            elif depth == 0 and token.kind == ",":
                place, named = place + 1, None
            elif depth == 0 and token.kind == ":" and number and inside[number - 1].kind == "NAME":
                named = inside[number - 1].text
                names.append(named)
        return bracket.name.text, place, named, [n for n in names if n != named]

    @property
    def piped(self) -> bool:
        """Whether the innermost call stands behind ``|>``, so that its first argument is there already."""
        bracket = next((b for b in reversed(self.stack) if b.sign == "(" and b.name is not None), None)
        return bracket is not None and bracket.at >= 2 and self.tokens[bracket.at - 2].kind == "|>"


def context(text: str, offset: int) -> Context:
    """The context of a place in the text of a piece."""
    source = Source("", text)
    everything = [t for t in scan(source).tokens if t.kind != "BLANK" and t.start < offset]
    inside = everything[-1] if everything else None
    if inside is not None and inside.kind in QUOTATIONS and (inside.end > offset or (inside.kind == "COMMENT" and inside.end >= offset)):
        made = context(text, inside.start)
        made.in_string = inside.kind != "QUOTED"
        return made
    tokens = [t for t in everything if t.kind not in TRIVIA]
    typed, start = "", offset
    if tokens and tokens[-1].kind == "NAME" and tokens[-1].end >= offset:
        token = tokens.pop()
        typed, start = text[token.start : offset], token.start
    made = Context(tokens, typed, start)
    repeats = 0
    begin = 0
    for number, token in enumerate(tokens):
        before = tokens[number - 1] if number else None
        if token.kind in ("(", "[", "{"):
            called = before if before is not None and before.kind == "NAME" and before.end == token.start and token.kind == "(" else None
            if token.kind == "{" and not made.stack:
                if begin < number and tokens[begin].word == "REPEAT":
                    repeats, begin = repeats + 1, number + 1
                    continue
                made.block = True
                made.statement_start = token.end
                made.statement = []
                made.kind = tokens[begin].text
                made.stack.append(Bracket("{", number))
                continue
            made.stack.append(Bracket(token.kind, number, called))
        elif token.kind in CLOSERS:
            while made.stack and made.stack.pop().sign != CLOSERS[token.kind]:
                pass
            if token.kind == "}" and not made.stack:
                made.block, made.statement, begin = False, [], number + 1
                continue
        if made.block and len(made.stack) == 1 and begins_statement(text, tokens, number, made.statement):
            made.statement, made.statement_start = [], token.start
        made.statement.append(token)
    if not made.block:
        made.statement = tokens[begin:]
        made.kind = tokens[begin].text if begin < len(tokens) else ""
    elif len(made.stack) == 1 and made.statement and fresh_line(text, made.statement[-1].end, start) and complete(made.statement[-1]):
        made.statement, made.statement_start = [], start
    return made


def begins_statement(text: str, tokens: list[Token], number: int, statement: list[Token]) -> bool:
    """Whether a statement begins at a token of a block: on a line of its own, or after a complete one."""
    token = tokens[number]
    before = tokens[number - 1]
    if not statement or before.kind == ",":
        return True
    if token.kind not in ("NAME", "QUOTED") or not complete(before):
        return False
    if token.word in ("KEEP", "DROP", "EXPECT", "VOTE"):
        return True
    following = tokens[number + 1] if number + 1 < len(tokens) else None
    if following is not None and following.kind in (":", "=", "{") and token.word is None:
        return True
    if following is not None and following.kind == "(" and following.start == token.end and token.word is None and before.text != "warn":
        return True
    if token.word is not None:
        return token.word == "WHEN" and sum((t.word == "CASE") - (t.word == "END") for t in statement) <= 0
    return fresh_line(text, before.end, token.start)


def complete(token: Token) -> bool:
    """Whether an expression or statement may end with a token."""
    if token.kind == "NAME":
        return token.word is None or token.word in ("END", "TRUE", "FALSE", "NULL")
    return token.kind in (")", "]", "}", "STRING", "BLOCK", "NUMBER", "PERCENT", "UNIT", "REGEX", "QUOTED", "UNKNOWN")


def fresh_line(text: str, end: int, start: int) -> bool:
    return "\n" in text[end:start]
