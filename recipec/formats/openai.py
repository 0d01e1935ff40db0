"""``format: openai()``."""

from __future__ import annotations

from recipec.api import ColumnName, ExportContext, ExportPart, Format, Schema, format, quote
from recipec.formats._chat import (
    CHAT,
    ChatParams,
    chat_problems,
    chat_rules,
    conversation,
    ends_with_assistant,
    role_of,
)
from recipec.formats._lines import compression, write_text
from recipec.formats._pairs import PairParams, one_message, pair_problems, pair_rules, with_pairs
from recipec.formats._rules import Problems, Rule, require
from recipec.formats._stream import Columns, reshaped
from recipec.formats._types import INTEGERS, Type, is_list, parse
from recipec.resolve.types import shown

ROLES = ("system", "developer", "user", "assistant", "tool")
EXTRAS = ("weight", "name", "tool_calls", "tool_call_id")
"""Fields of a message that OpenAI knows beside role and content; written where they are not null."""


@format("openai")
class OpenAI(Format):
    """JSON lines for fine-tuning at OpenAI, and at the services that read its format.

    ```recipe
    export sft from final { to: "build/openai"  format: openai() }
    export sft from final { to: "build/openai.jsonl"  format: openai(user: question, assistant: answer, system: rules) }
    export dpo from pairs { to: "build/openai"  format: openai(prompt: question, chosen: better, rejected: worse) }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `column` | the messages, a list of `{role, content}` | `messages` |
    | `user`, `assistant`, `system` | instead: columns of text, one exchange a row; a null `system` is left out | none |
    | `roles` | what to call the roles of the rows: `{ human: "user", gpt: "assistant" }` | as they are |
    | `tools` | the functions that may be called: json, text of json, or a list of structs; left out of a row where null | none |
    | `prompt`, `chosen`, `rejected` | instead: preferences (DPO); each is text, a message or a list of messages | none |

    A line is `{"messages": [...]}`, or for preferences `{"input": {"messages": [...]}, "preferred_output": [...],
    "non_preferred_output": [...]}`. Of a message's other fields those that OpenAI knows are written where they are not null:
    `weight` (0 or 1, on the assistant's messages), `name`, `tool_calls` and `tool_call_id`; all others are left behind.
    Refused, with the first such row named: what `messages()` refuses, a conversation that does not end with the assistant, a
    weight other than 0 and 1, and for preferences an answer of several messages.

    Upload the file with purpose `fine-tune`. OpenAI asks for at least ten lines.
    """

    class Params(ChatParams):
        tools: ColumnName | None = None
        prompt: ColumnName | None = None
        chosen: ColumnName | None = None
        rejected: ColumnName | None = None

    extension = ".jsonl"
    by_file = True

    @property
    def pairs(self) -> PairParams | None:
        """The arguments of preferences, where these are given."""
        p = self.params
        if p.chosen is None and p.rejected is None and p.prompt is None:
            return None
        return PairParams(prompt=p.prompt, chosen=p.chosen, rejected=p.rejected, roles=p.roles)

    def check(self, schema: Schema) -> Problems:
        p = self.params
        if schema.unknown:
            return []
        if self.pairs is not None:
            mixed = [f for f in ("column", "user", "assistant", "system") if getattr(p, f) is not None]
            if mixed:
                return [(f"`{mixed[0]}` and `prompt`, `chosen`, `rejected` are two kinds of data", "make two exports of them")]
            return pair_problems(self.pairs, schema, "openai") + self.tool_problems(schema)
        return chat_problems(p, schema) + self.tool_problems(schema)

    def tool_problems(self, schema: Schema) -> Problems:
        tools = self.params.tools
        if tools is None or tools.name not in schema.types:
            return []
        t = parse(schema.types[tools.name])
        if t.name in ("JSON", "VARCHAR") or (is_list(t) and t.item.name in ("STRUCT", "JSON")):
            return []
        return [(f"`{tools.name}` is {shown(schema.types[tools.name])}, not a list of functions", "cast it to json")]

    def tools(self, schema: Schema) -> str | None:
        """SQL for the functions of a row as JSON."""
        tools = self.params.tools
        if tools is None:
            return None
        return f"CAST({tools.sql} AS JSON)" if schema.types[tools.name] in ("VARCHAR", "JSON") else f"to_json({tools.sql})"

    def write(self, ctx: ExportContext) -> None:
        pairs = self.pairs

        def along(schema: Schema) -> Columns:
            tools = self.tools(schema)
            return {"tools": ("JSON", tools)} if tools is not None else {}

        def line(part: ExportPart) -> str:
            said = "json_messages" if "json_messages" in part.schema.types else "messages" if pairs is None else '"prompt"'
            row = f"to_json({{'messages': {said}}})"
            if "tools" in part.schema.types:
                row = f"CASE WHEN tools IS NULL THEN {row} ELSE to_json({{'messages': {said}, 'tools': tools}}) END"
            if pairs is not None:
                row = f"to_json({{'input': {row}, 'preferred_output': chosen, 'non_preferred_output': rejected}})"
            return f"CAST({row} AS VARCHAR) || chr(10)"

        if pairs is not None:
            made = with_pairs(ctx, pairs, along)
            require(made, "OpenAI's preferences", lambda _: [*pair_rules(), one_message("chosen"), one_message("rejected")])
        else:
            made = reshaped(ctx, lambda schema: self.columns(schema) | along(schema))
            require(made, "OpenAI's messages", self.rules)
        write_text(made, line, ".jsonl", compress=compression(ctx, None))

    def extras(self, schema: Schema) -> dict[str, Type]:
        """The fields of the messages that go along."""
        p = self.params
        if p.user is not None:
            return {}
        fields = parse(schema.types[p.column.name if p.column is not None else "messages"]).item.fields
        return {n: fields[n] for n in EXTRAS if n in fields}

    def columns(self, schema: Schema) -> Columns:
        """``messages`` for the rules; ``json_messages`` beside it where messages have more than role and content."""
        p, extras = self.params, self.extras(schema)
        made: Columns = {"messages": (CHAT, conversation(p, schema))}
        if extras:
            x = quote(p.column.name if p.column is not None else "messages")
            role = role_of("__m", p.roles)
            values = {n: f"__m.{n}" for n in extras}
            if "weight" in extras:
                values["weight"] = f"CASE WHEN {role} = 'assistant' THEN __m.weight END"
            fields = ", ".join(f"'{n}': {sql}" for n, sql in values.items())
            # A merge patch leaves out what is null in it.
            message = f"json_merge_patch(to_json({{'role': {role}, 'content': __m.content}}), to_json({{{fields}}}))"
            made["json_messages"] = ("JSON[]", f"list_transform({x}, lambda __m: {message})")
            if "weight" in extras and extras["weight"].name in INTEGERS:
                made["bad_weight"] = ("BOOLEAN", f"len(list_filter({x}, lambda __m: __m.weight NOT IN (0, 1))) > 0")
            if "tool_calls" in extras:
                nothing = "__m.role IS NULL OR (__m.content IS NULL AND __m.tool_calls IS NULL)"
                made["bad_null"] = ("BOOLEAN", f"len(list_filter({x}, lambda __m: {nothing})) > 0")
        return made

    def rules(self, schema: Schema) -> list[Rule]:
        x = '"messages"'
        rules = [*chat_rules(x, roles=ROLES), ends_with_assistant(x)]
        if "bad_null" in schema.types:  # a message that calls tools has no content
            rules = [Rule("bad_null", r.what, r.help) if "null role" in r.what else r for r in rules]
        if "bad_weight" in schema.types:
            rules.append(Rule("bad_weight", "with a weight other than 0 and 1", "OpenAI trains on a message or does not"))
        return rules
