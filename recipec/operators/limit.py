"""``limit(n)``"""

from __future__ import annotations

from recipec.api import Operator, Rewrite, Schema, Settings, Traits, operator
from recipec.operators._sql import order_by, projection
from recipec.resolve.binder import StepBinder
from recipec.settings import Field
from recipec.syntax import tree


class LimitParams(Settings):
    rows: int = Field(ge=0)


@operator("limit")
class Limit(Operator):
    """The first so many rows: in the order of ``sort`` where there was one, else of their keys (for a source without
    ``key:``, the order of its files).

    ```recipe
    clean head from packages { limit(100) }
    ```
    """

    Params = LimitParams
    traits = Traits(changes_rows=True, scope="global")

    def rewrite(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Rewrite:
        place = f"row_number() OVER (PARTITION BY _why IS NULL ORDER BY {order_by(schema)})"
        why = f"CASE WHEN _why IS NULL AND {place} > {self.params.rows} THEN {{why[0]}} ELSE _why END"
        return Rewrite(f"SELECT {projection(schema, why=why)} FROM {{input}}", schema, ("beyond the limit",))
