"""Who answers what: models, what they are given, and what their answers are held against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from recipec.api import ColumnName, Expression, Made, ModelRef, PromptCall, Use
from recipec.lints._view import View
from recipec.resolve.program import ResolvedStep
from recipec.source import Span


class Meeting(NamedTuple):
    """Something that a model is given, and the answer that it is taught or held against."""

    step: ResolvedStep
    """The step where they meet; the model may have been asked in another."""
    asked: ResolvedStep
    read: Use
    given: int
    answer: Use
    wanted: int


def meetings(view: View) -> Iterator[Meeting]:
    """Of the answers of every step: what the models that give them are given."""
    for step in view.steps:
        for answer in step.bound.uses:
            if answer.role not in ("gold", "answers"):
                continue
            wanted = view.tables.used(answer, step)
            for use in step.bound.uses:
                if use.table != answer.table:
                    continue
                if use.role == "reads":
                    yield Meeting(step, step, use, view.tables.used(use, step), answer, wanted)
                elif use.role == "scored":
                    for maker, _ in makers(view, view.tables.used(use, step)):
                        for read in maker.bound.uses:
                            if read.role == "reads":
                                yield Meeting(step, maker, read, view.tables.used(read, maker), answer, wanted)


def makers(view: View, value: int) -> list[tuple[ResolvedStep, Made]]:
    """The steps whose models or rules gave all that a value is computed from; empty where something else is in it."""
    roots = view.tables.values.roots[value]
    found = [made for root in sorted(roots) if (made := view.tables.origins.get(root)) is not None]
    return found if len(found) == len(roots) else []


def answers(step: ResolvedStep) -> list[ModelRef]:
    """The models of a step that answer, not those that only measure how alike texts are."""
    found = [u.model for u in step.bound.uses if u.role == "reads" and u.model is not None]
    return [m for m in found if m.facts is None or m.facts.does - {"embed"}]


def measured(view: View, step: ResolvedStep) -> list[ModelRef]:
    """The models whose answers a step holds against gold."""
    if not any(u.role == "gold" for u in step.bound.uses):
        return []
    found = answers(step)
    for use in step.bound.uses:
        if use.role == "scored":
            for maker, _ in makers(view, view.tables.used(use, step)):
                found += answers(maker)
    return found


def same_rows(view: View, first: Use, second: Use) -> str | None:
    """A table that both surely have rows of, one of them all: then they have rows in common."""
    a, b = view.tables.table(first.table).holds, view.tables.table(second.table).holds
    return next((n for n in reversed(list(a)) if n in b and (a[n] or b[n])), None)


def place(use: Use, step: ResolvedStep) -> Span:
    """Where the recipe writes what is used."""
    match use.what:
        case Expression(node=node):
            return node.span
        case PromptCall(span=span) | ColumnName(span=span):
            return span
        case _:
            return use.table.span or step.entry.node.head


def said(use: Use, step: ResolvedStep) -> str:
    """What is used, in the recipe's own words."""
    if isinstance(use.what, ColumnName):
        return use.what.name
    return " ".join(place(use, step).text.split())
