"""JUnit's XML: a test suite a file, a failed case a finding, one passing case for a file without any.

It has the elements and attributes of the Jenkins xUnit plugin's schema (junit-10.xsd) and no others, so that strict readers take it.
"""

from __future__ import annotations

from recipec.diagnostics import Diagnostic
from recipec.report.formats import Report, sentence
from recipec.report.terminal import Terminal


def render(report: Report, terminal: Terminal) -> str:
    by_file: dict[str, list[Diagnostic]] = {path: [] for path in report.files}
    for d in report.findings:
        by_file.setdefault(d.span.source.path, []).append(d)
    cases = sum(max(1, len(found)) for found in by_file.values())
    totals = f'tests="{cases}" failures="{len(report.findings)}" errors="0"'
    out = ['<?xml version="1.0" encoding="UTF-8"?>', f'<testsuites name="recipec" {totals} time="{report.seconds:.3f}">']
    for path, found in by_file.items():
        out.append(f'  <testsuite name="{escape(path)}" tests="{max(1, len(found))}" failures="{len(found)}" errors="0" skipped="0">')
        if not found:
            out.append(f'    <testcase name="recipec" classname="{escape(path)}"/>')
        for d in found:
            line, column = d.span.place
            out.append(f'    <testcase name="{escape(d.name)} {line}:{column}" classname="{escape(path)}">')
            detail = "\n".join([f"{path}:{line}:{column}: {d.message}", *([d.label] if d.label else []), *d.help])
            out.append(f'      <failure type="{escape(d.severity)}" message="{escape(sentence(d))}">{escape(detail)}</failure>')
            out.append("    </testcase>")
        out.append("  </testsuite>")
    text = "\n".join([*out, "</testsuites>"]) + "\n"
    return text if terminal.unicode else text.encode("ascii", "xmlcharrefreplace").decode()


def escape(text: str) -> str:
    """Text for an element or attribute; what XML 1.0 cannot hold at all becomes U+FFFD."""
    kept = "".join(
        c if c in "\t\n" or 0x20 <= ord(c) <= 0xD7FF or 0xE000 <= ord(c) <= 0xFFFD or ord(c) > 0xFFFF else "\ufffd" for c in text
    )
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("\n", "&#10;"), ("\t", "&#9;")):
        kept = kept.replace(char, entity)
    return kept
