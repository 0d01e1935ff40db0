"""``format: argilla()``."""

from __future__ import annotations

import json
from typing import Any

from recipec.api import KEY, ColumnName, ExportContext, Format, Schema, format, quote
from recipec.engines.order import yields_key
from recipec.formats._people import TaskParams, row_sql, spans, task_problems, text_sql, write_tasks
from recipec.formats._rules import Problems


@format("argilla")
class Argilla(Format):
    """Records for Argilla, with what is thought of each so far as a suggestion.

    ```recipe
    export review from unsure { to: "build/review"  format: argilla(text: description, label: topic, confidence: topic_confidence) }
    export review from news   { to: "build/review"  format: argilla(tokens: tokens, tags: entities) }
    ```

    | argument | meaning | default |
    |---|---|---|
    | `text` | what people read: the field `text` | column `text` |
    | `label` | its class, text, or a list of classes; null: no suggestion | none |
    | `tokens`, `tags` | instead: tokens and their BIO, BIOES, BILOU or bare tags, suggested as spans | none |
    | `joiner` | what stands between tokens: `""` for Chinese | `" "` |
    | `confidence` | the suggestion's score | none |
    | `id` | the record's id, by which answers find their row again | the row's key |
    | `question` | the name of the question that the suggestion answers | `label` |
    | `keep` | further columns, as metadata | none |

    Each part is a file of records, `train.json`, that `rg.Dataset(...).records.from_json("train.json")` reads into a data set
    of your making: a text field `text` and a question `label` (LabelQuestion, MultiLabelQuestion or SpanQuestion).
    """

    class Params(TaskParams):
        id: ColumnName | None = None
        question: str = "label"

    extension = ".json"

    def check(self, schema: Schema) -> Problems:
        return task_problems(self.params, schema)

    def write(self, ctx: ExportContext) -> None:
        p = self.params
        key = p.id.sql if p.id is not None else quote(KEY) if yields_key(ctx.con, ctx.parts[0]) else None
        self.several = p.label is not None and p.label.type.endswith("]")
        write_tasks(ctx, p, "Argilla records", row_sql(p, {"text": text_sql(p)}, key), self.render)

    def render(self, row: dict[str, Any]) -> str:
        p = self.params
        found = spans(row, p.joiner)
        suggestion: Any = None
        if found is not None:
            suggestion = [{"start": m.start, "end": m.end, "label": m.label} for m in found]
        elif row["labels"]:
            suggestion = row["labels"] if self.several else row["labels"][0]
        score = row["score"]
        if isinstance(suggestion, list) and score is not None:
            score = [score] * len(suggestion)  # the server wants one for each
        suggestions = {} if suggestion is None else {p.question: {"value": suggestion, "score": score, "agent": "recipec"}}
        said = json.dumps(suggestions, ensure_ascii=False, separators=(",", ":"))
        key = json.dumps(row["key"], ensure_ascii=False)
        return f'{{"id":{key},"fields":{row["data"]},"metadata":{row["keep"]},"suggestions":{said},"responses":{{}},"vectors":{{}}}}'
