"""The pieces that the report is made of: tables, bars, histograms. Whatever comes from data passes through :func:`say`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from recipec.report.cells import safe, visible
from recipec.report.plots import num
from recipec.report.profile import percent

SHOWN_CLASSES = 12


def say(value: Any) -> str:
    """A value as text of the page: escaped, and with nothing in it that hides, or turns the direction of writing."""
    match value:
        case None:
            return '<span class="soft">null</span>'
        case bool():
            return "true" if value else "false"
        case str():
            return escape(safe(value.replace("\r\n", "\n").replace("\t", "    ")))
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.6g}"
        case list() | dict():
            return escape(safe(json.dumps(value, ensure_ascii=False)))
        case _:
            return escape(safe(str(value)))


def attribute(text: str) -> str:
    return escape("".join(visible(c) for c in text), quote=True)


def number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def count(value: int | None, word: str = "row") -> str:
    return "" if value is None else f"{value:,} {word}{'' if value == 1 else 's'}"


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Iterable[int] = (), texts: Iterable[int] = (), last: bool = False
) -> str:
    """A table of markup; columns that are empty in every row are left out. ``last``: the last row sums up."""
    lines = [list(r) for r in rows]
    if not lines:
        return ""
    right, wide = set(numbers), set(texts)
    keep = [i for i in range(len(head)) if any(r[i] for r in lines)]

    def cells(row: Sequence[str], tag: str) -> str:
        kinds = {i: ' class="n"' if i in right else ' class="t"' if i in wide and tag == "td" else "" for i in keep}
        return "".join(f"<{tag}{kinds[i]}>{row[i]}</{tag}>" for i in keep)

    body = "".join(
        f"<tr{' class=' + chr(34) + 'sum' + chr(34) if last and n == len(lines) - 1 else ''}>{cells(r, 'td')}</tr>"
        for n, r in enumerate(lines)
    )
    return f'<div class="scroll"><table><thead><tr>{cells(list(head), "th")}</tr></thead><tbody>{body}</tbody></table></div>'


def funnel(step: Mapping[str, Any], anchor: str, most: int) -> str:
    """A step's rows: what is kept, and what was dropped for which reason, as parts of one bar; ``most`` rows are the whole width."""
    dropped = step["dropped"]
    whole = step["rows_out"] + sum(dropped.values())
    if not whole:
        return ""
    kept = f'<i class="kept" style="width:{num(100 * step["rows_out"] / whole)}%"></i>'
    gone = "".join(
        f'<i class="gone" style="width:{num(100 * n / whole)}%" title="{attribute(f"{r}: {n:,}")}"></i>' for r, n in dropped.items()
    )
    reasons = " · ".join(f"{say(r)} {n:,} ({percent(n / whole)})" for r, n in sorted(dropped.items(), key=lambda i: (-i[1], i[0])))
    counts = f"{step['rows_in']:,} → {step['rows_out']:,}" if step["rows_in"] != step["rows_out"] else f"{step['rows_out']:,}"
    below = f'<p class="reasons">{reasons}</p>' if reasons else ""
    return (
        f'<div class="funnel"><p><a href="#{anchor}">{say(step["name"])}</a><span class="mono">{counts}</span></p>'
        f'<div class="stack" style="width:{num(max(2.0, 100 * whole / max(whole, most)))}%">{kept}{gone}</div>{below}</div>'
    )


def interval(value: float | None, low: float | None, high: float | None) -> str:
    """Where a score and its interval lie between 0 and 1; nothing for one that is not a share."""
    if value is None or low is None or high is None or not (0 <= low <= high <= 1):
        return ""

    def x(share: float) -> str:
        return num(4 + 104 * min(1.0, max(0.0, share)))

    return (
        '<svg class="interval" viewBox="0 0 112 12" role="img" xmlns="http://www.w3.org/2000/svg"><line x1="4" x2="108" y1="6" y2="6"/>'
        f'<line class="span" x1="{x(low)}" x2="{x(high)}" y1="6" y2="6"/><circle cx="{x(value)}" cy="6" r="3.4"/></svg>'
    )


# Columns of tables ----------------------------------------------------------------------------------------------------


def column(one: Mapping[str, Any]) -> str:
    """What a column holds: its classes or the spread of its values or lengths, with the outline of what it was before."""
    after, before = one["after"], one["before"]
    head = f"<b>{say(one['name'])}</b> <span class='soft small'>{say(after['kind'])}{', new' if one['new'] else ''}</span>"
    facts = []
    if after["nulls"]:
        facts.append(f"{after['nulls']:,} null")
    if after.get("empty"):
        facts.append(f"{after['empty']:,} empty")
    facts.append(count(after["distinct"], "value"))
    if after["copies"] and after["kind"] == "text":
        facts.append(f"{after['copies']:,} repeated")
    body = ""
    if "classes" in after:
        body = classes(after["classes"], (before or {}).get("classes"))
    else:
        found = spread(after)
        if found is not None:
            body = histogram(found[1], spread(before)[1] if before is not None and spread(before) is not None else None, found[0])  # type: ignore[index]
    return f'<div class="column"><p>{head}</p><p class="soft small">{" · ".join(facts)}</p>{body}</div>'


def spread(facts: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """What is spread out, and its quantiles and histogram."""
    for key, what in (("characters", "characters"), ("values", "value"), ("lengths", "items")):
        found = facts.get(key)
        if found and found.get("histogram"):
            return what, found
    return None


def classes(after: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]] | None) -> str:
    """A bar a class, with its rows, and its share before where that differs."""
    was = {c["value"]: c["share"] for c in before or ()}
    most = max(c["share"] for c in after) if after else 1
    lines = []
    for c in after[:SHOWN_CLASSES]:
        old = was.get(c["value"]) if before else None
        note = f" <span title='share before'>(was {percent(old)})</span>" if old is not None and abs(old - c["share"]) >= 0.005 else ""
        lines.append(
            f'<span title="{attribute(str(c["value"]))}">{say(c["value"])}</span><i style="width:{num(100 * c["share"] / most)}%"></i>'
            f"<em>{c['rows']:,} · {percent(c['share'])}{note}</em>"
        )
    more = f'<p class="soft small">and {len(after) - SHOWN_CLASSES:,} more</p>' if len(after) > SHOWN_CLASSES else ""
    return f'<div class="class">{"".join(lines)}</div>{more}'


def histogram(after: Mapping[str, Any], before: Mapping[str, Any] | None, what: str) -> str:
    """Bars of what is there now; in outline, where its bins are the same, what was there before."""
    wide, tall = 260, 64
    made = after["histogram"]
    counts = made["counts"]
    old = before["histogram"]["counts"] if before is not None and before["histogram"]["edges"] == made["edges"] else None
    most = max([*counts, *(old or ())]) or 1
    size = wide / len(counts)
    bars = []
    for i, n in enumerate(counts):
        tip = f"{made['edges'][i]:,.4g} to {made['edges'][i + 1]:,.4g}: {n:,}" + (f", before {old[i]:,}" if old else "")
        high = tall * n / most
        bars.append(
            f'<rect class="after" x="{num(i * size + 0.5)}" y="{num(tall - high)}" width="{num(size - 1)}" height="{num(high)}"><title>{tip}</title></rect>'
        )
    if old:
        path = "".join(
            f"{'M' if not i else 'L'}{num(i * size + 0.5)} {num(tall - tall * n / most)}H{num((i + 1) * size - 0.5)}"
            for i, n in enumerate(old)
        )
        bars.append(f'<path class="before" d="{path}"/>')
    scale = ", by ratio" if made["scale"] == "log" else ""
    about = f"median {after['p50']:,.4g}, from {after['min']:,.4g} to {after['max']:,.4g} {what}"
    old_words = f"; before: median {before['p50']:,.4g}, {before['min']:,.4g} to {before['max']:,.4g}" if before is not None else ""
    ends = (
        f'<text x="0" y="{tall + 12}">{made["edges"][0]:,.4g}</text>'
        f'<text x="{wide}" y="{tall + 12}" text-anchor="end">{made["edges"][-1]:,.4g} {what}{scale}</text>'
    )
    return (
        f'<svg class="hist" role="img" font-size="10" viewBox="0 0 {wide} {tall + 16}" xmlns="http://www.w3.org/2000/svg"><title>{about}{old_words}</title>'
        f'{"".join(bars)}{ends}</svg><p class="soft small">{about}{old_words}</p>'
    )


def rows(sample: Mapping[str, Any] | None) -> str:
    """Some rows of a table."""
    if not sample or not sample["rows"]:
        return ""
    numbers = [
        i for i in range(len(sample["names"])) if all(isinstance(r[i], (int, float)) and not isinstance(r[i], bool) for r in sample["rows"])
    ]
    texts = [
        i
        for i in range(len(sample["names"]))
        if any(isinstance(r[i], (list, dict)) or (isinstance(r[i], str) and len(r[i]) > 24) for r in sample["rows"])
    ]
    return table([say(n) for n in sample["names"]], [[say(v) for v in r] for r in sample["rows"]], numbers=numbers, texts=texts)
