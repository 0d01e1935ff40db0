"""The life of a row as text and as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from recipec.report.cells import clean, clip, pad, wrap
from recipec.report.life import Event, Life
from recipec.report.rows import plain, record, shown
from recipec.report.runs import name_column
from recipec.report.terminal import Terminal


def life_text(life: Life, terminal: Terminal, *, diff: bool) -> str:
    """A line or two a step. ``diff`` shows every changed value, before and after."""
    out = [terminal.paint("bold", clean(life.name)) + ("" if life.name == life.key else terminal.paint("dim", f"   {life.key}"))]
    column = name_column([e.step for e in life.events])
    before = ""
    for event in life.events:
        lead = pad(clip(event.step, column), column) if event.step != before else " " * column
        before = event.step
        for line in lines(event, life, terminal, max(30, terminal.width - column - 5)):
            out.append(f"  {terminal.paint('other', lead)}   {line}")
            lead = " " * column
        if diff:
            out += [" " * (column + 5) + line for line in differences(event, terminal, column + 5)]
    return "\n".join(out) + "\n"


def lines(event: Event, life: Life, terminal: Terminal, room: int) -> Iterator[str]:
    match event.what:
        case "read":
            yield from wrap(f"read from {event.to}" if event.to else "read", room)
            facts = "  ".join(f"{clean(k)}={shown(v)}" for k, v in event.values.items())
            yield terminal.paint("dim", clip(facts, room, terminal.draw("…")))
        case "dropped":
            details = f" ({event.because})" if event.because else ""
            first, *rest = wrap(f"dropped: {event.reason}{details}", room)
            yield terminal.paint("bad", first)
            yield from rest
        case "written":
            yield f"written to {event.to}"
        case "gone":
            yield terminal.paint("bad", "not in its result")
        case _:
            made = f"made {event.key} from it: " if event.what == "made" else ""
            yield from wrap(made + what_happened(event), room)


def what_happened(event: Event) -> str:
    """``description changed, length added, in part train``"""
    parts = []
    if event.part:
        parts.append(f"in part {event.part}")
    if event.changed:
        parts.append(f"{', '.join(map(clean, event.changed))} changed")
    if event.added:
        parts.append(", ".join(f"{clean(k)} = {clip(shown(v), 40)}" for k, v in event.added.items()))
    if event.removed:
        parts.append(f"without {', '.join(map(clean, event.removed))}")
    return "; ".join(parts) or "kept as it was"


def differences(event: Event, terminal: Terminal, indent: int) -> Iterator[str]:
    for name, (old, new) in event.changed.items():
        yield terminal.paint("bold", clean(name))
        room = terminal.width - indent
        narrow = Terminal(terminal.stream, color=terminal.color, unicode=terminal.unicode, width=room)
        for sign, style, value in (("-", "bad", old), ("+", "good", new)):
            for line in record([sign], [value], narrow).splitlines():
                yield terminal.paint(style, line)


def life_data(life: Life) -> dict[str, Any]:
    def one(e: Event) -> dict[str, Any]:
        return {
            "step": e.step,
            "kind": e.kind,
            "key": e.key,
            "what": e.what,
            "reason": e.reason or None,
            "because": e.because or None,
            "part": e.part or None,
            "to": e.to or None,
            "parent": e.parent or None,
            "values": plain(e.values),
            "added": plain(e.added),
            "changed": {k: {"old": plain(a), "new": plain(b)} for k, (a, b) in e.changed.items()},
            "removed": e.removed,
        }

    return {"name": life.name, "key": life.key, "events": [one(e) for e in life.events]}
