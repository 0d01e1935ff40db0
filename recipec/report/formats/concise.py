"""One line a finding, ``file:line:col: error[name] message``, as compilers print and editors read."""

from __future__ import annotations

from recipec.report.cells import clean
from recipec.report.formats import Report, sentence
from recipec.report.terminal import Terminal


def render(report: Report, terminal: Terminal) -> str:
    out = []
    for d in report.findings:
        line, column = d.span.place
        place = terminal.paint("bold", f"{clean(d.span.source.path)}:{line}:{column}:")
        out.append(f"{place} {terminal.paint(d.severity, f'{d.severity}[{d.name}]')} {clean(sentence(d), terminal.unicode)}\n")
    return "".join(out)
