"""A column in a template's place: ``prompt: messages`` asks what the column holds, a text or the messages of a chat."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from recipec.api import Column, Expression, PromptCall, quote
from recipec.resolve.prompts import MESSAGES, Prompt
from recipec.resolve.types import accepts
from recipec.source import Span
from recipec.syntax import tree


class Passed(Prompt):
    """What is asked is the value of its one parameter, as it is: no template renders it."""

    @cached_property
    def digest(self) -> str:
        return "column of messages" if self.roles is not None else "column of text"

    def announced(self) -> Any:
        raise TypeError("a column is not rendered")

    def sql(self, arguments: list[Any]) -> list[Any]:
        (x,) = arguments
        if self.roles is None:
            return [x]
        whole = f"list_filter({x}, lambda __m: __m IS NULL OR __m.role IS NULL OR __m.content IS NULL)"
        plain = f"list_transform({x}, lambda __m: {{role: __m.role, content: __m.content}})"
        return [f"CASE WHEN len({x}) > 0 AND len({whole}) = 0 THEN {plain} END"]


def passed(column: Column, node: tree.Name, span: Span) -> PromptCall | None:
    """The column as a prompt; None where it holds neither text nor messages."""
    if column.type == "VARCHAR":
        roles = None
    elif accepts(MESSAGES, column.type):
        roles = ("messages",)
    else:
        return None
    prompt = Passed(column.name, ((column.name, column.type),), roles, {}, {})
    given = Expression(node, quote(column.name), column.type, f"`{column.name}`", frozenset({column.name}))
    return PromptCall(prompt, {column.name: given}, (), span)
