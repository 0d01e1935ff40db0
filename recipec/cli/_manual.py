"""The parts of the reference that are no entries of the registry: rules and commands."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from recipec.cli import VERBS, load
from recipec.report import rules
from recipec.report.cells import clip, pad, width
from recipec.report.pages import plain
from recipec.report.reference_text import fenced_examples
from recipec.report.terminal import Terminal


def verbs() -> list[str]:
    return [verb for group in VERBS.values() for verb in group]


def verb_facts(verb: str) -> dict[str, Any]:
    """A verb as data: what it does, its usage and options."""
    from recipec.cli._parser import made

    module = load(verb)
    parser = made(verb, module)
    doc, _, examples = inspect.cleandoc(module.__doc__ or "").partition("examples:")
    options = [
        {"name": ", ".join(a.option_strings) or str(a.metavar), "takes": option_takes(a), "doc": (a.help or "").replace("%%", "%")}
        for a in parser._actions
        if a.dest not in ("color", "debug", "help")
    ]
    lines = [line.strip() for line in examples.strip("\n").splitlines()]
    return {"group": "command", "name": verb, "signature": parser.usage, "doc": doc.strip(), "options": options, "examples": lines}


def option_takes(action: Any) -> str:
    return "" if not action.option_strings or action.nargs == 0 else str(action.metavar or action.dest.upper())


def rule_facts(name: str) -> dict[str, Any]:
    found = rules.find_rule(name)
    assert found is not None
    return {"group": "rule", "name": found.name, "code": found.code, "severity": found.severity, "summary": found.title, "doc": found.page}


def data() -> Iterator[dict[str, Any]]:
    yield from (rule_facts(name) for name in rules.names())
    yield from (verb_facts(verb) for verb in verbs())


def markdown() -> str:
    """Chapters of the rules and of the commands."""
    out = ["## Rules"]
    for name in rules.names():
        facts = rule_facts(name)
        out += [f"### `{name}`", f"{facts['code']}, {facts['severity']}", fenced_examples(facts["doc"].replace("``", "`"))]
    out.append("## Commands")
    for verb in verbs():
        out += verb_markdown(verb_facts(verb))
    return "\n\n".join(out) + "\n"


def verb_markdown(facts: dict[str, Any]) -> list[str]:
    cells = [(f"`{o['name']}{' ' + o['takes'] if o['takes'] else ''}`", o["doc"].replace("|", "\\|")) for o in facts["options"]]
    table = "\n".join(["| option | meaning |", "|---|---|", *(f"| {a} | {b} |" for a, b in cells)]) if cells else ""
    fence = "```console\n" + "\n".join(facts["examples"]) + "\n```"
    return [p for p in (f"### `recipec {facts['name']}`", f"```console\n{facts['signature']}\n```", facts["doc"], table, fence) if p]


def overview(out: Terminal) -> str:
    """The rules and the commands, a line each."""
    found = [r for r in (rules.find_rule(name) for name in rules.names()) if r is not None]
    out_of = {True: "Rules of data science", False: "Rules of the language"}
    sections = [
        (title, [(r.name, f"{r.code}  {r.title}") for r in found if (rules.index()[r.name][1].startswith("recipec.lints")) is science])
        for science, title in out_of.items()
    ]
    sections.append(("Commands", [(v, inspect.cleandoc(load(v).__doc__ or "").split("\n", 1)[0].rstrip(".")) for v in verbs()]))
    lines: list[str] = []
    for title, rows in sections:
        column = max(width(name) for name, _ in rows)
        lines.append(out.paint("bold", title))
        for name, summary in rows:
            lines.append("  " + out.paint("other", pad(name, column)) + "  " + clip(plain(summary), out.width - column - 4, out.draw("…")))
        lines.append("")
    return "\n".join(lines) + "\n"
