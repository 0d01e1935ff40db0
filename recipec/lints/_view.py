"""What a lint gets to look at: the graph of a recipe's steps, and what is known of their tables."""

from __future__ import annotations

from functools import cached_property

from recipec.api import TableRef
from recipec.lints._tables import Table, Tables, setting
from recipec.resolve.arguments import Inner
from recipec.resolve.program import Program, ResolvedStep
from recipec.source import Span
from recipec.syntax import tree


class View:
    """A program without errors."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.steps = program.steps
        self.by_name = {s.name: s for s in self.steps}

    @cached_property
    def tables(self) -> Tables:
        return Tables(self.program)

    # The graph

    @cached_property
    def readers(self) -> dict[str, list[tuple[ResolvedStep, TableRef]]]:
        """For every step, those that read it or a part of it, each with the reference."""
        out: dict[str, list[tuple[ResolvedStep, TableRef]]] = {s.name: [] for s in self.steps}
        for step in self.steps:
            for ref in step.parents:
                out[ref.step].append((step, ref))
        return out

    def ancestors(self, name: str) -> list[ResolvedStep]:
        """Every step that a step's rows come from, nearest first. Tables that it only compares with do not count."""
        out: dict[str, None] = {}
        stack = [name]
        while stack:
            for ref in self.by_name[stack.pop(0)].inputs:
                if ref.step not in out:
                    out[ref.step] = None
                    stack.append(ref.step)
        return [self.by_name[n] for n in out]

    @cached_property
    def splits(self) -> list[ResolvedStep]:
        return [s for s in self.steps if s.bound.traits.divides]

    @cached_property
    def writers(self) -> list[ResolvedStep]:
        """Steps that give their rows to the world: they make no table to read, and are no mere tests."""
        return [s for s in self.steps if not s.kind.table and not s.kind.model and "expect" not in s.kind.takes]

    @cached_property
    def tests(self) -> list[tuple[ResolvedStep, tree.Expect]]:
        """Tests across tables."""
        return [(s, t) for s in self.steps if not s.kind.table for t in s.entry.node.body if isinstance(t, tree.Expect)]

    def ref(self, node: tree.Expr, step: ResolvedStep) -> TableRef | None:
        """The table that an expression inside a step names, if the step reads it."""
        path = self.program.path(node)
        if path is None:
            return None
        name, rest, _ = self.program.target(path, node, step.entry.module)
        part = rest[0].id if rest else None
        return next((r for r in step.parents if r.step == name and r.part == part), None)

    # Splits

    def kept_together(self, split: ResolvedStep) -> list[tuple[int, str]] | None:
        """What a split keeps in one part: values, each with how it was asked for (``group``, ``near``, ``time``); None
        where it asks in a way that cannot be followed."""
        out: list[tuple[int, str]] = []
        for name in ("group", "time"):
            asked = setting(split, name)
            if asked is None:
                continue
            node = asked.value
            table = self.tables.table(split.inputs[0])
            if name == "group" and isinstance(node, tree.Call) and isinstance(node.func, tree.Name) and node.args:
                first = node.args[0].value
                settings = getattr(split.bound.plan, "settings", None)
                if isinstance(getattr(settings, "group", None), Inner):
                    if not isinstance(first, tree.Name) or first.id not in table.columns:
                        return None
                    out.append((table.columns[first.id], "near"))
                    continue
            out.append((self.tables.value(node, split), name))
        return out

    def columns(self, ref: TableRef) -> Table:
        return self.tables.table(ref)

    def head(self, step: ResolvedStep) -> Span:
        return step.entry.node.head
