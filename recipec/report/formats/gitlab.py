"""GitLab's Code Quality report: a JSON list, to be kept as the artifact ``codequality``."""

from __future__ import annotations

import json
from hashlib import blake2b

from recipec.report.formats import Report, paragraph, relative
from recipec.report.terminal import Terminal

SEVERITIES = {"error": "major", "warning": "minor", "note": "info"}


def render(report: Report, terminal: Terminal) -> str:
    out = []
    seen: dict[str, int] = {}
    for d in report.findings:
        path = relative(d.span.source.path)
        # The line is left out, so that a finding keeps its identity when text above it moves; equal ones are numbered.
        identity = f"{d.name}\0{path}\0{d.message}\0{d.span.text}"
        seen[identity] = number = seen.get(identity, 0) + 1
        (line, _), (end_line, _) = d.span.place, d.span.end_place
        out.append(
            {
                "description": paragraph(d),
                "check_name": d.name,
                "fingerprint": blake2b(f"{identity}\0{number}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest(),
                "severity": SEVERITIES[d.severity],
                "location": {"path": path, "lines": {"begin": line, "end": end_line}},
            }
        )
    return json.dumps(out, ensure_ascii=not terminal.unicode, indent=2) + "\n"
