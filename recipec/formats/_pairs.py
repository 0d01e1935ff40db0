"""Preferences: a prompt with a better and a worse answer, out of the shapes in which people have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recipec.api import ColumnName, ExportContext, Schema, Settings, quote
from recipec.formats._chat import CHAT, chat_rules, is_chat, is_message, turns
from recipec.formats._rules import Problems, Rule
from recipec.formats._stream import Columns, reshaped
from recipec.formats._types import is_text, parse
from recipec.resolve.types import shown
from recipec.settings import Field

WHOLE = "leave out `prompt:` where `chosen` and `rejected` hold the whole conversation"


class PairParams(Settings):
    """The columns of a preference: each a text, one message, or a list of messages."""

    prompt: ColumnName | None = None
    chosen: ColumnName | None = None
    rejected: ColumnName | None = None
    roles: dict[str, str] = Field(default_factory=dict)


def pair_columns(p: PairParams, schema: Schema) -> dict[str, str]:
    """``prompt`` (where there is one), ``chosen`` and ``rejected`` to the columns they are read from."""
    given = {"prompt": p.prompt, "chosen": p.chosen, "rejected": p.rejected}
    return {f: c.name if c is not None else f for f, c in given.items() if c is not None or f in schema.types}


def pair_problems(p: PairParams, schema: Schema, format: str) -> Problems:
    """Why no pairs can be made of the columns."""
    if schema.unknown:
        return []
    columns = pair_columns(p, schema)
    found = [(f"there is no column `{f}`", f"say which it is: `{format}({f}: ...)`") for f in ("chosen", "rejected") if f not in columns]
    for field, name in columns.items():
        found += turns_problems(field, name, schema)
    if found or "prompt" in columns:
        return found
    for field in ("chosen", "rejected"):
        if not is_chat(parse(schema.types[columns[field]])):
            found.append(
                (f"without a prompt, `{columns[field]}` must be a whole conversation", f"name the prompt: `{format}(prompt: ...)`")
            )
    return found


def turns_problems(field: str, name: str, schema: Schema) -> Problems:
    """Why a column holds no turns."""
    if name not in schema.types:
        return [(f"column `{name}` is not exported", "add it to `columns:` of the export")]
    t = parse(schema.types[name])
    if is_text(t) or is_message(t) or is_chat(t):
        return []
    return [(f"`{name}` is {shown(schema.types[name])}, and `{field}` must be text or messages", "a message is {role, content}")]


def with_pairs(ctx: ExportContext, p: PairParams, keep: Callable[[Schema], Columns]) -> ExportContext:
    """The rows as ``prompt, chosen, rejected``, lists of messages each, and what is kept.

    Without a prompt column, the prompt is what the two conversations have in common at their beginning.
    """

    def said(schema: Schema) -> Columns:
        columns = pair_columns(p, schema)
        roles = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}
        texts = {f: turns(n, parse(schema.types[n]), roles[f], p.roles) for f, n in columns.items()}
        if "prompt" not in texts:
            texts["prompt"] = f"NULL::{CHAT}"
        return keep(schema) | {f: (CHAT, sql) for f, sql in texts.items()} | {"__whole": ("BOOLEAN", str("prompt" not in columns).lower())}

    def common(schema: Schema) -> Columns:
        # One list begins as the other does up to its i-th message: so often as there are such i, they agree.
        places = "range(1, least(len(chosen), len(rejected)) + 1)"
        shared = f"len(list_filter({places}, lambda __i: list_slice(chosen, 1, __i) = list_slice(rejected, 1, __i)))"
        return same(schema) | {"__common": ("BIGINT", f"CASE WHEN __whole THEN {shared} ELSE 0 END")}

    def cut(schema: Schema) -> Columns:
        return same(schema, without=("__whole", "__common")) | {
            "prompt": (CHAT, "CASE WHEN __whole THEN list_slice(chosen, 1, __common) ELSE prompt END"),
            "chosen": (CHAT, "list_slice(chosen, __common + 1, len(chosen))"),
            "rejected": (CHAT, "list_slice(rejected, __common + 1, len(rejected))"),
        }

    return reshaped(reshaped(reshaped(ctx, said), common), cut)


def same(schema: Schema, without: Sequence[str] = ()) -> Columns:
    """All columns as they are, but for some."""
    return {c.name: (c.type, quote(c.name)) for c in schema.columns if c.name not in without}


def pair_rules() -> list[Rule]:
    """Over the columns of :func:`with_pairs`."""
    help = 'drop them: `drop where chosen == rejected as "no preference"`'
    same = Rule("chosen = rejected", "whose chosen and rejected answers are the same", help)
    return [same, *prompt_rules(), *(rule for side in ("chosen", "rejected") for rule in answer_rules(side))]


def prompt_rules() -> list[Rule]:
    said = '"prompt"[len("prompt")].role'
    return [
        *chat_rules('"prompt"', answered=False),
        Rule(f"{said} NOT IN ('user', 'tool')", "whose prompt does not end with the user", WHOLE, show=said),
    ]


def answer_rules(side: str) -> list[Rule]:
    """An answer begins and ends with the assistant."""
    x = f'"{side}"'
    ends = f"{x}[1].role <> 'assistant' OR {x}[len({x})].role <> 'assistant'"
    return [*chat_rules(x, answered=False), Rule(ends, f"where `{side}` is not the assistant's", WHOLE, show=f"{x}[1].role")]


def one_message(side: str) -> Rule:
    return Rule(f'len("{side}") > 1', f"with several messages in `{side}`", "this format takes one answer; use preference()")
