"""Findings as text for people: what is wrong, where, and what would be right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recipec.diagnostics import Diagnostic, Label
from recipec.report.cells import safe, wrap
from recipec.report.snippet import Drawing, mark
from recipec.report.terminal import Terminal
from recipec.source import Source

RULES_WITH_PAGES = ("warning", "note")
"""Severities whose findings end by naming their page: an error's own words say enough."""


def finding(diagnostic: Diagnostic, terminal: Terminal) -> str:
    """One finding, with its places, its help and whether it can be mended, ending in a line end."""
    return "\n".join(rows(diagnostic, terminal)) + "\n"


def rows(diagnostic: Diagnostic, terminal: Terminal) -> Iterator[str]:
    style = diagnostic.severity
    labels = [(Label(diagnostic.span, diagnostic.label), True), *((label, False) for label in diagnostic.also)]
    files: dict[str, tuple[Source, list[tuple[Label, bool]]]] = {}
    for label, main in labels:
        files.setdefault(label.span.source.path, (label.span.source, []))[1].append((label, main))
    gutter = max(2, len(str(max(mark(label, main).last for label, main in labels))))
    drawing = Drawing(terminal, style, gutter)
    yield from heading(diagnostic, terminal)
    for source, here in files.values():
        yield from drawing.file(source, here)
    below = list(notes(diagnostic))
    if below:
        yield drawing.edge()
    for note in below:
        lead = " " * gutter + terminal.paint("gutter", "=") + " "
        for text in wrap(safe(note, terminal.unicode), terminal.width - gutter - 2):
            yield lead + text
            lead = " " * (gutter + 2)


def heading(diagnostic: Diagnostic, terminal: Terminal) -> Iterator[str]:
    """``error[name]: message``, further lines indented."""
    title = f"{diagnostic.severity}[{diagnostic.name}]"
    lines = wrap(f"{title}: {safe(diagnostic.message, terminal.unicode)}", terminal.width - 2)
    first = lines[0].removeprefix(title)
    yield terminal.paint(diagnostic.severity, title) + terminal.paint("bold", first)
    for text in lines[1:]:
        yield "  " + terminal.paint("bold", text)


def notes(diagnostic: Diagnostic) -> Iterator[str]:
    yield from diagnostic.help
    if any(fix.safe for fix in diagnostic.fixes):
        yield "fix available: recipec check --fix"
    elif diagnostic.fixes:
        title = "" if diagnostic.label.startswith("did you mean") else f" ({diagnostic.fixes[0].title})"
        yield f"a fix to be looked at first: recipec check --fix --unsafe-fixes{title}"
    page = f"recipec explain {diagnostic.name}"
    if diagnostic.severity in RULES_WITH_PAGES and page not in diagnostic.help:
        yield page


def counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def summary(findings: Sequence[Diagnostic]) -> str:
    """``2 findings (1 error, 1 warning, 1 fixable)``"""
    parts = []
    for severity in ("error", "warning", "note"):
        number = sum(d.severity == severity for d in findings)
        if number:
            parts.append(counted(number, severity))
    fixable = sum(any(f.safe for f in d.fixes) for d in findings)
    if fixable:
        parts.append(f"{fixable} fixable")
    return f"{counted(len(findings), 'finding')} ({', '.join(parts)})"
