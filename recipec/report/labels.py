"""What a label step's voters did, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recipec.models.budget import dollars
from recipec.report import labels_tags
from recipec.report.cells import clean, clip, pad, width, wrap
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
        return dollars(spent["usd"])
    calls, kept = int(spent.get("calls") or 0), int(spent.get("reused") or 0)
    told = [f"{calls:,} call{'s' * (calls != 1)}"] if calls or not kept else []
    return " + ".join([*told, *([f"{kept:,} kept"] if kept else [])])


def table(out: Terminal, head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 2) -> None:
    """Columns that fit the terminal: the first ``left`` are of text, the others numbers; columns that hold nothing are left out."""
    keep = [i for i in range(len(head)) if i == 0 or any(r[i] for r in rows)]
    sizes = [max(width(head[i]), *(width(r[i]) for r in rows)) if rows else width(head[i]) for i in keep]
    over = sum(sizes) + 2 * (len(sizes) - 1) - out.width
    if over > 0:
        widest = max((n for n, i in enumerate(keep) if i < left), key=lambda n: sizes[n])
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
    known = sum(c.get("gold", 0) for c in analysis.get("classes", ()))
    tagged = labels_tags.found(facts)
    if tagged:
        table(out, labels_tags.head(facts), labels_tags.lines(facts, {n: money(v.get("spent")) for n, v in cost.items()}))
        labels_tags.below(facts, out)
    else:
        table(out, ["voter", "class", "coverage", "overlap", "conflict", f"gold ({known:,})", "estimated", "cost"], lines)
    scores = [s for s in analysis.get("scores", ()) if s["accuracy"] is not None and not tagged]
    if not tagged and (scores or analysis.get("agreement", {}).get("fleiss") is not None):
        out.line()
    if scores:
        out.line(
            "on gold: " + ", ".join(f"{s['combiner']} {s['accuracy']:.3f}" for s in scores) + f" of {scores[0]['rows']:,} rows with votes"
        )
    agreement = analysis.get("agreement") or {}
    said = [
        f"{title} {agreement[k]:.2f}"
        for k, title in (("fleiss", "Fleiss' kappa"), ("alpha", "Krippendorff's alpha"))
        if agreement.get(k) is not None
    ]
    if said:
        what = "tokens" if facts.get("tags") else "rows"
        over = f"{agreement.get('rows', 0):,} {what} with two votes or more"
        for line in wrap(f"agreement: {', '.join(said)} over {over}", out.width):
            out.line(line)
    pairs = least_agreeing(analysis)
    if pairs:
        listed(out, "Cohen's kappa, least", pairs)
    balance = facts.get("balance") or {}
    whole = sum(balance.values())
    if whole and not tagged:
        by_class(facts, out, limit)
    elif whole:
        shares = [f"{clean(c)} {n:,} ({percent(n / whole)})" for c, n in sorted(balance.items(), key=lambda i: -i[1])]
        listed(out, "entities" if facts.get("tags") else "labels", shares)
    if not whole and not tagged:
        out.line()
    if facts["dropped"]:
        listed(out, "dropped", [f"{clean(r)} {n:,}" for r, n in facts["dropped"].items()])
    for note in remarks(facts):
        first, *more = wrap(clean(note), out.width - 2)
        out.line(out.paint("yellow", "! ") + first)
        for line in more:
            out.line(f"  {line}")
    fights = analysis.get("fights", ())[: min(limit, 5)]
    if fights:
        out.line()
        out.line("votes that fight most:")
        for fight in fights:
            told(fight, "token" if facts.get("tags") else "row", out)
    workers(facts, out, limit)
    people(facts, out, limit)
    for row in rows:
        out.line()
        for name, value in row.items():
            out.line(clip(f"  {out.paint('dim', name)}  {shown(value)}", out.width + 8))
    if not rows and fights:
        out.line()
        out.line(out.paint("dim", f"recipec labels {f'{recipe} ' if recipe else ''}{facts['step']} --rows"))


def least_agreeing(analysis: Mapping[str, Any], most: int = 3) -> list[str]:
    """The pairs of voters that agree least, of those that vote for two classes or more: of others kappa says nothing."""
    voters = analysis.get("voters", ())
    able = [i for i, v in enumerate(voters) if len(v["polarity"]) > 1]
    square = (analysis.get("agreement") or {}).get("pairs") or ()
    found = [(square[i][j], j, i) for n, i in enumerate(able) for j in able[:n] if square and square[i][j] is not None]
    return [f"{clean(voters[j]['name'])} and {clean(voters[i]['name'])} {kappa:.2f}" for kappa, j, i in sorted(found)[:most]]


def by_class(facts: Mapping[str, Any], out: Terminal, limit: int) -> None:
    """How many rows each class has: those that some voter votes for it on, those given it, and those of gold."""
    found = {c["name"]: c for c in (facts.get("analysis") or {}).get("classes", ())}
    given = sorted(facts["balance"].items(), key=lambda i: -i[1])
    whole = sum(n for _, n in given)
    lines = []
    for name, rows in given[: max(limit, 10)]:
        class_ = found.get(name, {})
        gold = f"{class_['gold']:,}" if any(c["gold"] for c in found.values()) else ""
        lines.append([clean(name), f"{class_.get('votes', 0):,}", f"{rows:,}", percent(rows / whole), gold])
    out.line()
    table(out, ["class", "rows voted for", "labelled", "share", "gold"], lines, left=1)
    if len(given) > len(lines):
        out.line(f"{len(given) - len(lines)} more: --limit {len(given)}")
    out.line()


def told(fight: Mapping[str, Any], unit: str, out: Terminal) -> None:
    """How many rows, what became of them, and who voted for what."""
    decided = f"{clean(fight['decided'])} {fight['confidence']:.2f}" if fight["decided"] else "no label"
    head = f"  {fight['rows']:>7,} {unit}{'s' if fight['rows'] != 1 else ' '}  {out.draw('→')} {decided}   "
    sides: dict[str, list[str]] = {}
    for voter, vote in fight["votes"]:
        sides.setdefault(clean(vote), []).append(clean(voter))
    votes = [f"{vote}: {', '.join(voters)}" for vote, voters in sorted(sides.items(), key=lambda side: -len(side[1]))]
    if width(head) + width("   ".join(votes)) <= out.width:
        out.line(head + "   ".join(votes))
        return
    room = max(30, out.width - width(head))
    for number, line in enumerate(line for side in votes for line in wrap(side, room)):
        out.line((head if number == 0 else " " * width(head)) + line)


def listed(out: Terminal, title: str, items: Sequence[str]) -> None:
    """``title: a · b · c``, in as many lines as it takes."""
    line = f"{title}: {items[0]}"
    for item in items[1:]:
        if width(line) + width(item) + 3 > out.width:
            out.line(line)
            line = " " * (len(title) + 2) + item
        else:
            line += f" · {item}"
    out.line(line)


def remarks(facts: Mapping[str, Any]) -> list[str]:
    """What is to be said of the votes: the run's notes, then what the analysis adds."""
    analysis = (facts.get("analysis") or {}).get("notes", ())
    if len(facts.get("voters") or ()) == 1:
        # Of a voter that is alone by design, that it is alone, and what its coverage shows, is no news.
        analysis = [n for n in analysis if not n.startswith(("only ", "nobody votes on"))]
    return list(dict.fromkeys([*(facts.get("notes") or ()), *analysis]))


def workers(facts: Mapping[str, Any], out: Terminal, limit: int) -> None:
    """The workers of a crowd: how much they answered, their skill, and what they confuse most."""
    classes = facts.get("classes") or []
    for voter in facts.get("voters") or ():
        people = voter.get("workers") or ()
        if not people:
            continue
        lines = []
        for worker in people[:limit]:
            # Rows of the table that no answer stands behind hold nothing but smoothing.
            seen = [t for t in range(len(classes)) if worker["answers"] * (voter.get("prior") or [1.0] * len(classes))[t] >= 1]
            wrong = [(p, t, v) for t in seen for v, p in enumerate(worker["confusion"][t]) if t != v]
            share, truth, said = max(wrong, default=(0.0, 0, 0))
            confuses = f"{classes[truth]} as {classes[said]} {percent(share)}" if share >= 0.05 and len(people) > 1 else ""
            right = f"{worker['right']:,} of {worker['judged']:,}" if worker["judged"] else ""
            lines.append(
                [
                    clean(worker["worker"]),
                    clean(confuses),
                    f"{worker['answers']:,}",
                    f"{worker['skill']:.3f}" if len(people) > 1 else "",
                    right,
                ]
            )
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
