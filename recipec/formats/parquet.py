"""``format: parquet()``."""

from __future__ import annotations

from recipec.api import ExportContext, Format, Schema, Settings, format, quote
from recipec.formats._rules import Problems, Rule, require, unfit
from recipec.formats._table import Compression, write_parquet
from recipec.formats._types import IN_PARQUET, NESTED, anywhere, not_in_arrow, parse
from recipec.settings import Field

HELP = {
    "INTERVAL": "make a number of it: `seconds = epoch(span)`, or text: `span = cast(span as text)`",
    "TIME WITH TIME ZONE": "cast it to text",
    "BIGNUM": "cast it to text",
    "VARIANT": "cast it to json",
    "UNION": "cast it to json, or to the type that its rows have",
    "TUPLE": "name its fields: `pair = {a: x, b: y}`",
    "GEOMETRY": "make text or bytes of it: `shape = st_aswkb(shape)`",
}


def parquet_problems(schema: Schema) -> Problems:
    """Columns that Parquet, as ``datasets`` reads it, cannot hold."""
    return unfit(schema, "Parquet", lambda t: t.name in IN_PARQUET | NESTED, lambda _, t: HELP.get(t.name, "cast it to text"))


def parquet_rules(schema: Schema) -> list[Rule]:
    """Values that Parquet would change: infinite dates, and whole numbers over 64 bits."""
    rules = []
    for c in schema.columns:
        broken = anywhere(parse(c.type), quote(c.name), not_in_arrow)
        if broken is not None:
            wide = any(t.name.endswith("HUGEINT") for t in parse(c.type).all())
            what = f"with a number over 64 bits in `{c.name}`" if wide else f"with an infinite date in `{c.name}`"
            help = "cast it to text or to float" if wide else f"make it null: `{c.name} = case when isfinite({c.name}) then {c.name} end`"
            rules.append(Rule(broken, what, help, show=quote(c.name)))
    return rules


@format("parquet")
class Parquet(Format):
    """Parquet files, one for each part: the format to keep, and what `datasets`, pandas, Polars, Spark and DuckDB read fastest.

    ```recipe
    export out from final { to: "build/packages"  format: parquet() }
    export one from tidy  { to: "build/tidy.parquet"  format: parquet(compression: "zstd", row_group: 50_000) }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `compression` | `zstd`, `snappy`, `gzip`, `lz4` or `none` | `zstd` |
    | `row_group` | most rows in a row group; one also ends after 64 MB of values | 100,000 |

    Types stay as they are, lists and structs too, except for those that `datasets` cannot read: a map becomes a list of
    `{key, value}` (`map_from_entries(votes)` brings it back), json, uuid and enumerations become text, 128-bit whole
    numbers (what `sum` gives) become 64-bit ones. Instants are in UTC. Every column may be null.

    Read with `load_dataset("parquet", data_files="build/packages/*.parquet")`, `pandas.read_parquet`, or in a trainer's
    configuration `path: parquet` and `data_files: train.parquet`. Class names (`ClassLabel`) need `huggingface()`.
    """

    class Params(Settings):
        compression: Compression = "zstd"
        row_group: int = Field(default=100_000, ge=1)

    extension = ".parquet"
    by_file = True

    def check(self, schema: Schema) -> Problems:
        return parquet_problems(schema)

    def write(self, ctx: ExportContext) -> None:
        require(ctx, "Parquet", parquet_rules)
        write_parquet(ctx, compression=self.params.compression, row_group=self.params.row_group)
