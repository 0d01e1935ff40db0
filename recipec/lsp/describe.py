"""What a person wants to know of the thing under the cursor: Markdown, from the same docs as ``recipec docs``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from recipec.api import Schema
from recipec.diagnostics import Findings
from recipec.lsp.analysis import Desk, Spot
from recipec.lsp.context import context
from recipec.lsp.live import LiveProgram
from recipec.lsp.scope import kind_of, module_of, scope
from recipec.registry import Group, find
from recipec.report.reference import ONE, Entry, Param, entry
from recipec.resolve.types import shown
from recipec.resolve.values import said
from recipec.source import Span
from recipec.syntax import tree

MOST_COLUMNS = 40


@dataclass(frozen=True)
class Callee:
    """Something that is called: its documentation, the model of its arguments (None for a function), and how it is written."""

    name: str
    signature: str
    doc: str
    params: tuple[Param, ...]
    model: Any = None


@cache
def known(group: Group, name: str) -> Entry | None:
    return entry(group, name) if find(group, name, plugins=False) is not None else None


def callee(
    name: str, groups: tuple[Group, ...], program: LiveProgram | None = None, kind: str = "", key: str | None = None
) -> Callee | None:
    """What a called name means: the first of the groups that knows it, a choice of the setting ``key`` of a step kind, or a
    macro or template of the recipe."""
    if kind and key is not None:
        found = choice(kind, key, name)
        if found is not None:
            return found
    for group in groups:
        made, thing = known(group, name), find(group, name, plugins=False)
        if made is not None and thing is not None:
            if group == "function":
                params = tuple(Param(p.name, p.type, None) for p in thing.parameters)
                return Callee(name, made.signature, made.doc, params)
            return Callee(name, made.signature, made.doc, made.params, thing.Params)
    if program is not None:
        macro = program.root.defs.get(name)
        if macro is not None:
            params = tuple(Param(p.id, "anything", None) for p in macro.params)
            return Callee(name, f"{name}({', '.join(p.id for p in macro.params)})", fenced(macro.span.text), params)
        template = program.root.templates.get(name)
        if template is not None:
            params = tuple(Param(p.name.id, "anything", None) for p in template.params)
            return Callee(name, f"{name}({', '.join(p.name for p in params)})", "A template of this recipe.", params)
    return None


def choice(kind: str, key: str, name: str) -> Callee | None:
    """A call that a setting of a step kind accepts."""
    from recipec.report.reference import call_signature, fields
    from recipec.resolve.arguments import choices_of

    cls = kind_of(kind)
    info = cls.Settings.model_fields.get(key) if cls is not None else None
    if info is None:
        return None
    choices = choices_of(info.annotation, info.metadata)
    if choices is None:
        return None
    if choices.group:
        return callee(name, (choices.group,))
    found = choices.model(name)
    if found is None:
        return None
    params = fields(found[0])[0]
    return Callee(name, call_signature(name, params), found[0].__doc__ or "", params, found[0])


def fenced(text: str) -> str:
    return f"```recipe\n{text}\n```"


def prose(doc: str) -> str:
    """A docstring as Markdown: double backticks are single ones."""
    return re.sub(r"(?<!`)``(?!`)", "`", doc)


def entry_page(made: Entry) -> str:
    lines = [fenced(made.signature), f"*{ONE[made.group]}*", prose(made.doc)]
    if made.params:
        lines.append("\n".join(parameter_line(p) for p in made.params if p.name != "rest"))
    return "\n\n".join(lines)


def parameter_line(p: Param) -> str:
    given = "must be given" if p.default is None else f"default `{p.default}`"
    return f"- `{p.name}`: {p.type}, {given}" + (f". {p.doc}" if p.doc else "")


def schema_page(schema: Schema) -> str:
    if schema.unknown:
        return "its columns are not known yet"
    rows = [f"| `{c.name}` | {shown(c.type)} |" for c in schema.columns[:MOST_COLUMNS]]
    more = len(schema.columns) - MOST_COLUMNS
    return "\n".join(["| column | type |", "|---|---|", *rows]) + (f"\n\n(+{more} more)" if more > 0 else "")


def step_page(program: LiveProgram, name: str, part: str | None = None) -> str:
    """A step: its kind, its columns, and what the last run made of it."""
    step = program.entries[name].node
    head = f"{step.kind.id} {name}" + (f".{part}" if part else "")
    lines = [fenced(head)]
    resolved = program.step(name)
    if resolved is None:
        return "\n\n".join([*lines, "its columns are not known: it has errors"])
    outputs = resolved.bound.outputs
    if part or "" in outputs:
        lines.append(schema_page(outputs.get(part or "", Schema())))
    parts = [p for p in outputs if p]
    if parts and part is None:
        lines.append("parts: " + ", ".join(f"`{p}`" for p in parts))
        if "" not in outputs:
            lines.append(schema_page(outputs[parts[0]]))
    counts = built(program, name)
    if counts:
        lines.append(counts)
    return "\n\n".join(lines)


# What the last run made


_journals: dict[str, tuple[int, dict[tuple[str, str], tuple[int, int, str]]]] = {}


def built(program: LiveProgram, name: str) -> str:
    """Rows of a step as the workspace's journal has them; empty when it is not built, or somebody is at work there."""
    path = program.folder / ".recipec" / "work.duckdb"
    rows = journal(path).get((Path(program.root.source.path).name, name))
    if rows is None:
        return ""
    read, kept, dropped = rows
    if dropped:
        return f"last run: {read:,} → {kept:,} row{'s' * (kept != 1)} ({dropped})"
    return f"last run: {kept:,} row{'s' * (kept != 1)}"


def journal(path: Path) -> dict[tuple[str, str], tuple[int, int, str]]:
    """(recipe, step) to rows in, rows out and what was dropped. Read once for each state of the database, and only while no
    other process has it."""
    import json

    try:
        stamp = path.stat().st_mtime_ns
        if path.with_name("work.duckdb.wal").exists():
            return {}
    except OSError:
        return {}
    known = _journals.get(str(path))
    if known is not None and known[0] == stamp:
        return known[1]
    import duckdb

    out: dict[tuple[str, str], tuple[int, int, str]] = {}
    query = "SELECT c.recipe, c.step, s.rows_in, s.rows_out, s.dropped FROM recipec.current c JOIN recipec.steps s USING (run_key)"
    try:
        with duckdb.connect(str(path), read_only=True) as con:
            for recipe, step, read, kept, dropped in con.execute(query).fetchall():
                reasons = " · ".join(f"{reason} {n:,}" for reason, n in json.loads(dropped).items() if n)
                out[recipe, step] = (read, kept, reasons)
    except duckdb.Error:
        return {}
    _journals[str(path)] = (stamp, out)
    return out


# Hover


def hover(desk: Desk, spot: Spot) -> tuple[str, Span] | None:
    """Markdown for the place, and the words that it is about."""
    path = spot.path()
    if not path:
        return None
    program = desk.program(spot.document, quick=True)
    node, above = path[-1], path[-2] if len(path) > 1 else None
    item = spot.item
    match above, node:
        case tree.Step(kind=kind), tree.Name() if node is kind:
            made = known("step", kind.id)
            return (entry_page(made), kind.span) if made is not None else None
        case tree.Step(name=name), tree.Name() if node is name:
            found = next((n for n, e in reversed(program.entries.items()) if e.node is above), None)
            return (step_page(program, found), name.span) if found is not None else None
        case ((tree.Param() | tree.Def() | tree.Template() | tree.Import()), tree.Name()):
            return fenced(above.span.text if above is not None else ""), node.span
        case tree.Assign(column=column), tree.Name() if node is column and isinstance(item, tree.Step):
            step = next((n for n, e in reversed(program.entries.items()) if e.node is item), None)
            resolved = program.step(step) if step is not None else None
            type = resolved.bound.outputs.get("", Schema()).types.get(node.id) if resolved is not None else None
            return (f"column `{node.id}`: {shown(type)}", node.span) if type is not None else None
        case tree.Setting(key=key), tree.Name() if node is key and isinstance(item, tree.Step):
            made = known("step", item.kind.id)
            params = made.params if made is not None else ()
            if isinstance(outer := next((n for n in path[:-2] if isinstance(n, tree.Op)), None), tree.Op):
                params = block_params(item, outer.call.func)
            param = next((p for p in params if p.name == key.id), None)
            return (f"{parameter_line(param)}", key.span) if param is not None else None
        case tree.Call(func=func), tree.Name() if node is func:
            found_callee = called(program, path)
            if found_callee is None and isinstance(item, tree.Repeat) and func.id == "gain":
                return GAIN, func.span
            if found_callee is None and isinstance(item, tree.Step) and (block := block_page(item, func.id)) is not None:
                return block, func.span
            return (called_page(found_callee), func.span) if found_callee is not None else None
        case tree.Field(base=tree.Name(id=alias), name=member), tree.Name() if node is member and isinstance(path[-3], tree.Call):
            macro = program.root.imports[alias].defs.get(member.id) if alias in program.root.imports else None
            return (fenced(macro.span.text), node.span) if macro is not None else None
        case tree.Arg(name=name), tree.Name() if node is name:
            found_callee = called(program, path[:-1])
            param = next((p for p in found_callee.params if p.name == node.id), None) if found_callee is not None else None
            return (parameter_line(param), node.span) if param is not None else None
        case _, tree.Name():
            return name_page(desk, program, spot, path)
        case _:
            return None


GAIN = fenced("gain(step.column)") + "\n\nWhat a column grew by since the round before."
CONFIDENCE = (
    "`confidence`: float\n\nHow sure the votes make the label, 0 to 1; of a row with several classes, that of each class by itself."
)


def block_params(step: tree.Step, name: tree.Node) -> tuple[Param, ...]:
    """The settings of a block (``search``) of a step."""
    from recipec.report.reference import fields

    cls = kind_of(step.kind.id)
    model = cls.blocks.get(name.id) if cls is not None and isinstance(name, tree.Name) else None
    return fields(model)[0] if model is not None else ()


def block_page(step: tree.Step, name: str) -> str | None:
    params = block_params(step, tree.Name(name, False, span=step.kind.span))
    return "\n".join([fenced(f"{name} {{ ... }}"), "", *map(parameter_line, params)]) if params else None


def called(program: LiveProgram, path: list[tree.Node]) -> Callee | None:
    """What the innermost call of a path calls."""
    number = max((i for i, n in enumerate(path) if isinstance(n, tree.Call)), default=-1)
    if number < 1:
        return None
    call, above = path[number], path[number - 1]
    assert isinstance(call, tree.Call)
    step = next((n for n in path if isinstance(n, tree.Step)), None)
    kind = step.kind.id if step is not None else ""
    if not isinstance(call.func, tree.Name):
        return None
    cls = kind_of(kind)
    if isinstance(above, tree.Op) and cls is not None:
        return callee(call.func.id, ("vote" if above.vote else cls.ops,))
    if isinstance(above, tree.Step) and cls is not None:
        return callee(call.func.id, (cls.readers,))
    setting = next((n for n in path[:number] if isinstance(n, tree.Setting)), None)
    return callee(call.func.id, ("function",), program, kind, setting.key.id if setting is not None else None)


def called_page(found: Callee) -> str:
    lines = [fenced(found.signature)]
    if found.doc:
        lines.append(prose(found.doc))
    if found.model is not None and found.params:
        lines.append("\n".join(parameter_line(p) for p in found.params if p.name != "rest"))
    return "\n\n".join(lines)


def name_page(desk: Desk, program: LiveProgram, spot: Spot, path: list[tree.Node]) -> tuple[str, Span] | None:
    """A bare name: a step or part, a parameter, or a column."""
    node, item = path[-1], spot.item
    assert isinstance(node, tree.Name)
    own = item.items[0] if isinstance(item, tree.Repeat) and item.items else item
    module = module_of(program, own.name.id) if isinstance(own, tree.Step) else program.root
    if isinstance(item, tree.Repeat) and node.id not in module.params:
        at = path[-2] if isinstance(path[-2], (tree.Field, tree.Round)) else node
        names = program.path(at)
        target, rest, _ = program.target(names, at, module) if names is not None else (None, [], module)
        resolved = program.step(target) if target is not None else None
        if target is None or resolved is None:
            return None
        type = resolved.bound.outputs.get("", Schema()).types.get(node.id) if rest and rest[0] is node else None
        return (
            f"column `{node.id}` of `{target.partition('@')[0]}`: {shown(type)}" if type is not None else step_page(program, target)
        ), node.span
    if not isinstance(item, tree.Step):
        if node.id in module.params:
            return fenced(f"param {node.id} = {said(module.params[node.id])}"), node.span
        return None
    inside = isinstance(path[-2], (tree.Field, tree.Round))
    input = any(node is i for i in item.inputs)
    reading = input or inside or any(isinstance(n, (tree.Setting, tree.Op, tree.Expect)) for n in path)
    outer: tree.Node = path[-2] if inside else node
    names = program.path(outer)
    columns = scope(desk, spot, context(spot.piece.source.text, spot.inner))
    if names is not None and reading and (node.id not in columns.names or input or (inside and any(path[-2] is i for i in item.inputs))):
        target, rest, _ = program.target(names, outer, module)
        if target is not None:
            part = rest[0].id if rest and node is rest[0] else None
            resolved = program.step(target)
            if part is not None and resolved is not None and part not in resolved.bound.outputs:
                table = program.table(outer.base, module, Findings()) if isinstance(outer, tree.Field) else None
                type = table.schema.types.get(part) if table is not None else None
                return (f"column `{part}` of `{table}`: {shown(type)}", node.span) if type is not None else None
            return step_page(program, target, part), node.span
    if node.id in module.params and not node.quoted:
        return fenced(f"param {node.id} = {said(module.params[node.id])}"), node.span
    if node.id == "confidence" and item.kind.id == "label" and any(isinstance(n, tree.Setting) and n.key.id == "accept" for n in path):
        return CONFIDENCE, node.span
    type = columns.types.get(node.id)
    if type is not None:
        return f"column `{node.id}`: {shown(type) if type != '?' else 'not known yet'}", node.span
    return None
