"""``format: preference()``."""

from __future__ import annotations

from typing import Any, Literal

from recipec.api import ColumnName, ExportContext, Format, Schema, format
from recipec.formats._chat import CHAT, kept, kept_problems, turns, write_chat
from recipec.formats._pairs import (
    PairParams,
    answer_rules,
    pair_problems,
    pair_rules,
    prompt_rules,
    turns_problems,
    with_pairs,
)
from recipec.formats._rules import Problems, Rule, require
from recipec.formats._stream import Columns
from recipec.formats._types import parse
from recipec.resolve.types import shown


@format("preference")
class Preference(Format):
    """Preferences for DPO and its kin: a prompt, a chosen and a rejected answer; or for KTO, answers that are good or bad.

    ```recipe
    export dpo from pairs { to: "build/dpo"  format: preference() }
    export dpo from pairs { to: "build/dpo"  format: preference(prompt: question, chosen: better, rejected: worse, shape: implicit) }
    export kto from rated { to: "build/kto"  format: preference(prompt: question, completion: answer, label: good) }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `prompt` | what both answer | column `prompt`; where there is none, the beginning that the two conversations share |
    | `chosen`, `rejected` | the better and the worse answer | columns of these names |
    | `roles` | what to call the roles of the rows: `{ human: "user", gpt: "assistant" }` | as they are |
    | `shape` | `explicit`: prompt and answers apart; `implicit`: two whole conversations, which TRL and axolotl both read | `explicit` |
    | `completion`, `label` | instead of `chosen` and `rejected`: one answer and whether it is good, true or false (KTO) | none |
    | `keep` | further columns to write | none |
    | `file` | `parquet` or `jsonl` | `parquet` |

    A prompt or answer may be text, one message or a list of messages; all are written as lists of `{role, content}`. Refused,
    with the first such row named: the same answer twice, a prompt that does not end with the user, an answer that is not
    the assistant's, nulls, unknown roles.

    | reader | what to write there |
    |---|---|
    | TRL DPO, ORPO, reward | `datasets: [{path: parquet, data_files: build/dpo/train.parquet}]` |
    | TRL KTO | the same, with `completion` and `label` |
    | axolotl | `shape: implicit`; `rl: dpo`, `datasets: [{path: ..., ds_type: parquet, type: chat_template.argilla_chat}]` |
    | LLaMA-Factory, OpenAI | use `llama_factory()`, `openai()` |
    """

    class Params(PairParams):
        shape: Literal["explicit", "implicit"] = "explicit"
        completion: ColumnName | None = None
        label: ColumnName | None = None
        keep: tuple[ColumnName, ...] = ()
        file: Literal["parquet", "jsonl"] = "parquet"

    extension = ".parquet"
    by_file = True

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        vars(self)["extension"] = f".{params.file}"

    def check(self, schema: Schema) -> Problems:
        p = self.params
        if schema.unknown:
            return []
        found = kept_problems(p.keep, schema, p.file)
        if p.completion is None and p.label is None:
            return found + pair_problems(p, schema, "preference")
        if p.completion is None or p.label is None:
            return [*found, ("`completion` and `label` belong together", "preference(prompt: question, completion: answer, label: good)")]
        if p.chosen is not None or p.rejected is not None or p.shape == "implicit":
            help = "leave out `chosen`, `rejected` and `shape`"
            return [*found, ("`completion` and `label` take the place of `chosen` and `rejected`", help)]
        prompt = p.prompt.name if p.prompt is not None else "prompt"
        found += turns_problems("prompt", prompt, schema) + turns_problems("completion", p.completion.name, schema)
        if p.label.name in schema.types and schema.types[p.label.name] != "BOOLEAN":
            given = shown(schema.types[p.label.name])
            found.append((f"`{p.label.name}` must be true or false, and is {given}", f"`good = {p.label.name} == ...`"))
        return found

    def write(self, ctx: ExportContext) -> None:
        p = self.params
        if p.completion is not None and p.label is not None:
            unknown = Rule("label IS NULL", f"without `{p.label.name}`", "drop what nobody rated")
            write_chat(ctx, self.rated, "preferences", [*prompt_rules(), *answer_rules("completion"), unknown], p.file)
            return
        pairs = with_pairs(ctx, p, lambda schema: kept(p.keep, schema))
        require(pairs, "preferences", lambda _: pair_rules())

        def written(schema: Schema) -> Columns:
            apart: Columns = {f: (CHAT, f'"{f}"') for f in ("prompt", "chosen", "rejected")}
            whole: Columns = {f: (CHAT, f'list_concat("prompt", "{f}")') for f in ("chosen", "rejected")}
            return kept(p.keep, schema) | (apart if p.shape == "explicit" else whole)

        write_chat(pairs, written, "preferences", [], p.file)

    def rated(self, schema: Schema) -> Columns:
        """The columns of KTO."""
        p = self.params
        prompt = p.prompt.name if p.prompt is not None else "prompt"
        return kept(p.keep, schema) | {
            "prompt": (CHAT, turns(prompt, parse(schema.types[prompt]), "user", p.roles)),
            "completion": (CHAT, turns(p.completion.name, parse(schema.types[p.completion.name]), "assistant", p.roles)),
            "label": ("BOOLEAN", p.label.sql),
        }
