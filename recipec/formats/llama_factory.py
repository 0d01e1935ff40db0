"""``format: llama_factory()``."""

from __future__ import annotations

import json
from typing import Any, Literal

from recipec.api import ColumnName, ExportContext, ExportPart, Format, Schema, format
from recipec.formats._chat import CHAT, MESSAGE, ChatParams, alternates, chat_problems, chat_rules, conversation, ends_with_assistant
from recipec.formats._lines import write_json
from recipec.formats._pairs import PairParams, one_message, pair_problems, pair_rules, with_pairs
from recipec.formats._rules import Problems, Rule, require
from recipec.formats._stream import Columns, needs_folder, reshaped
from recipec.formats._table import write_parquet
from recipec.resolve.types import shown

TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "function_call",
    "system_tag": "system",
}


@format("llama_factory")
class LlamaFactory(Format):
    """Data for LLaMA-Factory with the `dataset_info.json` that it asks for.

    ```recipe
    export sft from final { to: "build/lf"  format: llama_factory() }
    export dpo from pairs { to: "build/lf"  format: llama_factory(prompt: question, chosen: better, rejected: worse, name: "shop_dpo") }
    export kto from rated { to: "build/lf"  format: llama_factory(label: good) }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `column` | the messages, a list of `{role, content}` | `messages` |
    | `user`, `assistant`, `system` | instead: columns of text, one exchange a row; a null `system` is left out | none |
    | `roles` | what to call the roles of the rows: `{ human: "user", gpt: "assistant" }` | as they are |
    | `prompt`, `chosen`, `rejected` | instead: preferences (`stage: rm`, `dpo`); each is text, a message or a list of messages | none |
    | `label` | with messages: whether the last answer is good, true or false (`stage: kto`) | none |
    | `name` | the data set's name: alone for one part, else `NAME_train`, `NAME_test`, ... | the parts' names |
    | `file` | `jsonl` or `parquet` | `jsonl` |

    LLaMA-Factory skips, with a line in its log, every conversation that does not take strict turns from the user to the
    assistant after an optional system message; here such rows are an error that names the first. Tool messages stand where a
    user's may stand. Entries are written with `"formatting": "sharegpt"` and our role names as tags, because `"openai"`
    puts a system prompt of its own into every row.

    In the training configuration: `dataset_dir: build/lf`, `dataset: train`, `eval_dataset: validation`.
    """

    class Params(ChatParams):
        prompt: ColumnName | None = None
        chosen: ColumnName | None = None
        rejected: ColumnName | None = None
        label: ColumnName | None = None
        name: str | None = None
        file: Literal["jsonl", "parquet"] = "jsonl"

    extension = ""  # a folder, never one file
    beside = frozenset({"dataset_info.json"})

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
            mixed = [f for f in ("column", "user", "assistant", "system", "label") if getattr(p, f) is not None]
            if mixed:
                return [(f"`{mixed[0]}` and `prompt`, `chosen`, `rejected` are two kinds of data", "make two exports of them")]
            return pair_problems(self.pairs, schema, "llama_factory")
        found = chat_problems(p, schema)
        if p.label is not None and schema.types.get(p.label.name) != "BOOLEAN":
            given = shown(schema.types.get(p.label.name, "nothing"))
            found.append((f"`{p.label.name}` must be true or false, and is {given}", f"`good = {p.label.name} == ...`"))
        return found

    def write(self, ctx: ExportContext) -> None:
        p = self.params
        needs_folder(ctx, "llama_factory", "its data and dataset_info.json")
        entry: dict[str, Any] = {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": TAGS}
        pairs, x = self.pairs, '"messages"'
        if pairs is not None:
            rules = [*pair_rules(), alternates('"prompt"'), one_message("chosen"), one_message("rejected")]
            whole = with_pairs(ctx, pairs, lambda _: {})
            require(whole, "LLaMA-Factory's preferences", lambda _: rules)
            answers: Columns = {side: (MESSAGE, f'"{side}"[1]') for side in ("chosen", "rejected")}
            made = reshaped(whole, lambda _: {"messages": (CHAT, '"prompt"'), **answers})
            entry |= {"ranking": True, "columns": {"messages": "messages", "chosen": "chosen", "rejected": "rejected"}}
        else:
            rules = [*chat_rules(x), alternates(x), ends_with_assistant(x)]
            tag: Columns = {}
            if p.label is not None:
                tag = {"kto_tag": ("BOOLEAN", p.label.sql)}
                rules.append(Rule("kto_tag IS NULL", f"without `{p.label.name}`", "drop what nobody rated"))
                entry["columns"] = {"messages": "messages", "kto_tag": "kto_tag"}
            made = reshaped(ctx, lambda schema: {"messages": (CHAT, conversation(p, schema)), **tag})
            require(made, "LLaMA-Factory's messages", lambda _: rules)

        # A data set in several files is a folder of its own: LLaMA-Factory reads all that lies in it.
        sharded = ctx.shards > 1
        if p.file == "parquet":
            write_parquet(made, apart=sharded)
        else:
            write_json(made, apart=sharded)
        extension = "" if sharded else f".{p.file}"
        info = {self.dataset(part, len(ctx.parts)): {"file_name": f"{part.name}{extension}", **entry} for part in ctx.parts}
        # ASCII alone: LLaMA-Factory opens this file in whatever encoding the machine has.
        (ctx.folder / "dataset_info.json").write_text(json.dumps(info, indent=2) + "\n", encoding="ascii", newline="\n")

    def dataset(self, part: ExportPart, parts: int) -> str:
        """What the data set of a part is called."""
        if self.params.name is None:
            return part.name
        return str(self.params.name) if parts == 1 else f"{self.params.name}_{part.name}"
