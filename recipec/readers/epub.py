"""``epub``: books, by chapter or whole."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal
from urllib.parse import unquote

from recipec.api import ReadContext, Settings, SourceFile, named, reader
from recipec.readers._documents import LARGEST, Bad, DocumentReader, Row
from recipec.readers._zipped import Parts, Unreadable, core, local
from recipec.readers.html import collapsed, title_of

_HEADING = re.compile(r"<h[1-6](?:\s[^<>]*)?>(.*?)</h[1-6]\s*>", re.I | re.S)
_DECLARED = re.compile(rb"""^<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)""")


class EpubParams(Settings):
    path: str | list[str]
    by: Literal["chapter", "book"] = named("chapter")


@reader("epub")
class Epub(DocumentReader):
    """Books in EPUB, a row for each chapter in reading order, or for each book under ``by: book``.

    ```recipe
    source chapters = epub("books/*.epub")
    source books = epub("books/*.epub", by: book)
    ```

    ``path`` is a glob, a file or a list of them.

    | column | holds |
    |---|---|
    | `path` | the file's path as seen from the recipe |
    | `title`, `author`, `language` | the book's, as it says itself; null where it does not |
    | `chapter` | the number of the file in reading order, from 1; of books `chapters`, how many have text |
    | `heading` | the chapter's first heading, else its title; null where there is neither; books have no such column |
    | `text` | the text as ``html`` reads it; of books all chapters', an empty line between them |

    A chapter is a file of the book's reading order (its spine): usually a chapter, sometimes a part of one. What has no text (a cover) is no row.

    Bad rows: a file that is no EPUB or is damaged; a chapter that is missing, encrypted (DRM) or not in its encoding; a part
    longer than 128 MiB.

    Source of the format: EPUB 3.3 (W3C); versions 2 and 3 are read. Nothing is needed beyond Python.
    """

    Params = EpubParams
    extensions = (".epub",)
    limit = LARGEST
    columns: ClassVar[Mapping[str, str]] = {
        "path": "VARCHAR",
        "title": "VARCHAR",
        "author": "VARCHAR",
        "language": "VARCHAR",
        "chapter": "BIGINT",
        "heading": "VARCHAR",
        "text": "VARCHAR",
    }
    params: EpubParams

    def columns_of(self, declared: Mapping[str, str] | None) -> Mapping[str, str]:
        if self.params.by == "chapter":
            return self.columns
        return {"chapters" if n == "chapter" else n: t for n, t in self.columns.items() if n != "heading"}

    def rows(self, file: SourceFile, raw: bytes, ctx: ReadContext) -> Iterator[Row | Bad]:
        try:
            parts = Parts(raw, "EPUB")
            package = package_of(parts)
            about = core(parts, package)
            spine = spine_of(parts, package)
            locked = encrypted(parts)
        except Unreadable as error:
            yield Bad(str(error))
            return
        book = (file.name, about.get("title"), about.get("creator"), about.get("language"))
        texts: list[str] = []
        for number, name in enumerate(spine, 1):
            chapter = read_chapter(parts, name, locked)
            if isinstance(chapter, Bad):
                yield Bad(f"chapter {number} {chapter.why}", chapter.text)
                if self.params.by == "book":
                    return
            elif chapter[1]:
                texts.append(chapter[1])
                if self.params.by == "chapter":
                    yield (*book, number, *chapter)
        if self.params.by == "book":
            yield (*book, len(texts), "\n\n".join(texts)) if texts else Bad("has no text")
        elif not spine:
            yield Bad("has no reading order")


def package_of(parts: Parts) -> str:
    """The name of the part that describes the book."""
    root = parts.xml("META-INF/container.xml")
    if root is None:
        raise Unreadable("no EPUB: it is a ZIP file without `META-INF/container.xml`")
    for element in root.iter():
        if local(element.tag) == "rootfile" and (path := element.get("full-path")):
            if path not in parts.names:
                raise Unreadable(f"its part `{path}` is missing")
            return path
    raise Unreadable("no EPUB: its container names no book")


def spine_of(parts: Parts, package: str) -> list[str]:
    """The names of the parts that make the book, in reading order."""
    root = parts.xml(package)
    assert root is not None
    manifest: dict[str, str] = {}
    order: list[str] = []
    for element in root.iter():
        match local(element.tag):
            case "item":
                href = unquote(element.get("href", "").partition("#")[0])
                manifest[element.get("id", "")] = posixpath.normpath(posixpath.join(posixpath.dirname(package), href))
            case "itemref":
                order.append(element.get("idref", ""))
    return [manifest.get(i, i) for i in order]


def encrypted(parts: Parts) -> set[str]:
    """The parts that are encrypted. Fonts often are, and do not matter."""
    root = parts.xml("META-INF/encryption.xml")
    return {unquote(e.get("URI", "")) for e in root.iter() if local(e.tag) == "CipherReference"} if root is not None else set()


def read_chapter(parts: Parts, name: str, locked: set[str]) -> tuple[str | None, str] | Bad:
    """A chapter's heading and text."""
    from recipec.fast.text_html import text_of

    if name in locked:
        return Bad("is encrypted (DRM)")
    try:
        data = parts.read(name)
    except Unreadable as error:
        return Bad(str(error))
    if data is None:
        return Bad(f"is missing: the book has no part `{name}`")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    else:
        found = _DECLARED.match(data.removeprefix(b"\xef\xbb\xbf"))
        encoding = found[1].decode() if found and not found[1].lower().startswith(b"utf") else "utf-8-sig"
    try:
        markup = data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return Bad(f"is not valid {encoding.removesuffix('-sig')}", data[:1000].decode("utf-8", "backslashreplace"))
    heading = _HEADING.search(markup)
    said = " ".join(text_of(heading[1]).split()) if heading else ""
    return said or title_of(markup), text_of(collapsed(markup)).strip()
