"""Where an argument of a vote stands, for messages that underline what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from recipec.api import TableRef
from recipec.diagnostics import nearest
from recipec.resolve.binder import StepBinder
from recipec.resolve.problems import BadValue, UnknownColumn
from recipec.source import Span
from recipec.syntax import tree


def argument(call: tree.Call, name: str) -> tree.Expr | None:
    """What is written for the argument ``name``; None where the recipe leaves it out."""
    return next((a.value for a in call.args if a.name is not None and a.name.id == name), None)


def written(call: tree.Call, name: str, element: str = "") -> Span | None:
    """The place of the argument ``name``, of its ``element`` where it is a list; None where the recipe leaves it out."""
    value = argument(call, name)
    if value is None:
        return None
    inside = next((n for n in tree.walk(value) if isinstance(n, (tree.Name, tree.String)) and text_of(n) == element), None)
    return inside.span if element and inside is not None else value.span


def text_of(node: tree.Name | tree.String) -> str:
    return node.id if isinstance(node, tree.Name) else node.value


def keyed(call: tree.Call, name: str, key: str) -> Span:
    """The place of a key of the argument ``name``, which is a map."""
    value = argument(call, name)
    items = value.items if isinstance(value, tree.StructExpr) else ()
    return next((k.span for k, _ in items if k.id == key), value.span if value is not None else call.span)


def check_keys(bind: StepBinder, call: tree.Call, name: str, given: Iterable[str], classes: Sequence[str] | None) -> None:
    """Report the first key of the argument ``name`` that is none of the classes."""
    stranger = next((k for k in given if classes is not None and k not in classes), None)
    if stranger is None or classes is None:
        return
    message = f'`{name}` names "{stranger}", which is no class'
    problem = BadValue(span=keyed(call, name, stranger), message=message, help=(f"classes: {', '.join(classes)}",))
    guess = nearest(stranger, classes)
    problem.put(label=f'did you mean "{guess}"?' if guess else "")
    bind.report(problem)


def check_columns(bind: StepBinder, table: TableRef, wanted: Mapping[str, Sequence[str]], call: tree.Call) -> None:
    """Report the columns that ``table`` lacks, by the argument that names them; of arguments left out, at the table."""
    schema = table.schema
    for argument, names in wanted.items():
        for name in names:
            if name in schema.types or schema.unknown:
                continue
            at = written(call, argument, name)
            problem = UnknownColumn(span=at or table.span or call.span, wanted=name, candidates=schema.names)
            problem.suggest(f"no column `{name}` in `{table}`", listing="it has")
            if at is None:
                # Nothing is written that could be replaced.
                guess = problem.fixes[0].edits[0].text if problem.fixes else "COLUMN"
                problem.put(label="", fixes=(), help=(f"say which it is: {argument}: {guess}", *problem.help))
            bind.report(problem)
