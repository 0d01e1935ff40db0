"""The reference as text for the terminal, as Markdown and as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from recipec.registry import Group
from recipec.report.cells import clip, pad, width, wrap
from recipec.report.pages import page, plain, table
from recipec.report.reference import ONE, REST, TITLES, Entry, Param
from recipec.report.terminal import Terminal


def overview(groups: Iterable[tuple[Group, Sequence[Entry]]], terminal: Terminal) -> str:
    """Every name with its summary, group by group."""
    out: list[str] = []
    for group, entries in groups:
        if not entries:
            continue
        column = max(width(e.name) for e in entries)
        out.append(terminal.paint("bold", TITLES[group]))
        for e in entries:
            room = terminal.width - column - 4
            out.append("  " + terminal.paint("other", pad(e.name, column)) + "  " + clip(plain(e.summary), room, terminal.draw("…")))
        out.append("")
    return "\n".join(out) + "\n"


def entry_page(e: Entry, terminal: Terminal) -> str:
    """All that is known of one thing."""
    signature = wrap(f"{e.signature}   {ONE[e.group]}", min(terminal.width, 100) - 4)
    lines = [terminal.paint("bold", line) for line in signature]
    out = ["\n    ".join(lines) + "\n", page(e.doc, terminal)]
    if e.facts:
        out.append(page("\n\n".join(e.facts), terminal))
    for title, rows in parameter_tables(e):
        drawn = table(rows, min(terminal.width, 100) - 2, terminal)
        out.append(terminal.paint("bold", title) + "\n" + "".join(f"  {line}\n" for line in drawn))
    return "\n".join(out)


def parameter_tables(e: Entry) -> Iterator[tuple[str, list[list[str]]]]:
    """(title, rows with their head) of the settings or arguments, and of the calls that settings accept."""
    if e.params:
        yield e.called, [head(e.params), *(row(p, e.params) for p in e.params)]
    for choice in e.choices:
        if choice.params:
            title = f"{choice.setting}: {choice.name}(...)"
            yield title, [head(choice.params), *(row(p, choice.params) for p in choice.params)]


def head(params: Sequence[Param]) -> list[str]:
    return ["name", "takes", "default", *(["meaning"] if any(p.doc for p in params) else [])]


def row(p: Param, params: Sequence[Param]) -> list[str]:
    name, type = ("...", p.type.strip("[]") + ", any number") if p.name == REST else (p.name, p.type)
    default = "" if p.name == REST else "required" if p.default is None else p.default
    return [name, type, default, *([p.doc] if any(q.doc for q in params) else [])]


def markdown(groups: Iterable[tuple[Group, Sequence[Entry]]], level: int = 2) -> str:
    """A reference in Markdown, a heading a thing."""
    out: list[str] = []
    for group, entries in groups:
        if entries:
            out += [f"{'#' * level} {TITLES[group]}", *(entry_markdown(e, level + 1) for e in entries)]
    return "\n\n".join(out) + "\n"


def entry_markdown(e: Entry, level: int = 3) -> str:
    out = [f"{'#' * level} `{e.name}`", f"```recipe\n{e.signature}\n```", fenced_examples(e.doc)]
    out += e.facts
    for title, rows in parameter_tables(e):
        cells = [[f"`{c}`" if i < 3 and c not in ("", "required") and n else c for i, c in enumerate(r)] for n, r in enumerate(rows)]
        lines = ["| " + " | ".join(c.replace("|", "\\|") for c in r) + " |" for r in cells]
        lines.insert(1, "|" + "---|" * len(rows[0]))
        out.append((f"`{title}`" if ":" in title else title.capitalize()) + "\n\n" + "\n".join(lines))
    return "\n\n".join(part for part in out if part)


def fenced_examples(doc: str) -> str:
    """A docstring whose ``>>>`` examples stand in fences."""
    out: list[str] = []
    inside = False
    for line in doc.splitlines():
        if line.startswith(">>>") and not inside:
            out.append("```python")
            inside = True
        elif inside and not line.strip():
            out.append("```")
            inside = False
        out.append(line)
    return "\n".join([*out, "```"] if inside else out)


def data(e: Entry) -> dict[str, Any]:
    """An entry as JSON."""

    def one(p: Param) -> dict[str, Any]:
        return {"name": p.name, "type": p.type, "default": p.default, "required": p.default is None and p.name != REST, "doc": p.doc}

    return {
        "group": e.group,
        "name": e.name,
        "signature": e.signature,
        "summary": e.summary,
        "doc": e.doc,
        e.called: [one(p) for p in e.params],
        "choices": [{"setting": c.setting, "name": c.name, "arguments": [one(p) for p in c.params]} for c in e.choices],
    }
