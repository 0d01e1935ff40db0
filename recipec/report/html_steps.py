"""The report's sections about single steps: scores, trainings, labels, and every step with its columns and some of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from recipec.report import plots
from recipec.report.html_parts import column, count, interval, number, rows, say, table
from recipec.report.labels import money, percent
from recipec.report.runs import seconds, size
from recipec.report.scores import read_calibration, read_confusion, read_curve

if TYPE_CHECKING:
    from recipec.report.plots import Series


# Scores ---------------------------------------------------------------------------------------------------------------


def scores(step: Mapping[str, Any]) -> str:
    """An evaluation: its metrics with intervals, tables, drawings, slices, and the errors that the model was surest of."""
    found = step["scores"]
    metrics = found["metrics"]
    lines = []
    for name, m in metrics.items():
        ends = f"{number(m['low'], 4)} to {number(m['high'], 4)}" if m["low"] is not None and m["high"] is not None else ""
        other = f"{number(m.get('against'), 4)}" if "against" in m else ""
        p = f"{m['p']:.3g}" if m.get("p") is not None else ""
        lines.append([say(name), number(m["value"], 4) or "unknown", ends, interval(m["value"], m["low"], m["high"]), other, p])
    out = [f"<h3>{say(step['name'])} <span class='soft small'>{say(found['predictions'])} on {count(step['rows_in'])}</span></h3>"]
    out.append(table(["metric", "value", "95 % interval", "", "the other", "p"], lines, numbers=(1, 2, 4, 5)))
    said = [m["said"] for m in metrics.values() if m.get("said")]
    if found.get("majority"):
        most = found["majority"]
        said.append(f'Always answering "{most["class"]}" would be right on {most["accuracy"]:.1%}.')
    said += [f"{n}: {note}" for n, m in metrics.items() for note in m["notes"]]
    out += [f"<p class='small'>{say(s)}</p>" for s in said]
    out.append(drawings(found))
    for key, title in (("table", "By entity type" if found["kind"] == "tags" else "By class"), ("tokens", "By tag, tokens as rows")):
        if found.get(key):
            out.append(f"<h4>{title}</h4>{report(found[key])}")
    out.append(slices(found))
    if found.get("confused"):
        pairs = [
            [say(p["gold"]), say(p["predicted"]) if p["predicted"] is not None else "no class", f"{p['count']:,}", percent(p["share"])]
            for p in found["confused"][:10]
        ]
        out.append(f"<h4>Confused most</h4>{table(['gold', 'predicted', 'rows', 'of the class'], pairs, numbers=(2, 3))}")
    if found.get("worst"):
        out.append("<h4>Surest errors</h4>" + "".join(wrong(w) for w in found["worst"]))
    return f"<div>{''.join(out)}</div>"


def report(kept: Mapping[str, Any]) -> str:
    """Precision, recall and F1, a line a class, averages below."""
    lines = [
        [say(x["name"]), number(x["precision"]), number(x["recall"]), number(x["f1"]), f"{x['support']:,}"]
        for x in (*kept["lines"], *kept["averages"])
    ]
    return table(["", "precision", "recall", "f1", "gold"], lines, numbers=range(1, 5))


def drawings(found: Mapping[str, Any]) -> str:
    """Confusion, curves and calibration."""
    made: list[tuple[str, str]] = []
    if found.get("confusion"):
        made.append(("Confusion", plots.confusion_plot(read_confusion(found["confusion"]))))
    curves = found.get("curves")
    if curves:
        made.append(("ROC", plots.roc_plot([read_curve(c) for c in curves["roc"]])))
        made.append(("Precision and recall", plots.pr_plot([read_curve(c) for c in curves["precision_recall"]])))
        made.append(("Calibration", plots.calibration_plot(read_calibration(curves["calibration"]))))
    figures = "".join(f"<figure><figcaption>{title}</figcaption>{drawn}</figure>" for title, drawn in made)
    return f'<div class="plots">{figures}</div>' if figures else ""


def slices(found: Mapping[str, Any]) -> str:
    lines = [
        [
            say(s["slice"]), say(s["value"]), f"{s['rows']:,}{' (few)' if s['small'] else ''}", say(s["metric"]), number(s["score"]),
            f"{number(s['low'])} to {number(s['high'])}" if s["low"] is not None and s["high"] is not None else "",
            interval(s["score"], s["low"], s["high"]),
        ]
        for s in found.get("slice_rows") or ()
    ]  # fmt: skip
    if not lines:
        return ""
    gaps = "".join(
        f"<p class='small'>{say(g['metric'])} by {say(g['slice'])}: {say(g['best'])} is ahead of {say(g['worst'])} by {number(g['gap'])} "
        f"({number(g['low'])} to {number(g['high'])})</p>"
        for g in found.get("slices") or ()
        if g["gap"] is not None and g["low"] is not None and g["low"] > 0
    )
    return f"<h4>Slices</h4>{table(['slice', 'value', 'rows', 'metric', 'score', '95 % interval', ''], lines, numbers=(2, 4, 5))}{gaps}"


def wrong(one: Mapping[str, Any]) -> str:
    """An error: what was right, what was said and how surely, and the text."""
    guess = say(one["predicted"]) if one["predicted"] is not None else "no class"
    sure = f" ({one['confidence']:.0%} sure)" if one.get("confidence") is not None else ""
    texts = "".join(f"<blockquote>{say(t)}</blockquote>" for t in one.get("texts", ()))
    return f'<div class="error"><p class="small"><b>{say(one["gold"])}</b> taken for <b class="bad">{guess}</b>{sure}</p>{texts}</div>'


# Trainings ------------------------------------------------------------------------------------------------------------


def training(step: Mapping[str, Any]) -> str:
    """A model: what was trained, on what, and how it went."""
    t = step["training"]
    total, trained = t.get("parameters") or 0, t.get("trained") or 0
    share = f" ({percent(trained / total)} of {total:,})" if total and trained != total else ""
    facts = [
        ("task", say(t.get("task") or "")),
        ("weights trained", f"{trained:,}{share}"),
        ("rows", f"{step['rows_out']:,}"),
        ("steps", f"{t.get('steps', 0):,}"),
    ]
    if t.get("best_step"):
        facts.append(("best step", f"{t['best_step']:,}"))
    if t.get("truncated"):
        facts.append(("rows cut", f"{t['truncated']:,}"))
    if t.get("memory"):
        facts.append(("memory, estimated", size(t["memory"])))
    facts += [(f"validation {k}", number(v, 4)) for k, v in sorted((t.get("metrics") or {}).items())]
    facts += [(f"dropped: {say(k)}", f"{v:,}") for k, v in step["dropped"].items()]
    tiles = "".join(f"<div class='tile'><b>{v}</b><span>{say(k)}</span></div>" for k, v in facts if v)
    settings = table(["setting", ""], [[say(k), f"<code>{say(v)}</code>"] for k, v in step["settings"].items()], texts=(1,))
    drawn = "".join(f"<figure>{d}</figure>" for d in curves(t.get("history") or ()))
    rows_seen = "".join(f"<blockquote class='small'>{marked(row)}</blockquote>" for row in t.get("preview") or ())
    seen = f"<h4>Tokens of the first rows; those that are trained are marked</h4>{rows_seen}" if rows_seen else ""
    return f"<h3>{say(step['name'])}</h3><div class='tiles'>{tiles}</div><div class='plots'>{drawn}</div>{seen}{settings}"


def marked(row: Sequence[Sequence[Any]]) -> str:
    """A row's text, runs of trained tokens marked."""
    out = []
    for trained, run in groupby(row, key=lambda token: bool(token[1])):
        text = say("".join(str(token[0]) for token in run))
        out.append(f"<mark>{text}</mark>" if trained else text)
    return "".join(out)


def curves(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """The loss by step, on the rows trained on and on validation; and the scores on validation."""
    from recipec.report.plots import Series

    def line(name: str, key: str) -> Series:
        return Series(name, tuple((float(h["step"]), float(h[key])) for h in history if h.get(key) is not None and "step" in h))

    losses = [s for s in (line("training", "loss"), line("validation", "eval_loss")) if s.points]
    out = [plots.learning_plot(losses, "step", "loss", "Loss by step")] if losses else []
    names = sorted({k for h in history for k in h if k.startswith("eval_") and k != "eval_loss" and isinstance(h[k], (int, float))})
    named = [s for k in names if not k.endswith(("_runtime", "_per_second")) and (s := line(k.removeprefix("eval_"), k)).points]
    if named:
        out.append(plots.learning_plot(named, "step", "on validation", "Scores by step"))
    return out


# Labels ---------------------------------------------------------------------------------------------------------------


def label(step: Mapping[str, Any]) -> str:
    """Voters, how they did and what they cost, agreement, balance, and the votes that fight most."""
    facts = step["label"]
    analysis = facts.get("analysis") or {}
    paid = {v["name"]: money(v.get("spent")) for v in facts.get("voters") or ()}
    out = [f"<h3>{say(step['name'])}</h3>"]
    tagged = facts.get("tags") or facts.get("many")
    if tagged:
        from recipec.report import labels_tags

        head = labels_tags.head(facts)
        out.append(table(head, [[say(c) for c in line] for line in labels_tags.lines(facts, paid)], numbers=range(2, len(head))))
    else:
        lines = []
        for v in analysis.get("voters", ()):
            which = say(v["polarity"][0]) if len(v["polarity"]) == 1 else f"{len(v['polarity'])} classes" if v["polarity"] else "none"
            shares = [percent(v[k]) for k in ("coverage", "overlap", "conflict")]
            lines.append([say(v["name"]), which, *shares, number(v["accuracy"]), number(v["estimated"]), say(paid.get(v["name"], ""))])
        out.append(table(["voter", "class", "coverage", "overlap", "conflict", "on gold", "estimated", "cost"], lines, numbers=range(2, 8)))
    known = [s for s in analysis.get("scores", ()) if s["accuracy"] is not None and not tagged]
    if known:
        scores = ", ".join(f"{s['combiner']} {s['accuracy']:.3f}" for s in known)
        out.append(f"<p>Combined, on {known[0]['rows']:,} rows with gold: {say(scores)}</p>")
    agreement = analysis.get("agreement") or {}
    said = [
        f"{title} {agreement[k]:.2f}"
        for k, title in (("fleiss", "Fleiss' kappa"), ("alpha", "Krippendorff's alpha"))
        if agreement.get(k) is not None
    ]
    if said:
        out.append(f"<p>Agreement beyond chance: {', '.join(said)}, over {agreement.get('rows', 0):,} with two votes or more</p>")
    balance = facts.get("balance") or {}
    whole = sum(balance.values())
    if whole:
        from recipec.report.html_parts import classes

        ranked = sorted(balance.items(), key=lambda i: (-i[1], i[0]))
        out.append("<h4>Labels</h4>" + classes([{"value": c, "rows": n, "share": n / whole} for c, n in ranked], None))
    fights = analysis.get("fights", ())[:8]
    if fights:
        lines = [
            [
                f"{f['rows']:,}",
                say(", ".join(f"{v}={c}" for v, c in f["votes"])),
                f"{say(f['decided'])} {f['confidence']:.2f}" if f["decided"] else "no label",
            ]
            for f in fights
        ]
        out.append(f"<h4>Votes that fight most</h4>{table(['rows', 'votes', 'decided'], lines, numbers=(0,), texts=(1,))}")
    out += [f"<p class='small warn'>{say(note)}</p>" for note in analysis.get("notes", ())]
    return "".join(out)


# Rounds ---------------------------------------------------------------------------------------------------------------


def rounds_table(loop: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """A line a round: rows that each step gave, and the scores."""
    head = ["round"]
    columns: list[tuple[int, str]] = []
    for n, name in enumerate(loop["steps"]):
        kinds = [r["steps"][n] for r in loop["rounds"] if r["steps"][n] is not None]
        kind = kinds[0]["kind"] if kinds else ""
        if kind == "evaluate":
            metrics = list(dict.fromkeys(m for k in kinds for m in k.get("scores", {})))
            head += [f"{name}: {m}" for m in metrics]
            columns += [(n, m) for m in metrics]
            continue
        head.append({"label": f"{name}: accepted", "train": f"{name}: trained on", "augment": f"{name}: rows"}.get(kind, f"{name}: rows"))
        columns.append((n, ""))
        if any("gold" in k for k in kinds):
            head.append(f"{name}: right on gold")
            columns.append((n, "gold"))
    return head, [[str(r["round"]), *(rounds_cell(r["steps"][n], what) for n, what in columns)] for r in loop["rounds"]]


def rounds_cell(one: Mapping[str, Any] | None, what: str) -> str:
    if one is None:
        return "not run"
    if what == "gold":
        return number(one.get("gold"))
    if what:
        m = one["scores"].get(what, {})
        ends = f" ({number(m['low'])} to {number(m['high'])})" if m.get("low") is not None and m.get("high") is not None else ""
        return (number(m.get("value")) or "unknown") + ends
    if one["kind"] == "label" and one["rows_in"]:
        return f"{one['rows_out']:,} of {one['rows_in']:,} ({percent(one['rows_out'] / one['rows_in'])})"
    return f"{one['rows_out']:,}"


def rounds_series(loop: Mapping[str, Any]) -> list[Series]:
    """The scores by round, with their intervals."""
    from recipec.report.plots import Series

    out = []
    for n, name in enumerate(loop["steps"]):
        found = [(r["round"], r["steps"][n]["scores"]) for r in loop["rounds"] if r["steps"][n] is not None and r["steps"][n].get("scores")]
        for metric in dict.fromkeys(m for _, s in found for m in s):
            known = [(x, s[metric]) for x, s in found if s.get(metric, {}).get("value") is not None]
            band = tuple((m["low"], m["high"]) for _, m in known if m["low"] is not None and m["high"] is not None)
            points = tuple((float(x), float(m["value"])) for x, m in known)
            if len(points) > 1:
                out.append(Series(f"{name}: {metric}", points, band if len(band) == len(points) else ()))
    return out


# Every step -----------------------------------------------------------------------------------------------------------


def details(step: Mapping[str, Any], anchors: Mapping[str, str]) -> str:
    """A step that can be opened: what it reads, its settings and notes, its columns and some of its rows."""
    reads = ", ".join(f'<a href="#{anchors[i["step"]]}">{say(".".join(filter(None, (i["step"], i["part"]))))}</a>' for i in step["inputs"])
    out = [f"<p class='small'>reads {reads}</p>" if reads else ""]
    if step["stale"]:
        out.append("<p class='small warn'>Made of results that are not the present ones: this step did not run with the last changes.</p>")
    out += [f"<p class='small'>{say(n)}</p>" for n in step["told"]]
    out += [f"<p class='small warn'>{say(n)}</p>" for n in step["notes"]]
    if step["settings"]:
        lines = [[say(k), f"<code>{say(v)}</code>"] for k, v in step["settings"].items()]
        out.append(table(["", ""], lines, texts=(1,)))
    if step.get("part_rows"):
        out.append(table(["part", "rows"], [[say(p), f"{n:,}"] for p, n in step["part_rows"].items()], numbers=(1,)))
    if step.get("files"):
        lines = [[f"<code>{say(f['path'])}</code>", size(f["size"]), f"<code>{say(f['digest'])}</code>"] for f in step["files"]]
        out.append(f"<p>written to <code>{say(step.get('to'))}</code></p>{table(['file', 'size', 'digest'], lines, numbers=(1,))}")
    if step.get("columns"):
        outlined = any(c["before"] for c in step["columns"])
        note = "; in outline, before the step" if outlined else ""
        out.append(f"<h4>Columns{note}</h4><div class='columns'>{''.join(column(c) for c in step['columns'])}</div>")
        if step.get("more_columns"):
            out.append(f"<p class='soft small'>and {count(step['more_columns'], 'column')} more</p>")
    shown = rows(step.get("sample"))
    if shown:
        out.append(f"<h4>Some rows</h4>{shown}")
    counts = f"{step['rows_in']:,} → {step['rows_out']:,} rows" if step["rows_in"] not in (0, step["rows_out"]) else count(step["rows_out"])
    counts = "" if not step["table"] and step["kind"] not in ("train", "export") else counts
    stale = " <span class='badge warn'>of earlier results</span>" if step["stale"] else ""
    return (
        f'<details id="{anchors[step["name"]]}"><summary><b>{say(step["name"])}</b><span class="badge">{say(step["kind"])}</span>{stale}'
        f'<span class="soft small end">{counts} · {seconds(step["seconds"])}</span></summary><div>{"".join(out)}</div></details>'
    )
