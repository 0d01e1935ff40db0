"""Mending findings: edits applied to the texts they belong to."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from recipec.diagnostics import Diagnostic, Edit


def chosen(findings: Iterable[Diagnostic], paths: Collection[str], *, unsafe: bool) -> list[tuple[Diagnostic, tuple[Edit, ...]]]:
    """The first fitting fix of each finding whose edits all lie in ``paths`` and touch no edit already chosen.

    The same edit for two findings counts for both; of two that overlap, the later one waits for the next round.
    """
    out: list[tuple[Diagnostic, tuple[Edit, ...]]] = []
    taken: list[Edit] = []
    for finding in findings:
        for fix in finding.fixes:
            if not (fix.safe or unsafe) or any(e.span.source.path not in paths for e in fix.edits):
                continue
            fresh = [e for e in fix.edits if not any(same(e, t) for t in taken)]
            if any(touches(e, t) for e in fresh for t in taken):
                break
            taken += fresh
            out.append((finding, fix.edits))
            break
    return out


def same(a: Edit, b: Edit) -> bool:
    return a.text == b.text and a.span.order == b.span.order


def touches(a: Edit, b: Edit) -> bool:
    """Whether two edits overlap, or insert at the same place."""
    if a.span.source.path != b.span.source.path:
        return False
    if a.span.start == b.span.start:
        return True
    return a.span.start < b.span.end and b.span.start < a.span.end


def applied(text: str, path: str, edits: Iterable[Edit]) -> str:
    """``text`` of the file ``path`` with those of the edits that are its own."""
    unique = {(*e.span.order, e.text): e for e in edits if e.span.source.path == path}
    for edit in sorted(unique.values(), key=lambda e: e.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


def difference(old: str, new: str, path: str) -> str:
    """A unified diff, empty when nothing differs."""
    from difflib import unified_diff

    lines = []
    for line in unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), path, path):
        lines.append(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n")
    return "".join(lines)
