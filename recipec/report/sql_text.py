"""SQL in lines: compiled steps are one long statement, which nobody can read."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(r"""\s+|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|[A-Za-z_]\w*|\d[\w.]*|.""", re.S)
_CLAUSES = {"FROM", "WHERE", "GROUP", "ORDER", "HAVING", "QUALIFY", "LIMIT", "UNION", "LEFT", "JOIN", "FULL", "INNER"}
_SHORT = 72
"""A parenthesis whose content is no longer than this stays on its line, unless it holds a SELECT that does not."""


def pretty(sql: str, step: int = 2) -> str:
    """The same SQL with each subquery indented, each clause and each selected column on a line of its own."""
    tokens = list(tokens_of(sql))
    out: list[str] = []
    depths: list[bool] = [True]
    """For each open parenthesis whether it is a subquery laid out in lines; the first stands for the statement itself."""
    indent = 0
    for at, token in enumerate(tokens):
        if token == "(":
            query = tokens[at + 1 : at + 2] in (["SELECT"], ["WITH"]) and length(tokens, at) > _SHORT
            depths.append(query)
            out.append("(")
            if query:
                indent += step
                out.append("\n" + " " * indent)
        elif token == ")":
            if len(depths) > 1 and depths.pop():
                indent -= step
                out.append("\n" + " " * indent)
            out.append(")")
        elif token == "," and depths[-1]:
            out.append(",\n" + " " * (indent + step))
        elif begins_line(tokens, at, depths[-1]):
            out.append("\n" + " " * indent + token)
        else:
            out.append(token)
    return re.sub(r"[ \t]+\n", "\n", join(out))


def begins_line(tokens: list[str], at: int, laid_out: bool) -> bool:
    """Whether a clause begins here."""
    token, before = tokens[at], tokens[at - 1] if at else ""
    if token == "SELECT":
        return before == "AS"
    return token in _CLAUSES and laid_out and not (token == "JOIN" and before in ("LEFT", "FULL", "INNER"))


def tokens_of(sql: str) -> Iterator[str]:
    for found in _TOKEN.finditer(sql):
        if not found.group().isspace():
            yield found.group()


def length(tokens: list[str], at: int) -> int:
    """Characters from an opening parenthesis to its partner."""
    depth = total = 0
    for token in tokens[at:]:
        depth += (token == "(") - (token == ")")
        total += len(token) + 1
        if not depth:
            break
    return total


def join(parts: list[str]) -> str:
    """Tokens with the blanks that SQL is written with."""
    out = ""
    for part in parts:
        glued = (
            not out
            or out[-1] in "(\n .["
            or part[0] in "\n,).;[]:"
            or out.endswith("::")
            or out[-1] == ":"
            or (part == "(" and (out[-1].isalnum() or out[-1] in '_"') and out.split()[-1].upper() not in _WORDS)
        )
        if len(part) == 1 and out and out[-1] in "<>=!|-" and part in "=>|" and part != "-":
            glued = True
        out += part if glued else " " + part
    return out


_WORDS = {
    *_CLAUSES, "SELECT", "AND", "OR", "NOT", "IN", "AS", "ON", "BY", "WHEN", "THEN", "ELSE", "CASE", "EXCLUDE", "OVER", "USING",
    "ALL", "MATERIALIZED",
}  # fmt: skip
"""Words that a parenthesis does not touch: after a function's name it does."""
