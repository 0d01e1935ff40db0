"""The life of a row as text and as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from recipec.report.cells import clean, clip, pad, wrap
from recipec.report.rows import plain, record, shown
from recipec.report.runs import name_column
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.plan.explain import ColumnChange, Event, Life


def life_text(life: Life, terminal: Terminal, *, diff: bool) -> str:
    """A line or two a step. ``diff`` shows every changed value, before and after."""
    head = terminal.paint("bold", clean(life.label))
    out = [head if life.label == life.key else head + terminal.paint("dim", f"   {life.key}")]
    column = name_column([e.step for e in life.events])
    before = ""
    for event in life.events:
        lead = pad(clip(event.step, column), column) if event.step != before else " " * column
        before = event.step
        for line in lines(event, life, terminal, max(30, terminal.width - column - 5)):
            out.append(f"  {terminal.paint('other', lead)}   {line}".rstrip())
            lead = " " * column
        if diff:
            out += [" " * (column + 5) + line for line in differences(event, terminal, column + 5)]
    return "\n".join(out) + "\n"


def lines(event: Event, life: Life, terminal: Terminal, room: int) -> Iterator[str]:
    if event.kind == "source":
        yield "read"
        facts = "  ".join(f"{clean(k)}={shown(v)}" for k, v in event.values.items())
        yield terminal.paint("dim", clip(facts, room, terminal.draw("…")))
        return
    made = f"row {event.key}: " if event.key != life.key and event.parent is not None else ""
    if not event.kept:
        details = f" ({event.because})" if event.because else ""
        for line in wrap(clean(f"{made}dropped: {event.reason}{details}"), room):
            yield terminal.paint("bad", line)
        return
    words = [f"in part {part}" for part in event.parts] + [change_words(c) for c in event.changes]
    if event.kind == "select" and event.because:
        words.insert(0, clean(f"chosen: {event.because}"))
    yield from wrap(made + ("; ".join(words) or "kept as it was"), room)


def change_words(change: ColumnChange) -> str:
    """``description changed by fix_unicode, squeeze_space``; ``length = 12`` for a new column."""
    if change.added:
        return f"{clean(change.column)} = {clip(shown(change.new), 40)}"
    return f"{clean(change.column)} changed" + (f" by {', '.join(change.by)}" if change.by else "")


def differences(event: Event, terminal: Terminal, indent: int) -> Iterator[str]:
    narrow = Terminal(terminal.stream, color=terminal.color, unicode=terminal.unicode, width=terminal.width - indent)
    for change in event.changes:
        if change.added:
            continue
        yield terminal.paint("bold", clean(change.column))
        for sign, style, value in (("-", "bad", change.old), ("+", "good", change.new)):
            for line in record([sign], [value], narrow).splitlines():
                yield terminal.paint(style, line)


def life_data(life: Life) -> dict[str, Any]:
    def one(e: Event) -> dict[str, Any]:
        return {
            "step": e.step,
            "kind": e.kind,
            "key": e.key,
            "parent": e.parent,
            "kept": e.kept,
            "reason": e.reason,
            "because": e.because,
            "parts": list(e.parts),
            "values": plain(e.values),
            "changes": [
                {"column": c.column, "old": plain(c.old), "new": plain(c.new), "by": list(c.by), "added": c.added} for c in e.changes
            ],
        }

    return {"label": life.label, "key": life.key, "also": list(life.also), "events": [one(e) for e in life.events]}
