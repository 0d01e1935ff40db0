"""A resolved recipe as JSON, for other programs, and the JSON Schema of that.

``recipec docs --format schema`` prints the schema, ``recipec compile --format resolved`` the recipe. Both are
made from the registry and the resolver: every name bound, every edge with its columns and types, defaults filled in.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.registry import Group, find, names
from recipec.report.reference import REST, Param, entry, fields

if TYPE_CHECKING:
    from recipec.api import Schema
    from recipec.resolve.program import Program, ResolvedStep
    from recipec.syntax import tree

FORMAT = 1
"""Raised when a reader of the JSON must be changed."""
CALLED: tuple[Group, ...] = (
    "reader", "operator", "provider", "vote", "combiner", "augmenter", "selector", "task", "metric", "format",
)  # fmt: skip
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The JSON Schema of a resolved recipe."""
    text = {"type": "string"}
    column = closed({"name": text, "type": {**text, "description": "DuckDB's own name of the type"}})
    table = {"type": "array", "items": {"$ref": "#/$defs/column"}}
    header = {
        "version": text,
        "seed": {"type": "integer"},
        "description": text,
        "license": text,
        "language": {"type": "array", "items": text},
        "authors": {"type": "array", "items": text},
        "tags": {"type": "array", "items": text},
        "homepage": text,
    }
    kinds = names("step")
    return {
        "$schema": DIALECT,
        "title": "A resolved recipe",
        **closed(
            {
                "format": {"const": FORMAT},
                "name": text,
                "header": closed(header),
                "params": {"type": "object", "description": "Parameters of the recipe and its imports, with their values"},
                "steps": {
                    "type": "array",
                    "description": "Every step after those that it reads",
                    "items": {"oneOf": [{"$ref": f"#/$defs/{kind}"} for kind in kinds]},
                },
            }
        ),
        "$defs": {
            "column": column,
            "table": table,
            "tables": {
                "type": "object",
                "description": 'The tables that a step makes: "" is its own, others are the parts of a split',
                "additionalProperties": {"$ref": "#/$defs/table"},
            },
            **{kind: step_schema(kind) for kind in kinds},
            **{f"{group}.{name}": call_schema(group, name) for group in CALLED for name in names(group)},
            "call": {"oneOf": [{"$ref": f"#/$defs/{group}.{name}"} for group in CALLED for name in names(group)]},
        },
    }


def step_schema(kind: str) -> dict[str, Any]:
    """The schema of a step of one kind; its settings are as the recipe writes them."""
    made = entry("step", kind)
    assert made is not None
    cls: Any = find("step", kind)
    settings: dict[str, Any] = {
        "type": "object",
        "description": "The settings that are written, as they are written",
        "properties": {p.name: setting_schema(p) for p in made.params if p.name != "rest"},
        "additionalProperties": {"type": "string"} if "shares" in cls.takes else False,
    }
    blocks = {name: block_schema(model) for name, model in cls.blocks.items()}
    least, most = cls.inputs
    listed: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
    inputs = {**listed, "minItems": least}
    if most is not None:
        inputs["maxItems"] = most
    step = closed(
        {
            "name": {"type": "string"},
            "kind": {"const": kind},
            "inputs": inputs,
            "reads": {**listed, "description": "Every table read: inputs, and those that settings name"},
            "settings": settings,
            "calls": {
                "type": "array",
                "description": "Readers, operators, votes, metrics, ...: all that the step calls from the registry",
                "items": {"$ref": "#/$defs/call"},
            },
            **({"blocks": {"type": "object", "properties": blocks, "additionalProperties": False}} if blocks else {}),
            "tables": {"$ref": "#/$defs/tables"},
            "meaning": {"type": "object", "description": "All that decides the result, by field: what fingerprints are made of"},
        }
    )
    return {"description": made.summary, **step}


def call_schema(group: Group, name: str) -> dict[str, Any]:
    """The schema of a call of an entry of the registry; its arguments are as the recipe writes them."""
    made = entry(group, name)
    assert made is not None
    arguments: dict[str, Any] = {p.name: setting_schema(p) for p in made.params if p.name != REST}
    if any(p.name == REST for p in made.params):
        arguments[REST] = {"type": "array", "items": {"type": "string"}, "description": "Further arguments, by position"}
    inside = {"type": "object", "properties": arguments, "additionalProperties": False}
    return {"description": made.summary, **closed({"group": {"const": group}, "name": {"const": name}, "arguments": inside})}


def block_schema(model: Any) -> dict[str, Any]:
    """The schema of a block of settings, ``search { ... }``."""
    params, _ = fields(model)
    return {
        "type": "object",
        "description": "The settings that are written, as they are written",
        "properties": {p.name: setting_schema(p) for p in params},
        "additionalProperties": False,
    }


def setting_schema(param: Param) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "string", "description": param.type + (f". {param.doc}" if param.doc else "")}
    return made if param.default is None else {**made, "default": param.default}


def closed(properties: dict[str, Any]) -> dict[str, Any]:
    """An object of exactly these properties."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def document(program: Program, only: Collection[str] = ()) -> dict[str, Any]:
    """A resolved recipe as plain data; ``only`` some of its steps. Secrets are not in it."""
    params: dict[str, Any] = {}
    queue = [program.root]
    while queue:
        module = queue.pop(0)
        params |= {f"{module.prefix}{name}": plain(value) for name, value in module.params.items()}
        queue += module.imports.values()
    return {
        "format": FORMAT,
        "name": program.recipe,
        "header": program.header.model_dump(),
        "params": params,
        "steps": [step_document(s) for s in program.steps if not only or s.name in only],
    }


def step_document(step: ResolvedStep) -> dict[str, Any]:
    from recipec.syntax import tree

    return {
        "name": step.name,
        "kind": step.kind.name,
        "inputs": [str(i) for i in step.inputs],
        "reads": [str(p) for p in step.parents],
        "settings": {s.key.id: as_written(step, s) for s in step.entry.node.body if isinstance(s, tree.Setting)},
        "calls": list(calls_document(step)),
        **({"blocks": blocks_document(step)} if step.kind.blocks else {}),
        "tables": {part: columns(schema) for part, schema in step.bound.outputs.items()},
        "meaning": plain(dict(step.bound.meaning)),
    }


def calls_document(step: ResolvedStep) -> Iterator[dict[str, Any]]:
    """What a step calls from the registry: its reader, its operators and votes, and what its settings name."""
    from recipec.resolve.arguments import choices_of
    from recipec.syntax import tree

    kind, node = step.kind, step.entry.node
    if node.reader is not None:
        yield from called(kind.readers, node.reader)
    for statement in node.body:
        if isinstance(statement, tree.Op):
            yield from called("vote" if statement.vote else kind.ops, statement.call)
        elif isinstance(statement, tree.Setting):
            fields = kind.Settings.model_fields
            info = fields.get(statement.key.id) or fields.get(f"{statement.key.id}_")
            choices = None if info is None else choices_of(info.annotation, info.metadata)
            if choices is not None and choices.group is not None:
                values = statement.value.items if isinstance(statement.value, tree.ListExpr) else (statement.value,)
                for value in values:
                    yield from called(choices.group, value)


def called(group: Group, node: tree.Node) -> Iterator[dict[str, Any]]:
    """A call as the schema has it; nothing for what the group does not know (a block, a param)."""
    from recipec.syntax import tree

    name = node.func if isinstance(node, tree.Call) else node
    made = entry(group, name.id) if isinstance(name, tree.Name) and name.id in names(group) else None
    if made is None or not isinstance(name, tree.Name):
        return
    order = [p.name for p in made.params if p.name != REST]
    rest = any(p.name == REST for p in made.params)
    arguments: dict[str, Any] = {}
    for place, argument in enumerate(node.args if isinstance(node, tree.Call) else ()):
        if argument.name is not None:
            arguments[argument.name.id] = argument.value.span.text
        elif rest:
            arguments.setdefault(REST, []).append(argument.value.span.text)
        elif place < len(order):
            arguments[order[place]] = argument.value.span.text
    yield {"group": group, "name": name.id, "arguments": arguments}


def blocks_document(step: ResolvedStep) -> dict[str, dict[str, str]]:
    """The settings of the step's blocks, as written."""
    from recipec.resolve.binder import block_name
    from recipec.syntax import tree

    found = [s for s in step.entry.node.body if isinstance(s, tree.Op) and not s.vote and block_name(s) in step.kind.blocks]
    return {block_name(op): {s.key.id: s.value.span.text for s in op.body or () if isinstance(s, tree.Setting)} for op in found}


def as_written(step: ResolvedStep, setting: tree.Setting) -> str:
    from recipec.api import Secret
    from recipec.resolve.arguments import markers
    from recipec.resolve.values import secret

    info = step.kind.Settings.model_fields.get(setting.key.id)
    if info is not None and Secret in markers(info.annotation)[0]:
        value = secret(setting.value)
        return value.shown if value is not None else "***"
    return setting.value.span.text


def columns(schema: Schema) -> list[dict[str, str]]:
    return [{"name": c.name, "type": c.type} for c in schema.columns]


def plain(value: Any) -> Any:
    """A value as JSON holds it; a text from the environment by its variable's name alone."""
    from recipec.resolve.values import EnvText

    match value:
        case EnvText():
            return f'env("{value.variable}")'
        case dict():
            return {str(k): plain(v) for k, v in value.items()}
        case list() | tuple():
            return [plain(v) for v in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


def main(arguments: list[str]) -> int:
    """Print the schema, or the recipe named; 1 when it has errors, 2 when it cannot be read."""
    from recipec.cli._analysis import analyse
    from recipec.source import Source

    made = schema()
    if arguments:
        try:
            text = Path(arguments[0]).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            print(f"cannot read {arguments[0]}: {error}", file=sys.stderr)
            return 2
        program = analyse(Source(arguments[0], text), {}, offline=False)
        if program.findings.errors:
            print(f"{arguments[0]} has errors: recipec check {arguments[0]}", file=sys.stderr)
            return 1
        made = document(program)
    print(json.dumps(made, indent=2, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
