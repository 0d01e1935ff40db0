"""Which columns are in scope at a place: the step as far as it is written is bound, and its result looked at."""

from __future__ import annotations

from dataclasses import replace

from recipec.api import Column, Kind, Schema
from recipec.diagnostics import Findings
from recipec.lsp.analysis import Desk, Spot
from recipec.lsp.context import Context
from recipec.lsp.live import LiveProgram
from recipec.lsp.names import flat
from recipec.registry import find
from recipec.resolve.modules import Entry, Module
from recipec.resolve.program import Program
from recipec.source import Source
from recipec.syntax import tree
from recipec.syntax.parse import parse


def kind_of(name: str) -> type[Kind] | None:
    found: type[Kind] | None = find("step", name, plugins=False)
    return found


def module_of(program: LiveProgram, name: str) -> Module:
    """The names that a step sees: those of its round, where it stands in a ``repeat``."""
    rounds = [e for e in program.entries.values() if e.node.name.id == name and e.module.source is program.root.source]
    return rounds[-1].module if rounds else program.root


def written(spot: Spot, context: Context) -> tree.Step | None:
    """The step that the place is in, as far as it was written before the present statement."""
    text = spot.piece.source.text
    head = text[: context.statement_start] if context.block else text[: context.start]
    for ending in ("}", "\n}", " }}", "{ }"):
        file, _ = parse(Source(spot.piece.source.path, head.rstrip().rstrip(",") + ending))
        steps = [i for i in flat(file.items) if isinstance(i, tree.Step)]
        if steps:
            return steps[-1]
    return None


def scope(desk: Desk, spot: Spot, context: Context) -> Schema:
    """The columns in scope."""
    program = desk.program(spot.document, quick=True)
    step = written(spot, context)
    if step is None:
        return Schema()
    kind = kind_of(step.kind.id)
    module = module_of(program, step.name.id)
    inputs = input_schemas(program, step, module)
    if kind is not None and ("assign" in kind.takes or kind.reader == "required"):
        kept = tuple(s for s in step.body if isinstance(s, (tree.Assign, tree.Op, tree.Setting)))
        for body in (kept, tuple(s for s in kept if not isinstance(s, tree.Op)), ()):
            schema = bound(program, replace(step, body=body), module)
            if schema is not None:
                return schema
    schema = inputs[0] if inputs else Schema()
    for statement in step.body:
        if isinstance(statement, tree.Assign):
            schema = schema.with_column(Column(statement.column.id, "?"))
    return schema


def loop_columns(program: LiveProgram, spot: Spot, context: Context, name: str) -> Schema:
    """The columns of a step of the loop whose condition is being written: half written, the loop is no part of the program yet. Where
    the step needs others of the loop to be bound, the scores that it asks for."""
    until = next((t.start for t in reversed(context.tokens) if t.word == "UNTIL"), 0)
    file, _ = parse(Source(spot.piece.source.path, spot.piece.source.text[:until]))
    step = next((s for s in flat(file.items) if isinstance(s, tree.Step) and s.name.id == name), None)
    if step is None:
        return Schema()
    schema = bound(program, step, program.root)
    if schema is not None:
        return schema
    asked = next((s.value for s in step.body if isinstance(s, tree.Setting) and s.key.id == "metrics"), None)
    items = asked.items if isinstance(asked, tree.ListExpr) else () if asked is None else (asked,)
    scores = [n.id for i in items if isinstance(n := i.func if isinstance(i, tree.Call) else i, tree.Name)]
    return Schema(tuple(Column(f"{score}{end}", "DOUBLE") for end in ("", "_low", "_high") for score in scores))


def input_schemas(program: LiveProgram, step: tree.Step, module: Module) -> list[Schema]:
    refs = [program.table(i, module, Findings()) for i in step.inputs]
    return [r.schema for r in refs if r is not None]


def bound(program: LiveProgram, step: tree.Step, module: Module) -> Schema | None:
    """The columns of a step's table; nothing is reported and nothing kept."""
    outer, program.findings = program.findings, Findings()
    program.stack.append([])
    try:
        made = Program.bind(program, Entry(step.name.id, step, module))
    finally:
        program.findings = outer
        program.stack.pop()
    return None if made is None else made.bound.outputs.get("")
