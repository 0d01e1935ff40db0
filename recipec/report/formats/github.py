"""Workflow commands of GitHub Actions: each finding becomes an annotation on its line."""

from __future__ import annotations

from recipec.diagnostics import Diagnostic
from recipec.report.formats import Report, relative, sentence
from recipec.report.terminal import Terminal

LEVELS = {"error": "error", "warning": "warning", "note": "notice"}


def render(report: Report, terminal: Terminal) -> str:
    return "".join(command(d) + "\n" for d in report.findings)


def command(d: Diagnostic) -> str:
    (line, column), (end_line, end_column) = d.span.place, d.span.end_place
    facts = {"title": f"recipec {d.name}", "file": relative(d.span.source.path), "line": line, "endLine": end_line}
    if line == end_line:  # columns of a span over several lines are refused
        facts |= {"col": column, "endColumn": max(end_column, column)}
    listed = ",".join(f"{k}={value(str(v))}" for k, v in facts.items())
    return f"::{LEVELS[d.severity]} {listed}::{data(chr(10).join([sentence(d), *d.help]))}"


def data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def value(text: str) -> str:
    return data(text).replace(":", "%3A").replace(",", "%2C")
