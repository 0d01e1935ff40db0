"""The forms in which findings leave the program: one file each, with ``render(report, terminal) -> str``."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from recipec.diagnostics import Diagnostic
from recipec.report.terminal import Terminal

FORMATS = ("text", "concise", "json", "github", "gitlab", "junit", "sarif")


class Report:
    """What a check found in ``files``, sorted by place; ``seconds`` is the time it took, ``fixed`` how many were mended."""

    def __init__(self, findings: Sequence[Diagnostic], files: Sequence[str], seconds: float = 0.0, fixed: int = 0) -> None:
        self.findings, self.files, self.seconds, self.fixed = findings, files, seconds, fixed


def render(name: str, report: Report, terminal: Terminal) -> str:
    """The report in a format of :data:`FORMATS`."""
    text: str = import_module(f"{__name__}.{name}").render(report, terminal)
    return text


def sentence(d: Diagnostic) -> str:
    """What is wrong, and what stands under the caret, as one sentence without an end."""
    return f"{d.message}; {d.label}" if d.label else d.message


def paragraph(d: Diagnostic) -> str:
    """The sentence and every line of help, one behind another: for forms that have one field for all of it."""
    text = ""
    for part in (sentence(d), *(h[:1].upper() + h[1:] if h[:1].islower() and " " in h else h for h in d.help)):
        text += (" " if text.endswith(("?", "!", ".")) else ". " if text else "") + part
    return text


def relative(path: str) -> str:
    """A path as code hosts want it: with forward slashes, from the working folder (the repository's top in CI)."""
    import os

    inside = os.path.relpath(path) if os.path.isabs(path) else os.path.normpath(path)
    return inside.replace(os.sep, "/")
