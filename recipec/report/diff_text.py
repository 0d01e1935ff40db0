"""Two versions of a recipe side by side, as text and as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from recipec.report.cells import clean, clip, pad, width, wrap
from recipec.report.rows import plain, shown
from recipec.report.runs import name_column
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.plan.diff import Diff, RowChanges, StepDiff

STYLES = {"added": "good", "removed": "bad", "renamed": "other", "changed": "changed", "rerun": "dim"}


def diff_text(diff: Diff, terminal: Terminal) -> str:
    """A step a line: how far its change reaches, what changed, and what became of its rows."""
    differing = [s for s in diff.steps if s.status != "same"]
    out: list[str] = []
    for change in diff.header:
        out.append(f"recipe  {clean(str(change))}")
    column = name_column([s.name for s in differing])
    levels = max([len(s.level) for s in differing], default=0)
    for step in differing:
        lead = f"{terminal.paint('bold', pad(clip(clean(step.name), column), column))}  {pad(step.level.upper(), levels)}  "
        room = max(30, terminal.width - column - levels - 4)
        lines = [line for text in facts(step, terminal) for line in wrap(text, room)]
        out.append(lead + terminal.paint(STYLES[step.status], lines[0]))
        out += [" " * (column + levels + 4) + line for line in lines[1:]]
        if step.rows is not None:
            out += [" " * (column + levels + 4) + line for line in examples(step.rows, terminal, room)]
    same = [s.name for s in diff.steps if s.status == "same"]
    if not out:
        return "the two mean the same\n"
    reused = f"Reused: {', '.join(map(clean, same))}." if same else "Nothing is reused."
    return "\n".join([*out, "", f"level {diff.level.upper()}. {reused}"]) + "\n"


def facts(step: StepDiff, terminal: Terminal) -> Iterator[str]:
    match step.status:
        case "added" | "removed":
            yield f"{step.kind} {step.status}"
        case "renamed":
            yield f"{step.old_name} {terminal.draw('→')} {step.name}"
        case "rerun":
            yield f"runs again: {step.because}"
        case _:
            yield from (clean(str(c)) for c in step.changes)
    if step.rows is not None:
        yield row_facts(step.rows, terminal)


def row_facts(rows: RowChanges, terminal: Terminal) -> str:
    """``51,873 → 50,100 rows   12 came · 1,785 went · 40 changed (text 40)``"""
    counts = [f"{n:,} {what}" for n, what in ((rows.came, "came"), (rows.went, "went"), (rows.moved, "in another part")) if n]
    if rows.changed:
        counts.append(f"{rows.changed:,} changed ({', '.join(f'{clean(c)} {n:,}' for c, n in rows.columns.items())})")
    arrow = terminal.draw("→")
    return f"{rows.before:,} {arrow} {rows.after:,} rows   {' · '.join(counts) or 'the same rows'}"


def examples(rows: RowChanges, terminal: Terminal, room: int) -> Iterator[str]:
    signs = {"came": ("good", "+"), "went": ("bad", "-")}
    for example in rows.examples:
        if example["what"] in signs:
            style, sign = signs[example["what"]]
            text = "  ".join(f"{clean(k)}={shown(v)}" for k, v in example["row"].items())
            yield terminal.paint(style, clip(f"  {sign} {text}", room, terminal.draw("…")))
        elif example["what"] == "moved":
            text = "  ".join(f"{clean(k)}={shown(v)}" for k, v in example["row"].items())
            parts = f"{clean(str(example['old']))} {terminal.draw('→')} {clean(str(example['new']))}"
            yield terminal.paint("changed", clip(f"  ~ {parts}: {text}", room, terminal.draw("…")))
        else:
            name = f"  ~ {clean(example['column'])}: "
            half = (room - width(name) - 4) // 2
            old, new = (clip(shown(example[k]), half, terminal.draw("…")) for k in ("old", "new"))
            line = f"{name}{old} {terminal.draw('→')} {new}"
            row = "  ".join(f"{clean(k)}={shown(v)}" for k, v in example.get("row", {}).items())
            # Which row it is, as far as there is room.
            yield terminal.paint("changed", clip(f"{line}   {row}", room, terminal.draw("…")) if row and room - width(line) > 12 else line)


def diff_data(diff: Diff) -> dict[str, Any]:
    def one(s: StepDiff) -> dict[str, Any]:
        rows = s.rows
        return {
            "name": s.name,
            "kind": s.kind,
            "status": s.status,
            "level": s.level,
            "changes": [{"field": c.field, "old": c.old, "new": c.new} for c in s.changes],
            "because": s.because or None,
            "old_name": s.old_name,
            "rows": None
            if rows is None
            else {
                **{name: getattr(rows, name) for name in ("before", "after", "came", "went", "changed", "moved", "columns")},
                "examples": plain(rows.examples),
            },
        }

    return {
        "level": diff.level,
        "header": [{"field": c.field, "old": c.old, "new": c.new} for c in diff.header],
        "steps": [one(s) for s in diff.steps],
    }
