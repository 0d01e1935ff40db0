"""``join(other, on: key)``"""

from __future__ import annotations

from typing import Literal

from recipec.api import (
    Column,
    ColumnName,
    DataError,
    Field,
    Meeting,
    Operator,
    Rewrite,
    RunTools,
    Schema,
    Settings,
    TableRef,
    Traits,
    operator,
    quote,
)
from recipec.operators._sql import projection
from recipec.resolve.binder import StepBinder
from recipec.resolve.columns import twin
from recipec.resolve.problems import WrongArguments, WrongType
from recipec.resolve.types import INTEGERS, shown
from recipec.syntax import tree


class JoinParams(Settings):
    other: TableRef
    on: list[ColumnName] = Field(min_length=1)
    columns: list[str] | None = None
    rows: Literal["all", "matched"] = "all"


def _same(one: str, other: str) -> bool:
    """Whether keys of these types can be equal without a cast: whole numbers of any width can."""
    return one == other or (one in INTEGERS and other in INTEGERS)


@operator("join")
class Join(Operator):
    """Add the columns of another step's row that has the same key.

    ```recipe
    clean described from packages { join(sections, on: section, columns: ["title"]) }
    ```

    ``on`` names the column, or columns, that both tables have; ``columns`` which others to add (all, where none is named). The
    other table may have each key once at most, so that no row becomes two: else the run fails and says which key. A row without
    a match keeps null in the added columns, or is dropped as "no match in sections" under ``rows: matched``. Null
    matches nothing. For any other kind of join there is the step ``sql``.
    """

    Params = JoinParams
    traits = Traits(scope="global", changes_rows=True, changes_columns=True)

    def rewrite(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Rewrite:
        p: JoinParams = self.params
        ref, keys = p.other, [c.name for c in p.on]
        place = ref.span or call.call.span
        made = schema
        if not ref.schema.unknown:
            for column in p.on:
                if column.name not in ref.schema.types:
                    bind.report(WrongArguments(span=column.span, message=f"`{ref}` has no column `{column.name}`"))
                elif not schema.unknown and not _same(ref.schema.types[column.name], column.type):
                    other = shown(ref.schema.types[column.name])
                    message = f"`{column.name}` is {shown(column.type)} here and {other} in `{ref}`"
                    bind.report(WrongType(span=column.span, message=message, help=("cast one of them before",)))
            for name in p.columns or ():
                if name not in ref.schema.types:
                    bind.report(WrongArguments(span=place, message=f"`{ref}` has no column `{name}` to add"))
        wanted = set(ref.schema.names if p.columns is None else p.columns) - set(keys)
        added = [c for c in ref.schema.columns if c.name in wanted]
        for more in added:
            old = more.name if more.name in made.types else twin(more.name, made.types)
            if old is not None:
                help = ("choose with `columns: [...]`, or rename it before",)
                bind.report(WrongArguments(span=place, message=f"there is a column `{old}` already", help=help))
            made = made.with_column(Column(more.name, more.type, call.span))
        same = " AND ".join(f"i.{quote(k)} = o.{quote(k)}" for k in keys)
        why, because = "i._why", "i._because"
        reasons: tuple[str, ...] = ()
        if p.rows == "matched":
            reasons = (f"no match in {ref}",)
            why = "CASE WHEN i._why IS NULL AND o._key IS NULL THEN {why[0]} ELSE i._why END"
        changes = {c.name: f"o.{quote(c.name)}" for c in added}
        listed = projection(made, changes, why=why, because=because, prefix="i.")
        query = f"SELECT {listed} FROM {{input}} AS i LEFT JOIN {ref.sql} AS o ON i._why IS NULL AND {same}"

        def prepare(tools: RunTools, table: str) -> None:
            columns = ", ".join(map(quote, keys))
            known = " AND ".join(f"{quote(k)} IS NOT NULL" for k in keys)
            where = tools.relations[str(ref)]
            several = f"SELECT {columns}, count(*) AS __n FROM {where} WHERE {known} GROUP BY {columns} HAVING count(*) > 1"
            found = tools.con.execute(f"{several} ORDER BY __n DESC, {columns} LIMIT 1").fetchall()
            if found:
                *values, count = found[0]
                said = ", ".join(map(str, values))
                message = f"`{ref}` has {count} rows with {', '.join(keys)} = {said}: a join would make {count} of one"
                raise DataError(message, "dedupe it first")

        # Whole numbers of any width are the same text, as they are the same number.
        known = " AND ".join(f"{quote(k)} IS NOT NULL" for k in keys)
        met = f"CASE WHEN {known} THEN md5_number({' || chr(31) || '.join(f'{quote(k)}::VARCHAR' for k in keys)}) END"
        return Rewrite(query, made, reasons, prepare=prepare, meeting=Meeting(met, {str(ref): met}, rows=False))
