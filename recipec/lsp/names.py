"""Who defines a name and who uses it: steps, parameters, macros, templates and imports, across files.

Uses of steps are those that the resolver asked about while it bound the recipe, so they are exactly what it takes for a step.
In the SQL of a step, an input's name counts behind ``from`` and ``join`` and before a dot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recipec.api import Schema, quote
from recipec.lsp.analysis import Desk, Document, modules
from recipec.lsp.live import LiveProgram
from recipec.resolve.modules import Entry, Module
from recipec.source import Source, Span
from recipec.syntax import tree
from recipec.syntax.lexer import backticked

What = Literal["step", "parameter", "macro", "template", "import"]


@dataclass(frozen=True)
class Symbol:
    """What a name means: the file that defines it (absolute path), what it is, and the name."""

    path: str
    what: What
    name: str


@dataclass(frozen=True)
class Use:
    """A place where a symbol's name is written. ``sql`` when that is inside SQL text."""

    symbol: Symbol
    span: Span
    definition: bool = False
    sql: bool = False


class CannotRename(Exception):
    """Why not, for the person who asked."""


# Uses in one program


def uses(program: LiveProgram) -> Iterator[Use]:
    """Every use in a recipe and the files that it imports; places may come more than once."""
    for module in modules(program):
        path = where(module)
        for item in flat(module.file.items):
            yield from definitions(item, path)
            yield from expressions(item, module, path)
    for name, entry in program.entries.items():
        kept = program.memory.steps.get(name)
        for asked in kept[0].asked if kept and kept[0].node is entry.node else ():
            yield from step_path(program, asked.node, asked.module)
        yield from models(program, entry)
        if entry.node.text is not None:
            yield from in_sql(program, entry.node, entry.module)
    for repeat in program.repeats:
        if repeat.node.until is not None:
            for node in tree.walk(repeat.node.until):
                yield from step_path(program, node, repeat.module)


def models(program: LiveProgram, entry: Entry) -> Iterator[Use]:
    """The places of a step where it names a model: among what it reads, those are no tables that it asked for."""
    resolved = program.step(entry.name)
    spans = {ref.span for ref in resolved.parents if ref.span is not None} if resolved is not None else set()
    for statement in entry.node.body if spans else ():
        for node in tree.walk(statement):
            if isinstance(node, tree.Name | tree.Field | tree.Round) and node.span in spans:
                yield from step_path(program, node, entry.module)


def where(module: Module) -> str:
    return str(Path(module.source.path).resolve())


def flat(items: tuple[tree.Item, ...]) -> Iterator[tree.Item]:
    for item in items:
        yield item
        if isinstance(item, tree.Repeat):
            yield from flat(item.items)


def definitions(item: tree.Item, path: str) -> Iterator[Use]:
    match item:
        case tree.Step(name=name):
            yield Use(Symbol(path, "step", name.id), name.span, True)
        case tree.Param(name=name):
            yield Use(Symbol(path, "parameter", name.id), name.span, True)
        case tree.Def(name=name):
            yield Use(Symbol(path, "macro", name.id), name.span, True)
        case tree.Template(name=name):
            yield Use(Symbol(path, "template", name.id), name.span, True)
        case tree.Import(alias=name):
            yield Use(Symbol(path, "import", name.id), name.span, True)
        case _:
            return


def expressions(item: tree.Item, module: Module, path: str) -> Iterator[Use]:
    """Uses of parameters, macros and templates in the expressions of an item."""

    def member(base: tree.Name, name: tree.Name, called: bool) -> Iterator[Use]:
        inner = module.imports.get(base.id)
        if inner is None:
            return
        what = meaning(inner, name.id, called)
        if what is not None:
            yield Use(Symbol(path, "import", base.id), base.span)
            yield Use(Symbol(where(inner), what, name.id), name.span)

    def look(node: tree.Node, local: frozenset[str]) -> Iterator[Use]:
        match node:
            case tree.Name(id=name, quoted=False) if name not in local and name in module.params:
                yield Use(Symbol(path, "parameter", name), node.span)
            case tree.Name():
                return
            case tree.Field(base=tree.Name(id=base) as alias, name=name) if base not in local and base in module.imports:
                yield from member(alias, name, False)
            case tree.Field(base=base):
                yield from look(base, local)
            case tree.Call(func=func, args=args):
                match func:
                    case tree.Name(id=name):
                        what = meaning(module, name, True)
                        if what is not None:
                            yield Use(Symbol(path, what, name), func.span)
                    case tree.Field(base=tree.Name() as alias, name=name):
                        yield from member(alias, name, True)
                    case _:
                        pass
                for arg in args:
                    yield from look(arg.value, local)
            case tree.Lambda(params=params, body=body):
                yield from look(body, local | {p.id for p in params})
            case tree.StructExpr(items=items):
                for _, value in items:
                    yield from look(value, local)
            case tree.Setting(value=value) | tree.Assign(value=value):
                yield from look(value, local)
            case tree.When(condition=condition, label=label):
                yield from look(condition, local)
                yield from look(label, local)
            case tree.Op(call=call, body=body):
                yield from look(call, local)
                for statement in body or ():
                    yield from look(statement, local)
            case _:
                for child in tree.children(node):
                    yield from look(child, local)

    match item:
        case tree.Def(params=params, body=body):
            yield from look(body, frozenset(p.id for p in params))
        case tree.Param(default=default):
            if default is not None:
                yield from look(default, frozenset())
        case tree.Step():
            if item.reader is not None:
                for arg in item.reader.args:
                    yield from look(arg.value, frozenset())
            for statement in item.body:
                yield from look(statement, frozenset())
        case tree.Repeat(count=count, until=until):
            yield from look(count, frozenset())
            if until is not None:
                yield from look(until, frozenset())
        case _:
            return


def meaning(module: Module, name: str, called: bool) -> What | None:
    if called:
        return "macro" if name in module.defs else "template" if name in module.templates else None
    return "parameter" if name in module.params else None


def step_path(program: LiveProgram, node: tree.Node, module: Module) -> Iterator[Use]:
    """The names of a path that leads to a step: aliases on the way, and the step."""
    names = program.path(node)
    if names is None:
        return
    scope = module
    while len(names) > 1 and names[0].id in scope.imports and names[0].id not in scope.steps:
        yield Use(Symbol(where(scope), "import", names[0].id), names[0].span)
        scope, names = scope.imports[names[0].id], names[1:]
    if names[0].id in scope.steps:
        yield Use(Symbol(where(scope), "step", names[0].id), names[0].span)


def in_sql(program: LiveProgram, step: tree.Step, module: Module) -> Iterator[Use]:
    assert step.text is not None
    text, start = step.text.span.text, step.text.span.start
    for node in step.inputs:
        if not isinstance(node, tree.Name) or node.id not in module.steps:
            continue
        name = re.escape(node.id)
        for found in re.finditer(rf'(?:\b(?:from|join)\s+)("{name}"|{name})(?!\w)|(?<![\w."])({name})(?=\.\w)', text, re.I):
            group = 1 if found[1] else 2
            if found[group].strip('"') == node.id:
                span = Span(step.text.span.source, start + found.start(group), start + found.end(group))
                yield Use(Symbol(where(module), "step", node.id), span, sql=True)


# Across documents


@dataclass(frozen=True)
class Found:
    """A use in a file's own text: (source, start, end)."""

    use: Use
    source: Source
    start: int
    end: int


def found_in(desk: Desk, document: Document) -> dict[tuple[str, int, int], Found]:
    """Every use in a document and what it imports, by place."""
    out: dict[tuple[str, int, int], Found] = {}
    for use in uses(desk.program(document)):
        place = desk.place(document, use.span)
        if place is not None:
            source, start, end = place
            key = (str(Path(source.path).resolve()), start, end)
            out.setdefault(key, Found(use, source, start, end))
    return out


def at(desk: Desk, document: Document, offset: int) -> Found | None:
    """What is defined or used at a place."""
    hits = [f for (path, start, end), f in found_in(desk, document).items() if path == document.path and start <= offset <= end]
    return min(hits, key=lambda f: f.end - f.start, default=None)


def everywhere(desk: Desk, document: Document, symbol: Symbol, roots: list[str]) -> list[Found]:
    """Every use of a symbol in the workspace, by place."""
    out: dict[tuple[str, int, int], Found] = {}
    seen: list[Document] = [document]
    for path in desk.recipes(roots):
        other = desk.document(path)
        if other is not None and path != document.path and (path == symbol.path or "import" in other.source.text):
            seen.append(other)
    for other in seen:
        if symbol.name in other.source.text or other is document:
            for key, found in found_in(desk, other).items():
                if found.use.symbol == symbol:
                    out.setdefault(key, found)
    return [out[key] for key in sorted(out)]


def rename(desk: Desk, document: Document, offset: int, new: str, roots: list[str]) -> dict[str, list[tuple[Found, str]]]:
    """The edits of a rename, by file. Raises CannotRename: where the new name cannot be, or where the recipes would not
    check as they do now."""
    target = at(desk, document, offset)
    if target is None:
        raise CannotRename("there is no step, parameter, def, template or import here")
    symbol = target.use.symbol
    written = spelled(new)
    edits: dict[str, list[tuple[Found, str]]] = {}
    for found in everywhere(desk, document, symbol, roots):
        path = str(Path(found.source.path).resolve())
        text = (quote(new) if written != new else new) if found.use.sql else written
        edits.setdefault(path, []).append((found, text))
    after = Desk()
    for path, changes in edits.items():
        text = changes[0][0].source.text
        for found, replacement in sorted(changes, key=lambda c: c[0].start, reverse=True):
            text = text[: found.start] + replacement + text[found.end :]
        after.open(path, text)
    for path in edits:
        old = desk.document(path)
        before = [d.message for d in desk.findings(old, desk.program(old)) if d.severity == "error"] if old else []
        changed = after.documents[path]
        errors = [d.message for d in after.findings(changed, after.program(changed)) if d.severity == "error"]
        if len(errors) > len(before):
            fresh = next((e for e in errors if e not in before), errors[0])
            raise CannotRename(f"with that name {Path(path).name} would not check: {fresh}")
    return edits


def spelled(name: str) -> str:
    """A name as a recipe writes it: in backticks where it is a word of the language or has odd characters."""
    if not name.strip() or "\n" in name:
        raise CannotRename("a name has letters in it, and one line")
    return backticked(name)


def column_definition(desk: Desk, document: Document, offset: int) -> tuple[Source, int, int] | None:
    """Where a column gets its value: the last ``column = ...`` before, in this step or in those that it reads, or the
    source that declares or reads it."""
    from recipec.lsp.analysis import spot

    here = spot(document, offset)
    path = here.path()
    item = here.item
    if not path or not isinstance(path[-1], tree.Name) or not isinstance(item, tree.Step):
        return None
    name, program = path[-1].id, desk.program(document)
    span: Span | None = None
    for statement in item.body:
        if isinstance(statement, tree.Assign) and statement.column.id == name and statement.span.end < here.inner:
            span = statement.column.span
    entry = next((n for n, e in reversed(program.entries.items()) if e.node is item), None)
    seen: set[str] = set()
    while span is None and entry is not None and entry not in seen:
        seen.add(entry)
        resolved = program.step(entry)
        if resolved is None or not resolved.inputs:
            if resolved is not None and name in resolved.bound.outputs.get("", Schema()).names:
                declared = next((c.origin for c in resolved.bound.outputs[""].columns if c.name == name), None)
                span = declared or resolved.entry.node.name.span
            break
        above = next((r.step for r in resolved.inputs if name in r.schema.names), None)
        entry = above
        if above is not None:
            for statement in program.entries[above].node.body:
                if isinstance(statement, tree.Assign) and statement.column.id == name:
                    span = statement.column.span
    return desk.place(document, span) if span is not None else None
