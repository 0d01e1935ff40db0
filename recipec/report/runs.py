"""What a plan would do and what a run did: as lines for people, and as the data of ``--format json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recipec.report.cells import clean, clip, pad, safe, width, wrap
from recipec.report.costs import calls_data, calls_head, calls_line, spent_data, spent_words, total_data
from recipec.report.rows import table
from recipec.report.terminal import Terminal

if TYPE_CHECKING:
    from recipec.api import Estimate
    from recipec.engines.runner import RunResult, StepResult
    from recipec.mirror.refresh import Brought
    from recipec.plan.planner import Plan, Planned
    from recipec.resolve.program import Program
    from recipec.workspace.database import Built

WIDEST_NAME = 28


def name_column(names: list[str]) -> int:
    return min(WIDEST_NAME, max([width(n) for n in names], default=0))


def seconds(value: float) -> str:
    """``0.31 s``, ``12 s``, ``3 min 05 s``, ``2 h 10 min``"""
    if value < 10:
        return f"{value:.2f} s" if value < 1 else f"{value:.1f} s"
    if value < 60:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def size(count: float) -> str:
    """Bytes for people: ``912 B``, ``4.1 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def rows(number: int) -> str:
    return f"{number:,} row" + ("" if number == 1 else "s")


def title(program: Program) -> str:
    """``packages 1.2.0``"""
    version = program.header.version
    return program.recipe + (f" {version}" if version != "0.0.0" else "")


# Plans


def plan_text(plan: Plan, terminal: Terminal, costs: Mapping[str, Sequence[Estimate]] | None = None) -> str:
    """The steps in order: ``=`` reused, ``~`` to run again, ``+`` to run for the first time; and why. ``costs`` are estimates of model
    calls by step."""
    reuse = sum(p.status == "reuse" for p in plan.steps)
    run = len(plan.steps) - reuse
    totals = ", ".join([*([f"{reuse} reused"] if reuse else []), *([f"{run} to run"] if run else [])])
    out = [f"{terminal.paint('bold', title(plan.program))}   {len(plan.steps)} step{'s' * (len(plan.steps) != 1)}: {totals or 'none'}"]
    head = calls_head([e for c in costs.values() for e in c]) if costs else []
    out += ["  " + line for text in head for line in wrap(safe(text), terminal.width - 2)]
    out.append("")
    column = name_column([p.name for p in plan.steps])
    counts = {p.name: rows(p.built.rows_out) if p.built is not None and has_rows(p.built) else "" for p in plan.steps}
    known = max(map(width, counts.values()), default=0)
    for p in plan.steps:
        sign, style = mark(p)
        lead = f"  {terminal.paint(style, sign)} {pad(clip(p.name, column), column)}   {pad(counts[p.name], known, right=True)}   "
        room = max(24, terminal.width - column - known - 10)
        words = "reused" if p.status == "reuse" else f"run: {p.why}"
        if p.step.bound.mirrors and p.step.bound.fetched and not plan.online:
            words += "   as of the last copy"
        why = wrap(safe(words), room)
        out.append((lead + terminal.paint("dim" if p.status == "reuse" else "", why[0])).rstrip())
        out += [" " * (column + known + 10) + line for line in why[1:]]
        for change in p.changes[1:] if p.status == "run" else []:
            lines = wrap(safe(" ".join(str(change).split())), room - 5)
            out += [" " * (column + known + 15) + line for line in lines]
        for estimate in (costs or {}).get(p.name, ()):
            out += [" " * (column + known + 10) + line for line in wrap(safe(calls_line(estimate)), room)]
    return "\n".join(out) + "\n"


def mark(p: Planned) -> tuple[str, str]:
    if p.status == "reuse":
        return "=", "dim"
    return ("~", "changed") if p.previous is not None else ("+", "good")


def plan_data(plan: Plan, costs: Mapping[str, Sequence[Estimate]] | None = None) -> dict[str, Any]:
    costs = costs or {}
    return {
        "recipe": plan.program.recipe,
        "version": plan.program.header.version,
        **({"calls": total_data([e for c in costs.values() for e in c])} if costs else {}),
        "steps": [
            {
                "name": p.name,
                "kind": p.step.kind.name,
                "status": "reused" if p.status == "reuse" else "run",
                "why": p.why,
                "changes": [{"field": c.field, "old": c.old, "new": c.new} for c in p.changes],
                "inputs": [str(i) for i in p.step.parents],
                "rows_in": p.built.rows_in if p.built is not None else None,
                "rows_out": p.built.rows_out if p.built is not None else None,
                "dropped": p.built.dropped if p.built is not None else {},
                **({"calls": [calls_data(e) for e in costs[p.name]]} if p.name in costs else {}),
                **({"addresses": [m.address for m in p.step.bound.mirrors], "asked": plan.online} if p.step.bound.mirrors else {}),
            }
            for p in plan.steps
        ],
    }


# Runs


def done_line(result: StepResult, column: int, terminal: Terminal) -> str:
    """The line of a finished step: how it went, rows in and out, what was dropped for which reason."""
    name = pad(clip(result.name, column), column)
    tick, cross = terminal.draw("✓"), terminal.draw("✗")
    if result.status == "failed":
        words = result.error.message if result.error is not None else "failed"
        lines = wrap(safe(words), max(24, terminal.width - column - 5))
        return f" {name} {terminal.paint('bad', cross)} " + ("\n" + " " * (column + 4)).join(lines) + "\n"
    if result.status == "skipped" and result.built is None:
        return f" {name} {terminal.paint('dim', '-')} skipped: {result.why}\n"
    state = result.status if result.status != "run" else seconds(result.seconds)
    head = f" {name} {terminal.paint('good', tick)} {pad(state, 9)} "
    room = max(24, terminal.width - column - 14)
    body = terminal.draw(facts(result.built, result.status == "run")) if result.built is not None else ""
    if result.status == "run" and not result.changed:
        body += "   same rows as before"
    lines = wrap(body, room)
    return head + ("\n" + " " * (column + 14)).join(lines) + "\n" + "".join(note_lines(result.built, column, terminal))


def brought_line(one: Brought, column: int, terminal: Terminal) -> str:
    """The line of a place elsewhere whose copy was brought up to date: what came, and what was there already."""
    name = pad(clip(one.step.name, column), column)
    if one.error is not None:
        words, sign = one.error.message, terminal.paint("bad", terminal.draw("✗"))
    else:
        words, sign = f"{brought_words(one)}   {one.address}", terminal.paint("good", terminal.draw("↓" if one.changed else "="))
    lines = wrap(safe(words), max(24, terminal.width - column - 5))
    out = f" {name} {sign} " + ("\n" + " " * (column + 4)).join(lines) + "\n"
    for note in (n for place in one.all for n in place.notes):
        out += f"{' ' * (column + 2)}{terminal.paint('warning', '!')} {safe(note)}\n"
    return out


def brought_words(one: Brought) -> str:
    """``3 files came, 1.2 MB; 1,997 unchanged; 1 gone``"""
    came, same, gone = (sum(getattr(a, what) for a in one.arrivals) for what in ("came", "same", "gone"))
    told = [f"{came:,} file{'s' * (came != 1)} came, {size(sum(a.came_bytes for a in one.arrivals))}"] if came else []
    if same:
        told.append(f"{same:,} unchanged" if one.changed else f"{same:,} file{'s' * (same != 1)}, unchanged")
    if gone:
        told.append(f"{gone:,} gone")
    return "; ".join(told) or "no files"


def has_rows(built: Built) -> bool:
    """Whether a step's number of rows says something: a table may have none, a model or a test has no table."""
    return bool(built.rows_out or (built.parts and "trained" not in built.extra))


def facts(built: Built, ran: bool = True) -> str:
    """``63,440 → 51,873 rows   too short 4,102 · duplicate 3,205``, and what its model calls cost where it ran now."""
    files = built.extra.get("files")
    if files is not None and "to" in built.extra:
        total = sum(f["size"] for f in files)
        return f"{rows(built.rows_out)} → {built.extra['to']}   {len(files)} file{'s' * (len(files) != 1)}, {size(total)}"
    tests = built.extra.get("tests")
    # A model has no table of its own, and rows that it learned from.
    if not built.parts and "trained" not in built.extra:
        held = sum(t["ok"] for t in tests or [])
        return f"{held} of {len(tests)} tests hold" if tests else ""
    changed = built.rows_in != built.rows_out and built.rows_in
    out = f"{built.rows_in:,} → {rows(built.rows_out)}" if changed else rows(built.rows_out)
    dropped = " · ".join(f"{clean(reason)} {count:,}" for reason, count in built.dropped.items() if count)
    parts = " · ".join(f"{p['name']} {p['rows']:,}" for p in built.extra.get("parts", []))
    return "   ".join(x for x in (out, parts, dropped, spent_words(built) if ran else "") if x)


def note_lines(built: Built | None, column: int, terminal: Terminal) -> Iterator[str]:
    """What a step has to tell, and what it warns of."""
    if built is None:
        return
    told = [(note, terminal.paint("dim", terminal.draw("·"))) for note in built.extra.get("told", [])]
    for note, mark in [*told, *((note, terminal.paint("warning", "!")) for note in built.notes)]:
        for number, line in enumerate(wrap(safe(note), max(24, terminal.width - column - 6))):
            sign = mark if number == 0 else " "
            yield " " * (column + 2) + f"{sign} {line}\n"


def offending(result: StepResult, terminal: Terminal) -> str:
    """The rows that a failed step names."""
    return example_rows([dict(r) for r in getattr(result.error, "rows", [])], terminal)


def example_rows(found: list[dict[str, Any]], terminal: Terminal) -> str:
    """Some rows as an indented table."""
    if not found:
        return ""
    names = list(found[0])
    narrow = Terminal(terminal.stream, color=terminal.color, unicode=terminal.unicode, width=terminal.width - 4)
    types = ["VARCHAR" if isinstance(found[0][n], (str, list, dict)) else "BIGINT" for n in names]
    text, _ = table(names, types, [[r.get(n) for n in names] for r in found], narrow)
    return "".join(f"    {line}\n" for line in text.splitlines())


def run_data(program: Program, result: RunResult) -> dict[str, Any]:
    return {
        "recipe": program.recipe,
        "version": program.header.version,
        "seconds": round(result.seconds, 3),
        **({"spent": result.spent} if result.spent else {}),
        "steps": [step_data(s) for s in result.steps],
    }


def step_data(s: StepResult) -> dict[str, Any]:
    built = s.built
    out: dict[str, Any] = {
        "name": s.name,
        "kind": s.kind,
        "status": s.status,
        "why": s.why,
        "rows_in": built.rows_in if built is not None else None,
        "rows_out": built.rows_out if built is not None else None,
        "dropped": built.dropped if built is not None else {},
        "seconds": s.seconds,
        "changed": s.changed,
        "notes": built.notes if built is not None else [],
        **({"told": built.extra["told"]} if built is not None and built.extra.get("told") else {}),
    }
    if s.error is not None:
        out["error"] = {"message": s.error.message, "help": s.error.help, **({"about": s.error.about} if s.error.about else {})}
    if built is not None and s.status == "run" and (spent := spent_data(built)):
        out["calls"] = spent
    if built is not None and "files" in built.extra:
        out["to"], out["files"] = built.extra.get("to"), [f["path"] for f in built.extra["files"]]
    return out
