"""What models get from a step, read off its parameters: :class:`recipec.api.Use`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from recipec.api import ColumnName, Expression, ModelRef, PromptCall, TableRef, Use
from recipec.source import Span


def asked(table: TableRef, params: Any, column: str = "", span: Span | None = None) -> Iterator[Use]:
    """The models among the parameters of a call, and what each gets: the templates, or else the columns, among them, or ``column``."""
    values: list[Any] = []
    for name in type(params).model_fields:
        value = getattr(params, name)
        values += value if isinstance(value, list) else [value]
    models = [v for v in values if isinstance(v, ModelRef)]
    if not models:
        return
    given: list[Any] = [v for v in values if isinstance(v, PromptCall)] or [
        v for v in values if isinstance(v, ColumnName | Expression) and v.type == "VARCHAR"
    ]
    if not given and column and span is not None:
        given = [named(table, column, span)]
    for model in models:
        for what in given:
            yield Use("reads", table, what, model)


def named(table: TableRef, column: str, span: Span) -> ColumnName:
    """A column of a table by its name, as if ``span`` had written it."""
    return ColumnName(column, table.schema.types.get(column, ""), span)


def given(
    table: TableRef, prompt: PromptCall | None, text: Expression | None, sql: str, span: Span
) -> PromptCall | Expression | ColumnName:
    """What a model gets from a step that takes ``prompt`` or ``text``; the SQL names the column where it has neither."""
    return prompt or text or named(table, sql[1:-1].replace('""', '"'), span)
