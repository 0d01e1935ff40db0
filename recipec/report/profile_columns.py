"""What a column of a table is, for a profile, and what SQL alone can say of it: counts, lengths, classes, numbers, lists, messages.

Everything here looks at all rows; what has to read the words of texts is in :mod:`recipec.report.profile_texts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recipec.api import HIDDEN, quote
from recipec.fast.profile_stats import Pairs, balance, spread

if TYPE_CHECKING:
    import duckdb

MOST_CLASSES = 200
"""A column of text is one of classes when it has at most so many different values,"""
ROWS_PER_CLASS = 5
"""each in so many rows on average,"""
LONGEST_CLASS = 80
"""and none longer than so many characters."""
NUMBER_CLASSES = 20
"""Whole numbers are classes when so few different ones occur."""
GROUP = "__group"
"""The column that holds the number of a row's group."""
FLAT = 0.95
"""A column is near-constant when one value stands in this share of the rows that have one."""
WORDY = 0.05
"""A column of text is of names or codes, not of running text, when less than this share of its values holds two words."""

_NUMBER = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL\(.*\))$")
_WHOLE = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$")
_MOMENT = re.compile(r"(DATE|TIME|TIMESTAMP)\b.*$")
_TWO_WORDS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]|[\pL\pN]\S*\s+\S*[\pL\pN]"
_BLANKS = "chr(32)||chr(9)||chr(10)||chr(13)||chr(160)||chr(12288)"
_FIELD = re.compile(r'\s*("(?:[^"]|"")*"|\w+)\s+(.*)', re.S)


@dataclass(frozen=True)
class Rows:
    """The rows to profile: ``relation`` is SQL that may stand behind FROM, ``order`` the columns of a stable order.

    ``group`` is SQL for the number of a row's group, from 0, in ``groups``; a row of none has null.
    """

    con: duckdb.DuckDBPyConnection
    relation: str
    count: int
    order: str = "_key"
    group: str = "0"
    groups: tuple[str, ...] = ()
    sample: str = ""
    """The rows of which texts are read: SQL like ``relation``."""
    sampled: int = 0
    """How many these are."""

    def all(self, sql: str) -> list[tuple[Any, ...]]:
        return self.con.execute(sql).fetchall()

    def one(self, sql: str) -> tuple[Any, ...]:
        return self.all(sql)[0]


@dataclass
class Column:
    """A column, or a field of one: ``sql`` reads it. ``facts`` is its part of the report."""

    name: str
    sql: str
    type: str
    kind: str = "other"
    facts: dict[str, Any] = field(default_factory=dict)
    role: str = "role"
    content: str = "content"

    @property
    def text(self) -> str:
        """SQL for the text to read: of a conversation, what its messages say, but for the instructions before it."""
        if self.kind != "chat":
            return f"({self.sql})"
        said = f"list_filter({self.sql}, lambda m: coalesce(m.{quote(self.role)} NOT IN ('system', 'developer'), true))"
        return f"array_to_string(list_transform({said}, lambda m: m.{quote(self.content)}), chr(10) || chr(10))"

    @property
    def measure(self) -> str | None:
        """SQL for the number that groups are compared by, and that a histogram shows."""
        match self.kind:
            case "text" | "name":
                return f"length({self.sql})"
            case "chat" | "list" | "tags":
                return f"len({self.sql})"
            case "number":
                return f"CASE WHEN isfinite(({self.sql})::DOUBLE) THEN ({self.sql})::DOUBLE END"
        return None


def columns_of(rows: Rows) -> Iterator[Column]:
    """The columns of a table, in order; a struct gives one for each of its fields."""
    for name, type, *_ in rows.all(f"DESCRIBE SELECT * FROM {rows.relation}"):
        if name not in (*HIDDEN, GROUP):
            yield from _fields(name, quote(name), type)


def _fields(name: str, sql: str, type: str) -> Iterator[Column]:
    if type.startswith("STRUCT(") and type.endswith(")"):
        for inner, of in parts(type):
            yield from _fields(f"{name}.{inner}", f"{sql}.{quote(inner)}", of)
    else:
        yield Column(name, sql, type)


def parts(struct: str) -> list[tuple[str, str]]:
    """Names and types of the fields of a type like ``STRUCT(a VARCHAR, "b c" INTEGER[])``."""
    inside = struct[len("STRUCT(") : struct.rindex(")")]
    pieces, depth, quoted, start = [], 0, False, 0
    for at, char in enumerate(inside):
        if char == '"':
            quoted = not quoted
        elif not quoted:
            depth += (char == "(") - (char == ")")
            if char == "," and not depth:
                pieces.append(inside[start:at])
                start = at + 1
    pieces.append(inside[start:])
    out = []
    for piece in pieces:
        found = _FIELD.fullmatch(piece)
        if found is not None:
            name = found[1]
            out.append((name[1:-1].replace('""', '"') if name.startswith('"') else name, found[2].strip()))
    return out


def pairs(rows: Rows, sql: str, where: str = "") -> list[tuple[float, int]]:
    """The values of an expression that are not null, with their counts, in order."""
    return rows.all(
        f"SELECT v, n FROM (SELECT {sql} AS v, count(*) AS n FROM {rows.relation}{where} GROUP BY 1) WHERE v IS NOT NULL ORDER BY v"
    )


def by_group(rows: Rows, sql: str) -> list[Pairs]:
    """The same for each group."""
    out: list[list[tuple[float, int]]] = [[] for _ in rows.groups]
    query = f"SELECT g, v, n FROM (SELECT {rows.group} AS g, {sql} AS v, count(*) AS n FROM {rows.relation} GROUP BY ALL)"
    for group, value, count in rows.all(f"{query} WHERE v IS NOT NULL AND g IS NOT NULL ORDER BY g, v"):
        out[group].append((value, count))
    return list(out)


def look(rows: Rows, column: Column) -> None:
    """Find out what a column is, and measure it."""
    x = column.sql
    filled, different, most, copies = rows.one(
        f"SELECT coalesce(sum(n), 0)::BIGINT, count(*), coalesce(max(n), 0), coalesce(sum(n - 1), 0)::BIGINT "
        f"FROM (SELECT count(*) AS n FROM {rows.relation} WHERE {x} IS NOT NULL GROUP BY hash({x}))"
    )
    column.facts = {
        "name": column.name,
        "type": column.type,
        "kind": "other",
        "rows": rows.count,
        "nulls": rows.count - filled,
        "distinct": different,
        "copies": copies,
        "near_constant": None,
    }
    column.kind = column.facts["kind"] = kind_of(rows, column, filled, different)
    facts = column.facts
    if column.kind in ("text", "name", "class") and column.type in ("VARCHAR", "JSON"):
        facts["empty"] = rows.one(f"SELECT count(*) FROM {rows.relation} WHERE {x} IS NOT NULL AND trim({x}, {_BLANKS}) = ''")[0]
    if filled > 1 and most >= FLAT * filled:
        value = rows.one(f"SELECT left(mode({x})::VARCHAR, 200) FROM {rows.relation}")[0]
        facts["near_constant"] = {"value": value, "rows": most, "share": most / filled}
    if column.kind in ("text", "name"):
        facts["characters"] = spread(pairs(rows, f"length({x})"))
        if copies:
            facts["most_repeated"] = most_repeated(rows, x)
    elif column.kind == "class":
        facts["classes"] = classes(rows, x, filled)
        facts["balance"] = balance([c["rows"] for c in facts["classes"]])
    elif column.kind == "number":
        measure = column.measure
        assert measure is not None
        source = rows if different <= 1_000_000 else Rows(rows.con, rows.sample, rows.sampled)
        facts["values"] = spread(pairs(source, measure))
        facts["not_finite"] = rows.one(f"SELECT count(*) FROM {rows.relation} WHERE NOT isfinite(({x})::DOUBLE)")[0]
    elif column.kind == "moment":
        low, high, quantiles = rows.one(
            f"SELECT min({x})::VARCHAR, max({x})::VARCHAR, quantile_disc({x}, [0.05, 0.25, 0.5, 0.75, 0.95])::VARCHAR[] FROM {rows.relation}"
        )
        facts["values"] = (
            None if low is None else {"min": low, **dict(zip(("p5", "p25", "p50", "p75", "p95"), quantiles, strict=True)), "max": high}
        )
    elif column.kind in ("list", "tags", "chat"):
        facts["lengths"] = spread(pairs(rows, f"len({x})"))
        facts["empty"] = rows.one(f"SELECT count(*) FROM {rows.relation} WHERE len({x}) = 0")[0]
        if column.kind == "chat":
            conversation(rows, column)
        elif column.type == "VARCHAR[]":
            elements(rows, column)


def kind_of(rows: Rows, column: Column, filled: int, different: int) -> str:
    few = different > 0 and different <= MOST_CLASSES and different * ROWS_PER_CLASS <= filled
    type, x = column.type, column.sql
    if type == "BOOLEAN" or type.startswith("ENUM"):
        return "class"
    if type == "VARCHAR":
        length, wordy = rows.one(
            f"SELECT coalesce(max(length({x})), 0), coalesce(avg(regexp_matches(left({x}, 1000), '{_TWO_WORDS}')::INT), 0) "
            f"FROM {rows.relation} WHERE {x} IS NOT NULL"
        )
        return "class" if few and length <= LONGEST_CLASS else "text" if wordy >= WORDY or not filled else "name"
    if _NUMBER.match(type):
        return "class" if few and different <= NUMBER_CLASSES and _WHOLE.match(type) else "number"
    if _MOMENT.match(type):
        return "moment"
    if type.endswith("]"):
        inside = type[: type.rindex("[")]
        if inside.startswith("STRUCT("):
            fields = dict(parts(inside))
            for role, content in (("role", "content"), ("from", "value")):
                if fields.get(role) == fields.get(content) == "VARCHAR":
                    column.role, column.content = role, content
                    return "chat"
        return "list"
    return "other"


def classes(rows: Rows, x: str, filled: int) -> list[dict[str, Any]]:
    found = rows.all(f"SELECT ({x})::VARCHAR, count(*) FROM {rows.relation} WHERE {x} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1")
    return [{"value": value, "rows": n, "share": n / filled} for value, n in found]


def most_repeated(rows: Rows, x: str, most: int = 3) -> list[dict[str, Any]]:
    """The values that stand in most rows, their first 200 characters."""
    found = rows.all(
        f"WITH top AS (SELECT h, n FROM (SELECT hash({x}) AS h, count(*) AS n FROM {rows.relation} WHERE {x} IS NOT NULL GROUP BY 1) "
        f"WHERE n > 1 ORDER BY n DESC, h LIMIT {most}), found AS (SELECT hash({x}) AS h, {x} AS v FROM {rows.relation} WHERE {x} IS NOT NULL) "
        "SELECT left(min(v), 200), any_value(n) FROM found JOIN top USING (h) GROUP BY h ORDER BY 2 DESC, 1"
    )
    return [{"value": value, "rows": n} for value, n in found]


def lengths_by_class(rows: Rows, column: Column, text: Column) -> None:
    """For every class, how long the texts beside it are: the median of their characters."""
    length = text.measure if text.kind == "text" else f"length({text.text})"
    found = dict(rows.all(f"SELECT ({column.sql})::VARCHAR, quantile_disc({length}, 0.5) FROM {rows.relation} GROUP BY 1"))
    for one in column.facts["classes"]:
        one["median_characters"] = found.get(one["value"])
    column.facts["lengths_of"] = text.name


# Lists ----------------------------------------------------------------------------------------------------------------

_BIO = r"O|([BIESLUM])-(.+)"


def elements(rows: Rows, column: Column, most: int = 12) -> None:
    """The elements of lists of texts; for tags in the manner of B-person I-person O, the entities that they mark."""
    x, facts = column.sql, column.facts
    unnested = f"(SELECT unnest({x}) AS e FROM {rows.relation})"
    different, total, odd = rows.one(
        f"SELECT count(*), coalesce(sum(n), 0)::BIGINT, coalesce(sum(n) FILTER (NOT regexp_full_match(e, '{_BIO}')), 0)::BIGINT "
        f"FROM (SELECT e, count(*) AS n FROM {unnested} WHERE e IS NOT NULL GROUP BY 1)"
    )
    limit = most if different > MOST_CLASSES else MOST_CLASSES
    top = rows.all(f"SELECT left(e, 100), count(*) AS n FROM {unnested} WHERE e IS NOT NULL GROUP BY e ORDER BY n DESC, e LIMIT {limit}")
    facts["elements"] = {
        "count": total,
        "distinct": different,
        "top": [{"value": e, "count": n, "share": n / total} for e, n in top],
    }
    if 1 < different <= MOST_CLASSES:
        column.kind = facts["kind"] = "tags"
        if not odd:
            entities(rows, column)


def entities(rows: Rows, column: Column) -> None:
    """Entities begin at B-, S- or U-, or at an inside tag that no tag of its type comes before (as conlleval reads them)."""
    x = column.sql
    starts = (
        f"list_filter(list_transform({x}, lambda t, i: CASE WHEN t IS NULL OR t = 'O' THEN NULL "
        f"WHEN left(t, 2) IN ('B-', 'S-', 'U-') OR i = 1 OR {x}[i - 1] IS NULL OR {x}[i - 1] = 'O' OR substr({x}[i - 1], 3) != substr(t, 3) "
        f"OR left({x}[i - 1], 2) IN ('E-', 'L-', 'S-', 'U-') THEN substr(t, 3) END), lambda e: e IS NOT NULL)"
    )
    found = rows.all(
        f"SELECT e, count(*) AS n, count(DISTINCT k) FROM (SELECT row_number() OVER () AS k, unnest(s) AS e FROM (SELECT {starts} AS s FROM {rows.relation})) "
        "GROUP BY 1 ORDER BY n DESC, e"
    )
    total = sum(n for _, n, _ in found)
    without = rows.one(
        f"SELECT count(*) FROM {rows.relation} WHERE {x} IS NOT NULL AND len(list_filter({x}, lambda t: t IS NOT NULL AND t != 'O')) = 0"
    )[0]
    column.facts["entities"] = {
        "count": total,
        "rows_without": without,
        "types": [{"type": e, "count": n, "share": n / total, "rows": r} for e, n, r in found],
    }


# Conversations --------------------------------------------------------------------------------------------------------


def conversation(rows: Rows, column: Column, most: int = 5) -> None:
    """Roles, their order, and how long their messages are."""
    x, role, content = column.sql, quote(column.role), quote(column.content)
    unnested = f"(SELECT i, m.{role} AS r, m.{content} AS c FROM (SELECT row_number() OVER () AS i, unnest({x}) AS m FROM {rows.relation}))"
    found = rows.all(
        f"SELECT coalesce(r, 'null'), count(*), count(DISTINCT i), count(DISTINCT hash(c)), count(*) FILTER (c IS NULL OR trim(c) = '') "
        f"FROM {unnested} GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    lengths: dict[str, list[tuple[float, int]]] = {}
    for name, length, count in rows.all(
        f"SELECT coalesce(r, 'null') AS r, length(c) AS l, count(*) FROM {unnested} WHERE c IS NOT NULL GROUP BY ALL ORDER BY ALL"
    ):
        lengths.setdefault(name, []).append((length, count))
    order = f"array_to_string(list_transform({x}[:8], lambda m: coalesce(m.{role}, 'null')), ' ') || CASE WHEN len({x}) > 8 THEN ' ...' ELSE '' END"
    orders = rows.all(f"SELECT {order}, count(*) FROM {rows.relation} WHERE {x} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {most}")
    column.facts["roles"] = [
        {"role": name, "messages": n, "rows": r, "distinct": d, "empty": e, "characters": spread(lengths.get(name, []))}
        for name, n, r, d, e in found
    ]
    column.facts["orders"] = [{"roles": order, "rows": n} for order, n in orders]
