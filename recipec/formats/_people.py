"""Tasks for people to label: a text with what is thought of it so far, for Label Studio and Argilla."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recipec.api import ColumnName, ExportContext, Schema, Settings, literal, quote
from recipec.formats._chat import kept_problems, text_problems
from recipec.formats._labels import Mention, found_classes, mentions, split_tag
from recipec.formats._lines import JSON, write_text
from recipec.formats._rules import Problems, Rule, require
from recipec.formats._types import INTEGERS, is_list, is_text, parse
from recipec.formats.jsonl import json_rules
from recipec.resolve.types import shown


class TaskParams(Settings):
    """What people see, and the labels thought of so far."""

    text: ColumnName | None = None
    label: ColumnName | None = None
    tokens: ColumnName | None = None
    tags: ColumnName | None = None
    confidence: ColumnName | None = None
    joiner: str = " "
    keep: tuple[ColumnName, ...] = ()


NUMBERS = INTEGERS | {"FLOAT", "DOUBLE", "DECIMAL"}


def task_problems(p: TaskParams, schema: Schema) -> Problems:
    """Why no tasks can be made of the columns."""
    if schema.unknown:
        return []
    found = kept_problems(p.keep, schema, "jsonl")
    if (p.tokens is None) != (p.tags is None):
        return [*found, ("`tokens` and `tags` belong together", "name both lists, or `text` and `label`")]
    if p.tokens is not None and p.tags is not None:
        if p.text is not None or p.label is not None:
            return [*found, ("`tokens` and `tags` take the place of `text` and `label`", "leave one pair out")]
        for c in (p.tokens, p.tags):
            t = parse(schema.types.get(c.name, "NULL"))
            if not (is_list(t) and is_text(t.item)):
                found.append((f"`{c.name}` must be a list of text", 'make tokens: `tokens = string_split(text, " ")`'))
    else:
        found += text_problems(p.text.name if p.text is not None else "text", schema)
        if p.label is not None:
            t = parse(schema.types.get(p.label.name, "NULL"))
            if not (is_text(t) or (is_list(t) and is_text(t.item))):
                given = shown(schema.types.get(p.label.name, "nothing"))
                found.append((f"`{p.label.name}` must be text or a list of texts, and is {given}", "cast it to text"))
    if p.confidence is not None and parse(schema.types.get(p.confidence.name, "NULL")).name not in NUMBERS:
        found.append((f"`{p.confidence.name}` must be a number", "it is a share: 0.9"))
    return found


def task_rules(p: TaskParams, schema: Schema) -> list[Rule]:
    """A task needs its text, and tags that fit it."""
    rules = json_rules(schema.only([c.name for c in (*p.keep, *([p.confidence] if p.confidence else []))]))
    if p.tokens is None or p.tags is None:
        name = p.text.name if p.text is not None else "text"
        return [Rule(f"{quote(name)} IS NULL", f"without `{name}`", f'drop them: `drop where {name} is null as "no text"`'), *rules]
    tokens, tags = p.tokens.sql, p.tags.sql
    return [
        Rule(f"{tokens} IS NULL OR len({tokens}) = 0", f"without `{p.tokens.name}`", "drop them"),
        Rule(f"len(list_filter({tokens}, lambda __t: __t IS NULL)) > 0", f"with a null in `{p.tokens.name}`", "clean the tokens first"),
        Rule(
            f"{tags} IS NOT NULL AND len({tags}) <> len({tokens})",
            f"with lists of different lengths in `{p.tokens.name}` and `{p.tags.name}`",
            "every token needs one tag",
        ),
        *rules,
    ]


def text_sql(p: TaskParams) -> str:
    """SQL for the text that people see."""
    if p.tokens is not None:
        return f"array_to_string({p.tokens.sql}, {literal(p.joiner)})"
    return f"CAST({p.text.sql if p.text is not None else quote('text')} AS VARCHAR)"


def row_sql(p: TaskParams, data: Mapping[str, str], key: str | None) -> str:
    """SQL for what the render function gets: ``data`` and ``keep`` as JSON texts, and what was thought so far."""

    def text_of(fields: Mapping[str, str]) -> str:
        inside = ", ".join(f"{literal(n)}: {sql}" for n, sql in fields.items())
        return f"CAST(to_json({{{inside}}}) AS VARCHAR)" if fields else "'{}'"

    label = "NULL::VARCHAR[]"
    if p.label is not None:
        one = p.label.sql
        texts = f"CASE WHEN {one} IS NOT NULL THEN [CAST({one} AS VARCHAR)] END"
        label = f"CAST({one} AS VARCHAR[])" if p.label.type.endswith("]") else texts
    fields = {
        "data": text_of(data),
        "keep": text_of({c.name: c.sql for c in p.keep}),
        "labels": label,
        "tokens": f"CAST({p.tokens.sql} AS VARCHAR[])" if p.tokens is not None else "NULL::VARCHAR[]",
        "tags": f"CAST({p.tags.sql} AS VARCHAR[])" if p.tags is not None else "NULL::VARCHAR[]",
        "score": f"CAST({p.confidence.sql} AS DOUBLE)" if p.confidence is not None else "NULL::DOUBLE",
        "key": f"CAST({key} AS VARCHAR)" if key is not None else "NULL::VARCHAR",
    }
    return "{" + ", ".join(f"'{n}': {sql}" for n, sql in fields.items()) + "}"


def spans(row: Mapping[str, Any], joiner: str) -> list[Mention] | None:
    """The tagged stretches of a row's text; None where the row has no tags."""
    return None if row["tags"] is None else mentions(row["tokens"], row["tags"], joiner)


def classes(p: TaskParams, ctx: ExportContext) -> Sequence[str]:
    """The labels to choose from: those of the rows, sorted; of tags, the entities; none where nothing is labelled yet."""
    column = p.label if p.label is not None else p.tags
    if column is None:
        return ()
    schema = ctx.parts[0].schema
    found = found_classes(ctx, column.name, parse(schema.types[column.name]), otherwise=None)
    return found if p.tags is None else list(dict.fromkeys(split_tag(t)[1] for t in found if t != "O"))


def write_tasks(ctx: ExportContext, p: TaskParams, format: str, line: str, render: Callable[[dict[str, Any]], str]) -> None:
    """One JSON array a part."""
    require(ctx, format, lambda schema: task_rules(p, schema))
    extension, head, between, tail = JSON
    write_text(ctx, lambda _: line, extension, head=head, between=between, tail=tail, render=render)
