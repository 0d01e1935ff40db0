"""The report of a run: one HTML file that needs nothing else, no script and no network, the same bytes for the same run.

``page`` makes it of what :mod:`recipec.report.html_facts` read. The only times in it are those that the books of the run hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recipec.report import html_data, html_steps, plots
from recipec.report.costs import dollars, plural
from recipec.report.html_graph import graph
from recipec.report.html_parts import funnel, number, say, table
from recipec.report.html_style import STYLE
from recipec.report.runs import seconds

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Nothing is loaded and nothing runs, whatever the data hold."""


def page(facts: Mapping[str, Any]) -> str:
    """The whole document."""
    steps = facts["steps"]
    anchors = {s["name"]: f"step-{n}" for n, s in enumerate(steps, 1)}
    run = facts["run"] or {}
    title = facts["recipe"].removesuffix(".recipe")
    sections = [
        ("graph", "Graph", graph(steps, anchors)),
        ("rows", "Rows", funnels(steps, anchors)),
        ("scores", "Scores", "".join(html_steps.scores(s) for s in steps if "scores" in s)),
        ("rounds", "Rounds", "".join(rounds(r) for r in facts["rounds"])),
        ("models", "Models", "".join(html_steps.training(s) for s in steps if "training" in s)),
        ("mixtures", "Mixtures", "".join(html_data.mixture(s) for s in steps if "mixture" in s)),
        ("copies", "Copies", "".join(html_data.copies(s) for s in steps if "copies" in s)),
        ("labels", "Labels", "".join(html_steps.label(s) for s in steps if s.get("label"))),
        ("costs", "Costs", costs(steps)),
        ("tests", "Tests", tests(steps)),
        ("steps", "Steps", "".join(html_steps.details(s, anchors) for s in steps)),
    ]
    present = [s for s in sections if s[2]]
    links = "".join(f'<a href="#{id}">{name}</a>' for id, name, _ in present)
    body = "".join(f'<section id="{id}"><h2>{name}</h2>{content}</section>' for id, name, content in present)
    version = run.get("version") or ""
    shown = f" <span class='soft'>{say(version)}</span>" if version and version != "0.0.0" else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>{say(title)}: report</title><style>{STYLE}{plots.STYLE}</style></head><body>"
        f"<header><h1>{say(title)}{shown}</h1>{told(run)}{tiles(facts)}<nav>{links}</nav></header>{body}"
        f"<footer>Made by recipec from the results of this run; times are the run's own, in UTC. To make it again: "
        f"<code>recipec report {say(facts['recipe'])}</code></footer></body></html>\n"
    )


def funnels(steps: Sequence[Mapping[str, Any]], anchors: Mapping[str, str]) -> str:
    """The rows of every table, on one scale."""
    shown = [s for s in steps if s["table"] and s["kind"] != "evaluate"]
    most = max((s["rows_out"] + sum(s["dropped"].values()) for s in shown), default=0)
    return "".join(funnel(s, anchors[s["name"]], most) for s in shown)


def told(run: Mapping[str, Any]) -> str:
    """When it ran and how it ended."""
    if not run:
        return ""
    state = {"done": "finished", "failed": "failed", "interrupted": "was interrupted"}.get(str(run["status"]), "did not finish")
    kind = "good" if run["status"] == "done" else "bad"
    end = f" at {say(moment(run['finished']))}" if run["finished"] else ""
    return f'<p class="soft">Run {run["number"]}, started {say(moment(run["started"]))} UTC, <span class="{kind}">{state}</span>{end}</p>'


def moment(text: Any) -> str:
    return str(text).replace("T", " ")[:19]


def tiles(facts: Mapping[str, Any]) -> str:
    """The few numbers that a reader wants first."""
    steps = facts["steps"]
    out: list[tuple[str, str]] = [(f"{len(steps):,}", "steps")]
    read = sum(s["rows_out"] for s in steps if s["kind"] == "source")
    if read:
        out.append((f"{read:,}", "rows read"))
    # A folder with a model has no rows in it.
    models = {s["name"] for s in steps if "training" in s}
    tables = [s for s in steps if s["kind"] == "export" and not any(i["step"] in models for i in s["inputs"])]
    out += [(f"{s['rows_out']:,}", f"rows in {s.get('to', s['name'])}") for s in tables[:2]]
    # Of a loop the last round counts.
    last = {s["name"].partition("@")[0]: s for s in sorted(steps, key=lambda s: (len(s["name"]), s["name"])) if "scores" in s}
    for s in [s for s in steps if s in last.values()][-2:]:
        for name, m in list(s["scores"]["metrics"].items())[:2]:
            ends = f", {number(m['low'])} to {number(m['high'])}" if m["low"] is not None and m["high"] is not None else ""
            out.append((number(m["value"]) or "unknown", f"{name} of {s['name']}{ends}"))
    paid = [c["usd"] for s in steps for c in s.get("calls", ())]
    if any(p for p in paid):
        out.append((dollars(sum(p or 0.0 for p in paid)), "spent on models"))
    out.append((seconds(sum(s["seconds"] for s in steps)), "of work"))
    return f'<div class="tiles">{"".join(f"<div class=tile><b>{say(a)}</b><span>{say(b)}</span></div>" for a, b in out)}</div>'


def costs(steps: Sequence[Mapping[str, Any]]) -> str:
    """What the calls of models cost, as they were when the step ran."""
    lines: list[list[str]] = []
    for s in steps:
        for c in s.get("calls", ()):
            numbers = [f"{c[n]:,}" if c[n] is not None else "" for n in ("calls", "reused", "failed", "tokens_in", "tokens_out")]
            lines.append([say(s["name"]), say(c["name"]) if c["name"] else "", say(c["model"]) if c["model"] else "", *numbers, cost(c)])
    if not lines:
        return ""
    head = ["step", "voter", "model", "calls", "reused", "failed", "tokens in", "tokens out", "cost"]
    return table(head, lines, numbers=range(3, 9))


def cost(call: Mapping[str, Any]) -> str:
    """Dollars; what is not priced is unknown, not free."""
    return dollars(call["usd"]) if call["usd"] is not None or call["calls"] else ""


def tests(steps: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        [
            say(s["name"]),
            say(t["name"]),
            '<span class="good">holds</span>'
            if t["ok"]
            else f'<span class="{"warn" if t.get("warn") else "bad"}">{"warns" if t.get("warn") else "fails"}</span>',
            "" if t["ok"] else say(t.get("found") or ""),
        ]
        for s in steps
        for t in s.get("tests", ())
    ]
    return table(["step", "expect", "", "found"], lines, texts=(1, 3))


def rounds(loop: Mapping[str, Any]) -> str:
    """A loop: what each round added, accepted and scored, and how the scores went."""
    head, columns = html_steps.rounds_table(loop)
    numbers = range(1, len(head))
    series = html_steps.rounds_series(loop)
    drawn = (
        f'<div class="plots"><figure>{plots.learning_plot(series, "round", "score", "Scores by round")}</figure></div>' if series else ""
    )
    done = plural(len(loop["rounds"]), "round")
    return f"<p>{done} of {say(', '.join(loop['steps']))}</p>{table([say(h) for h in head], columns, numbers=numbers)}{drawn}"
