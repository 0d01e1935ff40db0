"""For people: every finding with its lines, then a summary."""

from __future__ import annotations

from recipec.report.formats import Report
from recipec.report.terminal import Terminal
from recipec.report.text import counted, finding, summary


def render(report: Report, terminal: Terminal) -> str:
    parts = [finding(d, terminal) for d in report.findings]
    if report.fixed:
        parts.append(terminal.paint("good", f"{counted(report.fixed, 'finding')} mended") + "\n")
    if report.findings:
        last = f"{summary(report.findings)} in {report.seconds:.2f} s\n"
    else:
        last = f"nothing to report in {counted(len(report.files), 'file')}, {report.seconds:.2f} s\n"
    return "\n".join(parts) + ("\n" if report.findings and not report.fixed else "") + last
