"""Rows of a table for reading: columns that fit the terminal, or one row below the other."""

from __future__ import annotations

import datetime
import decimal
import json
from collections.abc import Sequence
from typing import Any

from recipec.report.cells import clean, clip, pad, width, wrap
from recipec.report.terminal import Terminal

LEAST = 14
"""Cells below which a column of text is not squeezed: rather it is left out. Other columns are not squeezed at all."""
WIDEST_CELL = 400
NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
    "FLOAT",
    "DOUBLE",
)


def shown(value: Any) -> str:
    """A value as text on one line, long texts cut: line ends become ``⏎``."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return clean(value[:WIDEST_CELL].replace("\r\n", "\n").replace("\n", "⏎"))
        case float():
            return f"{value:.6g}"
        case datetime.datetime():
            return value.isoformat(" ")
        case bytes():
            return value[:40].hex(" ")
        case list() | tuple() | dict():
            return clean(json.dumps(plain(value), ensure_ascii=False)[:WIDEST_CELL])
        case _:
            return clean(str(value))


def plain(value: Any) -> Any:
    """A value of DuckDB as JSON has it: dates as text, decimals as numbers, what JSON cannot hold as null or text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if value == value and abs(value) != float("inf") else None
        case decimal.Decimal():
            return float(value) if value.is_finite() else None
        case list() | tuple():
            return [plain(v) for v in value]
        case dict():
            return {str(k): plain(v) for k, v in value.items()}
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case bytes():
            return value.hex()
        case _:
            return str(value)


def table(names: Sequence[str], types: Sequence[str], rows: Sequence[Sequence[Any]], terminal: Terminal) -> tuple[str, list[str]]:
    """The rows in columns, each line within the terminal's width, and the names of the columns left out for want of room."""
    room = terminal.width
    kept = len(names)
    texts = [[shown(v) for v in row] for row in rows]
    wanted = [max([width(clean(n)), *(width(t[i]) for t in texts)]) for i, n in enumerate(names)]
    least = [min(w, LEAST) if soft(t) else min(w, 40) for w, t in zip(wanted, types, strict=True)]
    while kept > 1 and sum(least[:kept]) + 2 * (kept - 1) > room:
        kept -= 1
    sizes = fit(wanted[:kept], least[:kept], room - 2 * (kept - 1))
    right = [t.startswith((*NUMBERS, "DECIMAL")) for t in types]
    more = terminal.draw("…")
    head = "  ".join(pad(clip(clean(n), s, more), s, right=r) for n, s, r in zip(names, sizes, right, strict=False)).rstrip()
    lines = [terminal.paint("bold", head)]
    for row, text in zip(rows, texts, strict=True):
        parts = []
        for i, size in enumerate(sizes):
            cell = pad(clip(text[i], size, more), size, right=right[i])
            parts.append(terminal.paint("dim", cell) if row[i] is None else cell)
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines) + "\n", list(names[kept:])


def soft(type: str) -> bool:
    """Whether values of a DuckDB type can be cut and still say something."""
    return type.startswith(("VARCHAR", "JSON", "BLOB", "STRUCT", "MAP")) or type.endswith("]")


def fit(wanted: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Widths that sum to at most ``room``: each column gets its least, and what is left goes evenly to those that want more."""
    sizes = list(least)
    if sizes and sum(sizes) > room:
        sizes[0] = max(1, room - sum(sizes[1:]))
    left = room - sum(sizes)
    while left > 0 and (hungry := [i for i, size in enumerate(sizes) if size < wanted[i]]):
        for i in hungry:
            more = min(wanted[i] - sizes[i], max(1, left // len(hungry)))
            more = min(more, left)
            sizes[i] += more
            left -= more
    return sizes


def record(names: Sequence[str], row: Sequence[Any], terminal: Terminal, indent: int = 0) -> str:
    """One row, a column a line, long texts wrapped and whole."""
    size = max([width(clean(n)) for n in names], default=0)
    out = []
    for name, value in zip(names, row, strict=True):
        text = clean_lines(value) if isinstance(value, str) else shown(value)
        lines = wrap(text, max(20, terminal.width - size - 2 - indent))
        style = "dim" if value is None else ""
        out.append(" " * indent + terminal.paint("other", pad(clean(name), size)) + "  " + terminal.paint(style, lines[0]))
        out += [" " * (indent + size + 2) + line for line in lines[1:]]
    return "".join(line.rstrip() + "\n" for line in out)


def clean_lines(text: str) -> str:
    return "\n".join(clean(part) for part in text.replace("\r\n", "\n").split("\n"))
