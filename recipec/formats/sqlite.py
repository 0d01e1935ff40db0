"""``format: sqlite()``."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from recipec.api import DataError, ExportContext, ExportPart, Format, Schema, Settings, format, quote
from recipec.formats._rules import Problems, Rule, require, unfit
from recipec.formats._stream import Meter, batches, changed, steady
from recipec.formats._tables import name_of, one_file
from recipec.formats._types import parse

WHOLE = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"})
FRACTIONS = frozenset({"FLOAT", "DOUBLE"})


def nested(type: str) -> bool:
    return type.endswith("]") or type.startswith(("STRUCT", "MAP", "UNION"))


def written(name: str, type: str) -> tuple[str, str]:
    """A column's declaration in SQLite, and DuckDB's SQL for its values."""
    column = quote(name)
    if type in WHOLE:
        return "INTEGER", column
    if type == "BOOLEAN":
        return "INTEGER", f"{column}::TINYINT"
    if type in FRACTIONS:
        return "REAL", f"{column}::DOUBLE"
    if type == "BLOB":
        return "BLOB", column
    return "TEXT", f"to_json({column})::VARCHAR" if nested(type) else f"{column}::VARCHAR"


@format("sqlite")
class Sqlite(Format):
    """An SQLite database in one file: a table for each part.

    ```recipe
    export out from final { to: "build/packages.sqlite"  format: sqlite() }
    export one from final.train { to: "build/train.sqlite"  format: sqlite(table: "packages") }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `table` | the table's name; of several parts, what stands before theirs | the part's name |

    ``to`` is the file (``.sqlite``), or a folder, in which it is ``data.sqlite``. The database appears whole, in place of the one that the
    last run wrote; rows stand in the order of their keys. Whole numbers and truth values are INTEGER, fractions REAL, bytes BLOB, all else TEXT:
    dates and times as ISO 8601 (instants in UTC), decimals and numbers beyond 64 bits with all their digits, lists and structs as
    JSON. NaN is an error that names the row: SQLite would make null of it.

    Read with `sqlite3 build/packages.sqlite "select * from train"`, or as a source: `sqlite("build/packages.sqlite", table: "train")`.
    """

    class Params(Settings):
        table: str = ""

    extension = ".sqlite"
    together = True

    def check(self, schema: Schema) -> Problems:
        problems = unfit(schema, "SQLite", lambda t: t.name != "GEOMETRY", lambda name, t: f"make text of it: `{name} = st_astext({name})`")
        seen: dict[str, str] = {}
        for column in schema.columns:
            other = seen.setdefault(column.name.lower(), column.name)
            if other != column.name:
                problems.append((f"SQLite takes `{other}` and `{column.name}` for one name", "rename one of them"))
        return problems

    def write(self, ctx: ExportContext) -> None:
        require(ctx, "SQLite", rules)
        path = ctx.folder / one_file(ctx, "sqlite", self.extension)
        meter = Meter(ctx)
        with closing(sqlite3.connect(path, isolation_level=None)) as database, steady(ctx):
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")  # the file has its place only when it is whole
            for part in ctx.parts:
                database.execute("BEGIN")
                self.table(ctx, database, part, meter)
                database.execute("COMMIT")
        meter.say()

    def table(self, ctx: ExportContext, database: sqlite3.Connection, part: ExportPart, meter: Meter) -> None:
        name = quote(name_of(ctx, part, self.params.table))
        if name.lower().startswith('"sqlite_'):
            raise DataError(f"SQLite keeps the name {name} for itself", "name another: format: sqlite(table: ...)")
        made = [(c.name, *written(c.name, c.type)) for c in part.schema.columns]
        database.execute(f"CREATE TABLE {name} ({', '.join(f'{quote(n)} {t}' for n, t, _ in made)})")
        insert = f"INSERT INTO {name} VALUES ({', '.join('?' * len(made))})"
        rows = 0
        with batches(ctx.con, part, ", ".join(f"{sql} AS {quote(n)}" for n, _, sql in made)) as found:
            for batch in found:
                columns: list[list[Any]] = [c.to_pylist() for c in batch.columns]
                database.executemany(insert, zip(*columns, strict=True))
                rows += len(batch)
                meter.add(len(batch))
        if rows != part.rows:
            raise changed(part, rows)


def rules(schema: Schema) -> list[Rule]:
    """Values that SQLite cannot hold."""
    return [
        Rule(
            f"isnan({quote(c.name)})",
            f"with NaN in `{c.name}`",
            f"make it null: `{c.name} = case when not isnan({c.name}) then {c.name} end`",
        )
        for c in schema.columns
        if parse(c.type).name in FRACTIONS
    ]
