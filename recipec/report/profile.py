"""The profile of a table, as one object: what ``recipec profile --format json`` prints.

======================  ========================================================================================================
key                     meaning
======================  ========================================================================================================
``step``, ``rows``      what was profiled, and how many rows it has
``sample``              rows of which texts were read, when these are not all (null otherwise); counts, lengths and classes are of all
``columns``             a list, one entry a column (a struct's fields are columns ``a.b``), with ``name``, ``type`` (DuckDB's), ``kind``,
                        ``rows``, ``nulls``, ``distinct``, ``copies`` (rows beyond the first of each value), ``near_constant``, and by kind:
text                    ``empty``, ``characters``, ``words`` (``min p5 p25 p50 p75 p95 max mean histogram``), ``most_repeated``, ``read``,
                        ``languages``, ``scripts``, ``unit`` (what n-grams are of), ``top_words``, ``top_phrases`` (with ``rows``: how many
                        have it), ``openings``, ``endings``, ``sentences`` (``share`` of rows with one that ``least_rows`` rows share)
name                    text without blanks (codes, names): ``empty``, ``characters``, ``most_repeated``
class                   ``classes`` (``value rows share median_characters``), ``balance`` (``ratio entropy evenness``)
number, moment          ``values``: as for text, of a moment without histogram; ``not_finite``
list, tags              ``lengths``, ``empty``, ``elements``; of B- and I- tags ``entities``
chat                    as text, of all messages together but those of the system; ``lengths`` in messages, ``roles``, ``orders``
``pii``                 of a column, when asked for: ``kind count rows share distinct examples`` (masked)
``groups``              when parts or ``--by`` divide the rows: ``by``, ``sizes``, and ``columns``, each with ``lengths``
                        (Cliff's ``delta`` against the rest and its ``size``), ``classes`` and ``languages`` (``association``: chi-square and
                        Cramér's V with its 95 % interval; ``different``: cells that stand out), ``words``, ``overlap``
``findings``            what is worth a look: ``column``, ``what``, ``text``
======================  ========================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from recipec.report import profile_groups
from recipec.report.profile_columns import Column, Rows, lengths_by_class, look
from recipec.report.profile_texts import Reading, personal, read

Say = Callable[[str], None]
"""Called with what is being done now, for a person who waits."""
READ: Final = ("text", "chat")


def quiet(what: str) -> None:
    """Say nothing."""


def profile(
    rows: Rows, columns: Sequence[Column], *, step: str, by: str | None, parts: bool, pii: bool, seed: int, say: Say = quiet
) -> dict[str, Any]:
    """Read the texts of columns that :func:`seen` has looked at already, and compare the groups of ``rows`` if it has any."""
    readings: dict[str, Reading] = {}
    for column in columns:
        if column.kind in READ and column.facts["nulls"] < column.facts["rows"]:
            say(f"reading {column.name}")
            readings[column.name] = read(rows, column, seed)
        if pii and (column.kind in READ or (column.kind in ("name", "class") and column.type == "VARCHAR")):
            say(f"looking for personal data in {column.name}")
            column.facts["pii"] = personal(rows, column, seed)
    # The first of those that are about as long as the longest: others are often made of it.
    longest = max((_size(c) for c in columns if c.name in readings), default=0.0)
    main = next((c for c in columns if c.name in readings and _size(c) >= 0.8 * longest), None)
    if main is not None:
        for column in columns:
            if column.kind == "class":
                lengths_by_class(rows, column, main)
    groups = compare(rows, columns, readings, by, parts, say) if rows.groups or by else None
    return {
        "step": step,
        "rows": rows.count,
        "sample": rows.sampled if rows.sampled < rows.count else None,
        "columns": [c.facts for c in columns],
        "groups": groups,
        "findings": list(findings(columns, groups)),
    }


def _size(column: Column) -> float:
    words = column.facts.get("words")
    return float(words["mean"]) if words else 0.0


def compare(rows: Rows, columns: Sequence[Column], readings: dict[str, Reading], by: str | None, parts: bool, say: Say) -> dict[str, Any]:
    sizes = profile_groups.sizes(rows)
    out = []
    for column in columns:
        if column.name == by or column.facts["nulls"] == column.facts["rows"]:
            continue
        say(f"comparing {column.name}")
        one: dict[str, Any] = {"name": column.name, "kind": column.kind}
        lengths = profile_groups.lengths(rows, column, sizes)
        if lengths is not None:
            one["lengths"] = lengths
        if column.kind == "class":
            one["classes"] = profile_groups.classes(rows, column, sizes)
        reading = readings.get(column.name)
        if reading is not None:
            if by != f"language({column.name})":
                one["languages"] = profile_groups.languages(reading, sizes, [x["language"] for x in column.facts["languages"]])
            one["words"] = profile_groups.words(reading, column, sizes)
        if parts and column.kind in READ:
            one["overlap"] = profile_groups.overlap(rows, column)
        if len(one) > 2:
            out.append(one)
    return {"by": by or "part", "sizes": sizes, "columns": out}


def percent(share: float) -> str:
    """``12.5 %``; never 0 for something nor 100 for not everything."""
    if 0 < share < 0.001:
        return "<0.1 %"
    if 0.999 < share < 1:
        return ">99.9 %"
    return f"{share * 100:.1f} %" if 0 < share < 1 else f"{share * 100:.0f} %"


def findings(columns: Sequence[Column], groups: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """What a person should look at, in words with their numbers."""
    for column in columns:
        for what, text in _of_column(column):
            yield {"column": column.name, "what": what, "text": text}
    if groups is not None:
        yield from _of_groups(groups)


def _of_column(column: Column) -> Iterator[tuple[str, str]]:
    facts = column.facts
    rows, nulls = facts["rows"], facts["nulls"]
    filled = rows - nulls
    if not filled:
        if rows:
            yield "all null", "no row has a value"
        return
    if nulls and nulls >= 0.01 * rows:
        yield "nulls", f"{nulls:,} row{'s have' if nulls > 1 else ' has'} no value ({percent(nulls / rows)})"
    if facts.get("empty"):
        what = "texts" if column.kind in ("text", "name", "class") else "lists"
        yield "empty", f"{facts['empty']:,} {f'{what} are' if facts['empty'] > 1 else f'{what[:-1]} is'} empty"
    if facts["near_constant"] is not None and column.kind != "tags":
        one = facts["near_constant"]
        yield "near-constant", f"{percent(one['share'])} of the values are the same"
    elif column.kind in ("text", "chat") and facts["copies"] >= 0.01 * filled:
        yield "copies", f"{facts['copies']:,} rows ({percent(facts['copies'] / filled)}) repeat an earlier one exactly"
    if column.kind == "class":
        ratio, small = facts["balance"]["ratio"], sum(c["rows"] < 10 for c in facts["classes"])
        if ratio is not None and ratio >= 10:
            yield "imbalance", f"the largest class has {ratio:,.0f} times the rows of the smallest"
        if small and filled >= 100:
            yield "rare classes", f"{small:,} class{'es' * (small != 1)} of fewer than 10 rows"
    if column.kind in READ and facts.get("languages"):
        main, *others = facts["languages"]
        second = next((x for x in others if x["language"] != "und"), None)
        if second is not None and second["share"] >= 0.01 and second["rows"] > 2:
            yield (
                "languages",
                f"{percent(1 - main['share'])} of the rows are not {main['language']}: {second['language']} {second['rows']:,}",
            )
        for key, verb in (("openings", "begin"), ("endings", "end")):
            top = facts[key]["top"]
            if facts[key]["share"] >= 0.1 and filled >= 20:
                yield key, f'{percent(facts[key]["share"])} of the rows {verb} alike: {top[0]["rows"]:,} with "{top[0]["text"]}"'
        if facts["sentences"]["share"] >= 0.1 and facts["sentences"]["share"] * filled > 2 * facts["copies"]:
            yield "sentences", f"{percent(facts['sentences']['share'])} of the rows hold a sentence that another row has too"
    for one in facts.get("pii", []):
        yield "personal data", f"{one['kind']}: {one['count']:,} in {one['rows']:,} row{'s' * (one['rows'] != 1)}"


def _of_groups(groups: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for column in groups["columns"]:
        name, told = column["name"], []
        for size, one in zip(groups["sizes"], column.get("lengths", {}).get("groups", []), strict=False):
            if one["size"] not in (None, "negligible"):
                what = column["lengths"]["measure"]
                told.append((abs(one["delta"]), "length" if what != "value" else "value",
                             f"{size['group']}: median {one['p50']:,.6g} {what if what != 'value' else ''}, elsewhere {one['elsewhere']:,.6g} "
                             f"(delta {one['delta']:+.2f}, {one['size']}; {one['rows']:,} rows)".replace(" ,", ",")))  # fmt: skip
        for key, what in (("classes", "class share"), ("languages", "language share")):
            for cell in column.get(key, {}).get("different", [])[:3]:
                told.append((abs(cell["h"]), what,
                             f"{cell['group']}: {cell['value']} {percent(cell['share'])} ({cell['rows']:,} of {cell['of']:,}), elsewhere "
                             f"{percent(cell['elsewhere'])} (h {cell['h']:+.2f}, {cell['size']})"))  # fmt: skip
        for count, size, one in zip(column.get("overlap", []), groups["sizes"], column.get("lengths", {}).get("groups", []), strict=False):
            if count:
                told.append((9.0, "overlap", f"{size['group']}: {count:,} of {one['rows']:,} texts stand in another part too"))
        for _, what, text in sorted(told, key=lambda t: -t[0])[:4]:
            yield {"column": name, "what": what, "text": text}


def seen(rows: Rows, columns: Sequence[Column], say: Say = quiet) -> None:
    """Look at every column, before groups are made of one and texts are read."""
    for column in columns:
        say(f"looking at {column.name}")
        look(rows, column)
