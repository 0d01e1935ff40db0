"""``fill_slots(text, from: values)``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recipec.api import ColumnName, Kernel, Schema, Settings, TableRef, augmenter, literal
from recipec.augmenters._base import Augmenter, Change, need_text
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import WrongType
from recipec.resolve.types import shown
from recipec.syntax import tree

if TYPE_CHECKING:
    from recipec.engines.context import RunContext

FILL = Kernel("augment_fill_slots", "recipec.fast.augment_slots:fill_slots", ("VARCHAR", "UBIGINT", "VARCHAR"), "VARCHAR")
TOLD = 6
"""Slots without a value that a note names."""


class FillSlotsParams(Settings):
    text: ColumnName
    from_: TableRef


@augmenter("fill_slots")
class FillSlots(Augmenter):
    """Fill the slots of templates, ``{city}``, each copy with values of its own.

    ```recipe
    source templates = csv("data/templates.csv")
    source values = csv("data/values.csv")
    augment asked from templates { originals: false  copies: 20  fill_slots(text, from: values)  dedupe(text) }
    ```

    ``from`` is a step with the columns ``slot`` (a name, without its braces) and ``value`` (a text, or a list of texts). Each value of a
    slot is as likely as it is often in the table. A slot that stands in a text several times gets different values there, as far as there
    are any: ``from {city} to {city}`` never stays at home. ``{city}`` may be in any script: ``{城市}``. A slot without
    values stays, and the run says so; braces around anything but a name are no slot.
    """

    Params = FillSlotsParams

    def change(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Change:
        p: FillSlotsParams = self.params
        need_text(bind, schema, p.text, self.name)
        types = p.from_.schema.types
        span = p.from_.span or call.span
        for column, good in (("slot", ("VARCHAR",)), ("value", ("VARCHAR", "VARCHAR[]"))):
            if p.from_.schema.unknown:
                break
            if column not in types:
                help = ("the values of slots are in the columns `slot` and `value`",)
                bind.report(WrongType(span=span, message=f"`{p.from_}` has no column `{column}`", help=help))
            elif types[column] not in good:
                bind.report(WrongType(span=span, message=f"`{p.from_}.{column}` must be text, not {shown(types[column])}"))

        # Called here, so that the run knows the kernel.
        filled = FILL(p.text.sql, "__seed", "{path}")

        def fill(ctx: RunContext, relation: str, out: str) -> list[str]:
            from recipec.fast.augment_slots import SLOT

            value = "unnest(value)" if types.get("value") == "VARCHAR[]" else "value"
            path = Path(ctx.temporary) / "augment" / f"slots-{call.span.start}.parquet"
            pairs = f"SELECT slot, {value} AS value FROM {ctx.relation(p.from_)} WHERE slot IS NOT NULL"
            listed = f"SELECT trim(slot, '{{}} ') AS slot, value FROM ({pairs}) WHERE value IS NOT NULL ORDER BY ALL"
            ctx.con.execute(f"COPY ({listed}) TO {literal(str(path))} (FORMAT parquet)")
            t = p.text.sql
            slots = f"regexp_matches({t}, {literal(SLOT)})"
            ctx.execute(
                f"CREATE TEMP TABLE {out} AS SELECT _key, {filled.replace('{path}', literal(str(path)))} AS made FROM {relation} WHERE {slots}"
            )
            left = ctx.con.execute(
                f"SELECT slot, count(DISTINCT _key) FROM (SELECT _key, unnest(regexp_extract_all(made, {literal(SLOT)}, 1)) AS slot FROM {out}) "
                f"WHERE slot NOT IN (SELECT slot FROM {literal(str(path))}) GROUP BY slot ORDER BY slot"
            ).fetchall()
            notes = [f"`{{{slot}}}` stands in {n:,} copies, and `{p.from_}` has no value for it" for slot, n in left[:TOLD]]
            return notes + ([f"{len(left) - TOLD:,} more slots have no value"] if len(left) > TOLD else [])

        return Change({p.text.name: f"coalesce({{made}}, {p.text.sql})"}, fill=fill)
