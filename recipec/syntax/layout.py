"""A small pretty-printer: documents of text, possible line breaks and groups, laid out in a given width.

A group is printed flat where it fits into the rest of its line, else every line break directly in it is taken (Wadler,
"A prettier printer", 2003, with Oppen's linear-time rule that a group is decided when it is reached).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from recipec.record import record


def width(text: str) -> int:
    """Columns that a text takes on a terminal: wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    columns = 0
    for sign in text:
        if unicodedata.east_asian_width(sign) in ("W", "F"):
            columns += 2
        elif not unicodedata.combining(sign):
            columns += 1
    return columns


@record(frozen=True)
class Line:
    """A possible line break: ``flat`` where the group around it is flat. ``blank`` leaves an empty line, if it breaks."""

    flat: str = " "
    blank: bool = False


@record(frozen=True)
class Hard:
    """A line break that is always taken, and breaks all groups around it."""

    blank: bool = False


@record(frozen=True)
class Comment:
    """A comment at the end of a line. It takes no room, and a :class:`Hard` must follow."""

    text: str


@record(frozen=True)
class IfBroken:
    """Text that is there only when the group around it is broken."""

    text: str


@record(frozen=True)
class Indent:
    doc: Doc


@record(frozen=True)
class Group:
    doc: Doc
    broken: bool


Doc: TypeAlias = "str | Line | Hard | Comment | IfBroken | Indent | Group | list[Doc]"

SPACE, SOFT, HARD = Line(), Line(""), Hard()


def is_hard(doc: Doc) -> bool:
    """Whether the document breaks its line in any case."""
    if isinstance(doc, str):
        return False
    if isinstance(doc, list):
        return any(is_hard(part) for part in doc)
    if isinstance(doc, Group):
        return doc.broken
    if isinstance(doc, Indent):
        return is_hard(doc.doc)
    return isinstance(doc, Hard)


def group(doc: Doc) -> Group:
    return Group(doc, is_hard(doc))


def indent(*docs: Doc) -> Indent:
    return Indent(list(docs))


def join(separator: Doc, docs: Iterable[Doc]) -> list[Doc]:
    result: list[Doc] = []
    for doc in docs:
        if result:
            result.append(separator)
        result.append(doc)
    return result


def flat(doc: Doc) -> str | None:
    """The document on one line, or None when it cannot be."""
    parts: list[str] = []
    stack: list[Doc] = [doc]
    while stack:
        top = stack.pop()
        if isinstance(top, str):
            if "\n" in top:
                return None
            parts.append(top)
        elif isinstance(top, list):
            stack.extend(reversed(top))
        elif isinstance(top, Group | Indent):
            stack.append(top.doc)
        elif isinstance(top, Line):
            parts.append(top.flat)
        elif isinstance(top, Hard | Comment):
            return None
    return "".join(parts)


def _fits(room: int, doc: Doc, rest: Sequence[tuple[int, bool, Doc]]) -> bool:
    """Whether ``doc``, flat, and what follows it up to the next line break fit into ``room`` columns."""
    stack: list[tuple[bool, Doc]] = [(True, doc)]
    behind = len(rest)
    while True:
        if not stack:
            if not behind:
                return True
            behind -= 1
            _, level, following = rest[behind]
            stack.append((level, following))
        level, top = stack.pop()
        if isinstance(top, str):
            line, newline, _ = top.partition("\n")
            room -= width(line)
            if room < 0:
                return False
            if newline:
                return True
        elif isinstance(top, list):
            stack.extend((level, part) for part in reversed(top))
        elif isinstance(top, Indent):
            stack.append((level, top.doc))
        elif isinstance(top, Group):
            stack.append((level and not top.broken, top.doc))
        elif isinstance(top, Line):
            if not level:
                return True
            room -= len(top.flat)
        elif isinstance(top, IfBroken):
            if not level:
                room -= len(top.text)
        else:
            return True


def render(doc: Doc, columns: int, step: int = 2) -> str:
    """The text of a document."""
    parts: list[str] = []
    column = 0
    stack: list[tuple[int, bool, Doc]] = [(0, False, doc)]  # indentation, flat, document
    while stack:
        level, level_flat, top = stack.pop()
        if isinstance(top, str):
            parts.append(top)
            _, newline, last = top.rpartition("\n")
            column = width(last) if newline else column + width(top)
        elif isinstance(top, list):
            stack.extend((level, level_flat, part) for part in reversed(top))
        elif isinstance(top, Indent):
            stack.append((level + step, level_flat, top.doc))
        elif isinstance(top, Group):
            fits = not top.broken and (level_flat or _fits(columns - column, top.doc, stack))
            stack.append((level, fits, top.doc))
        elif isinstance(top, Comment):
            parts.append(top.text)
        elif isinstance(top, IfBroken):
            if not level_flat:
                parts.append(top.text)
                column += len(top.text)
        elif isinstance(top, Line) and level_flat:
            parts.append(top.flat)
            column += len(top.flat)
        else:
            parts.append("\n\n" if top.blank else "\n")
            parts.append(" " * level)
            column = level
    return "".join(parts)
