"""``format: duckdb()``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from recipec.api import ExportContext, Format, Schema, Settings, format, quote
from recipec.fast.carry import carried, restored
from recipec.formats._rules import Problems
from recipec.formats._stream import Meter, batches, changed, steady
from recipec.formats._tables import name_of, one_file

if TYPE_CHECKING:
    import duckdb

    from recipec.api import ExportPart


@format("duckdb")
class Duckdb(Format):
    """A DuckDB database in one file: a table for each part, with all types as they are.

    ```recipe
    export out from final { to: "build/packages.duckdb"  format: duckdb() }
    export one from final.train { to: "build/train.duckdb"  format: duckdb(table: "packages") }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `table` | the table's name; of several parts, what stands before theirs | the part's name |

    ``to`` is the file (``.duckdb``), or a folder, in which it is ``data.duckdb``. The database appears whole, in place of the one that the
    last run wrote; rows stand in the order of their keys. It is written so that DuckDB 1.2 and later read it. The rows are
    the same whenever it is written; the file's bytes are not, for DuckDB gives every database an identifier of its own.

    Read with `duckdb build/packages.duckdb "from train"`, or as a source: `duckdb("build/packages.duckdb", table: "train")`.
    """

    class Params(Settings):
        table: str = ""

    extension = ".duckdb"
    together = True

    def check(self, schema: Schema) -> Problems:
        if not schema.columns and not schema.unknown:
            return [("there are no columns to write", "name some: `columns: [text, label]`")]
        return []

    def write(self, ctx: ExportContext) -> None:
        import duckdb

        path = ctx.folder / one_file(ctx, "duckdb", self.extension)
        meter = Meter(ctx)
        config: dict[str, bool | int | float | str | list[str]] = {"storage_compatibility_version": "v1.2.0", "threads": 1}
        with duckdb.connect(str(path), config=config) as database, steady(ctx):
            for part in ctx.parts:
                self.table(ctx, database, part, meter)
        meter.say()

    def table(self, ctx: ExportContext, database: duckdb.DuckDBPyConnection, part: ExportPart, meter: Meter) -> None:
        """Rows go from one connection to the other: a transaction of the workspace's can write to no other database."""
        import pyarrow as pa

        name = quote(name_of(ctx, part, self.params.table))
        types = part.schema.types
        columns = ", ".join(restored(n, t) for n, t in types.items())
        with batches(ctx.con, part, ", ".join(carried(n, t) for n, t in types.items())) as rows:

            def counted() -> Iterator[pa.RecordBatch]:
                for batch in rows:
                    yield batch
                    meter.add(len(batch))

            database.register("__rows", pa.RecordBatchReader.from_batches(rows.schema, counted()))
            database.execute(f"CREATE TABLE {name} AS SELECT {columns} FROM __rows")
            database.unregister("__rows")
        ((written,),) = database.execute(f"SELECT count(*) FROM {name}").fetchall()
        if written != part.rows:
            raise changed(part, written)
