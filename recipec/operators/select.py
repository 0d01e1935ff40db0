"""``select(a, b)``"""

from __future__ import annotations

from recipec.api import ColumnName, Operator, Rewrite, Schema, Settings, Traits, operator
from recipec.operators._sql import projection
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import WrongArguments
from recipec.syntax import tree


class SelectParams(Settings):
    rest: tuple[ColumnName, ...] = ()


@operator("select")
class Select(Operator):
    """Keep these columns, in this order, and no others.

    ```recipe
    clean short from packages { select(package, description) }
    ```
    """

    Params = SelectParams
    traits = Traits(changes_columns=True)

    def rewrite(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Rewrite:
        names = [c.name for c in self.params.rest]
        if not names or len(set(names)) < len(names):
            message = "`select` needs columns" if not names else "a column is selected twice"
            bind.report(WrongArguments(span=call.call.span, message=message, help=("select(id, text)",)))
            return Rewrite("", schema)
        kept = schema.only(names) if not schema.unknown else schema
        return Rewrite(f"SELECT {projection(kept)} FROM {{input}}", kept)
