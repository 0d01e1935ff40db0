"""A finding as plain data: what ``check --format json`` prints, and what the other machine formats are made of.

``line`` and ``column`` count from one, columns in code points; the end is exclusive.
"""

from __future__ import annotations

from typing import Any, TypedDict

from recipec.diagnostics import Diagnostic
from recipec.source import Span


class Place(TypedDict):
    file: str
    line: int
    column: int
    end_line: int
    end_column: int


def place(span: Span) -> Place:
    (line, column), (end_line, end_column) = span.place, span.end_place
    return {"file": span.source.path, "line": line, "column": column, "end_line": end_line, "end_column": end_column}


def record(diagnostic: Diagnostic) -> dict[str, Any]:
    """The contract: ``name code severity message help file line column end_line end_column fixes``, and beside it
    ``label``, what stands under the caret, and ``also``, further places."""
    return {
        "name": diagnostic.name,
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "label": diagnostic.label,
        "help": list(diagnostic.help),
        **place(diagnostic.span),
        "also": [{**place(label.span), "label": label.text} for label in diagnostic.also],
        "fixes": [
            {"title": fix.title, "safe": fix.safe, "edits": [{**place(edit.span), "text": edit.text} for edit in fix.edits]}
            for fix in diagnostic.fixes
        ],
    }
