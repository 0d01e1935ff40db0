"""The report's sections about the making of data: what each source of a mixture gave, and what copies are like beside their originals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recipec.report.html_parts import classes, column, number, say, table
from recipec.report.labels import percent
from recipec.report.plots import num


def mixture(step: Mapping[str, Any]) -> str:
    """What each input held and gave, and its share beside the share that was wanted."""
    sources = step["mixture"]
    unit = step.get("unit")
    whole = sum(s["rows"] for s in sources)
    lines = []
    for s in sources:
        share = s.get("share", s["rows"] / whole if whole else 0.0)
        epochs = s.get("epochs", s["rows"] / s["holds"] if s["holds"] else 0.0)
        wanted = percent(s["wanted"]) if s.get("wanted") is not None else ""
        held = say(f"{s['cut']} is all that it may give") if s.get("cut") else ""
        given = f"{s['units']:,}" if unit is not None else ""
        bar = f'<span class="share"><i style="width:{num(100 * share)}%"></i></span>'
        lines.append([say(s["name"]), f"{s['holds']:,}", f"{s['rows']:,}", given, f"{epochs:.4g}", wanted, percent(share), bar, held])
    head = [
        "source",
        f"{unit} in it" if unit else "rows in it",
        "rows given",
        f"{unit} given" if unit else "",
        "epochs",
        "wanted",
        "got",
        "",
        "",
    ]
    return f"<h3>{say(step['name'])}</h3>{table([say(h) for h in head], lines, numbers=range(1, 7), texts=(8,))}"


def copies(step: Mapping[str, Any]) -> str:
    """How varied the copies are beside their originals, what became of classes and lengths, the nearest copies, and suspect labels."""
    found = step["copies"]
    out = [f"<h3>{say(step['name'])}</h3><p class='small'>{found['sample']:,} copies looked at, by <code>{say(found['column'])}</code></p>"]

    def line(name: str, pair: Sequence[float | None], digits: int = 3) -> list[str]:
        return [name, number(pair[0], digits), number(pair[1], digits)]

    measures = [
        *(
            line(f"words, {q}", [side[n] for side in found["words"]], 1)
            for n, q in enumerate(("lower quartile", "median", "upper quartile"))
        ),
        *(line(f"distinct-{n}", [side[n - 1] for side in found["distinct"]]) for n in (1, 2)),
        line("self-BLEU", found["self_bleu"]),
        line("spread (1 - mean cosine)", found["spread"]),
    ]
    out.append(table(["", "originals", "copies"], measures, numbers=(1, 2)))
    least, middle, most = found["shared"]
    out.append(
        f"<p class='small'>Words that a copy shares with its original: {percent(middle)} (median), from {percent(least)} to {percent(most)}</p>"
    )
    if found["changed"]:
        changed = [[say(name), f"{n:,}"] for name, n in found["changed"].items()]
        out.append(table(["changed by", "copies"], changed, numbers=(1,)))
    shown = [c for c in step.get("columns") or () if f'"{c["name"]}"' == found["column"] or c["name"] == found.get("label")]
    if shown:
        out.append(
            f"<h4>Before and after</h4><div class='columns'>{''.join(column(c) for c in shown if c['name'] != found.get('label'))}</div>"
        )
    if found.get("classes"):
        out.append(balance(found["label"], found["classes"]))
    if found["nearest"]:
        pairs = [[say(a), say(b), percent(share)] for a, b, share in found["nearest"]]
        out.append(f"<h4>Nearest to their originals</h4>{table(['original', 'copy', 'shared'], pairs, numbers=(2,), texts=(0, 1))}")
    moved = found.get("flips")
    if moved:
        few = f"{moved['found']:,} of {moved['of']:,} copies lie among originals of another class, while their original lies among its own."
        out.append(f"<h4>Labels suspected</h4><p class='small{' warn' if moved['found'] else ''}'>{few}</p>")
        rows = [[say(a), say(b), say(c), say(d)] for a, b, c, d in moved["rows"]]
        out.append(table(["original", "copy", found["label"] and say(found["label"]), "its neighbours"], rows, texts=(0, 1)))
    return "".join(out)


def balance(label: str, counted: Sequence[Sequence[Any]]) -> str:
    """The classes with their share, and what it was before."""
    before, after = sum(c[1] for c in counted), sum(c[2] for c in counted)
    now = [{"value": c, "rows": n, "share": n / after} for c, _, n in counted] if after else []
    was = [{"value": c, "share": n / before} for c, n, _ in counted] if before else None
    return f"<p class='small'><b>{say(label)}</b> <span class='soft'>{before:,} rows before, {after:,} after</span></p>{classes(now, was)}"
