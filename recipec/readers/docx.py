"""``docx``: the text of Word documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar
from xml.etree import ElementTree

from recipec.api import ReadContext, Settings, SourceFile, reader
from recipec.readers._documents import LARGEST, Bad, DocumentReader, Row
from recipec.readers._zipped import Parts, Unreadable, core, local

_GONE = frozenset({"del", "moveFrom", "delText", "instrText", "delInstrText", "pPrChange", "rPrChange", "Fallback", "txbxContent"})
"""Elements whose text a reader of the document does not see, or sees elsewhere."""


class DocxParams(Settings):
    path: str | list[str]


@reader("docx")
class Docx(DocumentReader):
    """Word documents (``.docx``), each a row with the columns ``path``, ``title``, ``author`` and ``text``.

    ```recipe
    source letters = docx("letters/**/*.docx")
    ```

    ``path`` is a glob, a file or a list of them. ``text`` has a paragraph a line. Headings begin with ``#`` as in Markdown, as deep as their style's
    outline level; a table's rows are lines ``| a | b |``, a table in a cell is read with its cell; footnotes and endnotes are marked ``[^1]``
    where they belong and stand at the end; text boxes come after the paragraph that they are anchored in. Tracked changes are
    read as accepted: what was deleted is not there. Comments, headers and footers are left out, as are the codes of
    fields (their results are text). ``title`` and ``author`` are the document's properties, null where there are none.

    Bad rows: a file that is no ``.docx``, is damaged, or has a password; one longer than 512 MiB, a part of it longer than 128 MiB,
    or elements nested more than 200 deep.

    Source of the format: ECMA-376 (Office Open XML), part 1. Nothing is needed beyond Python: it is a ZIP of XML.
    """

    Params = DocxParams
    extensions = (".docx", ".docm", ".dotx")
    limit = LARGEST
    columns: ClassVar[Mapping[str, str]] = {"path": "VARCHAR", "title": "VARCHAR", "author": "VARCHAR", "text": "VARCHAR"}
    params: DocxParams

    def rows(self, file: SourceFile, raw: bytes, ctx: ReadContext) -> Iterator[Row | Bad]:
        try:
            parts = Parts(raw, "Word document")
            about = core(parts, "docProps/core.xml")
            yield (file.name, about.get("title"), about.get("creator"), Document(parts).text())
        except Unreadable as error:
            yield Bad(str(error))


class Document:
    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.notes: list[str] = []
        self.levels = levels(parts)
        self.kinds = {kind: notes(parts, kind) for kind in ("footnote", "endnote")}

    def text(self) -> str:
        root = self.parts.xml(main_part(self.parts))
        body = None if root is None else next((e for e in root if local(e.tag) == "body"), None)
        if body is None:
            raise Unreadable("no Word document: it has no body")
        lines = [*self.block(body)]
        return "\n".join([*lines, *self.notes])

    def block(self, element: ElementTree.Element) -> Iterator[str]:
        """The lines of paragraphs and tables, and of what holds some."""
        for child in element:
            match local(child.tag):
                case "p":
                    yield from self.paragraph(child)
                case "tbl":
                    yield from self.table(child)
                case name if name in _GONE:
                    continue
                case _:
                    yield from self.block(child)

    def paragraph(self, element: ElementTree.Element) -> Iterator[str]:
        boxes: list[ElementTree.Element] = []
        text = "".join(self.runs(element, boxes))
        level = self.level(element)
        yield f"{'#' * level} {text}" if level and text.strip() else text
        for box in boxes:
            yield from self.block(box)

    def level(self, element: ElementTree.Element) -> int:
        for properties in element:
            if local(properties.tag) == "pPr":
                for one in properties:
                    value = next((v for k, v in one.attrib.items() if local(k) == "val"), "")
                    if local(one.tag) == "pStyle":
                        return self.levels.get(value, 0)
        return 0

    def runs(self, element: ElementTree.Element, boxes: list[ElementTree.Element]) -> Iterator[str]:
        for child in element:
            match local(child.tag):
                case "t":
                    yield child.text or ""
                case "tab":
                    if local(element.tag) == "r":  # in a paragraph's properties it is where tabs stop
                        yield "\t"
                case "br" | "cr":
                    yield "\n"
                case "noBreakHyphen":
                    yield "-"
                case "footnoteReference" | "endnoteReference" as name:
                    yield self.note(name.removesuffix("Reference"), child)
                case "txbxContent":
                    boxes.append(child)
                case name if name in _GONE:
                    continue
                case _:
                    yield from self.runs(child, boxes)

    def note(self, kind: str, reference: ElementTree.Element) -> str:
        found = self.kinds[kind].get(next((v for k, v in reference.attrib.items() if local(k) == "id"), ""))
        if found is None:
            return ""
        number = len(self.notes) + 1
        self.notes.append("")  # a note may have notes of its own
        self.notes[number - 1] = f"[^{number}]: " + " ".join(" ".join(self.block(found)).split())
        return f"[^{number}]"

    def table(self, element: ElementTree.Element) -> Iterator[str]:
        for row in rows_of(element):
            cells = [" ".join(" ".join(self.block(c)).split()) for c in cells_of(row)]
            if cells:
                yield f"| {' | '.join(cells)} |"


def rows_of(element: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """A table's rows: those in content controls too, those of tables inside not."""
    for child in element:
        if local(child.tag) == "tr":
            yield child
        elif local(child.tag) in ("sdt", "sdtContent", "ins", "customXml"):
            yield from rows_of(child)


def cells_of(element: ElementTree.Element) -> Iterator[ElementTree.Element]:
    for child in element:
        if local(child.tag) == "tc":
            yield child
        elif local(child.tag) in ("sdt", "sdtContent", "ins", "customXml"):
            yield from cells_of(child)


def main_part(parts: Parts) -> str:
    """The name of the document's own part: its relations say which."""
    root = parts.xml("_rels/.rels")
    for relation in root if root is not None else ():
        if relation.get("Type", "").endswith("/officeDocument"):
            return relation.get("Target", "").lstrip("/")
    if "word/document.xml" not in parts.names:
        raise Unreadable("no Word document: it is a ZIP file without `word/document.xml`")
    return "word/document.xml"


def levels(parts: Parts) -> dict[str, int]:
    """The depth of headings by their style's id: a style's outline level, or that of the style that it is based on."""
    root = parts.xml("word/styles.xml")
    own: dict[str, int] = {}
    based: dict[str, str] = {}
    for style in root if root is not None else ():
        if local(style.tag) != "style":
            continue
        name = next((v for k, v in style.attrib.items() if local(k) == "styleId"), "")
        for one in style.iter():
            value = next((v for k, v in one.attrib.items() if local(k) == "val"), "")
            if local(one.tag) == "outlineLvl" and value.isdecimal():
                own[name] = int(value) + 1 if int(value) < 9 else 0  # 9 is body text
            elif local(one.tag) == "basedOn":
                based[name] = value
    out = {}
    for name in {*own, *based}:
        at, seen = name, {name}
        while at not in own and at in based and based[at] not in seen:
            at = based[at]
            seen.add(at)
        out[name] = min(own.get(at, 0), 6)
    return out


def notes(parts: Parts, kind: str) -> dict[str, ElementTree.Element]:
    """Footnotes or endnotes by their ids; the lines that separate them from the text are none."""
    root = parts.xml(f"word/{kind}s.xml")
    out = {}
    for note in root if root is not None else ():
        facts = {local(k): v for k, v in note.attrib.items()}
        if local(note.tag) == kind and "type" not in facts:
            out[facts.get("id", "")] = note
    return out
