"""Documents that are ZIP files of XML (DOCX, EPUB): their parts, read within bounds and without what XML can do beyond text."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from xml.etree import ElementTree

LARGEST_PART = 128 << 20
"""The largest part that is read, in bytes unpacked."""
MOST_PARTS = 100_000
DEEPEST = 200
"""How deep elements may be nested."""

_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


class Unreadable(ValueError):
    """Why a document cannot be read."""


class Parts:
    """The parts of such a file by name."""

    def __init__(self, raw: bytes, what: str) -> None:
        """``what`` is the kind of document, for messages. Raises Unreadable."""
        if not raw:
            raise Unreadable("is empty")
        if raw.startswith(b"\xd0\xcf\x11\xe0"):
            raise Unreadable(f"no {what}, but a document of an old Office, or one with a password")
        if not raw.startswith(b"PK"):
            raise Unreadable(f"no {what}: it begins with {raw[:4].hex(' ')}")
        try:
            self.zip = zipfile.ZipFile(io.BytesIO(raw))
        except _ERRORS as error:
            raise Unreadable(f"a damaged {what}: {error}") from None
        self.names = {i.filename: i for i in self.zip.infolist()}
        if len(self.names) > MOST_PARTS:
            raise Unreadable(f"a {what} of more than {MOST_PARTS:,} parts")

    def read(self, name: str) -> bytes | None:
        """A part's bytes; None where there is no such part. Raises Unreadable."""
        info = self.names.get(name)
        if info is None:
            return None
        try:
            with self.zip.open(info) as stream:
                data = stream.read(LARGEST_PART + 1)
        except _ERRORS as error:
            why = "is encrypted" if info.flag_bits & 1 else f"is damaged: {error}"
            raise Unreadable(f"its part `{name}` {why}") from None
        if len(data) > LARGEST_PART:
            raise Unreadable(f"its part `{name}` is longer than {LARGEST_PART >> 20} MiB")
        return data

    def xml(self, name: str) -> ElementTree.Element | None:
        data = self.read(name)
        return None if data is None else parsed(data, name)


def parsed(data: bytes, name: str) -> ElementTree.Element:
    """The root element. What declares a document type is refused: entities can be bombs, and these formats have none. Raises Unreadable."""
    sample = data.replace(b"\0", b"") if data[:4].count(b"\0") or data[:2] in (b"\xff\xfe", b"\xfe\xff") else data
    if re.search(rb"<!\s*(?:DOCTYPE|ENTITY)", sample):
        raise Unreadable(f"its part `{name}` declares a document type, which is not read")
    builder = _Builder()
    parser = ElementTree.XMLParser(target=builder)
    try:
        for at in range(0, len(data), 1 << 16):
            parser.feed(data[at : at + (1 << 16)])
            if builder.deepest > DEEPEST:
                raise Unreadable(f"its part `{name}` is nested more than {DEEPEST} levels deep")
        root: ElementTree.Element = parser.close()
    except ElementTree.ParseError as error:
        raise Unreadable(f"its part `{name}` is no XML: {error}") from None
    except (LookupError, ValueError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"its part `{name}` is in an encoding that is not known") from None
    return root


class _Builder(ElementTree.TreeBuilder):
    """A tree builder that knows how deep it got."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = self.deepest = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> ElementTree.Element:
        self.depth += 1
        self.deepest = max(self.deepest, self.depth)
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> ElementTree.Element:
        self.depth -= 1
        return super().end(tag)


def local(tag: str) -> str:
    """An element's name without its namespace."""
    return tag.rpartition("}")[2]


def core(parts: Parts, name: str) -> dict[str, str]:
    """What a document says of itself in Dublin Core: ``title``, ``creator``, ``language``, each its first text."""
    root = parts.xml(name)
    out: dict[str, str] = {}
    for element in root.iter() if root is not None else ():
        text = " ".join("".join(element.itertext()).split())
        if text:
            out.setdefault(local(element.tag), text)
    return out
