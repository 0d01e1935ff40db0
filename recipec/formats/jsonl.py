"""``format: jsonl()``."""

from __future__ import annotations

from recipec.api import ExportContext, Format, Schema, Settings, format, quote
from recipec.formats._lines import Compression, compression, write_json
from recipec.formats._rules import Problems, Rule, require, unfit
from recipec.formats._types import anywhere, not_finite, parse

NOT_IN_JSON = {
    "BLOB": "make text of it: `{0} = base64({0})`",
    "VARIANT": "cast it to json",
    "GEOMETRY": "make text of it: `{0} = st_astext({0})`",
}


def json_problems(schema: Schema) -> Problems:
    """Columns that JSON cannot hold."""
    return unfit(schema, "JSON", lambda t: t.name not in NOT_IN_JSON, lambda name, t: NOT_IN_JSON[t.name].format(name))


def json_rules(schema: Schema) -> list[Rule]:
    """Values that JSON cannot write."""
    return [
        Rule(
            broken,
            f"with NaN or infinity in `{c.name}`",
            f"JSON has no such number: make it null, `{c.name} = case when isfinite({c.name}) then {c.name} end`, or use parquet()",
            show=quote(c.name),
        )
        for c in schema.columns
        if (broken := anywhere(parse(c.type), quote(c.name), not_finite)) is not None
    ]


@format("jsonl")
class Jsonl(Format):
    """JSON lines: one object a row, UTF-8, so that Chinese stays readable; line breaks inside a text are escaped.

    ```recipe
    export out from final { to: "build/packages"  format: jsonl() }
    export one from tidy  { to: "build/tidy.jsonl.gz"  format: jsonl() }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `compression` | `none`, `gzip` or `zstd` | by the name in `to:`, else `none` |

    Nulls are written as `null`, dates and times as text (`2024-05-01`, `2024-05-01 12:00:00`, instants in UTC), decimals
    as numbers with all their digits, lists, structs, maps and json as what they are. Bytes are refused, and NaN and infinity
    are an error that names the row: JSON has neither.

    Read with `load_dataset("json", data_files="build/packages/train.jsonl")`, `pandas.read_json(..., lines=True)`, or
    `datasets: [{path: train.jsonl, ds_type: json}]` in axolotl.
    """

    class Params(Settings):
        compression: Compression | None = None

    extension = ".jsonl"
    by_file = True

    def check(self, schema: Schema) -> Problems:
        return json_problems(schema)

    def write(self, ctx: ExportContext) -> None:
        require(ctx, "JSON", json_rules)
        write_json(ctx, compress=compression(ctx, self.params.compression))
