"""Pages in WARC files to rows: what ``warc`` and ``web`` share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from recipec.api import ReadContext, quote
from recipec.readers._files import execute, unreadable
from recipec.readers._pages import COLUMNS, FOUND, Extraction, is_page
from recipec.readers._stream import load_batches, progress_of, set_aside, typed
from recipec.readers._warc import Broken, Record, answer_of, records

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 256
BATCH_BYTES = 32 << 20
SHOWN = 300

Waiting = tuple[str, int, str, bytes, str, str, "str | None", "str | None"]
"""File, place, address, body, type, date, a text that is there already, and why it is bad."""


def load_pages(ctx: ReadContext, failures: bool) -> None:
    """The table of the pages of the context's files. With ``failures`` records that say why a page is missing are bad rows."""
    import pyarrow as pa

    names = [*COLUMNS, "why"]
    schema = pa.schema([("file", pa.string()), ("row", pa.int64()), *((n, pa.string()) for n in names)])
    made = typed({n: (quote(n), "VARCHAR") for n in COLUMNS}, ctx.columns, "web pages")
    why = f"CASE WHEN why IS NOT NULL THEN why ELSE {made.why} END"
    select = f"SELECT file AS _file, row AS _row, {made.columns}, {why} AS _why, CASE WHEN {why} IS NOT NULL THEN url END AS _text FROM "
    extraction = Extraction(int(execute(ctx.con, "SELECT current_setting('threads')")[0][0]))
    try:
        load_batches(ctx, schema, batches(ctx, schema, failures, extraction), lambda source: select + source)
    finally:
        extraction.close()
    set_aside(ctx)


def batches(ctx: ReadContext, schema: pa.Schema, failures: bool, extraction: Extraction) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    held: list[Waiting] = []
    size = 0
    for page in pages(ctx, failures):
        held.append(page)
        size += len(page[3])
        if len(held) >= BATCH or size >= BATCH_BYTES:
            yield pa.RecordBatch.from_pylist(rows(held, extraction), schema)
            held, size = [], 0
    if held:
        yield pa.RecordBatch.from_pylist(rows(held, extraction), schema)


def rows(held: Sequence[Waiting], extraction: Extraction) -> list[dict[str, object]]:
    asked = [(p[3], p[4], p[2], p[5]) for p in held if p[6] is None and p[7] is None]
    found = iter(extraction(asked) if asked else [])
    out: list[dict[str, object]] = []
    for file, place, url, _, _, date, text, why in held:
        row: dict[str, object] = {"file": file, "row": place, "url": url, "why": why}
        if why is None and text is None:
            row |= next(found)
        elif text is not None:
            row |= {"text": text, "date": date[:10] or None}
        out.append(row | {"why": row["why"]})
    return out


def pages(ctx: ReadContext, failures: bool) -> Iterator[Waiting]:
    told = progress_of(ctx)
    for index, file in enumerate(ctx.files):
        name = file.name
        try:
            for record in records(file.path, told(index), wanted):
                if isinstance(record, Broken):
                    yield name, record.at, record.address, b"", "", "", None, f"{place(record)}: {record.reason}"
                elif (page := page_of(record, name, failures)) is not None:
                    yield page
        except OSError as error:
            raise unreadable(file, error) from None


def place(record: Broken) -> str:
    return f"record {record.at:,} at byte {record.start:,}"


def wanted(kind: str, header: dict[str, str]) -> bool:
    return kind in ("response", "resource", "metadata", "conversion")


def page_of(record: Record, name: str, failures: bool) -> Waiting | None:
    """A record as a page; None for one that is none: a picture, a redirect, a request."""
    target = record.header.get("warc-target-uri", "").strip("<>")
    url = record.header.get("recipec-asked", target)
    date = record.header.get("warc-date", "")
    type = record.header.get("content-type", "")
    start = (name, record.at, url)
    if record.kind == "metadata":
        if not failures:
            return None
        return (*start, b"", "", date, None, str(json.loads(record.block)["why"]))
    if record.kind == "conversion":  # Common Crawl's WET: texts that are extracted already
        return (*start, b"", "", date, record.block.decode("utf-8", "replace").strip(), None) if type.startswith("text/plain") else None
    if record.kind == "resource":
        return (*start, record.block, type, date, None, None) if is_page(type, record.block) else None
    if "http" not in type and not record.block.startswith(b"HTTP/"):
        return None  # an answer to a question of another protocol, such as DNS
    answer = answer_of(record.block)
    told = answer.header.get("content-type", "")
    if answer.status and answer.status != 200:
        return None
    if not answer.problem and answer.status and not is_page(told, answer.body):
        return None
    if answer.problem:
        return (*start, b"", "", date, None, answer.problem)
    return (*start, answer.body, told, date, None, None if record.whole else "it is longer than 64 MiB")


def types() -> dict[str, str]:
    return dict.fromkeys(("url", *FOUND), "VARCHAR")
