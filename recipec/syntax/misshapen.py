"""Items that people write in other forms: a template whose text has no quotes, a source that is a path alone."""

from __future__ import annotations

from collections.abc import Sequence

from recipec.diagnostics import Diagnostic, Edit, Fix, replace_fix
from recipec.source import Source, Span
from recipec.syntax import errors
from recipec.syntax.machine import Token

READERS = {".csv": "csv", ".tsv": "tsv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".txt": "lines",
           ".md": "markdown", ".html": "html", ".conll": "conll", ".db": "sqlite", ".sqlite": "sqlite"}  # fmt: skip
"""Readers by the ending of a file, for the form that is suggested."""
TEXTS = frozenset({"STRING", "BLOCK"})


def misshapen(source: Source, tokens: Sequence[Token]) -> Diagnostic | None:
    """What is wrong with the whole of an item that did not parse; None where it is some part of it."""
    if tokens[0].word == "TEMPLATE":
        return template(source, tokens)
    if len(tokens) > 3 and tokens[0].kind == "NAME" and tokens[1].kind in ("NAME", "QUOTED") and tokens[2].kind == "=":
        return path_alone(source, tokens[3])
    return None


def path_alone(source: Source, token: Token) -> Diagnostic | None:
    """``source x = "data/file.csv"``."""
    if token.kind != "STRING":
        return None
    path = token.text.strip('"').lower().removesuffix(".gz")
    reader = next((r for ending, r in READERS.items() if path.endswith(ending)), None)
    span = Span(source, token.start, token.end)
    form = f"{reader or 'csv'}({token.text})"
    return errors.WrongShape(
        span=span,
        message="a file is read by a reader",
        label=f"write `{form}`",
        fixes=(replace_fix(span, form, safe=False),) if reader is not None else (),
    )


def template(source: Source, tokens: Sequence[Token]) -> Diagnostic | None:
    """A text of a template, or of one of its roles, that does not stand between quotes."""
    depth, behind = 0, len(tokens)
    for number, token in enumerate(tokens[2:], 2):
        depth += (token.kind == "(") - (token.kind == ")")
        if depth <= 0:
            behind = number + 1
            break
    if behind >= len(tokens) or tokens[2].kind != "(":
        return None
    first = tokens[behind]
    if first.kind == "=" and behind + 1 < len(tokens) and tokens[behind + 1].kind in TEXTS:
        return without(source, first, "the text of a template stands behind its parameters, without `=`")
    if first.kind != "{":
        return bare(source, first, "template") if first.kind not in TEXTS else None
    inside = tokens[behind + 1 :]
    if len(inside) > 1 and inside[0].kind == "{":
        return bare(source, first, "template")
    at = 0
    while at + 1 < len(inside) and inside[at].kind in ("NAME", "QUOTED"):
        role, text = inside[at], inside[at + 1]
        if text.kind in (":", "=") and at + 2 < len(inside) and inside[at + 2].kind in TEXTS:
            return without(source, text, f"the text of `{role.text}` stands right behind it, without `{text.text}`")
        if text.kind not in TEXTS:
            return bare(source, text, role.text)
        at += 2 + (at + 2 < len(inside) and inside[at + 2].kind == ",")
    return None


def bare(source: Source, first: Token, of: str) -> Diagnostic:
    """A text that begins at ``first``, as far as its line goes."""
    end = source.text.find("\n", first.start)
    line = source.text[first.start : end if end >= 0 else len(source.text)].rstrip()
    return errors.WrongShape(
        span=Span(source, first.start, first.start + max(len(line), 1)),
        message=f"the text of {'a template' if of == 'template' else f'`{of}`'} stands between quotes",
        label='write `"""` before and behind it',
    )


def without(source: Source, token: Token, message: str) -> Diagnostic:
    span = Span(source, token.start, token.end)
    fix = Fix(f"leave `{token.text}` out", (Edit(span, ""),))
    return errors.WrongShape(span=span, message=message, label=f"leave `{token.text}` out", fixes=(fix,))
