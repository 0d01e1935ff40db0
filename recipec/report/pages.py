"""Documentation in the terminal: the Markdown that docstrings use, as text of the terminal's width.

Known are paragraphs, headings, fenced code, lists, tables and ``>>>`` examples; double backticks count as single ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from recipec.report.cells import pad, safe, width, wrap
from recipec.report.terminal import Terminal

_CODE = re.compile(r"`([^`\n]+)`")
_ITEM = re.compile(r"^(\s*)([-*]|\d+\.) +")
_RULE = re.compile(r"^\|[-| :]+\|$")
WIDEST = 100
"""Lines of prose are not made longer than this, however wide the terminal."""


def page(text: str, terminal: Terminal, indent: int = 0) -> str:
    """A docstring's Markdown for reading."""
    out: list[str] = []
    room = min(terminal.width, WIDEST) - indent
    for kind, lines in blocks(text):
        if out:
            out.append("")
        out.extend(draw(kind, lines, room, terminal))
    return "".join((" " * indent + line).rstrip() + "\n" for line in out)


def blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """(kind, lines) of each block: ``text``, ``head``, ``code``, ``example``, ``list``, ``table``."""
    lines = text.replace("``", "`").expandtabs(4).splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
            continue
        end = at + 1
        if line.lstrip().startswith("`" * 2) or line.lstrip().startswith("~~~"):
            while end < len(lines) and not lines[end].lstrip().startswith(("``", "~~~")):
                end += 1
            yield "code", dedent(lines[at + 1 : end])
            at = end + 1
            continue
        if line.startswith("#"):
            kind = "head"
        elif line.startswith("|"):
            kind = "table"
        elif _ITEM.match(line):
            kind = "list"
        elif line.startswith(">>>"):
            kind = "example"
        elif line.startswith("    "):
            kind = "code"
        else:
            kind = "text"
        while end < len(lines) and lines[end].strip() and kind != "head" and not fence(lines[end]):
            if kind == "text" and (_ITEM.match(lines[end]) or lines[end].startswith(("|", ">>>", "#"))):
                break
            end += 1
        yield kind, dedent(lines[at:end]) if kind == "code" else lines[at:end]
        at = end


def fence(line: str) -> bool:
    return line.lstrip().startswith(("``", "~~~"))


def dedent(lines: list[str]) -> list[str]:
    least = min((len(x) - len(x.lstrip()) for x in lines if x.strip()), default=0)
    return [x[least:] for x in lines]


def draw(kind: str, lines: list[str], room: int, terminal: Terminal) -> Iterator[str]:
    match kind:
        case "head":
            yield terminal.paint("bold", lines[0].lstrip("# "))
        case "code" | "example":
            for line in lines:
                yield "  " + (terminal.paint("dim", line) if kind == "code" else line)
        case "list":
            yield from items(lines, room, terminal)
        case "table":
            rows = [
                [c.strip() for c in row.strip().strip("|").replace("\\|", "\0").split("|")] for row in lines if not _RULE.match(row.strip())
            ]
            yield from table([[c.replace("\0", "|") for c in row] for row in rows], room, terminal)
        case _:
            for line in wrap(safe(" ".join(x.strip() for x in lines)), room):
                yield coded(line, terminal)


def items(lines: list[str], room: int, terminal: Terminal) -> Iterator[str]:
    """List items, each with its further lines under its first."""
    joined: list[str] = []
    for line in lines:
        if _ITEM.match(line) or not joined:
            joined.append(line.rstrip())
        else:
            joined[-1] += " " + line.strip()
    for item in joined:
        found = _ITEM.match(item)
        lead = found.group(0) if found else ""
        for number, line in enumerate(wrap(item[len(lead) :], room - len(lead))):
            yield (lead if number == 0 else " " * len(lead)) + coded(line, terminal)


def table(rows: Sequence[Sequence[str]], room: int, terminal: Terminal, head: bool = True) -> Iterator[str]:
    """Rows in columns; what does not fit is wrapped in its column, the widest columns first."""
    rows = [[plain(c) for c in row] for row in rows]
    count = max(map(len, rows))
    sizes = [max((width(row[i]) for row in rows if i < len(row)), default=0) for i in range(count)]
    while sum(sizes) + 2 * (count - 1) > room and max(sizes) > 8:
        sizes[sizes.index(max(sizes))] -= 1
    for number, row in enumerate(rows):
        cells = [wrap(row[i] if i < len(row) else "", sizes[i]) for i in range(count)]
        for line in range(max(map(len, cells))):
            text = "  ".join(pad(cells[i][line] if line < len(cells[i]) else "", sizes[i]) for i in range(count)).rstrip()
            yield terminal.paint("bold", text) if head and number == 0 else text


def plain(text: str) -> str:
    """A text without the backticks around its code."""
    return _CODE.sub(r"\1", text.replace("``", "`"))


def first_sentence(text: str) -> str:
    """The first sentence of a docstring, on one line, without its full stop."""
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    head, stop, _ = paragraph.partition(". ")
    return (head + stop.rstrip()).rstrip(".")


def coded(text: str, terminal: Terminal) -> str:
    """A line with its code in colour; without colours the backticks stay, since they tell code from words."""
    return _CODE.sub(lambda m: terminal.paint("other", m.group(1)), text) if terminal.color else text
