"""``html``: one row a page, as text."""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Sequence
from typing import ClassVar

from recipec.api import Settings, SourceFile, reader
from recipec.readers._whole import WholeFileReader

_BODY = re.compile(r"<(?:body|svg)\b", re.I)
_AS_WRITTEN = re.compile(r"<(pre|textarea)(?:\s[^<>]*)?>", re.I)
_XML = re.compile(r"\A\s*<\?xml\s[^<>]*\?>")
_BLANK = re.compile(r"[ \t\n\f\r]+")
_CHARSET = re.compile(rb"<meta\b[^>]*?\bcharset\s*=\s*[\"']?\s*([a-zA-Z0-9_:.-]+)", re.I)
_MEANT = {"gb2312": "gb18030", "gbk": "gb18030", "iso-8859-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252", "x-sjis": "shift_jis"}
"""Names that browsers take for a larger encoding (WHATWG Encoding, section 4.2)."""


class HtmlParams(Settings):
    path: str | list[str]


@reader("html")
class Html(WholeFileReader):
    """HTML pages, each a row with the columns ``path``, ``title`` and ``text``.

    ```recipe
    source pages = html("crawl/**/*.html")
    ```

    ``path`` is a glob, a file or a list of them. ``text`` is what a reader of the page sees, as the function ``strip_html``
    gives it: without scripts, styles and the head, blocks on lines of their own, entities decoded. White space in the
    source is one space, but inside ``pre`` it stays. ``title`` is that of the head, else the first ``h1``, else null.
    ``.gz``, ``.zst``, ``.bz2`` and ``.xz`` are unpacked. To keep the markup read the pages with ``files``.

    The encoding is the byte order mark's, else the declared one; where that is left at UTF-8, a page's own
    ``<meta charset>`` counts.

    Bad rows: a page that is not in its encoding, or longer than 64 MiB.

    Source of the format: WHATWG HTML (section 13.2.3.2 for the encoding). The tags are found by regular expressions that
    take one pass, because Python's own parser takes quadratic time on some broken pages and a faster one would be a
    compiled dependency.
    """

    Params = HtmlParams
    extensions = (".html", ".htm", ".xhtml")
    columns: ClassVar[tuple[str, ...]] = ("path", "title", "text")
    params: HtmlParams

    def encoding_of(self, raw: bytes, encoding: str) -> str:
        if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        if raw.startswith(codecs.BOM_UTF8) or encoding != "utf-8":
            return encoding
        return named_encoding(raw) or encoding

    def parts(self, file: SourceFile, text: str) -> Sequence[str | None]:
        from recipec.fast.text_html import text_of

        return title_of(text), text_of(collapsed(text)).strip()


def named_encoding(raw: bytes) -> str | None:
    """The encoding that a page names in its first 1024 bytes, if Python knows it.

    A name that could be read is written in ASCII bytes, so ``utf-16`` there cannot be true: UTF-8 is meant.
    """
    found = _CHARSET.search(raw[:1024])
    if found is None:
        return None
    name = found[1].decode().lower()
    name = "utf-8" if name.startswith("utf-16") else _MEANT.get(name, name)
    try:
        return name if codecs.lookup(name)._is_text_encoding else None
    except LookupError:
        return None


def title_of(markup: str) -> str | None:
    """The text of the head's ``title``, else of the first ``h1``."""
    body = _BODY.search(markup)
    found = _element(markup[: body.start()] if body else markup, "title") or _element(markup, "h1")
    return found or None


def _element(markup: str, name: str) -> str:
    """The text of the first element of that name, on one line."""
    at = 0
    while (opening := re.compile(rf"<!--|<{name}(?:\s[^<>]*)?>", re.I).search(markup, at)) is not None:
        if opening[0] == "<!--":
            at = markup.find("-->", opening.end())
            if at < 0:
                break
            continue
        close = re.compile(rf"</{name}\s*>", re.I).search(markup, opening.end())
        inside = markup[opening.end() : close.start()] if close else ""
        return " ".join(html.unescape(re.sub(r"<[^<>]*>", "", inside)).split())
    return ""


def collapsed(markup: str) -> str:
    """White space as a browser shows it: one space, except where it stays as written; without the declaration of XML."""
    markup = _XML.sub("", markup)
    parts = []
    at = 0
    unclosed: set[str] = set()
    for opening in _AS_WRITTEN.finditer(markup):
        name = opening[1].lower()
        if opening.start() < at or name in unclosed:
            continue
        close = re.compile(rf"</{name}\s*>", re.I).search(markup, opening.end())
        if close is None:
            unclosed.add(name)
            continue
        parts += [_BLANK.sub(" ", markup[at : opening.start()]), markup[opening.start() : close.end()]]
        at = close.end()
    return "".join((*parts, _BLANK.sub(" ", markup[at:])))
