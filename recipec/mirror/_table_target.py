"""Exports into tables of a database: what PostgreSQL's and MySQL's targets share.

The export is made as Parquet on this machine first, so a table is filled from rows that are all there. Which deliveries a table has had
stands in a table beside it, ``recipec_deliveries``, written in the same transaction: by it a delivery is never appended twice, and a table
that recipec did not write is never replaced.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from recipec.api import DataError, literal, quote
from recipec.mirror._tables import has_password
from recipec.mirror.target import Delivery, Target

if TYPE_CHECKING:
    import duckdb

LEDGER = "recipec_deliveries"
SCALARS = frozenset({"BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "VARCHAR", "BLOB"})
"""Types whose values go as they are; all others as text."""


@dataclass(frozen=True)
class Rows:
    """The rows of a part: the table they go to, its columns with DuckDB's types, and the files that hold them."""

    table: str
    columns: Mapping[str, str]
    files: tuple[Path, ...]
    count: int

    @property
    def source(self) -> str:
        """SQL of DuckDB for the rows, in their order."""
        return f"read_parquet({literal([str(f) for f in self.files])}, hive_partitioning=false)"


class TableTarget(Target):
    """``scheme://user@host/database`` or ``.../database/table``; without a table the parts' names are the tables'."""

    scheme = ""
    product = ""

    def __init__(self, address: str) -> None:
        self.full = address
        try:
            parts = urlsplit(address)
            self.names = [unquote(p) for p in parts.path.strip("/").split("/") if p]
            self.url = urlunsplit((parts.scheme, parts.netloc, "/" + parts.path.strip("/").split("/")[0], parts.query, ""))
            self.address = f"{self.scheme}://{parts.netloc.rpartition('@')[2]}/{'/'.join(self.names)}"
        except ValueError:
            self.names, self.url, self.address = [], address, f"{self.scheme}://?"

    def check(self, single: bool, format: str) -> list[tuple[str, str]]:
        problems = []
        if has_password(self.full):
            said = "a password in `to` would be kept with what was exported"
            problems.append((said, "leave it out: it comes from " + self.secrets))
        if not 1 <= len(self.names) <= 2:
            problems.append(("`to` must name a database, and may name a table", f'to: "{self.scheme}://user@host/database/table"'))
        if format != "parquet":
            problems.append((f"`{format}` writes files, and `to` is a database", "format: parquet()"))
        return problems

    secrets = ""

    # What is delivered

    def parts(self, delivery: Delivery) -> list[Rows]:
        made: dict[str, list[Mapping[str, Any]]] = {}
        for file in delivery.files:
            made.setdefault(re.sub(r"(-\d{5}-of-\d{5})?\.parquet$", "", file["path"]), []).append(file)
        out = []
        for name, files in made.items():
            if name not in delivery.columns:
                continue  # a file that holds no rows
            table = name if len(self.names) < 2 else self.names[1] if len(delivery.columns) == 1 else f"{self.names[1]}_{name}"
            paths = tuple(delivery.folder / f["path"] for f in sorted(files, key=lambda f: str(f["path"])))
            out.append(Rows(table, delivery.columns[name], paths, sum(int(f["rows"]) for f in files)))
        return out

    @staticmethod
    def digest(delivery: Delivery) -> str:
        from recipec.plan.fingerprint import digest

        return digest([[f["path"], f["digest"]] for f in delivery.files])

    def deliver(self, delivery: Delivery) -> Mapping[str, Any]:
        import duckdb

        digest = self.digest(delivery)
        parts = self.parts(delivery)
        delivery.progress(0, None, "looking at the rows")
        with duckdb.connect() as con:
            con.execute("SET TimeZone = 'UTC'")
            for rows in parts:
                self.fits(con, rows)
            done = self.write(con, parts, delivery, digest)
        for table in done:
            delivery.note(f"`{table}` has these rows already: nothing was written")
        return {"digest": digest, "tables": [r.table for r in parts]}

    def fits(self, con: duckdb.DuckDBPyConnection, rows: Rows) -> None:
        """Raises DataError for a value that the server would refuse, before anything is written."""
        for name, type in rows.columns.items():
            for broken, what, help in self.refused(quote(name), name, type):
                numbered = f"SELECT row_number() OVER () AS n, {self.key(rows)} AS k, {broken} AS b FROM {rows.source}"
                found = con.execute(f"SELECT count(*), min(n), arg_min(k, n) FROM ({numbered}) WHERE b").fetchone()
                if found is not None and found[0]:
                    count, first, key = found
                    rows_ = f"{count:,} row{'s' * (count != 1)}"
                    named = f", key {key}" if key is not None else ""
                    raise DataError(
                        f"`{rows.table}`: {self.product} refuses {rows_} with {what} in `{name}` (first: row {first:,}{named})", help
                    )

    @staticmethod
    def key(rows: Rows) -> str:
        """What the first refused row is known by: its key where that is exported, else its first column."""
        name = "_key" if "_key" in rows.columns else next(iter(rows.columns), None)
        return "NULL" if name is None else f"left({quote(name)}::VARCHAR, 60)"

    def refused(self, value: str, name: str, type: str) -> list[tuple[str, str, str]]:
        """(SQL condition, what is wrong, help) for values of a column that the server does not take."""
        return []

    @abstractmethod
    def write(self, con: duckdb.DuckDBPyConnection, parts: Sequence[Rows], delivery: Delivery, digest: str) -> list[str]:
        """Fill the tables, all in one transaction; returns those that had this delivery already."""


def as_sent(name: str, type: str) -> str:
    """SQL of DuckDB for a column as it is sent: plain values, or text."""
    column = quote(name)
    if type in SCALARS:
        return column
    wider = {"UTINYINT": "SMALLINT", "USMALLINT": "INTEGER", "UINTEGER": "BIGINT"}
    if type in wider:
        return f"{column}::{wider[type]}"
    if is_nested(type):
        return f"to_json({column})::VARCHAR"
    return f"{column}::VARCHAR"


def is_nested(type: str) -> bool:
    return type.endswith("]") or type.startswith(("STRUCT", "MAP", "UNION"))


def not_ours(product: str, table: str) -> DataError:
    return DataError(
        f"{product}'s table `{table}` was not written by recipec, and is not replaced",
        "name another table, add to it (mode: append), or drop it yourself",
    )


def other_columns(product: str, table: str, missing: Sequence[str]) -> DataError:
    listed = ", ".join(f"`{n}`" for n in missing[:5])
    return DataError(f"{product}'s table `{table}` has no column {listed}", "choose with columns: [...], or rename them before")
