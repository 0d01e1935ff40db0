"""``format: label_studio()``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from recipec.api import ExportContext, Format, Schema, format
from recipec.formats._people import TaskParams, classes, row_sql, spans, task_problems, text_sql, write_tasks
from recipec.formats._rules import Problems


@format("label_studio")
class LabelStudio(Format):
    """Tasks for Label Studio, with what is thought of each so far as a prediction for people to correct.

    ```recipe
    export review from unsure { to: "build/review"  format: label_studio(text: description, label: topic, confidence: topic_confidence) }
    export review from news   { to: "build/review"  format: label_studio(tokens: tokens, tags: entities, joiner: "") }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `text` | what people read | column `text` |
    | `label` | its class, text, or a list of classes; null: no prediction | none |
    | `tokens`, `tags` | instead: tokens and their BIO, BIOES, BILOU or bare tags, shown as marked words | none |
    | `joiner` | what stands between tokens: `""` for Chinese | `" "` |
    | `confidence` | the prediction's score | none |
    | `keep` | further columns, as data of the task | none |
    | `model_version` | the name of the predictions in Label Studio | `recipec` |

    Each part is a file of tasks, `train.json`: import it into a project. `label_config.xml` beside them is the project's
    labelling interface, with the classes found in the rows. Places of words are counted in code points, as Label Studio
    stores them. Refused, with the first such row named: no text, tags that do not fit their tokens.
    """

    class Params(TaskParams):
        model_version: str = "recipec"

    extension = ".json"
    beside = frozenset({"label_config.xml"})

    def check(self, schema: Schema) -> Problems:
        return task_problems(self.params, schema)

    def write(self, ctx: ExportContext) -> None:
        p = self.params
        data = {"text": text_sql(p), **{c.name: c.sql for c in p.keep if c.name != "text"}}
        write_tasks(ctx, p, "Label Studio tasks", row_sql(p, data, None), self.render)
        if ctx.single is None and (choices := classes(p, ctx)):
            config = interface(choices, marked=p.tags is not None, several=p.label is not None and p.label.type.endswith("]"))
            (ctx.folder / "label_config.xml").write_text(config, encoding="utf-8", newline="\n")

    def render(self, row: dict[str, Any]) -> str:
        p = self.params
        found = spans(row, p.joiner)
        results: list[dict[str, Any]] = []
        if found is not None:
            text = p.joiner.join(row["tokens"])
            results = [
                _result("labels", {"start": m.start, "end": m.end, "text": text[m.start : m.end], "labels": [m.label]}) for m in found
            ]
        elif row["labels"] is not None:
            results = [_result("choices", {"choices": [c for c in row["labels"] if c is not None]})]
        predictions = []
        if found is not None or results:
            score = {} if row["score"] is None else {"score": row["score"]}
            predictions = [{"model_version": p.model_version, **score, "result": results}]
        said = json.dumps(predictions, ensure_ascii=False, separators=(",", ":"))
        return f'{{"data":{row["data"]},"predictions":{said}}}'


def _result(type: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"from_name": "label", "to_name": "text", "type": type, "value": value}


def interface(choices: Sequence[str], *, marked: bool, several: bool) -> str:
    """The labelling interface of a project for these tasks."""
    outer, inner = ("Labels", "Label") if marked else ("Choices", "Choice")
    choice = "" if marked else f' choice="{"multiple" if several else "single"}"'
    listed = "\n".join(f"    <{inner} value={quoteattr(c)}/>" for c in choices)
    control = f'  <{outer} name="label" toName="text"{choice}>\n{listed}\n  </{outer}>'
    return f'<View>\n  <Text name="text" value="$text"/>\n{control}\n</View>\n'
