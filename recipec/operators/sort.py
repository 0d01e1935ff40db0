"""``sort(expr)``"""

from __future__ import annotations

from dataclasses import replace

from recipec.api import Expression, Operator, Rewrite, Schema, Settings, Traits, named, operator
from recipec.operators._sql import order_by, projection
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import WrongArguments
from recipec.syntax import tree


class SortParams(Settings):
    rest: tuple[Expression, ...] = ()
    descending: bool = named(False)


@operator("sort")
class Sort(Operator):
    """Put the rows in order: by the expressions, the first counting most; nulls last; equal rows in the order of their keys.

    ```recipe
    clean longest from packages { sort(length(description), descending: true)  limit(10) }
    ```

    A table has no order but its keys', unless it was sorted: then ``limit`` and ``export`` follow this order.
    """

    Params = SortParams
    traits = Traits(scope="global")

    def rewrite(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Rewrite:
        if not self.params.rest:
            bind.report(WrongArguments(span=call.call.span, message="`sort` needs an expression", help=("sort(length(text))",)))
        direction = "DESC" if self.params.descending else "ASC"
        keys = [f"({e.sql}) {direction} NULLS LAST" for e in self.params.rest]
        made = replace(schema, ordered=True)
        # Places are counted among the rows still there, so that a filter before changes no number but by what it drops.
        place = f"row_number() OVER (PARTITION BY _why IS NULL ORDER BY {', '.join([*keys, order_by(schema)])})"
        return Rewrite(f"SELECT {projection(made, {'_order': place})} FROM {{input}}", made)
