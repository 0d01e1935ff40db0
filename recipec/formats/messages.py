"""``format: messages()``."""

from __future__ import annotations

from typing import Any, Literal

from recipec.api import ColumnName, ExportContext, Format, Schema, format
from recipec.formats._chat import (
    CHAT,
    ChatParams,
    chat_problems,
    chat_rules,
    conversation,
    ends_with_assistant,
    kept,
    kept_problems,
    write_chat,
)
from recipec.formats._rules import Problems, require
from recipec.formats._stream import Columns, reshaped


@format("messages")
class Messages(Format):
    """Chat messages for supervised fine-tuning: what TRL, axolotl and most trainers read without conversion.

    ```recipe
    export sft from final { to: "build/sft"  format: messages() }
    export sft from final { to: "build/sft.jsonl"  format: messages(user: question, assistant: answer, file: "jsonl") }
    export sft from final { to: "build/sft"  format: messages(column: chat, roles: { human: "user", gpt: "assistant" }, keep: [source]) }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `column` | the messages, a list of `{role, content}` | `messages` |
    | `user`, `assistant`, `system` | instead: columns of text, one exchange a row; a null `system` is left out | none |
    | `roles` | what to call the roles of the rows | as they are |
    | `shape` | `messages`, or `prompt_completion`: the last answer apart, so that it alone is trained | `messages` |
    | `keep` | further columns to write | none |
    | `file` | `parquet` or `jsonl` | `parquet` |

    A message is written as `{role, content}` and nothing else. Roles are system, user, assistant and tool. Refused, with
    the first such row named: no messages, a null role or content, an unknown role (ShareGPT's `human` and `gpt` would be
    trained on literally), a system message after the first, and a conversation without an assistant's message.

    | reader | what to write there |
    |---|---|
    | TRL SFT | `datasets: [{path: parquet, data_files: build/sft/train.parquet}]` |
    | axolotl | `datasets: [{path: build/sft/train.parquet, ds_type: parquet, type: chat_template}]` |
    | transformers, Unsloth | `load_dataset("parquet", data_files=...)`, then `tokenizer.apply_chat_template(row["messages"])` |
    | LLaMA-Factory | use `llama_factory()`, which writes its `dataset_info.json` too |
    """

    class Params(ChatParams):
        shape: Literal["messages", "prompt_completion"] = "messages"
        keep: tuple[ColumnName, ...] = ()
        file: Literal["parquet", "jsonl"] = "parquet"

    extension = ".parquet"
    by_file = True

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        vars(self)["extension"] = f".{params.file}"

    def check(self, schema: Schema) -> Problems:
        return chat_problems(self.params, schema) + kept_problems(self.params.keep, schema, self.params.file)

    def write(self, ctx: ExportContext) -> None:
        p = self.params
        rules = chat_rules('"messages"')

        def whole(schema: Schema) -> Columns:
            return kept(p.keep, schema) | {"messages": (CHAT, conversation(p, schema))}

        if p.shape == "messages":
            write_chat(ctx, whole, "messages", rules, p.file)
            return
        # The rules speak of the whole conversation, so it is made first, checked, and then cut.
        made = reshaped(ctx, whole)
        require(made, "prompt and completion", lambda _: [*rules, ends_with_assistant('"messages"')])

        def cut(schema: Schema) -> Columns:
            return kept(p.keep, schema) | {
                "prompt": (CHAT, 'list_slice("messages", 1, len("messages") - 1)'),
                "completion": (CHAT, 'list_slice("messages", len("messages"), len("messages"))'),
            }

        write_chat(made, cut, "prompt and completion", [], p.file)
