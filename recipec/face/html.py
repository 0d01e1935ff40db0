"""Text and tables as HTML for notebooks: colours that can be read on light and on dark, nothing that runs, nothing loaded."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterable, Sequence

from recipec.report.terminal import Terminal

COLOURS = {"31": "#d0312d", "32": "#2e8b57", "33": "#b8860b", "34": "#4a7fb5", "36": "#2a8c9c"}
"""The colours of :data:`recipec.report.terminal.STYLES` by their ANSI codes."""
_CODE = re.compile(r"\x1b\[([\d;]*)m")
PRE = "line-height:1.35;white-space:pre;overflow-x:auto;background:none;color:inherit"
CELL = "text-align:{};vertical-align:top;padding:0.15em 0.7em;white-space:{}"


def paper(width: int = 100) -> Terminal:
    """A terminal with colours whose text :func:`pre` turns into HTML."""
    return Terminal(io.StringIO(), color=True, unicode=True, width=width)


def pre(text: str) -> str:
    """Text with ANSI colours as a ``pre`` element."""
    out, open_, at = [], False, 0
    for code in _CODE.finditer(text):
        out.append(html.escape(text[at : code.start()]))
        at = code.end()
        if open_:
            out.append("</span>")
            open_ = False
        style = styled(code[1])
        if style:
            out.append(f'<span style="{style}">')
            open_ = True
    out.append(html.escape(text[at:]) + ("</span>" if open_ else ""))
    return f'<pre style="{PRE}">{"".join(out)}</pre>'


def styled(code: str) -> str:
    """The CSS of an ANSI code: ``1;31`` is bold and red."""
    made = []
    for part in code.split(";"):
        if part == "1":
            made.append("font-weight:bold")
        elif part == "2":
            made.append("opacity:0.65")
        elif part in COLOURS:
            made.append(f"color:{COLOURS[part]}")
    return ";".join(made)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = (), caption: str = "") -> str:
    """A table of texts; ``right`` are the numbers of the columns that hold numbers."""
    numbers = set(right)

    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(
            f'<{tag} style="{CELL.format("right" if i in numbers else "left", "nowrap" if i in numbers else "pre-wrap")}">'
            f"{html.escape(text)}</{tag}>"
            for i, text in enumerate(row)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    title = f'<caption style="text-align:left;caption-side:top">{html.escape(caption)}</caption>' if caption else ""
    return f"<table>{title}<thead><tr>{cells(head, 'th')}</tr></thead><tbody>{body}</tbody></table>"
