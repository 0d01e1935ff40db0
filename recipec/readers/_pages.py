"""What a web page says: its text without menus and notices, title, date, language, author and site."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("url", "title", "date", "language", "author", "site", "text")
"""The columns of a page, all text."""
FOUND = COLUMNS[1:]
HTML = ("text/html", "application/xhtml+xml")


def is_page(type: str, body: bytes) -> bool:
    """Whether a body is a page, by what the server says, and where it says nothing by how it begins."""
    kind = type.partition(";")[0].strip().lower()
    if kind in HTML:
        return True
    start = body[:512].lstrip().lower()
    return kind in ("", "application/octet-stream") and start.startswith((b"<!doctype html", b"<html", b"\xef\xbb\xbf<!doctype html"))


def text_of(raw: bytes, type: str) -> str:
    """A page's bytes as text: by its byte order mark, then UTF-8 where it is that (a page that says otherwise is seldom right), then
    what the server says, what the page says, and what its bytes look like (WHATWG Encoding's names: ``gb2312`` is GB18030)."""
    from recipec.readers.html import named_encoding

    if raw.startswith(codecs.BOM_UTF8):
        return raw[3:].decode("utf-8", "replace")
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", "replace")
    # A page cut in the middle of a letter is UTF-8 all the same.
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start >= len(raw) - 3:
            return raw[: error.start].decode("utf-8")
    named = type.lower().partition("charset=")[2].strip("\"' ;").partition(";")[0]
    says = [named_encoding(f'<meta charset="{named}">'.encode("ascii", "ignore")) if named else None, named_encoding(raw)]
    for name in says:
        if name and name != "utf-8":
            try:
                return raw.decode(name)
            except UnicodeDecodeError:
                continue
    if "utf-8" in says:  # so it says, with some broken letters
        broken = raw.decode("utf-8", "replace")
        if broken.count("�") * 100 < len(broken):
            return broken
    named_well = next((n for n in says if n and n != "utf-8"), None)
    return raw.decode(named_well or looks_like(raw), "replace")


def looks_like(raw: bytes) -> str:
    """The encoding that bytes look like, of those that pages are written in."""
    from charset_normalizer import from_bytes

    for name in ("gb18030", "big5", "shift_jis", "euc_kr"):
        try:
            text = raw.decode(name)
        except UnicodeDecodeError:
            continue
        wide = [c for c in text if c > "\x7f"]
        # Common ideographs and signs of East Asia, not the corners of the table that a wrong reading ends in.
        usual = sum(
            "\u4e00" <= c <= "\u9fa5" or "\u3000" <= c <= "\u30ff" or "\uff00" <= c <= "\uffef" or "\uac00" <= c <= "\ud7a3" for c in wide
        )
        if wide and usual > 0.95 * len(wide):
            return name
    best = from_bytes(
        raw[:65536], cp_isolation=["cp1252", "cp1251", "cp1250", "iso8859_2", "koi8_r", "cp1253", "cp1254", "gb18030", "big5"]
    ).best()
    return best.encoding if best is not None else "cp1252"


def extract(bodies: pa.Array, types: pa.Array, urls: pa.Array, dates: pa.Array) -> pa.Array:
    """For each page a struct of its parts and ``why``, what is wrong with it: what that runs in the worker processes."""
    import pyarrow as pa

    kind = pa.struct([pa.field(n, pa.string()) for n in (*FOUND, "why")])
    made = []
    for raw, type, url, date in zip(bodies.to_pylist(), types.to_pylist(), urls.to_pylist(), dates.to_pylist(), strict=True):
        found = parts_of(raw, type, url, date)
        made.append(dict(zip((*FOUND, "why"), found, strict=True)))
    from recipec.fast.lang import language

    # Of the text itself: pages that say another are often made from templates.
    spoken = language(pa.array([m["text"] for m in made], pa.string())).to_pylist()
    return pa.array([m | {"language": code} for m, code in zip(made, spoken, strict=True)], kind)


def parts_of(raw: bytes, type: str, url: str, date: str) -> Sequence[str | None]:
    """Title, date, language, author, site and text of a page, and why it is a bad row. ``date`` is when it was fetched: no later one is its own."""
    from trafilatura import bare_extraction  # type: ignore[import-untyped,import-not-found,unused-ignore]

    markup = text_of(raw, type)
    nothing: list[str | None] = [None] * len(FOUND)
    if not markup.strip():
        return [*nothing, "it is empty"]
    try:
        found: Any = bare_extraction(
            markup,
            url=url,
            with_metadata=True,
            include_comments=False,
            include_tables=True,
            date_extraction_params={"original_date": True, "extensive_search": False, "max_date": date[:10] or None},
        )
    except (
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        RecursionError,
        AssertionError,
    ) as error:  # seen on pages that are hardly markup
        return [*nothing, f"its text cannot be found ({type_name(error)})"]
    if found is None:
        return [*nothing, None]
    values = (found.title, found.date, None, found.author, found.sitename, found.text)
    return [*(clean(v) or None if v else None for v in values), None]


def type_name(error: Exception) -> str:
    return type(error).__name__


def clean(text: str) -> str:
    """Without what no table can hold: halves of letters."""
    return text.encode("utf-8", "ignore").decode().strip()


class Extraction:
    """Pages on their way to rows: several processes where there are many."""

    FEW = 48
    """Pages that are quicker read here than by processes that must be started."""

    def __init__(self, threads: int) -> None:
        from recipec.engines.batches import Pool

        self.pool = Pool(max(1, threads))
        self.seen = 0

    def __call__(self, pages: Sequence[tuple[bytes, str, str, str]]) -> list[dict[str, str | None]]:
        import pyarrow as pa

        columns = [pa.array([p[0] for p in pages], pa.large_binary()), *(pa.array([p[i] for p in pages], pa.string()) for i in (1, 2, 3))]
        self.seen += len(pages)
        if self.seen <= self.FEW:
            found = extract(*columns)
        else:
            found = self.pool.call("recipec.readers._pages:extract", (), pa.record_batch(columns, names=["a", "b", "c", "d"]))
        rows: list[dict[str, str | None]] = found.to_pylist()
        return rows

    def close(self) -> None:
        self.pool.stop()
