"""``measure(text)``"""

from __future__ import annotations

from typing import Literal

from recipec.api import Column, ColumnName, Field, Operator, Rewrite, RunTools, Schema, Settings, Traits, operator, quote
from recipec.operators._quality import FAMILIES, check_text, measuring
from recipec.operators._sql import projection
from recipec.registry import find
from recipec.resolve.binder import StepBinder
from recipec.syntax import tree

Preset = Literal["gopher_quality", "gopher_repetition", "c4", "fineweb", "data_juicer"]


class MeasureParams(Settings):
    text: ColumnName
    of: list[Preset] = Field(["gopher_quality", "gopher_repetition", "c4", "fineweb", "data_juicer"])


@operator("measure")
class Measure(Operator):
    """Add what the quality presets measure as columns, one struct for each preset, to look at or to filter by.

    ```recipe
    clean looked_at from packages { measure(description, of: [gopher_quality])  keep where gopher_quality.words >= 20 }
    ```

    ``of`` names the presets (all, where none is named); each column has the name of its preset, its fields those of its measures, with
    the presets' default options. Nothing is dropped. Measures are shared with the presets: what one measured, the other need not.
    """

    Params = MeasureParams
    traits = Traits(changes_columns=True)

    def rewrite(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Rewrite:
        column: ColumnName = self.params.text
        check_text(bind, schema, "measure", column)
        made, changes, joins, prepares = schema, dict[str, str](), "", []
        for number, name in enumerate(dict.fromkeys(self.params.of)):
            family = FAMILIES[name]
            shown = {field: kind for field, kind in family.columns.items() if field != "text"}
            type = "STRUCT(" + ", ".join(f"{quote(f)} {k}" for f, k in shown.items()) + ")"
            # DuckDB's own way of writing the type, as everywhere.
            written = bind.typing.types(f"SELECT NULL::{type} AS made", lasting=True)["made"]
            made = made.with_column(Column(name, written, call.span))
            fields = ", ".join(f"{quote(f)} := m{number}.{quote(f)}" for f in shown)
            changes[name] = f"CASE WHEN m{number}._key IS NOT NULL THEN struct_pack({fields}) END"
            joins += f" LEFT JOIN {{scratch}}{number}m AS m{number} ON i._key = m{number}._key"
            preset = find("operator", name)
            options = preset(preset.Params(text=column)).options() if preset is not None else {}
            prepares.append(measuring(family, column.sql, None, options, str(number)))

        def prepare(tools: RunTools, table: str) -> None:
            for one in prepares:
                one(tools, table)

        listed = projection(made, changes, why="i._why", because="i._because", prefix="i.")
        return Rewrite(f"SELECT {listed} FROM {{input}} AS i{joins}", made, prepare=prepare)
