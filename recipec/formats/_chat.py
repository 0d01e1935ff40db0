"""Chat messages: where they come from, what a trainer takes, and the rows that would break it or teach it the wrong thing.

A message is ``{role, content}`` and nothing else: whatever other fields a row's messages have (a null ``name`` or
``tool_calls`` would reach the prompt through the chat template) is left behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from recipec.api import ColumnName, ExportContext, Schema, Settings, literal, quote
from recipec.formats._lines import compression, write_json
from recipec.formats._rules import Problems, Rule, require
from recipec.formats._stream import Columns, reshaped
from recipec.formats._table import write_parquet
from recipec.formats._types import Type, is_list, is_text, parse
from recipec.formats.jsonl import json_problems, json_rules
from recipec.formats.parquet import parquet_problems, parquet_rules
from recipec.resolve.types import shown
from recipec.settings import Field

MESSAGE = 'STRUCT("role" VARCHAR, "content" VARCHAR)'
CHAT = f"{MESSAGE}[]"
ROLES = ("system", "user", "assistant", "tool")
RENAME = 'rename them: `roles: { human: "user", gpt: "assistant" }`'


class ChatParams(Settings):
    """Where a conversation comes from: one column of messages, or columns of text for a single exchange."""

    column: ColumnName | None = None
    user: ColumnName | None = None
    assistant: ColumnName | None = None
    system: ColumnName | None = None
    roles: dict[str, str] = Field(default_factory=dict)


# Columns --------------------------------------------------------------------------------------------------------------


def is_message(t: Type) -> bool:
    """``{role: text, content: text}``, whatever other fields there are."""
    return all(n in t.fields and is_text(t.fields[n]) for n in ("role", "content"))


def is_chat(t: Type) -> bool:
    return is_list(t) and is_message(t.item)


def chat_problems(p: ChatParams, schema: Schema) -> Problems:
    """Why no conversation can be made of the columns."""
    if schema.unknown:
        return []
    if p.user is not None or p.assistant is not None:
        if p.column is not None:
            return [("the messages come from `column` or from `user` and `assistant`, not from both", "leave one out")]
        if p.user is None or p.assistant is None:
            return [("`user` and `assistant` belong together", "messages(user: question, assistant: answer)")]
        return [problem for c in (p.user, p.assistant, p.system) if c is not None for problem in text_problems(c.name, schema)]
    if p.system is not None:
        return [("`system` goes with `user` and `assistant`", "put it into the messages as the first one")]
    name = p.column.name if p.column is not None else "messages"
    if name not in schema.types:
        help = "name the messages, `column: chat`, or make them: `messages = conversation(user: q, assistant: a)`"
        if {"chosen", "rejected"} <= schema.types.keys():
            help = "preferences are named, `chosen: chosen, rejected: rejected` and their `prompt:`, where a format takes them, or go by preference()"
        return [(f"there is no column `{name}`", help)]
    return shape_problems(name, schema)


def shape_problems(name: str, schema: Schema) -> Problems:
    """Why a column is no list of messages."""
    t = parse(schema.types[name])
    if is_chat(t):
        return []
    given = f"`{name}` is {shown(schema.types[name])}, not a list of messages"
    if is_list(t) and {"from", "value"} <= t.item.fields.keys():
        map = f"{name} = list_transform({name}, lambda m: {{role: m.from, content: m.value}})"
        return [(given, f"rename the fields: `{map}`, and then the roles")]
    if is_list(t) and {"role", "content"} <= t.item.fields.keys():
        return [(given, "`role` and `content` must be text")]
    return [(given, "a message is {role, content}: `messages = conversation(user: question, assistant: answer)`")]


def text_problems(name: str, schema: Schema) -> Problems:
    """Why a column is no text."""
    if name not in schema.types:
        return [(f"column `{name}` is not exported", "add it to `columns:` of the export")]
    if is_text(parse(schema.types[name])):
        return []
    return [(f"`{name}` must be text, and is {shown(schema.types[name])}", f"`{name} = cast({name} as text)`")]


def conversation(p: ChatParams, schema: Schema) -> str:
    """SQL for the messages of a row."""
    if p.user is not None and p.assistant is not None:
        said = f"[{_message('user', p.user.name)}, {_message('assistant', p.assistant.name)}]"
        if p.system is None:
            return said
        return f"CASE WHEN {p.system.sql} IS NULL THEN {said} ELSE list_concat([{_message('system', p.system.name)}], {said}) END"
    return messages(quote(p.column.name if p.column is not None else "messages"), p.roles)


def _message(role: str, column: str) -> str:
    return f"{{'role': {literal(role)}, 'content': CAST({quote(column)} AS VARCHAR)}}"


def messages(x: str, roles: Mapping[str, str]) -> str:
    """SQL for a list of messages with their role and content alone, roles renamed."""
    return f"list_transform({x}, lambda __m: {{'role': {role_of('__m', roles)}, 'content': CAST(__m.content AS VARCHAR)}})"


def role_of(m: str, roles: Mapping[str, str]) -> str:
    """SQL for a message's role, renamed."""
    role = f"CAST({m}.role AS VARCHAR)"
    renamed = " ".join(f"WHEN {literal(old)} THEN {literal(new)}" for old, new in roles.items())
    return f"CASE {role} {renamed} ELSE {role} END" if roles else role


def turns(name: str, t: Type, role: str, roles: Mapping[str, str]) -> str:
    """SQL for messages out of a text (said by ``role``), one message, or a list of them; null stays null."""
    x = quote(name)
    if is_text(t):
        return f"CASE WHEN {x} IS NOT NULL THEN [{_message(role, name)}] END"
    return f"CASE WHEN {x} IS NOT NULL THEN {messages(f'[{x}]', roles)} END" if is_message(t) else messages(x, roles)


# Rows that must not be written ----------------------------------------------------------------------------------------


def chat_rules(x: str, *, roles: Sequence[str] = ROLES, answered: bool = True) -> list[Rule]:
    """A conversation that any trainer takes: known roles, no nulls, the system first, something of the assistant's to learn."""
    known = ", ".join(literal(r) for r in roles)
    strange = f"list_filter({x}, lambda __m: __m.role NOT IN ({known}))"
    late = f"len(list_filter(list_slice({x}, 2, len({x})), lambda __m: __m.role = 'system')) > 0"
    name = _plain(x)
    empty = f"len(list_filter({x}, lambda __m: __m.role IS NULL OR __m.content IS NULL)) > 0"
    rules = [
        Rule(f"{x} IS NULL OR len({x}) = 0", f"without {name}", 'drop them: `drop where len(messages) == 0 as "no messages"`'),
        Rule(empty, f"with a null role or content in {name}", 'drop them, or write "" for an empty content'),
        Rule(f"len({strange}) > 0", f"with a role in {name} that is none of {', '.join(roles)}", RENAME, show=f"{strange}[1].role"),
        Rule(late, f"with a system message that is not the first of {name}", "put it first, or make it a user's message"),
    ]
    if answered:
        silent = f"len(list_filter({x}, lambda __m: __m.role = 'assistant')) = 0"
        rules.append(Rule(f"len({x}) > 0 AND {silent}", "without an assistant's message, so with nothing to learn", "drop them"))
    return rules


def ends_with_assistant(x: str) -> Rule:
    said = f"{x}[len({x})].role"
    what = f"whose last message in {_plain(x)} is not the assistant's"
    return Rule(f"{said} <> 'assistant'", what, "drop what follows the last answer", show=said)


def alternates(x: str) -> Rule:
    """Strictly user (or tool), assistant, user, assistant after an optional system message."""
    said = f"list_filter({x}, lambda __m: __m.role <> 'system')"
    wrong = "CASE WHEN __i % 2 = 1 THEN __m.role NOT IN ('user', 'tool') ELSE __m.role <> 'assistant' END"
    return Rule(
        f"len(list_filter({said}, lambda __m, __i: {wrong})) > 0",
        f"where user and assistant do not take turns in {_plain(x)}",
        "join messages of one speaker that follow each other, or drop such rows",
        show=f"array_to_string(list_transform({x}, lambda __m: __m.role), ', ')",
    )


def _plain(x: str) -> str:
    return f"`{x.strip(chr(34))}`"


# Files ----------------------------------------------------------------------------------------------------------------


def kept(columns: Sequence[ColumnName], schema: Schema) -> Columns:
    """Columns that go along as they are."""
    return {c.name: (schema.types[c.name], c.sql) for c in columns}


def kept_problems(columns: Sequence[ColumnName], schema: Schema, file: str) -> Problems:
    missing = [(f"column `{c.name}` is not exported", "add it to `columns:` of the export") for c in columns if c.name not in schema.types]
    if missing or not columns or schema.unknown:
        return [] if schema.unknown else missing
    only = schema.only([c.name for c in columns])
    return parquet_problems(only) if file == "parquet" else json_problems(only)


def file_of(ctx: ExportContext, asked: str) -> str:
    """``parquet``, ``jsonl`` or ``json``: as the name in ``to:`` says, else as asked."""
    name = (ctx.single or "").removesuffix(".gz").removesuffix(".zst")
    return next((kind for kind in ("parquet", "jsonl", "json") if name.endswith(f".{kind}")), asked)


def write_chat(ctx: ExportContext, columns_of: Callable[[Schema], Columns], format: str, rules: Sequence[Rule], file: str) -> None:
    """The columns as Parquet, JSON lines or one JSON array, once no row breaks a rule."""
    made = reshaped(ctx, columns_of)
    kind = file_of(ctx, file)
    require(made, format, lambda schema: [*rules, *(parquet_rules if kind == "parquet" else json_rules)(schema)])
    if kind == "parquet":
        write_parquet(made)
    else:
        write_json(made, array=kind == "json", compress=compression(ctx, None))
