"""``format: sharegpt()``."""

from __future__ import annotations

from typing import Any, Literal

from recipec.api import ExportContext, Format, Schema, format
from recipec.formats._chat import CHAT, ChatParams, alternates, chat_problems, chat_rules, conversation, ends_with_assistant, write_chat
from recipec.formats._rules import Problems, require
from recipec.formats._stream import reshaped

TURNS = 'STRUCT("from" VARCHAR, "value" VARCHAR)[]'


@format("sharegpt")
class ShareGpt(Format):
    """ShareGPT conversations: `{"conversations": [{"from": "human", "value": "..."}, {"from": "gpt", "value": "..."}]}`.

    ```recipe
    export chat from final { to: "build/sharegpt"  format: sharegpt() }
    export chat from final { to: "build/sharegpt.json"  format: sharegpt(user: question, assistant: answer, file: "json") }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `column` | the messages, a list of `{role, content}` | `messages` |
    | `user`, `assistant`, `system` | instead: columns of text, one exchange a row; a null `system` is left out | none |
    | `roles` | what to call the roles of the rows (before they become human and gpt) | as they are |
    | `file` | `jsonl`, or `json` for one array | `jsonl` |

    The user becomes `human`, the assistant `gpt`, the system stays `system`, first. Readers of this format skip or break on
    conversations that do not take turns, so those are refused with the first such row named; tool messages too. For TRL use
    `messages()`: it would train on the words human and gpt.

    | reader | what to write there |
    |---|---|
    | LLaMA-Factory | a `dataset_info.json` entry with `"formatting": "sharegpt"` (or use `llama_factory()`) |
    | axolotl | `type: chat_template`, `field_messages: conversations`, `message_property_mappings: {role: from, content: value}` |
    | FastChat | `--data_path build/sharegpt.json` (`file: "json"`) |
    """

    class Params(ChatParams):
        file: Literal["jsonl", "json"] = "jsonl"

    extension = ".jsonl"
    by_file = True

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        vars(self)["extension"] = f".{params.file}"

    def check(self, schema: Schema) -> Problems:
        return chat_problems(self.params, schema)

    def write(self, ctx: ExportContext) -> None:
        p, x = self.params, '"messages"'
        whole = reshaped(ctx, lambda schema: {"messages": (CHAT, conversation(p, schema))})
        rules = [*chat_rules(x, roles=("system", "user", "assistant")), alternates(x), ends_with_assistant(x)]
        require(whole, "ShareGPT", lambda _: rules)
        name = "CASE __m.role WHEN 'user' THEN 'human' WHEN 'assistant' THEN 'gpt' ELSE __m.role END"
        turns = f"list_transform({x}, lambda __m: {{'from': {name}, 'value': __m.content}})"
        write_chat(whole, lambda _: {"conversations": (TURNS, turns)}, "ShareGPT", [], p.file)
