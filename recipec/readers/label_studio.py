"""``label_studio``: what people answered in Label Studio."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

from recipec.api import DataError, ReadContext, Settings, SourceFile, Word, named, reader
from recipec.readers._answers import Answer, AnswerReader, Row, item_of
from recipec.readers._documents import whole
from recipec.readers._files import MAX_SHOWN, blocks, shown, size_of
from recipec.readers._jsonfaults import parse
from recipec.readers._jsonscan import Scanner
from recipec.readers._stream import Frame, checked, progress_of
from recipec.readers._whole import reason
from recipec.readers.json import SMALL, started


class LabelStudioParams(Settings):
    path: str | list[str]
    item: list[Word] = named([Word("id")])
    name: str | None = named(None)


@reader("label_studio")
class LabelStudio(AnswerReader):
    """What people answered in Label Studio: a project's export as JSON (not JSON-MIN).

    ```recipe
    source people_said = label_studio("review/export.json", item: package)
    label topic from pool { classes: ["games", "sound"]  vote crowd(people_said) }
    ```

    ``path`` is a file, a glob or a list of them. ``item`` names the field of a task's data that holds the key of the row (a list of fields
    where the key has several columns): let the export keep it, ``format: label_studio(text: text, keep: [package])``. ``name`` is
    the control's name (``from_name``), where a project asks several questions.

    Each annotation gives a row: ``item``, ``worker`` (who completed it: the e-mail address where the export has it, else the
    number), ``answer`` (the choice; null where the person skipped the task or chose several), ``answers`` (the choices as a list)
    and ``spans`` (of labels: ``start`` and ``end`` count characters, from 0 and without the end, and ``tag``). Predictions and
    drafts are no answers.

    Bad rows: a task that is no JSON, no object, or whose data lack ``item``; spans that do not say their places in characters. A document that
    ends in the middle stops the run; of several, one of up to a MiB is one bad row.

    Source of the format: Label Studio's documentation, "Label Studio JSON format of annotated tasks".
    """

    Params = LabelStudioParams
    params: LabelStudioParams

    def answers(self, ctx: ReadContext) -> Iterator[Row]:
        yield from records(ctx, self.task)

    def task(self, task: Any) -> Iterator[Answer | str]:
        given = self.params
        if not isinstance(task, dict):
            yield "not a task: an object with `data` and `annotations`"
            return
        data, done = task.get("data"), task.get("annotations")
        if not isinstance(data, dict) or not (done is None or isinstance(done, list)):
            yield "not a task: an object with `data` and `annotations`; export as JSON, not JSON-MIN"
            return
        if not done:
            return
        item = key_of(data, given.item)
        if isinstance(item, str):
            yield f"the task's data {item}: let the export keep it, and name it: item: column"
            return
        for one in done:
            if not isinstance(one, dict) or not isinstance(one.get("result", []), list):
                yield "an annotation must be an object with a list `result`"
                continue
            worker = who(one.get("completed_by"))
            if one.get("was_cancelled"):
                yield Answer(item, worker)
                continue
            results = [r for r in one.get("result", []) if isinstance(r, dict) and given.name in (None, r.get("from_name"))]
            values = [(str(r.get("type")), r["value"]) for r in results if isinstance(r.get("value"), dict)]
            odd = next((kind for kind, v in values if kind in ("choices", "labels") and not isinstance(v.get(kind) or [], list)), None)
            if odd is not None:
                yield f"the `{odd}` of an annotation must be a list"
                continue
            chosen = [str(c) for kind, v in values if kind == "choices" for c in v.get("choices") or ()]
            marked = [(v.get("start"), v.get("end"), t) for kind, v in values if kind == "labels" for t in v.get("labels") or ()]
            if chosen:
                yield Answer(item, worker, tuple(dict.fromkeys(chosen)))
            elif marked or not any(kind == "choices" for kind, _ in values):
                yield placed(item, worker, marked)
            else:
                yield Answer(item, worker)


def who(completed_by: object) -> str:
    """Who completed an annotation: exports name the user's number, or tell of the user."""
    if isinstance(completed_by, dict):
        for name in ("email", "username", "id"):
            if completed_by.get(name) not in (None, ""):
                return str(completed_by[name])
    return str(completed_by) if isinstance(completed_by, (str, int)) and completed_by != "" else "unknown"


def key_of(fields: dict[str, Any], names: Sequence[str]) -> tuple[str, ...] | str:
    """The key in these fields, or what is wrong with them."""
    missing = next((n for n in names if fields.get(n) is None), None)
    if missing is not None:
        return f"have no `{missing}`"
    return item_of([fields[n] for n in names]) or f"have no text or whole number in `{names[0]}`"


def placed(item: tuple[str, ...], worker: str, marked: Sequence[tuple[Any, Any, Any]]) -> Answer | str:
    """An answer of marked characters; what is wrong with it."""
    made: list[tuple[int, int, str]] = []
    for start, end, tag in marked:
        if not (type(start) is type(end) is int and isinstance(tag, str) and 0 <= start < end < 1 << 63):
            return f"a label says its place as {str((start, end))[:60]}, not in characters"
        made.append((start, end, tag))
    return Answer(item, worker, None, tuple(sorted(made)))


def records(ctx: ReadContext, read: Callable[[Any], Iterator[Answer | str]]) -> Iterator[Row]:
    """A row for every answer that ``read`` finds in the records of the files, numbered through each file."""
    told = progress_of(ctx)
    for index, file in enumerate(ctx.files):
        number = count(1)
        for text, why in texts(ctx, index, file, told(index)):
            if why is not None:
                yield Row(file.name, next(number), None, why, text[:MAX_SHOWN])
                continue
            record, wrong = parse(text)
            if wrong is not None:
                yield Row(file.name, next(number), None, wrong, text[:MAX_SHOWN])
                continue
            for found in read(record):
                why = found if isinstance(found, str) else unfit(found)
                if why is not None:
                    yield Row(file.name, next(number), None, why, text[:MAX_SHOWN])
                else:
                    assert isinstance(found, Answer)
                    yield Row(file.name, next(number), found)


def unfit(answer: Answer) -> str | None:
    """Why an answer cannot be a row."""
    texts = (*answer.item, answer.worker, *(answer.answers or ()), *(t for _, _, t in answer.spans or ()))
    return None if all(whole(t) for t in texts) else "half of a surrogate pair stands alone"


def texts(ctx: ReadContext, index: int, file: SourceFile, told: Callable[[int], None]) -> Iterator[tuple[str, str | None]]:
    """(a record's text, what is wrong with it). One of several files that is no JSON is a bad row, as in ``json``."""
    frames = Scanner(file, index, blocks(file, ctx.encoding, told), ()).frames()
    if len(ctx.files) > 1 and size_of(file) <= SMALL:
        try:
            frames = iter(list(frames))
        except DataError as error:
            frames = iter([Frame(index, 0, started(file), why=reason(file, error))])
    for frame in checked(frames, ctx.encoding):
        if frame.why is not None:
            yield shown(frame.text), frame.why
            continue
        for text in frame.text.decode().split(frame.rs.decode()):
            yield text, None
