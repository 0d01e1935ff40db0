"""What a label step's voters did, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recipec.report import labels_tags
from recipec.report.cells import clean, clip, pad, width
from recipec.report.rows import shown
from recipec.report.terminal import Terminal


def percent(value: float | None) -> str:
    """``1.7 %``; empty for None."""
    if value is None:
        return ""
    share = value * 100
    return f"{share:.1f} %" if share >= 0.1 or share == 0 else "<0.1 %"


def money(spent: Mapping[str, Any] | None) -> str:
    """What a voter's answers cost: dollars, or calls where no price is known."""
    if not spent:
        return ""
    if spent.get("usd") is not None and spent["usd"]:
        return f"${spent['usd']:.2f}"
    calls, kept = int(spent.get("calls") or 0), int(spent.get("reused") or 0)
    return f"{calls:,} calls" + (f" +{kept:,} kept" if kept else "")


def table(out: Terminal, head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 2) -> None:
    """Columns that fit the terminal: the first ``left`` are of text, the others numbers; columns that hold nothing are left out."""
    keep = [i for i in range(len(head)) if i < left or any(r[i] for r in rows)]
    sizes = [max(width(head[i]), *(width(r[i]) for r in rows)) if rows else width(head[i]) for i in keep]
    over = sum(sizes) + 2 * (len(sizes) - 1) - out.width
    if over > 0:
        widest = max(range(min(left, len(sizes))), key=lambda n: sizes[n])
        sizes[widest] = max(8, sizes[widest] - over)
    for number, row in enumerate((head, *rows)):
        cells = [pad(clip(row[i], size), size, right=i >= left) for i, size in zip(keep, sizes, strict=True)]
        line = "  ".join(cells).rstrip()
        out.line(out.paint("dim", line) if number == 0 else line)


def tell(facts: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], out: Terminal, limit: int, recipe: str | None = None) -> None:
    """Print it all. ``recipe`` is the file as it was named, for the command at the end."""
    analysis = facts.get("analysis") or {}
    cost = {v["name"]: v for v in facts.get("voters") or ()}
    lines = []
    for voter in () if labels_tags.found(facts) else analysis.get("voters", ()):
        more = cost.get(voter["name"], {})
        classes = voter["polarity"]
        which = clean(classes[0]) if len(classes) == 1 else f"{len(classes)} classes" if classes else "none"
        gold = f"{voter['accuracy']:.3f}" if voter["accuracy"] is not None else ""
        sure = f"{voter['estimated']:.3f}" if voter["estimated"] is not None else ""
        lines.append(
            [
                clean(voter["name"]),
                which,
                percent(voter["coverage"]),
                percent(voter["overlap"]),
                percent(voter["conflict"]),
                gold,
                sure,
                money(more.get("spent")),
            ]
        )
    judged = max((v.get("judged", 0) for v in analysis.get("voters", ())), default=0)
    tagged = labels_tags.found(facts)
    if tagged:
        table(out, labels_tags.head(facts), labels_tags.lines(facts, {n: money(v.get("spent")) for n, v in cost.items()}))
        labels_tags.below(facts, out)
    else:
        table(out, ["voter", "class", "coverage", "overlap", "conflict", f"gold ({judged:,})", "estimated", "cost"], lines)
        out.line()
    scores = [s for s in analysis.get("scores", ()) if s["accuracy"] is not None and not tagged]
    if scores:
        out.line("on gold: " + ", ".join(f"{s['combiner']} {s['accuracy']:.3f}" for s in scores) + f" of {scores[0]['rows']:,} rows")
    agreement = analysis.get("agreement") or {}
    said = [
        f"{title} {agreement[k]:.2f}"
        for k, title in (("fleiss", "Fleiss' kappa"), ("alpha", "Krippendorff's alpha"))
        if agreement.get(k) is not None
    ]
    if said:
        what = "tokens" if facts.get("tags") else "rows"
        out.line(f"agreement: {', '.join(said)} over {agreement.get('rows', 0):,} {what} with two votes or more")
    balance = facts.get("balance") or {}
    whole = sum(balance.values())
    if whole:
        shares = " · ".join(f"{clean(c)} {n:,} ({percent(n / whole)})" for c, n in sorted(balance.items(), key=lambda i: -i[1]))
        out.line(f"{'entities' if facts.get('tags') else 'labels'}: {shares}")
    if facts["dropped"]:
        out.line("dropped: " + " · ".join(f"{clean(r)} {n:,}" for r, n in facts["dropped"].items()))
    crowds = [n for n, v in cost.items() if v.get("workers")]
    # A crowd that votes alone is no voter without company: its workers agree or not, and are shown below.
    alone = {f"only {n} votes: nothing can be learned from agreement" for n in crowds if len(cost) == 1}
    for note in analysis.get("notes", ()):
        if note in alone or (len(cost) == 1 and note.startswith("nobody votes on")):
            continue
        out.line(out.paint("yellow", "! ") + clean(note))
    fights = analysis.get("fights", ())[: min(limit, 5)]
    if fights:
        out.line()
        out.line("votes that fight most:")
        for fight in fights:
            votes = "  ".join(f"{clean(v)}={clean(c)}" for v, c in fight["votes"])
            decided = f"→ {clean(fight['decided'])} {fight['confidence']:.2f}" if fight["decided"] else "→ no label"
            unit = ("token" if facts.get("tags") else "row") + "s" * (fight["rows"] != 1)
            out.line(clip(f"  {fight['rows']:>7,} {unit}  {votes}  {decided}", out.width))
    workers(facts, out, limit)
    people(facts, out, limit)
    for row in rows:
        out.line()
        for name, value in row.items():
            out.line(clip(f"  {out.paint('dim', name)}  {shown(value)}", out.width + 8))
    if not rows and fights:
        out.line()
        out.line(out.paint("dim", f"recipec labels {f'{recipe} ' if recipe else ''}{facts['step']} --rows"))


def workers(facts: Mapping[str, Any], out: Terminal, limit: int) -> None:
    """The workers of a crowd: how much they answered, their skill, and what they confuse most."""
    classes = facts.get("classes") or []
    for voter in facts.get("voters") or ():
        people = voter.get("workers") or ()
        if not people:
            continue
        lines = []
        for worker in people[:limit]:
            wrong = [(p, t, v) for t, row in enumerate(worker["confusion"]) for v, p in enumerate(row) if t != v]
            share, truth, said = max(wrong, default=(0.0, 0, 0))
            confuses = f"{classes[truth]} as {classes[said]} {percent(share)}" if share >= 0.05 else ""
            right = f"{worker['right']:,} of {worker['judged']:,}" if worker["judged"] else ""
            lines.append([clean(worker["worker"]), clean(confuses), f"{worker['answers']:,}", f"{worker['skill']:.3f}", right])
        out.line()
        table(out, [f"worker ({voter['name']})", "confuses most", "answers", "skill", "gold"], lines)
        if len(people) > limit:
            out.line(f"{len(people) - limit:,} more: --limit {len(people)}")


def people(facts: Mapping[str, Any], out: Terminal, limit: int) -> None:
    """How far people agree: over all of them, and two by two where that is known."""
    for voter in facts.get("voters") or ():
        found = voter.get("people") or voter
        said = [
            f"{title} {found[k]:.2f}"
            for k, title in (("fleiss", "Fleiss' kappa"), ("alpha", "Krippendorff's alpha"))
            if found.get(k) is not None
        ]
        if said:
            out.line(f"people of {clean(voter['name'])} agree: {', '.join(said)}")
        pairs = found.get("pairs") or ()
        if pairs:
            lines = [
                [clean(f"{p['a']}, {p['b']}"), "" if p["value"] is None else f"{p['value']:.2f}", f"{p['rows']:,}", f"{p['differ']:,}"]
                for p in pairs[:limit]
            ]
            table(out, [f"people ({clean(voter['name'])})", found["measure"], "rows", "differ"], lines, left=1)
