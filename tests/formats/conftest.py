"""Runs a format directly on a small connection, as the export step does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from recipec.api import Column, ColumnName, ExportContext, ExportPart, Schema
from recipec.registry import find
from recipec.source import Source, Span

NOWHERE = Span(Source("-", ""), 0, 0)


class Exporter:
    """``make`` writes tables made from SQL, one a part; ``path`` is the folder written to."""

    def __init__(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self.con, self.folder = con, folder
        self.seen: list[tuple[int, int]] = []
        self.made = 0

    def part(self, name: str, sql: str, *, key: bool = True) -> ExportPart:
        """The table of ``sql``, its rows in the order in which they come; ``_key`` says ``k1``, ``k2``, ..."""
        self.made += 1
        table = f"t{self.made}"
        self.con.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT row_number() OVER () AS _order, * FROM ({sql})")
        described = self.con.execute(f"DESCRIBE {table}").fetchall()[1:]
        schema = Schema(tuple(Column(row[0], row[1]) for row in described))
        ((rows,),) = self.con.execute(f"SELECT count(*) FROM {table}").fetchall()
        hidden = ", 'k' || _order AS _key" if key else ""
        query = f"SELECT *{hidden} FROM {table} ORDER BY _order, _key" if key else f"SELECT * FROM {table} ORDER BY _order"
        return ExportPart(name, query, schema, rows)

    def params(self, cls: Any, values: dict[str, Any], schema: Schema) -> Any:
        """Arguments as the resolver makes them: a name of a column arrives as ColumnName."""

        def named(value: Any) -> Any:
            if isinstance(value, list):
                return [named(v) for v in value]
            return ColumnName(value, schema.types.get(value, "VARCHAR"), NOWHERE)

        fields = cls.Params.model_fields
        columns = {k for k in values if "ColumnName" in str(fields[k].annotation)}
        return cls.Params.model_validate({k: named(v) if k in columns else v for k, v in values.items()})

    def check(self, format: str, types: dict[str, str], **arguments: Any) -> list[tuple[str, str]]:
        cls = find("format", format)
        assert cls is not None
        schema = Schema(tuple(Column(n, t) for n, t in types.items()))
        problems: list[tuple[str, str]] = cls(self.params(cls, arguments, schema)).check(schema)
        return problems

    def make(
        self,
        format: str,
        parts: str | dict[str, str] | list[ExportPart],
        *,
        single: str | None = None,
        shards: int = 1,
        card: dict[str, Any] | None = None,
        folder: str = "out",
        **arguments: Any,
    ) -> Path:
        cls = find("format", format)
        assert cls is not None
        if not isinstance(parts, list):
            parts = [self.part(n, s) for n, s in (parts if isinstance(parts, dict) else {"train": parts}).items()]
        made = cls(self.params(cls, arguments, parts[0].schema))
        assert made.check(parts[0].schema) == []
        out = self.folder / folder
        out.mkdir()
        self.seen = []
        ctx = ExportContext(self.con, out, single, tuple(parts), shards, card or {}, lambda done, total: self.seen.append((done, total)))
        made.write(ctx)
        return out


@pytest.fixture(scope="session")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """One for all tests: opening it is what would take longest."""
    made = duckdb.connect()
    yield made
    made.close()


@pytest.fixture
def export(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> Exporter:
    connection.execute("SET threads = 2")
    connection.execute("RESET TimeZone")
    return Exporter(connection, tmp_path)


@pytest.fixture
def digest() -> Callable[[Path], dict[str, str]]:
    """The digests of all files of a folder, by their path in it."""
    import hashlib

    return lambda folder: {
        str(p.relative_to(folder)): hashlib.md5(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()
    }
