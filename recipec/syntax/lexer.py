"""From text to lossless tokens: joined together they are the text again."""

from __future__ import annotations

from recipec.source import Source
from recipec.syntax.machine import Token
from recipec.syntax.tables import scanner, word_ends

TRIVIA = frozenset({"BLANK", "COMMENT", "UNKNOWN"})


def scan(source: Source) -> list[Token]:
    pattern, kinds = scanner()
    words = word_ends()
    text, position, end = source.text, 0, len(source.text)
    match = pattern.match
    tokens: list[Token] = []
    while position < end:
        found = match(text, position)
        if found is None:
            tokens.append(Token("UNKNOWN", position, position + 1, text[position]))
            position += 1
            continue
        kind = kinds[found.lastindex - 1]  # type: ignore[operator]
        piece = found[0]
        token = Token(kind, position, found.end(), piece)
        position = token.end
        if kind == "NAME" and piece in words:
            name, tail = words[piece]
            if tail.match(text, position):
                token.word = name
        tokens.append(token)
    return tokens
