"""``explode(list)``"""

from __future__ import annotations

from recipec.api import Column, ColumnName, Operator, Rewrite, Schema, Settings, Traits, operator
from recipec.identity import derived_key
from recipec.operators._sql import projection
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import WrongType
from recipec.resolve.types import shown
from recipec.syntax import tree


class ExplodeParams(Settings):
    list: ColumnName


def explode(schema: Schema, column: str, elements: str, type: str, tag: str, empty: str = "{why[0]}") -> str:
    """SQL for one row per element of the list ``elements`` (SQL over the input); the element takes the place of ``column``.

    A row whose list is null or empty is dropped under reason ``empty``. Children get keys derived from their parent's.
    """
    made = schema.with_column(Column(column, type))
    alive = "(_why IS NULL AND len(__list) > 0)"
    numbers = f"unnest(CASE WHEN {alive} THEN range(1, len(__list) + 1) ELSE [NULL::BIGINT] END) AS __i"
    inner = f"SELECT *, {numbers} FROM (SELECT *, {elements} AS __list FROM {{input}})"
    changes = {
        "_key": f"CASE WHEN __i IS NULL THEN _key ELSE {derived_key('_key', tag, '__i')} END",
        "_parent": "CASE WHEN __i IS NULL THEN _parent ELSE _key END",
        column: "__list[__i]",
    }
    why = f"CASE WHEN _why IS NULL AND __i IS NULL THEN {empty} ELSE _why END"
    return f"SELECT {projection(made, changes, why=why)} FROM ({inner})"


@operator("explode")
class Explode(Operator):
    """One row for each element of a list; the element stands in the list's column, the other columns are repeated.

    ```recipe
    clean questions from passages { explode(qas)  question = qas.query_text }
    ```

    Rows whose list is null or empty are dropped under the reason "nothing to explode". Each new row has its own key, its
    parent's in ``_parent``, and stands where its parent stood, in the order of the list.
    """

    Params = ExplodeParams
    rewrites = True
    traits = Traits(changes_rows=True, changes_columns=True, copies_rows=True)

    def rewrite(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Rewrite:
        column: ColumnName = self.params.list
        if not column.type.endswith("[]") and not schema.unknown:
            bind.report(
                WrongType(
                    span=column.span,
                    message=f"`explode` needs a list; `{column.name}` is {shown(column.type)}",
                    help=("split a text first: split_words(text)",),
                )
            )
        type = column.type.removesuffix("[]")
        query = explode(schema, column.name, column.sql, type, f"explode {column.name}")
        return Rewrite(query, schema.with_column(Column(column.name, type, column.span)), ("nothing to explode",))
