"""``argilla``: what people answered in Argilla."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from recipec.api import ReadContext, Settings, Word, named, reader
from recipec.readers._answers import Answer, AnswerReader, Row
from recipec.readers.label_studio import key_of, placed, records


class ArgillaParams(Settings):
    path: str | list[str]
    question: str = named("label")
    item: list[Word] | None = named(None)


@reader("argilla")
class Argilla(AnswerReader):
    """What people answered in Argilla: the records of a data set, as ``dataset.records.to_json(path)`` or ``dataset.to_disk(path)`` write them.

    ```recipe
    source people_said = argilla("review/records.json")
    label topic from pool { classes: ["games", "sound"]  vote crowd(people_said) }
    ```

    ``path`` is a file, a glob or a list of them. ``question`` names the question. The row that was answered is known by the record's id, which
    is its ``_key`` where ``format: argilla()`` wrote the records; ``item`` names the field of the metadata that holds the key instead (a list of
    fields where the key has several columns).

    Each response gives a row: ``item``, ``worker`` (the user's id), ``answer`` (a label, or a rating as text; null where the
    person discarded the record or chose several), ``answers`` (the labels as a list) and ``spans`` (of a span question: ``start``
    and ``end`` count characters, from 0 and without the end, and ``tag``). Suggestions and drafts are no answers.

    Bad rows: a record that is no JSON, no object or lacks its id; spans without places. A document that ends in the middle stops the run; of several,
    one of up to a MiB is one bad row.

    Source of the format: Argilla's ``Record.to_dict`` (version 2).
    """

    Params = ArgillaParams
    params: ArgillaParams

    def answers(self, ctx: ReadContext) -> Iterator[Row]:
        yield from records(ctx, self.record)

    def record(self, record: Any) -> Iterator[Answer | str]:
        given = self.params
        said = record.get("responses") if isinstance(record, dict) else None
        if not isinstance(record, dict) or not isinstance(said or {}, dict):
            yield "not a record: an object with `id` and `responses`"
            return
        answered = (said or {}).get(given.question) or []
        if not answered:
            return
        if given.item is None:
            item = key_of(record, ["id"])
            told = "the record's own fields"
        else:
            item = key_of(record.get("metadata") or {}, given.item)
            told = "the record's metadata"
        if isinstance(item, str):
            yield f"{told} {item}"
            return
        if not isinstance(answered, list):
            yield f"the responses to `{given.question}` must be a list"
            return
        for one in answered:
            if not isinstance(one, dict) or one.get("status") == "draft":
                if not isinstance(one, dict):
                    yield f"a response to `{given.question}` must be an object"
                continue
            yield from self.response(
                item, str(one.get("user_id") or "unknown"), None if one.get("status") == "discarded" else one.get("value")
            )

    @staticmethod
    def response(item: tuple[str, ...], worker: str, value: Any) -> Iterator[Answer | str]:
        match value:
            case None:
                yield Answer(item, worker)
            case bool() | str() | int() | float():
                yield Answer(item, worker, (str(value),))
            case list() if value and all(isinstance(v, str) for v in value):
                yield Answer(item, worker, tuple(dict.fromkeys(value)))
            case list() if all(isinstance(v, dict) for v in value):
                yield placed(item, worker, [(v.get("start"), v.get("end"), v.get("label")) for v in value])
            case _:
                yield "the value is no label, list of labels or list of spans"
