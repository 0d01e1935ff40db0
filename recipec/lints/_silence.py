"""``# allow: rule because reason``: findings that somebody looked at and means to keep.

The comment stands at the end of a line of the statement or of the step's head that the finding is in, or on lines of its
own right above it. Above a step it speaks for the whole step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from recipec.diagnostics import Diagnostic, Edit, Fix, UnknownName
from recipec.resolve.program import Program
from recipec.source import Source, Span
from recipec.syntax import tree

_ALLOW = r"#+\s*allow\s*:\s*(.*?)\s*(?:\bbecause\b\s*[:：]?\s*(.*?)\s*)?$"
_NAME = r"[^\s,，、]+"


class AllowWithoutReason(Diagnostic):
    """A silence that does not say why.

    Whoever reads the recipe next must know whether the finding was looked at or only in the way. The silence still holds.

    Bad: ``# allow: unused-step``. Good: ``# allow: unused-step because the notebook reads it``.
    """

    name = "allow-without-reason"
    code = "W391"
    severity = "warning"


class UnknownAllow(UnknownName):
    """A silence for a rule that is none of the lints. Errors cannot be silenced.

    Bad: ``# allow: unused-stp because ...``. Good: ``# allow: unused-step because ...``. ``recipec explain`` lists the rules.
    """

    name = "unknown-allow"
    code = "W392"
    severity = "warning"


class UnusedAllow(Diagnostic):
    """A silence for what is not found here.

    The recipe has changed since, or the comment stands in the wrong place: at the end of a line of the statement, or right
    above it or its step. One that is left would hide the next true finding.

    Bad: ``# allow: ungrouped-split because ...`` above a split that has a ``group``. Good: no comment.
    """

    name = "unused-allow"
    code = "W393"
    severity = "warning"


RULES = (AllowWithoutReason.name, UnknownAllow.name, UnusedAllow.name)


class Allow(NamedTuple):
    """One name of a comment, and the line of code that it speaks for (0: none)."""

    rule: str
    span: Span
    comment: Span
    line: int
    alone: bool
    """Its comment names nothing else."""


class Silences:
    """The silences of one file, what is wrong with them, and which of them were of use."""

    def __init__(self) -> None:
        self.allows: list[Allow] = []
        self.problems: list[Diagnostic] = []
        self.used: set[Allow] = set()


def silenced(program: Program, found: Sequence[Diagnostic], known: Sequence[str]) -> list[Diagnostic]:
    """The findings without the silenced ones, and with what is wrong with the silences of the recipe itself.

    Those of imported files hold too; whether they are of use is for these files' own check to say.
    """
    modules = [program.root]
    for module in modules:
        modules += module.imports.values()
    files = {m.source: (m.file, look(m.file, known)) for m in modules if "allow" in m.source.text}
    kept: list[Diagnostic] = []
    for d in found:
        file, notes = files.get(d.span.source, (None, None))
        if file is None or notes is None:
            kept.append(d)
            continue
        hit = [a for a in notes.allows if a.rule == d.name and a.line in lines(file, d.span)] if notes.allows else []
        notes.used.update(hit)
        if not hit:
            kept.append(d)
    own = files.get(program.root.source)
    if own is not None:
        kept += own[1].problems
        kept += [unused(a) for a in own[1].allows if a not in own[1].used]
    return kept


def look(file: tree.File, known: Sequence[str]) -> Silences:
    out = Silences()
    for comment in file.comments:
        match = re.fullmatch(_ALLOW, comment.text, re.S)
        if match is None:
            continue
        start = comment.span.start
        line = covered(file, comment)
        names = list(re.finditer(_NAME, match[1]))
        if not match[2]:
            message, help = "a silence needs its reason", f"# allow: {match[1] or 'RULE'} because ..."
            out.problems.append(AllowWithoutReason(span=comment.span, message=message, help=(help,)))
        for name in names:
            offset = start + match.start(1) + name.start()
            span = Span(file.source, offset, offset + len(name[0]))
            if name[0] in known:
                out.allows.append(Allow(name[0], span, comment.span, line, len(names) == 1))
            else:
                problem = UnknownAllow(span=span, wanted=name[0], candidates=tuple(known))
                problem.suggest(f"no lint `{name[0]}`")
                out.problems.append(problem)
    return out


def covered(file: tree.File, comment: tree.Comment) -> int:
    """The line that a comment speaks for: its own, or for one that stands alone the next that is no comment."""
    source, line = file.source, comment.span.place[0]
    if not comment.own_line:
        return line
    while line < len(source.starts):
        line += 1
        text = source.line(line).strip()
        if not text.startswith("#"):
            return line if text else 0
    return 0


def lines(file: tree.File, span: Span) -> set[int]:
    """The lines whose silences hold for a finding: its own, those of its statement, and those of its step's head."""
    out = {span.place[0]}
    for item in items(file.items):
        if item.span.start <= span.start < max(item.span.end, item.span.start + 1):
            head = item.head if isinstance(item, tree.Step) else item.span
            out.update(range(head.place[0], head.end_place[0] + 1))
            for statement in item.body if isinstance(item, (tree.Step, tree.Header)) else ():
                if statement.span.start <= span.start < statement.span.end:
                    out.update(range(statement.span.place[0], statement.span.end_place[0] + 1))
    return out


def items(nodes: Sequence[tree.Item]) -> Iterator[tree.Item]:
    """The items of a file, those inside a ``repeat`` too."""
    for node in nodes:
        if isinstance(node, tree.Repeat):
            yield from items(node.items)
        yield node


def unused(allow: Allow) -> Diagnostic:
    source: Source = allow.span.source
    fixes: tuple[Fix, ...] = ()
    if allow.alone:
        start, end = allow.comment.start, allow.comment.end
        begin = source.starts[source.place(start)[0] - 1]
        if not source.text[begin:start].strip():
            # The comment has the line for itself: the line goes with it.
            start = begin
            end = min(end + (2 if source.text[end : end + 2] == "\r\n" else 1), len(source.text))
        else:
            start -= len(source.text[begin:start]) - len(source.text[begin:start].rstrip())
        fixes = (Fix("remove the comment", (Edit(Span(source, start, end), ""),)),)
    return UnusedAllow(span=allow.span, message=f"`{allow.rule}` finds nothing here", label="silences nothing", fixes=fixes)
