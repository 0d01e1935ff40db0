"""A list of records, see :mod:`recipec.report.record`."""

from __future__ import annotations

import json

from recipec.report.formats import Report
from recipec.report.record import record
from recipec.report.terminal import Terminal


def render(report: Report, terminal: Terminal) -> str:
    return json.dumps([record(d) for d in report.findings], ensure_ascii=not terminal.unicode, indent=2) + "\n"
