"""SARIF 2.1.0, for code scanning: rules with their pages, results with related places and fixes."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

from recipec import __version__
from recipec.diagnostics import Diagnostic, Edit, Fix
from recipec.report.formats import Report, paragraph, relative
from recipec.report.rules import Rule, find_rule
from recipec.report.terminal import Terminal
from recipec.source import Span

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {"error": "error", "warning": "warning", "note": "note"}


def render(report: Report, terminal: Terminal) -> str:
    names = sorted({d.name for d in report.findings})
    numbers = {name: i for i, name in enumerate(names)}
    severities = {d.name: d.severity for d in report.findings}
    driver = {
        "name": "recipec",
        "semanticVersion": __version__,
        "rules": [rule(name, find_rule(name), severities[name]) for name in names],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "artifacts": [{"location": artifact(path)} for path in report.files],
        "results": [result(d, numbers[d.name]) for d in report.findings],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=not terminal.unicode, indent=2) + "\n"


def rule(name: str, found: Rule | None, severity: str) -> dict[str, Any]:
    out: dict[str, Any] = {"id": name, "name": name, "defaultConfiguration": {"level": LEVELS[severity]}}
    if found is not None:
        out["shortDescription"] = {"text": found.title}
        out["fullDescription"] = {"text": found.title}
        out["help"] = {"text": found.page, "markdown": found.markdown}
        out["properties"] = {"tags": ["recipe"], "code": found.code}
    return out


def artifact(path: str) -> dict[str, str]:
    return {"uri": quote(relative(path))}


def region(span: Span) -> dict[str, int]:
    (line, column), (end_line, end_column) = span.place, span.end_place
    return {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}


def location(span: Span, text: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {"physicalLocation": {"artifactLocation": artifact(span.source.path), "region": region(span)}}
    if text:
        out["message"] = {"text": text}
    return out


def result(d: Diagnostic, number: int) -> dict[str, Any]:
    identity = f"{d.name}\0{relative(d.span.source.path)}\0{d.message}\0{d.span.text}".encode("utf-8", "surrogatepass")
    out: dict[str, Any] = {
        "ruleId": d.name,
        "ruleIndex": number,
        "level": LEVELS[d.severity],
        "message": {"text": paragraph(d)},
        "locations": [location(d.span)],
        "partialFingerprints": {"recipecFinding/v1": blake2b(identity, digest_size=16).hexdigest()},
    }
    if d.also:
        out["relatedLocations"] = [{"id": i, **location(label.span, label.text)} for i, label in enumerate(d.also, 1)]
    if d.fixes:
        out["fixes"] = [fix_of(f) for f in d.fixes]
    return out


def fix_of(fix: Fix) -> dict[str, Any]:
    by_file: dict[str, list[Edit]] = {}
    for edit in fix.edits:
        by_file.setdefault(edit.span.source.path, []).append(edit)
    changes = [
        {
            "artifactLocation": artifact(path),
            "replacements": [{"deletedRegion": region(e.span), "insertedContent": {"text": e.text}} for e in edits],
        }
        for path, edits in by_file.items()
    ]
    return {"description": {"text": fix.title}, "artifactChanges": changes}
