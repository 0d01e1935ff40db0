"""``rename(old => new)``"""

from __future__ import annotations

from dataclasses import replace

from recipec.api import Arrows, Column, Operator, Rewrite, Schema, Settings, Traits, operator, quote
from recipec.diagnostics import Label
from recipec.operators._sql import projection
from recipec.resolve.binder import StepBinder
from recipec.resolve.columns import name_problem
from recipec.resolve.problems import DuplicateName, UnknownColumn, WrongArguments
from recipec.syntax import tree


class RenameParams(Settings):
    columns: Arrows


@operator("rename")
class Rename(Operator):
    """Give columns other names; all columns keep their places.

    ```recipe
    clean named from raw { rename(v1 => label, v2 => text) }
    ```
    """

    Params = RenameParams
    traits = Traits(changes_columns=True)

    def rewrite(self, bind: StepBinder, schema: Schema, call: tree.Op) -> Rewrite:
        new: dict[str, tree.Name] = {}
        for left, right in self.params.columns.pairs:
            if not isinstance(left, tree.Name) or not isinstance(right, tree.Name):
                bind.report(WrongArguments(span=left.span.to(right.span), message="`rename` pairs names", help=("rename(old => new)",)))
            elif left.id not in schema.types and not schema.unknown:
                problem = UnknownColumn(span=left.span, wanted=left.id, candidates=schema.names)
                problem.suggest(f"no column `{left.id}` in {bind.table_name}", listing=f"{bind.table_name} has")
                bind.report(problem)
            elif left.id in new:
                bind.report(WrongArguments(span=left.span, message=f"`{left.id}` is renamed twice"))
            else:
                new[left.id] = right
        if schema.unknown:
            # Nobody knows which columns there are; the new ones are there from now on.
            return Rewrite("SELECT * FROM {input}", schema)
        names: dict[str, tree.Name | None] = {}
        for column in schema.columns:
            target = new.get(column.name)
            name = target.id if target is not None else column.name
            if target is not None and (problem_of := name_problem(target, [n for n in schema.names if n not in new])) is not None:
                bind.report(problem_of)
            if name in names:
                place = target or names[name]
                if place is not None:
                    bind.report(
                        DuplicateName(
                            span=place.span, message=f"there is a column `{name}` already", help=("rename or leave out the other first",),
                            also=(Label(call.span, ""),),
                        )
                    )  # fmt: skip
            names[name] = target
        columns = tuple(Column(new[c.name].id, c.type, new[c.name].span) if c.name in new else c for c in schema.columns)
        renamed = replace(schema, columns=columns)
        sources = {new[c.name].id: quote(c.name) for c in schema.columns if c.name in new}
        return Rewrite(f"SELECT {projection(renamed, sources)} FROM {{input}}", renamed)
