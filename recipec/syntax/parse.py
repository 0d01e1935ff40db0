"""Text to syntax tree."""

from __future__ import annotations

from recipec.diagnostics import Diagnostic
from recipec.source import Source
from recipec.syntax import errors
from recipec.syntax.build import Builder
from recipec.syntax.lexer import TRIVIA, scan
from recipec.syntax.machine import Stuck, expected, run
from recipec.syntax.tables import tables
from recipec.syntax.tree import Comment, File, Item


def parse(source: Source) -> tuple[File, list[Diagnostic]]:
    """The tree of a file and all its syntax errors; the items of the tree are those that parsed."""
    diagnostics: list[Diagnostic] = []
    table = tables()
    everything = scan(source)
    tokens = [t for t in everything if t.kind not in TRIVIA]
    comments = []
    for t in everything:
        if t.kind == "COMMENT":
            line = source.text.rfind("\n", 0, t.start) + 1
            own = not source.text[line : t.start].strip()
            comments.append(Comment(t.text, source.span(t.start, t.end), own))
    items: tuple[Item, ...] = ()
    try:
        items = run(table, tokens, "start", Builder(source, diagnostics).actions(table))
    except Stuck as stuck:
        if stuck.index < len(tokens):
            t = tokens[stuck.index]
            span = source.span(t.start, t.end)
            found = f"`{t.text}`"
        else:
            span, found = source.span(len(source.text), len(source.text)), "the end"
        wanted = ", ".join(sorted(expected(table, stuck.states)))
        diagnostics.append(errors.Unexpected(span=span, message=f"unexpected {found}; expected {wanted}"))
    return File(source, items, tuple(comments)), diagnostics
