"""A profile for reading: 80 columns suffice, wide letters count double, and what a person should look at stands at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from recipec.report.cells import clean, clip, pad, width, wrap
from recipec.report.profile import percent
from recipec.report.terminal import Terminal

WIDEST: Final = 100
LABEL: Final = 12
BARS: Final = "▁▂▃▄▅▆▇█"
PLAIN_BARS: Final = ".:-=+*%@"
CLASSES, SHARES = 12, 6
SIDE_BY_SIDE: Final = 4
"""Groups that stand beside each other; more stand below each other."""


def spark(counts: Sequence[int], unicode: bool = True) -> str:
    """A histogram as one line of bars; what is there has a bar, nothing is a blank."""
    bars, most = BARS if unicode else PLAIN_BARS, max(counts, default=0)
    return "".join(bars[max(0, -(-n * len(bars) // most) - 1)] if n else " " for n in counts)


def number(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}" if abs(value) < 1e15 else f"{float(value):.3g}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3g}"


def counted(n: int, one: str, many: str | None = None) -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def grid(rows: Sequence[Sequence[str]], left: int = 1, gap: int = 2) -> list[str]:
    """Cells in columns, the first ``left`` of them to the left, the others to the right."""
    sizes = [max(width(r[i]) for r in rows if i < len(r)) for i in range(max(map(len, rows), default=0))]
    return [(" " * gap).join(pad(c, sizes[i], right=i >= left) for i, c in enumerate(r)).rstrip() for r in rows]


class Page:
    """The lines of a report for one terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal, self.room = terminal, min(terminal.width, WIDEST)
        self.lines: list[str] = []
        self.parts = False

    def clip(self, text: str, room: int) -> str:
        return clip(clean(text, self.terminal.unicode), room, "…" if self.terminal.unicode else "...")

    def line(self, text: str = "") -> None:
        self.lines.append(text)

    def title(self, name: str, rest: str) -> None:
        self.line()
        shown = self.clip(name, self.room - width(rest) - 3)
        self.line(f"{self.terminal.paint('bold', shown)}  {self.terminal.paint('dim', rest)}")

    def labelled(self, label: str, text: str) -> None:
        """Text behind a label, wrapped beside it."""
        lead = self.terminal.paint("other", pad(label, LABEL - 2))
        for part in wrap(text, self.room - LABEL - 2) or [""]:
            self.line(f"  {lead}  {part}")
            lead = " " * (LABEL - 2)

    def items(self, label: str, items: Sequence[str]) -> None:
        """Short pieces behind a label, never broken, as many a line as there is room for."""
        room, line, lead = self.room - LABEL - 2, "", self.terminal.paint("other", pad(label, LABEL - 2))
        for item in [*items, None]:
            if item is None or (line and width(line) + 3 + width(item) > room):
                self.line(f"  {lead}  {line}")
                line, lead = "", " " * (LABEL - 2)
            if item is not None:
                line += ("   " if line else "") + self.clip(item, room)

    def spreads(self, spreads: Sequence[tuple[str, dict[str, Any] | None]]) -> None:
        """Quantiles under a common heading, each with its histogram."""
        shown = [(label, s) for label, s in spreads if s]
        if not shown:
            return
        size = max([LABEL - 2, *(width(label) for label, _ in shown)])
        rows = [["", "", "least", "5 %", "median", "95 %", "most"]]
        for label, s in shown:
            bars = spark(s["histogram"]["counts"], self.terminal.unicode) if "histogram" in s else ""
            bars += " log" if bars and s["histogram"]["scale"] == "log" else ""
            rows.append([pad(label, size), bars, *(number(s[k]) for k in ("min", "p5", "p50", "p95", "max"))])
        for at, text in enumerate(grid(rows, 2)):
            if not at:
                self.line("  " + self.terminal.paint("dim", text))
            else:
                self.line("  " + self.terminal.paint("other", text[:size]) + text[size:])


def render(report: dict[str, Any], terminal: Terminal, *, next: str) -> str:
    page = Page(terminal)
    names = [c["name"] for c in report["columns"]]
    head = f"{counted(report['rows'], 'row')}, {counted(len(names), 'column')}"
    groups = report["groups"]
    if groups is not None:
        page.parts = groups["by"] == "part"
        unit = "part" if page.parts else "group"
        head += f", {counted(len(groups['sizes']), unit)}" + (f" by {groups['by']}" if unit == "group" else "")
    page.line(f"{terminal.paint('bold', clean(report['step']))}   {clean(head)}")
    if report["sample"] is not None:
        page.line(terminal.paint("dim", f"Texts were read in {report['sample']:,} of the rows, chosen by key; all else is of all rows."))
    if groups is not None:
        _groups(page, groups)
    else:
        for facts in report["columns"]:
            _column(page, facts)
    _pii(page, report["columns"])
    _findings(page, report["findings"])
    page.line()
    page.line(terminal.paint("dim", next))
    return terminal.draw("\n".join(page.lines)) + "\n"


# Columns --------------------------------------------------------------------------------------------------------------

KINDS: Final = {
    "class": "classes",
    "name": "names or codes",
    "chat": "conversations",
    "list": "lists",
    "tags": "lists of tags",
    "moment": "dates",
}


def _column(page: Page, facts: dict[str, Any]) -> None:
    kind, filled = facts["kind"], facts["rows"] - facts["nulls"]
    page.title(facts["name"], KINDS.get(kind, kind if kind != "other" else facts["type"].lower()[:40]))
    words = [
        counted(filled, "row")
        + (f", {counted(facts['nulls'], 'null')} ({percent(facts['nulls'] / facts['rows'])})" if facts["nulls"] else "")
    ]
    if facts.get("empty"):
        words.append(f"{facts['empty']:,} empty")
    if filled:
        if kind == "class":
            balance = facts["balance"]
            words.append(counted(facts["distinct"], "class", "classes"))
            if balance["evenness"] is not None:
                words.append(f"evenness {balance['evenness']:.2f}, largest/smallest {number(round(balance['ratio'], 1))}")
        else:
            words.append("all different" if facts["distinct"] == filled and filled > 1 else f"{facts['distinct']:,} different")
            if facts["copies"] and kind in ("text", "name", "chat"):
                words.append(f"{counted(facts['copies'], 'copy', 'copies')} ({percent(facts['copies'] / filled)})")
    page.labelled("rows", ", ".join(words))
    if not filled:
        return
    unit = "messages" if kind == "chat" else "elements"
    page.spreads(
        [
            ("characters", facts.get("characters")),
            ("words", facts.get("words")),
            ("values", facts.get("values")),
            (unit, facts.get("lengths")),
            *((f"{r['role']}, chars", r["characters"]) for r in facts.get("roles", [])),
        ]
    )
    if facts.get("not_finite"):
        page.labelled("", f"{facts['not_finite']:,} infinite or not a number")
    if kind == "class":
        _classes(page, facts)
    if "roles" in facts:
        page.items("roles", [_role(r) for r in facts["roles"]])
        page.items("order", [f"{o['roles']} {percent(o['rows'] / filled)}" for o in facts["orders"]])
    if "elements" in facts:
        _elements(page, facts)
    if "languages" in facts:
        _reading(page, facts)
    if facts.get("most_repeated") and facts["copies"]:
        _quoted(page, "copies", [(x["value"], x["rows"]) for x in facts["most_repeated"]])


def _role(role: dict[str, Any]) -> str:
    empty = f", {role['empty']:,} empty" if role["empty"] else ""
    return f"{role['role']} {role['messages']:,} in {counted(role['rows'], 'row')}, {role['distinct']:,} different{empty}"


def _classes(page: Page, facts: dict[str, Any]) -> None:
    shown, most = facts["classes"][:CLASSES], max(c["rows"] for c in facts["classes"])
    bar = "█" if page.terminal.unicode else "#"
    name = min(max(width(clean(c["value"])) for c in shown), page.room - 52)
    rows = []
    for c in shown:
        middle = c.get("median_characters")
        rows.append([pad(page.clip(c["value"], name), name), pad(bar * max(1, round(16 * c["rows"] / most)), 16), f"{c['rows']:,}", percent(c["share"]),
                     *([f"{number(middle)}"] if middle is not None else [])])  # fmt: skip
    if "lengths_of" in facts:
        head = f"chars of {page.clip(facts['lengths_of'], 14)}"
        rows.insert(0, ["", "", "rows", "share", head])
    for at, text in enumerate(grid(rows, 2)):
        page.line("  " + (page.terminal.paint("dim", text) if not at and "lengths_of" in facts else text))
    left = facts["classes"][CLASSES:]
    if left:
        rest = sum(c["rows"] for c in left)
        page.line(
            "  "
            + page.terminal.paint("dim", f"{len(left):,} more, {left[-1]['rows']:,} to {left[0]['rows']:,} rows each, {rest:,} together")
        )


def _elements(page: Page, facts: dict[str, Any]) -> None:
    all_ = facts["elements"]
    page.labelled("elements", f"{all_['count']:,}, {all_['distinct']:,} different")
    page.items("", [f"{x['value']} {percent(x['share'])}" for x in all_["top"][:CLASSES]])
    entities = facts.get("entities")
    if entities is not None:
        page.labelled("entities", f"{entities['count']:,}; {counted(entities['rows_without'], 'row')} without any")
        page.items("", [f"{t['type']} {t['count']:,} ({percent(t['share'])})" for t in entities["types"]])


def _reading(page: Page, facts: dict[str, Any]) -> None:
    rows = facts["read"]["rows"]
    for key, label, name in (("languages", "languages", "language"), ("scripts", "scripts", "script")):
        listed = facts[key]
        more = [f"+{len(listed) - SHARES}"] if len(listed) > SHARES else []
        if key == "languages":
            texts = [f"{x[name]} {x['rows']:,} ({percent(x['share'])})" for x in listed[:SHARES]]
        else:
            texts = [f"{x[name]} {percent(x['share'])}" for x in listed[:SHARES]]
        if texts:
            page.items(label, texts + more)
    for key, label in (("top_words", "words in" if facts["unit"] == "word" else "pairs in"), ("top_phrases", "phrases in")):
        if facts[key]:
            page.items(label, [f"{x['text']} {percent(x['share'])}" for x in facts[key]])
    unit = "words" if facts["unit"] == "word" else "characters"
    for key, label in (("openings", "begin"), ("endings", "end")):
        one = facts[key]
        if one["rows"]:
            what = "first" if key == "openings" else "last"
            page.labelled(
                label,
                f"{percent(one['share'])} share their {what} {one['words']} {unit} with {counted(one['least_rows'] - 1, 'row')} or more",
            )
            _quoted(page, "", [(x["text"], x["rows"]) for x in one["top"]])
    one = facts["sentences"]
    if one["rows"] > 0:
        page.labelled("sentences", f"{percent(one['share'])} hold a sentence that stands in another row too")
        _quoted(page, "", [(x["text"], x["rows"]) for x in one["top"]])
    read = facts["read"]
    if read["left_out"]:
        page.labelled("", page.terminal.paint("dim", f"{rows:,} texts were read, {read['left_out']:,} left out for their length"))
    if read["cut"]:
        page.labelled("", page.terminal.paint("dim", f"{counted(read['cut'], 'text')} read to the first 100,000 characters"))


def _quoted(page: Page, label: str, found: Sequence[tuple[str, int]]) -> None:
    """Texts in quotes with the number of rows that have them."""
    most = max((len(f"{n:,}") for _, n in found), default=0)
    lead = page.terminal.paint("other", pad(label, LABEL - 2))
    for text, n in found:
        flat = " ".join(str(text).split())
        page.line(f"  {lead}  {n:>{most},}  {page.clip(flat, page.room - LABEL - most - 4)}")
        lead = " " * (LABEL - 2)


# Groups ---------------------------------------------------------------------------------------------------------------


def _groups(page: Page, groups: dict[str, Any]) -> None:
    sizes = groups["sizes"]
    names = [s["group"] for s in sizes]
    if not names:
        return
    page.line()
    measures = [("rows", [f"{s['rows']:,}" for s in sizes]), ("share", [percent(s["share"]) for s in sizes])]
    matrix(page, names, measures)
    few = [s["group"] for s in sizes if s["few"]]
    if few:
        page.labelled("", page.terminal.paint("dim", f"too few rows to say anything of: {clean(', '.join(few))}"))
    for column in groups["columns"]:
        _group(page, names, column)


def _group(page: Page, names: Sequence[str], column: dict[str, Any]) -> None:
    page.title(column["name"], KINDS.get(column["kind"], column["kind"]))
    measures: list[tuple[str, list[str]]] = []
    if "lengths" in column:
        what, found = column["lengths"]["measure"], column["lengths"]["groups"]
        if what not in ("value",):
            measures.append(("rows", [f"{x['rows']:,}" for x in found]))
        measures += [
            (what, [spark(x["histogram"] or [], page.terminal.unicode) for x in found]),
            ("median", [number(x["p50"]) for x in found]),
            ("95 %", [number(x["p95"]) for x in found]),
            ("delta", ["-" if x["delta"] is None else f"{x['delta']:+.2f}" for x in found]),
            ("effect", [x["size"] or "too few" if len(found) > 1 else "-" for x in found]),
        ]
    if "overlap" in column:
        measures.append(("also elsewhere", [f"{n:,}" for n in column["overlap"]]))
    if measures:
        matrix(page, names, measures)
    for key in ("languages", "classes"):
        if key in column:
            _table(page, names, column[key], "language" if key == "languages" else "class")
    for one in column.get("words", []):
        if one["words"]:
            page.line("  " + page.terminal.paint("other", page.clip(f"words of {one['group']}", page.room - 2)))
            page.items("", [w["word"] for w in one["words"]])


def _table(page: Page, names: Sequence[str], table: dict[str, Any], what: str) -> None:
    shown = table["values"][: SHARES if what == "language" else CLASSES]
    if what == "language" and shown and not table["different"]:
        first = shown[0]
        parts = [n / of for n, of in zip(first["rows"], table["group_rows"], strict=True) if of]
        if min(parts, default=0.0) >= 0.99:
            page.labelled("languages", f"{first['value']} in 99 % or more of every {'part' if page.parts else 'group'}")
            return
    measures = [
        (one["value"], [percent(n / of) if of else "-" for n, of in zip(one["rows"], table["group_rows"], strict=True)]) for one in shown
    ]
    matrix(page, names, measures)
    if len(table["values"]) > len(shown):
        page.line("  " + page.terminal.paint("dim", f"{len(table['values']) - len(shown):,} more"))
    facts = table["association"]
    if facts is None and len(table["values"]) > 1 and len(names) > 1:
        page.labelled("together", page.terminal.paint("dim", "too few rows of each to say whether they go together"))
    if facts is not None:
        p = f"p {facts['p']:.2g}" if facts["p"] >= 1e-4 else "p < 0.0001"
        chi = f"chi-square {number(round(facts['chi_square'], 1))}, {counted(facts['degrees_of_freedom'], 'degree')} of freedom, {p}"
        interval = f"95 % interval {facts['v_low']:.2f} to {facts['v_high']:.2f}"
        doubt = f"; p is rough: {percent(facts['sparse'])} of the cells expect fewer than 5 rows" if facts["sparse"] > 0.2 else ""
        page.labelled("together", f"Cramér's V {facts['v']:.2f} ({interval}), {facts['size']}; {chi}{doubt}")


def matrix(page: Page, names: Sequence[str], measures: Sequence[tuple[str, list[str]]]) -> None:
    """Measures of groups: the groups side by side, or below each other where there are many."""
    most = max(8, (page.room - 30) // 4) if len(names) <= SIDE_BY_SIDE else max(12, page.room // 4)
    shown = [page.clip(n, most) for n in names]
    if len(names) <= SIDE_BY_SIDE:
        rows = [["", *shown], *([page.clip(label, 24), *cells] for label, cells in measures)]
        sizes_fit = grid(rows)
    else:
        kept = list(measures)
        while True:
            rows = [["", *(page.clip(label, 14) for label, _ in kept)], *([name, *(m[i] for _, m in kept)] for i, name in enumerate(shown))]
            sizes_fit = grid(rows)
            if max(map(width, sizes_fit)) <= page.room - 2 or len(kept) == 1:
                break
            kept.pop()
    for at, text in enumerate(sizes_fit):
        page.line("  " + (page.terminal.paint("dim", text) if not at else text))


# The end --------------------------------------------------------------------------------------------------------------


def _pii(page: Page, columns: Sequence[dict[str, Any]]) -> None:
    looked = [c for c in columns if "pii" in c]
    if not looked:
        return
    page.title("personal data", "by form and checksum; examples are masked")
    rows = [
        [page.clip(c["name"], 20), x["kind"], f"{x['count']:,}", f"{x['rows']:,}", percent(x["share"]), "  ".join(x["examples"])]
        for c in looked
        for x in c["pii"]
    ]
    if not rows:
        page.line("  none found")
        return
    sizes = [max(width(r[i]) for r in [*rows, ["", "", "found", "in rows", "", ""]]) for i in range(6)]
    for at, row in enumerate([["", "", "found", "in rows", "", ""], *rows]):
        text = "  ".join(pad(c, sizes[i], right=i in (2, 3, 4)) for i, c in enumerate(row)).rstrip()
        page.line("  " + (page.terminal.paint("dim", text) if not at else page.clip(text, page.room - 2)))


def _findings(page: Page, found: Sequence[dict[str, Any]]) -> None:
    shown = [f for f in found if f["what"] != "personal data"]
    if not shown:
        return
    page.title("worth a look", counted(len(shown), "finding"))
    for line in _listed(page, shown):
        page.line(line)


def _listed(page: Page, found: Sequence[dict[str, Any]]) -> Iterator[str]:
    name = min(max(width(clean(f["column"])) for f in found), 20)
    before = None
    for one in found:
        lead = pad(page.clip(one["column"], name), name) if one["column"] != before else " " * name
        before = one["column"]
        for text in wrap(clean(one["text"], page.terminal.unicode), page.room - name - 4):
            yield f"  {page.terminal.paint('warning', lead)}  {text}"
            lead = " " * name
