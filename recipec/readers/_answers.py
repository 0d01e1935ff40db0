"""What people answered: one line of JSON an answer in a file that git merges, and the rows that readers make of answers.

A line is ``{"item": "libfoo", "worker": "ann", "answer": "games"}``. ``item`` is the row's key in its source, as text; a key of
several columns is a list of texts; a row without a declared key is named by its ``_key``. ``"answer": null`` says that the person
looked and could not say, ``"answer": ["a", "b"]`` holds several classes. Marked tokens are ``"spans": [[3, 5, "PER"]]`` (tokens
from 3 up to but without 5, from 0) with ``"tokens": 24``, how many tokens the row had. No time is written: git knows when a line
came, and two people's equal answers stay equal lines.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from recipec.api import ReadContext, SourceFile, quote
from recipec.readers._files import FileReader
from recipec.readers._stream import load_batches, set_aside, typed

if TYPE_CHECKING:
    import duckdb

UNIT = "\x1f"
"""Between the parts of a key of several columns, as :mod:`recipec.identity` joins them."""
SPANS = 'STRUCT("start" BIGINT, "end" BIGINT, tag VARCHAR)[]'
MOST_TOKENS = 1_000_000
"""More tokens than this in one row are a mistake: the tags of a line must not fill the memory."""
CONFLICT = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
BATCH = 20_000


@dataclass(frozen=True)
class Answer:
    """One line. ``item`` has one text for each column of the key. Either ``answers`` are the classes, None where the person could not say;
    or ``spans`` are marked tokens. ``many``: there may be several classes, or none."""

    item: tuple[str, ...]
    worker: str
    answers: tuple[str, ...] | None = None
    spans: tuple[tuple[int, int, str], ...] | None = None
    tokens: int | None = None
    many: bool = False

    @property
    def answer(self) -> str | None:
        """The class, where there is just one."""
        return self.answers[0] if self.answers is not None and len(self.answers) == 1 else None

    @property
    def key(self) -> str:
        """The item as the column ``item`` holds it: what a row's key is made of."""
        return UNIT.join(self.item)

    def line(self) -> str:
        item: Any = self.item[0] if len(self.item) == 1 else list(self.item)
        out: dict[str, Any] = {"item": item, "worker": self.worker}
        if self.spans is None:
            out["answer"] = list(self.answers) if self.many and self.answers is not None else self.answer
        else:
            out |= {"spans": [list(s) for s in self.spans], "tokens": self.tokens}
        return json.dumps(out, ensure_ascii=False)

    def tags(self) -> list[str] | None:
        """The marked tokens as a tag for each token, IOB2; None where the line marks none."""
        if self.spans is None or self.tokens is None:
            return None
        out = ["O"] * self.tokens
        for start, end, tag in self.spans:
            out[start:end] = [f"B-{tag}", *[f"I-{tag}"] * (end - start - 1)]
        return out


def read_line(text: str) -> Answer | str:
    """The answer in a line, or what is wrong with the line."""
    if text.startswith(CONFLICT):
        return "git left a conflict here: keep the lines of both sides, and take out the marks"
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {str(error).splitlines()[0]}" if isinstance(error, ValueError) else "not JSON: nested too deep"
    if not isinstance(found, dict):
        return 'not an object: {"item": ..., "worker": ..., "answer": ...}'
    item = item_of(found.get("item"))
    if item is None:
        return "`item` must be the row's key: a text or, for a key of several columns, a list of texts"
    worker = found.get("worker")
    if not isinstance(worker, str) or not worker:
        return "`worker` must say who answered"
    if "spans" in found:
        wrong, spans, tokens = spans_of(found["spans"], found.get("tokens"))
        return wrong if wrong is not None else Answer(item, worker, None, spans, tokens)
    match found.get("answer", False):
        case None:
            return Answer(item, worker)
        case str() as one if one:
            return Answer(item, worker, (one,))
        case list() as several if all(isinstance(c, str) and c for c in several):
            return Answer(item, worker, tuple(dict.fromkeys(several)), many=True)
        case _:
            return "`answer` must be a class, a list of classes, or null where the person could not say"


def item_of(value: object) -> tuple[str, ...] | None:
    """A key as texts; None where it is none."""
    match value:
        case bool():
            return None
        case str() | int():
            return (str(value),)
        case [_, *_] as parts if all(isinstance(p, (str, int)) and not isinstance(p, bool) for p in parts):
            return tuple(str(p) for p in parts)
        case _:
            return None


def spans_of(spans: object, tokens: object) -> tuple[str | None, tuple[tuple[int, int, str], ...], int]:
    """(what is wrong, the marked stretches in order, how many tokens)."""
    if not isinstance(tokens, int) or isinstance(tokens, bool) or not 0 <= tokens <= MOST_TOKENS:
        return "`tokens` must say how many tokens the row had", (), 0
    if not isinstance(spans, list):
        return '`spans` must be a list: [[3, 5, "PER"]]', (), 0
    made: list[tuple[int, int, str]] = []
    for span in spans:
        match span:
            case [int() as start, int() as end, str() as tag] if tag and 0 <= start < end <= tokens:
                made.append((int(start), int(end), tag))
            case _:
                return f'{json.dumps(span, ensure_ascii=False)[:80]} is no stretch of {tokens} tokens: [3, 5, "PER"]', (), 0
    made.sort()
    if any(a[1] > b[0] for a, b in pairwise(made)):
        return "marked stretches overlap", (), 0
    return None, tuple(made), tokens


def order(item: Sequence[str], worker: str) -> tuple[Any, ...]:
    """How lines are sorted: whole numbers by value and before texts, texts by code point."""
    return tuple((0, int(p), p) if p.isascii() and p.isdigit() and len(p) < 19 else (1, 0, p) for p in item), worker


# Readers --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A row of a reader of answers, or, with ``why``, a record that gives none."""

    file: str
    row: int
    answer: Answer | None
    why: str | None = None
    text: str | None = None


class AnswerReader(FileReader):
    """Base of the readers whose rows are answers of people: ``item``, ``worker``, ``answer``, ``answers`` and ``spans``."""

    columns: ClassVar[dict[str, str]] = {
        "item": "VARCHAR",
        "worker": "VARCHAR",
        "answer": "VARCHAR",
        "answers": "VARCHAR[]",
        "spans": SPANS,
    }

    def header(self, con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], encoding: str) -> dict[str, str]:
        return dict(self.columns)

    @abstractmethod
    def answers(self, ctx: ReadContext) -> Iterator[Row]: ...

    def load(self, ctx: ReadContext) -> None:
        import pyarrow as pa

        texts = pa.list_(pa.string())
        span = pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64()), ("tag", pa.string())]))
        kinds = {"item": pa.string(), "worker": pa.string(), "answer": pa.string(), "answers": texts, "spans": span, "tags": texts}
        schema = pa.schema(
            [
                ("file", pa.string()),
                ("row", pa.int64()),
                *((n, kinds[n]) for n in self.columns),
                ("why", pa.string()),
                ("text", pa.string()),
            ]
        )
        made = typed({n: (quote(n), t) for n, t in self.columns.items()}, ctx.columns, "a file of answers")
        why = f"CASE WHEN why IS NOT NULL THEN why ELSE {made.why} END"
        text = f"CASE WHEN why IS NOT NULL THEN text WHEN ({made.why}) IS NOT NULL THEN concat_ws(' ', item, worker, answer) END"
        select = f"SELECT file AS _file, row AS _row, {made.columns}, {why} AS _why, {text} AS _text FROM "

        def values(row: Row) -> dict[str, Any]:
            said = row.answer
            return {
                "file": row.file, "row": row.row, "item": said.key if said else None, "worker": said.worker if said else None,
                "answer": said.answer if said else None, "answers": said.answers if said else None,
                "spans": [{"start": a, "end": b, "tag": t} for a, b, t in said.spans] if said and said.spans is not None else None,
                "tags": said.tags() if said and "tags" in self.columns else None, "why": row.why, "text": row.text,
            }  # fmt: skip

        def batch(rows: Iterable[Row]) -> pa.RecordBatch:
            made = [values(r) for r in rows]
            return pa.record_batch([pa.array([r[f.name] for r in made], f.type) for f in schema], schema=schema)

        def batches() -> Iterator[pa.RecordBatch]:
            some: list[Row] = []
            for row in self.answers(ctx):
                some.append(row)
                if len(some) >= BATCH:
                    yield batch(some)
                    some = []
            yield batch(some)

        load_batches(ctx, schema, batches(), lambda source: select + source)
        set_aside(ctx)
