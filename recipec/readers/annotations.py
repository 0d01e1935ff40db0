"""``annotations``: what people answered on the page of ``recipec annotate``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from recipec.api import ReadContext, Settings, SourceFile, reader
from recipec.readers._answers import SPANS, Answer, AnswerReader, Row, read_line
from recipec.readers._files import MAX_SHOWN, blocks, shown
from recipec.readers._framing import Framer
from recipec.readers._stream import Frame, checked, progress_of


class AnnotationsParams(Settings):
    path: str | list[str]


@reader("annotations")
class Annotations(AnswerReader):
    """What people answered: the file that ``recipec annotate`` writes, one line an answer, kept in git beside the recipe.

    ```recipe
    source people_said = annotations("labels/topic.jsonl")
    label topic from pool {
      classes: ["games", "sound"]
      vote crowd(people_said, worker: worker, item: item, answer: answer)
    }
    ```

    ``path`` is a file, a glob or a list of them; ``recipec annotate topic`` makes a file that is not there yet.
    A line is ``{"item": "libfoo", "worker": "ann", "answer": "games"}``. The columns:

    | column | holds |
    |---|---|
    | `item` | the row's key as text (several columns joined by the character 31), or its `_key` where its source declares none |
    | `worker` | who answered |
    | `answer` | the class; null where the person could not say, gave several, and where tokens are marked |
    | `answers` | the classes as a list, for steps that take several |
    | `spans` | marked tokens: `start` and `end` (from 0, without the end) and `tag`; null for a class |
    | `tags` | the same as a tag for each token, IOB2 |

    As gold, for rows that one person answered each:

    ```recipe
    clean known from people_said { keep where answer is not null  select(item, answer)  rename(item => id, answer => gold) }
    clean pool_with_gold from pool { join(known, on: id) }
    ```

    Marked tokens vote by ``vote human(people_said)``, several classes by ``vote crowd(people_said, answer: answers)``.

    Two people's branches merge: lines are sorted by key, and a new answer touches no other line. Answers to neighbouring rows
    are next to each other, which git takes for a conflict unless it is told that lines stand for themselves: ``recipec annotate`` writes
    ``*.jsonl merge=union`` into ``.gitattributes`` beside a file that it makes. A file for each person never conflicts:
    ``annotations("labels/topic/*.jsonl")``. The order of lines means nothing, and a line that is there twice counts once.

    Bad rows: a line that is no answer, a mark of an unresolved git conflict, and, where one person gave one row two different answers, both:
    which one is meant must be said (``recipec annotate`` asks again).

    Source of the format: recipec's own, JSON lines (RFC 8259); IOB2 for the tags.
    """

    Params = AnnotationsParams
    columns: ClassVar[dict[str, str]] = {
        "item": "VARCHAR",
        "worker": "VARCHAR",
        "answer": "VARCHAR",
        "answers": "VARCHAR[]",
        "spans": SPANS,
        "tags": "VARCHAR[]",
    }
    params: AnnotationsParams

    def answers(self, ctx: ReadContext) -> Iterator[Row]:
        told = progress_of(ctx)
        rows = [row for index, file in enumerate(ctx.files) for row in lines(index, file, ctx.encoding, told(index))]
        said: dict[tuple[tuple[str, ...], str], set[Answer]] = {}
        for row in rows:
            if row.answer is not None:
                said.setdefault((row.answer.item, row.answer.worker), set()).add(row.answer)
        counted: set[Answer] = set()
        for row in rows:
            if row.answer is None:
                yield row
            elif len(said[row.answer.item, row.answer.worker]) > 1:
                why = f"{row.answer.worker} gave this row {len(said[row.answer.item, row.answer.worker])} different answers"
                yield Row(row.file, row.row, None, why, row.text)
            elif row.answer not in counted:
                counted.add(row.answer)
                yield row


def lines(index: int, file: SourceFile, encoding: str, told: object) -> Iterator[Row]:
    """The lines of a file that are not blank."""
    assert callable(told)
    framer = Framer(index, blank="record")

    def frames() -> Iterator[Frame]:
        for block in blocks(file, encoding, told):
            yield from framer.feed(block)
        yield from framer.finish()

    for frame in checked(frames(), encoding):
        if frame.why is not None:
            yield Row(file.name, frame.start + 1, None, frame.why, shown(frame.text))
            continue
        for number, line in enumerate(frame.text.decode().split(frame.rs.decode()), frame.start + 1):
            text = line.strip("\r\n\t \ufeff")
            if text:
                found = read_line(text)
                wrong = found if isinstance(found, str) else None
                yield Row(file.name, number, None if isinstance(found, str) else found, wrong, line[:MAX_SHOWN])
