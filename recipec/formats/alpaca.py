"""``format: alpaca()``."""

from __future__ import annotations

from typing import Any, Literal

from recipec.api import ColumnName, ExportContext, Format, Schema, Settings, format, quote
from recipec.formats._chat import text_problems, write_chat
from recipec.formats._rules import Problems, Rule, require
from recipec.formats._stream import Columns
from recipec.formats._types import is_list, is_text, parse
from recipec.resolve.types import shown

FIELDS = ("instruction", "input", "output", "system", "history")


@format("alpaca")
class Alpaca(Format):
    """Alpaca rows: `{"instruction": "...", "input": "...", "output": "..."}`, with `system` and `history` where there are any.

    ```recipe
    export tasks from final { to: "build/alpaca"  format: alpaca() }
    export tasks from final { to: "build/alpaca.json"  format: alpaca(instruction: question, input: passage, output: answer, file: "json") }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `instruction` | what is asked, text | column `instruction` |
    | `input` | what it is asked about; null becomes `""` | column `input`, else `""` |
    | `output` | the answer, text | column `output` |
    | `system` | the system prompt; null becomes `""` | column `system`, where there is one |
    | `history` | earlier turns, a list of `[question, answer]`; null becomes `[]` | column `history`, where there is one |
    | `file` | `jsonl`, or `json` for one array, as the original has it | `jsonl` |

    Other columns are not written. Refused, with the first such row named: a null instruction or output, and a turn of the
    history that is not a pair of texts.

    | reader | what to write there |
    |---|---|
    | axolotl | `datasets: [{path: build/alpaca/train.jsonl, ds_type: json, type: alpaca}]` |
    | LLaMA-Factory | `"train": {"file_name": "train.jsonl"}` in `dataset_info.json`, with `columns` for system and history |
    | torchtune | `alpaca_dataset(source="json", data_files="build/alpaca/train.jsonl")` |
    """

    class Params(Settings):
        instruction: ColumnName | None = None
        input: ColumnName | None = None
        output: ColumnName | None = None
        system: ColumnName | None = None
        history: ColumnName | None = None
        file: Literal["jsonl", "json"] = "jsonl"

    extension = ".jsonl"
    by_file = True

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        vars(self)["extension"] = f".{params.file}"

    def columns(self, schema: Schema) -> dict[str, str]:
        """Which column each field is read from: the one named, else the one of the field's name."""
        given = {f: getattr(self.params, f) for f in FIELDS}
        return {f: c.name if c is not None else f for f, c in given.items() if c is not None or f in schema.types}

    def check(self, schema: Schema) -> Problems:
        if schema.unknown:
            return []
        columns = self.columns(schema)
        found = [
            (f"there is no column `{f}`", f"say which it is: `alpaca({f}: ...)`") for f in ("instruction", "output") if f not in columns
        ]
        for field, name in columns.items():
            if field != "history" or name not in schema.types:
                found += text_problems(name, schema)
                continue
            t = parse(schema.types[name])
            if not (is_list(t) and is_list(t.item) and is_text(t.item.item)):
                given = shown(schema.types[name])
                found.append((f"`{name}` is {given}, not a list of [question, answer]", "make pairs: `[[q1, a1], [q2, a2]]`"))
        return found

    def rules(self, schema: Schema) -> list[Rule]:
        """A row has its instruction and output, and its history is made of pairs."""
        columns = self.columns(schema)
        rules = [
            Rule(f"{quote(columns[f])} IS NULL", f"without `{columns[f]}`", f'drop them: `drop where {columns[f]} is null as "no {f}"`')
            for f in ("instruction", "output")
        ]
        if "history" in columns:
            wrong = (
                f"list_filter({quote(columns['history'])}, lambda __p: __p IS NULL OR len(__p) <> 2 OR __p[1] IS NULL OR __p[2] IS NULL)"
            )
            help = "every earlier turn is [question, answer]"
            rules.append(Rule(f"len({wrong}) > 0", f"with a turn in `{columns['history']}` that is not a pair of texts", help))
        return rules

    def made(self, schema: Schema) -> Columns:
        """The fields of Alpaca from the columns of a part."""
        columns = self.columns(schema)
        text = {f: f"CAST({quote(n)} AS VARCHAR)" for f, n in columns.items() if f != "history"}
        made: Columns = {
            "instruction": ("VARCHAR", text["instruction"]),
            "input": ("VARCHAR", f"coalesce({text['input']}, '')" if "input" in text else "''"),
            "output": ("VARCHAR", text["output"]),
        }
        if "system" in text:
            made["system"] = ("VARCHAR", f"coalesce({text['system']}, '')")
        if "history" in columns:
            made["history"] = ("VARCHAR[][]", f"coalesce(CAST({quote(columns['history'])} AS VARCHAR[][]), [])")
        return made

    def write(self, ctx: ExportContext) -> None:
        require(ctx, "Alpaca", self.rules)
        write_chat(ctx, self.made, "Alpaca", [], self.params.file)
