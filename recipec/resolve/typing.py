"""Types by DuckDB's own binder, on empty tables: no data is read.

One in-memory database a process. A relation with a given schema is an empty
temporary table; a SELECT over it is bound, never run. What the binder refuses comes back as a span of the recipe.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from hashlib import blake2b
from typing import TYPE_CHECKING

from recipec.api import HIDDEN, KERNELS, KEY, ORDER, PARENT, Schema, quote
from recipec.record import record
from recipec.resolve.folding import LARGEST, folded
from recipec.resolve.native import connect, described, engine

if TYPE_CHECKING:
    import duckdb

Types = Mapping[str, dict[str, str]]
"""Columns and their types, by what was asked."""
HIDDEN_TYPES = {KEY: "UUID", PARENT: "UUID", ORDER: "BIGINT"}


@record
class Refused(Exception):
    """The binder's error: its kind, message, position in the SQL (None when it does not say) and candidates."""

    kind: str
    message: str
    position: int | None
    details: dict[str, str] = field(default_factory=dict)


class Typing:
    """The typing database. Made on first use, because loading DuckDB costs a check 40 ms.

    Sources are bound first and read their headers through it; then it is sealed: from there on it can reach no file and
    no network, and its settings are locked. Before, it sees expressions only, which cannot name a file.

    ``known`` are answers to lasting queries of an earlier check (:meth:`types`); where it answers everything, DuckDB is not even
    loaded.
    """

    def __init__(self) -> None:
        self.known: Types = {}
        self.lasting: dict[str, dict[str, str]] = {}
        """The answers to the lasting queries asked so far."""
        self.sealed = False
        self._con: duckdb.DuckDBPyConnection | None = None
        self._tables: dict[Schema, str] = {}
        self._defined: dict[str, str] = {}
        self._kernels: set[str] = set()
        self._functions: dict[str, frozenset[str]] = {}
        self._written: dict[str, str] = {}

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        if self._con is None:
            self._con = connect(errors_as_json="true")
            for definition, name in self._defined.items():
                self._con.execute(f"CREATE TEMP TABLE {name} ({definition})")
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
            hidden = [f"{quote(h)} {HIDDEN_TYPES[h]}" for h in HIDDEN if h != ORDER or schema.ordered]
            columns = [f"{quote(c.name)} {c.type}" for c in schema.columns]
            definition = ", ".join(hidden + columns)
            name = self._tables[schema] = f"t{digest(definition)}"
            if definition not in self._defined:
                self._defined[definition] = name
                if self._con is not None:
                    self._con.execute(f"CREATE TEMP TABLE {name} ({definition})")
        return self._tables[schema]

    def written(self, type: str) -> str:
        """A type as DuckDB writes it: of a struct's fields it puts in quotes only those that are words of SQL."""
        if '"' in type and type not in self._written:
            self._written[type] = self.types(f"SELECT NULL::{type} AS t", lasting=True)["t"]
        return self._written.get(type, type)

    def types(self, query: str, *, lasting: bool = False) -> dict[str, str]:
        """Column names and types of a query. Raises Refused.

        ``lasting`` is said of a query that reads no table but those of :meth:`table`, whose names stand for their columns. Its answer
        follows from its text, the kernels in it and the version of DuckDB: it may be one of those ``known``, and is noted in ``lasting``.
        """
        if not lasting:
            return self.asked(query)
        kernels = [f"{k.sql_name}{k.args}{k.returns}" for k in KERNELS.values() if k.sql_name in query]
        key = digest(query, str(self.sealed), *sorted(kernels))
        if key not in self.lasting:
            self.lasting[key] = self.known.get(key) or self.asked(query)
        return dict(self.lasting[key])

    def asked(self, query: str) -> dict[str, str]:
        """What the binder says."""
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
            columns = described(self.con, query)
        except engine().Error as error:
            raise self.refusal(query, error) from None
        if not columns:
            raise Refused("Binder", "this is not a SELECT", None)
        types = dict(columns)
        if len(types) < len(columns):
            names = [name for name, _ in columns]
            twice = next(name for n, name in enumerate(names) if name in names[:n])
            raise Refused("Binder", f"the result has two columns `{twice}`", None)
        return {name: normal_type(type) for name, type in types.items()}

    def refusal(self, query: str, error: duckdb.Error) -> Refused:
        """The error with its position: ``sql`` gives none in DuckDB 2.0, a statement that is run does."""
        prefix = "EXPLAIN "
        try:
            self.con.execute(prefix + query)
        except engine().Error as told:
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


def digest(*texts: str) -> str:
    return blake2b("\0".join(texts).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


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
