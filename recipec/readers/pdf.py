"""``pdf``: the text of PDF documents, by page or by document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, ClassVar, Literal

from recipec.api import ReadContext, Settings, SourceFile, named, reader
from recipec.readers._documents import LARGEST, Bad, DocumentReader, Row

SCAN = "has no text, only pictures: it is a scan, and text must be recognised first"
_HYPHEN = re.compile("[\ufffe\u00ad\x02]\r?\n?")
"""PDFium's mark for a hyphen that only the end of a line made."""
_BLANK = re.compile(r"[ \t]+(?=\n|\Z)")


class PdfParams(Settings):
    path: str | list[str]
    by: Literal["page", "document"] = named("page")


@reader("pdf")
class Pdf(DocumentReader):
    """The text of PDF files, a row for each page, or for each document under ``by: document``.

    ```recipe
    source papers = pdf("papers/**/*.pdf")
    source books = pdf("books.zip!*.pdf", by: document)
    ```

    ``path`` is a glob, a file or a list of them. Needs ``pip install 'recipec[docs]'``.

    | column | holds |
    |---|---|
    | `path` | the file's path as seen from the recipe |
    | `page` | the page's number, from 1; of documents `pages`, how many there are |
    | `title`, `author` | what the document says of itself; null where it says nothing |
    | `text` | the page's text in the order in which it is drawn; of documents all pages', a form feed between them |
    | `scans` | of documents: how many pages are pictures without text |

    Words that were hyphenated at the end of a line are put together again. Tables and columns come as their text is drawn: nothing
    is guessed about a page's layout. A blank page has an empty text.

    Bad rows: a file that is no PDF, is damaged or wants a password; a page that is a scan (pictures and no text; of documents one
    whose pages all are), or that cannot be read; a file longer than 512 MiB.

    Source of the format: ISO 32000-2; it is read by PDFium.
    """

    Params = PdfParams
    extensions = (".pdf",)
    needs = ("pypdfium2", "docs")
    limit = LARGEST
    columns: ClassVar[Mapping[str, str]] = {"path": "VARCHAR", "page": "BIGINT", "title": "VARCHAR", "author": "VARCHAR", "text": "VARCHAR"}
    params: PdfParams

    def columns_of(self, declared: Mapping[str, str] | None) -> Mapping[str, str]:
        if self.params.by == "page":
            return self.columns
        return {"path": "VARCHAR", "pages": "BIGINT", "title": "VARCHAR", "author": "VARCHAR", "scans": "BIGINT", "text": "VARCHAR"}

    def rows(self, file: SourceFile, raw: bytes, ctx: ReadContext) -> Iterator[Row | Bad]:
        pypdfium2: Any = import_module("pypdfium2")
        if b"%PDF-" not in raw[:1024]:
            yield Bad(f"no PDF: it begins with {raw[:4].hex(' ')}" if raw else "is empty")
            return
        try:
            document = pypdfium2.PdfDocument(raw)
        except pypdfium2.PdfiumError as error:
            locked = getattr(error, "err_code", None) == 4
            yield Bad("wants a password" if locked else "a damaged PDF")
            return
        try:
            about = self.about(document)
            pages = (page_text(document, i) for i in range(len(document)))
            if self.params.by == "page":
                for number, text in enumerate(pages, 1):
                    yield Bad(f"page {number} {text.why}") if isinstance(text, Bad) else (file.name, number, *about, text)
                return
            texts = list(pages)
            scans = sum(isinstance(t, Bad) and t.why == SCAN for t in texts)
            broken = next((f"page {n} {t.why}" for n, t in enumerate(texts, 1) if isinstance(t, Bad) and t.why != SCAN), None)
            said = [t for t in texts if isinstance(t, str)]
            if broken is not None:
                yield Bad(broken, "\f".join(said))
            elif scans and not any(said):
                yield Bad(SCAN)
            else:
                yield (file.name, len(texts), *about, scans, "\f".join("" if isinstance(t, Bad) else t for t in texts))
        finally:
            document.close()

    @staticmethod
    def about(document: Any) -> tuple[str | None, str | None]:
        said: dict[str, Any] = document.get_metadata_dict()
        title, author = (" ".join(str(said.get(k) or "").replace("\0", "").split()) or None for k in ("Title", "Author"))
        return title, author


def page_text(document: Any, index: int) -> str | Bad:
    """A page's text, or why there is none."""
    pypdfium2: Any = import_module("pypdfium2")
    try:
        page = document[index]
        try:
            text_page = page.get_textpage()
            try:
                text = str(text_page.get_text_bounded())
            finally:
                text_page.close()
            text = _BLANK.sub("", _HYPHEN.sub("", text).replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")).strip("\n")
            pictures = (pypdfium2.raw.FPDF_PAGEOBJ_IMAGE,)
            if not text.strip() and next(page.get_objects(filter=pictures, max_depth=3), None) is not None:
                return Bad(SCAN)
            return text
        finally:
            page.close()
    except pypdfium2.PdfiumError:
        return Bad("cannot be read")
    except UnicodeDecodeError:
        return Bad("has text that is no Unicode")
