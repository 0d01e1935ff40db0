"""From text to lossless tokens: joined together they are the text again.

Whatever is no token as it should be goes to :mod:`recipec.syntax.slips`, which is imported only then.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from recipec.record import record
from recipec.source import Source
from recipec.syntax.machine import Token
from recipec.syntax.tables import scanner, word_ends

if TYPE_CHECKING:
    from recipec.diagnostics import Diagnostic
    from recipec.syntax.slips import Slips

TRIVIA = frozenset({"BLANK", "COMMENT", "UNKNOWN"})
"""Kinds of tokens that the parser does not see. ``UNKNOWN`` is text with a finding of its own."""

MAX_TOKENS = 100_000
"""Tokens of a file, blanks and comments too: ten times what a person writes, and parsed well within a second."""

HABITS = {word.upper(): word.upper() for word in (
    "and", "or", "not", "in", "is", "like", "ilike", "matches", "between", "as", "case", "true", "false", "null",
    "when", "then", "else", "end", "where", "from",
)} | {"True": "TRUE", "False": "FALSE", "None": "NULL", "NONE": "NULL"}  # fmt: skip
"""Words as other languages write them, and the terminals that are likely meant."""

_SUSPECT = frozenset({"<", "==", "!=", ":", "=", "-", "/", "."})
_ODD = re.compile(r"<>|===|!==|:=|=~|->|--|/\*|\.[0-9]|(?<=[0-9])\.(?![^\W\d`])")
"""What the suspects may begin: operators and comments of other languages, and numbers that lack a digit."""


@record
class Lexed:
    """The tokens of a text and what is wrong inside them."""

    tokens: list[Token] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    fatal: list[int] = field(default_factory=list)
    """Offsets of findings that leave open what was meant: a parse error in their statement is likely their echo."""
    habits: bool = False
    """Whether any name may be meant as a word."""
    overflow: bool = False
    """Whether the text has more than ``MAX_TOKENS`` tokens; the last is then all the rest, not looked at."""


def scan(source: Source) -> Lexed:
    """All tokens of a source."""
    pattern, kinds = scanner()
    words = word_ends()
    text, position, end = source.text, 0, len(source.text)
    match, odd = pattern.match, _ODD.match
    lexed = Lexed()
    tokens = lexed.tokens
    slips: Slips | None = None
    if text.startswith("\ufeff"):
        tokens.append(Token("BLANK", 0, 1, "\ufeff"))
        position = 1
    while position < end and len(tokens) < MAX_TOKENS:
        found = match(text, position)
        if found is not None:
            kind = kinds[found.lastindex - 1]  # type: ignore[operator]
            piece = found[0]
            if kind not in _SUSPECT or (odd(text, position) is None and not (kind == "/" and wants_value(tokens))):
                token = Token(kind, position, found.end(), piece)
                if kind == "NAME":
                    if piece in words:
                        name, tail = words[piece]
                        if tail.match(text, token.end):
                            token.word = name
                    elif piece in HABITS or "\uff21" <= piece[0] <= "\uff5a":
                        slips = slips or _slips(source, lexed)
                        slips.habit(token)
                tokens.append(token)
                position = token.end
                continue
        slips = slips or _slips(source, lexed)
        if found is None:
            position = slips.unmatched(position)
        elif slips.suspect(kind, position):
            position = tokens[-1].end
        else:
            position = slips.add(kind, position, found.end())
    if position < end:
        tokens.append(Token("UNKNOWN", position, end, text[position:]))
        return Lexed(tokens, overflow=True)
    if not readable(text):
        slips = slips or _slips(source, lexed)
        slips.unreadable()
    return lexed


def backticked(name: str) -> str:
    """A name as a recipe writes it: in backticks where it is a word of the language or has odd characters."""
    tokens = scan(Source("", name)).tokens
    plain = len(tokens) == 1 and tokens[0].kind == "NAME" and tokens[0].word is None
    return name if plain else "`" + name.replace("`", "``") + "`"


def wants_value(tokens: list[Token]) -> bool:
    """Whether a value must come next, so that a slash divides nothing."""
    last = next((t for t in reversed(tokens) if t.kind not in TRIVIA), None)
    if last is None or last.word is not None:
        return last is not None and last.word in ("MATCHES", "AND", "OR", "NOT", "WHERE", "WHEN", "IN", "EXPECT")
    return last.kind in ("(", ",", "[", "=>", "|>", "==", "!=")


def readable(text: str) -> bool:
    """Whether the text can be stored: it has no NUL, and no half of a surrogate pair."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _slips(source: Source, lexed: Lexed) -> Slips:
    from recipec.syntax.slips import Slips

    return Slips(source, lexed)
