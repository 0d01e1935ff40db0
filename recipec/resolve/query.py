"""What the query of a ``sql`` step may be: one SELECT over its inputs, whose result is a function of their rows.

DuckDB's own parser says what is in it (``json_serialize_sql``): tables, functions, samples, windows. The binder then types
it. An order that is not asked for (``limit`` without ``order by``, ``string_agg(x)``) is whatever the threads make it, so it
is refused: the same recipe builds the same bytes. So are sums of fractions without an order: floating-point addition is not
associative, and threads add in another order at every run (with ``sum(x order by x)`` they do not, nor with decimals).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from recipec.api import quote
from recipec.record import record
from recipec.resolve import volatile

if TYPE_CHECKING:
    import duckdb

TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "repeat", "repeat_row"})
ORDERED_AGGREGATES = frozenset({
    "any_value", "arbitrary", "arg_max", "arg_max_null", "arg_max_nulls_last", "arg_min", "arg_min_null", "arg_min_nulls_last", "argmax",
    "argmin", "array_agg", "first", "group_concat", "json_group_array", "json_group_object", "last", "list", "listagg", "max_by", "min_by",
    "mode", "string_agg",
})  # fmt: skip
"""Aggregates whose answer is that of the row that comes first, or holds the rows as they come."""
SUMS = frozenset({"avg", "favg", "fsum", "kahan_sum", "mean", "sum", "sumkahan"})
"""Exact over whole numbers and decimals; over floats the last digits depend on the order."""
MOMENTS = frozenset({
    "corr", "covar_pop", "covar_samp", "entropy", "geomean", "geometric_mean", "kurtosis", "kurtosis_pop", "product", "regr_avgx",
    "regr_avgy", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "sem", "skewness", "stddev",
    "stddev_pop", "stddev_samp", "var_pop", "var_samp", "variance", "wavg", "weighted_avg",
})  # fmt: skip
"""Computed in floats whatever they are given."""
ESTIMATES = frozenset({"approx_quantile", "approx_top_k", "reservoir_quantile"})
ORDERED_WINDOWS = frozenset({"row_number", "lag", "lead", "first_value", "last_value", "nth_value", "ntile", "cume_dist"})
KEYWORDS = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})
SESSION = frozenset({"user", "current_user", "session_user", "current_role", "current_catalog", "current_schema", "current_database"})


@record(frozen=True)
class Complaint:
    """``position`` and ``length`` in code points of the query; position None when it is not known."""

    kind: str
    """``form``: not one SELECT. ``table``: not an input. ``chance``: not a function of the rows."""
    message: str
    help: str = ""
    position: int | None = None
    length: int = 1


@record(frozen=True)
class Dotted:
    """Where a query reads a table of a dotted name (``final.train``): ``[start, end)`` in code points. ``aliased`` when the
    query calls it otherwise there."""

    name: str
    start: int
    end: int
    aliased: bool


@record(frozen=True)
class Looked:
    """What was found in a query."""

    complaints: tuple[Complaint, ...] = ()
    dotted: tuple[Dotted, ...] = ()


def composed(query: str, dotted: Collection[Dotted], tables: Mapping[str, str], select: str = "*") -> str:
    """A query over real tables: ``tables`` gives, for each name that it uses, SQL to read from. They are put before it as common
    table expressions, so that no view has to be made, and what the query itself calls by such a name stays its own."""
    text: list[str] = []
    at = 0
    for d in sorted(dotted, key=lambda d: d.start):
        last = d.name.rpartition(".")[2]
        text += [query[at : d.start], quote(d.name), "" if d.aliased else f" AS {quote(last)}"]
        at = d.end
    text.append(query[at:])
    # Not materialised: a filter of the query's must reach the table.
    before = ", ".join(f"{quote(name)} AS NOT MATERIALIZED (SELECT * FROM {table})" for name, table in tables.items())
    # The query stands on lines of its own, because it may end in a comment.
    return f"{f'WITH {before} ' if before else ''}SELECT {select} FROM (\n{''.join(text)}\n)"


def code_points(text: str, position: int) -> int:
    """DuckDB counts bytes of UTF-8."""
    return len(text.encode("utf-8", "surrogatepass")[:position].decode("utf-8", "ignore"))


DEEPEST = 200
"""Brackets in brackets: DuckDB's parser takes seconds for some thousands."""


MOST_JOINED = 200
"""Queries put together: DuckDB takes seconds for a thousand."""


def unreadable(query: str) -> Complaint | None:
    """What keeps DuckDB from reading a query at all: half a character, brackets without end."""
    depth = 0
    for at, letter in enumerate(query):
        if "\ud800" <= letter <= "\udfff":
            return Complaint("form", "half of a surrogate pair, which is no character", "write the character itself", at, 1)
        depth += (letter in "([") - (letter in ")]")
        if depth > DEEPEST:
            return Complaint("form", f"brackets nested more than {DEEPEST} deep", "name the inner queries: with a as (select ...)", at, 1)
    joined = len(re.findall(r"\b(?:union|intersect|except)\b", query, re.I))
    if joined > MOST_JOINED:
        message = f"more than {MOST_JOINED} queries put together by union, intersect or except"
        return Complaint("form", message, "name them as inputs, or use a `mix` step")
    if (found := re.search(r'(?:[\w"]++[ \t\n]*+\.[ \t\n]*+){16}', query)) is not None:
        return Complaint("form", "a name of more than 16 parts", "", found.start(), 1)
    return None


def complaints(
    con: duckdb.DuckDBPyConnection, query: str, inputs: Collection[str], columns: Collection[str], refused: Callable[[str], str | None]
) -> Looked:
    """What keeps a query from being a step, and where it reads tables of dotted names. ``inputs`` are names of tables as the
    query writes them, ``columns`` all their columns. ``refused`` says how the binder refuses a query, None when it does not."""

    def only(*found: Complaint) -> Looked:
        return Looked(found)

    if (problem := unreadable(query)) is not None:
        return only(problem)
    row = con.execute("SELECT json_serialize_sql(?)", [query]).fetchone()
    told: dict[str, Any] = json.loads(row[0]) if row else {}
    if told.get("error"):
        if told.get("error_type") == "parser":
            place = told.get("position")
            near = re.search(r'at or near "(\w+)"', told["error_message"])
            word = near[1] if near is not None and near[1].lower() in {i.lower() for i in inputs} else None
            help = f'`{word}` is a word of SQL: as the name of a table it stands in quotes, "{word}"' if word else ""
            at = None if place is None else code_points(query, int(place))
            return only(Complaint("form", told["error_message"], help, at, len(word or " ")))
        return only(Complaint("form", "this is not a SELECT", "a `sql` step is one SELECT over its inputs; it changes nothing else"))
    statements = told["statements"]
    if len(statements) != 1:
        return only(Complaint("form", "one SELECT is wanted here, not several statements" if statements else "there is no query here"))
    inspector = Inspector(query, {i.lower(): i for i in inputs}, {c.lower() for c in columns}, refused)
    found = tuple(inspector.look(statements[0]["node"]))
    return Looked(found, tuple(inspector.dotted))


class Inspector:
    def __init__(self, query: str, inputs: dict[str, str], columns: set[str], refused: Callable[[str], str | None]) -> None:
        self.query, self.inputs, self.columns, self.refused = query, inputs, columns, refused
        self.dotted: list[Dotted] = []
        self.shown = ", ".join(f"`{i}`" for i in sorted(inputs.values())) or "no table (name inputs: from a, b)"

    def look(self, tree: Any) -> Iterator[Complaint]:
        nodes = list(walk(tree))
        tabular = {id(n.get("function")) for n in nodes if n.get("type") == "TABLE_FUNCTION"}
        local = {m["key"].lower() for n in nodes for m in n.get("cte_map", {}).get("map", [])}
        self.columns |= {n["alias"].lower() for n in nodes if n.get("alias")}
        for node in nodes:
            if id(node) not in tabular:
                yield from self.one(node, local)

    def aggregate(self, n: dict[str, Any], name: str, ordered: bool) -> Iterator[Complaint]:
        """An aggregate, or a window of one, whose answer depends on the order of the rows."""
        if name in ESTIMATES:
            exact = "quantile_cont" if "quantile" in name else "count(*) with group by"
            yield self.complain(n, "chance", f"`{name}` estimates, and not always the same", f"{exact} is exact", len(name))
        elif name in ORDERED_AGGREGATES and not ordered:
            help = "min(x) or max(x), or say which" if name in ("any_value", "arbitrary") else "say in which"
            yield self.complain(n, "chance", f"`{name}` takes the rows in no certain order", f"{help}: {name}(x order by y)", len(name))
        elif not ordered and (name in MOMENTS or (name in SUMS and self.of_floats(n, name))):
            message = f"`{name}` adds fractions in no certain order: its last digits would change from run to run"
            help = (
                "exp(avg(ln(x) order by x))" if name.startswith("geom") else f"{name}(x order by x), or decimals: cast(x as decimal(18, 6))"
            )
            yield self.complain(n, "chance", message, help, len(name))

    def at_dots(self, n: dict[str, Any], name: str, parts: int) -> Iterator[Complaint]:
        """Note where a table of a dotted name is read."""
        at = n.get("query_location")
        start = code_points(self.query, at) if isinstance(at, int) and at < 2**62 else None
        pattern = re.compile(rf"{_NAME}(?:\s*\.\s*{_NAME}){{{parts - 1}}}")
        written = pattern.match(self.query, start) if start is not None else None
        if start is None or written is None:
            yield self.complain(n, "form", f"`{name}` stands where it cannot be found again", f"write it plainly: from {name}")
        else:
            self.dotted.append(Dotted(name, start, written.end(), bool(n.get("alias"))))

    def of_floats(self, n: dict[str, Any], name: str) -> bool:
        """Whether the argument of a sum is a float: then an aggregate of whole numbers in its place is refused for it."""
        at, raw = n.get("query_location"), self.query.encode("utf-8", "surrogatepass")
        written = next(
            (w for w in (name.encode(), f'"{name}"'.encode()) if isinstance(at, int) and raw[at : at + len(w)].lower() == w), None
        )
        if at is None or written is None:
            return False
        probe = (raw[:at] + b"bit_xor" + raw[at + len(written) :]).decode("utf-8", "surrogatepass")
        return any(type in (self.refused(probe) or "") for type in ("(DOUBLE", "(FLOAT"))

    def one(self, n: dict[str, Any], local: set[str]) -> Iterator[Complaint]:
        kind, name = n.get("type"), (n.get("function_name") or "").lower()
        if n.get("sample"):
            yield self.complain(
                n, "chance", "a sample of SQL's own is another at every run", "`clean ... { sample(10%) }` takes the same rows always"
            )
        if kind == "BASE_TABLE":
            path = [p for p in (n.get("catalog_name"), n.get("schema_name"), n.get("table_name")) if p]
            wanted = ".".join(path).lower()
            if wanted not in self.inputs and not (len(path) == 1 and wanted in local):
                what = (
                    "a file is read by a `source`"
                    if re.search(r"[/.]\w+$", path[-1]) and len(path) == 1
                    else f"the query sees: {self.shown}"
                )
                yield self.complain(n, "table", f"no table `{'.'.join(path)}` among the inputs", what, len(path[-1]))
            elif len(path) > 1:
                yield from self.at_dots(n, self.inputs[wanted], len(path))
        elif kind == "SHOW_REF":
            yield self.complain(n, "form", "this is not a SELECT")
        elif kind == "TABLE_FUNCTION":
            called = ((n.get("function") or {}).get("function_name") or "").lower()
            if called not in TABLE_FUNCTIONS:
                yield self.complain(n, "table", f"`{called}()` is none of the inputs", f"the query sees: {self.shown}", len(called))
        elif n.get("class") == "FUNCTION":
            reason = "a fresh value at every call" if name == "random" else volatile.reason(name, len(n.get("children") or []))
            if reason is not None:
                help = (
                    "samples are taken by `clean ... { sample(10%) }`" if name == "random" else "give it from outside: a column of an input"
                )
                yield self.complain(n, "chance", f"`{name}` gives {reason}", help, len(name))
            else:
                yield from self.aggregate(n, name, bool((n.get("order_bys") or {}).get("orders")))
        elif n.get("class") == "WINDOW" and n.get("type") == "WINDOW_AGGREGATE":
            yield from self.aggregate(n, name, bool(n.get("orders") or n.get("arg_orders")))
        elif n.get("class") == "WINDOW" and name in ORDERED_WINDOWS and not n.get("orders"):
            yield self.complain(
                n, "chance", f"`{name}` without `order by` takes the rows in no certain order", "over (order by ...)", len(name)
            )
        elif n.get("class") == "COLUMN_REF" and len(n["column_names"]) == 1:
            word = n["column_names"][0].lower()
            if (word in KEYWORDS or word in SESSION) and word not in self.columns:
                yield self.complain(
                    n, "chance", f"`{word}` gives {volatile.REASONS[word]}", "give it from outside: a column of an input", len(word)
                )
        if kind in ("SELECT_NODE", "SET_OPERATION_NODE"):
            kinds = [m["type"] for m in n.get("modifiers", [])]
            if any(k.startswith("LIMIT") for k in kinds) and "ORDER_MODIFIER" not in kinds:
                limit = next(m for m in n["modifiers"] if m["type"].startswith("LIMIT"))
                place = limit.get("limit") or limit.get("offset") or {}
                yield self.complain(place, "chance", "`limit` without `order by` takes whichever rows come first", "order by ... limit n")

    def complain(self, node: dict[str, Any], kind: str, message: str, help: str = "", length: int = 1) -> Complaint:
        at = node.get("query_location")
        known = isinstance(at, int) and at < len(self.query.encode("utf-8", "surrogatepass"))
        return Complaint(kind, message, help, code_points(self.query, at) if known and at is not None else None, length)


_NAME = r'(?:"(?:[^"]|"")*"|[^\W\d]\w*)'


def walk(node: Any) -> Iterator[dict[str, Any]]:
    """Every object of a parsed query, in order."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


_QUOTED = r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"
_PIECES = re.compile(_QUOTED + r"|(?P<comment>--[^\n]*|/\*.*?\*/)", re.S)


def canonical(query: str) -> str:
    """The query without its layout and comments; what stands in quotes stays as it is."""
    out: list[str] = []
    at = 0
    for match in _PIECES.finditer(query):
        out += [query[at : match.start()], " "] if match["comment"] else [query[at : match.start()], match[0]]
        at = match.end()
    bare = "".join([*out, query[at:]])
    done: list[str] = []
    at = 0
    for match in re.finditer(_QUOTED, bare, re.S):
        done += [plain(bare[at : match.start()]), match[0]]
        at = match.end()
    return "".join([*done, plain(bare[at:])]).strip().rstrip(";").strip()


def plain(text: str) -> str:
    return re.sub(r"\s*([,()=<>+*/|-])\s*", r"\1", re.sub(r"\s+", " ", text))
