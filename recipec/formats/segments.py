"""``format: segments()``."""

from __future__ import annotations

from typing import Any, Literal

from recipec.api import ColumnName, ExportContext, Format, Schema, format, literal
from recipec.formats._chat import (
    CHAT,
    ROLES,
    ChatParams,
    chat_problems,
    chat_rules,
    conversation,
    kept,
    kept_problems,
    text_problems,
    write_chat,
)
from recipec.formats._rules import Problems, Rule, require
from recipec.formats._stream import Columns, reshaped

SEGMENT = 'STRUCT("label" BOOLEAN, "text" VARCHAR)'

# What stands before a message of a role (`{}`), the token that ends it and is trained with an answer, and what follows.
TEMPLATES = {
    "chatml": ("<|im_start|>{}\n", "<|im_end|>", "\n"),
    "llama3": ("<|start_header_id|>{}<|end_header_id|>\n\n", "<|eot_id|>", ""),
}


@format("segments")
class Segments(Format):
    r"""Text in pieces, each with whether it is trained: axolotl's `type: input_output`, where the loss mask is in the data.

    ```recipe
    export sft from final { to: "build/masked"  format: segments() }
    export sft from final { to: "build/masked"  format: segments(user: question, assistant: answer, template: llama3, begin: "<|begin_of_text|>") }
    export sft from final { to: "build/masked"  format: segments(prompt: question, completion: answer, end: "</s>") }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `column` | the messages, a list of `{role, content}` | `messages` |
    | `user`, `assistant`, `system` | instead: columns of text, one exchange a row; a null `system` is left out | none |
    | `roles` | what to call the roles of the rows: `{ human: "user", gpt: "assistant" }` | as they are |
    | `template` | how messages are written as text: with the marks of `chatml` (Qwen, Yi and many others) or of `llama3` | `chatml` |
    | `train` | the roles whose words are trained | `["assistant"]` |
    | `prompt`, `completion` | instead of messages: two columns of text, written as they are; the second is trained | none |
    | `begin` | text before the first piece, not trained: the base's first token, where it has one | `""` |
    | `end` | text after the completion, trained: the base's end token. Without it the model never learns to stop | `""` |
    | `keep` | further columns to write | none |
    | `file` | `parquet` or `jsonl` | `parquet` |

    A row is `segments`, a list of `{label, text}`. axolotl puts the texts one behind the other, adds no token of its own, and trains
    those whose label is true. With messages the token that ends an answer is trained with it, the line break after it is not: the
    tokens and labels that axolotl's `chat_template` gives. Refused, with the first such row named: what `messages()` refuses, a
    row with nothing to train, a null or empty prompt or completion.

    | reader | what to write there |
    |---|---|
    | axolotl | `datasets: [{path: build/masked/train.parquet, ds_type: parquet, type: input_output}]`, `train_on_inputs: false` |
    """

    class Params(ChatParams):
        template: Literal["chatml", "llama3"] = "chatml"
        train: tuple[str, ...] = ("assistant",)
        prompt: ColumnName | None = None
        completion: ColumnName | None = None
        begin: str = ""
        end: str = ""
        keep: tuple[ColumnName, ...] = ()
        file: Literal["parquet", "jsonl"] = "parquet"

    extension = ".parquet"

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        vars(self)["extension"] = f".{params.file}"

    def check(self, schema: Schema) -> Problems:
        p = self.params
        if schema.unknown:
            return []
        found = kept_problems(p.keep, schema, p.file)
        if p.prompt is None and p.completion is None:
            found += chat_problems(p, schema)
            if p.end:
                found.append(("messages end as their template says, so `end` has no place", "leave `end:` out"))
            unknown = [r for r in p.train if r not in ROLES]
            if unknown:
                found.append(
                    (f"`train:` names `{unknown[0]}`, and the roles are {', '.join(ROLES)}", "roles are renamed first, by `roles:`")
                )
            if not p.train:
                found.append(("`train:` names no role, so there is nothing to learn", '`train: ["assistant"]`'))
            return found
        if p.prompt is None or p.completion is None:
            return [*found, ("`prompt` and `completion` belong together", "segments(prompt: question, completion: answer)")]
        mixed = [f for f in ("column", "user", "assistant", "system") if getattr(p, f) is not None]
        if mixed:
            found.append((f"`{mixed[0]}` and `prompt`, `completion` are two kinds of data", "leave one out"))
        return found + text_problems(p.prompt.name, schema) + text_problems(p.completion.name, schema)

    def write(self, ctx: ExportContext) -> None:
        p = self.params
        if p.prompt is not None and p.completion is not None:
            said = [p.prompt, p.completion]
            bare = [
                Rule(f"{c.sql} IS NULL OR {c.sql} = ''", f"without `{c.name}`", f"drop them: `drop where {c.name} is null`") for c in said
            ]
            require(ctx, "segments", lambda _: bare)
            pieces = [(False, f"{literal(p.begin)} || {p.prompt.sql}"), (True, f"{p.completion.sql} || {literal(p.end)}")]
            texts = ", ".join(f"{{'label': {str(label).lower()}, 'text': {sql}}}" for label, sql in pieces)
            write_chat(ctx, lambda schema: kept(p.keep, schema) | {"segments": (f"{SEGMENT}[]", f"[{texts}]")}, "segments", [], p.file)
            return

        def whole(schema: Schema) -> Columns:
            return kept(p.keep, schema) | {"messages": (CHAT, conversation(p, schema))}

        made = reshaped(ctx, whole)
        trained = f'list_filter("messages", lambda __m: __m.role IN ({", ".join(literal(r) for r in p.train)}))'
        nothing = Rule(f"len({trained}) = 0", "with nothing to train", f"drop them: none of their roles is among {', '.join(p.train)}")
        require(made, "segments", lambda _: [*chat_rules('"messages"', answered=False), nothing])
        write_chat(made, lambda schema: kept(p.keep, schema) | {"segments": (f"{SEGMENT}[]", self.cut())}, "segments", [], p.file)

    def cut(self) -> str:
        """SQL for the pieces of ``messages``: what is not trained, and the words of the trained with the token that ends them.

        Neighbours alike are joined, so that text is made into tokens in as few pieces as there can be: a token that would run across a
        border is cut there.
        """
        p = self.params
        head, stop, after = TEMPLATES[p.template]
        before, behind = head.split("{}")
        label = f"__m.role IN ({', '.join(literal(r) for r in p.train)})"
        pieces = [
            f"{{'label': false, 'text': {literal(before)} || __m.role || {literal(behind)}}}",
            f"{{'label': {label}, 'text': __m.content || {literal(stop)}}}",
            *([f"{{'label': false, 'text': {literal(after)}}}"] if after else []),
        ]
        cut = f'flatten(list_transform("messages", lambda __m: [{", ".join(pieces)}]))'
        alone = f"list_transform({cut}, lambda __s: [__s])"
        joined = "{'label': __b[1].label, 'text': __a[len(__a)].text || __b[1].text}"
        merged = f"CASE WHEN __a[len(__a)].label = __b[1].label THEN list_append(list_slice(__a, 1, len(__a) - 1), {joined}) ELSE list_concat(__a, __b) END"
        first = f"[{{'label': false, 'text': {literal(p.begin)}}}]"
        return f"list_reduce({alone}, lambda __a, __b: {merged}, {first})"
