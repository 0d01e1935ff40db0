"""Types by DuckDB's own binder, on empty tables: no data is read.

One in-memory database a process. A relation with a given schema is an empty
temporary table; a SELECT over it is bound, never run. What the binder refuses comes back as a span of the recipe.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from recipec.api import HIDDEN, KERNELS, KEY, ORDER, PARENT, Schema, quote
from recipec.diagnostics import Diagnostic
from recipec.resolve.expr import Lowerer
from recipec.resolve.problems import BadRegex, BinderRefused, UnknownColumn, WrongType
from recipec.resolve.sql import Fragment
from recipec.resolve.types import shown
from recipec.source import Span
from recipec.syntax import tree

if TYPE_CHECKING:
    import duckdb

HIDDEN_TYPES = {KEY: "UUID", PARENT: "UUID", ORDER: "BIGINT"}


@dataclass
class Refused(Exception):
    """The binder's error: its kind, message, position in the SQL (None when it does not say) and candidates."""

    kind: str
    message: str
    position: int | None
    details: dict[str, str] = field(default_factory=dict)


class Typing:
    """The typing database. Made on first use, because importing DuckDB costs a check 60 ms.

    Sources are bound first and read their headers through it; then it is sealed: from there on it can reach no file and
    no network, and its settings are locked. Before, it sees expressions only, which cannot name a file.
    """

    def __init__(self) -> None:
        self.sealed = False
        self._con: duckdb.DuckDBPyConnection | None = None
        self._tables: dict[Schema, str] = {}
        self._kernels: set[str] = set()

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        if self._con is None:
            import duckdb

            self._con = duckdb.connect(":memory:", config={"errors_as_json": "true", "threads": "1", "autoinstall_known_extensions": "false"})
            if self.sealed:
                self._lock(self._con)
        return self._con

    @staticmethod
    def _lock(con: duckdb.DuckDBPyConnection) -> None:
        con.execute("SET enable_external_access = false; SET lock_configuration = true")

    def seal(self) -> None:
        """From now on no file and no network."""
        if not self.sealed:
            self.sealed = True
            if self._con is not None:
                self._lock(self._con)

    def table(self, schema: Schema) -> str:
        """The name of an empty table with the schema's columns and the hidden ones."""
        if schema not in self._tables:
            name = f"t{len(self._tables)}"
            hidden = [f"{quote(h)} {HIDDEN_TYPES[h]}" for h in HIDDEN if h != ORDER or schema.ordered]
            columns = [f"{quote(c.name)} {c.type}" for c in schema.columns]
            self.con.execute(f"CREATE TEMP TABLE {name} ({', '.join(hidden + columns)})")
            self._tables[schema] = name
        return self._tables[schema]

    def types(self, query: str) -> dict[str, str]:
        """Column names and types of a query. Raises Refused."""
        import duckdb

        for name in KERNELS.keys() - self._kernels:
            kernel = KERNELS[name]
            letters = [f"a{i}" for i in range(len(kernel.args))]
            used = " OR ".join(f"{a} IS NULL" for a in letters)
            self.con.execute(f"CREATE TEMP MACRO {kernel.sql_name}({', '.join(letters)}) AS CASE WHEN {used} THEN NULL::{kernel.returns} END")
            self._kernels.add(name)
        try:
            relation = self.con.sql(query)
        except duckdb.Error as error:
            raise refused(error) from None
        if relation is None:  # not a SELECT
            raise Refused("Binder", "this is not a SELECT", None)
        return {c: normal_type(str(t)) for c, t in zip(relation.columns, relation.types, strict=True)}

    @cache  # noqa: B019 - one instance a process
    def functions(self, kind: str) -> frozenset[str]:
        """Names of DuckDB's functions of a kind: ``scalar``, ``aggregate``, ``macro``. Asked for only when something is wrong."""
        rows = self.con.execute("SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = ?", [kind]).fetchall()
        return frozenset(r[0] for r in rows)


def normal_type(name: str) -> str:
    """A type as DuckDB prints it, so that it can be written in SQL again."""
    return "VARCHAR" if name in ('"NULL"', "NULL", "SQLNULL") else name.replace('"NULL"', "VARCHAR")


def refused(error: Exception) -> Refused:
    """A DuckDB error as data."""
    text = str(error)
    start = text.find("{")
    try:
        details = json.loads(text[start:]) if start >= 0 else {}
    except json.JSONDecodeError:
        details = {}
    message = details.get("exception_message") or text.partition(":")[2].strip() or text
    position = details.get("position")
    return Refused(type(error).__name__.removesuffix("Exception"), message, int(position) if position is not None else None, details)


def explain_refusal(problem: Refused, whole: Fragment, offset: int, lowerer: Lowerer, typing: Typing, node: tree.Node) -> Diagnostic:
    """The finding for a refusal of ``whole``, whose SQL starts at ``offset`` of what was bound, lowered from ``node``."""
    place = whole.locate(problem.position - offset) if problem.position is not None else None
    span = place if place is not None and place.end > place.start else node.span
    message = problem.message.split("\n")[0].rstrip(".!")
    kind, subtype = problem.kind, problem.details.get("error_subtype", "")
    first_name = problem.details.get("name", "")
    if kind == "InvalidInput" or "regular expression" in message or "regex" in message.lower():
        literals = [n for n in tree.walk(node) if isinstance(n, tree.Regex)]
        guilty = next((n for n in literals if not _compiles(n, typing)), None)
        if guilty is not None:
            return BadRegex(span=guilty.span, message=f"bad regular expression: {message}", help=("RE2 has no look-around and no back-references",))
    if kind == "Catalog" and first_name:
        call = next((n for n in tree.walk(node) if isinstance(n, tree.Call) and isinstance(n.func, tree.Name) and n.func.id == first_name), None)
        if call is not None and isinstance(call.func, tree.Name):
            return Lowerer.unknown_function(call.func, tuple(typing.functions("scalar") | typing.functions("macro")))
    aggregates = [
        n.func for n in tree.walk(node)
        if isinstance(n, tree.Call) and isinstance(n.func, tree.Name) and n.func.id.lower() in typing.functions("aggregate")
    ]  # fmt: skip
    if aggregates and ("GROUP BY" in message or "aggregate" in message):
        return WrongType(
            span=aggregates[0].span,
            message=f"`{aggregates[0].id}` looks at many rows; here each row stands alone",
            help=("aggregates stand in `expect` and in `sql` steps",),
        )
    if kind == "Binder" and subtype == "COLUMN_NOT_FOUND" and first_name:
        unknown = UnknownColumn(span=span, wanted=first_name, candidates=tuple(lowerer.columns))
        unknown.suggest(f"no column `{first_name}` in {lowerer.table}", listing=f"{lowerer.table} has")
        return unknown
    if subtype == "NO_MATCHING_FUNCTION":
        call_text = problem.details.get("call", "")
        candidates = [c for c in problem.details.get("candidates", "").split("\n") if c.strip()][:4]
        return WrongType(
            span=span,
            message=f"`{first_name}` does not take {readable(call_text.partition('(')[2].removesuffix(')'))}",
            help=tuple(f"it takes {readable(c)}" for c in candidates) or ("cast the argument: cast(x as int)",),
        )
    if kind in ("Binder", "Conversion", "Parser", "Catalog", "InvalidInput", "OutOfRange", "NotImplemented"):
        return WrongType(span=span, message=readable(message)[:300], help=hints(message))
    return BinderRefused(span=span, message=readable(message)[:300])


def hints(message: str) -> tuple[str, ...]:
    if "'+(VARCHAR" in message:
        return ("join texts with ||",)
    if "Cannot compare" in message:
        return ("cast one side: cast(x as int)",)
    if "struct" in message.lower() and "key" in message.lower():
        return ("the fields of a struct are shown by: recipec show STEP",)
    return ()


def readable(text: str) -> str:
    """A message of the binder with types in the recipe's words."""
    return re.sub(r"\b(VARCHAR|BIGINT|DOUBLE|BOOLEAN)(\[\])?", lambda m: shown(m[1] + (m[2] or "")), text.replace("_LITERAL", "").strip())


def _compiles(node: tree.Regex, typing: Typing) -> bool:
    try:
        typing.types(f"SELECT regexp_matches('', {Fragment((repr_sql(node.pattern),)).text})")
    except Refused:
        return False
    return True


def repr_sql(text: str) -> str:
    from recipec.api import literal

    return literal(text)


def wrong_condition(type: str, span: Span, what: str) -> WrongType:
    """``keep where words(text)``: a value where a condition is needed."""
    return WrongType(
        span=span,
        message=f"{what} needs a condition, true or false; this is {shown(type)}",
        help=("compare it: words(text) >= 5",) if type not in ("VARCHAR",) else ('compare it: section == "games"',),
    )
