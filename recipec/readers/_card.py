"""The front matter of a dataset card: as much of YAML as cards use, without a dependency that the result would hang on.

Read are mappings and lists by indentation, ``[a, b]`` and ``{a: b}`` on one line, plain and quoted scalars (all as text),
block texts (``|``, ``>``), comments and empty values. Anchors, tags, explicit keys and several documents are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_FRONT = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.S | re.M)
_KEY = re.compile(r"""((?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#'"\[\]{},&*!|>%@`-][^#]*?|-[^\s#][^#]*?))[ \t]*:(?:[ \t]+(.*)|$)""")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\", '"': '"', "/": "/"}


class BadCard(ValueError):
    pass


def front_matter(card: str) -> dict[str, Any]:
    """The card's metadata; empty where it has none. Raises BadCard."""
    found = _FRONT.match(card)
    if found is None:
        return {}
    lines = []
    for number, text in enumerate(found[1].splitlines(), 2):
        lines.append(_Line(number, len(text) - len(text.lstrip(" ")), text.strip(), text))
    made, _ = _block(lines, _next(lines, 0), 0)
    return made if isinstance(made, dict) else {}


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    indent: int
    text: str
    raw: str


def _next(lines: list[_Line], at: int) -> int:
    """The next line that says something."""
    while at < len(lines) and (not lines[at].text or lines[at].text.startswith("#")):
        at += 1
    return at


def _block(lines: list[_Line], at: int, indent: int) -> tuple[Any, int]:
    """The value that begins at a line of at least that indentation, and the line after it."""
    if at >= len(lines) or lines[at].indent < indent:
        return None, at
    return _list(lines, at) if _is_item(lines[at].text) else _mapping(lines, at)


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _list(lines: list[_Line], at: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    indent = lines[at].indent
    while at < len(lines) and lines[at].indent == indent and _is_item(lines[at].text):
        line = lines[at]
        rest = line.text[1:].strip()
        if not rest or rest.startswith("#"):
            value, at = _block(lines, _next(lines, at + 1), indent + 1)
        elif _is_item(rest):
            lines[at] = _Line(line.number, indent + len(line.text) - len(rest), rest, line.raw)
            value, at = _list(lines, at)
        elif _KEY.fullmatch(rest) and not rest.startswith(("{", "[")):
            # `- key: value`: a mapping whose first line stands behind the dash
            deeper = indent + len(line.text) - len(rest)
            lines[at] = _Line(line.number, deeper, rest, line.raw)
            value, at = _mapping(lines, at)
        else:
            value, at = _scalar(rest, line), at + 1
        items.append(value)
        at = _next(lines, at)
    return items, at


def _mapping(lines: list[_Line], at: int) -> tuple[dict[str, Any], int]:
    made: dict[str, Any] = {}
    indent = lines[at].indent
    while at < len(lines) and lines[at].indent == indent and not _is_item(lines[at].text):
        line = lines[at]
        found = _KEY.fullmatch(line.text)
        if found is None:
            raise BadCard(f"line {line.number} is no `key: value`: {line.text[:60]}")
        key, rest = _unquoted(found[1]), (found[2] or "").strip()
        if re.fullmatch(r"[|>][+-]?[0-9]?(?:[ \t]+#.*)?", rest):
            made[key], at = _text(lines, at + 1, indent, folded=rest[0] == ">")
        elif not rest or rest.startswith("#"):
            below = _next(lines, at + 1)
            # a list may stand as far left as its key
            same = below < len(lines) and lines[below].indent == indent and _is_item(lines[below].text)
            made[key], at = _block(lines, below, indent if same else indent + 1)
        else:
            made[key], at = _scalar(rest, line), at + 1
        at = _next(lines, at)
    if at < len(lines) and lines[at].indent > indent:
        raise BadCard(f"line {lines[at].number} is indented too far: {lines[at].text[:60]}")
    return made, at


def _text(lines: list[_Line], at: int, indent: int, *, folded: bool) -> tuple[str, int]:
    parts = []
    while at < len(lines) and (not lines[at].text or lines[at].indent > indent):
        parts.append(lines[at].text)
        at += 1
    return (" " if folded else "\n").join(parts).strip(), at


def _scalar(text: str, line: _Line) -> Any:
    if text[0] in "&*!%@`":
        raise BadCard(f"line {line.number} uses more of YAML than is read here: {line.text[:60]}")
    if text[0] in "[{":
        value, rest = _flow(text, line)
        if rest.strip() and not rest.strip().startswith("#"):
            raise BadCard(f"line {line.number} goes on after a bracket: {line.text[:60]}")
        return value
    return _unquoted(text)


def _unquoted(text: str) -> str:
    if text.startswith('"'):
        found = re.match(r'"((?:[^"\\]|\\.)*)"', text)
        return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), found[1]) if found else text
    if text.startswith("'"):
        found = re.match(r"'((?:[^']|'')*)'", text)
        return found[1].replace("''", "'") if found else text
    return re.sub(r"\s+#.*", "", text).strip()


def _flow(text: str, line: _Line) -> tuple[Any, str]:
    """A value written on one line, and what stands after it."""
    text = text.lstrip()
    if text[:1] == "[":
        items: list[Any] = []
        rest = text[1:].lstrip()
        while rest[:1] != "]":
            value, rest = _flow(rest, line)
            items.append(value)
            rest = rest.lstrip()
            if rest[:1] == ",":
                rest = rest[1:].lstrip()
            elif rest[:1] != "]":
                raise BadCard(f"line {line.number} does not close a bracket: {line.text[:60]}")
        return items, rest[1:]
    if text[:1] == "{":
        made: dict[str, Any] = {}
        rest = text[1:].lstrip()
        while rest[:1] != "}":
            key, rest = _flow(rest, line)
            rest = rest.lstrip()
            if rest[:1] != ":":
                raise BadCard(f"line {line.number} does not close a brace: {line.text[:60]}")
            made[str(key)], rest = _flow(rest[1:], line)
            rest = rest.lstrip()
            if rest[:1] == ",":
                rest = rest[1:].lstrip()
            elif rest[:1] != "}":
                raise BadCard(f"line {line.number} does not close a brace: {line.text[:60]}")
        return made, rest[1:]
    found = re.match(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,\[\]{}:#]+""", text)
    if found is None:
        raise BadCard(f"line {line.number} cannot be read: {line.text[:60]}")
    return _unquoted(found[0].strip()), text[found.end() :]
