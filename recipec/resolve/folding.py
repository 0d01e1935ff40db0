"""What constants of a query would grow to: DuckDB computes them while it binds, and cannot be stopped.

``md5(repeat('x', 1000000000))`` depends on no row, so its value is computed as soon as it is looked at: a gigabyte, at ``check``. An upper
estimate of the size of every part that depends on no column is made from the query's tree before; a query with one that is larger than
:data:`LARGEST` is refused. What depends on a column is computed by the run, which has its memory limit and can be interrupted.
"""

from __future__ import annotations

import json
import re
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

LARGEST = 20_000_000
"""Bytes, or elements of lists."""
MANY = float("inf")

COUNTED = {
    "repeat": 1, "lpad": 1, "rpad": 1, "list_resize": 1, "array_resize": 1, "bar": 3, "array_value": 0, "list_pad": 1,
}  # fmt: skip
"""Functions that give as much as one of their arguments says: its place."""
RANGES = frozenset({"range", "generate_series"})
PRODUCTS = frozenset({"replace", "regexp_replace", "translate", "list_transform", "array_transform", "apply", "list_apply", "array_apply",
                      "array_to_string", "list_aggregate", "string_agg", "join", "concat_ws"})  # fmt: skip
"""Functions that may put one of their arguments in the place of every piece of another."""
WIDENING = {
    "hex": 2, "to_hex": 2, "bin": 8, "to_binary": 8, "url_encode": 3, "to_json": 6, "json_quote": 6, "row_to_json": 6, "array_to_json": 6,
    "json_array": 6, "json_object": 6, "json": 2, "to_base64": 2, "base64": 2, "regexp_escape": 2, "encode": 4, "quote": 2, "string_escape": 4,
}  # fmt: skip
FORMATS = frozenset({"format", "printf"})
_GROWS = re.compile(r"\b(?:" + "|".join(sorted({*COUNTED, *RANGES, *PRODUCTS, *WIDENING, *FORMATS}, key=len, reverse=True)) + r")\b", re.I)


def folded(con: duckdb.DuckDBPyConnection, query: str) -> int | None:
    """The place (in bytes; -1 where it is not known) of a constant part of a query that would be too large; None where there is none."""
    if not _GROWS.search(query):
        return None
    row = con.execute("SELECT json_serialize_sql(?)", [query]).fetchone()
    told: Any = json.loads(row[0]) if row else {}
    if told.get("error"):
        return None  # the binder says what is wrong
    found: list[int] = []
    for statement in told["statements"]:
        size(statement["node"], found)
    return found[0] if found else None


def literal(node: Any) -> str | None:
    """The text of a literal; None for anything else, and for null."""
    given = node.get("literal") if isinstance(node, dict) else None
    return str(given["text"]) if isinstance(given, dict) and given.get("text") is not None else None


def number(node: Any) -> float:
    """The largest that an argument can count to, whatever its sign: a literal's own value, arithmetic's on such; without bound for anything else.
    Dates and lengths of time count as a hundred years of hours would."""
    if not isinstance(node, dict):
        return MANY
    if node.get("class") == "CAST":
        written = literal(node.get("child"))
        kind = str((node.get("type_expr") or {}).get("type_name", "")).upper()
        return 1e6 if kind.startswith(("DATE", "TIME", "INTERVAL")) and written is not None else number(node.get("child"))
    text = literal(node)
    if text is not None:
        try:
            return abs(float(text))
        except ValueError:
            return 1.0
    name = node.get("function_name")
    inner = [number(a.get("expression")) for a in node.get("arguments") or []]
    if name in ("+", "-") and inner:
        return sum(inner)
    if name == "*" and len(inner) == 2:
        return inner[0] * inner[1]
    if name in ("/", "//", "%", "abs") and inner:
        return inner[0]
    return 1e6 if str(name).startswith("to_") else MANY


def size(node: Any, found: list[int]) -> tuple[float, bool]:
    """(an upper estimate of the value's size, whether it depends on no column) of a part of a query. ``found`` gets the places of those too large."""
    if isinstance(node, list):
        parts = [size(n, found) for n in node]
        return sum(s for s, _ in parts), all(c for _, c in parts)
    if not isinstance(node, dict):
        return (float(len(node)) if isinstance(node, str) else 8.0), True
    kind = node.get("class")
    if kind in ("COLUMN_REF", "STAR", "PARAMETER"):
        return 0.0, False
    if kind == "CONSTANT":
        return float(len(literal(node) or "") + 8), True
    if node.get("type") == "TABLE_FUNCTION":
        # `from range(n)` gives its rows one after another.
        given = node.get("function")
        return 0.0, size(given.get("arguments") if isinstance(given, dict) else given, found)[1]
    if kind != "FUNCTION":
        parts = [size(v, found) for k, v in node.items() if k not in ("query_location", "alias", "type", "class")]
        return sum((s for s, _ in parts), 16.0 if kind == "CAST" else 0.0), all(c for _, c in parts)
    name = str(node.get("function_name", "")).lower()
    children = [a.get("expression") if isinstance(a, dict) else a for a in node.get("arguments") or node.get("children") or []]
    parts = [size(c, found) for c in children]
    constant = all(c for _, c in parts)
    if name in (
        "list_transform",
        "list_filter",
        "list_reduce",
        "array_transform",
        "apply",
        "list_apply",
        "array_apply",
        "filter",
        "reduce",
    ):
        constant = constant or (bool(parts) and parts[0][1])
    sizes = [s for s, _ in parts]
    made = sum(sizes) + 16.0
    if name in COUNTED and len(children) > COUNTED[name]:
        times = number(children[COUNTED[name]]) if parts[COUNTED[name]][1] else 1.0
        made += times * max(sizes[0], 1.0)
    elif name in RANGES:
        made += max((8.0 * number(c) if k else 0.0 for c, (_, k) in zip(children, parts, strict=True)), default=0.0)
    elif name in PRODUCTS:
        # Every literal counts for 8 more than its length.
        made += prod(max(one - 8.0, 1.0) for one in sizes)
    elif name in FORMATS:
        made += sum(float(n) for n in re.findall(r"\d{3,}", literal(children[0]) or "")) if children else 0.0
    else:
        made *= WIDENING.get(name, 1)
    if constant and made > LARGEST:
        at = node.get("query_location")
        found.append(at if isinstance(at, int) and at < 2**62 else -1)
        made = 0.0
    return made, constant
