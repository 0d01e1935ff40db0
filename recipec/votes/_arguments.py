"""Where an argument of a vote stands, for messages that underline what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recipec.api import TableRef
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import UnknownColumn
from recipec.source import Span
from recipec.syntax import tree


def written(call: tree.Op, name: str, element: str = "") -> Span | None:
    """The place of the argument ``name``, of its ``element`` where it is a list or a map; None where the recipe leaves it out."""
    value = next((a.value for a in call.call.args if a.name is not None and a.name.id == name), None)
    if value is None:
        return None
    inside = next((n for n in tree.walk(value) if isinstance(n, (tree.Name, tree.String)) and text_of(n) == element), None)
    return inside.span if element and inside is not None else value.span


def text_of(node: tree.Name | tree.String) -> str:
    return node.id if isinstance(node, tree.Name) else node.value


def check_columns(bind: StepBinder, table: TableRef, wanted: Mapping[str, Sequence[str]], call: tree.Op) -> None:
    """Report the columns that ``table`` lacks, by the argument that names them; of arguments left out, at the table."""
    schema = table.schema
    for argument, names in wanted.items():
        for name in names:
            if name in schema.types or schema.unknown:
                continue
            at = written(call, argument, name)
            problem = UnknownColumn(span=at or table.span or call.call.span, wanted=name, candidates=schema.names)
            problem.suggest(f"no column `{name}` in `{table}`", listing="it has")
            if at is None:
                # Nothing is written that could be replaced.
                guess = problem.fixes[0].edits[0].text if problem.fixes else "COLUMN"
                problem.put(label="", fixes=(), help=(f"say which it is: {argument}: {guess}", *problem.help))
            bind.report(problem)
