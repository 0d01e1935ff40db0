"""Types by DuckDB's own binder, on empty tables: no data is read.

One in-memory database a process. A relation with a given schema is an empty
temporary table; a SELECT over it is bound, never run. What the binder refuses comes back as a span of the recipe.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recipec.api import HIDDEN, KERNELS, KEY, ORDER, PARENT, Schema, quote
from recipec.resolve.folding import LARGEST, folded

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
        self._functions: dict[str, frozenset[str]] = {}
        self._written: dict[str, str] = {}

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        if self._con is None:
            import duckdb

            self._con = duckdb.connect(
                ":memory:", config={"errors_as_json": "true", "threads": "1", "autoinstall_known_extensions": "false"}
            )
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

    def written(self, type: str) -> str:
        """A type as DuckDB writes it: of a struct's fields it puts in quotes only those that are words of SQL."""
        if '"' in type and type not in self._written:
            self._written[type] = self.types(f"SELECT NULL::{type} AS t")["t"]
        return self._written.get(type, type)

    def types(self, query: str) -> dict[str, str]:
        """Column names and types of a query. Raises Refused."""
        import duckdb

        for name in KERNELS.keys() - self._kernels:
            kernel = KERNELS[name]
            letters = [f"a{i}" for i in range(len(kernel.args))]
            used = " OR ".join(f"{a} IS NULL" for a in letters)
            self.con.execute(
                f"CREATE TEMP MACRO {kernel.sql_name}({', '.join(letters)}) AS CASE WHEN {used} THEN NULL::{kernel.returns} END"
            )
            self._kernels.add(name)
        if (at := folded(self.con, query)) is not None:
            before = query.encode("utf-8", "surrogatepass")[: max(at, 0)].decode("utf-8", "ignore")
            message = f"a value that depends on no row, of more than {LARGEST:,} characters or elements"
            raise Refused("Constant", message, len(before) if at >= 0 else None)
        try:
            relation = self.con.sql(query)
        except duckdb.Error as error:
            raise self.refusal(query, error) from None
        if relation is None:  # not a SELECT
            raise Refused("Binder", "this is not a SELECT", None)
        columns = relation.columns
        if len(set(columns)) < len(columns):
            twice = next(c for n, c in enumerate(columns) if c in columns[:n])
            raise Refused("Binder", f"the result has two columns `{twice}`", None)
        return {c: normal_type(str(t)) for c, t in zip(columns, relation.types, strict=True)}

    def refusal(self, query: str, error: duckdb.Error) -> Refused:
        """The error with its position: ``sql`` gives none in DuckDB 2.0, a statement that is run does."""
        import duckdb

        prefix = "EXPLAIN "
        try:
            self.con.execute(prefix + query)
        except duckdb.Error as told:
            problem = refused(told)
            if problem.position is not None:
                # DuckDB counts bytes.
                before = query.encode("utf-8", "surrogatepass")[: max(problem.position - len(prefix), 0)]
                problem.position = len(before.decode("utf-8", "ignore"))
            return problem
        except RuntimeError:
            pass  # of a query that it cannot explain either, DuckDB's own library fails
        return refused(error)

    def functions(self, kind: str) -> frozenset[str]:
        """Names of DuckDB's functions of a kind: ``scalar``, ``aggregate``, ``macro``. Asked for only when something is wrong."""
        if kind not in self._functions:
            rows = self.con.execute("SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = ?", [kind]).fetchall()
            self._functions[kind] = frozenset(r[0] for r in rows)
        return self._functions[kind]


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
