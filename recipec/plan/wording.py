"""Changes in words: canonical texts as a recipe writes them, and of two long texts the part that differs.

Fingerprints hold expressions in a canonical form, ``(< (words `text`) 3)``, with parameters and macros put in. Where a recipe
writes the same as before and means another thing, that form is all that tells the two apart; people read ``words(text) < 3``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from recipec.resolve.prompts import known_name
from recipec.resolve.types import shown
from recipec.syntax.lexer import backticked

ROOM = 60
"""Characters of a value; of longer ones the part that differs is shown."""
AROUND = 16
"""Characters shown on each side of it."""

_TOKEN = re.compile(r'\s+|"(?:[^"\\]|\\.)*"|`[^`]*`|[()\[\]{}]|[^\s()\[\]{}"`,]+')
_TYPE = re.compile(r"[^()]*(?:\([^()]*(?:\([^()]*\)[^()]*)*\)[^()]*)*")
_WORD = re.compile(r"\w+|\s+|.", re.DOTALL)

# How tight an operator binds, as in the grammar.
OR, AND, NOT, COMPARES, CONCAT, SUM, PRODUCT, SIGN, POWER, POSTFIX = range(10)
_BINARY = {
    "or": OR, "and": AND, "||": CONCAT, "+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "//": PRODUCT, "%": PRODUCT, "**": POWER,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in", "like", "ilike", "matches"), COMPARES),
}  # fmt: skip


class Node:
    """A canonical expression: its ``head`` (an operator, a function's name, ``list``, ``struct`` or ``atom``) and its ``parts``."""

    def __init__(self, head: str, parts: list[Node], text: str = "") -> None:
        self.head, self.parts, self.text = head, parts, text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and (self.head, self.text, self.parts) == (other.head, other.text, other.parts)

    __hash__ = None  # type: ignore[assignment]


class NotCanonical(ValueError):
    """The text is no canonical expression."""


def as_written(text: str) -> str:
    """A canonical expression as a recipe would write it; any other text as it is."""
    try:
        return words(canonical(text))[0]
    except (NotCanonical, RecursionError):
        return text


def canonical(text: str) -> Node:
    if not text.startswith(("(", "`", "[", "{")):
        raise NotCanonical(text)
    return Reader(text).whole()


def two(old: Any, new: Any) -> tuple[str, str]:
    """Two values of a field that differ: as a recipe writes them, and of lists and of ``and`` and ``or`` only what differs."""
    while type(old) is type(new):
        if isinstance(old, list) and len(old) == len(new):
            differing = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
        elif isinstance(old, dict) and old.keys() == new.keys():
            keys = [k for k in old if old[k] != new[k]]
            if len(keys) == 1 and not isinstance(old[keys[0]], list | dict):
                return f"{keys[0]}: {value(old[keys[0]])}", f"{keys[0]}: {value(new[keys[0]])}"
            differing = [(old[k], new[k]) for k in keys]
        else:
            break
        if len(differing) != 1:
            break
        old, new = differing[0]
    if isinstance(old, str) and isinstance(new, str):
        try:
            a, b = canonical(old), canonical(new)
            while a.head == b.head in ("and", "or", "not") and len(a.parts) == len(b.parts):
                changed = [(x, y) for x, y in zip(a.parts, b.parts, strict=True) if x != y]
                if len(changed) != 1:
                    break
                a, b = changed[0]
            return words(a)[0], words(b)[0]
        except (NotCanonical, RecursionError):
            return old, new
    return value(old), value(new)


def value(given: Any) -> str:
    """A value of a fingerprint for people."""
    if isinstance(given, str):
        return as_written(given)
    if isinstance(given, list):
        return ", ".join(map(value, given))
    return json.dumps(given, ensure_ascii=False)


def contrast(old: str, new: str, room: int = ROOM) -> tuple[str, str]:
    """Two texts on one line each; of long ones the part that differs, with a little of what stands around it."""
    old, new = " ".join(old.split()), " ".join(new.split())
    if len(old) <= room and len(new) <= room:
        return old, new
    a, b = _WORD.findall(old), _WORD.findall(new)
    same = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    most = min(len(a), len(b)) - same
    end = next((i for i in range(most) if a[-1 - i] != b[-1 - i]), most)
    before, after = "".join(a[:same]), "".join(a[len(a) - end :])
    head = before if len(before) <= AROUND else "…" + before[-AROUND:].lstrip()
    tail = after if len(after) <= AROUND else after[:AROUND].rstrip() + "…"
    left, right = (head + clip("".join(x[same : len(x) - end]), room) + tail for x in (a, b))
    return left, right


def clip(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


class Reader:
    """Reads one canonical expression."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def whole(self) -> Node:
        made = self.node()
        if self.at < len(self.text):
            raise NotCanonical(self.text)
        return made

    def next(self) -> str:
        found = _TOKEN.match(self.text, self.at)
        if found is None:
            raise NotCanonical(self.text)
        self.at = found.end()
        return found[0] if not found[0].isspace() else self.next()

    def peek(self) -> str:
        here = self.at
        token = self.next()
        self.at = here
        return token

    def until(self, close: str) -> list[Node]:
        out: list[Node] = []
        while self.peek() != close:
            out.append(self.node())
        self.next()
        return out

    def node(self) -> Node:
        token = self.next()
        if token == "[":
            return Node("list", self.until("]"))
        if token == "{":
            return Node("struct", self.fields())
        if token == "(":
            return self.form()
        if token in (")", "]", "}"):
            raise NotCanonical(self.text)
        if token.endswith(":") and token[0] not in '"`':
            return Node("named", [self.node()], token[:-1])
        return Node("atom", [], token)

    def fields(self) -> list[Node]:
        """The fields of a struct; a name may have blanks in it."""
        out: list[Node] = []
        while (token := self.next()) != "}":
            name = [token]
            while not name[-1].endswith(":"):
                name.append(self.next())
            if any(word[0] in '(){}[]"`' for word in name):
                raise NotCanonical(self.text)
            out.append(Node("named", [self.node()], " ".join(name)[:-1]))
        return out

    def form(self) -> Node:
        if self.peek() == "[":
            # The head of an index or a slice is the two brackets.
            self.next()
            if self.next() != "]":
                raise NotCanonical(self.text)
            return Node("[]", self.until(")"))
        if self.peek() == "(":  # what an import has is called
            return Node("call", self.until(")"))
        head = self.next()
        if self.text.startswith(")", self.at):  # a call without arguments has a blank there
            raise NotCanonical(self.text)
        if head == "not" and self.peek() in ("between", "in", "like", "ilike", "matches"):
            head = f"not {self.next()}"
        elif head == "is":
            head = f"is {self.next()}"
            head += f" {self.next()}" if head == "is not" else ""
        if head == "case":
            return Node(head, self.branches())
        if head in ("cast", "try_cast"):
            inner = self.node()
            self.at += self.text.startswith(" ", self.at)
            found = _TYPE.match(self.text, self.at)
            assert found is not None
            self.at = found.end()
            if self.next() != ")":
                raise NotCanonical(self.text)
            return Node(head, [inner], found[0])
        return Node(head, self.until(")"))

    def branches(self) -> list[Node]:
        """The subject of a case, its branches, and what stands at the end: which of them it is only the bracket behind it tells."""
        out = [self.node()]
        while True:
            start = self.at
            depth = 0
            while True:
                token = self.next()
                depth += (token in ("(", "[", "{")) - (token in (")", "]", "}"))
                if depth == 0:
                    break
            last = self.peek() == ")"
            self.at = start
            if last:
                out.append(self.node())
                self.next()
                return out
            self.next()
            out.append(Node("branch", self.until(")")))


def words(node: Node) -> tuple[str, int]:
    """A node as a recipe writes it, and how tight it binds."""
    head, parts = node.head, node.parts

    def within(part: Node, least: int) -> str:
        text, tight = words(part)
        return text if tight >= least else f"({text})"

    def listed(items: Iterable[Node]) -> str:
        return ", ".join(words(p)[0] for p in items)

    operator = head.removeprefix("not ")
    match head:
        case "atom":
            return atom(node.text), POSTFIX
        case "named":
            return f"{backticked(node.text)}: {words(parts[0])[0]}", OR
        case "call":
            return f"{words(parts[0])[0]}({listed(parts[1:])})", POSTFIX
        case "list":
            return f"[{listed(parts)}]", POSTFIX
        case "struct":
            return "{" + listed(parts) + "}", POSTFIX
        case "regex":
            flags = parts[1].text if len(parts) > 1 else ""
            pattern = text_of(parts[0]).replace("/", "\\/")
            return f"r/{pattern}/{flags}", POSTFIX
        case ".":
            return f"{within(parts[0], POSTFIX)}.{backticked(' '.join(p.text for p in parts[1:]))}", POSTFIX
        case "[]":
            ends = ["" if p.text == "_" else words(p)[0] for p in parts[1:]]
            return f"{within(parts[0], POSTFIX)}[{':'.join(ends)}]", POSTFIX
        case "env":
            return f'env("{parts[0].text}")', POSTFIX
        case "template":
            return f"{known_name(parts[0].text) or 'template'}({listed(parts[1:])})", POSTFIX
        case "=>":
            return f"{words(parts[0])[0]} => {words(parts[1])[0]}", OR
        case "lambda":
            names = ", ".join(backticked(n) for n in (parts[0].head, *(p.text for p in parts[0].parts)))
            return f"lambda {names}: {words(parts[1])[0]}", OR
        case "cast" | "try_cast":
            return f"{head}({words(parts[0])[0]} as {shown(node.text)})", POSTFIX
        case "between" | "not between":
            value, low, high = (within(p, CONCAT) for p in parts)
            return f"{value} {head} {low} and {high}", COMPARES
        case "is null" | "is not null":
            return f"{within(parts[0], CONCAT)} {head}", COMPARES
        case "case":
            subject = "" if parts[0].text == "_" else f" {words(parts[0])[0]}"
            branches = "".join(f" when {words(p.parts[0])[0]} then {words(p.parts[1])[0]}" for p in parts[1:-1])
            default = "" if parts[-1].text == "_" else f" else {words(parts[-1])[0]}"
            return f"case{subject}{branches}{default} end", POSTFIX
        case "not":
            return f"not {within(parts[0], NOT)}", NOT
        case "-" | "+" if len(parts) == 1:
            return f"{head}{within(parts[0], SIGN)}", SIGN
        case _ if len(parts) == 2 and operator in _BINARY:
            tight = _BINARY[operator]
            # Comparisons do not chain, and of what binds as tight only powers group to the right.
            left = within(parts[0], tight + (tight in (COMPARES, POWER)))
            return f"{left} {head} {within(parts[1], tight + (tight != POWER))}", tight
        case _:
            return f"{head.partition('@')[0]}({listed(parts)})", POSTFIX


def atom(token: str) -> str:
    if token.startswith("`"):
        return backticked(token[1:-1])
    return json.dumps(text_of(Node("", [], token)), ensure_ascii=False) if token.startswith('"') else token


def text_of(node: Node) -> str:
    return re.sub(r"\\(.)", r"\1", node.text[1:-1], flags=re.DOTALL)
